"""The chain rule over a graph in forward and in reverse mode, and the variables that have a derivative.

Griewank, Walther, *Evaluating Derivatives* (2008), chapter 3: forward (tangent) and reverse (adjoint) accumulation.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import jax.numpy as jnp

from .nodes import Operation, Program, names_in
from .rules import local_derivative, passes_on
from .rules.base import LocalDerivative

Values = dict[str, Any]  # by the name of the variable


def run(program: Program, given: Values) -> Values:
    """Return the values of the given variables, the constants, and what the operations compute of them."""
    values = {name: v.constant for name, v in program.variables.items() if v.kind == "constant"} | given
    for operation in program.operations:
        results = operation.run(*_read(operation.operands, values))
        values |= {name: value for name, value in zip(operation.results, results, strict=True) if name not in given}
    return {name: values[name] for name in program.variables if name in values}


def needed_operations(
    program: Program, names: Iterable[str], given: Iterable[str]
) -> tuple[tuple[Operation, ...], set[str]]:
    """Return the operations that compute these variables from the given ones, and all variables that they need."""
    needed, known, operations = set(names), set(given), []
    for operation in reversed(program.operations):
        if (needed - known).intersection(operation.results):
            operations.append(operation)
            needed.update(names_in(operation.operands))
    return tuple(reversed(operations)), needed


def varying(program: Program, inputs: Iterable[str]) -> set[str]:
    """Return the variables that depend on the inputs with a derivative: the floating inputs, and what they reach."""
    reached = {name for name in inputs if program.variables[name].may_vary}
    for operation in program.operations:
        if passes_on(operation) and reached.intersection(names_in(operation.operands)):
            reached.update(name for name in operation.results if program.variables[name].may_vary)
    return reached


def active(program: Program, inputs: Iterable[str], outputs: Iterable[str]) -> set[str]:
    """Return the variables on a path from an input to an output along which derivatives can differ from 0."""
    varies = varying(program, inputs)
    used = varies.intersection(outputs)
    for operation in reversed(program.operations):
        if passes_on(operation) and used.intersection(operation.results):
            used.update(varies.intersection(names_in(operation.operands)))
    return used


def edges(program: Program, chosen: set[str]) -> Iterator[tuple[Operation, int, str]]:
    """Yield (operation, operand's index, operand's name) of every local derivative between chosen variables."""
    for operation in program.operations:
        if passes_on(operation) and chosen.intersection(operation.results):
            for index, operand in enumerate(operation.operands):
                if isinstance(operand, str) and operand in chosen:
                    yield operation, index, operand


def reverse(program: Program, chosen: set[str], values: Values, seeds: Values) -> Values:
    """Return ∂J/∂v of the chosen variables, by ūⱼ = Σᵢ (∂vᵢ/∂uⱼ)ᵀ v̄ᵢ; each local derivative is used once.

    Args:
        program: the graph.
        chosen: the names of the variables.
        values: the value of every variable.
        seeds: ∂J/∂v of the outputs.
    """
    derivatives = dict(seeds)
    for operation, index, operand in reversed(list(edges(program, chosen))):
        local = _local(operation, index, values)
        above = [
            derivatives[name] if name in derivatives else jnp.zeros_like(values[name]) for name in operation.results
        ]
        share = local.pull(*above)
        derivatives[operand] = derivatives[operand] + share if operand in derivatives else share
    return derivatives


def forward(program: Program, chosen: set[str], values: Values, seeds: Values) -> Values:
    """Return the changes of the chosen variables, by v̇ᵢ = Σⱼ (∂vᵢ/∂uⱼ) u̇ⱼ; each local derivative is used once.

    Args:
        program: the graph.
        chosen: the names of the variables.
        values: the value of every variable.
        seeds: the changes of the inputs.
    """
    changes = dict(seeds)
    for operation, index, operand in edges(program, chosen):
        local = _local(operation, index, values)
        for name, change in zip(operation.results, local.push(changes[operand]), strict=True):
            if name in chosen:
                changes[name] = changes[name] + change if name in changes else change
    return changes


def _local(operation: Operation, index: int, values: Values) -> LocalDerivative:
    inputs, results = _read(operation.operands, values), _read(operation.results, values)
    return local_derivative(operation, index, inputs, results)


def _read(operands: Iterable[Any], values: Values) -> tuple[Any, ...]:
    return tuple(values[each] if isinstance(each, str) else each for each in operands)
