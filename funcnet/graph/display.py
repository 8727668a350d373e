"""How a graph is shown: as a table of text, and as nodes and edges that ``drawing`` draws.

Variables and operations differ in shape, line and place of the text as well as in colour: variables are round, inputs
and outputs among them thick, constants dashed; operations are square.
"""

from typing import Any

import jax
import jax.numpy as jnp

from ..drawing import Look, Node
from .nodes import Operation, Program, Variable, names_in, number

LONGEST = 30  # characters on a node's line
BLUE, RED, GREY = "#0072B2", "#D55E00", "#555555"  # Okabe, Ito, "Color Universal Design" (2008)
LOOKS = {
    look.kind: look
    for look in (
        Look("input", "#DCEBF7", BLUE, 2.6, is_round=True, is_dashed=False),
        Look("computed", "#FFFFFF", BLUE, 1.2, is_round=True, is_dashed=False),
        Look("output", "#FCE6D9", RED, 2.6, is_round=True, is_dashed=False),
        Look("constant", "#FFFFFF", GREY, 1.2, is_round=True, is_dashed=True),
        Look("operation", "#E8E8E8", "#333333", 1.2, is_round=False, is_dashed=False),
    )
}
CAPTION = "round: variable (thick: input, output; dashed: constant) · square: operation"


def table(program: Program, values: dict[str, Any] | None, derivatives: dict[str, Any] | None) -> str:
    """Return a line for each variable: what computes it, its value and its derivative, where they are given."""
    computed = {result: operation.expression for operation in program.operations for result in operation.results}
    rows = [["variable", "operation", *([] if values is None else ["value"])]]
    rows[0] += [] if derivatives is None else ["derivative"]
    for name, variable in program.variables.items():
        row = [name, computed.get(name, variable.kind)]
        row += [] if values is None else [number(values[name]) or _described(variable)]
        if derivatives is not None:
            derivative = derivatives.get(name)
            row.append("-" if derivative is None else number(derivative) or _described(variable))
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def nodes_and_edges(
    program: Program, values: dict[str, Any] | None, derivatives: dict[str, Any] | None
) -> tuple[dict[Any, Node], list[tuple[Any, Any]]]:
    """Return what is drawn: variables by name, operations by place, and each edge between them once."""
    outputs = set(names_in(program.outputs))
    nodes: dict[Any, Node] = {
        variable.name: _of_variable(variable, variable.name in outputs, values, derivatives)
        for variable in program.variables.values()
    }
    edges: dict[tuple[Any, Any], None] = {}
    for operation in program.operations:
        nodes[operation.place] = _of_operation(operation)
        edges.update(((operand, operation.place), None) for operand in names_in(operation.operands))
        edges.update(((operation.place, result), None) for result in operation.results)
    return nodes, list(edges)


def _of_variable(
    variable: Variable, is_output: bool, values: dict[str, Any] | None, derivatives: dict[str, Any] | None
) -> Node:
    kind = "output" if is_output and variable.kind == "computed" else variable.kind
    value = None if values is None else number(values[variable.name])
    lines = [variable.name, f"value {value}" if value else _described(variable)]
    if derivatives is not None and variable.name in derivatives:
        derivative = derivatives[variable.name]
        lines.append(f"derivative {number(derivative) or list(derivative.shape)}")
    return Node(LOOKS[kind], tuple(map(_shortened, lines)))


def _described(variable: Variable) -> str:
    dtype = "key" if jnp.issubdtype(variable.dtype, jax.dtypes.prng_key) else str(variable.dtype)
    return f"{dtype} {list(variable.shape)}"


def _of_operation(operation: Operation) -> Node:
    text = operation.expression
    return Node(LOOKS["operation"], (text if len(text) <= LONGEST else _shortened(operation.name),))


def _shortened(text: str) -> str:
    """Return a text with its middle left out where it is long, as both ends of a path tell most."""
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[: half - 1]}…{text[-half:]}"
