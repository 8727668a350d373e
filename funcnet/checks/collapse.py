"""A warning where a cast to a narrower dtype makes one value of many."""

import sys
import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np

_COLLAPSE_ROWS, _COLLAPSE_SAMPLE, _COLLAPSE_COLUMNS = 2**16, 64, 16  # that are looked at


def warn_of_collapse(where: str, name: str, array: Any, dtype: Any) -> None:
    """Warn of columns of which ``dtype`` keeps at most half of the distinct values, but twice as many less a median.

    A median that is large against the differences, as of Unix times, costs these their digits. Of large data 65,536
    rows are looked at, and 16 of the columns in which the middle half of 64 rows spans fewer numbers of ``dtype`` than
    there are rows.

    >>> import pytest
    >>> with pytest.warns(UserWarning, match="float32 keeps 2 of the 20 distinct values of x"):
    ...     warn_of_collapse("fit", "x", np.arange(1.7e9, 1.7e9 + 100, 5)[:, None], np.float32)
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
