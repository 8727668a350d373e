"""Checks of trees: parameters, gradients and states, and what a layer's ``init`` and ``backward`` get."""

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import DtypeError, ShapeError, message
from .arrays import DELETED, array_of_numbers, brief, floating_array, is_deleted
from .numbers import as_shape, check_dtype
from .parts import check_is_no_result, shortly


def check_key(where: object, key: Any) -> None:
    """Raise ``TypeError`` unless ``key`` is one JAX random key, typed or raw.

    >>> check_key("fit", 0)
    Traceback (most recent call last):
    TypeError: fit: expected key made by jax.random.key(seed), got 0: use jax.random.key(0)
    """
    is_array = isinstance(key, jax.Array | np.ndarray)
    dtype, shape = (key.dtype, key.shape) if is_array else (None, None)
    if is_array and is_deleted(key):
        raise ValueError(message(where, "key made by jax.random.key(seed)", DELETED))
    typed = dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key) and shape == ()
    if typed or (dtype == np.uint32 and shape == (2,)):
        return
    got = brief(key) if dtype is None else f"an array of shape {shape} and dtype {dtype}"
    if isinstance(key, int):
        got += f": use jax.random.key({key})"
    elif dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key):
        got = f"{key.size} keys in an array of shape {shape}: pass one of them, or map over them with jax.vmap"
    raise TypeError(message(where, "key made by jax.random.key(seed)", got))


def check_like(where: object, name: str, tree: Any, like: Any, *, any_floating: bool = False) -> None:
    """Raise an error unless a tree has the structure, shapes and dtypes of another, whatever broadcasts.

    With ``any_floating`` a leaf may have any floating dtype. Raises ``ValueError`` for another structure, and
    ``ShapeError`` and ``DtypeError``, which name the leaf.

    Args:
        where: what the error names first, such as the public function.
        name: the argument's name.
        tree: the argument.
        like: the tree that it has to be like.
        any_floating: whether a leaf may have any floating dtype.

    >>> check_like("apply_updates", "updates", {"w": np.ones((5, 2), "f")}, {"w": np.ones(2, "f")})
    Traceback (most recent call last):
    funcnet.errors.ShapeError: apply_updates: expected updates['w'] of shape (2,), got (5, 2)
    """
    structure: Any = jax.tree.structure(like)
    if structure != jax.tree.structure(tree):
        raise ValueError(message(where, f"{name} of the structure {structure}", jax.tree.structure(tree)))
    for index, (wanted, found) in enumerate(zip(jax.tree.leaves(like), jax.tree.leaves(tree), strict=True)):
        if not isinstance(found, jax.Array) or is_deleted(found):
            array_of_numbers(where, f"{name}{jax.tree_util.keystr(jax.tree.leaves_with_path(tree)[index][0])}", found)
        dtype, other = dtype_of(wanted), dtype_of(found)
        is_alike = dtype == other or (any_floating and jnp.issubdtype(other, jnp.floating))
        if np.shape(found) == np.shape(wanted) and is_alike:
            continue
        path, _ = jax.tree_util.tree_leaves_with_path(like)[index]
        place = f"{name}{jax.tree_util.keystr(path)}"
        if np.shape(found) != np.shape(wanted):
            raise ShapeError(where, f"{place} of shape {np.shape(wanted)}", np.shape(found))
        raise DtypeError(where, f"{place} of {'a floating dtype' if any_floating else f'dtype {dtype}'}", other)


def dtype_of(value: Any) -> Any:
    """Return the dtype of an array, or the one that JAX gives a number."""
    return value.dtype if isinstance(value, jax.Array) else jnp.result_type(value)


def params_dtype(params: Any) -> np.dtype:
    """Return the dtype of the first floating parameter, float32 where there is none.

    >>> params_dtype(((jnp.zeros(3, jnp.bfloat16),), ()))
    dtype(bfloat16)
    """
    dtypes = (dtype_of(leaf) for leaf in jax.tree.leaves(params) if hasattr(leaf, "dtype"))
    floating = (np.dtype(dtype) for dtype in dtypes if jnp.issubdtype(dtype, jnp.floating))
    return next(floating, np.dtype(np.float32))


def check_arrays(where: object, name: str, tree: Any) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless every leaf of a tree is an array of numbers, or a random key.

    >>> check_arrays("adam", "params", {"w": None, "b": "zero"})
    Traceback (most recent call last):
    funcnet.errors.DtypeError: adam: expected params['b'] to be an array, got 'zero'
    """
    for index, leaf in enumerate(jax.tree.leaves(tree)):
        if isinstance(leaf, jax.Array) and not is_deleted(leaf):
            continue
        place = f"{name}{jax.tree_util.keystr(jax.tree.leaves_with_path(tree)[index][0])}"
        if not isinstance(leaf, jax.Array | np.ndarray | np.generic):
            raise DtypeError(where, f"{place} to be an array", brief(leaf))
        array_of_numbers(where, place, leaf, "an array")


def check_dy(layer: object, dy: Any, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """Return the ``dy`` of a layer's ``backward``; ``ShapeError`` or ``DtypeError`` unless it is like the output.

    Args:
        layer: what the error names first.
        dy: the cotangent of the layer's output.
        shape: the output's shape.
        dtype: the output's dtype.

    >>> import funcnet as fn
    >>> fn.tanh.backward((), np.zeros((5, 2), "f"), np.zeros((5, 1), "f"))
    Traceback (most recent call last):
    funcnet.errors.ShapeError: tanh: expected dy of shape (5, 2), got (5, 1)
    """
    array = jnp.asarray(array_of_numbers(layer, "dy", dy))
    if array.shape != shape:
        raise ShapeError(layer, f"dy of shape {shape}", array.shape)
    if array.dtype != dtype:
        raise DtypeError(layer, f"dy of dtype {dtype}", array.dtype)
    return array


def check_init(layer: object, key: Any, input_shape: Any, dtype: Any) -> tuple[tuple[int, ...], np.dtype]:
    """Return the shape, as a tuple, and the dtype that a layer's ``init`` gets, or raise an error that names one.

    Args:
        layer: what the error names first.
        key: the first argument of ``init``.
        input_shape: the second one.
        dtype: the third one.

    >>> import funcnet as fn
    >>> fn.Dense(10).init(jax.random.key(0), 784)
    Traceback (most recent call last):
    TypeError: Dense(10): expected input_shape to be a tuple without the batch axis, such as (784,), got 784
    """
    check_key(layer, key)
    return as_shape(layer, "input_shape", input_shape), check_dtype(layer, dtype)


def own_params(layer: object, params: Any, kind: Any) -> Any:
    """Return a layer's parameters, which are of its own type, as arrays of a floating dtype.

    ``kind`` is a NamedTuple, or ``tuple`` for a layer without parameters. Raises ``TypeError`` for another type, and
    the errors of ``floating_array``.

    >>> import funcnet as fn
    >>> fn.relu.apply(None, np.ones((2, 3)))
    Traceback (most recent call last):
    TypeError: relu: expected params to be () as init returns them, got None
    """
    if not isinstance(params, kind) or (kind is tuple and params):
        expected = "()" if kind is tuple else kind.__name__
        raise TypeError(message(layer, f"params to be {expected} as init returns them", shortly(params)))
    return params if kind is tuple else kind(*(floating_array(layer, *each) for each in params._asdict().items()))


def check_param_arrays(where: str, params: Any) -> None:
    """Raise an error unless parameters, of any structure, are arrays that hold values, of which one is floating.

    ``TypeError`` for a result or a state in place of its parameters, for a leaf that is no array, and for integers
    alone; ``ValueError`` for deleted arrays. Tracers pass.

    >>> check_param_arrays("predict", ({"weight": "ones"},))
    Traceback (most recent call last):
    funcnet.errors.DtypeError: predict: expected params[0]['weight'] to be an array, got 'ones'
    """
    check_is_no_result(where, params)
    check_arrays(where, "params", params)
    leaves = jax.tree_util.tree_leaves_with_path(params)
    dtypes = [dtype_of(leaf) for _, leaf in leaves]
    if leaves and not any(jnp.issubdtype(dtype, jnp.floating) for dtype in dtypes):
        place = f"params{jax.tree_util.keystr(leaves[0][0])} of a floating dtype"
        raise TypeError(message(where, place, dtypes[0]))


def check_params(where: str, network: Any, params: Any, input_shape: tuple[int, ...]) -> None:
    """Raise an error unless the parameters have the structure and shapes that the network's ``init`` gives.

    ``ValueError`` for another structure or shape; ``TypeError`` for what is no array, and for integers in place of
    floating parameters.

    Args:
        where: what the error names first, such as the public function.
        network: the network.
        params: the argument.
        input_shape: the shape of one input, without the batch axis.
    """
    check_is_no_result(where, params)
    expected = expected_params(network, input_shape)
    structure: Any = jax.tree.structure(expected)
    if structure != jax.tree.structure(params):
        raise ValueError(message(where, f"params as {network} has them", f"the tree {jax.tree.structure(params)}"))
    check_param_arrays(where, params)
    for (path, leaf), other in zip(jax.tree_util.tree_leaves_with_path(expected), jax.tree.leaves(params), strict=True):
        if leaf.shape != np.shape(other):
            place = f"params{jax.tree_util.keystr(path)} of shape {leaf.shape}, as {network} has it"
            raise ValueError(message(where, place, np.shape(other)))
        dtype, is_floating = dtype_of(other), jnp.issubdtype(leaf.dtype, jnp.floating)
        if is_floating and not jnp.issubdtype(dtype, jnp.floating):
            raise TypeError(message(where, f"params{jax.tree_util.keystr(path)} of a floating dtype", dtype))


@lru_cache
def expected_params(network: Any, input_shape: tuple[int, ...], dtype: Any = jnp.float32) -> Any:
    """Return the parameters' structure, shapes and dtypes as structs; cached, because tracing is slow."""
    return jax.eval_shape(lambda: network.init(jax.random.key(0), input_shape, dtype=dtype)[0])


def check_input_shape(where: str, network: Any, input_shape: Any) -> tuple[int, ...]:
    """Return the shape of one input as a tuple, or raise an error: for one that has the batch axis, too.

    >>> import funcnet as fn
    >>> check_input_shape("summary", fn.mlp([784, 10]), (32, 784))
    Traceback (most recent call last):
    ValueError: summary: expected input_shape without the batch axis, (784,), got (32, 784)
    """
    shape = as_shape(where, "input_shape", input_shape)
    try:
        expected_params(network, shape)
    except ShapeError as error:
        try:
            expected_params(network, shape[1:])
        except Exception:
            raise error from None
        raise ValueError(message(where, f"input_shape without the batch axis, {shape[1:]}", shape)) from None
    return shape
