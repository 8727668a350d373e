"""The nodes of a computation graph: variables, and the operations between them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..jaxprs import is_known, run


@dataclass(frozen=True, eq=False)
class Variable:
    """A node that holds a value: an argument's leaf, an array that the function closes over, or a result."""

    name: str  # unique in its graph
    shape: tuple[int, ...]
    dtype: Any
    kind: str  # "input", "constant" or "computed"
    constant: Any = field(default=None, repr=False)  # the array itself of a "constant", None of others

    @property
    def may_vary(self) -> bool:
        """Whether it can have a derivative: it is floating; integers, booleans and keys have none."""
        return bool(jnp.issubdtype(self.dtype, jnp.inexact))

    @property
    def size(self) -> int:
        """The number of its elements."""
        return int(np.prod(self.shape))


@dataclass(frozen=True, eq=False)
class Operation:
    """A node that computes: a primitive of JAX, or a function with its own derivative rule.

    An operand is the name of a variable, or a number that is written into the program.
    """

    place: int  # its index in the order of execution
    name: str
    equation: Any = field(repr=False)  # JAX's
    operands: tuple[str | np.ndarray, ...]
    results: tuple[str, ...]

    @property
    def expression(self) -> str:
        """The operation with its operands, such as ``mul(w, x)``."""
        is_power = self.name == "integer_pow" and is_known(self.equation)
        exponent = [str(self.equation.params["y"])] if is_power else []
        return f"{self.name}({', '.join([*map(_shown, self.operands), *exponent])})"

    def __str__(self) -> str:
        return f"{', '.join(self.results)} = {self.expression}"

    def run(self, *inputs: Any) -> list[Any]:
        """Return the results that the operation computes from its operands' values."""
        return run(self.equation, *inputs)


@dataclass(frozen=True, eq=False)
class Program:
    """The nodes of a graph: variables by name, and operations in the order of execution."""

    variables: dict[str, Variable]
    operations: tuple[Operation, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str | np.ndarray, ...]  # names, or the number itself where a result is constant


def names_in(operands: Iterable[str | np.ndarray]) -> Iterator[str]:
    """Yield the operands that are variables; the others are numbers that are written into the program."""
    return (operand for operand in operands if isinstance(operand, str))


def _shown(operand: str | np.ndarray) -> str:
    if isinstance(operand, str):
        return operand
    return str(operand) if operand.ndim == 0 else f"{operand.dtype}{list(operand.shape)}"


def number(value: Any) -> str | None:
    """Return a scalar as text with all its digits, None for an array, a key and None.

    >>> number(jnp.float32(0.1)), number(np.zeros(3))
    ('0.1', None)
    """
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if dtype is None or shape != () or jnp.issubdtype(dtype, jax.dtypes.extended):
        return None
    return str(np.asarray(value)[()])
