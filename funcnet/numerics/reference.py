"""The right values of a function, from a reference of many digits that is computed with as many as it takes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..errors import message

AGREEMENT = 70  # binary digits that two precisions must agree in: 17 more than float64 has
PRECISIONS = tuple(113 * 2**k for k in range(7))  # in binary digits; the last is 7232


class Exact(NamedTuple):
    """The right values, each the sum of two float64 numbers, ``high`` the nearest one to it: (n,).

    ``high`` is infinite where the right value is, or is no number of float64, and NaN where there is none: the
    reference is complex there or, where ``is_undefined``, raises. It may be a pole then.
    """

    high: np.ndarray
    low: np.ndarray
    is_undefined: np.ndarray


def exact_values(reference: Callable[[Any], Any], points: np.ndarray) -> Exact:
    """Return the right values of a function at points, (n,).

    Each value is computed in two precisions, the second twice the first, until they agree in ``AGREEMENT`` binary
    digits. So a reference may be written as the function is defined, whatever its digits cancel. mpmath raises
    ``ValueError`` or ``ZeroDivisionError`` where a function is not defined, and a reference may as well.

    Raises ``ImportError`` where mpmath is not installed, ``TypeError`` for a reference that returns anything but
    numbers of mpmath and integers, and ``ValueError`` for one that fails, is defined nowhere, or does not settle.

    >>> import mpmath
    >>> exact_values(lambda x: 1 - mpmath.tanh(x) ** 2, np.array([0.0, 40.0])).high
    array([1.00000000e+00, 7.21940555e-35])
    >>> exact_values(mpmath.log, np.array([-1.0, 0.0, 1.0])).high
    array([ nan, -inf,   0.])
    """
    mpmath = mpmath_module()
    numbers = [float(each) for each in points.astype(np.float64)]
    pairs = np.zeros((len(numbers), 2))
    before: list[Any] = [None] * len(numbers)
    pending = list(range(len(numbers)))
    for precision in PRECISIONS:
        with mpmath.workprec(precision):
            still = []
            for i in pending:
                value = _value(reference, numbers[i], mpmath)
                if _agree(value, before[i], mpmath):
                    pairs[i] = _split(value)
                else:
                    before[i] = value
                    still.append(i)
            pending = still
    is_undefined = np.zeros(len(numbers), bool)
    for i in pending:
        pairs[i] = _unsettled(before[i], numbers[i], mpmath)
        is_undefined[i] = isinstance(before[i], Exception)
    if is_undefined.all() and numbers:
        expected = "reference to be defined at some number of the domain"
        raise ValueError(message("check_accuracy", expected, f"{in_one_line(before[0])} at {numbers[0]}")) from before[
            0
        ]
    return Exact(pairs[:, 0], pairs[:, 1], is_undefined)


def mpmath_module() -> Any:
    """Return mpmath. Raises ``ImportError`` that says how to install it."""
    try:
        import mpmath
    except ImportError as error:
        raise ImportError("fn.check_accuracy needs mpmath: pip install mpmath") from error
    return mpmath


def _value(reference: Callable[[Any], Any], point: float, mpmath: Any) -> Any:
    """Return a reference's value at a point in mpmath's precision; what it raises where it is not defined."""
    try:
        value = reference(mpmath.mpf(point))
    except (ValueError, ZeroDivisionError) as error:
        return error
    except Exception as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        expected = "reference to take a number of mpmath"
        raise kind(message("check_accuracy", expected, f"{in_one_line(error)} at {point}")) from error
    if isinstance(value, int):
        return mpmath.mpf(value)
    if isinstance(value, mpmath.mpc) and value.imag == 0:
        return value.real
    if not isinstance(value, mpmath.mpf | mpmath.mpc):
        expected = "reference to return a number of mpmath or an integer"
        hint = ", which has 53 binary digits: use mpmath's functions" if isinstance(value, float) else ""
        raise TypeError(message("check_accuracy", expected, f"{type(value).__name__} at {point}{hint}"))
    return +value  # a constant of mpmath is rounded to the precision


def _agree(value: Any, before: Any, mpmath: Any) -> bool:
    """Return whether the values of two precisions agree in ``AGREEMENT`` digits; of complex ones, the imaginary parts.

    Two values of 0 do not: both may have lost all of their digits. Nor do two exceptions: a precision may be too low.
    """
    if before is None or isinstance(value, Exception) or isinstance(before, Exception):
        return False
    if isinstance(value, mpmath.mpc):
        value, before = value.imag, mpmath.im(before)
    if not mpmath.isfinite(value):
        return bool(value == before or (mpmath.isnan(value) and mpmath.isnan(before)))
    return bool(value != 0 and abs(value - before) <= abs(mpmath.ldexp(value, -AGREEMENT)))


def _unsettled(value: Any, point: float, mpmath: Any) -> tuple[float, float]:
    """Return the right value where the highest precision gave this: 0 for nearly 0, NaN where it is not defined."""
    if isinstance(value, Exception):
        return np.nan, 0.0
    if mpmath.isfinite(value) and abs(value) < mpmath.ldexp(1, -2000):
        return 0.0, 0.0
    expected = f"reference to settle: {AGREEMENT} binary digits with {PRECISIONS[-1]} or fewer"
    raise ValueError(message("check_accuracy", expected, f"none at {point}"))


def _split(value: Any) -> tuple[float, float]:
    """Return the nearest float64 number and what remains; of a number below the normal ones, one that is no larger."""
    if hasattr(value, "_mpc_"):
        return np.nan, 0.0
    high = float(value)
    if abs(high) <= np.finfo(np.float64).tiny and abs(high) > abs(value):
        high = float(np.nextafter(high, 0))
    return high, float(value - high) if np.isfinite(high) else 0.0


def in_one_line(error: Exception) -> str:
    """Return the class of an exception and the first line of its text.

    >>> in_one_line(ValueError("gamma function pole")), in_one_line(ZeroDivisionError())
    ('ValueError: gamma function pole', 'ZeroDivisionError')
    """
    lines = str(error).splitlines()
    return f"{type(error).__name__}{': ' * bool(lines)}{lines[0] if lines else ''}"
