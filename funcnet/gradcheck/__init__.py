"""Three independent answers for every gradient of a network, and a report that compares them."""

from .check import check_gradients
from .findings import DerivativeReport, Finding, GradientError
from .functions import check_function
from .report import GradientReport, GradientRow
from .rules import check_rules

__all__ = [
    "DerivativeReport",
    "Finding",
    "GradientError",
    "GradientReport",
    "GradientRow",
    "check_function",
    "check_gradients",
    "check_rules",
]
