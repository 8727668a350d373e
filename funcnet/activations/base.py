"""``Activation``: the contract of an activation, which is a function σ(z), its derivative σ′(z), and a layer."""

from typing import Any

import jax
import jax.numpy as jnp

from ..checks import check_dtype, check_dy, floating_array, shape_of_input
from ..configuration import name_or_call
from ..layer import Cache, Layer, Params, Shape


class Activation(Layer):
    """The contract of an activation: ``value`` and ``derivative`` make it a function and a layer without parameters.

    To define an activation, subclass this and write both. ``z`` may have any shape and must have a floating dtype
    (``DtypeError``); the output has the shape and dtype of ``z``.

    >>> import funcnet as fn
    >>> class Square(fn.Activation):
    ...     def value(self, z):
    ...         return z**2
    ...
    ...     def derivative(self, z):
    ...         return 2 * z
    >>> square = Square()
    >>> square(jnp.array([3.0])), square.derivative(jnp.array([3.0])), fn.Sequential(fn.Dense(10), square)
    (Array([9.], dtype=float32), Array([6.], dtype=float32), Sequential(Dense(10), Square()))
    """

    __repr__ = name_or_call

    def __call__(self, z: jax.Array) -> jax.Array:
        """Return σ(z), elementwise, of the shape and dtype of ``z``."""
        return self.value(floating_array(self, "z", z))

    def value(self, z: jax.Array) -> jax.Array:
        """Return σ(z) for an array of floating dtype."""
        raise NotImplementedError(f"{type(self).__name__} has no value")

    def derivative(self, z: jax.Array) -> jax.Array:
        """Return σ′(z)."""
        raise NotImplementedError(f"{type(self).__name__} has no derivative")

    def init(self, key: jax.Array, input_shape: Shape, *, dtype: Any = jnp.float32) -> tuple[Params, Shape]:
        """Return no parameters, and the input's shape."""
        check_dtype(self, dtype)
        return (), shape_of_input(self, input_shape)

    def forward(self, params: Params, x: jax.Array) -> tuple[jax.Array, Cache]:
        """Return a = σ(z), and z for ``backward``."""
        return self(x), x

    def backward(self, params: Params, cache: Cache, dy: jax.Array) -> tuple[Params, jax.Array]:
        """Return ∂C/∂z = ∂C/∂a ⊙ σ′(z)."""
        z = cache
        check_dy(self, dy, z.shape, z.dtype)
        return (), dy * self.derivative(z)
