"""Checks of samples where they enter: shapes and dtypes always, values where they can be looked at."""

from typing import Any

import jax
import numpy as np

from ..checks import floating_array, is_concrete
from ..errors import ShapeError, message


def inputs(where: str, x: Any) -> jax.Array:
    """Return x (n, inputs) as an array of floating dtype, finite and not empty, or raise an error.

    >>> inputs("least_squares", np.array([[0.0], [np.inf]]))
    Traceback (most recent call last):
    ValueError: least_squares: expected x to be finite, got a value that is not at (1, 0)
    """
    x = floating_array(where, "x", x)
    if x.ndim != 2 or 0 in x.shape:
        raise ShapeError(where, "x of shape (n, inputs), both at least 1", x.shape)
    check_finite(where, "x", x)
    return x


def check_finite(where: str, name: str, array: jax.Array) -> None:
    """Raise ``ValueError``, naming the place, for a value that is not finite."""
    if is_concrete(array):
        wrong = np.argwhere(~np.isfinite(np.asarray(array)))
        if len(wrong):
            place = tuple(int(i) for i in wrong[0])
            raise ValueError(message(where, f"{name} to be finite", f"a value that is not at {place}"))
