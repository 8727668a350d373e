"""Drawings of directed graphs without cycles: where nodes and arrows go, and the drawing as SVG or DOT."""

from .dot import dot_of as dot_of
from .layout import Box as Box
from .layout import Layout as Layout
from .layout import Look as Look
from .layout import Node as Node
from .layout import layout_of as layout_of
from .svg import svg_of as svg_of
