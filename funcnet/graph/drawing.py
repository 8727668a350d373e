"""Drawings of a graph, as text: SVG by the layout of one's own, DOT for Graphviz.

Variables and operations differ in shape, line and place of the text as well as in colour: variables are round, inputs
and outputs among them thick, constants dashed; operations are square.
"""

from html import escape
from typing import Any

import jax
import jax.numpy as jnp

from .layout import CHARACTER, LINE, MARGIN, Box, Layout, Look, Node, Point, layout
from .structure import Operation, Program, Variable, names_in, number

ROUND, SQUARE = 18, 2  # the radius of a variable's and of an operation's corners
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


def svg(drawing: Layout) -> str:
    """Return the SVG document of a layout: text in a monospaced font, escaped, and a caption that says what is what."""
    width, height = max(drawing.width, CHARACTER * len(CAPTION) + 2 * MARGIN), drawing.height + LINE
    start = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.1f} {height:.1f}" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" '
        'font-size="12" text-anchor="middle">',
        "<title>Computation graph</title>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
        'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#333333"/></marker></defs>',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<g transform="translate({(width - drawing.width) / 2:.1f} 0)">',
    ]
    arrows = [_svg_arrow(arrow) for arrow in drawing.arrows]
    boxes = [_svg_box(box) for box in drawing.boxes.values()]
    caption = f'<text x="{width / 2:.1f}" y="{height - MARGIN / 2:.1f}" font-size="11" fill="#333333">{CAPTION}</text>'
    return "\n".join([*start, *arrows, *boxes, "</g>", caption, "</svg>", ""])


def _svg_arrow(arrow: tuple[Point, ...]) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in arrow)
    return (
        f'<polyline class="arrow" points="{points}" fill="none" stroke="#333333" stroke-width="1.1" '
        'stroke-linejoin="round" marker-end="url(#head)"/>'
    )


def _svg_box(box: Box) -> str:
    look, lines = box.node
    radius, dashes = ROUND if look.is_round else SQUARE, ' stroke-dasharray="4 3"' if look.is_dashed else ""
    rectangle = (
        f'<rect x="{box.x - box.width / 2:.1f}" y="{box.y - box.height / 2:.1f}" width="{box.width:.1f}" '
        f'height="{box.height:.1f}" rx="{radius}" fill="{look.fill}" stroke="{look.line}" '
        f'stroke-width="{look.thickness}"{dashes}/>'
    )
    texts = []
    for at, text in enumerate(lines):
        weight = ' font-weight="bold"' if at == 0 and look.is_round else ""
        baseline = box.y + LINE * (at - (len(lines) - 1) / 2) + 4
        texts.append(f'<text x="{box.x:.1f}" y="{baseline:.1f}"{weight}>{escape(text, quote=False)}</text>')
    return "\n".join([f'<g class="{look.kind}">{rectangle}', *texts, "</g>"])


def dot(program: Program, values: dict[str, Any] | None, derivatives: dict[str, Any] | None) -> str:
    """Return the graph in DOT: Gansner, North, "An open graph visualization system" (2000)."""
    nodes, edges = nodes_and_edges(program, values, derivatives)
    names = {key: f"n{index}" for index, key in enumerate(nodes)}
    lines = ["digraph {", '  node [fontname="monospace", fontsize=11];']
    for key, node in nodes.items():
        look = node.look
        style = ("filled", *(("rounded",) if look.is_round else ()), *(("dashed",) if look.is_dashed else ()))
        settings = {
            "label": "\n".join(node.lines),
            "shape": "box",
            "style": ",".join(style),
            "fillcolor": look.fill,
            "color": look.line,
            "penwidth": str(look.thickness),
        }
        written = ", ".join(f"{name}={_quoted(value)}" for name, value in settings.items())
        lines.append(f"  {names[key]} [{written}];")
    lines += [f"  {names[source]} -> {names[target]};" for source, target in edges]
    return "\n".join([*lines, "}", ""])


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


def layout_of(program: Program, values: dict[str, Any] | None, derivatives: dict[str, Any] | None) -> Layout:
    """Return the layout of a graph's drawing."""
    return layout(*nodes_and_edges(program, values, derivatives))


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


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
