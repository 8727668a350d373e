"""What every search is: a pair (init, step) of pure functions, with the settings in the state.

    state = search.init(cost, start, key)
    state = search.step(cost, state)

``cost(params) -> ()`` is the function to make small, floating, over any pytree of floating arrays; ``start(key) ->
params`` draws a point to start at. ``step`` is one function for all settings that are numbers: another temperature or
mutation rate compiles nothing. The state of every search is a NamedTuple with these fields among others:

- ``key``: the run's one random key, which never changes: a step's own is folded from it and the count of steps;
- ``step``: int32 (), steps taken;
- ``current``: the ``Point`` where the search stands, or several of them along a leading axis;
- ``best``: the ``Point`` of the lowest cost of all that were evaluated;
- ``evaluations``: int32 (), costs evaluated, with or without the gradient.

A cost that is NaN or infinite counts as infinity: it is never better than another.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import check_key, check_number, floating_array
from ..configuration import Configuration
from ..dtypes import accumulator_dtype
from ..errors import DtypeError, ShapeError, message
from ..layer import Params

Cost = Callable[[Params], jax.Array]  # params -> ()
Start = Callable[[jax.Array], Params]  # key -> params
State = Any

# The random stream of the starting points, folded into a run's key: beyond any count of steps.
START = 2**31


class Point(NamedTuple):
    """Parameters and their cost; several points are one with a leading axis."""

    params: Params
    cost: jax.Array  # () or (points,): float32 at least, infinity where it is not finite


class Search(NamedTuple):
    """The pair: ``init(cost, start, key) -> state`` and ``step(cost, state) -> state``."""

    init: Callable[[Cost, Start, jax.Array], State]
    step: Callable[[Cost, State], State]

    def __repr__(self) -> str:
        return repr(self.init)


class Initial(Configuration):
    """A function that makes the state before the first step, with its settings; printed as the search."""

    search: str
    initial_state: Callable[..., State]
    settings: tuple[tuple[str, Any], ...]

    def __call__(self, cost: Cost, start: Start, key: jax.Array) -> State:
        """Return the state before the first step."""
        check_call(self.search, cost, start, key)
        return self.initial_state(cost, start, key, **dict(self.settings))

    def __repr__(self) -> str:
        return f"{self.search}({', '.join(f'{name}={value!r}' for name, value in self.settings)})"


# What each setting that is a number may be: a test, and its words.
_POSITIVE = (lambda value: (value > 0) & np.isfinite(value), "to be finite and above 0")
_NOT_NEGATIVE = (lambda value: (value >= 0) & np.isfinite(value), "to be finite and at least 0")
_FACTOR = (lambda value: (value > 0) & (value <= 1), "in (0, 1]")
_SHARE = (lambda value: (value >= 0) & (value <= 1), "in [0, 1]")
_VALID: dict[str, tuple[Callable[[Any], Any], str]] = {
    "temperature": _NOT_NEGATIVE,
    "cooling": _FACTOR,
    "scale": _POSITIVE,
    "scale_decay": _FACTOR,
    "crossover_rate": _SHARE,
    "move_rate": _SHARE,
    "mutation_rate": _SHARE,
    "tournament": (lambda size: (size >= 1) & np.isfinite(size), "to be finite and at least 1"),
}


def check_settings(search: str, **settings: Any) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless every setting is a valid number.

    >>> check_settings("annealing", cooling=1.5)
    Traceback (most recent call last):
    ValueError: annealing: expected cooling in (0, 1], got 1.5
    """
    for name, value in settings.items():
        if callable(value):
            raise TypeError(message(search, f"{name} to be a real number", f"a {type(value).__name__}"))
        check_number(search, name, value, *_VALID[name])


def check_call(where: str, cost: Any, start: Any, key: Any) -> None:
    """Raise ``TypeError`` unless cost and start are functions and the key is one."""
    if not callable(cost):
        raise TypeError(message(where, "cost to be a function of the parameters", f"a {type(cost).__name__}"))
    if not callable(start):
        expected = "start to be a function of a key, such as lambda key: params"
        raise TypeError(message(where, expected, f"a {type(start).__name__}"))
    check_key(where, key)


def as_pytree(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that can be an argument of a compiled program.

    One that is a pytree, such as ``jax.tree_util.Partial(cost, x, y)``, stays so: other numbers in it compile nothing.
    Any other becomes a constant of the program.
    """
    is_plain = jax.tree_util.all_leaves([function])
    return jax.tree_util.Partial(function) if is_plain else function


def setting(value: Any, params: Params) -> jax.Array:
    """Return a setting as an array () of the widest dtype that sums over these parameters are kept in."""
    wide = any(leaf.dtype == np.float64 for leaf in jax.tree.leaves(params))
    return jnp.asarray(value, np.float64 if wide else np.float32)


def evaluated(where: str, cost: Cost, params: Params) -> Point:
    """Return the point at these parameters. Raises ``ShapeError`` and ``DtypeError`` for a cost that is no number.

    >>> evaluated("run", lambda x: jnp.log(x), jnp.array(-1.0))
    Point(params=Array(-1., dtype=float32, weak_type=True), cost=Array(inf, dtype=float32))
    """
    return Point(params, finite_or_infinity(checked_cost(where, cost(params))))


def checked_cost(where: str, cost: Any) -> jax.Array:
    """Return a cost in float32 at least. Raises ``ShapeError`` and ``DtypeError`` unless it is one floating number."""
    cost = jnp.asarray(cost)
    if cost.shape != ():
        raise ShapeError(where, "the cost to be one number, of shape ()", cost.shape)
    if not jnp.issubdtype(cost.dtype, jnp.floating):
        raise DtypeError(where, "the cost of a floating dtype", cost.dtype)
    return cost.astype(accumulator_dtype(cost.dtype))


def finite_or_infinity(cost: jax.Array) -> jax.Array:
    """Return the cost, and infinity where it is NaN or infinite: so that it never wins."""
    return jnp.where(jnp.isfinite(cost), cost, jnp.inf)


def first_point(where: str, cost: Cost, start: Start, key: jax.Array) -> Point:
    """Return the first of ``first_points``, without the leading axis."""
    return jax.tree.map(lambda leaf: leaf[0], first_points(where, cost, start, key, 1))


def first_points(where: str, cost: Cost, start: Start, key: jax.Array, count: int) -> Point:
    """Return ``count`` starting points along a leading axis; the first ones do not depend on how many there are."""
    return _first_points(as_pytree(cost), as_pytree(start), key, where=where, count=count)


@partial(jax.jit, static_argnames=("where", "count"))
def _first_points(cost: Cost, start: Start, key: jax.Array, *, where: str, count: int) -> Point:
    def point(index: jax.Array) -> Point:
        params = start(jax.random.fold_in(jax.random.fold_in(key, START), index))
        return evaluated(where, cost, _checked_params(where, params))

    return jax.vmap(point)(jnp.arange(count, dtype=jnp.int32))


def _checked_params(where: str, params: Params) -> Params:
    """Return the parameters as arrays of strong floating dtypes, of which there must be one."""
    if not jax.tree.leaves(params):
        raise ValueError(message(where, "start to return at least one array of parameters", "a tree without any"))

    def checked(path: Any, leaf: Any) -> jax.Array:
        array = floating_array(where, f"params{jax.tree_util.keystr(path)}", leaf)
        return jnp.array(array, array.dtype)

    return jax.tree.map_with_path(checked, params)


def chosen(condition: jax.Array, point: Point, other: Point) -> Point:
    """Return the point where the condition () holds, else the other; or point by point for a condition (points,)."""

    def choose(a: jax.Array, b: jax.Array) -> jax.Array:
        return jnp.where(condition.reshape(condition.shape + (1,) * (a.ndim - condition.ndim)), a, b)

    return jax.tree.map(choose, point, other)


def better(point: Point, other: Point) -> Point:
    """Return the point of lower cost; the other where neither is lower."""
    return chosen(point.cost < other.cost, point, other)


def best_of(points: Point) -> Point:
    """Return the point of the lowest cost among points along a leading axis; the first of equal ones."""
    return jax.tree.map(lambda leaf: leaf[jnp.argmin(points.cost)], points)


def perturbed(key: jax.Array, params: Params, rate: jax.Array, scale: jax.Array) -> Params:
    """Return θ + σε for every number θ that moves, with probability ``rate``, and θ for the others.

    ε is from the standard normal distribution, σ = ``scale``.
    """
    move_key, noise_key = jax.random.split(key)
    moves = chances(move_key, params, rate)
    noise = _like(params, scale * jax.random.normal(noise_key, (_size(params),), scale.dtype))

    def moved(theta: jax.Array, moves: jax.Array, noise: jax.Array) -> jax.Array:
        return jnp.where(moves, (theta.astype(noise.dtype) + noise).astype(theta.dtype), theta)

    return jax.tree.map(moved, params, moves, noise)


def chances(key: jax.Array, params: Params, rate: jax.Array) -> Params:
    """Return True with probability ``rate`` for every number of the parameters: bool, in their structure and shapes."""
    return _like(params, jax.random.bernoulli(key, rate, (_size(params),)))


def _size(params: Params) -> int:
    """Return how many numbers the parameters are."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def _like(params: Params, flat: jax.Array) -> Params:
    """Return the values (numbers,) in the structure and shapes of the parameters: all drawn at once, then cut up."""
    leaves, structure = jax.tree.flatten(params)
    ends = np.cumsum([leaf.size for leaf in leaves])
    pieces = [flat[end - leaf.size : end].reshape(leaf.shape) for leaf, end in zip(leaves, ends, strict=True)]
    return jax.tree.unflatten(structure, pieces)


def zero_step() -> jax.Array:
    """Return the count of steps before the first."""
    return jnp.array(0, jnp.int32)
