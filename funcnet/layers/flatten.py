"""The layer that makes a row of each sample."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from ..checks import check_dtype
from ..errors import ShapeError
from ..layer import Cache, Layer, Params, Shape


class Flatten(Layer):
    """The layer y = x, its samples laid out as rows: x (batch, ...) of any dtype, y (batch, product of the rest).

    The last axis runs fastest: x at (i, j, k) of (batch, m, n) becomes y at (i, n j + k), and ∂C/∂x = ∂C/∂y laid out
    as x is. It keeps the dtype; raises ``ShapeError`` where x has no batch axis. Row-major order: Knuth, *The Art of
    Computer Programming*, volume 1 (1997), section 2.2.6.

    >>> import funcnet as fn
    >>> network = fn.Sequential(fn.Flatten(), fn.Dense(10))
    >>> params, output_shape = network.init(jax.random.key(0), (28, 28))
    >>> network.apply(params, jnp.zeros((5, 28, 28))).shape
    (5, 10)
    """

    def init(self, key: jax.Array, input_shape: Shape, *, dtype: Any = jnp.float32) -> tuple[Params, Shape]:
        """Return no parameters, and the product of the shape that came."""
        check_dtype(self, dtype)
        return (), (math.prod(input_shape),)

    def forward(self, params: Params, x: jax.Array) -> tuple[jax.Array, Cache]:
        """Return x as rows, and x for ``backward``, which needs nothing but its shape."""
        x = jnp.asarray(x)
        if x.ndim == 0:
            raise ShapeError(self, "x of shape (batch, ...)", x.shape)
        return x.reshape(x.shape[0], math.prod(x.shape[1:])), x

    def backward(self, params: Params, cache: Cache, dy: jax.Array) -> tuple[Params, jax.Array]:
        """Return ∂C/∂x = ∂C/∂y, laid out as x is."""
        return (), dy.reshape(cache.shape)
