"""Three independent answers for every gradient of a network, and a report that compares them."""

from .check import check_gradients
from .functions import check_function
from .network_report import GradientReport, GradientRow
from .report import DerivativeReport, Finding, GradientError
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
