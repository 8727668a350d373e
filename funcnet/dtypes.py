"""Which dtype sums and states are kept in."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


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
    dtypes = (jnp.result_type(leaf) for leaf in jax.tree.leaves(params) if hasattr(leaf, "dtype"))
    floating = (np.dtype(dtype) for dtype in dtypes if jnp.issubdtype(dtype, jnp.floating))
    return next(floating, np.dtype(np.float32))
