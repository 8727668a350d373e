"""Checks of numbers, counts, shapes and dtypes, and the dtypes that follow from them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import message
from .arrays import array_of_numbers, brief, is_concrete

LARGEST_COUNT = 2**31 - 1  # of an int32, which counts steps, epochs, evaluations and rows


def check_number(where: object, name: str, value: Any, valid: Callable[[Any], Any], expected: str) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless a scalar is a valid number.

    Tracers pass: they have no value yet.

    Args:
        where: what the error names first, such as the public function.
        name: the argument's name.
        value: the argument.
        valid: a function of the number that tells whether it is valid.
        expected: what the error says was expected of the number.

    >>> check_number("sgd", "learning_rate", -1.0, lambda rate: rate >= 0, "at least 0")
    Traceback (most recent call last):
    ValueError: sgd: expected learning_rate at least 0, got -1.0
    """
    if not is_concrete(value):
        return
    number = np.asarray(array_of_numbers(where, name, value, "a real number"))
    if number.ndim or not (np.issubdtype(number.dtype, np.floating) or np.issubdtype(number.dtype, np.integer)):
        raise TypeError(message(where, f"{name} to be a real number", brief(value)))
    if not valid(number):
        raise ValueError(message(where, f"{name} {expected}", value))


def set_number(configuration: Any, name: str, valid: Callable[[Any], Any], expected: str) -> None:
    """Convert a field of a configuration to a Python float, which is hashable and prints as it is typed.

    Raises ``TypeError`` or ``ValueError`` unless its value is a finite number that is valid.

    Args:
        configuration: the value whose field is converted.
        name: the field.
        valid: a function of the number that tells whether it is valid.
        expected: what the error says was expected of the number.

    >>> import funcnet as fn
    >>> fn.Dropout(1.5)
    Traceback (most recent call last):
    ValueError: Dropout: expected rate in [0, 1), got 1.5
    """
    where, value = type(configuration).__name__, getattr(configuration, name)
    if not is_concrete(value):
        raise TypeError(message(where, f"{name} to be a number that is known now", "a traced number"))
    check_number(where, name, value, lambda number: np.isfinite(number) and valid(number), expected)
    object.__setattr__(configuration, name, float(np.asarray(value)))


def as_dtype(where: object, name: str, number: Any, dtype: Any, *, may_vanish: bool = False) -> Any:
    """Return a number, or an array of them, as it becomes in ``dtype``; ``ValueError`` where it degenerates.

    A finite number may not become infinite, and one other than 0 not 0, unless it ``may_vanish``. A subnormal number
    counts as 0, since compiled programs on CPUs flush it to 0; those of float16, which is computed in float32, remain.
    Tracers pass.

    Args:
        where: what the error names first, such as the public function.
        name: the argument's name.
        number: a number, or an array of them.
        dtype: a floating dtype.
        may_vanish: whether a number other than 0 may become 0.

    >>> as_dtype("LayerNorm", "epsilon", 1e-50, np.float32)
    Traceback (most recent call last):
    ValueError: LayerNorm: expected epsilon that float32 does not round to 0, got 1e-50
    """
    if not is_concrete(number):
        return number
    exact, dtype = np.asarray(number, np.float64), np.dtype(dtype)
    with np.errstate(over="ignore", under="ignore"):
        rounded = exact.astype(dtype)
    smallest = 0 if dtype == np.float16 else float(jnp.finfo(dtype).smallest_normal)
    size = abs(rounded.astype(np.float64))
    if not may_vanish and np.any(((size == 0) | (size < smallest)) & (exact != 0)):
        raise ValueError(message(where, f"{name} that {dtype} does not round to 0", number))
    if np.any(np.isinf(size) & np.isfinite(exact)):
        raise ValueError(message(where, f"{name} to be finite as {dtype}", f"{number}, which rounds to inf"))
    return rounded


def check_count(where: object, name: str, value: Any, minimum: int = 1, maximum: int = LARGEST_COUNT) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless a value is an integer from ``minimum`` to ``maximum``.

    Args:
        where: what the error names first, such as the public function.
        name: the argument's name.
        value: the argument.
        minimum: the smallest integer that is valid.
        maximum: the largest.

    >>> check_count("fit", "epochs", 0)
    Traceback (most recent call last):
    ValueError: fit: expected epochs to be an integer of at least 1, got 0
    """
    expected = f"{name} to be an integer of at least {minimum}"
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(message(where, expected, brief(value)))
    if value < minimum:
        raise ValueError(message(where, expected, brief(value)))
    if value > maximum:
        raise ValueError(message(where, f"{name} to be at most {maximum}", brief(value)))


def next_count(count: jax.Array, more: int = 1) -> jax.Array:
    """Return a count plus ``more``; it stays at the largest int32, where a sum would become negative.

    >>> next_count(jnp.int32(7)), next_count(jnp.int32(LARGEST_COUNT))
    (Array(8, dtype=int32), Array(2147483647, dtype=int32))
    """
    return jnp.minimum(count, LARGEST_COUNT - more) + more


def check_flag(where: str, name: str, value: Any) -> None:
    """Raise ``TypeError`` unless a value is True or False."""
    if not isinstance(value, bool):
        raise TypeError(message(where, f"{name} to be True or False", brief(value)))


def as_shape(where: object, name: str, shape: Any, minimum: int = 1) -> tuple[int, ...]:
    """Return a shape as a tuple of Python's integers; ``TypeError`` or ``ValueError`` for anything else.

    Args:
        where: what the error names first, such as the public function.
        name: the argument's name.
        shape: a tuple or list of integers.
        minimum: the smallest size that is valid.
    """
    if not isinstance(shape, tuple | list):
        hint = " without the batch axis, such as (784,)" if name == "input_shape" else " of integers, such as (10, 784)"
        raise TypeError(message(where, f"{name} to be a tuple{hint}", brief(shape)))
    for size in shape:
        check_count(where, f"every size of {name}", size, minimum)
    return tuple(map(int, shape))


def check_dtype(where: object, dtype: Any, name: str = "dtype") -> np.dtype:
    """Return ``dtype`` as a NumPy dtype; it must be floating, and float64 needs JAX's 64-bit mode.

    >>> check_dtype("Dense(10)", "int32")
    Traceback (most recent call last):
    TypeError: Dense(10): expected dtype to be floating, got int32
    """
    try:
        given, dtype = dtype, np.dtype(dtype)
    except (TypeError, ValueError):
        raise TypeError(message(where, f"{name} to be floating", brief(dtype))) from None
    if given is None or not jnp.issubdtype(dtype, jnp.floating):  # NumPy takes None for float64
        raise TypeError(message(where, f"{name} to be floating", given if given is None else dtype))
    if dtype == np.float64 and jax.dtypes.canonicalize_dtype(dtype) != dtype:
        hint = 'float64 while JAX\'s 64-bit mode is off: call jax.config.update("jax_enable_x64", True) first'
        raise ValueError(message(where, f"{name} that JAX keeps", hint))
    return dtype


def accumulator_dtype(dtype: Any) -> np.dtype:
    """Return the dtype to sum values of ``dtype`` in: float64 for float64, float32 for every other dtype.

    >>> accumulator_dtype(jnp.bfloat16), accumulator_dtype(jnp.float64)
    (dtype('float32'), dtype('float64'))
    """
    return np.dtype(np.float64 if dtype == np.float64 else np.float32)
