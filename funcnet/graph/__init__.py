"""Computation graphs: any function as variables and operations, with every value and every derivative kept."""

from ..drawing import Layout as Layout
from ..jaxprs import NoRuleError as NoRuleError
from .graph import Counts as Counts
from .graph import Graph as Graph
from .graph import trace as trace
from .nodes import Operation as Operation
from .nodes import Variable as Variable
