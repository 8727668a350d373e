"""Numerical derivatives of a function that JAX can trace, by two methods that do not differentiate by JAX.

Complex steps, ∂f/∂θₖ = Im f(θ + i h eₖ)/h: no difference of nearly equal numbers is taken, so h may be so small that no
truncation error is left. The function's program (its jaxpr) is run with complex numbers by the rules of
``complex_rules``. Loops and branches stay what they are, on pairs of arrays. Squire,
Trapp, "Using Complex Variables to Estimate Derivatives of Real Functions" (1998); Martins, Sturdza, Alonso, "The
complex-step derivative approximation" (2003).

Richardson's extrapolation, for operations without a complex form: D(h) = (f(θ + h eₖ) − f(θ − h eₖ))/2h has the error
c₂h² + c₄h⁴ + …; from D(h), D(h/2), D(h/4), … the terms are removed one by one in a Romberg table,
T[i, j] = T[i, j−1] + (T[i, j−1] − T[i−1, j−1])/(4ʲ − 1), and the entry that its neighbours confirm best is the result.
Richardson (1911); Ridders, "Accurate computation of F′(x) and F′(x)F″(x)" (1982).
"""

import math
from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..jaxprs import Scan, going_on, going_rows, interpret, is_known, rule_of, run, scan_of, split_while, walk
from .complex_rules import CONVENTIONS, RULES, Complex, Convention, Edge, Edges, as_complex, real_of

COMPLEX_STEP = 1.0  # imaginary parts are in units of the step, which ``complex_rules`` takes
CHUNK_BYTES = 2**25  # bytes of intermediate values at once, about what a processor's cache holds

# Of Richardson's extrapolation.
RICHARDSON_LEVELS = 16
RICHARDSON_FIRST_STEP = 1.0  # of a parameter up to 1; larger ones take a larger step
EPSILON = 2.0**-52
# An element lies on a kink where the derivatives of its two sides differ by more than both of these limits.
KINK_SHARE = 1e-4  # The limit as a part of the largest derivative.
KINK_COST_SHARE = 1e-10  # The limit as a part of the cost. The small steps divide the rounding of the cost.
BY_MEAN = Convention()
SIDE = 2.0**-28  # the relative distance at which the two sides of a kink are looked at


class NumericalGradient(NamedTuple):
    """A numerical gradient of a function of several arrays, one number for each direction."""

    cost: Any  # the function's value
    gradient: Any  # (directions,) float64
    kinked: Any  # (directions,) bool: the step along this direction starts on the edge of a comparison
    kinks: Any  # how many values, or elements where values cannot be seen, lie on an edge
    low: Any  # (directions,) the smaller derivative of the two sides; the gradient itself away from kinks
    high: Any  # (directions,) the larger one
    error: Any  # (directions,) an estimate of the error of extrapolation, 0 for complex steps


class Directions(NamedTuple):
    """Along what a function of several arrays is differentiated: single elements, and arrays as wholes.

    Args:
        elements: (n,) positions of elements in the vector of all arrays.
        arrays: (m,) numbers of arrays.
        shifts: (m,) where the random numbers begin along which that array is moved.
        numbers: (k,) random numbers, as many as the largest array and the largest shift need.
    """

    elements: Any
    arrays: Any
    shifts: Any
    numbers: Any

    def of_array(self, number: int, size: int) -> list[tuple[int, np.ndarray]]:
        """Return the numbers of the directions along an array as a whole, each with its random numbers."""
        first, wholes = len(self.elements), np.flatnonzero(self.arrays == number)
        return [(first + int(at), self.numbers[(shift := self.shifts[at]) : shift + size]) for at in wholes]

    def along(self, at: jax.Array, leaves: Sequence[jax.Array]) -> list[jax.Array]:
        """Return the direction of a number, an array for each of the function's arrays."""

        def chosen(values: Any, before: int, after: int) -> jax.Array:
            """Return the value of the direction, −1 where it has none."""
            values = jnp.asarray(values)
            none = [jnp.full(count, -1, values.dtype) for count in (before, after)]
            return lax.dynamic_index_in_dim(jnp.concatenate([none[0], values, none[1]]), at, keepdims=False)

        singles, wholes = len(self.elements), len(self.arrays)
        found = along_element(chosen(self.elements, 0, wholes), leaves)
        array, shift = (chosen(each, singles, 0) for each in (self.arrays, self.shifts))
        return [
            one
            + jnp.where(array == number, lax.dynamic_slice(self.numbers, (shift,), (one.size,)).reshape(one.shape), 0.0)
            for number, one in enumerate(found)
        ]


def along_element(element: jax.Array, leaves: Sequence[jax.Array]) -> list[jax.Array]:
    """Return arrays of the shapes of ``leaves``, 1 in one element, by its place in the vector of all, else 0."""
    vector = lax.convert_element_type(lax.iota(int, sum(leaf.size for leaf in leaves)) == element, float)
    parts = lax.split(vector, [leaf.size for leaf in leaves]) if leaves else []
    return [lax.reshape(part, leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]


def all_along(directions: Directions | None, leaves: Sequence[Any]) -> tuple[Callable[[jax.Array], list[Any]], int]:
    """Return the function that gives the direction of a number, and how many there are; None is for all elements."""
    if directions is None:
        return lambda at: along_element(at, leaves), sum(leaf.size for leaf in leaves)
    return lambda at: directions.along(at, leaves), len(directions.elements) + len(directions.arrays)


def complex_step_gradient(
    function: Callable[..., jax.Array],
    leaves: Sequence[jax.Array],
    directions: Directions | None = None,
    side: Any = None,
    convention: Convention = BY_MEAN,
) -> NumericalGradient:
    """Return the ``NumericalGradient`` of a scalar function of float64 arrays.

    Pure JAX, in 64-bit mode; ``NoRuleError`` while tracing where a primitive has no complex form.

    Args:
        function: the function.
        leaves: its arrays.
        directions: along what it is differentiated; None, the default, for all elements.
        side: the relative distance along each direction at which it is differentiated; None for the point itself.
        convention: what decides at kinks.
    """
    program = jax.make_jaxpr(function)(*leaves)
    tangents_of, count = all_along(directions, leaves)

    def along(at: jax.Array) -> tuple[jax.Array, ...]:
        tangents = tangents_of(at)
        points = [
            Complex(_beside(leaf, tangent, side), COMPLEX_STEP * tangent)
            for leaf, tangent in zip(leaves, tangents, strict=True)
        ]
        (cost,), edges = evaluate(program, points, convention)
        derivative = cost.im / COMPLEX_STEP if isinstance(cost, Complex) else jnp.zeros(())
        return real_of(cost), derivative, edges.crossed, edges.met

    # Of one direction, and only its imaginary parts: the real ones are shared.
    width = 8 * sum(leaf.size for leaf in leaves) + computed_bytes(program)
    shared = None if side is None else 0  # beside the point, each direction is at a point of its own
    cost, gradient, kinked, kinks = map_in_chunks(along, count, width, out_axes=(shared, 0, 0, shared))
    if side is not None:
        kinks = jnp.sum(kinks)
    return NumericalGradient(cost, gradient, kinked, kinks, gradient, gradient, jnp.zeros_like(gradient))


def _beside(leaf: jax.Array, tangent: jax.Array, side: Any) -> jax.Array:
    """Return an array moved a little way along a direction, by each element's own scale."""
    if side is None:
        return leaf
    size = jnp.abs(leaf)
    most = jnp.max(size, initial=0.0)
    scale = jnp.where(size > 0, size, jnp.where(most > 0, most, 1.0))
    return leaf + side * scale * tangent


def with_sides(found: NumericalGradient, run: Callable[[float, Convention], NumericalGradient]) -> NumericalGradient:
    """Return a gradient by complex steps with its one-sided derivatives where the step starts on an edge.

    ``run`` returns the gradient at a relative distance and by a convention. Where several kinks are met at once, a
    derivative that follows one convention at all of them need not lie between those of the two sides, so that the
    derivatives by all ``CONVENTIONS`` count as sides too.
    """
    sides = [np.asarray(run(side, BY_MEAN).gradient) for side in (SIDE, -SIDE)]
    low, high = np.fmin(*sides), np.fmax(*sides)
    # Kinks may cancel, as in max(x, 0) + log(1 + e^(−|x|)).
    size = np.maximum(np.maximum(np.abs(low), np.abs(high)), np.abs(found.gradient))
    kinked = found.kinked & (high - low > 1e-6 * size)
    if kinked.any():
        others = [np.asarray(run(0.0, convention).gradient) for convention in CONVENTIONS]
        low, high = reduce(np.fmin, others, low), reduce(np.fmax, others, high)
    low, high = (np.where(kinked, side, found.gradient) for side in (low, high))
    return found._replace(kinked=kinked, low=low, high=high)


def map_in_chunks(
    function: Callable[[jax.Array], tuple[jax.Array, ...]], count: int, width: int, *, out_axes: tuple[int | None, ...]
) -> tuple[jax.Array, ...]:
    """Return ``vmap(function)`` of 0, 1, …, count − 1, as many at once as fit the memory.

    Args:
        function: what is mapped; it takes an integer.
        count: how many integers there are.
        width: the bytes that the function needs for each.
        out_axes: 0 for each output, or None for one that is the same for all integers and is given once.
    """
    chunk = max(1, min(count, CHUNK_BYTES // max(1, width)))
    chunks = math.ceil(count / chunk)
    if chunks == 1:
        return tuple(jax.vmap(function, out_axes=out_axes)(jnp.arange(count)))
    indices = jnp.arange(chunks * chunk).reshape(chunks, chunk)  # those past the end are computed and dropped
    mapped = lax.map(jax.vmap(function, out_axes=out_axes), indices)
    return tuple(
        each[0] if axis is None else each.reshape(-1, *each.shape[2:])[:count]
        for each, axis in zip(mapped, out_axes, strict=True)
    )


def evaluate(program: Any, operands: Sequence[Any], convention: Convention = BY_MEAN) -> tuple[list[Any], Edge]:
    """Return the results of a program whose operands are arrays or ``Complex``, and the edges met.

    ``convention`` decides there. The ``Edge`` holds how many values lie on an edge, and whether the step moves one of
    them off it.
    """
    edges = Edges(convention)

    def apply(equation: Any, inputs: list[Any]) -> Sequence[Any] | None:
        if not any(isinstance(each, Complex) for each in inputs):
            return run(equation, *inputs)
        if scan := scan_of(equation):
            return _scan(scan, inputs, edges)
        if equation.primitive.name == "cond" and is_known(equation):
            return _cond(equation.params["branches"], inputs, edges)
        if equation.primitive.name == "while" and is_known(equation):
            return _while(equation.params, inputs, edges)
        rule = rule_of(equation, RULES)
        if rule is None:
            return None
        results = rule(equation.primitive.bind, equation.params, inputs, edges)
        return results if equation.primitive.multiple_results else [results]

    results = interpret(program, operands, apply)
    met = sum((jnp.sum(edge.met) for edge in edges), jnp.zeros((), int))
    none = jnp.zeros((), bool)
    crossed, ordered = (sum((jnp.any(getattr(e, name)) for e in edges), none) for name in ("crossed", "ordered"))
    return results, Edge(met, crossed, ordered)


def _scan(scan: Scan, operands: list[Any], edges: Edges) -> list[Any]:
    """Run the loop with a complex carry: it may begin real and have an imaginary part after an iteration."""
    fixed, first, rows = scan.split(operands)

    def iteration(carry: list[Any], row: Sequence[Any]) -> tuple[list[Any], Any]:
        results, met = _all_complex(edges.convention, scan.body, [*fixed, *carry, *row])
        return results[: scan.carried], (results[scan.carried :], met)

    carry, (outputs, met) = lax.scan(iteration, [*map(as_complex, first)], rows, scan.length, scan.reverse)
    edges.append(met)
    return [*carry, *outputs]


def _while(params: dict[str, Any], operands: list[Any], edges: Edges) -> list[Any]:
    """Run the loop with a complex carry, for as many iterations as the real parts say."""
    of_test, of_body, first = split_while(params, operands)

    def going(values: Any) -> Any:
        return going_on(params["cond_jaxpr"], [*map(real_of, of_test)], [*map(real_of, values)])

    def iteration(carry: Any) -> Any:
        values, before = carry
        _, tested = evaluate(params["cond_jaxpr"], [*of_test, *values], edges.convention)
        results, found = _all_complex(edges.convention, params["body_jaxpr"], [*of_body, *values])
        results = going_rows(going(values), results, values)
        return results, Edge(*(a + b + c for a, b, c in zip(before, tested, found, strict=True)))

    none = Edge(jnp.zeros((), int), jnp.zeros((), bool), jnp.zeros((), bool))
    start = [*map(as_complex, first)], none
    results, met = lax.while_loop(lambda carry: jnp.any(going(carry[0])), iteration, start)
    edges.append(met)
    return [*results]


def _cond(branches: Sequence[Any], operands: list[Any], edges: Edges) -> list[Any]:
    """Run the branch that the code takes, which an integer says."""
    which, *rest = operands
    results, met = lax.switch(which, [partial(_all_complex, edges.convention, branch) for branch in branches], rest)
    edges.append(met)
    return results


def _all_complex(convention: Convention, program: Any, operands: Sequence[Any]) -> tuple[list[Any], Edge]:
    """Return the results of a program, all floating ones ``Complex``, and the edges met."""
    results, met = evaluate(program, operands, convention)
    return [*map(as_complex, results)], met


def computed_bytes(program: Any) -> int:
    """Return the float64 bytes of all values that a program computes, those of the programs within included."""
    return sum(8 * math.prod(variable.aval.shape) for equation, _ in walk(program) for variable in equation.outvars)


class Samples(NamedTuple):
    """A function's values around a point, along each of its arguments."""

    cost: Any  # () its value at the point
    above: Any  # (elements, levels) f(θ + h eₖ)
    below: Any  # (elements, levels) f(θ − h eₖ)
    steps: Any  # (elements, levels) h


def sample(
    function: Callable[..., jax.Array], leaves: Sequence[jax.Array], directions: Directions | None = None
) -> Samples:
    """Return the values of a scalar function of float64 arrays at halved steps; pure JAX, in 64-bit mode."""
    program = jax.make_jaxpr(function)(*leaves)
    tangents_of, count = all_along(directions, leaves)

    def along(at: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        tangents = tangents_of(at)
        sizes = [
            jnp.max(jnp.where(tangent != 0, jnp.maximum(0.75, jnp.abs(leaf)), 0.0), initial=0.0)
            for leaf, tangent in zip(leaves, tangents, strict=True)
        ]
        _, exponent = jnp.frexp(jnp.max(jnp.stack(sizes)))
        halved = RICHARDSON_FIRST_STEP * 0.5 ** np.arange(RICHARDSON_LEVELS)
        steps = jnp.ldexp(halved, exponent)  # powers of two: multiplying by them rounds nothing

        def values(step: jax.Array) -> tuple[jax.Array, jax.Array]:
            above, below = (
                [leaf + sign * step * tangent for leaf, tangent in zip(leaves, tangents, strict=True)]
                for sign in (1.0, -1.0)
            )
            return function(*above), function(*below)

        return *jax.vmap(values)(steps), steps

    width = 2 * RICHARDSON_LEVELS * (8 * sum(leaf.size for leaf in leaves) + computed_bytes(program))
    return Samples(function(*leaves), *map_in_chunks(along, count, width, out_axes=(0, 0, 0)))


def richardson_gradient(samples: Samples, moved: float = 0.0) -> NumericalGradient:
    """Return the gradient from a function's values; a kink exactly at the point has two one-sided derivatives.

    ``moved`` is how far rounding moves a value, where that is more than its last bit.

    >>> with jax.enable_x64(True):
    ...     samples = sample(lambda x: jnp.sum(jnp.exp(x) + jnp.abs(x)), [jnp.array([0.0, 1.0])])
    >>> gradient = richardson_gradient(samples)
    >>> print(gradient.kinked, f"{gradient.gradient[1]:.12f}")
    [ True False] 3.718281828459
    """
    cost, above, below, steps = map(np.asarray, samples)
    rounding = max(EPSILON * np.abs(cost), moved) / steps
    with np.errstate(invalid="ignore", over="ignore"):  # far from the point the function may not exist
        gradient, error = limits((above - below) / (2 * steps), rounding, 4.0)
        (right, of_right), (left, of_left) = (
            limits(side / steps, rounding, 2.0) for side in (above - cost, cost - below)
        )
        gap, unsure = np.abs(right - left), of_right + of_left
    kinked = gap > max(KINK_SHARE * np.abs(gradient).max(initial=0.0), KINK_COST_SHARE * np.abs(cost))
    low, high = (np.where(kinked, edge(right, left), gradient) for edge in (np.fmin, np.fmax))
    return NumericalGradient(cost, gradient, kinked, kinked.sum(), low, high, np.where(kinked, unsure, error))


def extrapolate(differences: np.ndarray, rounding: np.ndarray, ratio: float) -> np.ndarray:
    """Return the limits (elements,) of differences (elements, levels) at halved steps.

    Their error falls by ``ratio`` and by its powers; ``rounding`` (elements, levels) is how far each is off already.

    >>> steps = 0.5 ** np.arange(8)[None, :]
    >>> limit = extrapolate((np.exp(steps) - np.exp(-steps)) / (2 * steps), 1e-16 / steps, 4.0)
    >>> print(f"{limit[0]:.12f}")
    1.000000000000
    """
    return limits(differences, rounding, ratio)[0]


def limits(differences: np.ndarray, rounding: np.ndarray, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what ``extrapolate`` returns, and an estimate of its error, infinite where no limit is found."""
    column, best, least = differences, differences[:, -1], np.full(len(differences), np.inf)
    for order in range(1, differences.shape[1] - 1):
        finer = column[:, 1:] + (column[:, 1:] - column[:, :-1]) / (ratio**order - 1)
        # Three neighbours have to confirm an entry: at large steps two may agree by chance.
        entry, neighbours = finer[:, 1:], (finer[:, :-1], column[:, 2:], column[:, 1:-1])
        error = np.max([np.abs(entry - each) for each in neighbours], axis=0) + rounding[:, order + 1 :]
        error = np.where(np.isnan(error), np.inf, error)
        rows, at = np.arange(len(error)), error.argmin(axis=1)
        best = np.where(error[rows, at] < least, entry[rows, at], best)
        least = np.minimum(least, error[rows, at])
        column = finer
    return best, least


def contradicted(differences: np.ndarray, rounding: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Return which limits (elements,) the smallest steps contradict: their differences do not come closer to it.

    So it is where the larger steps reach over a pole, or over all of what a function does near the point.

    >>> steps = 0.5 ** np.arange(8)[None, :]
    >>> contradicted(1 + steps**2, 1e-16 / steps, np.array([1.0])), contradicted(1 + steps**2, 1e-16, np.array([3.0]))
    (array([False]), array([ True]))
    """
    with np.errstate(invalid="ignore", over="ignore"):
        before, last = (np.abs(differences[:, at] - limit) for at in (-3, -1))
        unsure = 8 * np.max(np.broadcast_to(rounding, differences.shape)[:, -3:], axis=1) + 1e-9 * np.abs(limit)
        return ~(last <= 0.6 * before + unsure)
