"""The layer that reshapes each sample to a row."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from ..checks import array_of_numbers, check_dy, check_init, own_params
from ..errors import ShapeError
from ..layer import Cache, Layer, Params, Shape


class Flatten(Layer):
    """The layer y = x with each sample as a row: x (batch, ...) of any dtype, y (batch, product of the other axes).

    The order is row-major: x at (i, j, k) of (batch, m, n) becomes y at (i, n j + k), and ∂C/∂x is ∂C/∂y in the shape
    of x. It keeps the dtype. Raises ``ShapeError`` where x has no batch axis. Row-major order: Knuth, *The Art of
    Computer Programming*, volume 1 (1997), section 2.2.6.

    >>> import funcnet as fn
    >>> network = fn.Sequential(fn.Flatten(), fn.Dense(10))
    >>> params, output_shape = network.init(jax.random.key(0), (28, 28))
    >>> network.apply(params, jnp.zeros((5, 28, 28))).shape
    (5, 10)
    """

    def init(self, key: jax.Array, input_shape: Shape, *, dtype: Any = jnp.float32) -> tuple[Params, Shape]:
        """Return no parameters, and the product of the input's shape."""
        shape, _ = check_init(self, key, input_shape, dtype)
        return (), (math.prod(shape),)

    def forward(self, params: Params, x: jax.Array) -> tuple[jax.Array, Cache]:
        """Return x as rows, and x for ``backward``, which needs its shape."""
        own_params(self, params, tuple)
        x = jnp.asarray(array_of_numbers(self, "x", x))
        if x.ndim == 0:
            raise ShapeError(self, "x of shape (batch, ...)", x.shape)
        return x.reshape(x.shape[0], math.prod(x.shape[1:])), x

    def backward(self, params: Params, cache: Cache, dy: jax.Array) -> tuple[Params, jax.Array]:
        """Return ∂C/∂x = ∂C/∂y in the shape of x."""
        own_params(self, params, tuple)
        dy = check_dy(self, dy, (len(cache), math.prod(cache.shape[1:])), cache.dtype)
        return (), dy.reshape(cache.shape)
