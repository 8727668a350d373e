"""How far rounding alone can move a result: its program run again with last bits changed at random.

Only operations that round are changed: a maximum, a selection or a sum of one term is exact, and moving its last bit
would break what the program relies on, such as that the largest of some numbers is one of them. A sum of many terms is
moved by a last bit of the sum of their magnitudes, since its order is free. A value below the smallest normal number is
flushed to 0 by chance, as processors do. Parker, "Monte Carlo Arithmetic" (1997). A
difference between two right gradients that this explains proves nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..programs import CONTROL, called_program, reader

EPSILON = 2.0**-52
RUNS = 3

SUMS = {"dot_general", "conv_general_dilated", "reduce_sum", "cumsum", "reduce_window_sum", "scatter-add"}
ARITHMETIC = {"add", "add_any", "sub", "mul", "div", "rem", "reduce_prod", "cumprod", "sqrt", "rsqrt", "cbrt", "square"}
EXPONENTIAL = {"pow", "integer_pow", "exp", "exp2", "expm1", "log", "log1p", "logistic", "cumlogsumexp"}
TRIGONOMETRIC = {"sin", "cos", "tan", "asin", "acos", "atan", "atan2"}
HYPERBOLIC = {"sinh", "cosh", "tanh", "asinh", "acosh", "atanh"}
SPECIAL = {"erf", "erfc", "erf_inv", "lgamma", "digamma"}
ROUNDED = SUMS | ARITHMETIC | EXPONENTIAL | TRIGONOMETRIC | HYPERBOLIC | SPECIAL | CONTROL


def rounding_of(function: Callable[..., Any], *arguments: Any) -> list[float]:
    """Return, for each array that a function returns, the largest change that changed last bits make in it.

    >>> with jax.enable_x64(True):
    ...     (moves,) = rounding_of(lambda x: jnp.log(1 - jnp.exp(-x)), np.array([40.0]))
    >>> 1e-16 < moves < 2e-15  # of a value that is 4e-18
    True
    """
    program = jax.make_jaxpr(function)(*arguments)
    shapes = list(_rounded_shapes(program.jaxpr))

    @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def run(operands: Any, directions: list[np.ndarray]) -> Any:
        return _evaluate(program.jaxpr, program.consts, operands, iter(directions))

    generator = np.random.default_rng(0)
    operands = jax.tree.leaves(arguments)
    exact = run(operands, [np.zeros(shape, np.int8) for shape in shapes])
    moves = np.zeros(len(exact))
    for _ in range(RUNS):
        directions = [generator.integers(-1, 2, shape, np.int8) for shape in shapes]
        changed = run(operands, directions)
        moves = np.fmax(moves, [np.abs(a - b).max(initial=0.0) for a, b in zip(exact, changed, strict=True)])
    return moves.tolist()


def _is_rounded(equation: Any, variable: Any) -> bool:
    return equation.primitive.name in ROUNDED and jnp.issubdtype(variable.aval.dtype, jnp.floating)


def _moved(equation: Any, inputs: Sequence[Any], value: jax.Array, direction: Any) -> jax.Array:
    """Return a value with its last bit moved up or down or not at all, and 0 where it may be flushed."""
    info, size = jnp.finfo(value.dtype), jnp.abs(value)
    if equation.primitive.name in SUMS:
        magnitudes = [jnp.abs(each) if jnp.issubdtype(each.dtype, jnp.inexact) else each for each in inputs]
        size = equation.primitive.bind(*magnitudes, **equation.params)
    moved = value + info.eps * jnp.asarray(direction, value.dtype) * size
    subnormal = size < info.tiny
    flushed = jnp.where(jnp.asarray(direction) < 0, jnp.zeros_like(value), value)
    # A normal number stays one, since a program may rely on its floor.
    return jnp.where(subnormal, flushed, jnp.where((jnp.abs(moved) < info.tiny) & (size < 2 * info.tiny), value, moved))


def _rounded_shapes(jaxpr: Any) -> Iterator[tuple[int, ...]]:
    """Yield the shape of every rounded value that a program computes, in the order in which it is computed."""
    for equation in jaxpr.eqns:
        called = called_program(equation)
        if called is not None:
            yield from _rounded_shapes(called[0])
        else:
            yield from (variable.aval.shape for variable in equation.outvars if _is_rounded(equation, variable))


def _evaluate(jaxpr: Any, consts: Sequence[Any], operands: Sequence[Any], directions: Iterator[Any]) -> list[Any]:
    """Return a program's results, every rounded value on the way moved in the next direction."""
    values = dict(zip(jaxpr.constvars, consts, strict=True)) | dict(zip(jaxpr.invars, operands, strict=True))
    read = reader(values)
    for equation in jaxpr.eqns:
        inputs = [read(variable) for variable in equation.invars]
        called = called_program(equation)
        if called is not None:
            values.update(zip(equation.outvars, _evaluate(*called, inputs, directions), strict=True))
            continue
        results = equation.primitive.bind(*inputs, **equation.params)
        for variable, result in zip(
            equation.outvars, results if equation.primitive.multiple_results else [results], strict=True
        ):
            if _is_rounded(equation, variable):
                result = _moved(equation, inputs, result, next(directions))
            values[variable] = result
    return [read(variable) for variable in jaxpr.outvars]
