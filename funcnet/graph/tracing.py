"""From a function to its graph: its JAX program's operations, those of calls and loops in their place."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax

from ..jaxprs import called_name, called_program, interpret, is_known, unrolled
from .nodes import Operation, Program, Variable

# Functions with a derivative rule of their own stay one operation, so that this rule is followed.
WITH_OWN_RULE = ("custom_jvp_call", "custom_vjp_call")


@dataclass
class Traced:
    """A graph while it grows: variables are numbers until all names are known."""

    shapes: list[Any] = field(default_factory=list)  # each variable's shape and dtype, in an object that has both
    kinds: list[str] = field(default_factory=list)
    constants: dict[int, Any] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    equations: list[tuple[Any, tuple[Any, ...], tuple[int, ...]]] = field(default_factory=list)

    def new(self, like: Any, kind: str) -> int:
        """Return the number of a new variable with the shape and dtype of ``like``."""
        self.shapes.append(like)
        self.kinds.append(kind)
        if kind == "constant":
            self.constants[len(self.kinds) - 1] = like
        return len(self.kinds) - 1

    def run(self, program: Any, operands: Sequence[Any]) -> list[Any]:
        """Add a program's operations, and return its results: numbers of variables, or literal values."""
        return interpret(program, operands, self.add, constant=lambda array: self.new(array, "constant"))

    def add(self, equation: Any, inputs: list[Any]) -> Sequence[Any] | None:
        """Add an equation as an operation; a loop as the operations of its turns, a name as a name, and open a call."""
        name = equation.primitive.name
        if name == "name" and is_known(equation):  # jax.ad_checkpoint.checkpoint_name, which computes nothing
            if isinstance(inputs[0], int):
                self.names.setdefault(inputs[0], equation.params["name"])
            return inputs
        if name not in WITH_OWN_RULE and called_program(equation) is not None:
            return None
        turns = unrolled(equation)
        if turns is not None:
            return self.run(turns, inputs)
        results = [self.new(variable.aval, "computed") for variable in equation.outvars]
        self.equations.append((equation, tuple(inputs), tuple(results)))
        return results

    def named(self) -> list[str]:
        """Return every variable's name: its own, or c1, c2, … of constants and v1, v2, … of what is computed."""
        used, names, counts = set(), [], {"constant": 0, "computed": 0, "input": 0}
        taken = set(self.names.values())
        for index, kind in enumerate(self.kinds):
            base = name = self.names.get(index, "")
            repeated = 1
            while not name or name in used or (not base and name in taken):
                if base:
                    repeated += 1
                    name = f"{base}′{repeated}"
                else:
                    counts[kind] += 1
                    name = f"{kind[0] if kind == 'constant' else 'v'}{counts[kind]}"
            used.add(name)
            names.append(name)
        return names

    def program(self, inputs: list[int], outputs: list[Any]) -> Program:
        """Return the finished graph."""
        names = self.named()

        def by_name(operands: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(names[each] if isinstance(each, int) else each for each in operands)

        variables = {
            name: Variable(name, tuple(aval.shape), aval.dtype, kind, self.constants.get(index))
            for index, (name, aval, kind) in enumerate(zip(names, self.shapes, self.kinds, strict=True))
        }
        operations = tuple(
            Operation(place, _name_of(equation), equation, by_name(operands), by_name(results))
            for place, (equation, operands, results) in enumerate(self.equations)
        )
        return Program(variables, operations, by_name(inputs), by_name(outputs))


def _name_of(equation: Any) -> str:
    """Return the primitive's name, or the function's own where it is a function with a derivative rule."""
    return called_name(equation) or equation.primitive.name


def argument_names(function: Callable[..., Any], arguments: tuple[Any, ...]) -> list[str]:
    """Return a name for every leaf of the arguments: the parameter's, with the path inside it.

    >>> argument_names(lambda w, pair: None, (1.0, (2.0, {"b": 3.0})))
    ['w', 'pair[0]', "pair[1]['b']"]
    """
    try:
        bound = inspect.signature(function).bind(*arguments).arguments
    except (TypeError, ValueError):  # a built-in function has no signature to read
        bound = {f"x{index}": argument for index, argument in enumerate(arguments)}
    named = {}
    for name, value in bound.items():
        leaves, _ = jax.tree_util.tree_flatten_with_path(value)
        named.update({f"{name}{jax.tree_util.keystr(path)}": leaf for path, leaf in leaves})
    return list(named)


def program_of(
    function: Callable[..., Any], arguments: tuple[Any, ...], names: Sequence[str]
) -> tuple[Program, jax.tree_util.PyTreeDef]:
    """Return a function's graph, with a name for every leaf of the arguments, and the structure of what it returns."""
    program, results = jax.make_jaxpr(function, return_shape=True)(*arguments)
    graph = Traced()
    inputs = [graph.new(variable.aval, "input") for variable in program.jaxpr.invars]
    graph.names.update(zip(inputs, names, strict=True))
    outputs = graph.run(program, inputs)
    paths, structure = jax.tree_util.tree_flatten_with_path(results)
    for (path, _), output in zip(paths, outputs, strict=True):
        if isinstance(output, int):
            graph.names.setdefault(output, f"output{jax.tree_util.keystr(path)}")
    return graph.program(inputs, outputs), structure
