"""Values that are not finite: what ``fit`` does about them, and where in a training step the first one appears."""

from collections.abc import Generator, Iterator
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..activations import Activation
from ..checks import check_count
from ..compilation import LOOP, jit_for_cpu
from ..configuration import Configuration, document_fields
from ..ending import Ending
from ..errors import message
from ..layer import Layer
from ..layers import Dense, Frozen, Residual
from ..layers.chain import Chain
from ..objective import Batch
from .run import Epoch, Guard, Plan, batch_at, next_epoch
from .step import FORWARD, TrainState

_STOP, _RAISE = "stop", "raise"


class Skip(Configuration):
    """Leave out the steps of ``fit`` that make values that are not finite: ``fit(..., on_nonfinite=fn.Skip())``.

    Such a step changes neither the parameters nor the optimizer's state. The column "skipped" of the history counts
    them in each epoch, and the means of the epoch leave them out. After ``limit`` of them in a row the run ends. An
    epoch with such a step, and those that were run with it in one call of the compiled program, are run again.
    ``on_nonfinite="skip"`` is ``fn.Skip()``.

    Args:
        limit: so many skipped steps in a row end the run.

    Raises:
        TypeError, ValueError: ``limit`` is not an integer of at least 1.

    >>> Skip(limit=3)
    Skip(limit=3)
    """

    described_as: ClassVar[str] = "'stop', 'raise', 'skip' or fn.Skip(limit=10)"

    limit: int = 10

    def __post_init__(self) -> None:
        check_count("Skip", "limit", self.limit)


class NonFiniteError(FloatingPointError):
    """A step of ``fit(..., on_nonfinite="raise")`` made a value that is not finite.

    Attributes:
        result: the ``FitResult`` of the epochs before that step's; its parameters are finite.
        where: a ``NonFinite``: the step, the layer and the quantity in which such a value appears first.
    """

    def __init__(self, text: str, result: Any, where: "NonFinite") -> None:
        super().__init__(text)
        self.result, self.where = result, where

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how the error is built again in another process."""
        return type(self), (str(self), self.result, self.where)


@document_fields
class NonFinite(NamedTuple):
    """Where the first value that is not finite appears in a run.

    Attributes:
        epoch: counted from 1 since the run began.
        step: counted from 1 since the run began; None where a replay of the epoch did not have such a value.
        layer: the position of the layer in the network, such as (0,), or (2, 1) for one in a nested network; None for
            what belongs to no layer.
        quantity: "input", "target", "weight" and other parameters, "z", "a", "output", "loss", "δ", "gradient",
            "penalty", "learning_rate" and other hyper-parameters, "update" or "state".
        text: one line that says it, with the largest magnitudes before, and what usually causes it.
    """

    epoch: int
    step: int | None
    layer: tuple[int, ...] | None
    quantity: str
    text: str


def check_on_nonfinite(where: str, policy: Any) -> Skip | None:
    """Return what skips steps, None for "stop" and "raise"; ``ValueError`` or ``TypeError`` for something else.

    >>> check_on_nonfinite("fit", "skip"), check_on_nonfinite("fit", "stop")
    (Skip(), None)
    """
    if isinstance(policy, Skip):
        return policy
    if not isinstance(policy, str):
        raise TypeError(message(where, f"on_nonfinite to be {Skip.described_as}", f"a {type(policy).__name__}"))
    if policy not in (_STOP, _RAISE, "skip"):
        raise ValueError(message(where, f"on_nonfinite to be {Skip.described_as}", repr(policy)))
    return Skip() if policy == "skip" else None


@jit_for_cpu(LOOP)
def guarded_epoch(plan: Plan, state: TrainState, in_a_row: Any, limit: Any) -> Epoch:
    """Return what one more epoch gives without the steps that make values that are not finite.

    Args:
        plan: the run's.
        state: the state before the epoch.
        in_a_row: how many steps before were left out in a row.
        limit: so many in a row end the epoch.
    """
    counts = (jnp.asarray(count, jnp.int32) for count in (0, in_a_row, limit))
    return next_epoch(plan, state, Guard(*counts))


def non_finite_error(plan: Plan, state: TrainState, reason: Ending, result: Any) -> NonFiniteError:
    """Return the error of a run that ended in the epoch after a state, which holds its result."""
    try:
        where = locate(plan, state)
    except Exception as error:  # of a part of the caller's own, in the replay: the result is not lost for it
        text = (
            f"epoch {int(state.epoch) + 1}: computing it again layer by layer failed: {type(error).__name__}: {error}"
        )
        where = NonFinite(int(state.epoch) + 1, None, None, "loss", text)
    return NonFiniteError(f"fit: {reason}: {where.text}", result, where)


class _Found(NamedTuple):
    """A quantity of a step: what it is called, the layer that it belongs to, its values, and what they came from."""

    quantity: str
    values: Any
    layer: tuple[Layer, tuple[int, ...]] | None = None
    sources: tuple[tuple[str, Any], ...] = ()
    of: str = ""  # the parameter whose gradient or update it is, or the part of the state


def locate(plan: Plan, state: TrainState) -> NonFinite:
    """Return where the first value that is not finite appears in the epoch after a state: the epoch is run again.

    The step in which it appears is then computed layer by layer, in the order of the computation: parameters, input,
    z and a of each layer, the loss, δ and the gradients, the optimizer's state, its numbers and its update.
    """
    epoch = int(state.epoch) + 1
    before = guarded_epoch(plan, state, 0, 1)
    if before.guard is None or not int(before.guard.skipped):
        text = f"epoch {epoch}: running it again step by step gave finite values: they are at the edge of the range"
        return NonFinite(epoch, None, None, "loss", text)
    step = int(before.state.step) - 1
    last = before.state._replace(epoch=state.epoch, step=jnp.asarray(step, jnp.int32))
    batch = jax.jit(batch_at)(plan, last, jnp.asarray(step - int(state.step), jnp.int32))
    with jax.debug_nans(False), jax.debug_infs(False):
        for found in _quantities(plan, last, batch):
            if described := _described(found):
                place = None if found.layer is None else found.layer[1]
                return NonFinite(
                    epoch, step + 1, place, found.quantity, f"epoch {epoch}, step {step + 1}: first in {described}"
                )
    text = f"epoch {epoch}, step {step + 1}: every layer by itself gives finite values; the compiled step does not"
    return NonFinite(epoch, step + 1, None, "update", text)


def _quantities(plan: Plan, state: TrainState, batch: Batch) -> Iterator[_Found]:
    """Yield the quantities of a step in the order in which they are computed."""
    objective, params = plan.step.objective, state.params
    network, loss = objective.network, objective.loss
    key = jax.random.fold_in(jax.random.fold_in(state.key, FORWARD), state.step)
    yield from _of_tree(network, params)
    yield _Found("input", batch.x)
    yield _Found("target", batch.y)
    yield _Found("weights", () if batch.weights is None else batch.weights)
    tape: list[Any] = []
    output = yield from _forward(network, (), params, batch.x, key, batch.weights, tape)
    yield _Found("loss", loss.value(output, batch.y), None, (("the output", output),))
    try:
        delta = loss.gradient(output, batch.y)
        yield _Found("δ", delta, None, (("the output", output),))
        yield from _backward(tape, delta)
    except NotImplementedError:  # a part without a gradient by hand: the automatic one follows
        pass
    if objective.penalty is not None:
        yield _Found("penalty", (objective.penalty.value(params), objective.penalty.gradient(params)))
    route = plan.step._cost_and_gradients
    valued, gradients = route(params, batch, key)
    yield _Found("loss", valued[0])
    yield from _of_tree(network, gradients, "gradient")
    yield from _of_the_update(plan, state, gradients, network)


def _of_the_update(plan: Plan, state: TrainState, gradients: Any, network: Layer) -> Iterator[_Found]:
    """Yield the optimizer's state and numbers, what it makes of gradients, and the new parameters."""
    old = state.optimizer_state
    for name, number in _numbers(old):
        yield _Found(name, number)
    is_number: frozenset[str] = getattr(type(old), "settings", frozenset())
    for path, leaf in jax.tree_util.tree_leaves_with_path(old):
        if getattr(path[0], "name", None) not in is_number:
            yield _Found("state", leaf, of=jax.tree_util.keystr(path))
    updates, new = plan.step.update(gradients, old, state.params)
    sources = (("gradient", gradients), ("state", [leaf for leaf in jax.tree.leaves(old) if jnp.ndim(leaf)]))
    for found in _of_tree(network, updates, "update"):
        yield found._replace(sources=sources)
    for path, leaf in jax.tree_util.tree_leaves_with_path(new):
        if getattr(path[0], "name", None) not in is_number:
            yield _Found("state", leaf, None, (("gradient", gradients),), jax.tree_util.keystr(path))
    for found in _of_tree(network, jax.tree.map(lambda p, u: p + u.astype(p.dtype), state.params, updates)):
        yield found._replace(sources=(("update", updates), ("the parameters before", state.params)))


def _numbers(state: Any) -> Iterator[tuple[str, Any]]:
    """Yield the hyper-parameters in an optimizer's state as they are in the next step, by their names; an infinite
    one, such as a threshold, is no fault."""
    names: frozenset[str] = getattr(type(state), "settings", frozenset())
    for part in [] if names or not isinstance(state, tuple) else state:
        yield from _numbers(part)
    for name in sorted(names):
        value = getattr(state, name)
        number = value(state.step) if callable(value) else value
        if jnp.any(jnp.isnan(number)) or (callable(value) and not jnp.all(jnp.isfinite(number))):
            yield name, number


def _of_tree(network: Layer, tree: Any, quantity: str | None = None) -> Iterator[_Found]:
    """Yield the leaves of a tree like the network's parameters, each with its layer."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        layer, place = _layer_at(network, path)
        name = str(getattr(path[-1], "name", "parameter")) if path else "parameter"
        yield _Found(quantity or name, leaf, (layer, place), of=name if quantity else "")


def _layer_at(network: Layer, path: tuple[Any, ...]) -> tuple[Layer, tuple[int, ...]]:
    """Return the layer that a path in the tree of parameters leads to, and its position."""
    layer, place = network, []
    for key in path:
        while isinstance(layer, Frozen):
            layer = layer.layer
        if not isinstance(layer, Chain):
            break
        layer = layer.layers[key.idx]
        place.append(key.idx)
    return layer, tuple(place)


def _forward(
    layer: Layer, place: tuple[int, ...], params: Any, x: Any, key: Any, weights: Any, tape: list[Any]
) -> Generator[_Found, None, Any]:
    """Yield what each layer makes of x, and return the last one's; the tape gets what the backward pass needs."""
    if isinstance(layer, Frozen):
        return (yield from _forward(layer.layer, place, params, x, None, weights, tape))
    if isinstance(layer, Chain):
        inner: list[Any] = []
        y = x
        for index, (each, own) in enumerate(zip(layer.layers, params, strict=True)):
            y = yield from _forward(each, (*place, index), own, y, layer.key_of(index, key), weights, inner)
        if isinstance(layer, Residual):
            sources = (("x", x), ("f(x)", y))
            y = jnp.asarray(x) + y
            yield _Found("output", y, (layer, place), sources)
        tape.append((layer, place, inner))
        return y
    y, cache = layer.call(params, x, key=key, weights=weights)
    quantity = "z" if isinstance(layer, Dense) else "a" if isinstance(layer, Activation) else "output"
    yield _Found(quantity, y, (layer, place), (("its input", x), ("its parameters", params)))
    tape.append((layer, place, (params, cache, x)))
    return y


def _backward(tape: list[Any], delta: Any) -> Generator[_Found, None, Any]:
    """Yield the gradients and δ of each layer, from the last to the first, and return δ of the first one's input."""
    for layer, place, entries in reversed(tape):
        if isinstance(layer, Chain):
            inner = yield from _backward(entries, delta)
            delta = delta + inner if isinstance(layer, Residual) else inner
            continue
        params, cache, x = entries
        gradients, dx = layer.backward(params, cache, delta)
        sources = (("its δ", delta), ("its input", x))
        for path, leaf in jax.tree_util.tree_leaves_with_path(gradients):
            of = str(getattr(path[-1], "name", "parameter")) if path else "parameter"
            yield _Found("gradient", leaf, (layer, place), sources, of)
        if dx is not None and jnp.issubdtype(jnp.result_type(dx), jnp.floating):
            yield _Found("δ", dx, (layer, place), (("δ after it", delta), ("its parameters", params)))
            delta = dx
    return delta


_CAUSES = {
    "input": "the data hold it",
    "target": "the data hold it",
    "weights": "the samples' weights hold it",
    "z": "weights or inputs are too large: a lower learning rate, smaller initial weights or scaled inputs help",
    "a": "the activation overflows: smaller weights or inputs, or a bounded activation, help",
    "output": "its inputs are too large: smaller weights, or scaled inputs, help",
    "loss": "the output is outside the loss's range, or too large: a loss from logits or a lower learning rate helps",
    "δ": "the error grew from layer to layer, or a derivative is infinite: clip_by_global_norm helps",
    "gradient": "δ or the input is too large, or a derivative is infinite: clip_by_global_norm or scaled inputs help",
    "penalty": "its strength or the weights are too large",
    "update": "the gradient or the learning rate is too large, or the optimizer's epsilon too small",
    "state": "squares of the gradient overflow: clip_by_global_norm helps",
    "learning_rate": "the schedule returns it",
}


def _described(found: _Found) -> str | None:
    """Return a text of what is not finite in a quantity, None where all of it is finite."""
    leaves = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(found.values) if _is_floating(leaf)]
    counts = [int(np.sum(~np.isfinite(leaf))) for leaf in leaves]
    if not sum(counts):
        return None
    kinds = "nan" if any(np.isnan(leaf).any() for leaf in leaves) else "inf"
    size = sum(leaf.size for leaf in leaves)
    share = f"{kinds} at {sum(counts):,} of {size:,} elements" if size > 1 else f"{kinds}"
    what = f"{found.quantity} of {found.of}" if found.of else found.quantity
    if found.layer is not None:
        layer, place = found.layer
        position = f" (layer {'.'.join(map(str, place))})" if place else ""
        what = f"{layer}{position}: {what}"
    sizes = {name: _largest(tree) for name, tree in found.sources}
    largest = [f"{name} at most {size:.3g}" for name, size in sizes.items() if size is not None]
    before = f", from {' and '.join(largest)} in magnitude" if largest else ""
    cause = _CAUSES.get(found.quantity, "the parameters held it before the step")
    return f"{what} is {share}{before}: {cause}"


def _largest(tree: Any) -> float | None:
    """Return the largest finite magnitude in a tree, None without arrays."""
    leaves = [np.abs(np.asarray(leaf, np.float64)) for leaf in jax.tree.leaves(tree) if np.size(leaf)]
    finite = [leaf[np.isfinite(leaf)].max(initial=0) for leaf in leaves]
    return float(max(finite)) if finite else None


def _is_floating(leaf: Any) -> bool:
    return bool(jnp.issubdtype(jnp.result_type(leaf), jnp.floating))
