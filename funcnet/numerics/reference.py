"""The right values of a function, from a reference of many digits that is computed with as many as it takes."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ..errors import message

AGREEMENT = 70  # binary digits that two precisions must agree in: 17 more than float64 has
FIRST_PRECISION, HIGHEST_PRECISION = 113, 8192  # in binary digits


class Exact(NamedTuple):
    """The right values, each the sum of two float64 numbers, ``high`` the nearest one to it: (n,)."""

    high: np.ndarray
    low: np.ndarray


@lru_cache(maxsize=8)  # one reference judges a derivative by hand and an automatic one
def exact_values(reference: Callable[[Any], Any], points: bytes, dtype: str) -> Exact:
    """Return the right values of a function at points of ``dtype``, which are given as bytes.

    Each value is computed in two precisions, the second twice the first, until they agree in ``AGREEMENT`` binary
    digits. So a reference may be written as the function is defined, whatever its digits cancel.

    Raises ``ImportError`` where mpmath is not installed, and ``ValueError`` where no precision is enough.

    >>> import mpmath
    >>> points = np.array([0.0, 40.0])
    >>> exact_values(lambda x: 1 - mpmath.tanh(x) ** 2, points.tobytes(), "float64").high
    array([1.00000000e+00, 7.21940555e-35])
    """
    numbers = np.frombuffer(points, jnp.dtype(dtype)).astype(np.float64)
    pairs = [_value(reference, float(each)) for each in numbers]
    return Exact(*np.array(pairs, np.float64).reshape(-1, 2).T)


def mpmath_module() -> Any:
    """Return mpmath. Raises ``ImportError`` that says how to install it."""
    try:
        import mpmath
    except ImportError as error:
        raise ImportError("fn.check_accuracy needs mpmath: pip install mpmath") from error
    return mpmath


def _value(reference: Callable[[Any], Any], point: float) -> tuple[float, float]:
    """Return the right value at a point, as the nearest float64 number and what remains."""
    mpmath = mpmath_module()
    precision, before = FIRST_PRECISION, None
    while precision <= HIGHEST_PRECISION:
        with mpmath.workprec(precision):
            value = mpmath.mpf(reference(mpmath.mpf(point)))
            # A difference of 0 says nothing: both may have lost all of their digits.
            if before is not None and value != 0 and abs(value - before) <= abs(mpmath.ldexp(value, -AGREEMENT)):
                return _split(value)
        precision, before = 2 * precision, value
    if abs(value) < mpmath.ldexp(1, -2000):
        return 0.0, 0.0
    expected = f"a reference that is computed to {AGREEMENT} binary digits with {HIGHEST_PRECISION} or fewer"
    raise ValueError(message("check_accuracy", expected, f"none at {point}"))


def _split(value: Any) -> tuple[float, float]:
    """Return the nearest float64 number and what remains; of a number below the normal ones, one that is no larger."""
    high = float(value)
    if abs(high) <= np.finfo(np.float64).tiny and abs(high) > abs(value):
        high = float(np.nextafter(high, 0))
    return high, float(value - high) if np.isfinite(high) else 0.0
