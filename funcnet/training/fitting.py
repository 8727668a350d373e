"""``fit``: a whole training run. This is the Python code outside the compiled program: checks, progress, result."""

import os
import signal
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..callbacks.base import Callback, Follower, Followers, Progress, RunStart, check_callbacks, following
from ..callbacks.display import say, showing
from ..checks import (
    LARGEST_COUNT,
    brief,
    check_alive,
    check_key,
    check_not_traced,
    check_one_place,
    check_params,
    check_part,
    params_dtype,
)
from ..compilation import LOOP, jit_for_cpu
from ..configuration import document_fields
from ..ending import Ending
from ..errors import message
from ..layer import Layer, Params, Shape
from ..losses import Loss
from ..objective import autodiff
from ..optimizers import Optimizer
from ..optimizers.rule import as_argument
from ..penalties import Penalty
from ..storage import Checkpoint
from .checkpointing import Keeper, Standing, keeping
from .early_stopping import EarlyStopping, with_early_stopping
from .interruption import Interrupted, Listener, interrupted, listening
from .measuring import AnyMetric
from .mistakes import NON_FINITE, divergence
from .non_finite import Skip, check_on_nonfinite, guarded_epoch, non_finite_error
from .run import Plan, check_counts, epochs_of, make_plan, shapes_of
from .step import GradientsOf, TrainState, copy_for_donation, first_state, resumed

# Epochs in one call of the compiled program at most: the length of its history, of which one kernel can hold no more.
# With 1024 a line through 100 points took 0.68 µs of processor time per epoch, with 2048 0.40 (JAX 0.10.1).
_MAX_EPOCHS_PER_CALL = 2048
_SECONDS_PER_CALL = 0.5  # seconds that a call of the compiled program should take, so that progress is shown
_SHORT_CALL = 0.05  # seconds in which a signal need not be heard


@document_fields
class FitResult(NamedTuple):
    """What ``fit`` returns.

    Attributes:
        params: the trained parameters; with early stopping those of the best epoch, unless ``restore_best`` is False.
        history: an array (epochs,) of this call for "loss" and each metric, and for the same after "val_".
        state: what another fit needs to go on from here, as its ``state``.
        reason: why the run ended: "completed", "stopped early", "stopped by a callback", "interrupted", "non-finite
            loss", "non-finite parameters" or "too many skipped steps".
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
    checkpoint: Checkpoint | None = None,
    on_nonfinite: str | Skip = "stop",
    progress: bool = True,
) -> FitResult:
    """Train a network and return the result: parameters, history, state, and the reason why the run ended.

    The samples are shuffled every epoch into batches; a partial last batch is weighted correctly. The key determines
    all randomness: the same key gives bit-identical results. A layer such as ``Dropout`` draws new random numbers in
    every step, and none in the validation. Ctrl-C and SIGTERM end the run after the epochs that are being computed,
    with ``fn.Interrupted``, which holds the result; a second one ends it at once. Off the main thread they are not
    heard.

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
        checkpoint: ``fn.Checkpoint(directory)`` keeps the run in files, from which the same call goes on, or None. With
            it ``epochs`` is the total, over all calls, and so are the history and its rows.
        on_nonfinite: what is done about a loss, a parameter or a state of the optimizer that is not finite. "stop" ends
            the run at the end of that epoch with a ``RuntimeWarning``. "raise" raises ``fn.NonFiniteError`` with the
            step, the layer and the quantity in which it appears first, and the result of the epochs before. "skip"
            leaves out such steps, and ends the run after 10 in a row: ``fn.Skip(limit=n)`` after n.
        progress: whether progress is shown on the standard error stream: a bar on a terminal and in
            a notebook, lines elsewhere.

    Raises:
        TypeError, ValueError: data or settings cannot be trained with; the error names the argument.
        Interrupted: Ctrl-C or SIGTERM ended the run; ``.result`` holds the epochs that were finished.
        NonFiniteError: with ``on_nonfinite="raise"``; ``.result`` holds the epochs before.
        StorageError, OSError: the folder of checkpoints cannot be used, or holds those of another run.

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
    check_part("fit", "checkpoint", checkpoint, Checkpoint, optional=True)
    skip = check_on_nonfinite("fit", on_nonfinite)
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
        checks_state=on_nonfinite != "stop",
        skips=skip is not None,
    )
    _check_arrays(plan, optimizer, key, params, state)
    is_new = state is None
    if checkpoint is not None and not is_new:
        raise ValueError(message("fit", "checkpoint= without state=: a run goes on from its file", "both"))
    state = _starting_state(network, optimizer, plan.data.x.shape[1:], key, params, state)
    with ExitStack() as stack:
        listener = stack.enter_context(listening())
        keeper = stack.enter_context(keeping(checkpoint, plan, optimizer, early_stopping, (state.key, params, epochs)))
        standing = _first_standing(plan, state, early_stopping, keeper, (optimizer, epochs, is_new))
        before = int(standing.state.epoch)
        names = _names_of_numbers(plan, standing.state) if callbacks else plan.names
        start = RunStart(names, before, int(epochs) + (before if keeper is None else 0), keeper is not None)
        check_counts("fit", plan, start.epochs - before, None if is_new and before == 0 else standing.state)
        followed = following("fit", callbacks, start, stack)
        followers = Followers(followed, showing(start, stack) if progress else None)
        if progress and keeper is not None and (text := keeper.resumed_text):
            say(f"fit: {text}")
        standing = _run(_Host(plan, start, skip, followers, keeper, listener), standing)
    result = _result(standing, early_stopping)
    if listener.heard is not None:
        raise interrupted(_interrupted_text(listener.heard, standing, checkpoint), result, listener.heard)
    if on_nonfinite == "raise" and standing.reason in NON_FINITE:
        raise non_finite_error(plan, standing.state, standing.reason, result)
    for problem in _problems(result, early_stopping, is_first=is_new and params is None):
        warnings.warn(f"fit: {problem}", RuntimeWarning, stacklevel=2)
    return result


@jit_for_cpu(LOOP, donate_argnames="state")
def _compiled_epochs(plan: Plan, state: TrainState, epochs: int | jax.Array) -> tuple[TrainState, jax.Array, Any]:
    """Return the state after ``epochs`` epochs or fewer, (done, finite, stopped) as integers, and the history."""
    run = epochs_of(plan, state, epochs, rows=_MAX_EPOCHS_PER_CALL)
    numbers = jnp.stack([run.done, run.finite.astype(jnp.int32), run.stopped.astype(jnp.int32)])
    return run.state, numbers, run.history


def _check_arrays(
    plan: Plan, optimizer: Optimizer, key: jax.Array | None, params: Params | None, state: TrainState | None
) -> None:
    """Raise an error unless all arrays hold values on the same devices, none of them traced."""
    numbers = plan.step.objective.penalty, as_argument(optimizer.init)
    check_not_traced("fit", plan.data, plan.validation, key, params, state, numbers, instead="fn.run_epochs")
    check_one_place("fit", **plan.data._asdict(), validation=plan.validation, key=key, params=params, state=state)


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
        check_alive("fit", "state", state)
        return resumed("fit", state, optimizer)
    given = {"key": key, "params": params, "state": state}
    got = [
        f"{name}= {'' if name != 'state' else brief(each)}".strip() for name, each in given.items() if each is not None
    ]
    expected = "key= (and optionally params=), or state= alone, the .state of an earlier result"
    raise ValueError(message("fit", expected, " and ".join(got) or "none of them"))


def _first_standing(
    plan: Plan,
    state: TrainState,
    early_stopping: EarlyStopping | None,
    keeper: Keeper | None,
    run: tuple[Optimizer, int, bool],
) -> Standing:
    """Return where the run stands at first: a new one, one that goes on from a state, or from a checkpoint.

    Args:
        plan: the run's.
        state: the state to start from, without a checkpoint.
        early_stopping: when to stop.
        keeper: what finds the checkpoint, None without.
        run: the optimizer, the number of epochs, and whether the state is new.
    """
    optimizer, epochs, is_new = run
    if early_stopping is None:
        state = state._replace(best=())
    else:
        state = with_early_stopping("fit", state, early_stopping, plan.names, plan.step.metrics)
    standing = Standing(state, [])
    if keeper is not None:
        standing = keeper.begin(standing, optimizer, int(epochs), plan.names)
    # The arrays of a new state without a best epoch are its own.
    if standing.blocks or not is_new or early_stopping is not None:
        standing = standing._replace(state=copy_for_donation(standing.state))
    return standing


@dataclass(frozen=True)
class _Host:
    """What a run has outside the compiled program."""

    plan: Plan
    start: RunStart
    skip: Skip | None
    followers: Followers
    keeper: Keeper | None
    listener: Listener

    def epochs_to_next(self, epoch: int) -> int:
        """Return after how many more epochs the program must return: to a callback, to a checkpoint, or at the end."""
        to_checkpoint = LARGEST_COUNT if self.keeper is None else self.keeper.epochs_to_next(epoch)
        return min(self.start.epochs - epoch, _MAX_EPOCHS_PER_CALL, self.followers.epochs_to_next(epoch), to_checkpoint)


def _run(host: _Host, standing: Standing) -> Standing:
    """Return where the run stands at its end.

    Each call of the program runs as many epochs as take about the time between two shows of the progress, or fewer
    where a callback is to be called before, or a checkpoint to be written.
    """
    epoch, in_time, began, is_first = host.start.epoch, 1, time.perf_counter(), True
    while standing.reason is None:
        started = time.perf_counter()
        epochs = min(host.epochs_to_next(epoch), in_time)
        host.listener.waits_for = f"epoch {epoch + epochs} of {host.start.epochs}"
        is_long = is_first or epochs * _SECONDS_PER_CALL > _SHORT_CALL * in_time
        standing = _next_standing(host, standing, epochs, is_long=is_long)
        is_first, block = False, standing.blocks[-1]
        ran = len(block["loss"])
        epoch += ran
        now = time.perf_counter()
        in_time = max(1, int(_SECONDS_PER_CALL * ran / (now - started)))
        if host.keeper is not None:
            host.keeper.wait()  # so that what is told as finished loses at most one interval
        if ran and host.followers:  # a run that had stopped before runs none
            rows = _by_number(block)
            row = {name: float(column[-1]) for name, column in rows.items()}
            copy = partial(_copied, standing.state.params)
            told = Progress(epoch, host.start.epochs, row, rows, now - began, copy, standing.reason)
            standing = standing._replace(reason=_told(host, told))
        standing = _if_heard(host.listener, standing)  # in a callback
        if ran and host.keeper is not None:
            host.keeper.tell(standing)
    return standing


def _told(host: _Host, told: Progress) -> Ending | None:
    """Tell the followers, and return why the run ends; a run of ``fit`` in a callback may have heard a signal."""
    try:
        return host.followers.tell(told)
    except Interrupted as error:
        if error.result is None:  # by a second signal
            raise
        host.listener.heard = error.number
        return told.reason


def _next_standing(host: _Host, standing: Standing, epochs: int, *, is_long: bool) -> Standing:
    """Return where the run stands after at most so many more epochs, with their rows as a new block.

    The epochs from the first one with values that are not finite are left out of it, unless ``on_nonfinite`` is "stop".
    Where steps are skipped, that epoch is run again without them.
    """
    plan, skip, end = host.plan, host.skip, host.start.epochs
    kept = copy_for_donation(standing.state) if plan.checks_state else None
    state, *numbers_and_history = _compiled_epochs(plan, standing.state, epochs)
    host.listener.wait(numbers_and_history, is_long=is_long)
    (ran, finite, stopped), columns = jax.device_get(numbers_and_history)
    block = {name: columns[name][:ran] for name in plan.names}
    reason, in_a_row = None, 0 if ran else standing.skipped_in_a_row
    if not finite:
        reason = Ending.NON_FINITE_PARAMETERS if np.isfinite(block["loss"][-1]) else Ending.NON_FINITE_LOSS
        if kept is not None:
            state, ran = _last_finite(plan, kept, int(ran))
            block = {name: column[:ran] for name, column in block.items()}
        if skip is not None:
            before = 0 if ran else standing.skipped_in_a_row
            again = guarded_epoch(plan, state, before, min(skip.limit, LARGEST_COUNT))
            host.listener.wait(again.row, is_long=True)
            row, stopped, (_, in_a_row, _) = jax.device_get((again.row, again.stopped, again.guard))
            state, in_a_row = again.state, int(in_a_row)
            block = {name: np.concatenate([column, row[name][None]]) for name, column in block.items()}
            reason = Ending.TOO_MANY_SKIPPED if in_a_row >= skip.limit else None
    if reason is None:
        is_last = int(state.epoch) == end
        reason = Ending.STOPPED_EARLY if stopped else Ending.COMPLETED if is_last else None
    return _if_heard(host.listener, Standing(state, [*standing.blocks, block], in_a_row, reason))


def _last_finite(plan: Plan, start: TrainState, epochs: int) -> tuple[TrainState, int]:
    """Return the last state in which all is finite, and after how many epochs from a state it is reached, fewer than
    ``epochs``, by bisection: the same program runs a part of the epochs again, which gives the same bits."""
    found, finite, bad = start, 0, epochs
    tried = epochs - 1  # the loop ends with the first loss that is not finite, so that this one is most likely
    while bad - finite > 1:
        state, numbers, _ = _compiled_epochs(plan, copy_for_donation(start), tried)
        if int(numbers[1]):
            found, finite = state, tried
        else:
            bad = tried
        tried = (finite + bad) // 2
    return found, finite


def _if_heard(listener: Listener, standing: Standing) -> Standing:
    """Return where the run stands, ended where a signal has been heard."""
    is_ended = standing.reason is not None or listener.heard is None
    return standing if is_ended else standing._replace(reason=Ending.INTERRUPTED)


def _result(standing: Standing, early_stopping: EarlyStopping | None) -> FitResult:
    """Return the result of a run; ``RuntimeError`` where it did not end."""
    state, reason = standing.state, standing.reason
    if reason is None:
        raise RuntimeError(message("fit", "callbacks that pass an exception on", "one that suppressed it"))
    if early_stopping is None:
        return FitResult(state.params, standing.history, state, reason)
    params = state.best.params if early_stopping.restore_best else state.params
    return FitResult(params, standing.history, state, reason, int(state.best.epoch))


def _problems(result: FitResult, early_stopping: EarlyStopping | None, *, is_first: bool) -> Iterator[str]:
    """Yield what is wrong in the result of a run.

    Args:
        result: the result.
        early_stopping: as ``fit`` was given it.
        is_first: whether the history begins with random initial parameters.
    """
    losses = result.history["loss"] if is_first else result.history["loss"][:0]
    if problem := divergence(result.reason, int(result.state.epoch), losses):
        yield problem
    best = result.state.best
    if early_stopping is not None and abs(best.value) == np.finfo(best.value.dtype).max:  # as it was initially
        yield f"{early_stopping.monitor} was never finite: the best parameters are the initial ones"


def _interrupted_text(number: int, standing: Standing, checkpoint: Checkpoint | None) -> str:
    goes_on = checkpoint is not None and standing.reason is Ending.INTERRUPTED
    kept = f"; the same call goes on from {os.fspath(checkpoint.directory)!r}" if goes_on and checkpoint else ""
    return f"fit: interrupted by {signal.Signals(number).name}: .result holds the epochs that were finished{kept}"


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


def _copied(params: Params) -> Params:
    """Return a copy of the parameters of a run, whose own arrays the next call of the program overwrites."""
    if any(leaf.is_deleted() for leaf in jax.tree.leaves(params)):
        expected = "to be called before the callback returns; the copy that it gives stays valid"
        raise RuntimeError(message("Progress.params", expected, "a call after the run went on"))
    return copy_for_donation(params)
