"""Reading of JAX programs (jaxprs): what an equation holds, one interpreter, and the count of multiply-adds."""

from .counting import multiply_adds
from .equations import (
    CALLS,
    CONTROL,
    KNOWN,
    NoRuleError,
    Scan,
    called_name,
    called_program,
    fingerprint,
    is_known,
    name_of,
    operations,
    rule_of,
    scan_of,
    walk,
    without_addresses,
)
from .interpreter import interpret, run, unrolled
from .recording import going_on, going_rows, recorded, split_while
from .visiting import Visit, function_of, is_of_jax, is_rule, operand_names, place_of, rule_place, visit

__all__ = [
    "CALLS",
    "CONTROL",
    "KNOWN",
    "NoRuleError",
    "Scan",
    "Visit",
    "called_name",
    "called_program",
    "fingerprint",
    "function_of",
    "going_on",
    "going_rows",
    "interpret",
    "is_known",
    "is_of_jax",
    "is_rule",
    "multiply_adds",
    "name_of",
    "operand_names",
    "operations",
    "place_of",
    "recorded",
    "rule_of",
    "rule_place",
    "run",
    "scan_of",
    "split_while",
    "unrolled",
    "visit",
    "walk",
    "without_addresses",
]
