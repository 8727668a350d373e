"""One training step: the state, and the pure function from one state to the next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import (
    accumulator_dtype,
    check_dtype,
    check_gradient_function,
    check_input_shape,
    check_key,
    check_like,
    check_metrics,
    check_params,
    check_part,
    check_penalty,
    check_update_pair,
    check_weights,
    expected_params,
    is_concrete,
    next_count,
    real_array,
)
from ..compilation import QUICK, jit_for_cpu
from ..configuration import document_fields
from ..errors import ShapeError, message
from ..layer import Layer, Params, Shape, check_contained_layers, check_layer_count
from ..losses import Loss
from ..metrics import means, metric_name
from ..objective import Batch, Objective, Valued, autodiff, backprop
from ..optimizers import Optimizer, apply_updates
from ..optimizers.rule import as_argument, check_settings
from ..penalties import Penalty
from .measuring import AnyMetric, Metrics, States, functions_of, next_states, of_steps, with_state

GradientsOf = Callable[..., Any]  # fn.autodiff, fn.backprop or another function with their signature

# Each kind of random number of a run has a key of its own: one of these is folded into the run's key, before the count
# of epochs or steps. They are larger than every layer's index, which the network's ``init`` folds in.
SHUFFLE, FORWARD = 2**31, 2**31 + 1


@document_fields
class TrainState(NamedTuple):
    """Everything that the next step depends on, and so everything that is needed to resume a run.

    Attributes:
        params: the network's parameters.
        optimizer_state: what the optimizer's init and update return.
        key: the run's one random key; it never changes.
        step: int32 (): steps taken; stays at 2³¹ − 1.
        epoch: int32 (): epochs finished; stays at 2³¹ − 1.
        best: the best epoch so far, if early stopping is used.
    """

    params: Params
    optimizer_state: Any
    key: jax.Array
    step: jax.Array
    epoch: jax.Array
    best: Any = ()

    def __repr__(self) -> str:
        parameters = sum(np.size(leaf) for leaf in jax.tree.leaves(self.params))
        optimizer = type(self.optimizer_state).__name__
        return f"TrainState(epoch {self.epoch}, step {self.step}: {parameters:,} parameters, {optimizer})"


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
        TypeError: ``network``, ``optimizer``, ``key`` or ``input_shape`` has the wrong type.
        ValueError: ``input_shape`` is not one that the network takes.

    >>> import funcnet as fn
    >>> state = fn.init_state(fn.mlp([4, 2]), fn.sgd(0.1), jax.random.key(0), (4,))
    >>> state
    TrainState(epoch 0, step 0: 10 parameters, SGDState)
    """
    check_part("init_state", "network", network, Layer)
    check_update_pair("init_state", optimizer)
    check_key("init_state", key)
    shape = check_input_shape("init_state", network, input_shape)
    check_dtype("init_state", dtype)
    if params is not None:
        check_params("init_state", network, params, shape)
    return first_state(network, optimizer, key, shape, params, dtype)


def first_state(
    network: Layer,
    optimizer: Optimizer,
    key: jax.Array,
    input_shape: Shape,
    params: Params | None = None,
    dtype: Any = jnp.float32,
) -> TrainState:
    """Return the state of ``init_state``, which has the same arguments, without its checks of their types."""
    init = as_argument(optimizer.init)
    compiled = partial(_compiled_first_state, network=network, input_shape=input_shape, dtype=dtype)
    with jax.core.eval_context():  # it is a program of its own where another program is traced, too
        if all(map(is_concrete, jax.tree.leaves((init, key, params)))):
            like = expected_params(network, input_shape, dtype) if params is None else jax.tree.map(jnp.asarray, params)
            check_settings(optimizer.init, like)
            if params is None and _is_deep(like):
                params, _ = network.init(key, input_shape, dtype=dtype)
            return compiled(init, key, params)
        if params is None and is_concrete(key):
            params = compiled(jax.tree_util.Partial(_no_state), key, None).params
    return _first_state(optimizer.init, key, params, network, input_shape, dtype)


def _is_deep(params: Params) -> bool:
    """Return whether arrays of few shapes recur, so that to initialize them one by one, each shape compiled once, is
    faster than one program that holds the random numbers of all: for 100 equal layers 1 s in place of 15."""
    shapes = [leaf.shape for leaf in jax.tree.leaves(params)]
    return len(shapes) >= 4 * len(set(shapes))


def _no_state(params: Params) -> tuple[()]:
    return ()


def _first_state(
    init: Callable[[Params], Any], key: jax.Array, params: Params | None, network: Layer, input_shape: Shape, dtype: Any
) -> TrainState:
    if params is None:
        params, _ = network.init(key, input_shape, dtype=dtype)
    zero: Any = np.int32(0)  # copying makes it an array
    return copy_for_donation(TrainState(params, init(params), key, step=zero, epoch=zero))


_compiled_first_state = jit_for_cpu(QUICK, static_argnames=("network", "input_shape", "dtype"))(_first_state)


@jax.jit
def copy_for_donation(tree: Any) -> Any:
    """Return the tree with every leaf copied to a new buffer, which can be donated.

    The copies have strong dtypes, because a weakly typed input would cause a second compilation.
    """
    return jax.tree.map(lambda leaf: jnp.array(leaf, leaf.dtype, copy=True), tree)


def resumed(where: str, state: TrainState, optimizer: Optimizer) -> TrainState:
    """Return the state with its own accumulators and the given optimizer's hyper-parameters.

    Raises ``ValueError`` and ``DtypeError`` where the state is another optimizer's.
    """
    fresh = optimizer.init(state.params)
    return state._replace(optimizer_state=_taken_over(where, state.optimizer_state, fresh, str(optimizer)))


def _taken_over(where: str, state: Any, fresh: Any, optimizer: str) -> Any:
    """Return an optimizer's state with the hyper-parameters of a fresh one, which has the same form."""
    taken_over = _with_hyperparameters(state, fresh)
    structure: Any = jax.tree.structure(fresh)
    if structure != jax.tree.structure(taken_over):
        got = f"an optimizer_state {type(state).__name__}"
        if type(state) is type(fresh):
            got += f" of the structure {jax.tree.structure(taken_over)}"
        raise ValueError(message(where, f"the state of a run with {optimizer}", got))
    check_like(where, "optimizer_state", taken_over, fresh)
    return taken_over


def _with_hyperparameters(state: Any, fresh: Any) -> Any:
    """Return an optimizer's state with the hyper-parameters, at any depth, of a fresh one.

    They are the fields that the type of a state names in ``settings``, and dicts in a field ``hyperparams``, where
    optax's ``inject_hyperparams`` keeps them.
    """
    (old, structure), (new, other) = _children(state), _children(fresh)
    if structure != other or jax.tree_util.treedef_is_leaf(structure):
        return state
    settings = getattr(type(state), "settings", None)
    parts = []
    for (path, part), (_, fresh_part) in zip(old, new, strict=True):
        name = getattr(path[0], "name", None)
        is_setting = isinstance(settings, frozenset) and name in settings
        is_injected = name == "hyperparams" and isinstance(part, dict)
        parts.append(fresh_part if is_setting or is_injected else _with_hyperparameters(part, fresh_part))
    return jax.tree.unflatten(structure, parts)


def _children(tree: Any) -> tuple[list[tuple[Any, Any]], Any]:
    """Return the parts of a tree one level down, with their paths, and their structure."""
    return jax.tree_util.tree_flatten_with_path(tree, is_leaf=lambda part: part is not tree)


@partial(jax.tree_util.register_dataclass, data_fields=("objective",), meta_fields=("update", "gradients", "metrics"))
@dataclass(frozen=True)
class Step:
    """The pure step: gradients, update, addition. A pytree, so that a compiled program takes it as an argument."""

    objective: Objective
    update: Callable[..., Any]  # the optimizer's
    gradients: GradientsOf
    metrics: Metrics

    def __call__(
        self, state: TrainState, batch: Batch, measured: States | None = None, *, may_skip: bool = False
    ) -> tuple[TrainState, dict[str, jax.Array], States]:
        """Return the next state, the batch's cost and metrics before the update, and the metrics' states after it.

        Args:
            state: the state before the step.
            batch: the samples.
            measured: the states of the metrics that have one; None for their values of this batch alone.
            may_skip: whether a batch whose weights are all 0 only advances the count of steps.
        """
        network, loss = self.objective.network, self.objective.loss
        key = jax.random.fold_in(jax.random.fold_in(state.key, FORWARD), state.step)
        (cost, (output, cache)), gradients = self._cost_and_gradients(state.params, batch, key)
        updates, optimizer_state = self.update(gradients, state.optimizer_state, state.params)
        params = apply_updates(state.params, updates)
        if network.keeps_statistics:
            params = network.learn(params, cache)
            check_like(network, "params from learn", params, state.params)
        info = {"loss": cost}
        if self.metrics:
            prediction = loss.predict(output)
            info |= means(functions_of(self.metrics), prediction, batch.y, batch.weights)
            for metric in of_steps(self.metrics):
                number = jnp.asarray(metric.of_step(gradients, state.optimizer_state))
                if number.shape != ():
                    raise ShapeError(metric, "one number of a step, of shape ()", number.shape)
                info[metric.history_name] = number
            if measured is None:
                alone = with_state(self.metrics)
                info |= {metric_name(metric): metric.of(prediction, batch.y, batch.weights) for metric in alone}
            else:
                measured = next_states(self.metrics, measured, prediction, batch)
        if may_skip:
            counts = jnp.any(jnp.asarray(batch.weights) != 0)
            before = state.params, state.optimizer_state
            after = params, optimizer_state
            params, optimizer_state = jax.tree.map(lambda new, old: jnp.where(counts, new, old), after, before)
        state = state._replace(params=params, optimizer_state=optimizer_state, step=next_count(state.step))
        return state, info, measured or ()

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
        where = getattr(self.gradients, "__name__", repr(self.gradients))
        check_like(where, "gradients", gradients, params)
        if jnp.shape(cost) != () or not jnp.issubdtype(jnp.result_type(cost), jnp.floating):
            got = f"shape {jnp.shape(cost)} and dtype {jnp.result_type(cost)}"
            raise ShapeError(where, "a cost of shape () and a floating dtype", got)
        return (cost, (output, None)), gradients


def make_step(
    where: str,
    network: Layer,
    loss: Loss,
    optimizer: Optimizer,
    *,
    gradients: GradientsOf,
    metrics: Sequence[AnyMetric],
    penalty: Penalty | None,
) -> Step:
    """Return the pure step of these parts; ``TypeError`` or ``ValueError`` that names the part that is wrong."""
    check_part(where, "network", network, Layer)
    _check_contained_layers(network)
    check_layer_count(where, network)
    check_part(where, "loss", loss, Loss)
    check_update_pair(where, optimizer)
    check_metrics(where, metrics)
    check_part(where, "penalty", penalty, Penalty, optional=True)
    check_gradient_function(where, network, gradients, (autodiff, backprop))
    return Step(Objective(network, loss, penalty), optimizer.update, gradients, tuple(metrics))


_check_contained_layers = lru_cache(check_contained_layers)  # the same networks come again in every run


def train_step(
    network: Layer,
    loss: Loss,
    optimizer: Optimizer,
    *,
    gradients: GradientsOf = autodiff,
    metrics: Sequence[AnyMetric] = (),
    penalty: Penalty | None = None,
) -> Callable[[TrainState, tuple[Any, ...]], tuple[TrainState, dict[str, jax.Array]]]:
    """Return the compiled pure step ``state, info = step(state, (x, y))``, for your own training loop.

    ``info`` holds the batch's "loss" and each metric by name, as means over the batch before the update. A batch may
    be (x, y, weights) with weights (batch,): samples of weight 0 are ignored, but must be finite. Where all weights are
    0, the "loss" and the metrics are 0 and ``state.step`` advances; parameters, optimizer state and its own count stay.
    Steps of equal networks and losses share one compilation, whatever the optimizer's hyper-parameters and the
    penalty's strength.

    The hyper-parameters are those of ``optimizer``, also where the state holds others: to change one, call
    ``train_step`` again, which compiles nothing. In an optimizer of optax this applies to ``inject_hyperparams``.
    ``state.step`` and the optimizer's count stay at 2³¹ − 1: a schedule then stays at its last rate, and layers such as
    ``Dropout`` repeat their last random numbers.

    Args:
        network: the network to train.
        loss: the loss of each sample.
        optimizer: an (init, update) pair, funcnet's or optax's.
        gradients: ``fn.autodiff``, ``fn.backprop``, or your own function with their signature. Your own function is
            given ``penalty=`` only where there is a penalty.
        metrics: functions (prediction, target) -> one number per sample, and metrics of ``fn.metrics``.
        penalty: such as ``fn.l2(0.0001)``; it is part of the "loss".

    Raises:
        TypeError, ValueError: an argument has the wrong type, two metrics have one name, or ``optimizer`` only
            transforms gradients. The step raises them for a state of another optimizer, for hyper-parameters that
            degenerate in the state's dtype, and for weights that are known to be negative or not finite.

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
    inits: dict[Any, Any] = {}  # the optimizer's init with its numbers on the device, by the parameters' dtype

    def step(state: TrainState, batch: tuple[Any, ...]) -> tuple[TrainState, dict[str, jax.Array]]:
        if not isinstance(state, TrainState):
            raise TypeError(message("train_step", "state made by init_state", f"a {type(state).__name__}"))
        if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
            raise TypeError(message("train_step", "a batch (x, y) or (x, y, weights)", f"a {type(batch).__name__}"))
        if (dtype := _first_dtype(state.params)) not in inits:
            check_settings(optimizer.init, state.params)
            check_penalty("train_step", penalty, accumulator_dtype(dtype))
            with jax.ensure_compile_time_eval():  # what is kept may not belong to a program that is being traced
                inits[dtype] = jax.tree.map(jnp.asarray, as_argument(optimizer.init))
        batch = tuple(_as_array(name, each) for name, each in zip(("x", "y", "weights"), batch, strict=False))
        if len(batch) == 3:
            check_weights("train_step", batch[2], accumulator_dtype(dtype))
        return _compiled_step(parts, inits[dtype], state, batch)

    return step


def _as_array(name: str, value: Any) -> Any:
    """Return an array of a batch; a JAX array, and None, as it is."""
    return value if value is None or isinstance(value, jax.Array) else real_array("train_step", name, value)


def _first_dtype(params: Params) -> Any:
    return next((leaf.dtype for leaf in jax.tree.leaves(params)), None)


@jax.jit
def _compiled_step(
    step: Step, init: jax.tree_util.Partial, state: TrainState, batch: tuple[Any, ...]
) -> tuple[TrainState, dict[str, jax.Array]]:
    """Return the next state by a step with the optimizer's numbers, which are arguments, and what it found."""
    optimizer = init.func.__qualname__.strip("_").partition(".")[0]
    optimizer_state = _taken_over("train_step", state.optimizer_state, init(state.params), optimizer)
    state, (x, y, *weights) = state._replace(optimizer_state=optimizer_state), batch
    return step(state, Batch(x, y, *weights), may_skip=any(each is not None for each in weights))[:2]
