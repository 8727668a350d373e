"""Half precision computed in float32: the result is rounded once, not after every operation."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np

Method = TypeVar("Method", bound=Callable[..., Any])


def in_float32(method: Method) -> Method:
    """Return a method that computes float16 and bfloat16 in float32: its arrays are cast, and its result cast back.

    Other dtypes are left alone. So is the program, which contains no cast then.

    >>> class Third:
    ...     @in_float32
    ...     def value(self, z):
    ...         return z / 3 + z.dtype.itemsize
    >>> Third().value(jnp.ones(1, jnp.float16)), Third().value(jnp.ones(1, jnp.float32))
    (Array([4.332], dtype=float16), Array([4.3333335], dtype=float32))
    """

    @wraps(method)
    def computed(self: Any, *arrays: Any, **named: Any) -> Any:
        given = [*arrays, *named.values()]
        if not given or not _is_half(given[0]):
            return method(self, *arrays, **named)
        wide, wide_named = jax.tree.map(_widened, (arrays, named))
        return method(self, *wide, **wide_named).astype(given[0].dtype)

    return cast(Method, computed)


def _widened(value: Any) -> Any:
    return jnp.asarray(value, jnp.float32) if _is_half(value) else value


def _is_half(value: Any) -> bool:
    return isinstance(value, jax.Array | np.ndarray) and value.dtype in (jnp.float16, jnp.bfloat16)
