"""Whole epochs as one pure program: shuffle, batches, partial last batch, validation, early stopping.

Everything random is derived from the run's key and the state's counts of epochs and steps. So a run that is divided
into several calls is the same run to the last bit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ..checks import (
    LARGEST_COUNT,
    accumulator_dtype,
    check_alive,
    check_count,
    check_data,
    check_one_place,
    check_part,
    check_penalty,
    is_concrete,
    nan_unless,
    next_count,
    params_dtype,
)
from ..compilation import check_not_forked
from ..configuration import document_fields
from ..errors import message
from ..layer import Layer, Params
from ..losses import Loss
from ..objective import Batch, autodiff
from ..optimizers import Optimizer
from ..penalties import Penalty
from .batches import COUNT, batch_window, effective_batch_size, random_order, scan_batches, shuffled
from .early_stopping import EarlyStopping, Limits, is_stopped, update_best, with_early_stopping
from .evaluation import EVALUATION_BATCH, sample_means
from .measuring import AnyMetric, first_states, functions_of, names_of, of_data, of_steps, values_of, with_state
from .mistakes import DEFAULT_BATCH_SIZE, warn_of_mistakes
from .one_kernel import as_one_kernel, few_waits, not_constant
from .step import SHUFFLE, GradientsOf, Step, TrainState, make_step, resumed

SKIPPED = "skipped"  # the column of the history that counts the steps of an epoch that were left out


@document_fields
class Run(NamedTuple):
    """A run after some epochs.

    Attributes:
        state: the state after the last epoch.
        done: int32 (): epochs that this call ran.
        finite: bool (): whether the last epoch's loss and the parameters are finite.
        stopped: bool (): whether early stopping has stopped the run.
        history: (epochs,) each, or (epochs, classes), of which the first ``done`` rows are filled; the others are NaN
            (0 while jax_debug_nans is on).
    """

    state: TrainState
    done: jax.Array
    finite: jax.Array
    stopped: jax.Array
    history: dict[str, jax.Array]

    def __repr__(self) -> str:
        return f"Run(done={self.done}, finite={self.finite}, stopped={self.stopped}, history of {[*self.history]})"


def run_epochs(
    network: Layer,
    loss: Loss,
    optimizer: Optimizer,
    state: TrainState,
    data: tuple[Any, ...],
    *,
    epochs: int,
    batch_size: int | None = DEFAULT_BATCH_SIZE,
    validation: tuple[Any, ...] | None = None,
    metrics: Sequence[AnyMetric] = (),
    penalty: Penalty | None = None,
    early_stopping: EarlyStopping | None = None,
    gradients: GradientsOf = autodiff,
) -> Run:
    """Return the run after ``epochs`` more epochs, or after fewer if a value is not finite or the run stops early.

    This is the pure run that ``fit`` drives, for use under ``jax.jit``, ``jax.vmap`` and device meshes: a sweep over
    keys or over learning rates is a ``vmap``. Its results are those of ``fit``; ``finite`` and ``stopped`` say why it
    ended. The axes of a mesh must be of type ``jax.sharding.AxisType.Auto``.

    Args:
        network: the network to train.
        loss: the loss of each sample.
        optimizer: an (init, update) pair, funcnet's or optax's.
        state: the state of ``init_state``, or of an earlier run; the hyper-parameters are those of ``optimizer``.
        data: (x, y) or (x, y, weights), as ``fit`` takes them.
        epochs: how many passes over the data; the length of the history.
        batch_size: samples per step; None for the full set.
        validation: data that is evaluated after every epoch, or None.
        metrics: functions (prediction, target) -> one number per sample, and metrics of ``fn.metrics``.
        penalty: such as ``fn.l2(0.0001)``; it is part of the "loss", not of the "val_loss".
        early_stopping: when to stop, or None.
        gradients: ``fn.autodiff``, ``fn.backprop``, or your own function with their signature.

    Raises:
        TypeError, ValueError: an argument is invalid; the error names it.

    >>> import funcnet as fn
    >>> x = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> y = jnp.array([[0.0], [1.0], [1.0], [0.0]])
    >>> network, optimizer = fn.mlp([2, 8, 1], hidden=fn.tanh), fn.adam(0.05)
    >>> def train(key):
    ...     state = fn.init_state(network, optimizer, key, (2,))
    ...     return fn.run_epochs(network, fn.sigmoid_cross_entropy, optimizer, state, (x, y), epochs=200)
    >>> runs = jax.jit(jax.vmap(train))(jax.random.split(jax.random.key(0), 3))
    >>> runs.history["loss"].shape, bool((runs.history["loss"][:, -1] < 0.05).all())
    ((3, 200), True)
    """
    if not isinstance(state, TrainState):
        raise TypeError(message("run_epochs", "state made by init_state", f"a {type(state).__name__}"))
    check_alive("run_epochs", "state", state)
    plan = make_plan(
        "run_epochs",
        (network, loss, optimizer),
        data,
        params_dtype(state.params),
        epochs=epochs,
        batch_size=batch_size,
        validation=validation,
        metrics=metrics,
        penalty=penalty,
        early_stopping=early_stopping,
        gradients=gradients,
    )
    check_counts("run_epochs", plan, epochs, state)
    check_one_place("run_epochs", **plan.data._asdict(), validation=plan.validation, state=state)
    state = resumed("run_epochs", state, optimizer)
    if early_stopping is None:
        state = state._replace(best=())
    else:
        state = with_early_stopping("run_epochs", state, early_stopping, plan.names, plan.step.metrics)
    if not is_concrete(state.step):
        plan = replace(plan, data=not_constant(plan.data), validation=not_constant(plan.validation))
    run = epochs_of(plan, state, epochs, rows=epochs)

    def filled(column: jax.Array) -> jax.Array:
        is_filled = jnp.arange(epochs, dtype=jnp.int32) < run.done
        return jnp.where(is_filled.reshape(-1, *[1] * (column.ndim - 1)), column, empty)

    config: Any = jax.config  # its flags are not known to type checkers on every version
    empty = 0.0 if config.jax_debug_nans else jnp.nan
    return run._replace(history=jax.tree.map(filled, run.history))


@partial(
    jax.tree_util.register_dataclass,
    data_fields=("step", "data", "validation", "limits"),
    meta_fields=("batch_size", "names", "checks_state"),
)
@dataclass(frozen=True)
class Plan:
    """What a run consists of, besides its state: a pytree, so that a compiled program takes it as an argument."""

    step: Step
    data: Batch
    validation: Batch | None
    limits: Limits | None  # of early stopping
    batch_size: int
    names: tuple[str, ...]  # in the history: "loss", the metrics', and after "val_" the same of the validation data
    checks_state: bool = False  # whether a run also ends where the optimizer's state is no longer finite


class Guard(NamedTuple):
    """What leaves out the steps of an epoch that make values that are not finite."""

    skipped: jax.Array  # int32 (): steps of the epoch that were left out
    in_a_row: jax.Array  # int32 (): the last steps, of earlier epochs too, that were all left out
    limit: jax.Array  # int32 (): so many in a row end the epoch: nothing changes the state after them


def make_plan(
    where: str,
    parts: tuple[Layer, Loss, Optimizer],
    data: tuple[Any, ...],
    dtype: Any,
    *,
    epochs: int,
    batch_size: int | None,
    validation: tuple[Any, ...] | None,
    metrics: Sequence[AnyMetric],
    penalty: Penalty | None,
    early_stopping: EarlyStopping | None,
    gradients: GradientsOf,
    checks_state: bool = False,
    skips: bool = False,
) -> Plan:
    """Return the plan of a run; ``TypeError`` or ``ValueError`` that names the argument that is wrong."""
    check_not_forked(where)
    step = make_step(where, *parts, gradients=gradients, metrics=metrics, penalty=penalty)
    check_count(where, "epochs", epochs)
    if penalty is not None:
        check_penalty(where, penalty, accumulator_dtype(dtype))
    check_part(where, "early_stopping", early_stopping, EarlyStopping, optional=True)
    names = names_of(step.metrics)
    batch, held_out = Batch(*check_data(where, parts[:2], data, dtype)), None
    if validation is not None:
        held_out = Batch(*check_data(f"{where} (validation)", parts[:2], validation, dtype, like=batch.x))
        names += tuple(f"val_{name}" for name in names_of(of_data(step.metrics)))
    if validation is not None or skips:
        names += (SKIPPED,) if skips else ()
        if repeated := [name for name in names if names.count(name) > 1]:
            expected = "metrics of other names than those of the validation data, 'val_' first, and than 'skipped'"
            raise ValueError(message(where, expected, repeated[0]))
    limits = None if early_stopping is None else early_stopping.limits
    size = effective_batch_size(where, batch_size, len(batch.x))
    warn_of_mistakes(where, *parts[:2], (batch.x, batch.y), batch_size, penalty)
    return Plan(step, batch, held_out, limits, size, names, checks_state)


def check_counts(where: str, plan: Plan, epochs: int, state: TrainState | None) -> None:
    """Raise ``ValueError`` where a run would count more epochs or steps than an int32 can, from a state or from 0.

    Inside a compiled program, where they are not known, the counts stay at the largest. Then every epoch has the same
    order, and early stopping, which counts epochs, does not stop.
    """
    steps = epochs * -(-len(plan.data.x) // plan.batch_size)
    before: tuple[Any, Any] = (0, 0) if state is None else (state.epoch, state.step)
    for name, count, more in zip(("epochs", "steps"), before, (epochs, steps), strict=True):
        if is_concrete(count) and int(count) + more > LARGEST_COUNT:
            got = f"{int(count) + more}: start a new run from the parameters, params="
            raise ValueError(message(where, f"at most {LARGEST_COUNT} {name} in a run", got))


def epochs_of(plan: Plan, state: TrainState, epochs: int | jax.Array, *, rows: int) -> Run:
    """Return the run after ``epochs`` more epochs, or fewer, with a history of ``rows`` rows, 0 where not filled.

    ``epochs`` may be traced, so that one compiled program runs any number of epochs up to ``rows``.
    """
    limits = plan.limits
    dtype = accumulator_dtype(params_dtype(state.params))
    shapes = shapes_of(plan, state.params, dtype)
    history = {name: jnp.zeros((rows, *shapes[name]), dtype) for name in plan.names}  # NaN would stop jax_debug_nans
    if limits is not None and history[state.best.monitor].ndim > 1:
        got = f"{state.best.monitor!r}, which has one for each class"
        raise ValueError(message("EarlyStopping", "a monitor with one number per epoch", got))

    def unfinished(run: Run) -> jax.Array:
        return (run.done < epochs) & run.finite & ~run.stopped

    def one_epoch(run: Run) -> Run:
        state, row, finite, stopped, _ = next_epoch(plan, run.state)
        # A scatter in place of this slice update would prevent one kernel for the loop.
        history = {
            name: lax.dynamic_update_index_in_dim(column, row[name].astype(dtype), run.done, axis=0)
            for name, column in run.history.items()
        }
        return Run(state, run.done + 1, finite, run.stopped if stopped is None else stopped, history)

    stopped = jnp.bool_(False) if limits is None else is_stopped(state, limits.patience)
    start = Run(state, jnp.int32(0), jnp.bool_(True), stopped, history)
    body: Callable[[Run], Run] = one_epoch
    if jax.default_backend() == "gpu":
        steps = -(-len(plan.data.x) // plan.batch_size) + (plan.validation is not None)
        products = plan.batch_size * sum(leaf.size for leaf in jax.tree.leaves(state.params))
        body = few_waits(one_epoch, unfinished, steps, products)
    run = as_one_kernel(lambda start: lax.while_loop(unfinished, body, start), start)
    if plan.checks_state:  # once, after the loop: an accumulator that is not finite stays so
        run = run._replace(finite=run.finite & _stays_finite(state.optimizer_state, run.state.optimizer_state))
    return run


class Epoch(NamedTuple):
    """What one epoch gives."""

    state: TrainState
    row: dict[str, jax.Array]  # of the history
    finite: jax.Array  # bool (): whether the loss and the state are finite
    stopped: jax.Array | None  # bool (): whether early stopping has stopped the run, None without it
    guard: Guard | None


def next_epoch(plan: Plan, state: TrainState, guard: Guard | None = None) -> Epoch:
    """Return what one more epoch gives. A guard leaves out the steps with values that are not finite."""
    limits, dtype = plan.limits, accumulator_dtype(params_dtype(state.params))
    by_training = limits is not None and state.best.monitor in names_of(plan.step.metrics)
    keeps = by_training and state.best.restores
    state, row, last_used, guard = _train_epoch(plan, state, dtype, guard, keeps=keeps)
    row |= _validation_row(plan, state.params)
    if SKIPPED in plan.names:
        row[SKIPPED] = jnp.zeros((), dtype) if guard is None else guard.skipped.astype(dtype)
    finite_loss = finite = jnp.isfinite(row["loss"])
    for leaf in jax.tree.leaves(state.params):  # the loss is computed before the last update
        finite &= jnp.all(jnp.isfinite(leaf))
    stopped = None
    if limits is not None:
        params, valid = (last_used, finite_loss) if by_training else (state.params, finite)
        state = update_best(state, params, row, valid, limits.min_delta)
        stopped = is_stopped(state, limits.patience)
    return Epoch(state, row, finite, stopped, guard)


def _stays_finite(before: Any, after: Any) -> jax.Array:
    """Return whether every number of a tree that was finite still is: bool (). An infinite setting, such as a
    threshold, may be one."""
    stays = jnp.bool_(True)
    for old, new in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        if jnp.issubdtype(jnp.result_type(new), jnp.floating):
            stays &= jnp.all(jnp.isfinite(new) | ~jnp.isfinite(old))
    return stays


def shapes_of(plan: Plan, params: Params, dtype: Any) -> dict[str, tuple[int, ...]]:
    """Return the shape of each value of the history: () for one number per epoch, (classes,) for one per class."""
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(plan.names, ())
    if metrics := with_state(plan.step.metrics):

        def values(params: Params, data: Batch) -> dict[str, jax.Array]:
            return values_of(metrics, first_states(metrics, plan.step.objective, params, data, dtype))

        for name, value in jax.eval_shape(values, params, plan.data).items():
            shapes |= {each: value.shape for each in (name, f"val_{name}") if each in shapes}
    return shapes


def _validation_row(plan: Plan, params: Params) -> dict[str, jax.Array]:
    """Return the values of the validation data by their names, {} without such data."""
    if plan.validation is None:
        return {}
    unpenalized, size = replace(plan.step.objective, penalty=None), min(EVALUATION_BATCH, len(plan.validation.x))
    settings: dict[str, Any] = {"metrics": of_data(plan.step.metrics), "batch_size": size}
    found = sample_means(unpenalized, params, plan.validation, is_only_loop=not _has_two_loops(plan), **settings)
    return {f"val_{name}": value for name, value in found.items()}


def _has_two_loops(plan: Plan) -> bool:
    """Return whether an epoch loops over batches of the validation data too: see ``scan_batches``."""
    return plan.validation is not None and len(plan.validation.x) > EVALUATION_BATCH


def _train_epoch(
    plan: Plan, state: TrainState, dtype: Any, guard: Guard | None, *, keeps: bool
) -> tuple[TrainState, dict[str, jax.Array], Params, Guard | None]:
    """Return the state after one pass over the shuffled data, and the mean cost and the metrics before each update.

    Where ``keeps``, return also the parameters before the last update, the last that were used; else (). The steps that
    a guard leaves out do not count for the means, which are NaN where none counts.
    """
    step, data, batch_size = plan.step, plan.data, plan.batch_size
    guard = None if guard is None else guard._replace(skipped=jnp.zeros_like(guard.skipped))
    first: Any = (state, state.params if keeps else (), guard)
    measured = first_states(step.metrics, step.objective, state.params, data, dtype)

    def take(carry: Any, batch: Batch, measured: Any, *, may_skip: bool) -> tuple[Any, dict[str, jax.Array], Any]:
        before, used, guard = carry
        state, row, after = step(before, batch, measured, may_skip=may_skip)
        if guard is None:
            return (state, before.params if keeps else (), None), row, after
        return _guarded(guard, (before, used, measured), (state, before.params if keeps else (), after), row)

    if batch_size == len(data.x):  # the full set: its mean does not depend on the order
        (state, used, guard), row, measured = take(first, data, measured, may_skip=data.weights is not None)
        row = _means_of_some(row, row.pop(COUNT)) if guard is not None else row
    else:
        batches, weights_of = _batches_of(plan, state)

        def one_batch(carry: Any, start: jax.Array, weights: Any) -> tuple[Any, dict[str, jax.Array]]:
            carry, measured = carry
            carry, row, measured = take(carry, batches(start, weights), measured, may_skip=weights_of is not None)
            return (carry, measured), row

        names = names_of((*functions_of(step.metrics), *of_steps(step.metrics)))
        settings: dict[str, Any] = {"is_only_loop": not _has_two_loops(plan), "may_not_count": guard is not None}
        ((state, used, guard), measured), row = scan_batches(
            one_batch, (first, measured), names, len(data.x), batch_size, dtype, weights_of, **settings
        )
    row |= values_of(step.metrics, measured)
    return state._replace(epoch=next_count(state.epoch)), row, used, guard


def _batches_of(plan: Plan, state: TrainState) -> tuple[Callable[..., Batch], Callable[[jax.Array], jax.Array] | None]:
    """Return the functions of a start to an epoch's batch, which also takes its weights, and to the samples' weights,
    None where all count alike."""
    data, batch_size = plan.data, plan.batch_size
    key = jax.random.fold_in(jax.random.fold_in(state.key, SHUFFLE), state.epoch)
    order = random_order(key, len(data.x))
    batch_of_x, batch_of_y = (shuffled(array, order, batch_size) for array in (data.x, data.y))
    weights_of = None if data.weights is None else shuffled(data.weights, order, batch_size)
    return (lambda start, weights: Batch(batch_of_x(start), batch_of_y(start), weights)), weights_of


def batch_at(plan: Plan, state: TrainState, index: jax.Array) -> Batch:
    """Return batch ``index`` of the epoch that the state is in, as ``_train_epoch`` makes it."""
    if plan.batch_size == len(plan.data.x):
        return plan.data
    batches, weights_of = _batches_of(plan, state)
    start, weights = batch_window(index, len(plan.data.x), plan.batch_size)
    if weights_of is not None:
        of_samples = weights_of(start)
        weights = of_samples if weights is None else weights.astype(of_samples.dtype) * of_samples
    return batches(start, weights)


def _guarded(guard: Guard, before: Any, after: Any, row: dict[str, jax.Array]) -> tuple[Any, dict[str, jax.Array], Any]:
    """Return what a step gives if its values are finite: ``after``; else ``before`` with a count of one more step.

    ``before`` and ``after`` are (state, parameters used, the metrics' states); the row is 0 where it does not count.
    """
    (state, *_), (new, *_) = before, after
    is_open = guard.in_a_row < guard.limit
    good = is_open & jnp.isfinite(row["loss"]) & _stays_finite(state.optimizer_state, new.optimizer_state)
    for leaf in jax.tree.leaves(new.params):
        good &= jnp.all(jnp.isfinite(leaf))
    state, used, measured = jax.tree.map(lambda new, old: jnp.where(good, new, old), after, before)
    state = state._replace(step=jnp.where(is_open, new.step, state.step))
    one = (is_open & ~good).astype(jnp.int32)
    guard = Guard(guard.skipped + one, jnp.where(good, 0, guard.in_a_row + one), guard.limit)
    row = {name: jnp.where(good, value, jnp.zeros_like(value)) for name, value in row.items()}
    return (state, used, guard), row | {COUNT: good.astype(row["loss"].dtype)}, measured


def _means_of_some(row: dict[str, jax.Array], counts: jax.Array) -> dict[str, jax.Array]:
    """Return the means of a full batch, NaN where it does not count."""
    return {name: nan_unless(counts > 0, value) for name, value in row.items()}
