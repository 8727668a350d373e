"""``fit``: a whole training run. This is the Python code outside the compiled program: checks, progress, result."""

import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import check_key, check_params, params_dtype
from ..compilation import LOOP, jit_for_cpu
from ..ending import Ending
from ..layer import Layer, Params, Shape
from ..losses import Loss
from ..metrics import SampleMetric as Metric
from ..objective import autodiff
from ..optimizers import Optimizer
from ..penalties import Penalty
from .early_stopping import EarlyStopping, with_early_stopping
from .run import Plan, check_counts, epochs_of, make_plan
from .step import GradientsOf, TrainState, copy_for_donation, first_state, resumed

# Epochs in one call of the compiled program at most: the length of its history, of which one kernel can hold no more.
# With 1024 a line through 100 points took 0.68 µs of processor time per epoch, with 2048 0.40 (JAX 0.10.1).
_MAX_EPOCHS_PER_CALL = 2048
_SECONDS_PER_CALL = 0.5  # seconds that a call of the compiled program should take, so that progress is shown
_SECONDS_BETWEEN_LINES = 1.0  # seconds

Report = Callable[[int, Mapping[str, float]], None]  # epochs done in all, and the last one's history row


class FitResult(NamedTuple):
    """What ``fit`` returns."""

    params: Params  # the trained parameters; those of the best epoch where early stopping restores them: see there
    history: dict[str, np.ndarray]  # (epochs,) each: "loss", the metrics' names, and the same after "val_"
    state: TrainState  # what another fit needs to go on from here, as its ``state``
    reason: Ending  # why the run ended: "completed", "stopped early", "non-finite loss" or "non-finite parameters"
    best_epoch: int | None = None  # with early stopping the best epoch, counted from 1 since the run began


def fit(
    network: Layer,
    loss: Loss,
    optimizer: Optimizer,
    data: tuple[Any, Any],
    *,
    key: jax.Array | None = None,
    epochs: int,
    batch_size: int | None = 32,
    validation: tuple[Any, Any] | None = None,
    metrics: Sequence[Metric] = (),
    penalty: Penalty | None = None,
    early_stopping: EarlyStopping | None = None,
    gradients: GradientsOf = autodiff,
    params: Params | None = None,
    state: TrainState | None = None,
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
        data: (x, y) with x (n, ...) and y (n, outputs). x is floating, or integers for a network that takes them, for
            example one that starts with ``Rescaling``.
        key: the run's random key, ``jax.random.key(seed)``; not with ``state``.
        epochs: how many passes over the data at most.
        batch_size: samples per step; None for the full set.
        validation: (x, y) that is evaluated after every epoch, or None.
        metrics: functions (prediction, target) -> one number per sample; the history records their means.
        penalty: such as ``fn.l2(0.0001)``. It is part of the "loss" that is minimized; "val_loss" and ``evaluate``
            exclude it, so that runs with different penalties can be compared.
        early_stopping: ``fn.EarlyStopping(...)``, or None.
        gradients: ``fn.autodiff``, ``fn.backprop``, or your own function with their signature.
        params: the initial parameters; None for ``network.init(key, x.shape[1:])``.
        state: an earlier result's ``state``. The run continues with its own key, optimizer state and counts,
            as if it had never stopped; other hyper-parameters of the same optimizer, such as a lower learning rate,
            take effect.
        progress: whether progress is shown on the standard error stream: a bar on a terminal, lines elsewhere.

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
    if early_stopping is None:
        state = state._replace(best=())
    else:
        state = with_early_stopping("fit", state, early_stopping, plan.names)
    if not is_new or early_stopping is not None:  # the arrays of a new state without a best epoch are its own
        state = copy_for_donation(state)
    with reporting(progress, epochs) as report:
        state, history, reason = _run(plan, state, epochs, report)
    if reason in (Ending.NON_FINITE_LOSS, Ending.NON_FINITE_PARAMETERS):
        ended = f"{reason} in epoch {state.epoch}: training ended there"
        hint = "a lower learning rate or a loss from logits may help"
        warnings.warn(f"fit: {ended}; {hint}", RuntimeWarning, stacklevel=2)
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
    plan: Plan, state: TrainState, epochs: int, report: Report
) -> tuple[TrainState, dict[str, np.ndarray], Ending]:
    """Return the state where the run ended, its history of ``epochs`` epochs or fewer, and why it ended.

    Each call of the program runs as many epochs as take about the time between two reports.
    """
    blocks: list[dict[str, np.ndarray]] = []
    done, call, ended = 0, 1, False
    while done < epochs and not ended:
        started = time.perf_counter()
        state, *numbers_and_history = _compiled_epochs(plan, state, call)
        (ran, finite, stopped), columns = jax.device_get(numbers_and_history)
        ended = bool(stopped) or not finite
        blocks.append({name: columns[name][:ran] for name in plan.names})
        done += int(ran)
        if ran:  # a run that had stopped before runs none
            report(done, {name: blocks[-1][name][-1] for name in plan.names})
            seconds_each = (time.perf_counter() - started) / ran
            call = min(int(epochs) - done, _MAX_EPOCHS_PER_CALL, max(1, int(_SECONDS_PER_CALL / seconds_each)))
    history = {name: np.concatenate([block[name] for block in blocks]) for name in plan.names}
    if not finite:
        last = history["loss"][-1]
        return state, history, Ending.NON_FINITE_PARAMETERS if np.isfinite(last) else Ending.NON_FINITE_LOSS
    return state, history, Ending.STOPPED_EARLY if stopped and done < epochs else Ending.COMPLETED


@contextmanager
def reporting(progress: bool, epochs: int) -> Iterator[Report]:
    """Give a function to call with (epochs done, last row), which shows them on the standard error stream."""
    if not progress:
        yield lambda done, row: None
    elif sys.stderr.isatty():
        with _bar(epochs) as report:
            yield report
    else:
        yield _lines(epochs)


@contextmanager
def _bar(epochs: int) -> Iterator[Report]:
    from tqdm import tqdm  # imported where it is used, so that importing funcnet stays quick

    form = "epoch {n_fmt}/{total_fmt} |{bar:10}| {elapsed}<{remaining} {desc}"
    columns = shutil.get_terminal_size().columns  # 80 if the terminal's size is unknown: tqdm would print nothing
    with tqdm(total=epochs, desc="compiling", bar_format=form, ncols=columns) as bar:

        def report(done: int, row: Mapping[str, float]) -> None:
            bar.set_description_str(_text(row), refresh=False)
            bar.update(done - bar.n)

        yield report


def _lines(epochs: int) -> Report:
    started = last = time.perf_counter()
    compiled: tuple[int, float] | None = None  # epochs done and the time when the first call, which compiles, ended

    def report(done: int, row: Mapping[str, float]) -> None:
        nonlocal last, compiled
        now = time.perf_counter()
        if done == epochs or now - last >= _SECONDS_BETWEEN_LINES:
            last, end = now, f"{now - started:.1f} s"
            if compiled and done < epochs:
                end = f"{(now - compiled[1]) / (done - compiled[0]) * (epochs - done):.0f} s left"
            print(f"epoch {done}/{epochs}  {_text(row)}  {end}", file=sys.stderr, flush=True)
        compiled = compiled or (done, now)

    return report


def _text(row: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in row.items())
