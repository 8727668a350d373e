"""The residual block: layers with a skip connection."""

from typing import Any

import jax
import jax.numpy as jnp

from ..checks import array_of_numbers, check_like, floating_array
from ..errors import ShapeError
from ..layer import Cache, Shape
from .chain import Chain


class Residual(Chain, init=False):
    """The layer y = x + f(x), where f is the given layers in sequence; x and y have the same shape (batch, ...).

    Its gradient is ∂C/∂x = ∂C/∂y + (∂f/∂x)ᵀ ∂C/∂y. Its parameters are the tuple of the layers' parameters, and an error
    inside a layer names the index of the layer, as for ``Sequential``. Raises ``ShapeError`` where f(x) does not have
    the shape of x. He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition" (2016), equation 1.

    >>> import funcnet as fn
    >>> network = fn.Sequential(fn.Dense(8), fn.Residual(fn.relu, fn.Dense(8)), fn.Dense(2))
    >>> network
    Sequential(Dense(8), Residual(relu, Dense(8)), Dense(2))
    >>> params, output_shape = network.init(jax.random.key(0), (3,))
    >>> network.apply(params, jnp.ones((5, 3))).shape
    (5, 2)
    >>> fn.Residual(fn.Dense(3)).init(jax.random.key(0), (8,))
    Traceback (most recent call last):
    funcnet.errors.ShapeError: Residual(Dense(3)): expected layers that keep the input's shape (8,), got (3,)
    """

    def init(self, key: jax.Array, input_shape: Shape, *, dtype: Any = jnp.float32) -> tuple[tuple[Any, ...], Shape]:
        """Return the tuple of the layers' initial parameters, and the input's shape."""
        params, output_shape = super().init(key, input_shape, dtype=dtype)
        if output_shape != tuple(input_shape):
            raise ShapeError(self, f"layers that keep the input's shape {tuple(input_shape)}", output_shape)
        return params, output_shape

    def forward(
        self,
        params: tuple[Any, ...],
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        weights: jax.Array | None = None,
    ) -> tuple[jax.Array, Cache]:
        """Return y = x + f(x), and the tuple of the layers' caches."""
        x = jnp.asarray(array_of_numbers(self, "x", x))
        branch, cache = super().forward(params, x, key=key, weights=weights)
        if branch.shape != x.shape:  # where addition would broadcast silently
            raise ShapeError(self, f"layers that keep the shape of x {x.shape}", branch.shape)
        return x + branch, cache

    def backward(self, params: tuple[Any, ...], cache: Cache, dy: jax.Array) -> tuple[tuple[Any, ...], jax.Array]:
        """Return the layers' gradients, and ∂C/∂x = ∂C/∂y + (∂f/∂x)ᵀ ∂C/∂y."""
        dy = floating_array(self, "dy", dy)  # as an array, to be added
        gradients, branch_dx = super().backward(params, cache, dy)
        check_like(self, "dx of the layers' backward", branch_dx, dy)
        return gradients, dy + branch_dx
