"""Checks of what ``check_gradients`` is given, on the host, and its conversion to float64."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import check_key, check_number, is_concrete
from ..errors import message
from ..layer import Layer
from ..losses import Loss
from ..penalties import check_penalty

WHERE = "check_gradients"


class Given(NamedTuple):
    """The data, looked at, as NumPy arrays still in their own dtypes."""

    x: Any
    y: Any
    weights: Any


def checked(
    network: Any, loss: Any, params: Any, x: Any, y: Any, *, key: Any, weights: Any, penalty: Any, tolerance: Any
) -> Given:
    """Return x, y and the weights as arrays, or raise an error that says what is wrong with which argument."""
    if not isinstance(network, Layer):
        raise TypeError(message(WHERE, "network to be a layer, such as fn.mlp([784, 10])", type(network).__name__))
    if not isinstance(loss, Loss):
        raise TypeError(message(WHERE, "loss to be a loss, such as fn.quadratic", type(loss).__name__))
    check_penalty(WHERE, penalty)
    for name, value in (("network", network), ("loss", loss), ("penalty", penalty)):
        _hashable(name, value)
    if key is not None:
        check_key(WHERE, key)
    if tolerance is not None:
        check_number(WHERE, "tolerance", tolerance, lambda value: (value > 0) & np.isfinite(value), "above 0")
    for keys, leaf in jax.tree_util.tree_leaves_with_path(params):
        _floating(f"params{jax.tree_util.keystr(keys)}", leaf)
    x = _floating("x", x)
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(message(WHERE, "x of shape (batch, ...) with at least one row", x.shape))
    y = _array("y", y)
    if y.ndim == 0 or len(y) != len(x):
        raise ValueError(message(WHERE, f"y with as many rows as x, {len(x)}", f"shape {y.shape}"))
    if weights is not None:
        weights = _floating("weights", weights)
        if weights.shape != (len(x),):
            raise ValueError(message(WHERE, f"weights of shape ({len(x)},)", weights.shape))
        if not (weights >= 0).all() or not weights.any():
            raise ValueError(message(WHERE, "weights of at least 0, not all of them 0", "others"))
    return Given(x, y, weights)


def double(tree: Any) -> Any:
    """Return a tree's floating leaves as NumPy arrays in float64, and the others as NumPy arrays as they are.

    >>> double((jnp.ones(2, jnp.bfloat16), np.arange(2)))
    (array([1., 1.]), array([0, 1]))
    """

    def converted(leaf: Any) -> np.ndarray:
        array = np.asarray(leaf)
        return array.astype(np.float64) if jnp.issubdtype(array.dtype, jnp.floating) else array

    return jax.tree.map(converted, tree)


def _hashable(name: str, value: Any) -> None:
    try:
        hash(value)
    except TypeError as error:
        raise TypeError(message(WHERE, f"{name} to be a value, of hashable fields", error)) from None


def _floating(name: str, value: Any) -> np.ndarray:
    array = _array(name, value)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise TypeError(message(WHERE, f"{name} of a floating dtype", array.dtype))
    return array


def _array(name: str, value: Any) -> np.ndarray:
    """Return a value as a NumPy array of finite real numbers."""
    if not is_concrete(value):
        raise TypeError(message(WHERE, f"{name} to be values, outside of jax.jit and the like", "a traced array"))
    array = np.asarray(value)
    if not (jnp.issubdtype(array.dtype, jnp.number) or array.dtype == bool):
        raise TypeError(message(WHERE, f"{name} to be an array of numbers", f"dtype {array.dtype}"))
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise TypeError(message(WHERE, f"{name} of a real dtype", array.dtype))
    finite = np.isfinite(array.astype(np.float64))
    if not finite.all():
        place = [int(i) for i in np.argwhere(~finite)[0]]
        raise ValueError(message(WHERE, f"{name} to be finite", f"a value that is not at {place}"))
    return array
