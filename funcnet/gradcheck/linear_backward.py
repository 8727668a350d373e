"""Whether a network's backward pass is linear in dy, the cotangent of its output."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..derivatives.matrix import VANISHING
from ..jaxprs import NoRuleError
from ..rulecheck.element_verdicts import LAST_BITS, describe
from ..rulecheck.linearity import combined, departures, explained
from .code import Code
from .routes import Given, Measured, compiled_pulled, input_rounding


def not_linear(given: Given, code: Code, statistics: tuple[int, ...], names: list[str]) -> Iterator[str]:
    """Yield in words where a network's hand-written backward pass is not a linear function of dy, its cotangent."""
    objective, params, batch, key = given
    output = jax.eval_shape(
        lambda p, x: objective.network.call(p, x, key=key, weights=batch.weights)[0], params, batch.x
    )
    a, b = np.random.default_rng(3).normal(size=(2, *output.shape))
    cotangents = np.stack([*combined(a, b)])

    def run(params: Any, x: Any) -> list[np.ndarray]:
        found = compiled_pulled(code, (objective, params, batch._replace(x=x), key), cotangents)
        arrays = [*map(np.asarray, jax.tree.leaves(found))]
        return [each for place, each in enumerate(arrays) if place not in statistics]

    found = run(params, batch.x)
    exact = [[*departures(each)] for each in found]
    if all(np.all(apart <= LAST_BITS * size) for each in exact for _, apart, size in each):
        return
    moved = input_rounding(run, given)
    for is_measured in (False, True):
        if is_measured:
            moved = _measured(given, code, statistics, cotangents, moved)
        wrong = [
            (name, words, apart > LAST_BITS * size + allowed + VANISHING, array)
            for name, each, move, array in zip(names, exact, moved, found, strict=True)
            for (words, apart, size), allowed in zip(each, explained(move), strict=True)
        ]
        if not any(np.any(mask) for _, _, mask, _ in wrong):
            return
    for name, words, mask, array in wrong:
        if np.any(mask):
            yield f"not linear in dy, {words}: the gradient in {name}, {describe(mask, array[0])}"


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
