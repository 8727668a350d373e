"""The training state and the pure step, of which everything else in training is made."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..checks import check_key
from ..errors import message
from ..layer import Layer, Params, Shape
from ..losses import Loss, batch_mean
from ..objective import autodiff
from ..optimizers import Optimizer, apply_updates
from ..penalties import Penalty, check_penalty
from .entry import check_layer, check_optimizer, check_parts
from .metrics import Metric, metric_name

Gradients = Callable[..., Any]  # fn.autodiff, fn.backprop or another function with their signature

# Random streams of a run, folded into its key before the count of epochs or steps. They are beyond any layer's
# index, which the network's own initialization folds in.
SHUFFLE, FORWARD = 2**31, 2**31 + 1


class TrainState(NamedTuple):
    """Everything that the next step depends on, and so everything that a resume needs."""

    params: Params  # the network's parameters
    optimizer_state: Any  # what the optimizer's init and update return
    key: jax.Array  # the run's one random key; it never changes
    step: jax.Array  # int32 (): steps taken
    epoch: jax.Array  # int32 (): epochs finished
    best: Any = ()  # the best epoch so far, where early stopping looks for it


def init_state(
    network: Layer,
    optimizer: Optimizer,
    key: jax.Array,
    input_shape: Shape,
    *,
    params: Params | None = None,
    dtype: Any = jnp.float32,
) -> TrainState:
    """Return the state before the first step, for inputs of ``input_shape`` (without the batch axis).

    The parameters are ``network.init(key, input_shape, dtype=dtype)``, unless ``params`` gives them. All arrays
    of the state are its own. Raises ``TypeError`` for a key that is none.

    >>> import funcnet as fn
    >>> state = fn.init_state(fn.mlp([4, 2]), fn.sgd(0.1), jax.random.key(0), (4,))
    >>> state.params[0].weight.shape, int(state.step)
    ((2, 4), 0)
    """
    check_layer("init_state", network)
    check_optimizer("init_state", optimizer)
    check_key("init_state", key)
    if params is None:
        params, _ = network.init(key, tuple(input_shape), dtype=dtype)
    return own_copy(TrainState(params, optimizer.init(params), key, jnp.int32(0), jnp.int32(0)))


def own_copy(tree: Any) -> Any:
    """Return the tree with every leaf copied to a buffer of its own, of strong type, so that it can be donated."""
    return _compiled_copy(tree)


def _strong_copy(leaf: jax.Array) -> jax.Array:
    """A weakly typed leaf would be another input to a compiled program than the strong one that comes out of it."""
    return jnp.copy(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.extended) else jnp.array(leaf, leaf.dtype, copy=True)


_compiled_copy = jax.jit(lambda tree: jax.tree.map(_strong_copy, tree))


def train_step(
    network: Layer,
    loss: Loss,
    optimizer: Optimizer,
    *,
    gradients: Gradients = autodiff,
    metrics: Sequence[Metric] = (),
    penalty: Penalty | None = None,
) -> Callable[[TrainState, tuple[Any, ...]], tuple[TrainState, dict[str, jax.Array]]]:
    """Return the compiled pure step: ``state, info = step(state, (x, y))``, for a training loop of one's own.

    ``info`` holds the batch's "loss" and each metric under its function's name, as means over the batch,
    from before the update. The "loss" is the cost that is descended: with a ``penalty``, such as fn.l2(0.0001), the
    penalty is part of it. A batch may be (x, y, weights), with weights (batch,): finite samples of weight 0 count
    for nothing. Steps of equal networks and losses share one compilation, whatever the optimizer's hyper-parameters and
    the penalty's strength. A ``gradients`` function of one's own is given ``penalty=`` only where there is one. Raises
    ``TypeError`` for a penalty that is none.

    >>> import funcnet as fn
    >>> network, optimizer = fn.mlp([2, 1]), fn.sgd(0.1)
    >>> state = fn.init_state(network, optimizer, jax.random.key(0), (2,))
    >>> step = fn.train_step(network, fn.quadratic, optimizer)
    >>> x, y = jnp.array([[1.0, 2.0]]), jnp.array([[3.0]])
    >>> for _ in range(50):
    ...     state, info = step(state, (x, y))
    >>> int(state.step), bool(info["loss"] < 1e-6)
    (50, True)
    """
    check_parts("train_step", network, loss, optimizer, metrics, gradients)
    check_penalty("train_step", penalty)
    return partial(
        _compiled_step,
        penalty=penalty,
        network=network,
        loss=loss,
        update=optimizer.update,
        gradients=gradients,
        metrics=tuple(metrics),
    )


def pure_step(
    state: TrainState,
    batch: tuple[Any, ...],
    *,
    network: Layer,
    loss: Loss,
    update: Callable[..., Any],
    gradients: Gradients,
    metrics: tuple[Metric, ...],
    penalty: Penalty | None = None,
) -> tuple[TrainState, dict[str, jax.Array]]:
    """Return the next state, and the batch's mean loss and metrics: gradients, update, addition."""
    if not isinstance(state, TrainState):
        raise TypeError(message("train_step", "state made by init_state", f"a {type(state).__name__}"))
    if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
        raise TypeError(message("train_step", "a batch (x, y) or (x, y, weights)", f"a {type(batch).__name__}"))
    x, y, weights = (*batch, None)[:3]
    key = jax.random.fold_in(jax.random.fold_in(state.key, FORWARD), state.step)
    keywords = {"key": key, "weights": weights} | ({} if penalty is None else {"penalty": penalty})
    (cost, output), grads = gradients(network, loss, with_output=True)(state.params, x, y, **keywords)
    updates, optimizer_state = update(grads, state.optimizer_state, state.params)
    params = apply_updates(state.params, updates)
    info = {"loss": cost, **measure(metrics, loss.predict(output), y, weights)}
    return state._replace(params=params, optimizer_state=optimizer_state, step=state.step + 1), info


_compiled_step = jax.jit(pure_step, static_argnames=("network", "loss", "update", "gradients", "metrics"))


def measure(
    metrics: tuple[Metric, ...], prediction: jax.Array, y: jax.Array, weights: jax.Array | None
) -> dict[str, jax.Array]:
    """Return the mean of every metric over the batch, under the metric's name."""
    return {
        metric_name(metric): batch_mean(metric(prediction, y), weights, where=metric_name(metric)) for metric in metrics
    }
