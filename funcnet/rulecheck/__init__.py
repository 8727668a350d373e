"""The derivatives of any function, and the rules of its own derivatives, against numerical ones, and the report."""

from .functions import check_function
from .report import DerivativeReport, Finding, GradientError
from .rules import check_rules

__all__ = ["DerivativeReport", "Finding", "GradientError", "check_function", "check_rules"]
