"""Checks of the data of a training or an evaluation: inputs, targets, weights."""

from functools import lru_cache
from typing import Any
from weakref import WeakValueDictionary

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ShapeError, message
from .arrays import check_values, is_concrete, is_label_dtype, real_array
from .collapse import warn_of_collapse
from .numbers import LARGEST_COUNT, accumulator_dtype, as_dtype


def check_data(
    where: str, parts: tuple[Any, Any], data: Any, dtype: Any, like: jax.Array | None = None
) -> tuple[Any, Any, Any]:
    """Return x, y and the samples' weights, None without, as JAX arrays; or raise an error that names the wrong one.

    x is (n, ...), as ``check_inputs`` takes it; n is at least 1. y has as many rows and is numeric and finite: it
    becomes ``dtype``, but labels of classes, for a loss that takes them, stay integers. Its numbers are in the range
    that the loss states. Weights are (n,).

    Args:
        where: the name of the public function.
        parts: the network and the loss.
        data: (x, y) or (x, y, weights); weights may be None.
        dtype: the parameters' dtype.
        like: the x of the training data, for validation data: its rows have the same shape, and both are floating or
            both integers; None for any x that the network takes.

    >>> import funcnet as fn
    >>> check_data("fit", (fn.mlp([2, 1]), fn.quadratic), (np.zeros((3, 2)), np.zeros((4, 1))), np.float32)
    Traceback (most recent call last):
    ValueError: fit: expected as many rows in y as in x, got 4 for 3
    """
    if not isinstance(data, tuple | list) or len(data) not in (2, 3):
        got = f"{len(data)} of them" if isinstance(data, tuple | list) else type(data).__name__
        raise TypeError(message(where, "data (x, y) or (x, y, weights)", got))
    network, loss = parts
    x = check_inputs(where, network, data[0], dtype)
    if like is not None:
        _check_units(where, x, like)
    y = given = real_array(where, "y", data[1])
    if y.ndim and len(y) != len(x):
        raise ValueError(message(where, "as many rows in y as in x", f"{len(y)} for {len(x)}"))
    count = _label_count(network, loss, x, y, dtype) if is_label_dtype(y.dtype) else None
    if count is None and y.ndim < 2:
        remedy = "fn.data.one_hot" if loss.label_count(2) is None else "integers"
        hint = f": use {remedy} for class labels, y[:, None] for scalar targets"
        raise ValueError(message(where, "y of shape (n, outputs)", f"{y.shape}{hint}"))
    y = _finite(where, "y", y, dtype) if count is None else _labels(where, y, count)
    weights = data[2] if len(data) == 3 else None
    weights = None if weights is None else _sample_weights(where, weights, len(x), dtype)
    if count is None:
        loss.check_targets(where, given, weights)
    return x, y, weights


def _check_units(where: str, x: jax.Array, like: jax.Array) -> None:
    """Raise ``ValueError`` where validation data have rows of another shape than the training data, or other units."""
    if x.shape[1:] != like.shape[1:]:
        raise ValueError(message(where, f"x of shape (n, {', '.join(map(str, like.shape[1:]))})", x.shape))
    if jnp.issubdtype(x.dtype, jnp.floating) != jnp.issubdtype(like.dtype, jnp.floating):
        expected = f"x in the units of the training data, whose dtype is {like.dtype}"
        raise ValueError(message(where, expected, f"dtype {x.dtype}: convert both alike"))


def _label_count(network: Any, loss: Any, x: jax.Array, y: Any, dtype: Any) -> int | None:
    """Return how many classes integers y name as labels, None where they are no labels for this network and loss."""
    output = _output_of(network, x.shape[1:], np.dtype(x.dtype), np.dtype(dtype))
    return loss.label_count(output.shape[-1]) if y.ndim == output.ndim - 1 else None


def _labels(where: str, y: Any, count: int) -> jax.Array:
    """Return labels as int32 where they are concrete, and then every one must be in [0, count)."""
    if not is_concrete(y):
        return y
    values = np.asarray(y)
    expected = f"labels y in [0, {count}), as many as the network's outputs name"
    check_values(where, expected, values, (values >= 0) & (values < count))
    return jnp.asarray(values.astype(np.int32))


def _sample_weights(where: str, weights: Any, samples: int, dtype: Any) -> jax.Array:
    """Return the samples' weights in the accumulators' dtype: at least 0, and one of them above 0, if concrete."""
    dtype = accumulator_dtype(dtype)
    check_weights(where, weights, dtype)
    array = jnp.asarray(real_array(where, "weights", weights)).astype(dtype)
    if array.shape != (samples,):
        raise ShapeError(where, f"weights of shape ({samples},), one per sample", array.shape)
    if is_concrete(array):
        largest = np.max(np.asarray(array))
        if largest == 0:
            raise ValueError(message(where, "weights of which one is above 0", "all of them 0"))
        if largest > 2.0**64:  # their sum may overflow, and only their ratios matter
            array *= jnp.asarray(2.0**-100, dtype)
    return array


@lru_cache
def _output_of(network: Any, input_shape: tuple[int, ...], input_dtype: np.dtype, dtype: np.dtype) -> Any:
    """Return the struct of a network's output for one sample; cached, because tracing is slow."""

    def output(key: jax.Array, x: jax.Array) -> jax.Array:
        return network.apply(network.init(key, input_shape, dtype=dtype)[0], x)

    return jax.eval_shape(output, jax.random.key(0), jax.ShapeDtypeStruct((1, *input_shape), input_dtype))


def check_inputs(where: str, network: Any, x: Any, dtype: Any) -> jax.Array:
    """Return x (n, ...) as a JAX array, or raise an error that says what is wrong with it.

    A floating x must be finite and is cast to ``dtype``. Integers stay as they are, for a network that takes them.

    Args:
        where: the name of the public function.
        network: what the inputs are for.
        x: the inputs (n, ...).
        dtype: the parameters' dtype.

    >>> import funcnet as fn
    >>> check_inputs("predict", fn.mlp([4, 1]), np.zeros((2, 4), np.uint8), np.float32)
    Traceback (most recent call last):
    TypeError: predict: expected x of a floating dtype, got uint8: convert it, or start with fn.Rescaling(1 / 255)
    >>> network = fn.Sequential(fn.Rescaling(1 / 255), fn.Dense(1))
    >>> check_inputs("predict", network, np.zeros((2, 4), np.uint8), np.float32).dtype
    dtype('uint8')
    """
    x = real_array(where, "x", x)
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(message(where, "x with at least one row", f"shape {x.shape}"))
    if len(x) > LARGEST_COUNT:
        raise ValueError(message(where, f"x with at most {LARGEST_COUNT} rows", f"shape {x.shape}"))
    if jnp.issubdtype(x.dtype, jnp.floating):
        return _finite(where, "x", x, dtype)
    kept = jax.dtypes.canonicalize_dtype(x.dtype) == x.dtype  # 64-bit integers may be cut to 32
    if x.dtype != bool and kept and _takes(network, x.shape[1:], np.dtype(x.dtype), np.dtype(dtype)):
        return jnp.asarray(x)
    hint, narrow = (
        "convert it, or start with fn.Rescaling(1 / 255)",
        np.dtype(np.uint8 if x.dtype == bool else np.int32),
    )
    if _takes(network, x.shape[1:], narrow, np.dtype(dtype)):
        hint = f"convert it to {narrow}"
    raise TypeError(message(where, "x of a floating dtype", f"{x.dtype}: {hint}"))


def _takes(network: Any, input_shape: tuple[int, ...], input_dtype: np.dtype, dtype: np.dtype) -> bool:
    """Return whether a network with parameters of ``dtype`` makes floating outputs of inputs of another dtype."""
    try:
        made = _output_of(network, input_shape, input_dtype, dtype)
    except (TypeError, ValueError):
        return False
    return bool(jnp.issubdtype(made.dtype, jnp.floating))


def _finite(where: str, name: str, array: Any, dtype: Any) -> jax.Array:
    """Return the array in ``dtype``; every value must be finite in it, if they are concrete."""
    if isinstance(array, jax.Array) and array.dtype == dtype and not array.weak_type:
        converted = array
    else:
        with np.errstate(over="ignore"):  # what overflows is found below
            converted = jnp.asarray(array if isinstance(array, jax.Array) else array.astype(dtype, copy=False), dtype)
    if is_concrete(converted) and _known_to_be_finite.get(id(array)) is not converted:
        finite = np.isfinite(np.asarray(converted, np.float32 if converted.dtype.itemsize < 4 else None))
        if not finite.all():
            check_values(where, f"{name} to be finite in {np.dtype(dtype)}", np.asarray(array), finite)
        if array.dtype != dtype:
            warn_of_collapse(where, name, array, dtype)
        if converted is array:
            _known_to_be_finite[id(array)] = converted
    return converted


# JAX's arrays by id, as long as they live. They do not change, so that each is looked through once.
_known_to_be_finite: WeakValueDictionary[int, jax.Array] = WeakValueDictionary()


def check_penalty(where: str, penalty: Any, dtype: Any) -> None:
    """Raise ``ValueError`` for a penalty with a number that degenerates in ``dtype``. None and tracers pass.

    >>> import funcnet as fn
    >>> check_penalty("fit", fn.l2(1e-50), np.float32)
    Traceback (most recent call last):
    ValueError: fit: expected the numbers of l2(1e-50) that float32 does not round to 0, got 1e-50
    """
    for number in jax.tree.leaves(penalty):
        as_dtype(where, f"the numbers of {penalty}", number, dtype)


def check_weights(where: str, weights: Any, dtype: Any) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless samples' weights are numbers of at least 0 that ``dtype`` can hold.

    None and tracers pass. The shape is checked while the mean is traced.

    >>> check_weights("train_step", [1.0, -1.0], np.float32)
    Traceback (most recent call last):
    ValueError: train_step: expected weights to be at least 0 and finite in float32, got -1 at index 1
    """
    parts = weights if isinstance(weights, list | tuple) else [weights]
    known = all(is_concrete(each) and getattr(each, "is_fully_addressable", True) for each in parts)
    if weights is None or not known:
        return
    values = np.asarray(real_array(where, "weights", weights)).astype(np.float64)
    valid = (values >= 0) & (values <= jnp.finfo(dtype).max)
    check_values(where, f"weights to be at least 0 and finite in {np.dtype(dtype)}", values, valid)
    as_dtype(where, "the largest of the weights", values.max(initial=0), dtype)
