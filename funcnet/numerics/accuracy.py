"""How far a function's values are from the right ones, in units in the last place, over the whole domain."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import brief, check_count, check_dtype, check_number
from ..configuration import Configuration, document_fields
from ..errors import DtypeError, ShapeError, message
from .numbers import Format, sample
from .reference import Exact, exact_values, in_one_line


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
        left_out: the number of arguments whose right value is too small for a normal number.
        worst: the largest error, in units in the last place; infinite for a value that is NaN or infinite where the
            right one is not, and the reverse.
        at: the argument of the largest error.
        got: the value there.
        right: the right value there, as the nearest float64 number; NaN where the function is not defined.
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

    def _shortest(self, number: float) -> str:
        """Return a number of the dtype in as few digits as tell it from the others."""
        return str(self.dtype.type(number))

    def __repr__(self) -> str:
        return f"AccuracyReport({self.name}, {self.dtype}, worst={self.worst:.3g}, ok={self.ok})"

    def __str__(self) -> str:
        worst = sorted(self.binades, key=lambda binade: -binade.worst)[:3]
        rows = [(f"{binade.worst:.3g}", self._shortest(binade.at), str(binade.points)) for binade in worst]
        table = [("units", "worst at", "of its binade's numbers"), *rows]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
        ]
        head = f"{self.name} at {self.points} numbers of {self.dtype}, in units in the last place"
        at, got = self._shortest(self.at), self._shortest(self.got)
        worst_one = f"largest error {self.worst:.3g} at {at}: {got}, right is {self.right!r}"
        rest = [f"left out: {self.left_out} whose right value is too small for it"] if self.left_out else []
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
    of every binade [2ᵏ, 2ᵏ⁺¹) of float32 and float64. Subnormal arguments are left out, and right values that are
    smaller than the normal numbers, since XLA replaces subnormal numbers by 0; those of float16, which are computed in
    float32, are not.

    A right value that is infinite, or too large for the dtype, is infinity of its sign. Where the reference is complex
    or NaN, the right value is NaN. Where it raises ``ValueError`` or ``ZeroDivisionError``, as mpmath does outside a
    domain and at poles, NaN and infinity are right. Any other value in these places has an infinite error, and so have
    NaN and infinity elsewhere; within ``limit`` units of the largest number, infinity counts as the number after it.

    Near a zero z of the function other than 0, a value is a difference of larger ones. There, in [z/2, 2z], the unit
    is at least a quarter of the unit of the largest right value in [z/2, 2z].

    Args:
        function: takes an array (n,) of the dtype and returns one, elementwise; it is compiled. For a derivative give
            ``jax.vmap(jax.grad(f))``.
        reference: the same function of one ``mpmath`` number, which returns one, or an integer. It is computed with as
            many digits as it needs, at each call.
        dtype: a floating dtype; float32 by default.
        domain: the smallest and the largest argument; all by default.
        zeros: the function's zeros other than 0, each to a few digits.
        near: numbers around which more arguments are tried, such as where a function changes its form.
        samples: how many numbers of each binade of float32 and float64 are tried; 8 by default.
        limit: the largest error that is ok, in units in the last place; 4 by default.

    Raises:
        ImportError: mpmath is not installed.
        ShapeError, DtypeError: the function does not return (n,) of the dtype.
        TypeError: an argument has another type, the function does not return an array, or the reference returns a
            Python float or anything else that is no number of mpmath.
        ValueError: no argument is in the domain; or the reference is defined nowhere in it, or does not settle at any
            number of digits.
        TypeError, ValueError: the function, or the reference, raises any other exception, which is the cause.

    >>> import funcnet as fn
    >>> import mpmath
    >>> report = fn.check_accuracy(jnp.exp, mpmath.exp, domain=(-80.0, 80.0), samples=1)
    >>> report.ok, report.points
    (True, 268)
    """
    _check_arguments(function, reference, domain, zeros, near)
    dtype = check_dtype("check_accuracy", dtype)
    check_count("check_accuracy", "samples", samples)
    check_number("check_accuracy", "limit", limit, lambda number: number >= 0, "at least 0")
    points = sample(dtype, samples, domain, (*near, *zeros))
    if points.size == 0:
        raise ValueError(message("check_accuracy", f"a domain that holds numbers of {dtype}", domain))
    values = _values(function, points)
    return compare(_name(function), points, values, reference, zeros=zeros, limit=limit)


def _check_arguments(function: Any, reference: Any, domain: Any, zeros: Any, near: Any) -> None:
    """Raise ``TypeError`` or ``ValueError`` that names the argument unless they are functions, and real numbers."""
    for name, value in {"function": function, "reference": reference}.items():
        if not callable(value):
            raise TypeError(message("check_accuracy", f"{name} to be a function", brief(value)))
    for name, value in {"domain": domain, "zeros": zeros, "near": near}.items():
        if not isinstance(value, tuple | list | np.ndarray):
            raise TypeError(message("check_accuracy", f"{name} to be a tuple of numbers", brief(value)))
        for number in value:
            if name == "domain":
                check_number("check_accuracy", "numbers of domain", number, lambda x: not np.isnan(x), "other than NaN")
            else:
                check_number("check_accuracy", f"numbers of {name}", number, np.isfinite, "to be finite")
    if len(domain) != 2:
        raise ValueError(message("check_accuracy", "domain to be two numbers, the smallest and the largest", domain))


def _values(function: Callable[[jax.Array], jax.Array], points: np.ndarray) -> np.ndarray:
    """Return the function's values at points, (n,); raise a typed error unless they are of that shape and dtype."""
    compiled = function if isinstance(function, jax.stages.Wrapped) else jax.jit(function)
    try:
        values = compiled(jnp.asarray(points))
    except Exception as error:
        expected = f"function to take an array of shape {points.shape}"
        hint = "give a function of one number as jax.vmap(function)"
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(message("check_accuracy", expected, f"{in_one_line(error)}: {hint}")) from error
    if not isinstance(values, jax.Array):
        raise TypeError(message("check_accuracy", "function to return an array", type(values).__name__))
    if values.shape != points.shape:
        expected = f"values of shape {points.shape}, one for each argument"
        raise ShapeError("check_accuracy", expected, f"{values.shape} from function")
    if values.dtype != points.dtype:
        raise DtypeError("check_accuracy", f"values of dtype {points.dtype}", f"{values.dtype} from function")
    return np.asarray(values)


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
    exact = exact_values(reference, points)
    arguments, got = points.astype(np.float64), values.astype(np.float64)
    form = Format.of(points.dtype)
    errors, compared = _errors(form, got, exact, _units(form, arguments, exact, zeros), limit)
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


def _units(form: Format, arguments: np.ndarray, exact: Exact, zeros: Sequence[float]) -> np.ndarray:
    """Return the unit in which the error of each argument is counted, (n,)."""
    largest = float(jnp.finfo(form.dtype).max)
    sizes = np.abs(exact.high)
    units = form.unit(np.where(np.isnan(sizes), 0, np.minimum(sizes, largest)))
    for zero in zeros:
        around = (arguments * np.sign(zero) >= abs(zero) / 2) & (arguments * np.sign(zero) <= 2 * abs(zero))
        inside = sizes[around & (sizes <= largest)]
        if inside.size:
            units = np.where(around, np.maximum(units, form.unit(inside.max()) / 4), units)
    return units


def _errors(
    form: Format, got: np.ndarray, exact: Exact, units: np.ndarray, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the errors in units, 0 where a right value is left out, and where it is not: (n,) each."""
    right, sizes = exact.high, np.abs(exact.high)
    smallest, largest = 2.0**form.lowest, float(jnp.finfo(form.dtype).max)
    with np.errstate(invalid="ignore", over="ignore"):
        # Infinity as the number after the largest one: near there, rounding decides which of the two a value becomes.
        after = np.sign(got) * np.ldexp(1.0, form.highest + 1)
        errors = np.abs((np.where(np.isinf(got), after, got) - right) - exact.low) / units
    is_beyond = sizes > largest
    errors = np.where(is_beyond & np.isinf(got) & (np.sign(got) == np.sign(right)), 0, errors)
    is_wrong = (is_beyond | np.isinf(got)) & ~(errors <= limit) | np.isnan(got)
    errors = np.where(is_wrong, np.inf, errors)
    is_allowed = np.isnan(got) | exact.is_undefined & np.isinf(got)
    errors = np.where(np.isnan(right), np.where(is_allowed, 0, np.inf), errors)
    # A right value that is too small may come as 0, and as nothing else that is a number to reckon with.
    too_small = (sizes < smallest) | (sizes == smallest) & (np.sign(exact.low) * np.sign(right) < 0)
    too_small &= (right != 0) | (exact.low != 0)
    left_out = too_small & (np.abs(got) <= 2 * smallest)
    return np.where(left_out, 0, np.where(too_small, np.inf, errors)), ~left_out


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
