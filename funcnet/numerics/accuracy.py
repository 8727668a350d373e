"""How far a function's values are from the right ones, in units in the last place, over the whole domain."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import check_count, check_dtype
from ..configuration import Configuration, document_fields
from ..errors import DtypeError, ShapeError, message
from .numbers import Format, sample
from .reference import Exact, exact_values


@document_fields
class Binade(NamedTuple):
    """The largest error among the arguments of one sign in [2ᵏ, 2ᵏ⁺¹).

    Attributes:
        sign: 1 or −1.
        exponent: k.
        worst: the largest error, in units in the last place.
        at: the argument of the largest error.
        points: the number of arguments.
    """

    sign: int
    exponent: int
    worst: float
    at: float
    points: int


@document_fields
class AccuracyReport(NamedTuple):
    """What ``check_accuracy`` found. Its text is a short table.

    Attributes:
        name: the function's name.
        dtype: the dtype of the arguments and the values.
        limit: the largest error that is allowed, in units in the last place.
        points: the number of arguments whose values were compared.
        left_out: the number of arguments whose right value is no normal number: it is too large, or too small.
        worst: the largest error, in units in the last place; infinite for a value that is NaN or infinite.
        at: the argument of the largest error.
        got: the value there.
        right: the right value there, as the nearest float64 number.
        binades: the largest error in each binade of the argument, from the smallest argument to the largest.
    """

    name: str
    dtype: np.dtype
    limit: float
    points: int
    left_out: int
    worst: float
    at: float
    got: float
    right: float
    binades: tuple[Binade, ...]

    @property
    def ok(self) -> bool:
        """Whether no error is larger than the limit."""
        return self.worst <= self.limit

    def __repr__(self) -> str:
        return f"AccuracyReport({self.name}, {self.dtype}, worst={self.worst:.3g}, ok={self.ok})"

    def __str__(self) -> str:
        worst = sorted(self.binades, key=lambda binade: -binade.worst)[:3]
        rows = [(f"{binade.worst:.3g}", f"{binade.at!r}", str(binade.points)) for binade in worst]
        table = [("units", "worst at", "of its binade's numbers"), *rows]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
        ]
        head = f"{self.name} at {self.points} numbers of {self.dtype}, in units in the last place"
        worst_one = f"largest error {self.worst:.3g} at {self.at!r}: {self.got!r}, right is {self.right!r}"
        rest = [f"left out: {self.left_out} whose right value is no normal number"] if self.left_out else []
        answer = f"within the limit of {self.limit:g}" if self.ok else f"NOT within the limit of {self.limit:g}"
        return "\n".join([head, *lines, worst_one, *rest, answer])


def check_accuracy(
    function: Callable[[jax.Array], jax.Array],
    reference: Callable[[Any], Any],
    *,
    dtype: Any = jnp.float32,
    domain: tuple[float, float] = (-np.inf, np.inf),
    zeros: Sequence[float] = (),
    near: Sequence[float] = (),
    samples: int = 8,
    limit: float = 4.0,
) -> AccuracyReport:
    """Return how far a function of one number is from a reference of many digits, over the whole domain of a dtype.

    The error is |value − right value| in units in the last place of the right value: the distance of the two numbers
    of the dtype around it. The function is tried at all 65,536 numbers of float16 and bfloat16, and at a fixed sample
    of every binade [2ᵏ, 2ᵏ⁺¹) of float32 and float64. Subnormal arguments are left out, and right values that are not
    normal numbers, since XLA replaces subnormal numbers by 0; those of float16, which are computed in float32, are not.

    Near a zero z of the function other than 0, a value is a difference of larger ones. There, in [z/2, 2z], the unit
    is at least a quarter of the unit of the largest right value in [z/2, 2z].

    Args:
        function: takes an array (n,) of the dtype and returns one, elementwise; it is compiled. For a derivative give
            ``jax.vmap(jax.grad(f))``.
        reference: the same function of one ``mpmath`` number. It is computed with as many digits as it needs.
        dtype: a floating dtype; float32 by default.
        domain: the smallest and the largest argument; all by default.
        zeros: the function's zeros other than 0, each to a few digits.
        near: numbers around which more arguments are tried, such as where a function changes its form.
        samples: how many numbers of each binade of float32 and float64 are tried; 8 by default.
        limit: the largest error that is ok, in units in the last place; 4 by default.

    Raises:
        ImportError: mpmath is not installed.
        ShapeError, DtypeError: the function does not return (n,) of the dtype.
        ValueError: no argument is in the domain, or the reference does not settle at any number of digits.

    >>> import funcnet as fn
    >>> import mpmath
    >>> report = fn.check_accuracy(jnp.exp, mpmath.exp, domain=(-80.0, 80.0), samples=1)
    >>> report.ok, report.points
    (True, 268)
    """
    dtype = check_dtype("check_accuracy", dtype)
    check_count("check_accuracy", "samples", samples)
    points = sample(dtype, samples, domain, (*near, *zeros))
    if points.size == 0:
        raise ValueError(message("check_accuracy", f"a domain that holds numbers of {dtype}", domain))
    values = jax.jit(function)(jnp.asarray(points))
    if values.shape != points.shape:
        raise ShapeError("check_accuracy", f"values of shape {points.shape}, one for each argument", values.shape)
    if values.dtype != dtype:
        raise DtypeError("check_accuracy", f"values of dtype {dtype}", values.dtype)
    return compare(_name(function), points, np.asarray(values), reference, zeros=zeros, limit=limit)


def compare(
    name: str,
    points: np.ndarray,
    values: np.ndarray,
    reference: Callable[[Any], Any],
    *,
    zeros: Sequence[float] = (),
    limit: float = 4.0,
) -> AccuracyReport:
    """Return the report on the values of a function at points, (n,) each; the rest as in ``check_accuracy``."""
    exact = exact_values(reference, points.tobytes(), points.dtype.name)
    arguments, got = points.astype(np.float64), values.astype(np.float64)
    errors, compared = _errors(Format.of(points.dtype), arguments, got, exact, zeros)
    worst = int(np.argmax(errors))
    return AccuracyReport(
        name=name,
        dtype=points.dtype,
        limit=limit,
        points=int(compared.sum()),
        left_out=int((~compared).sum()),
        worst=float(errors[worst]),
        at=float(arguments[worst]),
        got=float(got[worst]),
        right=float(exact.high[worst]),
        binades=_binades(arguments[compared], errors[compared]),
    )


def _errors(
    form: Format, arguments: np.ndarray, got: np.ndarray, exact: Exact, zeros: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the errors in units, 0 where a right value is left out, and where it is not: (n,) each."""
    sizes = np.abs(exact.high)
    smallest, largest = 2.0**form.lowest, float(jnp.finfo(form.dtype).max)
    normal = (sizes > smallest) | (sizes == smallest) & (np.sign(exact.low) * np.sign(exact.high) >= 0)
    compared = (normal & (sizes <= largest)) | (exact.high == 0) & (exact.low == 0)
    units = form.unit(exact.high)
    for zero in zeros:
        around = (arguments * np.sign(zero) >= abs(zero) / 2) & (arguments * np.sign(zero) <= 2 * abs(zero))
        inside = sizes[around & (sizes <= largest)]
        if inside.size:
            units = np.where(around, np.maximum(units, form.unit(inside.max()) / 4), units)
    with np.errstate(invalid="ignore", over="ignore"):
        errors = np.abs((got - exact.high) - exact.low) / units
    errors = np.where(np.isfinite(got), errors, np.inf)
    # A right value that is too small may come as 0, and as nothing else that is a number to reckon with.
    too_small = ~normal & ~compared
    wrong = too_small & ~(np.abs(got) <= 2 * smallest)
    return np.where(compared, errors, np.where(wrong, np.inf, 0.0)), compared | wrong


def _binades(arguments: np.ndarray, errors: np.ndarray) -> tuple[Binade, ...]:
    """Return the largest error of each sign and binade of the arguments, in their order; 0 has no binade."""
    found = []
    exponents = np.frexp(arguments)[1] - 1
    for sign in (-1, 1):
        for exponent in sorted(set(exponents[arguments * sign > 0].tolist()), reverse=sign < 0):
            here = np.flatnonzero((exponents == exponent) & (arguments * sign > 0))
            worst = here[np.argmax(errors[here])]
            found.append(Binade(sign, exponent, float(errors[worst]), float(arguments[worst]), here.size))
    return tuple(found)


def _name(function: Any) -> str:
    """Return a function's name, and that of its object for a method.

    >>> import funcnet as fn
    >>> _name(jnp.exp), _name(fn.tanh), _name(fn.tanh.derivative)
    ('exp', 'tanh', 'tanh.derivative')
    """
    owner = getattr(function, "__self__", None)
    name = getattr(function, "__name__", None)
    if name is None or isinstance(function, Configuration):
        return repr(function)
    return f"{owner!r}.{name}" if isinstance(owner, Configuration) else name
