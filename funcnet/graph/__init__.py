"""Computation graphs: any function as variables and operations, with every value and every derivative kept."""

from ..programs import NoRuleError as NoRuleError
from .graph import Counts as Counts
from .graph import Graph as Graph
from .graph import trace as trace
from .layout import Layout as Layout
from .structure import Operation as Operation
from .structure import Variable as Variable
