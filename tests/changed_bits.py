"""How far rounding alone can move a result: its program run again with last bits changed at random.

Only operations that round are changed. A sum of many terms is moved by a last bit of the sum of their magnitudes, since
its order is free. A value below the smallest normal number is flushed to 0 by chance, as processors do. A difference
between two right gradients that this explains proves nothing. Parker, "Monte Carlo Arithmetic" (1997).
``funcnet.derivatives.rounding`` does the same for each element, and within loops.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from funcnet.derivatives.rounding import EXACT_OPERATIONS, ROUNDED_OPERATIONS, SUMMING_OPERATIONS
from funcnet.jaxprs import CALLS, NoRuleError, called_program, interpret, is_known, name_of, operations, run

EPSILON = 2.0**-52
PERTURBED_RUNS = 3


def rounding_of(function: Callable[..., Any], *arguments: Any) -> list[float]:
    """Return, for each array that a function returns, the largest change that changed last bits make in it.

    >>> with jax.enable_x64(True):
    ...     (moves,) = rounding_of(lambda x: jnp.log(1 - jnp.exp(-x)), np.array([40.0]))
    >>> 1e-16 < moves < 2e-15  # of a value that is 4e-18
    True

    Raises ``NoRuleError`` where it is not known whether an operation rounds.
    """
    program = jax.make_jaxpr(function)(*arguments)
    shapes = [
        variable.aval.shape
        for equation in operations(program, CALLS)
        for variable in equation.outvars
        if _is_rounded(equation, variable)
    ]

    @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def moved(operands: Any, directions: list[np.ndarray]) -> Any:
        return interpret(program, operands, partial(_moved_results, iter(directions)))

    generator = np.random.default_rng(0)
    operands = jax.tree.leaves(arguments)
    exact = moved(operands, [np.zeros(shape, np.int8) for shape in shapes])
    moves = np.zeros(len(exact))
    for _ in range(PERTURBED_RUNS):
        directions = [generator.integers(-1, 2, shape, np.int8) for shape in shapes]
        changed = moved(operands, directions)
        moves = np.fmax(moves, [np.abs(a - b).max(initial=0.0) for a, b in zip(exact, changed, strict=True)])
    return moves.tolist()


def _is_rounded(equation: Any, variable: Any) -> bool:
    """Return whether a result of an operation is rounded; integers, booleans and keys are not."""
    if not jnp.issubdtype(variable.aval.dtype, jnp.floating):
        return False
    name = equation.primitive.name
    if name not in ROUNDED_OPERATIONS | EXACT_OPERATIONS or not is_known(equation):
        raise NoRuleError(name_of(equation))
    return name in ROUNDED_OPERATIONS


def _moved_results(directions: Iterator[Any], equation: Any, inputs: list[Any]) -> list[jax.Array] | None:
    """Return an operation's results, those that are rounded moved in the next directions; a call is opened."""
    if called_program(equation) is not None:
        return None
    return [
        _moved(equation, inputs, result, next(directions)) if _is_rounded(equation, variable) else result
        for variable, result in zip(equation.outvars, run(equation, *inputs), strict=True)
    ]


def _moved(equation: Any, inputs: Sequence[Any], value: jax.Array, direction: Any) -> jax.Array:
    """Return a value with its last bit moved up or down or not at all, and 0 where it may be flushed."""
    info, size = jnp.finfo(value.dtype), lax.abs(value)
    if equation.primitive.name in SUMMING_OPERATIONS:
        magnitudes = [jnp.abs(each) if jnp.issubdtype(each.dtype, jnp.inexact) else each for each in inputs]
        size = equation.primitive.bind(*magnitudes, **equation.params)
    nothing, tiny, twice = (lax.full_like(value, number) for number in (0, info.tiny, 2 * info.tiny))
    direction = lax.convert_element_type(direction, value.dtype)
    moved = lax.add(value, lax.mul(lax.mul(lax.full_like(value, info.eps), direction), size))
    flushed = lax.select(lax.lt(direction, nothing), nothing, value)
    # A normal number stays one, since a program may rely on its floor.
    falls = lax.bitwise_and(lax.lt(lax.abs(moved), tiny), lax.lt(size, twice))
    return lax.select(lax.lt(size, tiny), flushed, lax.select(falls, value, moved))
