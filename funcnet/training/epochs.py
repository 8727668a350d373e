"""Whole epochs as one compiled program: shuffle, batches, partial last batch, validation.

How many epochs a call runs is a run-time number, so that small problems do not pay a call an epoch. Everything random
is derived from the run's key and the state's counts of epochs and steps: however a run is cut into calls, it is
the same run to the last bit.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ..dtypes import accumulator_dtype, params_dtype
from ..layer import Layer, Params
from ..losses import Loss
from ..penalties import Penalty
from .batches import scan_batches, shuffled
from .evaluation import EVALUATION_BATCH, sample_means, width
from .metrics import Metric, metric_name
from .shuffle import random_order
from .small_loops import as_one_kernel
from .step import SHUFFLE, Gradients, TrainState, pure_step
from .stopping import is_stopped, noted

MOST_EPOCHS = 1024  # epochs in one call at most: the length of its history

Data = tuple[jax.Array, jax.Array]


class Run(NamedTuple):
    """Where a run stands."""

    state: TrainState
    done: jax.Array  # int32 (): epochs run in this call
    finite: jax.Array  # bool (): whether the last epoch's loss and the parameters are finite
    stopped: jax.Array  # bool (): whether early stopping has stopped the run
    history: dict[str, jax.Array]  # (MOST_EPOCHS,) each, of which the first rows are filled


def history_names(metrics: tuple[Metric, ...], *, validated: bool) -> tuple[str, ...]:
    """Return the names in a history: "loss", the metrics', and after "val_" the same of the validation data."""
    names = ("loss", *map(metric_name, metrics))
    return (*names, *(f"val_{name}" for name in names)) if validated else names


@partial(
    jax.jit,
    static_argnames=("network", "loss", "update", "gradients", "metrics", "batch_size"),
    donate_argnames=("state",),
)
def run_epochs(
    state: TrainState,
    epochs: int | jax.Array,
    data: Data,
    validation: Data | None,
    penalty: Penalty | None,
    patience: int | jax.Array,
    min_delta: float | jax.Array,
    *,
    network: Layer,
    loss: Loss,
    update: Callable[..., Any],
    gradients: Gradients,
    metrics: tuple[Metric, ...],
    batch_size: int,
) -> Run:
    """Return the run after ``epochs`` more epochs, or after fewer where something is not finite any more.

    A state with a ``best`` epoch also stops once ``patience`` epochs have not been better by more than ``min_delta``.
    Nothing is learned after that. The state is donated.
    """
    step = partial(
        pure_step, network=network, loss=loss, update=update, gradients=gradients, metrics=metrics, penalty=penalty
    )
    names = history_names(metrics, validated=False)
    dtype = accumulator_dtype(params_dtype(state.params))

    def one_epoch(state: TrainState) -> tuple[TrainState, dict[str, jax.Array]]:
        state, row = _train_epoch(step, state, data, names, batch_size, dtype)
        if validation is not None:
            means = sample_means(
                state.params,
                validation,
                network=network,
                loss=loss,
                metrics=metrics,
                batch_size=width("fit", EVALUATION_BATCH, len(validation[0])),
            )
            row |= {f"val_{name}": mean for name, mean in means.items()}
        return state, row

    def unfinished(run: Run) -> jax.Array:
        return (run.done < epochs) & run.finite & ~run.stopped

    def body(run: Run) -> Run:
        state, row = one_epoch(run.state)
        history = {name: _with_row(run.history[name], run.done, row[name]) for name in run.history}
        finite = jnp.isfinite(row["loss"]) & _all_finite(state.params)
        state = noted(state, row, finite, min_delta)
        return Run(state, run.done + 1, finite, is_stopped(state, patience), history)

    columns = history_names(metrics, validated=validation is not None)
    history = {name: jnp.full(MOST_EPOCHS, jnp.nan, dtype) for name in columns}
    start = Run(state, jnp.int32(0), jnp.bool_(True), is_stopped(state, patience), history)
    return as_one_kernel(lambda start: lax.while_loop(unfinished, body, start), start)


def _with_row(column: jax.Array, index: jax.Array, value: jax.Array) -> jax.Array:
    """Return the column with the value at that index."""
    return lax.dynamic_update_index_in_dim(column, value, index, axis=0)


def _all_finite(params: Params) -> jax.Array:
    """Return whether every parameter is finite: the loss of a step is from before its update, and would not tell."""
    leaves = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(params)]
    return jnp.all(jnp.stack(leaves)) if leaves else jnp.bool_(True)


def _train_epoch(
    step: Callable[..., Any],
    state: TrainState,
    data: Data,
    names: tuple[str, ...],
    batch_size: int,
    dtype: Any,
) -> tuple[TrainState, dict[str, jax.Array]]:
    """Return the state after one pass over the shuffled data, and the mean loss and metrics as it went."""
    x, y = data
    if batch_size == len(x):  # the full set: its mean does not depend on the order
        state, row = step(state, (x, y))
        row = {name: value.astype(dtype) for name, value in row.items()}
        return state._replace(epoch=state.epoch + 1), row
    key = jax.random.fold_in(jax.random.fold_in(state.key, SHUFFLE), state.epoch)
    order = random_order(key, len(x))
    batch_of_x, batch_of_y = (shuffled(array, order, batch_size) for array in data)

    def one_batch(
        state: TrainState, start: jax.Array, weights: jax.Array | None
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        batch = (batch_of_x(start), batch_of_y(start))
        return step(state, batch if weights is None else (*batch, weights))

    state, row = scan_batches(one_batch, state, names, len(x), batch_size, dtype)
    return state._replace(epoch=state.epoch + 1), row
