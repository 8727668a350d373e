"""The rules of local derivatives, by operation. An operation without a rule is an error that names it."""

from typing import Any

import jax.numpy as jnp

from ...errors import message
from ...jaxprs import NoRuleError, is_known, name_of, rule_of
from ..nodes import Operation
from .base import LocalDerivative, Rule, Site
from .custom_derivatives import CUSTOM_DERIVATIVES
from .elementwise import ELEMENTWISE
from .linear import LINEAR
from .reductions import REDUCTIONS

RULES: dict[str, Rule] = ELEMENTWISE | LINEAR | REDUCTIONS | CUSTOM_DERIVATIVES

# Operations whose derivative is 0 wherever it exists, or is 0 by declaration.
PIECEWISE_CONSTANT = {"sign", "floor", "ceil", "round", "stop_gradient"}


def local_derivative(
    operation: Operation, index: int, inputs: tuple[Any, ...], results: tuple[Any, ...]
) -> LocalDerivative:
    """Return the local derivative ∂v/∂u of an operation in one of its operands, at given values.

    Args:
        operation: the operation.
        index: the position of the operand u among the operation's operands.
        inputs: the values of its operands.
        results: the values of its results v.

    Raises:
        NoRuleError: the operation has no rule, or computes with complex numbers.
    """
    equation = operation.equation
    rule = rule_of(equation, RULES)
    complex_dtype = next((str(v.dtype) for v in (*inputs, *results) if _is_complex(v)), None)
    if rule is None or complex_dtype is not None:
        of_dtype = f" of {complex_dtype}" if complex_dtype else ""
        name = operation.name if is_known(equation) else name_of(equation)
        got = f"{name}{of_dtype} in operation {operation.place} ({operation})"
        raise NoRuleError(message("graph", "an operation with a hand-written local derivative", got))
    return rule(Site(operation, inputs, results), index)


def _is_complex(value: Any) -> bool:
    return bool(jnp.issubdtype(value.dtype, jnp.complexfloating))


def passes_on(operation: Operation) -> bool:
    """Return whether the derivative of the results in the operands can differ from 0."""
    return operation.equation.primitive.name not in PIECEWISE_CONSTANT or not is_known(operation.equation)
