"""Three independent answers for every gradient of a network, and a report that compares them."""

from .check import check_gradients
from .network_report import GradientReport, GradientRow

__all__ = ["GradientReport", "GradientRow", "check_gradients"]
