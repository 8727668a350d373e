"""The one interpreter of JAX programs (jaxprs): it walks the equations, and a purpose says what each of them computes.

A value may be anything: an array, a pair of arrays, the number of a graph's node. The purpose gives a function
``apply(equation, inputs)``, which returns the list of the equation's results, or None where it has no rule. Then a call
(``jax.jit``, ``jax.checkpoint``, ``jax.custom_jvp``, …) is opened, and every other equation is refused by name. A loop
or a branch is an operation like others: the purpose keeps it, runs it by ``lax`` on its own values, or unrolls it.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal, jaxpr_as_fun

from ..errors import message
from .equations import NoRuleError, called_program, name_of, scan_of

Apply = Callable[[Any, list[Any]], Sequence[Any] | None]  # (equation, its operands' values) -> its results' values


def interpret(
    program: Any, operands: Sequence[Any], apply: Apply, *, constant: Callable[[Any], Any] = lambda value: value
) -> list[Any]:
    """Return the results of a program, each equation's computed by ``apply``.

    Args:
        program: a jaxpr with its constants, as ``jax.make_jaxpr`` makes it.
        operands: the values of the program's inputs.
        apply: the function ``apply(equation, inputs)`` of the purpose.
        constant: gives the value of an array that the program closes over. A number that is written into the program
            is a NumPy array.

    Raises ``NoRuleError`` for an equation that ``apply`` has no rule for and that is no known call.

    >>> def written(equation, inputs):
    ...     return [f"{equation.primitive.name}({', '.join(map(str, inputs))})"]
    >>> interpret(jax.make_jaxpr(lambda x: jnp.sin(2 * x))(1.0), ["x"], written)
    ['sin(mul(2.0, x))']
    """
    # Some versions of JAX keep a program and its constants in one object.
    jaxpr, consts = getattr(program, "jaxpr", program), getattr(program, "consts", ())
    values: dict[Any, Any] = dict(zip(jaxpr.constvars, map(constant, consts), strict=True))
    values.update(zip(jaxpr.invars, operands, strict=True))

    def read(variable: Any) -> Any:
        if not isinstance(variable, Literal):
            return values[variable]
        aval: Any = variable.aval
        return np.asarray(variable.val, aval.dtype)

    for equation in jaxpr.eqns:
        inputs = [read(variable) for variable in equation.invars]
        results = apply(equation, inputs)
        if results is None:
            called = called_program(equation)
            if called is None:
                raise NoRuleError(name_of(equation))
            results = interpret(called, inputs, apply, constant=constant)
        values.update(zip(equation.outvars, results, strict=True))
    return [read(variable) for variable in jaxpr.outvars]


def run(equation: Any, *inputs: Any) -> list[Any]:
    """Return the results of an equation's operation on arrays, as JAX computes them.

    JAX differentiates it as it does the operation, by the function's own rule where it has one.
    """
    primitive = equation.primitive
    results = primitive.bind(*inputs, **primitive.get_bind_params(equation.params))
    return [*results] if primitive.multiple_results else [results]


def unrolled(equation: Any, where: str = "unrolled", most: float = math.inf) -> Any:
    """Return the program of a loop of a known number of iterations, one after the other; None for another equation.

    Raises ``ValueError``, from the function ``where``, if it has more than ``most`` operations.
    """
    scan = scan_of(equation)
    if scan is None:
        return None
    if (operations := scan.length * len(scan.body.jaxpr.eqns)) > most:
        got = f"a loop of {scan.length:,} iterations, which has {operations:,} or more"
        raise ValueError(message(where, f"at most {most:,} operations", got))
    body, results = jaxpr_as_fun(scan.body), scan.body.out_avals

    def one_by_one(*operands: Any) -> list[Any]:
        fixed, carry, rows = scan.split(operands)
        outputs = {}
        for iteration in reversed(range(scan.length)) if scan.reverse else range(scan.length):
            row = (jax.lax.index_in_dim(each, iteration, keepdims=False) for each in rows)
            found = body(*fixed, *carry, *row)
            carry, outputs[iteration] = found[: scan.carried], found[scan.carried :]
        if not outputs:
            return [*carry, *(jnp.zeros((0, *aval.shape), aval.dtype) for aval in results[scan.carried :])]
        return [*carry, *map(jnp.stack, zip(*(outputs[i] for i in range(scan.length)), strict=True))]

    operands = (jax.ShapeDtypeStruct(variable.aval.shape, variable.aval.dtype) for variable in equation.invars)
    return jax.make_jaxpr(one_by_one)(*operands)
