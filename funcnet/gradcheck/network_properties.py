"""What a network has to be besides right at one point: its ``apply``, under ``vmap``, in the training dtype."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..jaxprs import NoRuleError, function_of, place_of, walk
from ..layer import Layer, contained_layers
from ..rulecheck.element_verdicts import LAST_BITS, LOST_SHARE, judge_low
from .code import Code
from .parts import parts_of
from .routes import Given, Measured, compiled_gradients, input_rounding, low_precision

RULES = {"custom_jvp_call", "custom_vjp_call", "stop_gradient"}


def other_outputs(given: Given) -> Iterator[str]:
    """Yield in words which layers' ``apply`` returns another output than their ``forward``."""
    objective, params, batch, key = given
    network = objective.network
    if not any(type(layer).apply is not Layer.apply for layer in _all_layers(network)):
        return  # which is forward's output by its definition
    if type(network).apply is not Layer.apply:
        output = network.call(params, batch.x, key=key, weights=batch.weights)[0]
        if not _is_same(network.apply(params, batch.x, key=key, weights=batch.weights), output):
            yield f"{network}.apply returns another output than forward"
    for part in parts_of(objective, params, batch, key)[0]:
        if part.layer is not network and type(part.layer).apply is not Layer.apply:
            applied = part.layer.apply(part.params, part.x, key=part.key, weights=part.weights)
            if not _is_same(applied, part.forward(part.params, part.x)[0]):
                yield f"{part.name}.apply returns another output than forward"


def _all_layers(layer: Layer) -> Iterator[Layer]:
    yield layer
    for inner in contained_layers(layer):
        yield from _all_layers(inner)


def _is_same(got: Any, expected: Any) -> bool:
    got, expected = np.asarray(got), np.asarray(expected)
    return got.shape == expected.shape and bool(
        np.all((got == expected) | (np.abs(got - expected) <= LAST_BITS * np.abs(expected).max(initial=0.0)))
    )


def wrong_under_vmap(given: Given, program: Any) -> Iterator[str]:
    """Yield in words what is another under ``jax.vmap``, where a function has a rule of its own for it."""
    if not any(equation.primitive.name == "custom_vmap_call" for equation, _ in walk(program)):
        return
    objective, params, batch, key = given
    network = objective.network
    leaves, structure = jax.tree.flatten((params, batch.x))

    def alone(*leaves: Any) -> list[Any]:
        params, x = jax.tree.unflatten(structure, leaves)
        output, cache = network.call(params, x, key=key, weights=batch.weights)
        return [output, *jax.tree.leaves(network.backward(params, cache, jnp.ones_like(output)))]

    other = [0.75 * np.asarray(leaf) for leaf in leaves]
    rows = [alone(*leaves), alone(*other)]
    for count in (len(leaves), 1):  # all mapped, and x alone
        axes = [None] * (len(leaves) - count) + [0] * count
        given_leaves = [
            leaf if axis is None else np.stack([leaf, second])
            for leaf, second, axis in zip(leaves, other, axes, strict=True)
        ]
        try:
            mapped = jax.vmap(alone, in_axes=axes)(*given_leaves)
        except Exception as error:  # of any kind: the rule is the user's code
            yield f"under vmap: its rule raises {type(error).__name__}: {str(error)[:160]}"
            return
        pairs = rows if count == len(leaves) else [rows[0]]
        for row, expected in enumerate(pairs):
            if not all(_is_same(found[row], right) for found, right in zip(mapped, expected, strict=True)):
                named = [function_of(each)[0] for each, _ in walk(program) if each.primitive.name == "custom_vmap_call"]
                yield f"under vmap, the rule of {', '.join(dict.fromkeys(named))} returns another output or gradient"
                return


def wrong_in_low_precision(
    given: Given, code: Code, dtype: Any, is_own: bool
) -> tuple[list[tuple[int, np.ndarray, bool, float, float]], str]:
    """Compare the gradients by hand in a training dtype with those in float64, at the arguments that it holds.

    Returns a list of (number of the array, mask, whether it is wrong or else lost, the value, the right value), and in
    words why nothing was compared. ``is_own`` says whether the data were given in this dtype.
    """
    low = low_precision(given, dtype)
    low_objective, _, low_batch, key = low
    again = low_precision(low, np.float64)
    try:
        with jax.enable_x64(False):
            cost, found = compiled_gradients("hand", code, low)
        exact_cost, exact = compiled_gradients("hand", code, again)
    except Exception as error:  # of any kind: the user's code in a dtype that it may not be written for
        return [], f"the gradients by hand in {dtype.name}: {type(error).__name__}: {str(error).splitlines()[0][:120]}"
    if not np.isfinite(float(cost)) or not np.isfinite(float(exact_cost)):
        return [], f"the gradients by hand in {dtype.name}, in which the cost is {float(cost):g}"
    tested, right = ([np.asarray(each, np.float64) for each in jax.tree.leaves(tree)] for tree in (found, exact))
    info = jnp.finfo(dtype)

    def judged(moved: list[Any] | None) -> list[Any]:
        return [
            judge_low(
                a.ravel()[:, None], b.ravel()[:, None], info, None if moved is None else moved[i].ravel()[:, None]
            )
            for i, (a, b) in enumerate(zip(tested, right, strict=True))
        ]

    verdicts = judged(None)
    if any(each.wrong.any() for each in verdicts):

        def again_in_low(params: Any, x: Any) -> list[np.ndarray]:
            with jax.enable_x64(False):
                found = compiled_gradients("hand", code, (low_objective, params, low_batch._replace(x=x), key))
            return [np.asarray(each, np.float64) for each in jax.tree.leaves(found[1])]

        moved = input_rounding(again_in_low, low)
        verdicts = judged(moved)
        if any(each.wrong.any() for each in verdicts):
            moved = _low_moves(low, code, moved)
            verdicts = judged(moved)
    automatic = _automatic_in_low(code, low) if any(each.wrong.any() for each in verdicts) else None
    result = []
    for place, (each, a, b) in enumerate(zip(verdicts, tested, right, strict=True)):
        broken = _broken(each.wrong, a, b, None if automatic is None else automatic[place], float(info.eps))
        for mask, is_wrong in ((broken, True), (each.wrong | each.unproved, False)):
            if mask.any() and (is_wrong or is_own):
                index = np.unravel_index(int(np.argmax(mask)), a.shape)
                result.append((place, mask.reshape(a.shape), is_wrong, float(a[index]), float(b[index])))
                break
    return result, ""


def _broken(wrong: Any, a: np.ndarray, b: np.ndarray, automatic: np.ndarray | None, epsilon: float) -> np.ndarray:
    """Return which elements are wrong by the code, not by the precision: what underflows is lost, but not wrong."""
    broken = ~np.isfinite(a)
    if automatic is not None:  # the same precision gives them by another way
        off = np.abs(a - b)
        broken |= (off > min(LOST_SHARE, 1e3 * epsilon) * np.abs(b)) & (np.abs(automatic - b) < 0.1 * off)
    return wrong & broken.reshape(wrong.shape)


def _automatic_in_low(code: Code, low: Given) -> list[np.ndarray] | None:
    """Return the automatic gradients in a training dtype, None where JAX cannot compute them."""
    try:
        with jax.enable_x64(False):
            found = compiled_gradients("automatic", code, low)[1]
    except Exception:  # of any kind: the user's code
        return None
    return [np.asarray(each, np.float64) for each in jax.tree.leaves(found)]


def _low_moves(low: Given, code: Code, moved: list[Any]) -> list[Any]:
    def by_hand(given: Given) -> list[Any]:
        objective, params, batch, key = given
        return jax.tree.leaves(objective.by_hand(params, batch, key)[1])

    try:
        with jax.enable_x64(False):
            found = Measured("low", code, low, by_hand).moves()
    except NoRuleError:
        return moved
    return [np.fmax(a, b) for a, b in zip(moved, found, strict=True)]


def first_not_finite(low: Given) -> str:
    """Return the name of the layer, from the last to the first, whose ``backward`` makes what is not finite."""
    objective, params, batch, key = low
    with jax.enable_x64(False):
        parts, output = parts_of(objective, params, batch, key)
        dy: Any = jnp.asarray(objective.loss.gradient(output, batch.y))
        for part in reversed(parts):
            _, cache = part.forward(part.params, part.x)
            was_finite = bool(jnp.isfinite(dy).all())
            gradients, dy = part.layer.backward(part.params, cache, dy)
            if was_finite and not all(bool(jnp.isfinite(each).all()) for each in jax.tree.leaves((gradients, dy))):
                return f"{part.name}.backward"
    return ""


def rules_in(program: Any) -> list[str]:
    """Return in words the equations of a program whose derivative is not that of what they compute."""
    found = []
    for equation, _ in walk(program):
        name = equation.primitive.name
        if name in RULES:
            place = place_of(equation)
            of = "" if name == "stop_gradient" else f" of {function_of(equation)[0]}"
            if place:
                found.append(f"{name.removesuffix('_call')}{of} in {place}")
    return list(dict.fromkeys(found))
