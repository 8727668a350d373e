"""A directed graph in DOT, the language of Graphviz: Gansner, North, "An open graph visualization system" (2000)."""

from collections.abc import Mapping, Sequence

from .layout import Key, Node


def dot_of(nodes: Mapping[Key, Node], edges: Sequence[tuple[Key, Key]]) -> str:
    """Return a directed graph in DOT.

    >>> from funcnet.drawing import Look
    >>> look = Look("number", "#FFFFFF", "#000000", 1.0, is_round=True, is_dashed=False)
    >>> print(dot_of({1: Node(look, ("one",)), 2: Node(look, ("two",))}, [(1, 2)]).splitlines()[-2])
      n0 -> n1;
    """
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


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
