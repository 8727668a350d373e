"""One training step: the state, and the pure function from one state to the next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import (
    check_gradient_function,
    check_key,
    check_metrics,
    check_part,
    check_update_pair,
    is_concrete,
)
from ..compilation import QUICK
from ..errors import message
from ..layer import Layer, Params, Shape, check_contained_layers
from ..losses import Loss
from ..objective import Batch, Objective, Valued, autodiff, backprop
from ..optimizers import Optimizer, apply_updates
from ..penalties import Penalty
from .metrics import Metric, means

GradientsOf = Callable[..., Any]  # fn.autodiff, fn.backprop or another function with their signature

# Each kind of random number of a run has a key of its own: one of these is folded into the run's key, before the count
# of epochs or steps. They are larger than every layer's index, which the network's ``init`` folds in.
SHUFFLE, FORWARD = 2**31, 2**31 + 1


class TrainState(NamedTuple):
    """Everything that the next step depends on, and so everything that is needed to resume a run."""

    params: Params  # the network's parameters
    optimizer_state: Any  # what the optimizer's init and update return
    key: jax.Array  # the run's one random key; it never changes
    step: jax.Array  # int32 (): steps taken
    epoch: jax.Array  # int32 (): epochs finished
    best: Any = ()  # the best epoch so far, if early stopping is used


def init_state(
    network: Layer,
    optimizer: Optimizer,
    key: jax.Array,
    input_shape: Shape,
    *,
    params: Params | None = None,
    dtype: Any = jnp.float32,
) -> TrainState:
    """Return the state before the first step. It shares no buffers with its inputs. Pure: it can be mapped over keys.

    Args:
        network: the network to train.
        optimizer: an (init, update) pair, funcnet's or optax's.
        key: the run's random key, ``jax.random.key(seed)``.
        input_shape: the shape of one input, without the batch axis.
        params: the initial parameters; None for ``network.init(key, input_shape, dtype=dtype)``.
        dtype: the parameters' dtype where ``params`` is None.

    Raises:
        TypeError: ``network``, ``optimizer`` or ``key`` has the wrong type.

    >>> import funcnet as fn
    >>> state = fn.init_state(fn.mlp([4, 2]), fn.sgd(0.1), jax.random.key(0), (4,))
    >>> state.params[0].weight.shape, int(state.step)
    ((2, 4), 0)
    """
    check_part("init_state", "network", network, Layer)
    check_update_pair("init_state", optimizer)
    check_key("init_state", key)
    return copy_for_donation(first_state(network, optimizer, key, tuple(input_shape), params, dtype))


def first_state(
    network: Layer,
    optimizer: Optimizer,
    key: jax.Array,
    input_shape: Shape,
    params: Params | None = None,
    dtype: Any = jnp.float32,
) -> TrainState:
    """Return the state of ``init_state``, which has the same arguments, before its buffers are copied."""
    if params is None and is_concrete(key):
        is_quick = jax.default_backend() == "cpu" and not jax.config.read("jax_disable_most_optimizations")
        with jax.core.eval_context():  # it is a program of its own where another program is traced, too
            params = _initial_params[is_quick](key, network=network, input_shape=input_shape, dtype=dtype)
    elif params is None:
        params, _ = network.init(key, input_shape, dtype=dtype)
    zero: Any = np.int32(0)  # copying makes it an array
    return TrainState(params, optimizer.init(params), key, step=zero, epoch=zero)


_initial_params = {  # as one program, with and without the options for quick compilation
    is_quick: jax.jit(
        lambda key, network, input_shape, dtype: network.init(key, input_shape, dtype=dtype)[0],
        static_argnames=("network", "input_shape", "dtype"),
        compiler_options=QUICK if is_quick else None,
    )
    for is_quick in (True, False)
}


@jax.jit
def copy_for_donation(tree: Any) -> Any:
    """Return the tree with every leaf copied to a new buffer, which can be donated.

    The copies have strong dtypes, because a weakly typed input would cause a second compilation.
    """
    return jax.tree.map(lambda leaf: jnp.array(leaf, leaf.dtype, copy=True), tree)


def resumed(where: str, state: TrainState, optimizer: Optimizer) -> TrainState:
    """Return the state with its own accumulators and the given optimizer's hyper-parameters.

    Raises ``ValueError`` where the state is another optimizer's.
    """
    fresh = optimizer.init(state.params)
    taken_over = _with_hyperparameters(state.optimizer_state, fresh)
    structure: Any = jax.tree.structure(fresh)
    shapes = [[np.shape(leaf) for leaf in jax.tree.leaves(tree)] for tree in (fresh, taken_over)]
    if structure != jax.tree.structure(taken_over) or shapes[0] != shapes[1]:
        owner = type(state.optimizer_state).__name__
        raise ValueError(message(where, f"the state of a run with {optimizer}", f"an optimizer_state {owner}"))
    return state._replace(optimizer_state=taken_over)


def _with_hyperparameters(state: Any, fresh: Any) -> Any:
    """Return an optimizer's state with the hyper-parameters, at any depth, of a fresh one."""
    if type(state) is not type(fresh) or not isinstance(state, tuple) or len(state) != len(fresh):
        return state
    names = getattr(state, "_fields", (None,) * len(state))
    settings: frozenset[str] = getattr(state, "settings", frozenset())
    parts = [
        new if name in settings else _with_hyperparameters(old, new)
        for name, old, new in zip(names, state, fresh, strict=True)
    ]
    return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)


@partial(jax.tree_util.register_dataclass, data_fields=("objective",), meta_fields=("update", "gradients", "metrics"))
@dataclass(frozen=True)
class Step:
    """The pure step: gradients, update, addition. A pytree, so that a compiled program takes it as an argument."""

    objective: Objective
    update: Callable[..., Any]  # the optimizer's
    gradients: GradientsOf
    metrics: tuple[Metric, ...]

    def __call__(self, state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, jax.Array]]:
        """Return the next state, and the batch's cost and mean metrics before the update."""
        network, loss = self.objective.network, self.objective.loss
        key = jax.random.fold_in(jax.random.fold_in(state.key, FORWARD), state.step)
        (cost, (output, cache)), gradients = self._cost_and_gradients(state.params, batch, key)
        updates, optimizer_state = self.update(gradients, state.optimizer_state, state.params)
        params = apply_updates(state.params, updates)
        if network.keeps_statistics:
            params = network.learn(params, cache)
        info = {"loss": cost}
        if self.metrics:
            info |= means(self.metrics, loss.predict(output), batch.y, batch.weights)
        return state._replace(params=params, optimizer_state=optimizer_state, step=state.step + 1), info

    def _cost_and_gradients(self, params: Params, batch: Batch, key: jax.Array) -> tuple[Valued, Params]:
        objective = self.objective
        if self.gradients in (autodiff, backprop):
            route = objective.automatic if self.gradients is autodiff else objective.by_hand
            valued, (gradients, _) = route(params, batch, key)
            return valued, gradients
        keywords: dict[str, Any] = {"key": key, "weights": batch.weights}
        if objective.penalty is not None:
            keywords["penalty"] = objective.penalty
        function = self.gradients(objective.network, objective.loss, with_output=True)
        (cost, output), gradients = function(params, batch.x, batch.y, **keywords)
        return (cost, (output, None)), gradients


def make_step(
    where: str,
    network: Layer,
    loss: Loss,
    optimizer: Optimizer,
    *,
    gradients: GradientsOf,
    metrics: Sequence[Metric],
    penalty: Penalty | None,
) -> Step:
    """Return the pure step of these parts; ``TypeError`` or ``ValueError`` that names the part that is wrong."""
    check_part(where, "network", network, Layer)
    check_contained_layers(network)
    check_part(where, "loss", loss, Loss)
    check_update_pair(where, optimizer)
    check_metrics(where, metrics)
    check_part(where, "penalty", penalty, Penalty, optional=True)
    check_gradient_function(where, network, gradients, (autodiff, backprop))
    return Step(Objective(network, loss, penalty), optimizer.update, gradients, tuple(metrics))


def train_step(
    network: Layer,
    loss: Loss,
    optimizer: Optimizer,
    *,
    gradients: GradientsOf = autodiff,
    metrics: Sequence[Metric] = (),
    penalty: Penalty | None = None,
) -> Callable[[TrainState, tuple[Any, ...]], tuple[TrainState, dict[str, jax.Array]]]:
    """Return the compiled pure step ``state, info = step(state, (x, y))``, for your own training loop.

    ``info`` holds the batch's "loss" and each metric by name, as means over the batch before the update. A batch may
    be (x, y, weights) with weights (batch,): samples of weight 0 are ignored, but must be finite. Steps of equal
    networks and losses share one compilation, whatever the optimizer's hyper-parameters and the penalty's strength.

    Args:
        network: the network to train.
        loss: the loss of each sample.
        optimizer: an (init, update) pair, funcnet's or optax's.
        gradients: ``fn.autodiff``, ``fn.backprop``, or your own function with their signature. Your own function is
            given ``penalty=`` only where there is a penalty.
        metrics: functions (prediction, target) -> one number per sample.
        penalty: such as ``fn.l2(0.0001)``; it is part of the "loss".

    Raises:
        TypeError, ValueError: an argument has the wrong type, or two metrics have one name.

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
    parts = make_step("train_step", network, loss, optimizer, gradients=gradients, metrics=metrics, penalty=penalty)
    return partial(_compiled_step, parts)


@jax.jit
def _compiled_step(step: Step, state: TrainState, batch: Any) -> tuple[TrainState, dict[str, jax.Array]]:
    if not isinstance(state, TrainState):
        raise TypeError(message("train_step", "state made by init_state", f"a {type(state).__name__}"))
    if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
        raise TypeError(message("train_step", "a batch (x, y) or (x, y, weights)", f"a {type(batch).__name__}"))
    return step(state, Batch(*batch))
