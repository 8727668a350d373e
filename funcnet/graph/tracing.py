"""Tracing: from a function's JAX program to its graph. Calls and loops are replaced by their operations."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import jax

from ..errors import message
from ..jaxprs import called_name, called_program, interpret, is_known, unrolled
from .nodes import Operation, Program, Variable

# Functions with their own derivative rule stay one operation, so that the rule is used.
MOST_OPERATIONS = 100_000  # in a graph: tracing takes about 0.3 ms for each
CUSTOM_DERIVATIVE_CALLS = ("custom_jvp_call", "custom_vjp_call")


@dataclass
class GraphBuilder:
    """An unfinished graph: variables are numbers until all names are known."""

    variables: list[tuple[Any, str]] = field(default_factory=list)  # (object with shape and dtype, kind)
    names: dict[int, str] = field(default_factory=dict)
    equations: list[tuple[Any, tuple[Any, ...], tuple[int, ...]]] = field(default_factory=list)

    def new(self, like: Any, kind: str) -> int:
        """Return the number of a new variable with the shape and dtype of ``like``."""
        self.variables.append((like, kind))
        return len(self.variables) - 1

    def run(self, program: Any, operands: Sequence[Any]) -> list[Any]:
        """Add a program's operations, and return its results: numbers of variables, or constants."""
        return interpret(program, operands, self.add, constant=lambda array: self.new(array, "constant"))

    def add(self, equation: Any, inputs: list[Any]) -> Sequence[Any] | None:
        """Add an equation as an operation, or a loop as its operations; return None for a call, which is opened."""
        name = equation.primitive.name
        if name == "name" and is_known(equation):  # jax.ad_checkpoint.checkpoint_name, which computes nothing
            if isinstance(inputs[0], int):
                self.names.setdefault(inputs[0], equation.params["name"])
            return inputs
        if name not in CUSTOM_DERIVATIVE_CALLS and called_program(equation) is not None:
            return None
        loop = unrolled(equation, "graph.trace", MOST_OPERATIONS)
        if loop is not None:
            return self.run(loop, inputs)
        if len(self.equations) >= MOST_OPERATIONS:
            raise ValueError(message("graph.trace", f"at most {MOST_OPERATIONS:,} operations", "more"))
        results = [self.new(variable.aval, "computed") for variable in equation.outvars]
        self.equations.append((equation, tuple(inputs), tuple(results)))
        return results

    def unique_names(self) -> list[str]:
        """Return every variable's name: the given one (w, w′2, …), or c1, … of constants and v1, … of others."""
        names: dict[str, None] = {}  # in the order of the variables
        given = {base: _numbered(base) for base in self.names.values()}
        numbered = {"constant": (f"c{i}" for i in count(1)), "computed": (f"v{i}" for i in count(1))}
        for index, (_, kind) in enumerate(self.variables):
            if base := self.names.get(index):
                name = next(name for name in given[base] if name not in names)
            else:
                name = next(name for name in numbered[kind] if name not in given)
            names[name] = None
        return list(names)

    def program(self, inputs: list[int], outputs: list[Any]) -> Program:
        """Return the finished graph."""
        names = self.unique_names()

        def by_name(operands: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(names[each] if isinstance(each, int) else each for each in operands)

        variables = {
            name: Variable(name, tuple(like.shape), like.dtype, kind, like if kind == "constant" else None)
            for name, (like, kind) in zip(names, self.variables, strict=True)
        }
        operations = tuple(
            Operation(place, called_name(each) or each.primitive.name, each, by_name(operands), by_name(results))
            for place, (each, operands, results) in enumerate(self.equations)
        )
        return Program(variables, operations, by_name(inputs), by_name(outputs))


def _numbered(base: str) -> Iterator[str]:
    """Yield w, w′2, w′3, … for the base w."""
    yield base
    yield from (f"{base}′{i}" for i in count(2))


def argument_names(function: Callable[..., Any], arguments: tuple[Any, ...]) -> list[str]:
    """Return a name for every leaf of the arguments: the parameter's, with the path inside it.

    >>> argument_names(lambda w, pair: None, (1.0, (2.0, {"b": 3.0})))
    ['w', 'pair[0]', "pair[1]['b']"]
    """
    try:
        bound = inspect.signature(function).bind(*arguments).arguments
    except (TypeError, ValueError):  # a built-in function may have no signature
        bound = {f"x{index}": argument for index, argument in enumerate(arguments)}
    return [
        f"{name}{jax.tree_util.keystr(path)}"
        for name, value in bound.items()
        for path, _ in jax.tree_util.tree_leaves_with_path(value)
    ]


def program_of(
    function: Callable[..., Any], arguments: tuple[Any, ...], names: Sequence[str]
) -> tuple[Program, jax.tree_util.PyTreeDef]:
    """Return a function's graph, with a name for every leaf of the arguments, and the structure of what it returns."""
    program, results = jax.make_jaxpr(function, return_shape=True)(*arguments)
    graph = GraphBuilder()
    inputs = [graph.new(variable.aval, "input") for variable in program.jaxpr.invars]
    graph.names.update(zip(inputs, names, strict=True))
    outputs = graph.run(program, inputs)
    paths, structure = jax.tree_util.tree_flatten_with_path(results)
    for (path, _), output in zip(paths, outputs, strict=True):
        if isinstance(output, int):
            graph.names.setdefault(output, f"output{jax.tree_util.keystr(path)}")
    return graph.program(inputs, outputs), structure
