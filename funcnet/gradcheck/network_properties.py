"""What a backward pass has to be besides right at one point, and what a check at one point does not show."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..jaxprs import CONTROL, NoRuleError, function_of, place_of, visit, walk
from ..layer import Layer, contained_layers
from .code import Code
from .element_verdicts import describe, judge_low
from .judgement import LAST_BITS
from .parts import parts_of
from .routes import Given, Measured, compiled_gradients, compiled_pulled, input_rounding, low_precision

HUGE = 2.0**100  # a cotangent's factor: about 1e30, a power of two
SMALLEST = 1e-300
TIES = {"max", "min", "clamp", "reduce_max", "reduce_min", "sort", "top_k", "argmax", "argmin", "reduce_window_max"}
INDEXED = {"gather", "scatter", "scatter-add"}
RULES = {"custom_jvp_call", "custom_vjp_call", "stop_gradient"}
MOST_NAMED = 4


def not_linear(given: Given, code: Code, statistics: tuple[int, ...], names: list[str]) -> Iterator[str]:
    """Yield in words where the hand-written backward pass is not a linear function of the output's gradient dy."""
    objective, params, batch, key = given
    output = jax.eval_shape(
        lambda p, x: objective.network.call(p, x, key=key, weights=batch.weights)[0], params, batch.x
    )
    random = np.random.default_rng(3)
    a, b = random.normal(size=(2, *output.shape))
    cotangents = np.stack([a, b, 2 * a + 3 * b, HUGE * a, np.zeros_like(a)])

    def run(params: Any, x: Any) -> list[np.ndarray]:
        found = compiled_pulled(code, (objective, params, batch._replace(x=x), key), cotangents)
        arrays = [*map(np.asarray, jax.tree.leaves(found))]
        return [each for place, each in enumerate(arrays) if place not in statistics]

    found = run(params, batch.x)
    exact = [_departures(each) for each in found]
    if all(np.all(apart <= LAST_BITS * size) for each in exact for _, apart, size in each):
        return
    moved = input_rounding(run, given)
    for measured in (False, True):
        if measured:
            moved = _measured(given, code, statistics, cotangents, moved)
        wrong = [
            (name, words, apart > LAST_BITS * size + _allowed(move), array)
            for name, each, move, array in zip(names, exact, moved, found, strict=True)
            for words, apart, size in each
        ]
        if not any(np.any(mask) for _, _, mask, _ in wrong):
            return
    for name, words, mask, array in wrong:
        if np.any(mask):
            yield f"not linear in dy, {words}: the gradient in {name}, {describe(mask, array[0])}"


def _departures(pulled: np.ndarray) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Return how far what a backward pass makes of a, b, 2a + 3b, 1e30 a and 0 is from linear, and the terms' size."""
    a, b, both, huge, zero = (np.asarray(each, np.float64) for each in pulled)
    with np.errstate(invalid="ignore", over="ignore"):
        cases = (
            ("of a sum of gradients", both - (2 * a + 3 * b), 2 * np.abs(a) + 3 * np.abs(b)),
            ("of a huge dy", huge / HUGE - a, np.abs(a)),
            ("of a dy of 0", zero, np.zeros_like(a)),
        )
        return [
            (words, np.where(np.isnan(apart), np.inf, np.abs(apart)), np.where(np.isfinite(size), size, np.inf))
            for words, apart, size in cases
        ]


def _allowed(moved: np.ndarray) -> np.ndarray:
    """Return what rounding explains of a sum of gradients."""
    a, b, both, huge, zero = moved
    return 2 * a + 3 * b + both + huge / HUGE + zero + SMALLEST


def _measured(given: Given, code: Code, statistics: tuple[int, ...], cotangents: Any, moved: list[Any]) -> list[Any]:
    """Return the rounding of a backward pass where it is measured operation by operation, or else ``moved``."""

    def leaves(given: Given) -> list[Any]:
        objective, params, batch, key = given
        _, cache = objective.network.call(params, batch.x, key=key, weights=batch.weights)
        one_by_one = [jax.tree.leaves(objective.network.backward(params, cache, jnp.asarray(dy))) for dy in cotangents]
        stacked = [jnp.stack(each) for each in zip(*one_by_one, strict=True)]
        return [each for place, each in enumerate(stacked) if place not in statistics]

    try:
        found = Measured(("linear", statistics), code, given, leaves).moves()
    except NoRuleError:
        return moved
    return [np.fmax(one, other) for one, other in zip(moved, found, strict=True)]


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
            verdicts = judged(_low_moves(low, code, moved))
    result = []
    for place, (each, a, b) in enumerate(zip(verdicts, tested, right, strict=True)):
        broken = each.wrong & ~np.isfinite(a.reshape(-1, 1))  # what underflows is lost, but not wrong
        for mask, is_wrong in ((broken, True), (each.wrong | each.unproved, False)):
            if mask.any() and (is_wrong or is_own):
                index = np.unravel_index(int(np.argmax(mask)), a.shape)
                result.append((place, mask.reshape(a.shape), is_wrong, float(a[index]), float(b[index])))
                break
    return result, ""


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


def not_exercised(given: Given, program: Any, leaves: list[Any], kinks: int) -> Iterator[str]:
    """Yield in words what the point does not show."""
    objective, _, batch, key = given
    needed = objective.network.needed_keywords
    if key is None and "key" in needed:
        yield "training: no key is given, so that the network is checked in evaluation"
    if len(batch.x) == 1:
        yield "a batch of more than 1"
    if batch.weights is None and "weights" in needed:
        yield "unequal weights of the samples"
    elif batch.weights is not None and not np.all(batch.weights):
        few, of = int(np.sum(np.asarray(batch.weights) == 0)), len(batch.weights)
        yield f"the loss of {few} of {of} samples, whose weight is 0"
    met = {equation.primitive.name for equation, _ in walk(program)}
    if not kinks and met & TIES:
        yield f"ties and kinks of {', '.join(sorted(met & TIES))}"
    x = np.asarray(batch.x)
    if met & INDEXED and len(np.unique(x)) == x.size:
        yield "equal values in x, as repeated rows of an embedding"
    if x.ndim > 1 and len(x) > 1:
        columns = x.reshape(len(x), -1)
        if dead := [int(each) for each in np.flatnonzero(~columns.any(axis=0))]:
            yield f"columns of x that are 0 everywhere: {_few(dead)}"
    if met & CONTROL:
        yield from _branches(program, leaves)
    if effects := ", ".join(sorted(map(str, program.effects))):
        yield f"side effects: {effects}"


def _branches(program: Any, leaves: list[Any]) -> Iterator[str]:
    """Yield in words the branches that are not taken; a loop alone has none."""
    if not any(equation.primitive.name == "cond" for equation, _ in walk(program)):
        return
    try:
        yield from visit(program, [*map(jnp.asarray, leaves)], lambda visited: None)[1]
    except NoRuleError as error:
        yield f"branches, since the program cannot be followed: {error}"


def zero_slices(name: str, gradient: np.ndarray) -> str:
    """Return in words which rows or columns of a gradient are 0, so that they prove nothing; ``""`` for none.

    >>> zero_slices("weight", np.array([[1.0, 2.0], [0.0, 0.0]]))
    'row 1 of weight'
    """
    if gradient.ndim < 2 or not gradient.any():
        return ""
    for axis, kind in ((0, "row"), (1, "column")):
        others = tuple(each for each in range(gradient.ndim) if each != axis)
        if len(dead := np.flatnonzero(~gradient.any(axis=others))):
            return f"{kind}{'s' * (len(dead) > 1)} {_few([*map(int, dead)])} of {name}"
    return ""


def _few(numbers: list[int]) -> str:
    more = f" and {len(numbers) - MOST_NAMED} more" if len(numbers) > MOST_NAMED else ""
    return ", ".join(map(str, numbers[:MOST_NAMED])) + more


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
