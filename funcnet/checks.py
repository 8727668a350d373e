"""Checks of arguments, and the dtypes that follow from them.

Each check raises an error that names the argument, or returns the value as the library uses it. Public functions call
them, once, before anything is computed. What a network computes is checked by its layers and losses, while JAX traces
them.
"""

import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from os import PathLike, fspath
from typing import Any
from weakref import WeakValueDictionary

import jax
import jax.numpy as jnp
import numpy as np

from .errors import DtypeError, ShapeError, message

LARGEST_COUNT = 2**31 - 1  # of an int32, which counts steps, epochs, evaluations and rows


def is_concrete(value: object) -> bool:
    """Return whether a value is known now: it is not a tracer of a JAX transformation."""
    return not isinstance(value, jax.core.Tracer)


def check_number(where: object, name: str, value: Any, valid: Callable[[Any], Any], expected: str) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless a scalar is a valid number.

    Tracers pass: they have no value yet.

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


def as_dtype(where: object, name: str, number: Any, dtype: Any, *, may_vanish: bool = False) -> Any:
    """Return a number, or an array of them, as it becomes in ``dtype``; ``ValueError`` where it degenerates.

    A finite number may not become infinite, and one other than 0 not 0, unless it ``may_vanish``. A subnormal number
    counts as 0, since compiled programs on CPUs flush it to 0; those of float16, which is computed in float32, remain.
    Tracers pass.

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


def check_like(where: object, name: str, tree: Any, like: Any, *, any_floating: bool = False) -> None:
    """Raise an error unless a tree has the structure, shapes and dtypes of another, whatever broadcasts.

    With ``any_floating`` a leaf may have any floating dtype. Raises ``ValueError`` for another structure, and
    ``ShapeError`` and ``DtypeError``, which name the leaf.

    >>> check_like("apply_updates", "updates", {"w": np.ones((5, 2), "f")}, {"w": np.ones(2, "f")})
    Traceback (most recent call last):
    funcnet.errors.ShapeError: apply_updates: expected updates['w'] of shape (2,), got (5, 2)
    """
    structure: Any = jax.tree.structure(like)
    if structure != jax.tree.structure(tree):
        raise ValueError(message(where, f"{name} of the structure {structure}", jax.tree.structure(tree)))
    for index, (wanted, found) in enumerate(zip(jax.tree.leaves(like), jax.tree.leaves(tree), strict=True)):
        if not isinstance(found, jax.Array) or _is_deleted(found):
            array_of_numbers(where, f"{name}{jax.tree_util.keystr(jax.tree.leaves_with_path(tree)[index][0])}", found)
        dtype, other = _dtype_of(wanted), _dtype_of(found)
        is_alike = dtype == other or (any_floating and jnp.issubdtype(other, jnp.floating))
        if np.shape(found) == np.shape(wanted) and is_alike:
            continue
        path, _ = jax.tree_util.tree_leaves_with_path(like)[index]
        place = f"{name}{jax.tree_util.keystr(path)}"
        if np.shape(found) != np.shape(wanted):
            raise ShapeError(where, f"{place} of shape {np.shape(wanted)}", np.shape(found))
        raise DtypeError(where, f"{place} of {'a floating dtype' if any_floating else f'dtype {dtype}'}", other)


def _dtype_of(value: Any) -> Any:
    """Return the dtype of an array, or the one that JAX gives a number."""
    return value.dtype if isinstance(value, jax.Array) else jnp.result_type(value)


def check_arrays(where: object, name: str, tree: Any) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless every leaf of a tree is an array of numbers, or a random key.

    >>> check_arrays("adam", "params", {"w": None, "b": "zero"})
    Traceback (most recent call last):
    funcnet.errors.DtypeError: adam: expected params['b'] to be an array, got 'zero'
    """
    for index, leaf in enumerate(jax.tree.leaves(tree)):
        if isinstance(leaf, jax.Array) and not _is_deleted(leaf):
            continue
        place = f"{name}{jax.tree_util.keystr(jax.tree.leaves_with_path(tree)[index][0])}"
        if not isinstance(leaf, jax.Array | np.ndarray | np.generic):
            raise DtypeError(where, f"{place} to be an array", brief(leaf))
        array_of_numbers(where, place, leaf, "an array")


def check_dy(layer: object, dy: Any, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """Return the ``dy`` of a layer's ``backward``; ``ShapeError`` or ``DtypeError`` unless it is like the output.

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

    >>> import funcnet as fn
    >>> fn.Dense(10).init(jax.random.key(0), 784)
    Traceback (most recent call last):
    TypeError: Dense(10): expected input_shape to be a tuple without the batch axis, such as (784,), got 784
    """
    check_key(layer, key)
    return as_shape(layer, "input_shape", input_shape), check_dtype(layer, dtype)


def as_shape(where: object, name: str, shape: Any, minimum: int = 1) -> tuple[int, ...]:
    """Return a shape as a tuple of Python's integers; ``TypeError`` or ``ValueError`` for anything else."""
    if not isinstance(shape, tuple | list):
        hint = " without the batch axis, such as (784,)" if name == "input_shape" else " of integers, such as (10, 784)"
        raise TypeError(message(where, f"{name} to be a tuple{hint}", brief(shape)))
    for size in shape:
        check_count(where, f"every size of {name}", size, minimum)
    return tuple(map(int, shape))


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
        raise TypeError(message(layer, f"params to be {expected} as init returns them", _shortly(params)))
    return params if kind is tuple else kind(*(floating_array(layer, *each) for each in params._asdict().items()))


def check_count(where: object, name: str, value: Any, minimum: int = 1, maximum: int = LARGEST_COUNT) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless a value is an integer from ``minimum`` to ``maximum``.

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


def is_label_dtype(dtype: Any) -> bool:
    """Return whether arrays of a dtype can hold labels of classes: integers, or bool for two classes."""
    return bool(jnp.issubdtype(dtype, jnp.integer)) or np.dtype(dtype) == np.bool_


def nan_unless(valid: jax.Array, values: jax.Array) -> jax.Array:
    """Return floating values where they are valid, and NaN elsewhere: what a compiled program can do for an error.

    The NaN is the square root of -1, since a constant NaN would end a valid run under ``jax.debug_nans``. It is
    selected, not multiplied: XLA makes 0 of a product with a converted bool that is False.

    >>> nan_unless(jnp.array([True, False]), jnp.array([1.0, 2.0]))
    Array([ 1., nan], dtype=float32)
    """
    return jnp.where(valid, values, jnp.sqrt(jnp.where(valid, 1.0, -1.0)).astype(values.dtype))


def check_key(where: object, key: Any) -> None:
    """Raise ``TypeError`` unless ``key`` is one JAX random key, typed or raw.

    >>> check_key("fit", 0)
    Traceback (most recent call last):
    TypeError: fit: expected key made by jax.random.key(seed), got 0: use jax.random.key(0)
    """
    is_array = isinstance(key, jax.Array | np.ndarray)
    dtype, shape = (key.dtype, key.shape) if is_array else (None, None)
    if is_array and _is_deleted(key):
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


def params_dtype(params: Any) -> np.dtype:
    """Return the dtype of the first floating parameter, float32 where there is none.

    >>> params_dtype(((jnp.zeros(3, jnp.bfloat16),), ()))
    dtype(bfloat16)
    """
    dtypes = (_dtype_of(leaf) for leaf in jax.tree.leaves(params) if hasattr(leaf, "dtype"))
    floating = (np.dtype(dtype) for dtype in dtypes if jnp.issubdtype(dtype, jnp.floating))
    return next(floating, np.dtype(np.float32))


def check_unmasked(where: object, name: str, value: Any) -> None:
    """Raise ``TypeError`` for a masked array, alone, in a list or from ``__array__``: its masked values would count.

    >>> check_unmasked("fit", "x", [np.ma.array([1.0, 2.0], mask=[False, True])])
    Traceback (most recent call last):
    TypeError: fit: expected x without a mask, got a masked array: leave out what is masked, or fill it
    """
    if _is_masked(value):
        got = "a masked array: leave out what is masked, or fill it"
        raise TypeError(message(where, f"{name} without a mask", got))


def _is_masked(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_is_masked, value))
    if isinstance(value, jax.Array) or not hasattr(value, "__array__"):
        return False
    return isinstance(np.asanyarray(value), np.ma.MaskedArray)


DELETED = "an array that was deleted, or donated to a compiled program"


def _is_deleted(array: Any) -> bool:
    return isinstance(array, jax.Array) and is_concrete(array) and array.is_deleted()


def array_of_numbers(where: object, name: str, value: Any, kind: str = "an array of numbers") -> Any:
    """Return a value as a NumPy array, or as the JAX array that it is, of numbers or bools.

    Lists and whatever has the array protocol are taken, such as tables and tensors of other libraries. Raises
    ``DtypeError`` for what makes no such array, and ``ValueError`` for a JAX array that is deleted.

    >>> array_of_numbers("relu", "z", [[1.0], [1.0, 2.0]])
    Traceback (most recent call last):
    funcnet.errors.DtypeError: relu: expected z to be an array of numbers, got a list with rows of different lengths
    """
    expected = f"{name} to be {kind}"
    if isinstance(value, jax.Array):
        if _is_deleted(value):
            raise ValueError(message(where, expected, DELETED))
        array: Any = value
    else:
        try:
            check_unmasked(where, name, value)
            by_dlpack = hasattr(value, "__dlpack__") and not hasattr(value, "__array__")
            array = np.from_dlpack(value) if by_dlpack else np.asarray(value)
        except jax.errors.TracerArrayConversionError:  # a list of them
            array = jnp.asarray(value)
        except (ValueError, RuntimeError, BufferError) as error:  # of NumPy, and of the library that made the value
            is_ragged = isinstance(value, list | tuple) and "inhomogeneous" in str(error)
            got = "with rows of different lengths" if is_ragged else f"that makes none: {' '.join(str(error).split())}"
            raise DtypeError(where, expected, f"a {type(value).__name__} {got}") from None
    is_number = jnp.issubdtype(array.dtype, jnp.number) and array.dtype.kind != "m"  # durations are integers to NumPy
    if not (is_number or array.dtype == bool):
        raise DtypeError(where, expected, _no_numbers(name, value, array))
    return array


def _no_numbers(name: str, value: Any, array: Any) -> str:
    """Return what a value is that makes an array of something else than numbers, and the remedy."""
    if isinstance(value, str | int) or (callable(value) and not hasattr(value, "__array__")):
        return brief(value)
    if array.dtype != object or isinstance(value, np.ndarray | list | tuple) or hasattr(value, "__array__"):
        is_text = name == "y" and isinstance(array, np.ndarray) and array.ndim == 1 and array.dtype.kind in "USO"
        hint = ": _, y = np.unique(y, return_inverse=True) makes labels of names" if is_text else ""
        return f"dtype {array.dtype}{hint}"
    dense = next((name for name in ("toarray", "todense") if hasattr(value, name)), None)
    if dense is not None:
        return f"a sparse {type(value).__name__}: pass its .{dense}()"
    return "None" if value is None else f"a {type(value).__name__}"


def brief(value: Any) -> str:
    """Return a value as an error shows it: without the contents of arrays, on one short line.

    >>> brief("adam"), brief(np.ones((2, 3))), brief([0.5] * 100), brief(10**400)
    ("'adam'", 'an array of shape (2, 3) and dtype float64', 'a list', 'an int of 1329 bits')
    """
    if isinstance(value, jax.Array | np.ndarray) and value.ndim:
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    if isinstance(value, int) and value.bit_length() > 256:
        return f"an int of {value.bit_length()} bits"
    if isinstance(value, type) or _is_deleted(value):
        return f"the class {value.__name__}" if isinstance(value, type) else DELETED
    text = repr(value)
    is_short = len(text) <= 100 and "\n" not in text and " at 0x" not in text
    return text if is_short else f"a {type(value).__name__}"


def floating_array(where: object, name: str, value: Any) -> jax.Array:
    """Return ``value`` as a JAX array; its dtype must be floating.

    >>> floating_array("relu", "z", jnp.array([1, 2]))
    Traceback (most recent call last):
    funcnet.errors.DtypeError: relu: expected z of a floating dtype, got int32
    """
    array = array_of_numbers(where, name, value)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise DtypeError(where, f"{name} of a floating dtype", array.dtype)
    return jnp.asarray(value if isinstance(value, float) else array)  # a Python number promotes nothing


def integer_array(where: object, name: str, value: Any) -> Any:
    """Return ``value`` as an array of an integer dtype: a JAX array unchanged, anything else as a NumPy array.

    So a 64-bit value is checked before JAX narrows it to 32 bits.

    >>> integer_array("one_hot", "labels", [0.5])
    Traceback (most recent call last):
    funcnet.errors.DtypeError: one_hot: expected labels of an integer dtype, got float64
    """
    array = array_of_numbers(where, name, value)
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise DtypeError(where, f"{name} of an integer dtype", array.dtype)
    return array


def named(where: str, table: Mapping[str, Any], name: Any) -> Any:
    """Return a table's entry of that name; ``ValueError`` for an unknown name gives the nearest one and all of them.

    What is not a text is a ``TypeError``.

    >>> named("loss", {"quadratic": 1, "hinge": 2}, "quadratik")
    Traceback (most recent call last):
    ValueError: loss: expected one of quadratic, hinge, got 'quadratik': 'quadratic' is the nearest
    """
    if not isinstance(name, str):
        raise TypeError(message(where, "a name, such as " + repr(next(iter(table))), f"a {type(name).__name__}"))
    if name in table:
        return table[name]
    nearest = get_close_matches(name.lower(), table, n=1)
    hint = f": {nearest[0]!r} is the nearest" if nearest else ""
    raise ValueError(message(where, f"one of {', '.join(table)}", f"{name!r}{hint}"))


def check_settings_named(where: str, settings: Iterable[str], known: Iterable[str]) -> None:
    """Raise ``TypeError`` for a setting by a name that is not known.

    >>> check_settings_named("optimizer sgd", ["lr"], ["learning_rate"])
    Traceback (most recent call last):
    TypeError: optimizer sgd: expected settings among learning_rate, got lr
    """
    known = list(known)
    if unknown := [name for name in settings if name not in known]:
        raise TypeError(message(where, f"settings among {', '.join(known) or 'none'}", ", ".join(unknown)))


def check_path(where: str, name: str, path: Any) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless a value is a path that a file can have.

    >>> check_path("CSVLog", "path", 3)
    Traceback (most recent call last):
    TypeError: CSVLog: expected path to be a str or a path, got 3
    """
    if not isinstance(path, str | PathLike) or isinstance(fspath(path), bytes):
        raise TypeError(message(where, f"{name} to be a str or a path", brief(path)))
    if not fspath(path) or "\0" in fspath(path):
        raise ValueError(message(where, f"{name} to be the path of a file or folder", repr(fspath(path))))


def check_flag(where: str, name: str, value: Any) -> None:
    """Raise ``TypeError`` unless a value is True or False."""
    if not isinstance(value, bool):
        raise TypeError(message(where, f"{name} to be True or False", brief(value)))


def check_known(where: object, name: str, *values: Any) -> None:
    """Raise ``TypeError`` for a tracer in a function that computes on the host."""
    if not all(map(is_concrete, values)):
        raise TypeError(message(where, f"{name} to be values, not traced: call it outside jax.jit", "a traced array"))


def check_part(where: str, name: str, value: Any, kind: type, *, optional: bool = False) -> None:
    """Raise ``TypeError`` unless an argument is of a class that describes itself by ``described_as``, or None.

    Its fields must be hashable, unless it is a pytree: compiled programs are found by them.

    >>> import funcnet as fn
    >>> check_part("fit", "network", fn.quadratic, fn.Layer)
    Traceback (most recent call last):
    TypeError: fit: expected network to be a layer, such as fn.mlp([784, 10]), got quadratic
    """
    if not isinstance(value, kind) and not (optional and value is None):
        raise TypeError(message(where, f"{name} to be {kind.described_as}", _shortly(value)))  # type: ignore[attr-defined]
    if jax.tree_util.all_leaves([value]):
        try:
            hash(value)
        except TypeError as error:
            raise TypeError(message(where, f"{name} to have hashable fields", error)) from None


def check_update_pair(where: str, optimizer: Any, *, name: str = "optimizer", descends: bool = True) -> None:
    """Raise ``TypeError`` unless this is an (init, update) pair, funcnet's or optax's.

    With ``descends``, ``ValueError`` for a pair that is known not to go down the gradient: funcnet's transformations of
    gradients, such as clipping, without an optimizer after them. What a pair of another library does is not known.

    >>> import funcnet as fn
    >>> check_update_pair("fit", fn.adam)
    Traceback (most recent call last):
    TypeError: fit: expected optimizer to have init and update, as fn.adam(0.001) has, got a function
    >>> check_update_pair("fit", fn.clip_by_value(1.0))
    Traceback (most recent call last):
    ValueError: fit: expected an optimizer: one after it in a fn.chain, got only clip_by_value(limit=1.0)
    """
    is_pair = hasattr(optimizer, "init") and hasattr(optimizer, "update")
    if not is_pair or isinstance(optimizer, type) or hasattr(optimizer, "history_name"):  # a metric has both, too
        expected = f"{name} to have init and update, as fn.adam(0.001) has"
        raise TypeError(message(where, expected, f"a {type(optimizer).__name__}"))
    if descends and not getattr(optimizer.init, "descends", True):
        raise ValueError(message(where, "an optimizer: one after it in a fn.chain", f"only {optimizer}"))


def check_is_no_result(where: str, params: Any) -> None:
    """Raise ``TypeError`` for a result or a state in place of its parameters."""
    if hasattr(params, "params"):
        kind = type(params).__name__
        raise TypeError(message(where, "params", f"a {kind}: pass its .params"))


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
    dtypes = [_dtype_of(leaf) for _, leaf in leaves]
    if leaves and not any(jnp.issubdtype(dtype, jnp.floating) for dtype in dtypes):
        place = f"params{jax.tree_util.keystr(leaves[0][0])} of a floating dtype"
        raise TypeError(message(where, place, dtypes[0]))


def check_not_traced(where: str, *given: Any, instead: str) -> None:
    """Raise ``TypeError`` inside ``jax.jit``, and for traced arguments, of a function that needs values.

    Args:
        where: the name of the public function.
        given: its arguments that hold arrays.
        instead: what may be used in a traced program.

    >>> import pytest
    >>> with pytest.raises(TypeError, match="fit: expected values, got traced arrays: inside .* use run_epochs"):
    ...     jax.jit(lambda x: check_not_traced("fit", x, instead="run_epochs"))(1.0)
    """
    leaves = jax.tree.leaves(given, is_leaf=lambda part: isinstance(part, list))  # of lists of numbers there are many
    if not all(map(is_concrete, (*leaves, jnp.asarray(np.float32(0))))):  # the last is traced inside jax.jit
        hint = f"inside jax.jit, jax.vmap or jax.grad use {instead}"
        raise TypeError(message(where, "values", f"traced arrays: {hint}"))


def check_one_place(where: str, **trees: Any) -> None:
    """Raise ``ValueError`` that names two arguments whose arrays are committed to different devices.

    >>> check_one_place("fit", x=jnp.ones(3), params=np.ones(2))
    """
    first: tuple[str, Any] | None = None
    for name, tree in trees.items():
        for leaf in jax.tree.leaves(tree):
            if not (isinstance(leaf, jax.Array) and is_concrete(leaf) and getattr(leaf, "committed", False)):
                continue
            devices = leaf.sharding.device_set
            if first is None:
                first = name, devices
            elif devices != first[1]:
                there, here = (sorted(map(str, each)) for each in (first[1], devices))
                got = f"{first[0]} on {', '.join(there)} and {name} on {', '.join(here)}: move one with jax.device_put"
                raise ValueError(message(where, "all arrays on the same devices", got))


def check_metrics(where: str, metrics: Any) -> None:
    """Raise an error unless these are metrics: functions, or values with a ``history_name``, of different names."""
    if not isinstance(metrics, tuple | list):
        raise TypeError(message(where, "metrics to be a list of functions or of fn.metrics", repr(metrics)))
    names = ["loss"]
    for metric in metrics:
        if isinstance(metric, type) or not (callable(metric) or hasattr(metric, "history_name")):
            expected = "metrics to be functions of (prediction, target), or of fn.metrics such as fn.metrics.f1"
            raise TypeError(message(where, expected, repr(metric)))
        try:
            hash(metric)
        except TypeError as error:
            expected = "metrics that are hashable, whose settings are numbers, strings or tuples"
            raise TypeError(message(where, expected, f"{metric!r}: {error}")) from error
        names.append(getattr(metric, "history_name", getattr(metric, "__name__", repr(metric))))
        if not isinstance(names[-1], str):
            raise TypeError(message(where, "metrics whose __name__ is a str", repr(names[-1])))
    if len(set(names)) < len(names):
        raise ValueError(message(where, "metrics of different names, none of them 'loss'", names[1:]))


def check_gradient_function(where: str, network: Any, gradients: Any, own: tuple[Any, ...]) -> None:
    """Raise ``TypeError`` unless this can compute a network's gradients.

    For a network that keeps running statistics it must be one of ``own``, fn.autodiff or fn.backprop: a person's own
    function returns no cache, which ``learn`` needs.
    """
    if not callable(gradients):
        raise TypeError(
            message(
                where, "gradients to be fn.autodiff, fn.backprop or a function with the same signature", repr(gradients)
            )
        )
    if network.keeps_statistics and gradients not in own:
        expected = "gradients to be fn.autodiff or fn.backprop for a network with running statistics or frozen layers"
        raise TypeError(message(where, expected, getattr(gradients, "__name__", repr(gradients))))


def check_params(where: str, network: Any, params: Any, input_shape: tuple[int, ...]) -> None:
    """Raise an error unless the parameters have the structure and shapes that the network's ``init`` gives.

    ``ValueError`` for another structure or shape; ``TypeError`` for what is no array, and for integers in place of
    floating parameters.
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
        dtype, is_floating = _dtype_of(other), jnp.issubdtype(leaf.dtype, jnp.floating)
        if is_floating and not jnp.issubdtype(dtype, jnp.floating):
            raise TypeError(message(where, f"params{jax.tree_util.keystr(path)} of a floating dtype", dtype))


@lru_cache
def expected_params(network: Any, input_shape: tuple[int, ...], dtype: Any = jnp.float32) -> Any:
    """Return the parameters' structure, shapes and dtypes as structs; cached, because tracing is slow."""
    return jax.eval_shape(lambda: network.init(jax.random.key(0), input_shape, dtype=dtype)[0])


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


def shape_of_input(where: object, input_shape: Any) -> tuple[int, ...]:
    """Return the shape of one input, which a layer's ``init`` is given, as a tuple of integers.

    >>> shape_of_input("Dense(10)", 784)
    Traceback (most recent call last):
    TypeError: Dense(10): expected input_shape to be a tuple of integers without the batch axis, such as (784,), got 784
    """
    is_shape = isinstance(input_shape, tuple | list)
    if not is_shape or not all(isinstance(size, int | np.integer) for size in input_shape):
        expected = "input_shape to be a tuple of integers without the batch axis, such as (784,)"
        raise TypeError(message(where, expected, repr(input_shape)))
    return tuple(map(int, input_shape))


def check_inputs(where: str, network: Any, x: Any, dtype: Any) -> jax.Array:
    """Return x (n, ...) as a JAX array, or raise an error that says what is wrong with it.

    A floating x must be finite and is cast to ``dtype``. Integers stay as they are, for a network that takes them.

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


def real_array(where: object, name: str, value: Any) -> Any:
    """Return a value as a NumPy array, or as the JAX array that it is, of a real dtype."""
    array = array_of_numbers(where, name, value)
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise DtypeError(where, f"{name} of a real dtype", array.dtype)
    return array


def check_dense(where: object, name: str, value: Any) -> None:
    """Raise ``TypeError`` for a sparse matrix, of SciPy or of JAX, which NumPy takes for one object."""
    if dense := next((method for method in ("toarray", "todense") if hasattr(value, method)), None):
        got = f"a sparse {type(value).__name__}: pass its .{dense}()"
        raise TypeError(message(where, f"{name} to be an array of numbers", got))


def check_alive(where: object, name: str, tree: Any) -> None:
    """Raise ``ValueError`` for a JAX array that was deleted, or donated to a compiled program; tracers pass.

    >>> x = jnp.ones(3)
    >>> x.delete()
    >>> check_alive("fit", "x", x)
    Traceback (most recent call last):
    ValueError: fit: expected x to hold values, got an array that was deleted, or donated to a compiled program
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if _is_deleted(leaf):
            raise ValueError(message(where, f"{name}{jax.tree_util.keystr(path)} to hold values", DELETED))


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
            _warn_of_collapse(where, name, array, dtype)
        if converted is array:
            _known_to_be_finite[id(array)] = converted
    return converted


_COLLAPSE_ROWS, _COLLAPSE_SAMPLE, _COLLAPSE_COLUMNS = 2**16, 64, 16  # that are looked at


def _warn_of_collapse(where: str, name: str, array: Any, dtype: Any) -> None:
    """Warn of columns of which ``dtype`` keeps at most half of the distinct values, but twice as many less a median.

    A median that is large against the differences, as of Unix times, costs these their digits. Of large data 65,536
    rows are looked at, and 16 of the columns in which the middle half of 64 rows spans fewer numbers of ``dtype`` than
    there are rows.

    >>> import pytest
    >>> with pytest.warns(UserWarning, match="float32 keeps 2 of the 20 distinct values of x"):
    ...     _warn_of_collapse("fit", "x", np.arange(1.7e9, 1.7e9 + 100, 5)[:, None], np.float32)
    """
    precision = float(jnp.finfo(dtype).eps)
    if jnp.issubdtype(array.dtype, jnp.floating):
        is_kept = float(jnp.finfo(array.dtype).eps) >= precision
    else:
        is_kept = array.dtype == bool or np.iinfo(array.dtype).max <= 2 / precision
    if is_kept or array.ndim == 0:
        return
    rows = np.asarray(array[:_COLLAPSE_ROWS])
    columns = rows.reshape(len(rows), -1)
    sample = np.sort(columns[:: max(1, len(rows) // _COLLAPSE_SAMPLE)].astype(np.float64), axis=0)
    low, high = sample[len(sample) // 4], sample[3 * len(sample) // 4]
    is_narrow = (high > low) & (high - low < len(rows) * precision * np.maximum(abs(low), abs(high)))
    found = []
    for column in np.flatnonzero(is_narrow)[:_COLLAPSE_COLUMNS]:
        values = np.sort(columns[:, column])
        distinct = _distinct(values)
        kept, centred = (_distinct(each.astype(dtype)) for each in (values, values - values[len(values) // 2]))
        if 2 * kept <= min(distinct, centred):
            place = ", ".join(map(str, np.unravel_index(column, rows.shape[1:])))
            found.append(f"{kept} of the {distinct} distinct values of {name}[:{place and f', {place}'}]")
    if found:
        more = f" and of {len(found) - 1} other columns" if len(found) > 1 else ""
        remedy = f"subtract the column's median before {name} becomes {np.dtype(dtype)}"
        text = f"{where}: {np.dtype(dtype)} keeps {found[0]}{more}: {remedy}"
        warnings.warn(text, UserWarning, stacklevel=outside())


def _distinct(values: np.ndarray) -> int:
    """Return how many distinct values a sorted vector has."""
    return 1 + int(np.count_nonzero(values[1:] != values[:-1]))


def outside() -> int:
    """Return the level of the stack at which a warning names the line that called funcnet."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("funcnet."):
        frame, level = frame.f_back, level + 1
    return level


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


def _shortly(value: Any) -> str:
    """Return what a value is, without the contents of arrays."""
    described = value is None or isinstance(value, str | type) or hasattr(type(value), "described_as")
    return brief(value) if described else f"a {type(value).__name__}"


def set_number(configuration: Any, name: str, valid: Callable[[Any], Any], expected: str) -> None:
    """Convert a field of a configuration to a Python float, which is hashable and prints as it is typed.

    Raises ``TypeError`` or ``ValueError`` unless its value is a finite number that is valid.

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


def check_values(where: object, expected: str, values: np.ndarray, valid: np.ndarray, remedy: str = "") -> None:
    """Raise ``ValueError`` that names the first value at which ``valid`` is False, its index, and a remedy.

    >>> labels = np.array([0, 3])
    >>> check_values("one_hot", "labels in [0, 3)", labels, labels < 3)
    Traceback (most recent call last):
    ValueError: one_hot: expected labels in [0, 3), got 3 at index 1
    """
    if not np.all(valid):
        index = tuple(map(int, np.argwhere(~valid)[0]))
        value = f"{float(values[index]):g}" if jnp.issubdtype(values.dtype, jnp.floating) else f"{values[index]}"
        place = f" at index {index[0] if len(index) == 1 else index}" if index else ""
        raise ValueError(message(where, expected, f"{value}{place}{remedy and f': {remedy}'}"))


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


def host_array(where: object, name: str, value: Any) -> np.ndarray:
    """Return a value as a NumPy array, in its own dtype; all its elements must be finite real numbers.

    >>> host_array("check_gradients", "x", [[1.0, float("nan")]])
    Traceback (most recent call last):
    ValueError: check_gradients: expected x to be finite, got nan at index (0, 1)
    """
    check_known(where, name, value)
    array = np.asarray(real_array(where, name, value))
    check_values(where, f"{name} to be finite", array, np.isfinite(array.astype(np.float64)))
    return array
