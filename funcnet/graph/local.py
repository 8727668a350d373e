"""The local derivative: what one operation contributes to the chain rule, along one of its operands."""

from collections.abc import Callable
from typing import Any, NamedTuple

from .structure import Operation


class Site(NamedTuple):
    """An operation as it was run: with the values that went in and came out."""

    operation: Operation
    inputs: tuple[Any, ...]
    results: tuple[Any, ...]

    @property
    def params(self) -> dict[str, Any]:
        """What the operation is set to: axes, shapes, exponents."""
        return self.operation.equation.params


class Local(NamedTuple):
    """The local derivative ∂v/∂u of a result v in one operand u, as the linear map that it is.

    ``push`` takes a change of u to the change of v, (∂v/∂u) u̇, which forward mode uses; ``pull`` takes ∂J/∂v to its
    share of ∂J/∂u, (∂v/∂u)ᵀ ∂J/∂v, which reverse mode uses. Of an operation with several results, ``push`` returns a
    list and ``pull`` takes one. Griewank, Walther, *Evaluating Derivatives* (2008), sections 3.1 and 3.2.
    """

    push: Callable[[Any], Any]
    pull: Callable[[Any], Any] | None  # None where only push is written: it is then run in reverse


Rule = Callable[[Site, int], Local]  # of an operation, along the operand of that position
