"""The chain rule over a graph, in both directions, and which operations a derivative passes at all.

Griewank, Walther, *Evaluating Derivatives* (2008), chapter 3: forward (tangent) and reverse (adjoint) accumulation.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from .local import Local
from .rules import local_derivative, passes_on
from .structure import Operation, Program, names_in
from .tracing import program_of

Values = dict[str, Any]  # by the variable's name


def run(program: Program, inputs: Sequence[Any]) -> Values:
    """Return the value of every variable."""
    values = {name: v.constant for name, v in program.variables.items() if v.kind == "constant"}
    values.update(zip(program.inputs, inputs, strict=True))
    for operation in program.operations:
        results = operation.run(*_read(operation.operands, values))
        several = operation.equation.primitive.multiple_results
        values.update(zip(operation.results, results if several else [results], strict=True))
    return {name: values[name] for name in program.variables}


def varying(program: Program, inputs: Iterable[str]) -> set[str]:
    """Return the variables that change by little where the inputs do: the inputs, and what follows smoothly."""
    reached = {name for name in inputs if program.variables[name].may_vary}
    for operation in program.operations:
        if passes_on(operation) and reached.intersection(names_in(operation.operands)):
            reached.update(name for name in operation.results if program.variables[name].may_vary)
    return reached


def active(program: Program, inputs: Iterable[str], outputs: Iterable[str]) -> set[str]:
    """Return the variables on a way from an input to an output along which a derivative passes."""
    varies = varying(program, inputs)
    used = varies.intersection(outputs)
    for operation in reversed(program.operations):
        if passes_on(operation) and used.intersection(operation.results):
            used.update(varies.intersection(names_in(operation.operands)))
    return used


def edges(program: Program, chosen: set[str]) -> Iterator[tuple[Operation, int, str]]:
    """Yield (operation, operand's position, its name) for every local derivative between chosen variables, in order."""
    for operation in program.operations:
        if passes_on(operation) and chosen.intersection(operation.results):
            for index, operand in enumerate(operation.operands):
                if isinstance(operand, str) and operand in chosen:
                    yield operation, index, operand


def reverse(program: Program, chosen: set[str], values: Values, seeds: Values) -> Values:
    """Return ∂J/∂v of the chosen variables, given those of the outputs: ūⱼ = Σᵢ (∂vᵢ/∂uⱼ)ᵀ v̄ᵢ, each edge once."""
    derivatives = dict(seeds)
    for operation, index, operand in reversed(list(edges(program, chosen))):
        local = _local(operation, index, values)
        above = [
            derivatives[name] if name in derivatives else jnp.zeros_like(values[name]) for name in operation.results
        ]
        share = _pulled(local, operation, values[operand], above)
        derivatives[operand] = derivatives[operand] + share if operand in derivatives else share
    return derivatives


def forward(program: Program, chosen: set[str], values: Values, seeds: Values) -> Values:
    """Return the change of the chosen variables, given those of inputs: v̇ᵢ = Σⱼ (∂vᵢ/∂uⱼ) u̇ⱼ, each edge once."""
    changes = dict(seeds)
    for operation, index, operand in edges(program, chosen):
        local = _local(operation, index, values)
        moved = local.push(changes[operand])
        several = operation.equation.primitive.multiple_results
        for name, change in zip(operation.results, moved if several else [moved], strict=True):
            if name in chosen:
                changes[name] = changes[name] + change if name in changes else change
    return changes


def _pulled(local: Local, operation: Operation, operand: jax.Array, above: list[Any]) -> jax.Array:
    """Return (∂v/∂u)ᵀ v̄ by ``pull``, or, where only ``push`` is written, by reverse mode through its program."""
    if local.pull is not None:
        return local.pull(above if operation.equation.primitive.multiple_results else above[0])
    still = jnp.zeros_like(operand)
    program, _ = program_of(local.push, (still,), ["change"])
    values = run(program, [still])
    seeds: Values = {}
    for name, seed in zip(program.outputs, above, strict=True):
        if isinstance(name, str):  # else that result does not change
            seeds[name] = seeds[name] + seed if name in seeds else seed
    chosen = active(program, program.inputs, seeds)
    derivatives = reverse(program, chosen, values, {name: seed for name, seed in seeds.items() if name in chosen})
    return derivatives.get("change", still)


def _local(operation: Operation, index: int, values: Values) -> Local:
    inputs, results = _read(operation.operands, values), _read(operation.results, values)
    return local_derivative(operation, index, inputs, results)


def _read(operands: Iterable[Any], values: Values) -> tuple[Any, ...]:
    return tuple(values[each] if isinstance(each, str) else each for each in operands)
