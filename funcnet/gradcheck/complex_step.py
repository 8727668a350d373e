"""The derivative by complex steps: ∂f/∂θₖ = Im f(θ + i h eₖ)/h, for a function that JAX can trace.

Squire, Trapp, "Using Complex Variables to Estimate Derivatives of Real Functions" (1998); Martins, Sturdza, Alonso,
"The complex-step derivative approximation" (2003). No difference of nearly equal numbers is taken, so h may be so
small that no truncation error is left. The function's program (its jaxpr) is run with complex numbers by the rules
of ``complex_rules``; nothing in it is differentiated by JAX.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..programs import NoRuleError, called_program, is_known, name_of, reader, run
from .complex_rules import RULES, Complex, Edge, real_of

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
        (cost,) = evaluate(program.jaxpr, program.consts, points, edges)
        derivative = cost.im / STEP if isinstance(cost, Complex) else jnp.zeros(())
        crossed = sum((jnp.any(edge.crossed) for edge in edges), jnp.zeros((), bool))
        met = sum((jnp.sum(edge.met) for edge in edges), jnp.zeros((), int))
        return real_of(cost), derivative, crossed, met

    # Of one direction, and only its imaginary parts: the real ones are shared.
    width = 8 * int(starts[-1]) + sum(computed_bytes(program.jaxpr))
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


def evaluate(jaxpr: Any, consts: Sequence[Any], operands: Sequence[Any], edges: list[Edge]) -> list[Any]:
    """Return the results of a program whose operands are arrays or ``Complex``; edges met are added to ``edges``."""
    values: dict[Any, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
    values.update(zip(jaxpr.invars, operands, strict=True))

    read = reader(values)
    for equation in jaxpr.eqns:
        results = _apply(equation, [read(variable) for variable in equation.invars], edges)
        values.update(zip(equation.outvars, results, strict=True))
    return [read(variable) for variable in jaxpr.outvars]


def _apply(equation: Any, operands: list[Any], edges: list[Edge]) -> Sequence[Any]:
    """Return the results of one equation: by its program, by the primitive itself, or by its complex rule."""
    primitive = equation.primitive
    called = called_program(equation)
    if called is not None:
        return evaluate(*called, operands, edges)
    if not any(isinstance(operand, Complex) for operand in operands):
        results = run(equation, *operands)
    elif primitive.name in RULES and is_known(equation):
        results = RULES[primitive.name](primitive.bind, equation.params, operands, edges)
    else:
        raise NoRuleError(name_of(equation))
    return results if primitive.multiple_results else [results]


def _basis(element: jax.Array, size: int) -> jax.Array:
    return jnp.where(jnp.arange(size) == element, STEP, 0.0)


def computed_bytes(jaxpr: Any) -> list[int]:
    """Return the float64 bytes of every value that a program computes, those of called programs included."""
    sizes = [8 * math.prod(var.aval.shape) for equation in jaxpr.eqns for var in equation.outvars]
    for equation in jaxpr.eqns:
        called = called_program(equation)
        sizes += [] if called is None else computed_bytes(called[0])
    return sizes
