"""``Activation``: the contract of an activation, which is a function σ(z), its derivative σ′(z), and a layer."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp

from ..checks import check_dy, check_init, floating_array, own_params
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

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in {"value", "derivative"} & set(vars(cls)):
            setattr(cls, name, _of_floating(vars(cls)[name]))

    def __call__(self, z: jax.Array) -> jax.Array:
        """Return σ(z), elementwise, of the shape and dtype of ``z``."""
        return self.value(z)

    def value(self, z: jax.Array) -> jax.Array:
        """Return σ(z) for an array of floating dtype."""
        raise NotImplementedError(f"{type(self).__name__} has no value")

    def derivative(self, z: jax.Array) -> jax.Array:
        """Return σ′(z)."""
        raise NotImplementedError(f"{type(self).__name__} has no derivative")

    def init(self, key: jax.Array, input_shape: Shape, *, dtype: Any = jnp.float32) -> tuple[Params, Shape]:
        """Return no parameters, and the input's shape."""
        shape, _ = check_init(self, key, input_shape, dtype)
        return (), shape

    def forward(self, params: Params, x: jax.Array) -> tuple[jax.Array, Cache]:
        """Return a = σ(z), and z for ``backward``."""
        own_params(self, params, tuple)
        z = floating_array(self, "x", x)
        return self(z), z

    def backward(self, params: Params, cache: Cache, dy: jax.Array) -> tuple[Params, jax.Array]:
        """Return ∂C/∂z = ∂C/∂a ⊙ σ′(z)."""
        z = cache
        own_params(self, params, tuple)
        dy = check_dy(self, dy, z.shape, z.dtype)
        return (), dy * self.derivative(z)


def _of_floating(function: Callable[[Any, jax.Array], jax.Array]) -> Callable[[Any, Any], jax.Array]:
    """Return a method of z that takes what makes an array of a floating dtype, and raises ``DtypeError`` otherwise.

    A complex array of JAX, as a complex step is, passes: many functions have a complex form.
    """

    @wraps(function)
    def checked(self: Activation, z: Any) -> jax.Array:
        is_complex = isinstance(z, jax.Array) and jnp.issubdtype(z.dtype, jnp.complexfloating)
        return function(self, z if is_complex else floating_array(self, "z", z))

    return checked
