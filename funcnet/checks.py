"""Checks of what people hand in: each returns the value as the library uses it, or raises an error that names it.

Public functions call them, once, before anything is computed. Shapes and dtypes are checked by the layers and losses
themselves, while JAX traces them.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .errors import DtypeError, message


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
    """Return ``value`` as an array of an integer dtype, NumPy's or JAX's as it was, so that nothing is narrowed yet.

    >>> integer_array("one_hot", "labels", [0.5])
    Traceback (most recent call last):
    funcnet.errors.DtypeError: one_hot: expected labels of an integer dtype, got float64
    """
    array = value if isinstance(value, jax.Array) else np.asarray(value)
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise DtypeError(where, f"{name} of an integer dtype", array.dtype)
    return array


def check_part(where: str, name: str, value: Any, kind: type) -> None:
    """Raise ``TypeError`` unless an argument is of a class that describes itself by ``described_as``.

    >>> import funcnet as fn
    >>> check_part("fit", "network", fn.quadratic, fn.Layer)
    Traceback (most recent call last):
    TypeError: fit: expected network to be a layer, such as fn.mlp([784, 10]), got quadratic
    """
    if not isinstance(value, kind):
        raise TypeError(message(where, f"{name} to be {kind.described_as}", _shortly(value)))  # type: ignore[attr-defined]


def _shortly(value: Any) -> str:
    """Return what a value is, without the contents of arrays."""
    return (
        repr(value) if isinstance(value, str) or hasattr(type(value), "described_as") else f"a {type(value).__name__}"
    )


def host_array(where: object, name: str, value: Any) -> np.ndarray:
    """Return a value as a NumPy array, in its own dtype; all its elements must be finite real numbers.

    >>> host_array("check_gradients", "x", [[1.0, float("nan")]])
    Traceback (most recent call last):
    ValueError: check_gradients: expected x to be finite, got nan at index (0, 1)
    """
    if not is_concrete(value):
        raise TypeError(message(where, f"{name} to be values, outside of jax.jit and the like", "a traced array"))
    array = np.asarray(value)
    if not (jnp.issubdtype(array.dtype, jnp.number) or array.dtype == bool):
        raise TypeError(message(where, f"{name} to be an array of numbers", f"dtype {array.dtype}"))
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise TypeError(message(where, f"{name} of a real dtype", array.dtype))
    finite = np.isfinite(array.astype(np.float64))
    if not finite.all():
        index = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise ValueError(message(where, f"{name} to be finite", f"{array[index]} at index {index}"))
    return array
