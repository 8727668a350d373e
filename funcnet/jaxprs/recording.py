"""Running of a program as JAX does, with a record of what is met, also within loops and branches that JAX compiles."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .equations import Scan, called_program, is_known, scan_of
from .interpreter import interpret, run

Record = Callable[[Any, Any, list[Any]], Any]  # (state, equation, its operands) -> the state after it


def recorded(program: Any, operands: Sequence[Any], state: Any, record: Record) -> tuple[Any, list[Any]]:
    """Return the state after a program, and the program's results; pure JAX.

    Args:
        program: a jaxpr with its constants.
        operands: the values of its inputs.
        state: a tree of arrays, whose shapes and dtypes stay.
        record: returns the state after an equation is met; calls, loops and branches are equations too.

    >>> def count(state, equation, inputs):
    ...     return state + int(equation.primitive.name == "sin")
    >>> program = jax.make_jaxpr(lambda x: lax.fori_loop(0, 3, lambda _, x: jnp.sin(x), x))(1.0)
    >>> int(recorded(program, [1.0], jnp.int32(0), count)[0])
    3
    """

    def apply(equation: Any, inputs: list[Any]) -> Sequence[Any] | None:
        nonlocal state
        state = record(state, equation, inputs)
        if scan := scan_of(equation):
            state, results = _scan(scan, inputs, state, record)
            return results
        if equation.primitive.name == "cond" and is_known(equation):
            which, *rest = inputs
            branches = [
                lambda state, operands, branch=branch: as_declared(branch, *recorded(branch, operands, state, record))
                for branch in equation.params["branches"]
            ]
            state, results = lax.switch(which, branches, state, rest)
            return results
        if equation.primitive.name == "while" and is_known(equation):
            state, results = _while(equation.params, inputs, state, record)
            return results
        return None if called_program(equation) is not None else run(equation, *inputs)

    results = interpret(program, operands, apply)
    return state, results


def as_declared(program: Any, state: Any, results: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Return a state and a program's results, those in the dtypes that the program declares; keys as they are."""
    return state, [
        each if jnp.issubdtype(aval.dtype, jax.dtypes.extended) else jnp.asarray(each, aval.dtype)
        for each, aval in zip(results, program.out_avals, strict=True)
    ]


def _scan(scan: Scan, operands: list[Any], state: Any, record: Record) -> tuple[Any, list[Any]]:
    fixed, first, rows = scan.split(operands)

    def iteration(carry: Any, row: Any) -> tuple[Any, Any]:
        state, values = carry
        state, results = as_declared(scan.body, *recorded(scan.body, [*fixed, *values, *row], state, record))
        return (state, results[: scan.carried]), results[scan.carried :]

    (state, last), outputs = lax.scan(iteration, (state, [*first]), [*rows], scan.length, scan.reverse)
    return state, [*last, *outputs]


def _while(params: dict[str, Any], operands: list[Any], state: Any, record: Record) -> tuple[Any, list[Any]]:
    of_test, of_body, first = split_while(params, operands)
    test, body = params["cond_jaxpr"], params["body_jaxpr"]

    def goes_on(carry: Any) -> jax.Array:  # what is met in the test is not recorded
        return jnp.any(going_on(test, of_test, carry[1]))

    def iteration(carry: Any) -> Any:
        state, values = carry
        state, results = as_declared(body, *recorded(body, [*of_body, *values], state, record))
        return state, going_rows(going_on(test, of_test, values), results, values)

    return lax.while_loop(goes_on, iteration, (state, [*first]))


def split_while(params: dict[str, Any], operands: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
    """Return the constants of a ``while`` loop's test and of its body, and the first carry."""
    start, end = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
    return operands[:start], operands[start:end], operands[end:]


def going_on(test: Any, constants: Sequence[Any], carry: Sequence[Any]) -> Any:
    """Return whether a ``while`` loop goes on: of a mapped loop, an array of booleans, one for each row."""
    return interpret(test, [*constants, *carry], lambda equation, inputs: run(equation, *inputs))[0]


def going_rows(going: Any, new: Any, old: Any) -> Any:
    """Return the carry after an iteration of a ``while`` loop: of a mapped loop, the rows that are done stay."""
    rank = jnp.ndim(going)
    if not rank:
        return new

    def chosen(each: Any, kept: Any) -> Any:
        return jnp.where(jnp.reshape(going, (*jnp.shape(going), *[1] * (jnp.ndim(each) - rank))), each, kept)

    return jax.tree.map(chosen, new, old)
