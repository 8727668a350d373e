"""The derivative by complex steps: ∂f/∂θₖ = Im f(θ + i h eₖ)/h, for a function that JAX can trace.

Squire, Trapp, "Using Complex Variables to Estimate Derivatives of Real Functions" (1998); Martins, Sturdza, Alonso,
"The complex-step derivative approximation" (2003). No difference of nearly equal numbers is taken, so h may be so
small that no truncation error is left. The function's program (its jaxpr) is run with complex numbers by the rules
of ``complex_rules``; nothing in it is differentiated by JAX. Loops of a known number of turns and branches stay what
they are, on pairs of arrays.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..jaxprs import Scan, interpret, is_known, listed, rule_of, run, scan_of, walk
from .complex_rules import RULES, Complex, Edge, as_complex, real_of

# About 1e-30: its square is below all rounding, and its product with a probability of 1e-270 is not 0 yet. A power of
# two, so that dividing by it rounds nothing.
STEP = 2.0**-100
MEMORY = 2**25  # bytes of intermediate values at once, about what a processor's cache holds


class NumericalGradient(NamedTuple):
    """A numerical gradient of a function of several arrays, as one vector, and the kinks that were met."""

    cost: Any  # the function's value
    gradient: Any  # (elements,) float64
    kinked: Any  # (elements,) bool: the step along this element starts on the edge of a comparison
    kinks: Any  # how many values, or elements where values cannot be seen, lie on an edge


def complex_step_gradient(function: Callable[..., jax.Array], leaves: Sequence[jax.Array]) -> NumericalGradient:
    """Return the ``NumericalGradient`` of a scalar function of float64 arrays.

    Pure JAX, in 64-bit mode; ``NoRuleError`` while tracing where a primitive has no complex form.
    """
    program = jax.make_jaxpr(function)(*leaves)
    sizes = [leaf.size for leaf in leaves]
    starts = np.cumsum([0, *sizes])

    def along(element: jax.Array) -> tuple[jax.Array, ...]:
        points = [
            Complex(leaf, _basis(element - start, size).reshape(leaf.shape))
            for leaf, start, size in zip(leaves, starts, sizes, strict=False)
        ]
        edges: list[Edge] = []
        (cost,) = evaluate(program, points, edges)
        derivative = cost.im / STEP if isinstance(cost, Complex) else jnp.zeros(())
        met, crossed = _total(edges)
        return real_of(cost), derivative, crossed, met

    # Of one direction, and only its imaginary parts: the real ones are shared.
    width = 8 * int(starts[-1]) + sum(computed_bytes(program))
    return NumericalGradient(*map_in_chunks(along, int(starts[-1]), width, out_axes=(None, 0, 0, None)))


def map_in_chunks(
    function: Callable[[jax.Array], tuple[jax.Array, ...]], count: int, width: int, *, out_axes: tuple[int | None, ...]
) -> tuple[jax.Array, ...]:
    """Return ``vmap(function)`` of 0, 1, …, count − 1, each of ``width`` bytes, as many at once as fit the memory.

    An output whose axis is None is the same for all, and given once.
    """
    chunk = max(1, min(count, MEMORY // max(1, width)))
    chunks = math.ceil(count / chunk)
    indices = jnp.arange(chunks * chunk).reshape(chunks, chunk)  # those past the end are computed and dropped
    mapped = lax.map(jax.vmap(function, out_axes=out_axes), indices)
    return tuple(
        each[0] if axis is None else each.reshape(-1, *each.shape[2:])[:count]
        for each, axis in zip(mapped, out_axes, strict=True)
    )


def evaluate(program: Any, operands: Sequence[Any], edges: list[Edge]) -> list[Any]:
    """Return the results of a program whose operands are arrays or ``Complex``; edges met are added to ``edges``."""

    def apply(equation: Any, inputs: list[Any]) -> Sequence[Any] | None:
        if not any(isinstance(each, Complex) for each in inputs):
            return run(equation, *inputs)
        scan = scan_of(equation)
        if scan is not None:
            return _scan(scan, inputs, edges)
        if equation.primitive.name == "cond" and is_known(equation):
            return _cond(equation.params["branches"], inputs, edges)
        rule = rule_of(equation, RULES)
        return None if rule is None else listed(equation, rule(equation.primitive.bind, equation.params, inputs, edges))

    return interpret(program, operands, apply)


def _scan(scan: Scan, operands: list[Any], edges: list[Edge]) -> list[Any]:
    """Run the loop with a complex carry: it may begin real and have an imaginary part after a turn."""
    fixed, first, rows = scan.split(operands)

    def turn(carry: list[Any], row: Sequence[Any]) -> tuple[list[Any], Any]:
        results, met = _with_edges(scan.body, [*fixed, *carry, *row])
        return results[: scan.carried], (results[scan.carried :], met)

    carry, (outputs, met) = lax.scan(turn, [*map(as_complex, first)], rows, scan.length, scan.reverse)
    edges.append(met)
    return [*carry, *outputs]


def _cond(branches: Sequence[Any], operands: list[Any], edges: list[Edge]) -> list[Any]:
    """Run the branch that the code takes, which an integer says."""
    which, *rest = operands
    results, met = lax.switch(which, [partial(_with_edges, branch) for branch in branches], rest)
    edges.append(met)
    return results


def _with_edges(program: Any, operands: Sequence[Any]) -> tuple[list[Any], Edge]:
    """Return the results of a program, all floating ones ``Complex``, and the edges met in all."""
    edges: list[Edge] = []
    return [*map(as_complex, evaluate(program, operands, edges))], _total(edges)


def _total(edges: Sequence[Edge]) -> Edge:
    """Return how many values lie on an edge, and whether the step moves one of them off it."""
    met = sum((jnp.sum(edge.met) for edge in edges), jnp.zeros((), int))
    return Edge(met, sum((jnp.any(edge.crossed) for edge in edges), jnp.zeros((), bool)))


def _basis(element: jax.Array, size: int) -> jax.Array:
    return jnp.where(jnp.arange(size) == element, STEP, 0.0)


def computed_bytes(program: Any) -> list[int]:
    """Return the float64 bytes of every value that a program computes, those of the programs within included."""
    return [8 * math.prod(variable.aval.shape) for equation, _ in walk(program) for variable in equation.outvars]
