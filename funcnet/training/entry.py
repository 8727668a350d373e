"""Checks of data where it enters training: once, on the host, so that compiled programs can rely on it."""

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import is_concrete
from ..errors import message
from ..layer import Layer, Params
from ..losses import Loss
from .metrics import metric_name


def check_parts(where: str, network: Any, loss: Any, optimizer: Any, metrics: Any, gradients: Any) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless these are the parts of a training step.

    >>> import funcnet as fn
    >>> check_parts("fit", fn.mlp([2, 1]), fn.quadratic, fn.adam, [], fn.autodiff)
    Traceback (most recent call last):
    TypeError: fit: expected optimizer to have init and update, as fn.adam(0.001) has, got a function
    """
    check_layer(where, network)
    check_loss(where, loss)
    check_optimizer(where, optimizer)
    check_metrics(where, metrics)
    if not callable(gradients):
        raise TypeError(message(where, "gradients to be fn.autodiff, fn.backprop or their like", repr(gradients)))


def check_layer(where: str, network: Any) -> None:
    """Raise ``TypeError`` unless this is a layer, as every network is."""
    if not isinstance(network, Layer):
        raise TypeError(message(where, "network to be a layer, such as fn.mlp([784, 10])", _shortly(network)))


def check_loss(where: str, loss: Any) -> None:
    """Raise ``TypeError`` unless this is a loss."""
    if not isinstance(loss, Loss):
        expected = "loss to be a loss, such as fn.quadratic or a subclass of fn.Loss of your own"
        raise TypeError(message(where, expected, _shortly(loss)))


def check_optimizer(where: str, optimizer: Any) -> None:
    """Raise ``TypeError`` unless this is an (init, update) pair, funcnet's or optax's."""
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        expected = "optimizer to have init and update, as fn.adam(0.001) has"
        raise TypeError(message(where, expected, f"a {type(optimizer).__name__}"))


def check_metrics(where: str, metrics: Any) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless these are functions of different names."""
    if not isinstance(metrics, tuple | list):
        raise TypeError(message(where, "metrics to be a list of functions", repr(metrics)))
    names = ["loss"]
    for metric in metrics:
        if not callable(metric):
            raise TypeError(message(where, "metrics to be functions of (prediction, target)", repr(metric)))
        names.append(metric_name(metric))
    if len(set(names)) < len(names):
        raise ValueError(message(where, "metrics of different names, none of them 'loss'", names[1:]))


def check_params(where: str, network: Layer, params: Any, input_shape: tuple[int, ...]) -> None:
    """Raise ``ValueError`` unless the parameters have the structure and shapes that the network's ``init`` gives."""
    expected = _expected_params(network, input_shape)
    structure: Any = jax.tree.structure(expected)
    if structure != jax.tree.structure(params):
        raise ValueError(message(where, f"params as {network} has them", f"the tree {jax.tree.structure(params)}"))
    for (path, leaf), other in zip(jax.tree_util.tree_leaves_with_path(expected), jax.tree.leaves(params), strict=True):
        if leaf.shape != np.shape(other):
            place = f"params{jax.tree_util.keystr(path)} of shape {leaf.shape}, as {network} has it"
            raise ValueError(message(where, place, np.shape(other)))


@lru_cache
def _expected_params(network: Layer, input_shape: tuple[int, ...]) -> Params:
    """Return the parameters' structure and shapes; remembered, since tracing takes longer than a short run."""
    return jax.eval_shape(lambda key: network.init(key, input_shape)[0], jax.random.key(0))


@lru_cache
def _takes(network: Layer, input_shape: tuple[int, ...], input_dtype: np.dtype, dtype: np.dtype) -> bool:
    """Return whether a network with parameters of ``dtype`` makes floating outputs of inputs of another dtype."""

    def output(key: jax.Array, x: jax.Array) -> jax.Array:
        return network.apply(network.init(key, input_shape, dtype=dtype)[0], x)

    try:
        made = jax.eval_shape(output, jax.random.key(0), jax.ShapeDtypeStruct((1, *input_shape), input_dtype))
    except (TypeError, ValueError):
        return False
    return bool(jnp.issubdtype(made.dtype, jnp.floating))


def _shortly(value: Any) -> str:
    """Return what a value is, without the contents of arrays."""
    return repr(value) if isinstance(value, str | Layer | Loss) else f"a {type(value).__name__}"


def samples(
    where: str, network: Layer, data: Any, dtype: Any, input_shape: tuple[int, ...] | None = None
) -> tuple[Any, Any]:
    """Return (x, y) as JAX arrays of ``dtype``, or raise an error that says what is wrong with which.

    x is (n, ...), what ``inputs`` takes; y has as many rows, is numeric and finite; n is at least 1.

    >>> import funcnet as fn
    >>> samples("fit", fn.mlp([2, 1]), (np.zeros((3, 2)), np.zeros((4, 1))), np.float32)
    Traceback (most recent call last):
    ValueError: fit: expected as many rows in y as in x, got 4 for 3
    """
    if not isinstance(data, tuple | list) or len(data) != 2:
        got = f"{len(data)} of them" if isinstance(data, tuple | list) else type(data).__name__
        raise TypeError(message(where, "data to be a pair (x, y)", got))
    x = inputs(where, network, data[0], dtype)
    if input_shape is not None and x.shape[1:] != input_shape:
        raise ValueError(message(where, f"x of shape (n, {', '.join(map(str, input_shape))})", x.shape))
    y = _numeric(where, "y", data[1])
    if y.ndim < 2:
        hint = ": class labels become rows by funcnet.data.one_hot, single targets by y[:, None]"
        raise ValueError(message(where, "y of shape (n, outputs)", f"{y.shape}{hint}"))
    if len(y) != len(x):
        raise ValueError(message(where, "as many rows in y as in x", f"{len(y)} for {len(x)}"))
    return x, _finite(where, "y", y, dtype)


def inputs(where: str, network: Layer, x: Any, dtype: Any) -> jax.Array:
    """Return x (n, ...) as a JAX array, or raise an error that says what is wrong with it.

    A floating x is to be finite and becomes ``dtype``. Integers stay as they are, for a network that takes them.

    >>> import funcnet as fn
    >>> inputs("predict", fn.mlp([4, 1]), np.zeros((2, 4), np.uint8), np.float32)
    Traceback (most recent call last):
    TypeError: predict: expected x of a floating dtype, got uint8: convert it, or begin with fn.Rescaling(1 / 255)
    >>> network = fn.Sequential(fn.Rescaling(1 / 255), fn.Dense(1))
    >>> inputs("predict", network, np.zeros((2, 4), np.uint8), np.float32).dtype
    dtype('uint8')
    """
    x = _numeric(where, "x", x)
    if jnp.issubdtype(x.dtype, jnp.floating):
        return _finite(where, "x", x, dtype)
    kept = jax.dtypes.canonicalize_dtype(x.dtype) == x.dtype  # 64-bit integers may be cut to 32
    if x.dtype != bool and kept and _takes(network, x.shape[1:], np.dtype(x.dtype), np.dtype(dtype)):
        return jnp.asarray(x)
    hint = ": convert it, or begin with fn.Rescaling(1 / 255)"
    raise TypeError(message(where, "x of a floating dtype", f"{x.dtype}{hint}"))


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
