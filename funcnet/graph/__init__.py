"""Computation graphs: any function as variables and operations, with the value and the derivative of each variable."""

from ..drawing import Layout
from ..jaxprs import NoRuleError
from .graph import Counts, Graph, trace
from .nodes import Operation, Variable

__all__ = [
    "Counts",
    "Graph",
    "Layout",
    "NoRuleError",
    "Operation",
    "Variable",
    "trace",
]
