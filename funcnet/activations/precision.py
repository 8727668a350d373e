"""Half precision computed in float32: the result is rounded once, not after every operation."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import jax.numpy as jnp

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
    def computed(self: Any, array: Any, *others: Any) -> Any:
        if not _is_half(array):
            return method(self, array, *others)
        dtype = array.dtype
        wide = (jnp.asarray(each, jnp.float32) if _is_half(each) else each for each in (array, *others))
        return method(self, *wide).astype(dtype)

    return cast(Method, computed)


def _is_half(array: Any) -> bool:
    return getattr(array, "dtype", None) in (jnp.float16, jnp.bfloat16)
