"""``fit``: a whole training run."""

import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from ..checks import check_count, check_key
from ..dtypes import params_dtype
from ..layer import Layer, Params, Shape
from ..losses import Loss
from ..objective import autodiff
from ..optimizers import Optimizer
from ..penalties import Penalty, check_penalty
from .entry import check_params, check_parts, samples
from .epochs import MOST_EPOCHS, Run, history_names, run_epochs
from .evaluation import width
from .metrics import Metric
from .progress import Report, reporting
from .resume import resumed
from .step import Gradients, TrainState, init_state, own_copy
from .stopping import EarlyStopping, with_stopping

_BETWEEN_REPORTS = 0.5  # seconds a call of the compiled program should take, for the sake of progress


class FitResult(NamedTuple):
    """What a run gives back."""

    params: Params  # the trained parameters; with early stopping that restores them those of the best epoch
    history: dict[str, np.ndarray]  # (epochs,) each: "loss", the metrics' names, and the same after "val_"
    state: TrainState  # everything a resume needs: give it to another fit
    reason: str  # why the run ended: "completed", "stopped early", "non-finite loss" or "non-finite parameters"
    best_epoch: int | None = None  # with early stopping the best epoch, from 1 since the run began; 0: none was better


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
    gradients: Gradients = autodiff,
    params: Params | None = None,
    state: TrainState | None = None,
    progress: bool = True,
) -> FitResult:
    """Train a network on ``data`` = (x, y), x (n, ...) and y (n, outputs), for ``epochs`` epochs; x is floating, or
    integers, such as bytes, for a network that takes them, as one that begins with ``Rescaling`` does.

    The samples are shuffled every epoch into batches of ``batch_size``, the last one partial and still counted right;
    None takes the full set as one batch. ``history`` holds, for every epoch, the mean loss and metrics over the samples
    as they were met, and after it those of ``validation`` with the parameters that the epoch ended on. One key explains
    the whole run: the same key gives the same bits. The parameters start as ``network.init(key, x.shape[1:])``,
    as a copy of ``params``, or where the ``state`` of an earlier result left them: that run goes on, with its own
    key, optimizer state and counts, as if it had never stopped; other hyper-parameters of the same optimizer, such
    as a lower learning rate, take effect. A loss or a parameter that is not finite ends
    the run at the end of that epoch, with a ``RuntimeWarning`` and that ``reason``.

    A ``penalty``, such as fn.l2(0.0001), is part of the cost that is descended, and so of "loss"; "val_loss" and
    ``evaluate`` are of the data alone, so that runs with different penalties compare. A layer that acts at random,
    such as ``Dropout``, does so anew in every step, and not at all in the validation.

    Raises ``ValueError`` and ``TypeError``, naming the argument, for data or settings that cannot be trained on.

    >>> import funcnet as fn
    >>> import jax.numpy as jnp
    >>> x = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> y = jnp.array([[0.0], [1.0], [1.0], [0.0]])
    >>> result = fn.fit(fn.mlp([2, 8, 1], hidden=fn.tanh), fn.sigmoid_cross_entropy, fn.adam(0.05), (x, y),
    ...                 key=jax.random.key(0), epochs=200, batch_size=None, metrics=[fn.accuracy], progress=False)
    >>> result.history["accuracy"].shape, float(result.history["accuracy"][-1]), result.reason
    ((200,), 1.0, 'completed')
    """
    check_parts("fit", network, loss, optimizer, metrics, gradients)
    check_count("fit", "epochs", epochs)
    check_penalty("fit", penalty)
    dtype = params_dtype(state.params if isinstance(state, TrainState) else params)
    x, y = samples("fit", network, data, dtype)
    held_out = None if validation is None else samples("fit (validation)", network, validation, dtype, x.shape[1:])
    names = history_names(tuple(metrics), validated=validation is not None)
    state = _starting_state(network, optimizer, x.shape[1:], key, params, state)
    state = own_copy(with_stopping(state, early_stopping, names))
    program = partial(
        run_epochs,
        data=(x, y),
        validation=held_out,
        penalty=penalty,
        patience=0 if early_stopping is None else int(early_stopping.patience),
        min_delta=0.0 if early_stopping is None else float(early_stopping.min_delta),
        network=network,
        loss=loss,
        update=optimizer.update,
        gradients=gradients,
        metrics=tuple(metrics),
        batch_size=width("fit", batch_size, len(x)),
    )
    with reporting(progress, epochs) as report:
        run, history = _run(program, state, epochs, names, report)
    reason = _reason(run, history, epochs)
    if not run.finite:
        ended = f"{reason} in epoch {run.state.epoch}: training ended there"
        hint = "a lower learning rate or a loss from logits may help"
        warnings.warn(f"fit: {ended}; {hint}", RuntimeWarning, stacklevel=2)
    if early_stopping is None:
        return FitResult(run.state.params, history, run.state, reason)
    best = run.state.best
    if not np.isfinite(best.value):
        never = f"{early_stopping.monitor} was never finite: the best parameters are those of the start"
        warnings.warn(f"fit: {never}", RuntimeWarning, stacklevel=2)
    params = best.params if early_stopping.restore_best else run.state.params
    return FitResult(params, history, run.state, reason, int(best.epoch))


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
        return init_state(network, optimizer, key, input_shape, params=params)
    if key is None and params is None and isinstance(state, TrainState):
        check_params("fit", network, state.params, input_shape)
        return resumed("fit", state, optimizer)
    raise ValueError("fit: expected either a key, with or without params, or an earlier result's .state alone")


def _run(
    program: Callable[..., Run], state: TrainState, epochs: int, names: tuple[str, ...], report: Report
) -> tuple[Run, dict[str, np.ndarray]]:
    """Return where the run ended and its history: of ``epochs`` epochs, or of fewer where it ends by itself.

    Each call of the program runs as many epochs as take about the time between two reports.
    """
    blocks: list[dict[str, np.ndarray]] = []
    done, call, ended = 0, 1, False
    while done < epochs and not ended:
        started = time.perf_counter()
        run = program(state, call)
        state = run.state
        ran = int(run.done)
        ended = bool(run.stopped) or not run.finite
        blocks.append({name: np.asarray(run.history[name])[:ran] for name in names})
        done += ran
        if ran:  # a run that had stopped before runs none
            report(done, {name: blocks[-1][name][-1] for name in names})
            seconds_each = (time.perf_counter() - started) / ran
            call = min(int(epochs) - done, MOST_EPOCHS, max(1, int(_BETWEEN_REPORTS / seconds_each)))
    return run, {name: np.concatenate([block[name] for block in blocks]) for name in names}


def _reason(run: Run, history: dict[str, np.ndarray], epochs: int) -> str:
    """Return why a run ended."""
    losses = history["loss"]
    if not run.finite:
        return "non-finite parameters" if np.isfinite(losses[-1]) else "non-finite loss"
    return "stopped early" if run.stopped and len(losses) < epochs else "completed"
