"""From a function to its graph: its JAX program with every called program written out in its place."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp

from ..programs import Scan, called_program, is_known, literal, scan_of
from .structure import Operation, Program, Variable

# Functions with a derivative rule of their own stay one operation, so that this rule is followed.
WITH_OWN_RULE = ("custom_jvp_call", "custom_vjp_call")


@dataclass
class Traced:
    """A graph while it grows: variables are numbers until all names are known."""

    shapes: list[Any] = field(default_factory=list)  # of each variable its abstract value
    kinds: list[str] = field(default_factory=list)
    constants: dict[int, Any] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    equations: list[tuple[Any, tuple[Any, ...], tuple[int, ...]]] = field(default_factory=list)

    def new(self, aval: Any, kind: str, constant: Any = None) -> int:
        """Return a new variable's number."""
        self.shapes.append(aval)
        self.kinds.append(kind)
        if kind == "constant":
            self.constants[len(self.kinds) - 1] = constant
        return len(self.kinds) - 1

    def run(self, jaxpr: Any, consts: Sequence[Any], operands: Sequence[Any]) -> list[Any]:
        """Add a program's operations, and return its results: numbers of variables, or literal values."""
        known: dict[Any, Any] = dict(zip(jaxpr.invars, operands, strict=True))
        known.update(
            (variable, self.new(variable.aval, "constant", const))
            for variable, const in zip(jaxpr.constvars, consts, strict=True)
        )

        def read(variable: Any) -> Any:
            value = literal(variable)
            return known[variable] if value is None else value

        for equation in jaxpr.eqns:
            inputs = [read(variable) for variable in equation.invars]
            known.update(zip(equation.outvars, self.results_of(equation, inputs), strict=True))
        return [read(variable) for variable in jaxpr.outvars]

    def results_of(self, equation: Any, inputs: list[Any]) -> Sequence[Any]:
        """Add one equation: a call or a loop as the operations inside, a name as a name, all else as an operation."""
        name = equation.primitive.name
        if name == "name" and is_known(equation):  # jax.ad_checkpoint.checkpoint_name, which computes nothing
            if isinstance(inputs[0], int):
                self.names.setdefault(inputs[0], equation.params["name"])
            return inputs
        called = None if name in WITH_OWN_RULE else called_program(equation)
        scan = scan_of(equation)
        if scan is not None:
            unrolled = jax.make_jaxpr(_unrolled(scan))(*(_abstract(v.aval) for v in equation.invars))
            called = unrolled.jaxpr, unrolled.consts
        if called is not None:
            return self.run(*called, inputs)
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
    called = called_program(equation) if equation.primitive.name in WITH_OWN_RULE else None
    return equation.primitive.name if called is None else called[0].debug_info.func_name


def _abstract(aval: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype)


def _unrolled(scan: Scan) -> Callable[..., list[Any]]:
    """Return a loop of a known number of turns (``jax.lax.scan``) as a function without a loop."""

    def run(*operands: Any) -> list[Any]:
        rest = scan.consts + scan.carried
        fixed, carry, rows = operands[: scan.consts], list(operands[scan.consts : rest]), operands[rest:]
        outputs: dict[int, list[Any]] = {}
        for turn in scan.turns:
            results = list(
                scan.body(*fixed, *carry, *(jax.lax.index_in_dim(row, turn, keepdims=False) for row in rows))
            )
            carry, outputs[turn] = results[: scan.carried], results[scan.carried :]
        if not outputs:
            return [*carry, *(jnp.zeros((0, *aval.shape), aval.dtype) for aval in scan.result_avals[scan.carried :])]
        return [*carry, *(jnp.stack([outputs[turn][at] for turn in sorted(outputs)]) for at in range(len(outputs[0])))]

    return run


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
    outputs = graph.run(program.jaxpr, program.consts, inputs)
    paths, structure = jax.tree_util.tree_flatten_with_path(results)
    for (path, _), output in zip(paths, outputs, strict=True):
        if isinstance(output, int):
            graph.names.setdefault(output, f"output{jax.tree_util.keystr(path)}")
    return graph.program(inputs, outputs), structure
