"""Where an equation stands in the user's code, and what a program's equations meet when the program runs."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.extend import source_info_util

from .equations import CALLS, called_program, inner_programs, is_known, scan_of, walk
from .interpreter import interpret, run
from .turns import Turns

OWN = Path(__file__).parent.parent
JAX = Path(jax.__file__).parent
MOST_OPERATIONS = 20_000  # that are followed; after them, calls and loops are run, but not entered


def place_of(equation: Any) -> str:
    """Return where the user's code computes an equation, such as ``"loss.py:12 (loss)"``; ``""`` where funcnet does."""
    place, _, function = source_info_util.summarize(equation.source_info).partition(" ")
    is_own = Path(place.partition(":")[0]).is_relative_to(OWN)
    return "" if is_own else f"{Path(place).name} {function}".strip()


def function_of(equation: Any) -> tuple[str, str]:
    """Return the name of the function that an equation calls, and its file and line.

    >>> import jax
    >>> (equation,) = jax.make_jaxpr(jax.nn.relu)(1.0).eqns
    >>> function_of(equation)[0]
    'relu'
    """
    program = called_program(equation)
    info = getattr(program, "jaxpr", program).debug_info
    name, _, place = info.func_src_info.partition(" at ")
    return name or info.func_name, place


def rule_place(equation: Any) -> str:
    """Return the file and line of a derivative rule: of the backward pass or of the JVP; ``""`` where JAX keeps none.

    >>> (equation,) = jax.make_jaxpr(jax.nn.relu)(1.0).eqns
    >>> is_of_jax(rule_place(equation))
    True
    """
    rule = equation.params.get("bwd", equation.params.get("jvp_jaxpr_fun"))
    words = getattr(getattr(rule, "debug_info", None), "func_src_info", None) or ""
    return words.partition(" at ")[2]


def is_of_jax(place: str) -> bool:
    """Return whether a file and line are of JAX itself.

    >>> is_of_jax("loss.py:12")
    False
    """
    return Path(place.rpartition(":")[0]).is_relative_to(JAX)


def operand_names(equation: Any) -> list[str]:
    """Return the names of a called function's arguments, such as ``"params['w']"``, one for each operand.

    Those of a ``jax.custom_vjp`` are not kept by JAX: they are those of its forward function.

    >>> import jax
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
    are entered (of a ``while`` loop the first two and the last), and those that first take a branch. The result is the
    program's results, and in words what was not run or not entered: branches, loops without an iteration, rules of
    functions within operations that are not known.
    """
    followed = _Followed(seen)
    results = followed.follow(program, operands, ())
    return results, followed.missed()


class _Followed:
    """What is met while a program is followed."""

    def __init__(self, seen: Callable[[Visit], None]) -> None:
        self.seen = seen
        self.branching: dict[int, Any] = {}  # the conds that are run, by their identity
        self.taken: dict[int, set[int]] = {}  # the branches that they take, in any iteration
        self.entered: dict[int, set[int]] = {}  # those in which the equations were reported
        self.unknown: set[int] = set()  # conds that are run without a record
        self.notes: dict[str, None] = {}
        self.turns: dict[int, Turns] = {}
        self.operations = 0

    def follow(self, program: Any, operands: Sequence[Any], within: tuple[str, ...]) -> list[Any]:
        """Run a program and report its equations."""
        return interpret(program, operands, lambda equation, inputs: self._apply(equation, inputs, within))

    def _apply(self, equation: Any, inputs: list[Any], within: tuple[str, ...]) -> Sequence[Any]:
        self.seen(Visit(equation, inputs, within))
        self.operations += 1
        name, called = equation.primitive.name, called_program(equation)
        holds = any(True for _ in inner_programs(equation))
        if holds and self.operations > MOST_OPERATIONS:
            self._leave(equation, f"after {MOST_OPERATIONS:,} operations")
        elif scan_of(equation) or (name == "while" and is_known(equation)):
            return self._loop(equation, inputs, (*within, name))
        elif name == "cond" and is_known(equation):
            branches = equation.params["branches"]
            which = int(np.clip(int(inputs[0]), 0, len(branches) - 1))
            self._take(equation, which)
            self.entered.setdefault(id(equation), set()).add(which)
            return self.follow(branches[which], inputs[1:], (*within, "cond"))
        elif called is not None:
            return self.follow(called, inputs, (*within, name))
        elif name == "custom_linear_solve" and set(equation.params) == {"const_lengths", "jaxprs"}:
            return self._linear_solve(equation, inputs, (*within, name))
        elif holds:
            self._leave(equation, "which is not entered")
        return run(equation, *inputs)

    def _take(self, equation: Any, branch: int) -> None:
        self.branching[id(equation)] = equation
        self.taken.setdefault(id(equation), set()).add(branch)

    def _leave(self, equation: Any, why: str) -> None:
        """Note what is within an equation that is run, but not entered."""
        inner = [each for program in inner_programs(equation) for each, _ in walk(program)]
        self.unknown |= {id(each) for each in inner if each.primitive.name == "cond"}
        rules = [each for each in inner if is_rule(each) and called_program(each) is not None]
        names = dict.fromkeys(function_of(each)[0] for each in rules)
        place = f"{equation.primitive.name} in {place_of(equation)}".removesuffix(" in ")
        if names:
            self.notes[f"the rule of {', '.join(names)} within the {place}, {why}"] = None
        elif why.startswith("after"):
            self.notes[f"what is within the {place}, {why}"] = None

    def _loop(self, equation: Any, inputs: list[Any], within: tuple[str, ...]) -> list[Any]:
        """Run a loop, then report the equations of some of its iterations."""
        if id(equation) not in self.turns:
            self.turns[id(equation)] = Turns(equation)
        turns = self.turns[id(equation)]
        done = turns.run(inputs)
        for cond, branch in done.taken:
            self._take(cond, branch)
        if not done.given:
            self.notes[f"the {within[-1]} in {place_of(equation)} has no iteration"] = None
        for operands in done.given:
            self.follow(turns.body, operands, within)
        return done.results

    def _linear_solve(self, equation: Any, inputs: list[Any], within: tuple[str, ...]) -> list[Any]:
        """Solve, and report the equations of the solver, and of the product of the matrix and the solution."""
        lengths, programs = equation.params["const_lengths"], equation.params["jaxprs"]
        ends = np.cumsum([0, *lengths])
        constants = [inputs[start:end] for start, end in itertools.pairwise(ends)]
        results = run(equation, *inputs)
        self.follow(programs.solve, [*constants[2], *inputs[ends[-1] :]], within)
        self.follow(programs.matvec, [*constants[0], *results], within)
        return results

    def missed(self) -> list[str]:
        """Return in words what was not run or not entered."""
        words = []
        for key, equation in self.branching.items():
            count = len(equation.params["branches"])
            for branch in range(count):
                place = f"branch {branch} of {count} of the cond in {place_of(equation)}"
                if branch in self.taken[key] and branch not in self.entered.get(key, ()):
                    words.append(f"{place}, which is taken in an iteration that is not entered")
                elif branch not in self.taken[key] and key not in self.unknown:
                    words.append(f"{place} is not taken")
        return [*words, *sorted(self.notes)]


def is_rule(equation: Any) -> bool:
    """Return whether an equation calls a function with a rule of its own: for its derivative, or for ``vmap``."""
    return equation.primitive.name in CALLS and equation.primitive.name.startswith("custom_")
