"""Where an equation stands in the user's code, and what a program's equations meet when the program runs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import source_info_util
from jax.extend.core import jaxpr_as_fun

from .equations import called_program, is_known, scan_of
from .interpreter import interpret, run

OWN = Path(__file__).parent.parent
MOST_TURNS = 10_000  # of a ``while`` loop that is followed


def place_of(equation: Any) -> str:
    """Return where the user's code computes an equation, such as ``"loss.py:12 (loss)"``; ``""`` where funcnet does."""
    place, _, function = source_info_util.summarize(equation.source_info).partition(" ")
    is_own = Path(place.partition(":")[0]).is_relative_to(OWN)
    return "" if is_own else f"{Path(place).name} {function}".strip()


def function_of(equation: Any) -> tuple[str, str]:
    """Return the name of the function that an equation calls, and its file and line.

    >>> (equation,) = jax.make_jaxpr(jax.nn.relu)(1.0).eqns
    >>> function_of(equation)[0]
    'relu'
    """
    program = called_program(equation)
    info = getattr(program, "jaxpr", program).debug_info
    name, _, place = info.func_src_info.partition(" at ")
    return name or info.func_name, place


def operand_names(equation: Any) -> list[str]:
    """Return the names of a called function's arguments, such as ``"params['w']"``, one for each operand.

    Those of a ``jax.custom_vjp`` are not kept by JAX: they are those of its forward function.

    >>> (equation,) = jax.make_jaxpr(jax.nn.relu)(1.0).eqns
    >>> operand_names(equation)
    ['x']
    """
    program = called_program(equation)
    kept = getattr(program, "jaxpr", program).debug_info.arg_names
    if not kept and "fwd_jaxpr_thunk" in equation.params:
        kept = getattr(getattr(equation.params["fwd_jaxpr_thunk"], "debug_info", None), "arg_names", None)
    names, count = [str(name) for name in kept or ()], len(equation.invars)
    if not names or len(names) > count:
        return [f"operand {at}" for at in range(count)]
    constants = [f"constant {at}" for at in range(count - len(names))]  # what the function closes over
    return [*constants, *names]


class Visit:
    """What ``visit`` reports: an equation, its operands' values and the operations around it, outermost first."""

    def __init__(self, equation: Any, operands: list[Any], within: tuple[str, ...]) -> None:
        self.equation, self.operands, self.within = equation, operands, within


def visit(program: Any, operands: Sequence[Any], seen: Callable[[Visit], None]) -> tuple[list[Any], list[str]]:
    """Run a program and report every equation that is met, with its operands' values.

    Calls, loops and the branches that are taken are entered. Of a loop, the first, the middle and the last iteration
    are entered, and a ``while`` loop's first two. The result is the program's results, and in words what was not run:
    branches, loops without an iteration.
    """
    taken: dict[int, set[int]] = {}
    branching: dict[int, Any] = {}
    empty: set[str] = set()

    def follow(program: Any, operands: Sequence[Any], within: tuple[str, ...]) -> list[Any]:
        def apply(equation: Any, inputs: list[Any]) -> Sequence[Any] | None:
            seen(Visit(equation, inputs, within))
            name = equation.primitive.name
            if scan := scan_of(equation):
                if not scan.length:
                    empty.add(f"the scan in {place_of(equation)} has no iteration")
                return _through_scan(scan, inputs, lambda body, given: follow(body, given, (*within, "scan")))
            if name == "cond" and is_known(equation):
                branches = equation.params["branches"]
                which = int(np.clip(int(inputs[0]), 0, len(branches) - 1))
                taken.setdefault(id(equation), set()).add(which)
                branching[id(equation)] = equation
                return follow(branches[which], inputs[1:], (*within, "cond"))
            if name == "while" and is_known(equation):
                if equation.params["cond_jaxpr"].out_avals[0].shape:
                    return run(equation, *inputs)  # a mapped loop, whose rows end one by one, is not entered
                return _through_while(
                    equation.params, inputs, lambda body, given: follow(body, given, (*within, "while"))
                )
            if (called := called_program(equation)) is not None:
                return follow(called, inputs, (*within, name))
            return run(equation, *inputs)

        return interpret(program, operands, apply)

    results = follow(program, operands, ())
    missed = [
        f"branch {branch} of {len(equation.params['branches'])} of the cond in {place_of(equation)} is not taken"
        for key, equation in branching.items()
        for branch in range(len(equation.params["branches"]))
        if branch not in taken[key]
    ]
    return results, [*missed, *sorted(empty)]


def _through_scan(scan: Any, operands: list[Any], follow: Callable[[Any, list[Any]], list[Any]]) -> list[Any]:
    fixed, carry, rows = scan.split(operands)
    fast, outputs = jax.jit(jaxpr_as_fun(scan.body)), {}
    order = [*range(scan.length)][:: -1 if scan.reverse else 1]
    entered = {order[at] for at in (0, scan.length // 2, scan.length - 1)} if order else set()
    for iteration in order:
        given = [*fixed, *carry, *(each[iteration] for each in rows)]
        results = follow(scan.body, given) if iteration in entered else fast(*given)
        carry, outputs[iteration] = results[: scan.carried], results[scan.carried :]
    if not outputs:
        return [*carry, *(jnp.zeros((0, *aval.shape), aval.dtype) for aval in scan.body.out_avals[scan.carried :])]
    return [*carry, *map(jnp.stack, zip(*(outputs[at] for at in range(scan.length)), strict=True))]


def _through_while(params: dict[str, Any], operands: list[Any], follow: Callable[..., list[Any]]) -> list[Any]:
    start = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
    of_test, of_body, carry = operands[: start[0]], operands[start[0] : start[1]], operands[start[1] :]
    test, body = jax.jit(jaxpr_as_fun(params["cond_jaxpr"])), jax.jit(jaxpr_as_fun(params["body_jaxpr"]))
    for turn in range(MOST_TURNS):
        if not test(*of_test, *carry)[0]:
            break
        given = [*of_body, *carry]
        carry = follow(params["body_jaxpr"], given) if turn < 2 else body(*given)
    return carry
