"""How a graph is shown: as a table of text, and as nodes and edges that ``drawing`` draws.

Kinds of nodes differ in shape and line as well as in colour: variables are round, inputs and outputs with a thick line,
constants with a dashed one; operations are square.
"""

from typing import Any

import jax
import jax.numpy as jnp

from ..drawing import Look, Node
from .nodes import Program, Variable, names_in, number

MAX_LINE_LENGTH = 30  # characters in a line of a node
BLUE, RED, GREY = "#0072B2", "#D55E00", "#555555"  # Okabe, Ito, "Color Universal Design" (2008)
LOOKS = {
    look.kind: look
    for look in (
        Look("input", "#DCEBF7", BLUE, 2.6, is_round=True, is_dashed=False),
        Look("computed", "#FFFFFF", BLUE, 1.2, is_round=True, is_dashed=False),
        Look("output", "#FCE6D9", RED, 2.6, is_round=True, is_dashed=False),
        Look("constant", "#FFFFFF", GREY, 1.2, is_round=True, is_dashed=True),
        Look("without value", "#F4F4F4", GREY, 1.0, is_round=True, is_dashed=True),
        Look("operation", "#E8E8E8", "#333333", 1.2, is_round=False, is_dashed=False),
    )
}
CAPTION = "round: variable (thick: input, output; dashed: constant) · square: operation"


def table(program: Program, values: dict[str, Any] | None, derivatives: dict[str, Any] | None) -> str:
    """Return a table with a row for each variable: its operation, and its value and derivative where they are given."""
    computed = {result: operation.expression for operation in program.operations for result in operation.results}
    kinds = {name: variable.kind for name, variable in program.variables.items()}
    described = {name: _described(variable) for name, variable in program.variables.items()}
    columns = [["variable", *kinds], ["operation", *(kinds | computed).values()]]
    if values is not None:
        texts = [number(values[name]) or text if name in values else "-" for name, text in described.items()]
        columns.append(["value", *texts])
    if derivatives is not None:  # variables that do not vary with the inputs have none
        of_each = {name: derivatives.get(name) for name in kinds}
        texts = ["-" if of_each[name] is None else number(of_each[name]) or text for name, text in described.items()]
        columns.append(["derivative", *texts])
    widths = [max(map(len, column)) for column in columns]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in zip(*columns, strict=True))


def nodes_and_edges(
    program: Program, values: dict[str, Any] | None, derivatives: dict[str, Any] | None
) -> tuple[dict[Any, Node], list[tuple[Any, Any]]]:
    """Return the nodes, variables by name and operations by index, and each edge between them once."""
    outputs = set(names_in(program.outputs))
    nodes: dict[Any, Node] = {
        variable.name: _of_variable(variable, variable.name in outputs, values, derivatives)
        for variable in program.variables.values()
    }
    edges: dict[tuple[Any, Any], None] = {}
    for operation in program.operations:
        text = operation.expression if len(operation.expression) <= MAX_LINE_LENGTH else _shortened(operation.name)
        nodes[operation.place] = Node(LOOKS["operation"], (text,))
        edges.update(((operand, operation.place), None) for operand in names_in(operation.operands))
        edges.update(((operation.place, result), None) for result in operation.results)
    return nodes, list(edges)


def _of_variable(
    variable: Variable, is_output: bool, values: dict[str, Any] | None, derivatives: dict[str, Any] | None
) -> Node:
    kind = "output" if is_output and variable.kind == "computed" else variable.kind
    if values is not None and variable.name not in values:
        return Node(LOOKS["without value"], (_shortened(variable.name), "no value"))
    value = None if values is None else number(values[variable.name])
    lines = [variable.name, f"value {value}" if value else _described(variable)]
    if derivatives is not None and variable.name in derivatives:
        derivative = derivatives[variable.name]
        lines.append(f"derivative {number(derivative) or list(derivative.shape)}")
    return Node(LOOKS[kind], tuple(map(_shortened, lines)))


def _described(variable: Variable) -> str:
    dtype = "key" if jnp.issubdtype(variable.dtype, jax.dtypes.prng_key) else str(variable.dtype)
    return f"{dtype} {list(variable.shape)}"


def _shortened(text: str) -> str:
    """Return a text, with its middle left out if it is too long."""
    half = MAX_LINE_LENGTH // 2
    return text if len(text) <= MAX_LINE_LENGTH else f"{text[: half - 1]}…{text[-half:]}"
