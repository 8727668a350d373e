"""The rules of local derivatives, by operation; an operation without one is refused by name and place."""

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

# Their results are constant but for jumps, or are declared to be: no derivative passes.
CONSTANT = {"sign", "floor", "ceil", "round", "stop_gradient"}


def local_derivative(
    operation: Operation, index: int, inputs: tuple[Any, ...], results: tuple[Any, ...]
) -> LocalDerivative:
    """Return ∂v/∂u of an operation along one of its operands, at the values of a run.

    Args:
        operation: the operation.
        index: the position of the operand u among the operation's operands.
        inputs: the values of its operands.
        results: the values of its results v.

    Raises ``NoRuleError`` that names the operation and its place.
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
    """Return whether a change of the operands can change the results by more than jumps."""
    return operation.equation.primitive.name not in CONSTANT or not is_known(operation.equation)
