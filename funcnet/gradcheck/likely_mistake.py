"""The likely mistake behind a wrong gradient: what its numbers look like, and which part of the network made it.

``explain`` compares the wrong array with the correct one. ``wrong_parts`` and ``wrong_shapes`` look at each layer's
``backward``, the loss's and the penalty's ``gradient`` alone, given the correct input, so that one mistake shows in one
part and not in all layers below.
"""

from collections.abc import Iterator
from functools import reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..activations import linear
from ..layer import Layer, Params
from ..layers import flattened
from ..objective import Batch, Objective
from .judgement import ArrayGradients, Tolerances, judge
from .report import layer_name, owner_of, parameter_name

# A pattern explains a difference where it leaves at most this part of it unexplained.
UNEXPLAINED_SHARE = 1e-3


def explain(
    wrong: np.ndarray, right: np.ndarray, tolerance: float, *, samples: int, parameter: np.ndarray | None
) -> str:
    """Return in words how a gradient differs from the correct one, of the same shape.

    Args:
        wrong: the wrong gradient.
        right: the correct gradient.
        tolerance: relative; smaller differences are not counted among the wrong elements.
        samples: how many samples the batch has, which is the factor that a forgotten mean leaves behind.
        parameter: what the gradient is of, None for the gradient of an output or an input.

    >>> right = np.array([1.0, -2.0, 3.0])
    >>> explain(8 * right, right, 1e-13, samples=8, parameter=None)
    '8 times the correct gradient everywhere: a mean over the batch, 8, is missing'
    """
    counts = {"the batch": samples} | {f"its axis {axis}": size for axis, size in enumerate(right.shape)}
    patterns = (
        _not_finite(wrong, right),
        _zero(wrong, right),
        _factor(wrong, right, counts),
        _transposed(wrong, right),
        _penalty(wrong - right, parameter),
        _shifted(wrong - right),
        _somewhere(wrong, right, tolerance),
    )
    return next(words for pattern in patterns for words in pattern)


def _not_finite(wrong: np.ndarray, right: np.ndarray) -> Iterator[str]:
    for array, words in ((right, "the correct gradient is not finite"), (wrong, "it is not finite")):
        places = np.argwhere(~np.isfinite(array))
        if len(places):
            yield f"{words} in {len(places)} of {array.size} elements, first at {places[0].tolist()}"


def _zero(wrong: np.ndarray, right: np.ndarray) -> Iterator[str]:
    if not wrong.any():
        yield "zero everywhere: a term is missing, or nothing is passed on"
    if not right.any():
        yield "the correct gradient is zero everywhere: there is an extra term"


def _factor(wrong: np.ndarray, right: np.ndarray, counts: dict[str, int]) -> Iterator[str]:
    factor = float(np.vdot(right, wrong) / np.vdot(right, right))
    left = np.abs(wrong - factor * right).max()
    if left <= UNEXPLAINED_SHARE * abs(factor - 1) * np.abs(right).max():
        if right.size == 1:
            yield f"{factor:.15g} times the correct gradient{_cause(factor, counts)}"
        elif np.count_nonzero(right) > 1:
            yield f"{factor:.15g} times the correct gradient everywhere{_cause(factor, counts)}"


def _cause(factor: float, counts: dict[str, int]) -> str:
    """Return the well-known mistakes that give such a factor, ``""`` where there are none."""
    causes = [(2.0, "the ½ of a square is missing"), (0.5, "the 2 of a square's derivative is missing")]
    for name, count in counts.items():
        causes += [(count, f"a mean over {name}, {count}, is missing")]
        causes += [(1 / count, f"a mean over {name}, {count}, is taken twice")]
    likely = [words for value, words in causes if value != 1 and abs(abs(factor) - value) <= 1e-6 * value]
    parts = ["a wrong sign"] * (factor < 0) + [" or ".join(likely)] * bool(likely)
    return f": {', and '.join(parts)}" if parts else ""


def _transposed(wrong: np.ndarray, right: np.ndarray) -> Iterator[str]:
    if right.ndim > 1:
        flipped = np.swapaxes(right, -1, -2)
        if np.abs(wrong.ravel() - flipped.ravel()).max() <= 1e-6 * np.abs(right).max():
            yield "the transpose of the correct gradient" + ("" if flipped.shape == right.shape else ", in its shape")


def _penalty(difference: np.ndarray, parameter: np.ndarray | None) -> Iterator[str]:
    """Recognize a penalty: the gradient of ½ s Σ w² is s w, and that of s Σ |w| is s sign(w)."""
    if parameter is None or difference.size < 2:
        return
    for multiple, name in ((parameter, "the parameter itself"), (np.sign(parameter), "the parameter's sign")):
        if not multiple.any():
            continue
        factor = float(np.vdot(multiple, difference) / np.vdot(multiple, multiple))
        if np.abs(difference - factor * multiple).max() <= UNEXPLAINED_SHARE * np.abs(difference).max():
            excess = "a penalty term is missing" if factor < 0 else "there is an extra penalty term"
            yield f"off by {factor:.6g} times {name}: {excess}"


def _shifted(difference: np.ndarray) -> Iterator[str]:
    mean = float(difference.mean())
    if difference.size > 1 and np.abs(difference - mean).max() <= UNEXPLAINED_SHARE * abs(mean):
        yield f"off by the constant {mean:.6g} everywhere: a constant term is missing, or there is an extra one"


def _somewhere(wrong: np.ndarray, right: np.ndarray, tolerance: float) -> Iterator[str]:
    difference = np.abs(wrong - right)
    worth_naming = max(tolerance * np.abs(right).max(), difference.max() / 100)
    places = np.argwhere(difference > min(worth_naming, 0.99 * difference.max()))
    first, where = tuple(places[0]), places[0].tolist()
    got, expected = wrong[first], right[first]
    ratio = f"{got / expected:.15g} times the correct value" if expected else f"{got:.6g} instead of 0"
    elements = f"wrong in {len(places)} of {right.size} elements"
    if len(places) <= max(1, right.size // 2):
        yield f"{elements}, first at {where}: {ratio} there"
    else:
        cause = "a term is missing or another function's derivative is taken"
        yield f"{elements} without a pattern: {cause}; {ratio} at {where}"


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


def wrong_parts(
    objective: Objective, params: Params, batch: Batch, key: jax.Array | None, tolerance: float
) -> list[str]:
    """Return in words which parts of the hand-written gradient differ from the automatic gradient of that part alone.

    Args:
        objective: the cost; its penalty's strength is not traced, because messages print it.
        params: the parameters.
        batch: the data.
        key: the key of the network.
        tolerance: relative; a larger error in an array is a mistake.
    """
    names: list[str] = []

    @jax.jit
    def compared(params: Params, batch: Batch, key: jax.Array | None) -> list[list[Any]]:
        found = list(_compared(objective, params, batch, key))
        names.extend(name for name, *_ in found)
        return [arrays for _, *arrays in found]

    tolerances = Tolerances(exact=tolerance, numerical=tolerance, difference=0.0, cancelled=0.0, skips_kinks=False)
    mistakes = []
    found = jax.tree.map(np.asarray, compared(params, batch, key))
    for name, (hand, right, parameter) in zip(names, found, strict=True):
        judged = judge(ArrayGradients(hand, right, right, np.zeros(right.shape, bool)), tolerances)
        if judged.suspect is not None:
            words = explain(*judged.suspect, samples=len(batch.x), parameter=parameter)
            mistakes.append(f"{name}: {words}")
    return mistakes


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
