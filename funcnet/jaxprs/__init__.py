"""Reading of JAX programs (jaxprs): one interpreter, what calls and loops hold, and which operations are known."""

from .calls import CALLS, CONTROL, Scan, called_name, called_program, operations, scan_of, walk
from .interpreter import interpret, listed, run, unrolled
from .known import KNOWN, NoRuleError, is_known, name_of, rule_of

__all__ = [
    "CALLS",
    "CONTROL",
    "KNOWN",
    "NoRuleError",
    "Scan",
    "called_name",
    "called_program",
    "interpret",
    "is_known",
    "listed",
    "name_of",
    "operations",
    "rule_of",
    "run",
    "scan_of",
    "unrolled",
    "walk",
]
