"""Reading of JAX programs (jaxprs): which equations call another program, and what a variable's value is.

For rooms that run a function's program by rules of their own, the numerical gradients and the computation graph, and
for training, which looks at what a loop computes.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from jax.extend.core import Literal

# Primitives that call another program, and the parameter that holds it.
CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
}


CONTROL = {"scan", "while", "cond"}  # primitives that run programs as often, or run the one, that they are told to


def called_program(equation: Any) -> tuple[Any, Sequence[Any]] | None:
    """Return the program and the constants that an equation calls, None where it is an operation of its own.

    >>> import jax
    >>> (equation,) = jax.make_jaxpr(jax.jit(lambda x: 2 * x))(1.0).eqns
    >>> jaxpr, consts = called_program(equation)
    >>> [inner.primitive.name for inner in jaxpr.eqns]
    ['mul']
    """
    if equation.primitive.name not in CALLS:
        return None
    called = equation.params[CALLS[equation.primitive.name]]
    return getattr(called, "jaxpr", called), getattr(called, "consts", ())


def operations(jaxpr: Any) -> Iterator[Any]:
    """Yield the equations of a program that are operations of their own, also within its calls, loops and branches.

    >>> import jax
    >>> program = jax.make_jaxpr(lambda x: jax.lax.fori_loop(0, 3, lambda _, x: 2 * x, x))(1.0)
    >>> sorted({operation.primitive.name for operation in operations(program.jaxpr)})
    ['add', 'mul']
    """
    for equation in jaxpr.eqns:
        groups = (value if isinstance(value, tuple | list) else (value,) for value in equation.params.values())
        parts = [getattr(each, "jaxpr", each) for group in groups for each in group]
        programs = [part for part in parts if hasattr(part, "eqns")]
        if not programs or equation.primitive.name not in CONTROL | set(CALLS):
            yield equation
        else:
            for program in programs:
                yield from operations(program)


def literal(variable: Any) -> np.ndarray | None:
    """Return the value that is written into a program in a variable's place, None for a variable."""
    if not isinstance(variable, Literal):
        return None
    aval: Any = variable.aval
    return np.asarray(variable.val, aval.dtype)


def reader(values: dict[Any, Any]) -> Callable[[Any], Any]:
    """Return the function that gives a variable's or a literal's value."""

    def read(variable: Any) -> Any:
        value = literal(variable)
        return values[variable] if value is None else value

    return read
