"""The compiled programs of ``check_gradients``: the gradients by every route, and what else is run for a check."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..compilation import RUN_ONCE
from ..derivatives.numerical import Directions, computed_bytes
from ..derivatives.rounding import ROUNDING_FACTOR, Shaken
from ..jaxprs import NoRuleError, multiply_adds
from ..layer import Params
from ..objective import Batch, Objective
from .code import Code

# What everything below is given: an objective, parameters, data and a key, all in float64.
Given = tuple[Objective, Params, Batch, jax.Array | None]

NUDGED_RUNS = 8
NUDGED_FACTOR = 8
WHOLE_SHARE = 0.1  # of 1/ε: below it few numbers are whole by chance
# How much of the numerical gradient is computed: multiply-adds, and values that count as that many.
MOST_WORK = 1.5e9
WORK_OF_A_VALUE = 4
LEAST_SAMPLE = 48  # elements of each array
WHOLE_DIRECTIONS = 4  # along each array as a whole
MOST_ROWS = 16  # of x, that are moved one by one where there are kinks


def gradients(route: str, code: Code | None, given: Given) -> tuple[jax.Array, tuple[Params, jax.Array | None]]:
    """Return the cost and (∂C/∂params, ∂C/∂x) by the route "hand" or "automatic"."""
    objective, params, batch, key = given
    if route == "hand":
        (cost, _), found = objective.by_hand(params, batch, key)
    else:
        (cost, _), found = objective.automatic(params, batch, key, in_x=True)
    return cost, found


def cost_of(given: Given, statistics: tuple[int, ...]) -> tuple[Callable[..., jax.Array], list[Any]]:
    """Return the cost as a function of the parameters' arrays and x, but ``statistics``, and these arrays."""
    objective, params, batch, key = given
    leaves, structure = jax.tree.flatten((params, batch.x))
    places = [place for place in range(len(leaves)) if place not in statistics]

    def cost(*trained: jax.Array) -> jax.Array:
        arrays = dict(enumerate(leaves)) | dict(zip(places, trained, strict=True))
        params, x = jax.tree.unflatten(structure, arrays.values())
        return objective.value(params, batch._replace(x=x), key)[0]

    return cost, [leaves[place] for place in places]


def numerically(
    method: Callable[..., Any],
    statistics: tuple[int, ...],
    code: Code | None,
    given: Given,
    directions: Directions | None = None,
    *more: Any,
) -> Any:
    """Return what a method of numerical differentiation makes of the cost, a function of its arrays but statistics."""
    return method(*cost_of(given, statistics), directions, *more)


def pulled(code: Code | None, given: Given, cotangents: jax.Array) -> tuple[Params, jax.Array]:
    """Return what the network's ``backward`` makes of each of some cotangents, stacked."""
    objective, params, batch, key = given
    _, cache = objective.network.call(params, batch.x, key=key, weights=batch.weights)
    return jax.lax.map(lambda dy: objective.network.backward(params, cache, dy), cotangents)


# They run once or a few times, so that most of their time is compilation.
compiled_gradients = jax.jit(gradients, static_argnums=(0, 1), compiler_options=RUN_ONCE)
compiled_numerically = jax.jit(numerically, static_argnums=(0, 1, 2), compiler_options=RUN_ONCE)
compiled_pulled = jax.jit(pulled, static_argnums=0, compiler_options=RUN_ONCE)
# Where all elements would take too long, the run takes a part of the time too.
compiled_on_a_sample = jax.jit(
    numerically, static_argnums=(0, 1, 2), compiler_options=RUN_ONCE | {"xla_backend_optimization_level": 1}
)


def chosen_directions(program: Any, leaves: list[Any]) -> tuple[Directions | None, int]:
    """Return along what the numerical gradient is taken, None for all elements, and how many elements are among it."""
    count = sum(leaf.size for leaf in leaves)
    try:
        products = multiply_adds(program)
    except NoRuleError:
        products = 0
    work = 2 * products + WORK_OF_A_VALUE * (computed_bytes(program) // 8 + count)
    budget = int(MOST_WORK // max(1, work)) - WHOLE_DIRECTIONS * len(leaves)
    if count <= max(budget, LEAST_SAMPLE * len(leaves)):
        return None, count
    random = np.random.default_rng(0)
    elements, start = [], 0
    for leaf in leaves:
        few = min(leaf.size, max(LEAST_SAMPLE, budget * leaf.size // count))
        elements.append(start + np.sort(random.permutation(leaf.size)[:few]))
        start += leaf.size
    arrays = np.repeat(np.arange(len(leaves)), WHOLE_DIRECTIONS)
    shifts = np.tile(7919 * np.arange(WHOLE_DIRECTIONS), len(leaves))
    most = max(leaf.size for leaf in leaves) + int(shifts.max())
    numbers = random.choice([-1.0, 1.0], most) * random.uniform(1, 2, most)
    chosen = np.concatenate(elements)
    return Directions(chosen, arrays, shifts, numbers), len(chosen)


def uncrossed_directions(leaves: list[Any], kinked: Any) -> Directions:
    """Return directions along which tied values often move alike, so that the derivative there is no convention.

    They are each array's elements all by 1, each array by its own values, and rows of the last array, x, by 1: those
    first in which most elements are ``kinked``, of the shape of x.
    """
    x, vectors = np.asarray(leaves[-1]), [np.ravel(each) for each in leaves]
    rows = np.argsort(-kinked.reshape(len(x), -1).sum(axis=1), kind="stable")[:MOST_ROWS]
    longest, row = max(each.size for each in vectors), x.size // len(x)
    parts = [np.ones(longest), np.zeros(x.size), np.ones(row), np.zeros(x.size), *vectors, np.zeros(longest)]
    starts = np.cumsum([0, *(each.size for each in parts)])
    arrays = [*range(len(leaves)), *range(len(leaves)), *[len(leaves) - 1] * len(rows)]
    shifts = [*[0] * len(leaves), *starts[4 : 4 + len(leaves)], *(starts[2] - row * rows)]
    return Directions(np.zeros(0, int), np.array(arrays), np.array(shifts), np.concatenate(parts))


def nudged(tree: Any, seed: int) -> Any:
    """Return arrays with the last bits of their elements moved up, down or not at all; equal numbers move alike.

    Whole numbers stay: they are exact as given, and may be indices, classes or counts, which a program compares.
    """

    def one(array: Any) -> np.ndarray:
        array = np.asarray(array)
        bits = array.astype(np.float64).view(np.uint64)
        mixed = (bits ^ np.uint64(seed * 0x9E3779B9)) * np.uint64(0x9E3779B97F4A7C15)
        direction = (mixed >> np.uint64(40)) % np.uint64(3)
        info = jnp.finfo(array.dtype)
        moved = array + (direction.astype(np.float64) - 1).astype(array.dtype) * array * info.eps
        whole = (array == np.rint(array)) & (np.abs(array) <= WHOLE_SHARE / info.eps)
        return np.where(whole, array, moved).astype(array.dtype)

    with np.errstate(over="ignore"):
        return jax.tree.map(one, tree)


def input_rounding(compute: Callable[[Params, Any], list[np.ndarray]], given: Given) -> list[np.ndarray]:
    """Return how far each element of a function's arrays may move by the rounding of parameters and x alone.

    ``compute`` is a function of both. It is the least that rounding may do, and costs no compilation.
    """
    _, params, batch, _ = given
    exact = compute(params, batch.x)
    moved = [np.zeros(each.shape) for each in exact]
    for seed in range(1, NUDGED_RUNS + 1):
        found = compute(*nudged((params, batch.x), seed))
        with np.errstate(invalid="ignore"):
            apart = [np.abs(np.asarray(a, np.float64) - b) for a, b in zip(found, exact, strict=True)]
        moved = [np.fmax(most, each) for most, each in zip(moved, apart, strict=True)]
    return [NUDGED_FACTOR * each for each in moved]


@lru_cache(maxsize=16)
def _shaken(kind: Any, code: Code, objective: Any, structure: Any, shapes: Any) -> list[Shaken]:
    """Return a list to keep the one ``Shaken`` of these in."""
    return []


class Measured:
    """The rounding of a function of all arrays of what is given, measured by changing last bits within it.

    Args:
        kind: a name of the function, or a tuple.
        code: of the objective.
        given: what is given.
        function: a function (given) -> list of arrays.
    """

    def __init__(self, kind: Any, code: Code, given: Given, function: Callable[[Given], list[Any]]) -> None:
        objective, params, batch, key = given
        leaves, structure = jax.tree.flatten((params, batch))
        penalty, network, loss = objective.penalty, objective.network, objective.loss

        def flat(*arrays: Any) -> list[Any]:
            params, batch = jax.tree.unflatten(structure, arrays)
            return function((Objective(network, loss, penalty), params, batch, key))

        self.arrays = [*map(np.asarray, leaves)]
        shapes = tuple((each.shape, each.dtype.name) for each in self.arrays)
        kept = [] if key is not None else _shaken(kind, code, (network, loss, penalty), structure, shapes)
        if not kept:
            kept.append(Shaken(flat, *self.arrays))
        self.shaken = kept[0]

    def moves(self) -> list[np.ndarray]:
        """Return how far rounding may move each element."""
        return [ROUNDING_FACTOR * each for each in self.shaken.moves(*self.arrays)]

    def cause(self, result: int, index: Any) -> str:
        """Return in words the operation that moves an element of a result the most."""
        return self.shaken.cause(*self.arrays, result=result, index=index)


def low_precision(given: Given, dtype: Any) -> Given:
    """Return what is given with its floating arrays in a training dtype."""
    objective, params, batch, key = given

    def cast(leaf: Any) -> Any:
        leaf = np.asarray(leaf)
        return leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    with np.errstate(over="ignore", under="ignore"):
        params, batch = jax.tree.map(cast, (params, batch))
    return objective, params, batch, key
