"""What a rule is: the local derivative of one operation along one of its operands, at the values of a run."""

from collections.abc import Callable
from typing import Any, NamedTuple

from ..nodes import Operation


class Site(NamedTuple):
    """An operation as it was run: with the values that went in and came out."""

    operation: Operation
    inputs: tuple[Any, ...]
    results: tuple[Any, ...]

    @property
    def params(self) -> dict[str, Any]:
        """What the operation is set to: axes, shapes, exponents."""
        return self.operation.equation.params


class LocalDerivative(NamedTuple):
    """The local derivative ∂v/∂u of a result v in one operand u, as the linear map that it is.

    ``push`` takes a change of u to the list of the changes of the results, (∂v/∂u) u̇, which forward mode uses; ``pull``
    takes ∂J/∂v, an argument for each result, to its share of ∂J/∂u, (∂v/∂u)ᵀ ∂J/∂v, which reverse mode uses. Griewank,
    Walther, *Evaluating Derivatives* (2008), sections 3.1 and 3.2.
    """

    push: Callable[[Any], list[Any]]
    pull: Callable[..., Any]


Rule = Callable[[Site, int], LocalDerivative]  # of an operation, along the operand of that position
