"""The contract of a rule: it returns the local derivative of one operation in one of its operands, at given values."""

from collections.abc import Callable
from typing import Any, NamedTuple

from ..nodes import Operation


class Site(NamedTuple):
    """An operation with the values of its operands and of its results."""

    operation: Operation
    inputs: tuple[Any, ...]
    results: tuple[Any, ...]

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of the operation: axes, shapes, exponents."""
        return self.operation.equation.params


class LocalDerivative(NamedTuple):
    """The local derivative ∂v/∂u of the results v in one operand u, as a linear map.

    ``push``, for forward mode, maps a change of u to the list of the changes of the results, (∂v/∂u) u̇. ``pull``, for
    reverse mode, maps ∂J/∂v, one argument for each result, to its part of ∂J/∂u, (∂v/∂u)ᵀ ∂J/∂v. Griewank,
    Walther, *Evaluating Derivatives* (2008), sections 3.1 and 3.2.
    """

    push: Callable[[Any], list[Any]]
    pull: Callable[..., Any]


Rule = Callable[[Site, int], LocalDerivative]  # (operation with values, index of the operand)
