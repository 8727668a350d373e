"""Checks of what people hand in: each returns the value as the library uses it, or raises an error that names it.

Public functions call them, once, before anything is computed. Shapes and dtypes are checked by the layers and losses
themselves, while JAX traces them.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .errors import DtypeError, ShapeError, message


def is_concrete(value: object) -> bool:
    """Return whether a value can be looked at now: it is not a tracer of a JAX transformation."""
    return not isinstance(value, jax.core.Tracer)


def check_number(where: object, name: str, value: Any, valid: Callable[[Any], Any], expected: str) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless a scalar is a valid number.

    Tracers, and schedules (callables), pass: they have no value yet.

    >>> check_number("sgd", "learning_rate", -1.0, lambda rate: rate >= 0, "at least 0")
    Traceback (most recent call last):
    ValueError: sgd: expected learning_rate at least 0, got -1.0
    """
    if callable(value) or not is_concrete(value):
        return
    number = np.asarray(value)
    if number.ndim or not (np.issubdtype(number.dtype, np.floating) or np.issubdtype(number.dtype, np.integer)):
        raise TypeError(message(where, f"{name} to be a real number", repr(value)))
    if not valid(number):
        raise ValueError(message(where, f"{name} {expected}", value))


def check_count(where: object, name: str, value: Any, minimum: int = 1) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless a value is an integer of at least ``minimum``.

    >>> check_count("fit", "epochs", 0)
    Traceback (most recent call last):
    ValueError: fit: expected epochs to be an integer of at least 1, got 0
    """
    expected = f"{name} to be an integer of at least {minimum}"
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(message(where, expected, repr(value)))
    if value < minimum:
        raise ValueError(message(where, expected, value))


def check_key(where: object, key: Any) -> None:
    """Raise ``TypeError`` unless ``key`` is one JAX random key, typed or raw.

    >>> check_key("fit", 0)
    Traceback (most recent call last):
    TypeError: fit: expected key made by jax.random.key(seed), got 0
    """
    dtype, shape = getattr(key, "dtype", None), getattr(key, "shape", None)
    typed = dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key) and shape == ()
    if not typed and not (dtype == np.uint32 and shape == (2,)):
        got = repr(key) if dtype is None else f"an array of shape {shape} and dtype {dtype}"
        raise TypeError(message(where, "key made by jax.random.key(seed)", got))


def check_dtype(where: object, dtype: Any) -> np.dtype:
    """Return ``dtype`` as a NumPy dtype; it must be floating, and float64 needs JAX's 64-bit mode.

    >>> check_dtype("Dense(10)", "int32")
    Traceback (most recent call last):
    TypeError: Dense(10): expected dtype to be floating, got int32
    """
    dtype = np.dtype(dtype)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(message(where, "dtype to be floating", dtype))
    if dtype == np.float64 and jax.dtypes.canonicalize_dtype(dtype) != dtype:
        hint = 'float64 while JAX\'s 64-bit mode is off: call jax.config.update("jax_enable_x64", True) first'
        raise ValueError(message(where, "dtype that JAX keeps", hint))
    return dtype


def floating_array(where: object, name: str, value: Any) -> jax.Array:
    """Return ``value`` as a JAX array; its dtype must be floating.

    >>> floating_array("relu", "z", jnp.array([1, 2]))
    Traceback (most recent call last):
    funcnet.errors.DtypeError: relu: expected z of a floating dtype, got int32
    """
    array = jnp.asarray(value)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise DtypeError(where, f"{name} of a floating dtype", array.dtype)
    return array


def integer_array(where: object, name: str, value: Any) -> Any:
    """Return ``value`` as an array of an integer dtype: a JAX array unchanged, anything else as a NumPy array.

    So a 64-bit value is checked before JAX narrows it to 32 bits.

    >>> integer_array("one_hot", "labels", [0.5])
    Traceback (most recent call last):
    funcnet.errors.DtypeError: one_hot: expected labels of an integer dtype, got float64
    """
    array = value if isinstance(value, jax.Array) else np.asarray(value)
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise DtypeError(where, f"{name} of an integer dtype", array.dtype)
    return array


def set_number(configuration: Any, name: str, valid: Callable[[Any], Any], expected: str) -> None:
    """Convert a field of a configuration to a Python float, which is hashable and prints as it is typed.

    Raises ``TypeError`` or ``ValueError`` unless its value is a finite number that is valid.

    >>> import funcnet as fn
    >>> fn.Dropout(1.5)
    Traceback (most recent call last):
    ValueError: Dropout: expected rate in [0, 1), got 1.5
    """
    where, value = type(configuration).__name__, getattr(configuration, name)
    if callable(value):  # check_number accepts schedules
        raise TypeError(message(where, f"{name} to be a real number", repr(value)))
    check_number(where, name, value, lambda number: np.isfinite(number) and valid(number), expected)
    object.__setattr__(configuration, name, float(value))


def check_values(where: object, expected: str, values: np.ndarray, valid: np.ndarray) -> None:
    """Raise ``ValueError`` that names the first value at which ``valid`` is False, and its index.

    >>> labels = np.array([0, 3])
    >>> check_values("one_hot", "labels in [0, 3)", labels, labels < 3)
    Traceback (most recent call last):
    ValueError: one_hot: expected labels in [0, 3), got 3 at index 1
    """
    invalid = np.argwhere(~valid)
    if len(invalid):
        index = tuple(map(int, invalid[0]))
        value = f"{float(values[index]):g}" if jnp.issubdtype(values.dtype, jnp.floating) else f"{values[index]}"
        place = f" at index {index[0] if len(index) == 1 else index}" if index else ""
        raise ValueError(message(where, expected, value + place))


def check_finite(where: object, name: str, array: jax.Array) -> None:
    """Raise ``ValueError`` that names the first value that is not finite; a tracer passes.

    >>> check_finite("least_squares", "y", jnp.array([[0.0], [jnp.inf]]))
    Traceback (most recent call last):
    ValueError: least_squares: expected y to be finite, got inf at index (1, 0)
    """
    if is_concrete(array):
        values = np.asarray(array)
        check_values(where, f"{name} to be finite", values, np.isfinite(values))


def input_rows(where: object, x: Any) -> jax.Array:
    """Return the samples x (n, inputs), n ≥ 1, inputs ≥ 1, as an array of finite values of a floating dtype.

    >>> input_rows("least_squares", np.ones(3))
    Traceback (most recent call last):
    funcnet.errors.ShapeError: least_squares: expected x of shape (n, inputs), both at least 1, got (3,)
    """
    x = floating_array(where, "x", x)
    if x.ndim != 2 or 0 in x.shape:
        raise ShapeError(where, "x of shape (n, inputs), both at least 1", x.shape)
    check_finite(where, "x", x)
    return x
