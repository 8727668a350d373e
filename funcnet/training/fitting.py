"""``fit``: a whole training run. This is the Python code outside the compiled program: checks, progress, result."""

import time
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from html import escape
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..callbacks.base import Callback, Follower, Followers, Progress, RunStart, check_callbacks, following
from ..callbacks.display import showing
from ..checks import check_key, check_params, params_dtype
from ..compilation import LOOP, jit_for_cpu
from ..configuration import document_fields
from ..ending import Ending
from ..errors import message
from ..layer import Layer, Params, Shape
from ..losses import Loss
from ..objective import autodiff
from ..optimizers import Optimizer
from ..penalties import Penalty
from .early_stopping import EarlyStopping, with_early_stopping
from .measuring import AnyMetric
from .mistakes import divergence
from .run import Plan, check_counts, epochs_of, make_plan, shapes_of
from .step import GradientsOf, TrainState, copy_for_donation, first_state, resumed

# Epochs in one call of the compiled program at most: the length of its history, of which one kernel can hold no more.
# With 1024 a line through 100 points took 0.68 µs of processor time per epoch, with 2048 0.40 (JAX 0.10.1).
_MAX_EPOCHS_PER_CALL = 2048
_SECONDS_PER_CALL = 0.5  # seconds that a call of the compiled program should take, so that progress is shown


@document_fields
class FitResult(NamedTuple):
    """What ``fit`` returns.

    Attributes:
        params: the trained parameters; with early stopping those of the best epoch, unless ``restore_best`` is False.
        history: an array (epochs,) of this call for "loss" and each metric, and for the same after "val_".
        state: what another fit needs to go on from here, as its ``state``.
        reason: why the run ended: "completed", "stopped early", "stopped by a callback", "non-finite loss" or
            "non-finite parameters".
        best_epoch: with early stopping the best epoch, counted from 1 since the run began.
    """

    params: Params
    history: dict[str, np.ndarray]
    state: TrainState
    reason: Ending
    best_epoch: int | None = None

    def __repr__(self) -> str:
        return f"FitResult({self._text()})"

    def _repr_html_(self) -> str:
        """Return the last row of the history as a notebook shows it."""
        last = {name: column[-1] for name, column in self.history.items() if len(column) and column.ndim == 1}
        cells = "".join(f"<tr><th>{escape(name)}</th><td>{value:.4g}</td></tr>" for name, value in last.items())
        return f"<p>{escape(self._text())}</p><table>{cells}</table>"

    def _text(self) -> str:
        epochs = len(self.history["loss"])
        best = "" if self.best_epoch is None else f", the best is epoch {self.best_epoch}"
        last = {name: column[-1] for name, column in self.history.items() if epochs and column.ndim == 1}
        values = ", ".join(f"{name} {value:.4g}" for name, value in last.items())
        return f"{self.reason} after {epochs} {'epoch' if epochs == 1 else 'epochs'}{best}{values and f': {values}'}"


def fit(
    network: Layer,
    loss: Loss,
    optimizer: Optimizer,
    data: tuple[Any, ...],
    *,
    key: jax.Array | None = None,
    epochs: int,
    batch_size: int | None = 32,
    validation: tuple[Any, ...] | None = None,
    metrics: Sequence[AnyMetric] = (),
    penalty: Penalty | None = None,
    early_stopping: EarlyStopping | None = None,
    gradients: GradientsOf = autodiff,
    params: Params | None = None,
    state: TrainState | None = None,
    callbacks: Sequence[Callback | Follower] = (),
    progress: bool = True,
) -> FitResult:
    """Train a network and return the result: parameters, history, state, and the reason why the run ended.

    The samples are shuffled every epoch into batches; a partial last batch is weighted correctly. The key determines
    all randomness: the same key gives bit-identical results. A loss or a parameter that is not finite ends the run at
    the end of that epoch, with a ``RuntimeWarning``. A layer such as ``Dropout`` draws new random numbers in every
    step, and none in the validation.

    Args:
        network: the network to train.
        loss: the loss of each sample.
        optimizer: an (init, update) pair, funcnet's or optax's.
        data: (x, y) or (x, y, weights). x (n, ...) is floating, or integers for a network that takes them, for
            example one that starts with ``Rescaling``. y is (n, outputs), or class labels (n,) for a loss that takes
            them, such as ``fn.softmax_cross_entropy``. The weights (n,) say how much each sample counts: costs and
            metrics are weighted means. A batch whose weights are all 0 changes nothing but the count of steps.
        key: the run's random key, ``jax.random.key(seed)``; not with ``state``.
        epochs: how many passes over the data at most.
        batch_size: samples per step; None for the full set.
        validation: data like these that are evaluated after every epoch, or None.
        metrics: functions (prediction, target) -> one number per sample, of which the history records the means, and
            metrics of ``fn.metrics``, such as ``fn.metrics.f1``.
        penalty: such as ``fn.l2(0.0001)``. It is part of the "loss" that is minimized; "val_loss" and ``evaluate``
            exclude it, so that runs with different penalties can be compared.
        early_stopping: ``fn.EarlyStopping(...)``, or None.
        gradients: ``fn.autodiff``, ``fn.backprop``, or your own function with their signature.
        params: the initial parameters; None for ``network.init(key, x.shape[1:])``.
        state: an earlier result's ``state``. The run continues with its own key, optimizer state and counts,
            as if it had never stopped; other hyper-parameters of the same optimizer, such as a lower learning rate,
            take effect. ``epochs`` more are run, and the history holds these. A run that early stopping has ended runs
            none, unless the patience is larger now.
        callbacks: such as ``fn.CSVLog("log.csv")``, and functions of a ``fn.Progress`` that are called after every
            epoch. One that returns True stops the run after that epoch. They change nothing else: see ``fn.Callback``.
        progress: whether progress is shown on the standard error stream: a bar on a terminal and in
            a notebook, lines elsewhere.

    Raises:
        TypeError, ValueError: data or settings cannot be trained with; the error names the argument.

    >>> import funcnet as fn
    >>> import jax.numpy as jnp
    >>> x = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> y = jnp.array([[0.0], [1.0], [1.0], [0.0]])
    >>> result = fn.fit(fn.mlp([2, 8, 1], hidden=fn.tanh), fn.sigmoid_cross_entropy, fn.adam(0.05), (x, y),
    ...                 key=jax.random.key(0), epochs=200, batch_size=None, metrics=[fn.accuracy], progress=False)
    >>> result.history["accuracy"].shape, float(result.history["accuracy"][-1]), result.reason
    ((200,), 1.0, 'completed')
    """
    check_callbacks("fit", callbacks)
    plan = make_plan(
        "fit",
        (network, loss, optimizer),
        data,
        params_dtype(state.params if isinstance(state, TrainState) else params),
        epochs=epochs,
        batch_size=batch_size,
        validation=validation,
        metrics=metrics,
        penalty=penalty,
        early_stopping=early_stopping,
        gradients=gradients,
    )
    is_new = state is None
    state = _starting_state(network, optimizer, plan.data.x.shape[1:], key, params, state)
    check_counts("fit", plan, epochs, None if is_new else state)
    before = 0 if is_new else int(state.epoch)
    start = RunStart(_names_of_numbers(plan, state) if callbacks else plan.names, before, before + int(epochs))
    if early_stopping is None:
        state = state._replace(best=())
    else:
        state = with_early_stopping("fit", state, early_stopping, plan.names, plan.step.metrics)
    if not is_new or early_stopping is not None:  # the arrays of a new state without a best epoch are its own
        state = copy_for_donation(state)
    reason: Ending | None = None
    with ExitStack() as stack:
        followed = following("fit", callbacks, start, stack)
        followers = Followers(followed, showing(start, stack) if progress else None)
        state, history, reason = _run(plan, state, start, followers)
    if reason is None:
        raise RuntimeError(message("fit", "callbacks that pass an exception on", "one that suppressed it"))
    is_first = is_new and params is None
    if problem := divergence(reason, int(state.epoch), history["loss"] if is_first else history["loss"][:0]):
        warnings.warn(f"fit: {problem}", RuntimeWarning, stacklevel=2)
    if early_stopping is None:
        return FitResult(state.params, history, state, reason)
    best = state.best
    if abs(best.value) == np.finfo(best.value.dtype).max:  # as it was initially
        never = f"{early_stopping.monitor} was never finite: the best parameters are the initial ones"
        warnings.warn(f"fit: {never}", RuntimeWarning, stacklevel=2)
    params = best.params if early_stopping.restore_best else state.params
    return FitResult(params, history, state, reason, int(best.epoch))


@jit_for_cpu(LOOP, donate_argnames="state")
def _compiled_epochs(plan: Plan, state: TrainState, epochs: int | jax.Array) -> tuple[TrainState, jax.Array, Any]:
    """Return the state after ``epochs`` epochs or fewer, (done, finite, stopped) as integers, and the history."""
    run = epochs_of(plan, state, epochs, rows=_MAX_EPOCHS_PER_CALL)
    numbers = jnp.stack([run.done, run.finite.astype(jnp.int32), run.stopped.astype(jnp.int32)])
    return run.state, numbers, run.history


def _starting_state(
    network: Layer,
    optimizer: Optimizer,
    input_shape: Shape,
    key: jax.Array | None,
    params: Params | None,
    state: TrainState | None,
) -> TrainState:
    """Return a new state from a key, or the state of a run to go on with."""
    if key is not None and state is None:
        check_key("fit", key)
        if params is not None:
            check_params("fit", network, params, input_shape)
        return first_state(network, optimizer, key, input_shape, params)
    if key is None and params is None and isinstance(state, TrainState):
        check_params("fit", network, state.params, input_shape)
        return resumed("fit", state, optimizer)
    raise ValueError("fit: expected key= (and optionally params=), or state= alone, the .state of an earlier result")


def _run(
    plan: Plan, state: TrainState, start: RunStart, followers: Followers
) -> tuple[TrainState, dict[str, np.ndarray], Ending]:
    """Return the state where the run ended, the history of its epochs, and why it ended.

    Each call of the program runs as many epochs as take about the time between two shows of the progress, or fewer
    where a callback is to be called before.
    """
    blocks: list[dict[str, np.ndarray]] = []
    epoch, in_time, began = start.epoch, 1, time.perf_counter()
    reason: Ending | None = None
    while reason is None:
        started = time.perf_counter()
        call = min(start.epochs - epoch, _MAX_EPOCHS_PER_CALL, in_time, followers.epochs_to_next(epoch))
        state, *numbers_and_history = _compiled_epochs(plan, state, call)
        (ran, finite, stopped), columns = jax.device_get(numbers_and_history)
        blocks.append({name: columns[name][:ran] for name in plan.names})
        epoch += int(ran)
        reason = _ending(bool(finite), bool(stopped), epoch == start.epochs, blocks[-1]["loss"])
        now = time.perf_counter()
        in_time = max(1, int(_SECONDS_PER_CALL * ran / (now - started)))
        if ran and followers:  # a run that had stopped before runs none
            rows = _by_number(blocks[-1])
            row = {name: float(column[-1]) for name, column in rows.items()}
            copy = partial(_copied, state.params)
            reason = followers.tell(Progress(epoch, start.epochs, row, rows, now - began, copy, reason))
    history = {name: np.concatenate([block[name] for block in blocks]) for name in plan.names}
    return state, history, reason


def _names_of_numbers(plan: Plan, state: TrainState) -> tuple[str, ...]:
    """Return the names of the numbers of an epoch, as ``_by_number`` names them."""
    shapes = shapes_of(plan, state.params, params_dtype(state.params))
    return tuple(_by_number({name: np.zeros((0, *shape)) for name, shape in shapes.items()}))


def _by_number(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the columns of a history with one number per epoch: those of the classes one by one, as "f1[0]".

    >>> list(_by_number({"loss": np.ones(3), "f1": np.ones((3, 2))}))
    ['loss', 'f1[0]', 'f1[1]']
    """
    numbers: dict[str, np.ndarray] = {}
    for name, column in columns.items():
        numbers |= {name: column} if column.ndim == 1 else {f"{name}[{k}]": each for k, each in enumerate(column.T)}
    return numbers


def _ending(finite: bool, stopped: bool, is_last: bool, losses: np.ndarray) -> Ending | None:
    """Return why a run has ended after a call of the program, None if it goes on."""
    if not finite:
        return Ending.NON_FINITE_PARAMETERS if np.isfinite(losses[-1]) else Ending.NON_FINITE_LOSS
    if stopped:
        return Ending.STOPPED_EARLY
    return Ending.COMPLETED if is_last else None


def _copied(params: Params) -> Params:
    """Return a copy of the parameters of a run, whose own arrays the next call of the program overwrites."""
    if any(leaf.is_deleted() for leaf in jax.tree.leaves(params)):
        expected = "to be called before the callback returns; the copy that it gives stays valid"
        raise RuntimeError(message("Progress.params", expected, "a call after the run went on"))
    return copy_for_donation(params)
