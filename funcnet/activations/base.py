"""What every activation is: a value σ(z), its derivative σ′(z), and a layer without parameters."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ..checks import check_dtype, check_number, floating_array
from ..errors import message
from ..layer import Cache, Layer, Params, Shape


class Activation(Layer):
    """An elementwise activation: ``value`` and ``derivative`` make it a function and a layer.

    Shapes: any; the output has the shape and the dtype of ``z``, which must be floating (``DtypeError``).
    """

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
        """Return no parameters, and the shape that came."""
        check_dtype(self, dtype)
        return (), tuple(input_shape)

    def forward(self, params: Params, x: jax.Array) -> tuple[jax.Array, Cache]:
        """Return a = σ(z), and z for ``backward``."""
        return self(x), x

    def backward(self, params: Params, cache: Cache, dy: jax.Array) -> tuple[Params, jax.Array]:
        """Return ∂C/∂z = ∂C/∂a ⊙ σ′(z)."""
        z = cache
        return (), dy * self.derivative(z)


def keep_number(layer: Layer, name: str, valid: Callable[[float], bool], expected: str) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless a layer's field is a valid number; keep it as a float.

    A float is hashable and prints as it is typed, which a NumPy or JAX number does not.
    """
    value = getattr(layer, name)
    callee = getattr(layer, "name", type(layer).__name__)
    if callable(value):  # to check_number a schedule, which an activation has no step for
        raise TypeError(message(callee, f"{name} to be a real number", repr(value)))
    check_number(callee, name, value, lambda number: math.isfinite(number) and valid(number), expected)
    object.__setattr__(layer, name, float(value))
