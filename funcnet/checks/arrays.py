"""Checks of arrays: what can be made an array of numbers, and what its values may be."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax._src.core import trace_state_clean  # which has no public name

from ..errors import DtypeError, ShapeError, message


def is_concrete(value: object) -> bool:
    """Return whether a value is known now: it is not a tracer of a JAX transformation."""
    return not isinstance(value, jax.core.Tracer)


def is_tracing() -> bool:
    """Return whether the code runs inside a transformation of JAX, such as ``jax.jit``.

    >>> is_tracing()
    False
    >>> _ = jax.jit(lambda x: print(is_tracing()) or x)(1.0)
    True
    """
    return not trace_state_clean()


def brief(value: Any) -> str:
    """Return a value as an error shows it: without the contents of arrays, on one short line.

    >>> brief("adam"), brief(np.ones((2, 3))), brief([0.5] * 100), brief(10**400)
    ("'adam'", 'an array of shape (2, 3) and dtype float64', 'a list', 'an int of 1329 bits')
    """
    if isinstance(value, jax.Array | np.ndarray) and value.ndim:
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    if isinstance(value, int) and value.bit_length() > 256:
        return f"an int of {value.bit_length()} bits"
    if isinstance(value, type) or is_deleted(value):
        return f"the class {value.__name__}" if isinstance(value, type) else DELETED
    text = repr(value)
    is_short = len(text) <= 100 and "\n" not in text and " at 0x" not in text
    return text if is_short else f"a {type(value).__name__}"


DELETED = "an array that was deleted, or donated to a compiled program"


def is_deleted(array: Any) -> bool:
    """Return whether a value is a JAX array whose buffer was deleted or donated."""
    return isinstance(array, jax.Array) and is_concrete(array) and array.is_deleted()


def check_known(where: object, name: str, *values: Any) -> None:
    """Raise ``TypeError`` for a tracer in a function that computes on the host."""
    if not all(map(is_concrete, values)):
        raise TypeError(message(where, f"{name} to be values, not traced: call it outside jax.jit", "a traced array"))


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
    if is_tracing() or not all(map(is_concrete, leaves)):
        hint = f"inside jax.jit, jax.vmap or jax.grad use {instead}"
        raise TypeError(message(where, "values", f"traced arrays: {hint}"))


def check_alive(where: object, name: str, tree: Any) -> None:
    """Raise ``ValueError`` for a JAX array that was deleted, or donated to a compiled program; tracers pass.

    >>> x = jnp.ones(3)
    >>> x.delete()
    >>> check_alive("fit", "x", x)
    Traceback (most recent call last):
    ValueError: fit: expected x to hold values, got an array that was deleted, or donated to a compiled program
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if is_deleted(leaf):
            raise ValueError(message(where, f"{name}{jax.tree_util.keystr(path)} to hold values", DELETED))


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


def check_dense(where: object, name: str, value: Any) -> None:
    """Raise ``TypeError`` for a sparse matrix, of SciPy or of JAX, which NumPy takes for one object."""
    if dense := next((method for method in ("toarray", "todense") if hasattr(value, method)), None):
        got = f"a sparse {type(value).__name__}: pass its .{dense}()"
        raise TypeError(message(where, f"{name} to be an array of numbers", got))


def array_of_numbers(where: object, name: str, value: Any, kind: str = "an array of numbers") -> Any:
    """Return a value as a NumPy array, or as the JAX array that it is, of numbers or bools.

    Lists and whatever has the array protocol are taken, such as tables and tensors of other libraries. Raises
    ``DtypeError`` for what makes no such array, and ``ValueError`` for a JAX array that is deleted.

    Args:
        where: what the error names first, such as the public function.
        name: the argument's name.
        value: the argument.
        kind: what the error says was expected.

    >>> array_of_numbers("relu", "z", [[1.0], [1.0, 2.0]])
    Traceback (most recent call last):
    funcnet.errors.DtypeError: relu: expected z to be an array of numbers, got a list with rows of different lengths
    """
    expected = f"{name} to be {kind}"
    if isinstance(value, jax.Array):
        if is_deleted(value):
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


def real_array(where: object, name: str, value: Any) -> Any:
    """Return a value as a NumPy array, or as the JAX array that it is, of a real dtype."""
    array = array_of_numbers(where, name, value)
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise DtypeError(where, f"{name} of a real dtype", array.dtype)
    return array


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


def check_finite(where: object, name: str, array: jax.Array) -> None:
    """Raise ``ValueError`` that names the first value that is not finite; a tracer passes.

    >>> check_finite("least_squares", "y", jnp.array([[0.0], [jnp.inf]]))
    Traceback (most recent call last):
    ValueError: least_squares: expected y to be finite, got inf at index (1, 0)
    """
    if is_concrete(array):
        values = np.asarray(array)
        check_values(where, f"{name} to be finite", values, np.isfinite(values))


def check_values(where: object, expected: str, values: np.ndarray, valid: np.ndarray, remedy: str = "") -> None:
    """Raise ``ValueError`` that names the first value at which ``valid`` is False, its index, and a remedy.

    Args:
        where: what the error names first, such as the public function.
        expected: what the error says was expected.
        values: an array.
        valid: whether each value is valid, an array of bools of that shape.
        remedy: what to do about it; "" for no advice.

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
