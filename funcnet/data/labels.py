"""Conversion of class labels to one-hot rows and back, and the split of a data set in two."""

from typing import Any

import jax
import numpy as np

from ..checks import (
    array_of_numbers,
    check_count,
    check_dense,
    check_key,
    check_known,
    check_number,
    check_unmasked,
    check_values,
)
from ..errors import message


def one_hot(labels: Any, classes: int) -> np.ndarray:
    """Return the labels (n,) as rows (n, classes) of float32: 1 at the label and 0 elsewhere.

    Raises ``TypeError`` for labels that are not integers, and ``ValueError`` that names the first label outside
    [0, classes).

    >>> one_hot([0, 2], 3)
    array([[1., 0., 0.], [0., 0., 1.]], dtype=float32)
    >>> one_hot([0, 3], 3)
    Traceback (most recent call last):
    ValueError: one_hot: expected labels in [0, 3), got 3 at index 1
    """
    check_count("one_hot", "classes", classes)
    labels = _labels("one_hot", labels)
    check_values("one_hot", f"labels in [0, {classes})", labels, (labels >= 0) & (labels < classes))
    rows = np.zeros((len(labels), classes), np.float32)
    rows[np.arange(len(labels)), labels] = 1
    return rows


def from_one_hot(rows: Any) -> np.ndarray:
    """Return the labels (n,) of one-hot rows (n, classes), as int64: the inverse of ``one_hot``.

    Raises ``ValueError`` that names the first row that is not a single 1 among 0s.

    >>> from_one_hot(one_hot([0, 2], 3))
    array([0, 2])
    """
    rows = _on_host("from_one_hot", "rows", rows)
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise ValueError(message("from_one_hot", "rows of shape (n, classes)", rows.shape))
    wrong = np.flatnonzero(((rows != 0) & (rows != 1)).any(axis=1) | ((rows == 1).sum(axis=1) != 1))
    if wrong.size:
        raise ValueError(
            message("from_one_hot", "a single 1 among 0s in every row", f"another row at index {wrong[0]}")
        )
    return rows.argmax(axis=1)


def class_weights(labels: Any, weights: Any = None) -> np.ndarray:
    """Return a weight for each of the n labels: (n,) of float32, for data (x, y, weights).

    By default every class counts alike: a sample of class k weighs n / (K nₖ), where K classes occur and nₖ samples
    have class k, so that the mean weight is 1. King, Zeng, "Logistic Regression in Rare Events Data" (2001), section
    4.2.

    Args:
        labels: integers (n,), at least 0.
        weights: the weight of each class 0, 1, …, at least 0 and finite; None for weights that balance the classes.

    Raises:
        TypeError: labels that are not integers, or weights that are not real numbers.
        ValueError: no labels; a label that is negative or has no weight; a weight that is negative or not finite.

    >>> class_weights([0, 0, 0, 1])
    array([0.6666667, 0.6666667, 0.6666667, 2. ], dtype=float32)
    >>> class_weights([0, 0, 0, 1], weights=[1.0, 5.0])
    array([1., 1., 1., 5.], dtype=float32)
    """
    labels = _labels("class_weights", labels)
    if weights is None:
        check_values("class_weights", "labels of at least 0", labels, labels >= 0)
        _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
        return (labels.size / (counts.size * counts))[classes].astype(np.float32)
    each = _on_host("class_weights", "weights", weights).astype(np.float64)
    if each.ndim != 1 or each.size == 0:
        raise ValueError(message("class_weights", "weights of shape (classes,)", each.shape))
    check_values("class_weights", "weights to be finite and at least 0", each, np.isfinite(each) & (each >= 0))
    check_values("class_weights", f"labels in [0, {each.size})", labels, (labels >= 0) & (labels < each.size))
    return each[labels].astype(np.float32)


def split(
    data: tuple[Any, ...], fraction: float, *, key: jax.Array, stratify: Any = None
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Return ``data`` divided at random into two parts: the remaining rows and the held-out rows.

    Both parts are tuples of NumPy arrays like ``data`` and keep the order of the rows.

    Args:
        data: arrays (x, y, ...) of any dtypes, with the same number n of rows.
        fraction: the share of the rows that is held out, between 0 and 1.
        key: a JAX random key that is used for nothing else.
        stratify: integer labels (n,), to hold out the fraction of each class, at least one row, and to keep at least
            one; None by default.

    Raises:
        TypeError: ``data`` is not a tuple of arrays, or ``fraction`` not a number.
        ValueError: a part would be empty, the arrays have different lengths, ``fraction`` is not between 0 and 1, or a
            class of ``stratify`` has a single row.

    >>> x, y = np.arange(10), np.arange(10) % 2
    >>> (x_train, y_train), (x_held, y_held) = split((x, y), 0.2, key=jax.random.key(0), stratify=y)
    >>> len(x_train), sorted(y_held)
    (8, [np.int64(0), np.int64(1)])
    """
    check_key("split", key)
    check_known("split", "key", key)
    if not isinstance(data, tuple | list):
        raise TypeError(message("split", "a tuple of arrays (x, y, ...)", f"one {type(data).__name__}"))
    check_unmasked("split", "data", data)
    for array in data:
        check_dense("split", "data", array)
    arrays = tuple(np.asarray(array) for array in data)
    shapes = [array.shape for array in arrays]
    if () in shapes or len({shape[0] for shape in shapes}) != 1:
        raise ValueError(message("split", "arrays with the same number of rows", f"shapes {shapes}"))
    rows = len(arrays[0])
    check_number("split", "fraction", fraction, lambda share: (share > 0) & (share < 1), "between 0 and 1")
    check_known("split", "fraction", fraction)
    fraction = float(np.asarray(fraction))
    groups = np.zeros(rows, int) if stratify is None else _labels("split", stratify)
    if len(groups) != rows:
        raise ValueError(message("split", f"{rows} labels to stratify by", len(groups)))
    held_out = np.zeros(rows, bool)
    shuffled = np.asarray(jax.random.permutation(key, rows))
    for group in np.unique(groups):
        members = shuffled[groups[shuffled] == group]
        count = round(fraction * len(members))
        if stratify is not None:
            if len(members) == 1:
                got = f"a single row of class {group}: leave it out, or join the class with another"
                raise ValueError(message("split", "at least two rows of every class to stratify by", got))
            count = min(max(count, 1), len(members) - 1)
        held_out[members[:count]] = True
    if held_out.all() or not held_out.any():
        raise ValueError(message("split", "rows in both parts", f"{held_out.sum()} of {rows} held out"))
    return tuple(array[~held_out] for array in arrays), tuple(array[held_out] for array in arrays)


def _labels(where: str, labels: Any) -> np.ndarray:
    labels = _on_host(where, "labels", labels, "integers")
    if labels.ndim != 1 or not labels.size:
        raise ValueError(message(where, "labels of shape (n,), n at least 1", labels.shape))
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(message(where, "labels to be integers", f"dtype {labels.dtype}"))
    return labels


def _on_host(where: str, name: str, value: Any, kind: str = "an array of numbers") -> np.ndarray:
    """Return a value as a NumPy array; ``TypeError`` for a tracer and for what is not real."""
    check_known(where, name, value)
    array = np.asarray(array_of_numbers(where, name, value, kind))
    if np.iscomplexobj(array):
        raise TypeError(message(where, f"{name} of a real dtype", array.dtype))
    return array
