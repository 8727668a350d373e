"""Drawings of directed graphs without cycles: the layout, and the drawing as SVG or DOT."""

from .dot import dot_of
from .layout import Box, Layout, Look, Node, layout_of
from .svg import svg_of

__all__ = [
    "Box",
    "Layout",
    "Look",
    "Node",
    "dot_of",
    "layout_of",
    "svg_of",
]
