"""How far rounding alone can move a result: its program run again with every value's last bit changed at random.

Parker, "Monte Carlo Arithmetic" (1997). A difference between two right gradients that this explains proves nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .complex_step import called_program, reader

EPSILON = 2.0**-52
RUNS = 3


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
    def run(operands: Any, factors: list[np.ndarray]) -> Any:
        return _evaluate(program.jaxpr, program.consts, operands, iter(factors))

    generator = np.random.default_rng(0)
    operands = jax.tree.leaves(arguments)
    exact = run(operands, [np.ones(shape) for shape in shapes])
    moves = np.zeros(len(exact))
    for _ in range(RUNS):
        factors = [1 + EPSILON * generator.integers(-1, 2, shape) for shape in shapes]
        changed = run(operands, factors)
        moves = np.fmax(moves, [np.abs(a - b).max(initial=0.0) for a, b in zip(exact, changed, strict=True)])
    return moves.tolist()


def _is_rounded(variable: Any) -> bool:
    return variable.aval.dtype == np.float64


def _rounded_shapes(jaxpr: Any) -> Iterator[tuple[int, ...]]:
    """Yield the shape of every float64 value that a program computes, in the order in which it is computed."""
    for equation in jaxpr.eqns:
        called = called_program(equation)
        if called is not None:
            yield from _rounded_shapes(called[0])
        else:
            yield from (variable.aval.shape for variable in equation.outvars if _is_rounded(variable))


def _evaluate(jaxpr: Any, consts: Sequence[Any], operands: Sequence[Any], factors: Iterator[Any]) -> list[Any]:
    """Return a program's results, every float64 value on the way multiplied by the next factor."""
    values = dict(zip(jaxpr.constvars, consts, strict=True)) | dict(zip(jaxpr.invars, operands, strict=True))
    read = reader(values)
    for equation in jaxpr.eqns:
        inputs = [read(variable) for variable in equation.invars]
        called = called_program(equation)
        if called is not None:
            values.update(zip(equation.outvars, _evaluate(*called, inputs, factors), strict=True))
            continue
        results = equation.primitive.bind(*inputs, **equation.params)
        for variable, result in zip(
            equation.outvars, results if equation.primitive.multiple_results else [results], strict=True
        ):
            values[variable] = jnp.multiply(result, next(factors)) if _is_rounded(variable) else result
    return [read(variable) for variable in jaxpr.outvars]
