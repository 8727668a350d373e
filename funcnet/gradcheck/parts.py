"""The parts of a network, each checked alone: one mistake shows in one part, and not in all layers below.

Each layer's ``backward``, the loss's and the penalty's ``gradient`` get the correct input. They are compared with JAX's
derivative of the part, or with the numerical one where that of JAX is missing or wrong.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial, reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..activations import linear
from ..compilation import RUN_ONCE
from ..derivatives.numerical import (
    NumericalGradient,
    complex_step_gradient,
    richardson_gradient,
    sample,
    with_sides,
)
from ..jaxprs import NoRuleError
from ..layer import Layer, Params
from ..layers import flattened
from ..losses import quadratic
from ..objective import Batch, Objective
from ..rulecheck.element_verdicts import LAST_BITS
from ..rulecheck.likely_mistake import explain
from .code import Code
from .judgement import ArrayGradients, Rounding, Tolerances, judge, largest, local_size
from .network_report import layer_name, owner_of, parameter_name
from .routes import Given

PARTS_CORRECT = "each part is correct alone, as JAX differentiates it: look at how they are put together"
MOST_ELEMENTS_OF_PARTS = 20_000  # up to which the parts are differentiated numerically


class Part(NamedTuple):
    """One layer of the network, with what its ``forward`` is given."""

    name: str
    layer: Layer
    params: Params
    x: jax.Array
    key: jax.Array | None
    weights: jax.Array | None
    statistics: Params  # a bool for each leaf of the parameters: whether it is a running statistic

    def forward(self, params: Params, x: jax.Array) -> tuple[jax.Array, Any]:
        """Return the layer's output and cache."""
        return self.layer.call(params, x, key=self.key, weights=self.weights)

    def given(self) -> Given:
        """Return what is needed to check the layer alone."""
        return Objective(self.layer, quadratic), self.params, Batch(self.x, self.x, self.weights), self.key


def parts_of(objective: Objective, params: Params, batch: Batch, key: jax.Array | None) -> tuple[list[Part], jax.Array]:
    """Return the layers of a network, those of nested ``Sequential`` networks one by one, and the network's output."""
    parts, x = [], batch.x
    statistics = objective.statistics(params, batch)
    for path, layer, layer_params, fixed in flattened(objective.network, params, statistics):
        layer_key = None if key is None else reduce(jax.random.fold_in, path, key)  # the key that Sequential derives
        part = Part(layer_name(layer, path), layer, layer_params, x, layer_key, batch.weights, fixed)
        x, _ = part.forward(layer_params, x)
        parts.append(part)
    return parts, x


def _named_comparisons(code: Code, given: Given) -> dict[str, tuple[Any, Any, Any]]:
    """Return what ``_compared`` yields, by a number and a name."""
    found = enumerate(_compared(*given))
    return {f"{place:05}{name}": (hand, right, of) for place, (name, hand, right, of) in found}


compiled_comparisons = jax.jit(_named_comparisons, static_argnums=0, compiler_options=RUN_ONCE)


def wrong_parts(given: Given, code: Code) -> list[str]:
    """Return in words which parts of the hand-written gradient differ from JAX's gradient of that part alone."""
    found = jax.tree.map(np.asarray, compiled_comparisons(code, given))
    samples = len(given[2].x)
    return [
        f"{name[5:]}: {words}"
        for name, (hand, right, parameter) in sorted(found.items())
        if (words := _difference(hand, right, parameter, samples))
    ]


def _difference(hand: np.ndarray, right: np.ndarray, parameter: np.ndarray | None, samples: int) -> str:
    """Return in words how a gradient by hand differs from the right one of a part, ``""`` where it does not."""
    return _words(ArrayGradients(hand, None, right, np.zeros(right.shape, bool)), parameter, samples, False)


def _words(gradients: ArrayGradients, parameter: np.ndarray | None, samples: int, by_differences: bool) -> str:
    right = np.asarray(gradients.numerical)
    tolerances, allowed = Tolerances(by_differences, beside=largest(right)), LAST_BITS * local_size(right)
    judged = judge(gradients, tolerances, Rounding(allowed, 0.0))
    if judged.suspect is None:
        return ""
    wrong, right, mask = judged.suspect
    return explain(wrong, right, 0.0, samples=samples, parameter=parameter, mask=mask, values=parameter)


class ByParts(NamedTuple):
    """The gradients that the numerical derivatives of the parts make, one after the other, and the parts' mistakes."""

    mistakes: list[str]
    arrays: list[np.ndarray]  # like the leaves of the parameters, and the input
    needed: set[str]  # the declared parts whose gradient by hand is another than the numerical one


def by_parts(given: Given, statistics: tuple[int, ...], expected: Mapping[str, Any]) -> ByParts | None:
    """Return the gradients by the parts' numerical derivatives, None where they have too many elements.

    ``expected`` are declarations by name: of a part that is declared by a reason, the gradient by hand is taken as it
    is, and one that is declared by a function is compared with the function's derivative.
    """
    objective, params, batch, key = given
    parts, output = parts_of(objective, params, batch, key)
    if sum(leaf.size for part in parts for leaf in jax.tree.leaves((part.params, part.x))) > MOST_ELEMENTS_OF_PARTS:
        return None
    walk = _Walk(len(batch.x), expected)
    dy = walk.loss(Objective(linear, objective.loss), output, batch)
    gradients: list[np.ndarray] = []
    for part in reversed(parts):
        *own, dy = walk.part(part, dy)
        gradients = [*own, *gradients]
    if objective.penalty is not None:
        gradients = [a + b for a, b in zip(gradients, walk.penalty(objective, params), strict=True)]
    for place in statistics:
        gradients[place] = np.zeros_like(gradients[place])
    return ByParts(walk.mistakes, [*gradients, dy], walk.needed)


class _Walk:
    """From the loss to the first layer: the numerical gradients of each part, and the mistakes of those by hand."""

    def __init__(self, samples: int, expected: Mapping[str, Any]) -> None:
        self.samples, self.expected = samples, expected
        self.mistakes: list[str] = []
        self.needed: set[str] = set()

    def compare(
        self, where: str, part: str, declared: Any, hands: list[Any], leaves: list[Any], found: Any
    ) -> list[Any]:
        """Note where the gradients by hand in a part's arrays are wrong, and return those to go on with."""
        (numerical, by_differences), start, result = found, 0, []
        for name, hand, leaf in zip(where.split("|"), hands, leaves, strict=True):
            rows = slice(start, start + leaf.size)
            start += leaf.size
            right, kinked, low, high, error = (
                np.asarray(getattr(numerical, each))[rows].reshape(leaf.shape)
                for each in ("gradient", "kinked", "low", "high", "error")
            )
            gradients = ArrayGradients(np.asarray(hand), None, right, kinked, low, high, error)
            words = _words(gradients, np.asarray(leaf), self.samples, by_differences)
            if words and isinstance(declared, str):
                self.needed.add(part)
            elif words:
                self.mistakes.append(f"{name}: {words}")
            result.append(np.asarray(hand) if isinstance(declared, str) else np.where(kinked, hand, right))
        return result

    def loss(self, alone: Objective, output: jax.Array, batch: Batch) -> np.ndarray:
        """Return the gradient in the network's output."""
        _, (_, hand) = alone.by_hand((), batch._replace(x=output))
        found = _numerical(lambda output: alone.value((), batch._replace(x=output))[0], [output])
        name = str(alone.loss)
        (dy,) = self.compare(f"{name}.gradient", name, self.expected.get(name), [hand], [output], found)
        return dy

    def part(self, part: Part, dy: np.ndarray) -> list[np.ndarray]:
        """Return the gradients in a layer's parameters, and that in its input."""
        declared = self.expected.get(part.name, self.expected.get(str(part.layer)))
        leaves = [*jax.tree.leaves(part.params), part.x]
        _, cache = part.forward(part.params, part.x)
        hands = jax.tree.leaves(part.layer.backward(part.params, cache, jnp.asarray(dy)))
        found = _numerical(partial(_pulled, part, declared, dy), leaves)
        if callable(declared):
            plain, intended = (np.asarray(each.gradient) for each in (self._plain(part, dy, leaves), found[0]))
            if np.any(np.abs(plain - intended) > 1e-6 * np.abs(intended).max(initial=0.0)):
                self.needed.add(part.name)
        names = [f"gradient in {parameter_name(keys)}" for keys, _ in jax.tree_util.tree_leaves_with_path(part.params)]
        fixed = jax.tree.leaves(part.statistics)
        hands = [np.zeros(leaf.shape) if at < len(fixed) and fixed[at] else hands[at] for at, leaf in enumerate(leaves)]
        if any(fixed):
            found = _without(found, leaves, fixed)
        where = "|".join(f"{part.name}.backward, {name}" for name in [*names, "dx"])
        return self.compare(where, part.name, declared, hands, leaves, found)

    @staticmethod
    def _plain(part: Part, dy: np.ndarray, leaves: list[Any]) -> NumericalGradient:
        return _numerical(partial(_pulled, part, None, dy), leaves)[0]

    def penalty(self, objective: Objective, params: Params) -> list[np.ndarray]:
        """Return the gradients of the penalty in the parameters."""
        penalty: Any = objective.penalty
        structure = jax.tree.structure(params)
        names, leaves = [], []
        for keys, leaf in jax.tree_util.tree_leaves_with_path(params):
            layer, path, name = owner_of(objective.network, keys)
            names.append(f"{penalty}.gradient, {name} of {layer_name(layer, path)}")
            leaves.append(leaf)
        found = _numerical(lambda *leaves: penalty.value(jax.tree.unflatten(structure, leaves)), leaves)
        hands = jax.tree.leaves(penalty.gradient(params))
        return self.compare("|".join(names), str(penalty), None, hands, leaves, found)


def _without(
    found: tuple[NumericalGradient, bool], leaves: list[Any], fixed: list[bool]
) -> tuple[NumericalGradient, bool]:
    """Return a numerical gradient with 0 in running statistics, which are not trained."""
    numerical, by_differences = found
    trained = np.concatenate(
        [np.full(leaf.size, not is_fixed) for leaf, is_fixed in zip(leaves, [*fixed, False], strict=True)]
    )
    gradient, low, high = (np.where(trained, each, 0.0) for each in (numerical.gradient, numerical.low, numerical.high))
    return numerical._replace(gradient=gradient, low=low, high=high), by_differences


def _pulled(part: Part, declared: Any, dy: Any, *leaves: Any) -> jax.Array:
    """Return Σ dy · f(leaves) of a part, or of the function that is declared for it."""
    params, x = jax.tree.unflatten(jax.tree.structure((part.params, part.x)), leaves)
    if callable(declared):
        output = declared(x) if not jax.tree.leaves(params) else declared(params, x)
    else:
        output = part.forward(params, x)[0]
    return jnp.sum(jnp.asarray(dy) * output)


def _numerical(function: Callable[..., jax.Array], leaves: list[Any]) -> tuple[NumericalGradient, bool]:
    """Return the numerical gradient of a scalar function, and whether it is by differences."""
    arrays = [*map(np.asarray, leaves)]
    try:
        run = jax.jit(partial(complex_step_gradient, function), compiler_options=RUN_ONCE)
        found = NumericalGradient(*map(np.asarray, run(arrays)))
        if found.kinked.any():
            found = with_sides(found, partial(run, arrays, None))
        return found, False
    except NoRuleError:
        return richardson_gradient(jax.jit(partial(sample, function), compiler_options=RUN_ONCE)(arrays)), True


def _compared(
    objective: Objective, params: Params, batch: Batch, key: jax.Array | None
) -> Iterator[tuple[str, Any, Any, Any]]:
    """Yield (name, by hand, automatic, parameter) from the cost down: penalty, loss, layers from the last to the first.

    The parameter is what the gradient is of, None for an output or an input.
    """
    network, loss, penalty = objective.network, objective.loss, objective.penalty
    if penalty is not None:
        by_hand, right = penalty.gradient(params), jax.grad(penalty.value)(params)
        for (keys, hand), other, leaf in zip(*_leaves(by_hand, right, params), strict=True):
            layer, path, name = owner_of(network, keys)
            yield f"{penalty}.gradient, {name} of {layer_name(layer, path)}", hand, other, leaf
    parts, output = parts_of(objective, params, batch, key)
    # With the identity as the network, the gradients in the input are those of the loss alone.
    loss_alone, unweighted = Objective(linear, loss), Batch(output, batch.y)
    _, (_, by_hand) = loss_alone.by_hand((), unweighted)
    _, (_, right) = loss_alone.automatic((), unweighted, in_x=True)
    yield f"{loss}.gradient", by_hand, right, None
    dy: Any
    _, (_, dy) = loss_alone.automatic((), batch._replace(x=output), in_x=True)
    for part in reversed(parts):
        _, cache = part.forward(part.params, part.x)
        by_hand, dx = part.layer.backward(part.params, cache, dy)
        _, pull = jax.vjp(lambda params, x, part=part: part.forward(params, x)[0], part.params, part.x)
        right, dy = pull(dy)
        leaves = _leaves(by_hand, right, part.params, part.statistics)
        for (keys, hand), other, leaf, fixed in zip(*leaves, strict=True):
            if not fixed:
                yield f"{part.name}.backward, gradient in {parameter_name(keys)}", hand, other, leaf
        yield f"{part.name}.backward, dx", dx, dy, None


def wrong_shapes(objective: Objective, params: Params, batch: Batch, key: jax.Array | None) -> list[str]:
    """Return in words which hand-written gradients do not have the structure, shapes and dtypes that they should have.

    Every layer's ``backward`` is traced with an output's gradient for which all three are correct.
    """
    mistakes: list[str] = []

    def trace(params: Params, batch: Batch, key: jax.Array | None) -> None:
        parts, output = parts_of(objective, params, batch, key)
        if (penalty := objective.penalty) is not None:
            mistakes.extend(_unlike(f"{penalty}.gradient", penalty.gradient(params), params))
        gradient = objective.loss.gradient(output, batch.y)
        mistakes.extend(_unlike(f"{objective.loss}.gradient", gradient, output, array=True))
        for part in reversed(parts):
            y, cache = part.forward(part.params, part.x)
            returned, name = part.layer.backward(part.params, cache, jnp.zeros_like(y)), f"{part.name}.backward"
            if isinstance(returned, tuple) and len(returned) == 2:
                gradients, dx = returned
                mistakes.extend(_unlike(name, gradients, part.params))
                mistakes.extend(_unlike(f"{name}: dx", dx, part.x, array=True))
            else:
                got = f"a tuple of {len(returned)}" if isinstance(returned, tuple) else type(returned).__name__
                mistakes.append(f"{name}: expected the pair (gradients, dx), got {got}")

    jax.eval_shape(trace, params, batch, key)
    return mistakes


def _unlike(where: str, gradients: Any, of: Any, *, array: bool = False) -> Iterator[str]:
    """Yield in words how gradients differ in structure, shape and dtype from the parameters, or from an array."""
    got, expected = (str(jax.tree.structure(tree)).removeprefix("PyTreeDef")[1:-1] for tree in (gradients, of))
    if got != expected:
        form = "an array" if array else f"gradients of the parameters' structure {expected}"
        yield f"{where}: expected {form}, got {got}"
        return
    for (keys, gradient), leaf in zip(*_leaves(gradients, of), strict=True):
        place = where if array else f"{where}: gradient in {parameter_name(keys)}"
        shape, dtype = jnp.shape(gradient), jnp.result_type(gradient)
        if shape != leaf.shape:
            flipped = ", the transpose" if len(shape) > 1 and shape == leaf.shape[::-1] else ""
            yield f"{place}: expected shape {leaf.shape}, got {shape}{flipped}"
        elif dtype != leaf.dtype:
            yield f"{place}: expected dtype {leaf.dtype}, got {dtype}"


def _leaves(tree: Any, *others: Any) -> tuple[list[Any], ...]:
    return jax.tree_util.tree_leaves_with_path(tree), *map(jax.tree.leaves, others)
