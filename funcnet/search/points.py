"""Points, which are parameters with their cost: evaluated, drawn, compared and perturbed.

A cost that is NaN or infinite is replaced by infinity, so it is never better than another.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from ..checks import accumulator_dtype, floating_array
from ..configuration import document_fields
from ..errors import DtypeError, ShapeError, message

Params = Any  # a pytree of floating arrays
Cost = Callable[[Params], jax.Array]  # params -> ()
Start = Callable[[jax.Array], Params]  # key -> params

# Folded into a run's key for the starting points; steps fold in their count, which is smaller.
START_STREAM = 2**31


@document_fields
class Point(NamedTuple):
    """Parameters and their cost; several points are one with a leading axis.

    Attributes:
        params: the parameters.
        cost: () or (points,): at least float32; infinity where it is not finite.
    """

    params: Params
    cost: jax.Array


def as_pytree(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that can be an argument of a compiled program.

    A pytree, such as ``jax.tree_util.Partial(cost, x, y)``, is returned as it is: other numbers in it compile nothing.
    A plain function is wrapped, and becomes a constant of the program.
    """
    is_plain = jax.tree_util.all_leaves([function])
    return jax.tree_util.Partial(function) if is_plain else function


def evaluated(where: str, cost: Cost, params: Params) -> Point:
    """Return the point at these parameters.

    Raises ``ShapeError`` and ``DtypeError`` for a cost that is not one floating number.

    >>> evaluated("run", lambda x: jnp.log(x), jnp.array(-1.0))
    Point(params=Array(-1., dtype=float32, weak_type=True), cost=Array(inf, dtype=float32))
    """
    return Point(params, finite_or_inf(checked_cost(where, cost(params))))


def checked_cost(where: str, cost: Any) -> jax.Array:
    """Return a cost in at least float32. Raises ``ShapeError`` and ``DtypeError`` unless it is one floating number."""
    cost = jnp.asarray(cost)
    if cost.shape != ():
        raise ShapeError(where, "the cost to be one number, of shape ()", cost.shape)
    if not jnp.issubdtype(cost.dtype, jnp.floating):
        raise DtypeError(where, "the cost of a floating dtype", cost.dtype)
    return cost.astype(accumulator_dtype(cost.dtype))


def finite_or_inf(cost: jax.Array) -> jax.Array:
    """Return the cost, and infinity where it is NaN or infinite."""
    return jnp.where(jnp.isfinite(cost), cost, jnp.inf)


def first_points(where: str, cost: Cost, start: Start, key: jax.Array, count: int) -> Point:
    """Return ``count`` starting points along a leading axis; point i does not depend on ``count``.

    Args:
        where: the search's name, for errors.
        cost: the cost function.
        start: draws one point from a key.
        key: the run's random key.
        count: the number of points.
    """
    return _first_points(as_pytree(cost), as_pytree(start), key, where=where, count=count)


@partial(jax.jit, static_argnames=("where", "count"))
def _first_points(cost: Cost, start: Start, key: jax.Array, *, where: str, count: int) -> Point:
    def point(index: jax.Array) -> Point:
        params = start(jax.random.fold_in(jax.random.fold_in(key, START_STREAM), index))
        return evaluated(where, cost, _checked_params(where, params))

    return jax.vmap(point)(jnp.arange(count, dtype=jnp.int32))


def _checked_params(where: str, params: Params) -> Params:
    """Return the parameters as arrays of strong floating dtypes; there must be at least one array."""
    if not jax.tree.leaves(params):
        raise ValueError(message(where, "start to return at least one array of parameters", "a tree without any"))

    def checked(path: Any, leaf: Any) -> jax.Array:
        array = floating_array(where, f"params{jax.tree_util.keystr(path)}", leaf)
        return jnp.array(array, array.dtype)

    return jax.tree.map_with_path(checked, params)


def chosen(condition: jax.Array, point: Point, other: Point) -> Point:
    """Return the point where the condition () is true, else the other; point by point for a condition (points,)."""

    def choose(a: jax.Array, b: jax.Array) -> jax.Array:
        return jnp.where(condition.reshape(condition.shape + (1,) * (a.ndim - condition.ndim)), a, b)

    return jax.tree.map(choose, point, other)


def better(point: Point, other: Point) -> Point:
    """Return the point of lower cost; the other where neither is lower."""
    return chosen(point.cost < other.cost, point, other)


def best_of(points: Point) -> Point:
    """Return the point of the lowest cost among points along a leading axis; the first of equal ones."""
    return jax.tree.map(lambda leaf: leaf[jnp.argmin(points.cost)], points)


def perturbed(key: jax.Array, params: Params, rate: Any, scale: Any) -> Params:
    """Return the parameters with each element θ replaced, with probability ``rate``, by θ + σε, ε ~ N(0, 1).

    Args:
        key: a JAX random key.
        params: a pytree of floating arrays.
        rate: the probability that an element changes.
        scale: σ, an array ().
    """
    move_key, noise_key = jax.random.split(key)
    moves = chances(move_key, params, rate)
    noise = _like(params, scale * jax.random.normal(noise_key, (_size(params),), scale.dtype))

    def moved(theta: jax.Array, moves: jax.Array, noise: jax.Array) -> jax.Array:
        return jnp.where(moves, (theta.astype(noise.dtype) + noise).astype(theta.dtype), theta)

    return jax.tree.map(moved, params, moves, noise)


def chances(key: jax.Array, params: Params, rate: Any) -> Params:
    """Return random bools in the structure and shapes of the parameters, each True with probability ``rate``."""
    return _like(params, jax.random.bernoulli(key, rate, (_size(params),)))


def _size(params: Params) -> int:
    """Return the number of elements of all arrays."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def _like(params: Params, flat: jax.Array) -> Params:
    """Return the values (elements,) in the structure and shapes of the parameters."""
    _, unravel = ravel_pytree(jax.tree.map(lambda leaf: jnp.zeros_like(leaf, dtype=flat.dtype), params))
    return unravel(flat)
