"""Checks of data where it enters training: once, on the host, so that compiled programs can rely on it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..contract import Layer
from ..errors import is_concrete, message
from ..losses import Loss
from .step import metric_name


def check_parts(where: str, network: Any, loss: Any, optimizer: Any, metrics: Any) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless these are a network, a loss, an optimizer and metrics.

    >>> import funcnet as fn
    >>> check_parts("fit", fn.mlp([2, 1]), fn.quadratic, fn.adam, [])
    Traceback (most recent call last):
    TypeError: fit: expected optimizer to have init and update, as fn.adam(0.001) has, got a function
    """
    if not isinstance(network, Layer):
        raise TypeError(message(where, "network to be a layer, such as fn.mlp([784, 10])", repr(network)))
    if not isinstance(loss, Loss):
        raise TypeError(message(where, "loss to be a loss, such as fn.quadratic", repr(loss)))
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        expected = "optimizer to have init and update, as fn.adam(0.001) has"
        raise TypeError(message(where, expected, f"a {type(optimizer).__name__}"))
    if not isinstance(metrics, tuple | list):
        raise TypeError(message(where, "metrics to be a list of functions", repr(metrics)))
    names = ["loss"]
    for metric in metrics:
        if not callable(metric):
            raise TypeError(message(where, "metrics to be functions of (prediction, target)", repr(metric)))
        names.append(metric_name(metric))
    if len(set(names)) < len(names):
        raise ValueError(message(where, "metrics of different names, none of them 'loss'", names[1:]))


def samples(where: str, data: Any, dtype: Any, input_shape: tuple[int, ...] | None = None) -> tuple[Any, Any]:
    """Return (x, y) as JAX arrays of ``dtype``, or raise an error that says what is wrong with which.

    x is (n, ...), floating and finite; y has as many rows, is numeric and finite; n is at least 1.

    >>> samples("fit", (np.zeros((3, 2)), np.zeros((4, 1))), np.float32)
    Traceback (most recent call last):
    ValueError: fit: expected as many rows in y as in x, got 4 for 3
    """
    if not isinstance(data, tuple | list) or len(data) != 2:
        got = f"{len(data)} of them" if isinstance(data, tuple | list) else type(data).__name__
        raise TypeError(message(where, "data to be a pair (x, y)", got))
    x = inputs(where, data[0], dtype)
    if input_shape is not None and x.shape[1:] != input_shape:
        raise ValueError(message(where, f"x of shape (n, {', '.join(map(str, input_shape))})", x.shape))
    y = _numeric(where, "y", data[1])
    if y.ndim < 2:
        hint = ": class labels become rows by funcnet.data.one_hot, single targets by y[:, None]"
        raise ValueError(message(where, "y of shape (n, outputs)", f"{y.shape}{hint}"))
    if len(y) != len(x):
        raise ValueError(message(where, "as many rows in y as in x", f"{len(y)} for {len(x)}"))
    return x, _finite(where, "y", y, dtype)


def inputs(where: str, x: Any, dtype: Any) -> jax.Array:
    """Return x (n, ...) as a JAX array of ``dtype``, or raise an error that says what is wrong with it.

    >>> inputs("predict", np.zeros((2, 4), np.uint8), np.float32)
    Traceback (most recent call last):
    TypeError: predict: expected x of a floating dtype, got uint8: convert and scale it, as x.astype("float32") / 255
    """
    x = _numeric(where, "x", x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        hint = ': convert and scale it, as x.astype("float32") / 255'
        raise TypeError(message(where, "x of a floating dtype", f"{x.dtype}{hint}"))
    return _finite(where, "x", x, dtype)


def _numeric(where: str, name: str, array: Any) -> Any:
    """Return a real array with at least one row, still where and as it was."""
    if not isinstance(array, jax.Array):
        array = np.asarray(array)
    if array.dtype == object or not (jnp.issubdtype(array.dtype, jnp.number) or array.dtype == bool):
        raise TypeError(message(where, f"{name} to be an array of numbers", f"dtype {array.dtype}"))
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise TypeError(message(where, f"{name} of a real dtype", array.dtype))
    if array.ndim == 0 or len(array) == 0:
        raise ValueError(message(where, f"{name} with at least one row", f"shape {array.shape}"))
    return array


def _finite(where: str, name: str, array: Any, dtype: Any) -> jax.Array:
    """Return the array in ``dtype``; every value must be finite in it, where values can be looked at."""
    with np.errstate(over="ignore"):  # what overflows is found below
        converted = jnp.asarray(array, dtype)
    if is_concrete(converted):
        finite = np.isfinite(np.asarray(converted, np.float32 if converted.dtype.itemsize < 4 else None))
        if not finite.all():
            place = tuple(int(i) for i in np.argwhere(~finite)[0])
            raise ValueError(
                message(where, f"{name} to be finite in {np.dtype(dtype)}", f"a value that is not at {place}")
            )
    return converted
