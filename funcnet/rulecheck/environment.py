"""Where and how derivatives are computed for a check: in float64 on the CPU, and in the training dtype."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import check_dtype


@contextmanager
def double_precision() -> Iterator[Any]:
    """Compute in float64 on the CPU, with JAX's usual promotion; yields the device, None where JAX has no CPU."""
    try:
        cpu = jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # JAX is set up without it
        cpu = None
    with (
        jax.enable_x64(True),
        jax.default_device(cpu),
        jax.transfer_guard("allow"),
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
        np.errstate(invalid="ignore", over="ignore", divide="ignore", under="ignore"),
    ):
        yield cpu


def training_dtype(where: str, dtype: Any, arrays: Iterable[Any]) -> np.dtype | None:
    """Return the training dtype: the given one, else the lowest of the arrays', float32 for float64; None for float64.

    >>> training_dtype("check", None, [np.zeros(2)]), training_dtype("check", "bfloat16", [np.zeros(2)])
    (dtype('float32'), dtype(bfloat16))
    """
    if dtype is not None:
        checked = check_dtype(where, dtype)
        return None if checked.itemsize > 4 else np.dtype(checked)
    least = lowest_dtype(arrays)
    return np.dtype(np.float32) if least is None or least.itemsize > 4 else least


def lowest_dtype(arrays: Iterable[Any]) -> np.dtype | None:
    """Return the floating dtype of the fewest bits among arrays, None where there is none."""
    dtypes = [jnp.result_type(array) for array in arrays if hasattr(array, "dtype")]
    floating = [each for each in dtypes if jnp.issubdtype(each, jnp.floating)]
    return np.dtype(min(floating, key=lambda each: jnp.finfo(each).bits)) if floating else None
