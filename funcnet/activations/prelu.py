"""The parametric ReLU: a leaky ReLU whose slope is learned."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..checks import as_dtype, check_dy, check_init, floating_array, own_params, set_number
from ..configuration import document_fields
from ..errors import DtypeError, ShapeError
from ..layer import Cache, Shape
from .base import Activation


@document_fields
class PReLUParams(NamedTuple):
    """The parameter of ``PReLU``.

    Attributes:
        slope: ().
    """

    slope: jax.Array


class PReLU(Activation):
    """The parametric rectified linear unit: z where z ≥ 0, else slope · z, with one learned slope for the whole layer.

    Its derivative in z is 1 where z ≥ 0, else the slope; its derivative in the slope is 0 where z ≥ 0, else z. As a
    layer it has a parameter, the slope, which starts at ``initial_slope``; as a function it has that slope. Raises
    ``TypeError`` or ``ValueError`` unless ``initial_slope`` is a finite number, and ``DtypeError`` where ``z`` does
    not have the slope's dtype. He, Zhang, Ren, Sun, "Delving Deep into Rectifiers" (2015), equations 1 to 4, where the
    slope starts at 0.25.

    >>> import funcnet as fn
    >>> layer = fn.PReLU(0.5)
    >>> params, _ = layer.init(jax.random.key(0), (3,))
    >>> params, layer.apply(params, jnp.array([[-4.0, 0.0, 2.0]]))
    (PReLUParams(slope=Array(0.5, dtype=float32)), Array([[-2.,  0.,  2.]], dtype=float32))
    >>> layer(jnp.array([-4.0, 0.0, 2.0])), layer.derivative(jnp.array([-4.0, 0.0, 2.0]))
    (Array([-2.,  0.,  2.], dtype=float32), Array([0.5, 1. , 1. ], dtype=float32))
    """

    name = "prelu"
    initial_slope: float = 0.25

    def __post_init__(self) -> None:
        set_number(self, "initial_slope", lambda slope: True, "to be finite")

    def __repr__(self) -> str:
        return f"PReLU({self.initial_slope})"

    def value(self, z: jax.Array) -> jax.Array:
        """Return z where z ≥ 0, else slope · z, for the initial slope."""
        return self.apply(self._initial_params(z.dtype), z)

    def derivative(self, z: jax.Array) -> jax.Array:
        """Return 1 where z ≥ 0, else the slope, for the initial slope."""
        return self.z_derivative(self._initial_params(z.dtype), z)

    def init(self, key: jax.Array, input_shape: Shape, *, dtype: Any = jnp.float32) -> tuple[PReLUParams, Shape]:
        """Return the initial slope, and the input's shape."""
        shape, dtype = check_init(self, key, input_shape, dtype)
        return self._initial_params(dtype), shape

    def _initial_params(self, dtype: Any) -> PReLUParams:
        return PReLUParams(jnp.asarray(as_dtype(self, "initial_slope", self.initial_slope, dtype), dtype))

    def forward(self, params: PReLUParams, x: jax.Array) -> tuple[jax.Array, Cache]:
        """Return z where z ≥ 0, else slope · z, and z for ``backward``."""
        z, (slope,) = floating_array(self, "x", x), self.checked_params(params)
        if z.dtype != slope.dtype:
            raise DtypeError(self, f"x of dtype {slope.dtype} as the slope", z.dtype)
        return jnp.where(z < 0, slope * z, z), z

    def checked_params(self, params: Any) -> PReLUParams:
        """Return the slope as an array; ``ShapeError`` unless it is one number."""
        own: PReLUParams = own_params(self, params, PReLUParams)
        if own.slope.shape != ():
            raise ShapeError(self, "slope of shape ()", own.slope.shape)
        return own

    def z_derivative(self, params: PReLUParams, z: jax.Array) -> jax.Array:
        """Return ∂a/∂z, like ``z``: 1 where z ≥ 0, else the slope.

        >>> PReLU().z_derivative(PReLUParams(jnp.array(0.5)), jnp.array([-4.0, 0.0, 2.0]))
        Array([0.5, 1. , 1. ], dtype=float32)
        """
        return jnp.where(z < 0, params.slope, jnp.ones_like(z))

    def slope_derivative(self, params: PReLUParams, z: jax.Array) -> jax.Array:
        """Return ∂a/∂slope, like ``z``: 0 where z ≥ 0, else z.

        >>> PReLU().slope_derivative(PReLUParams(jnp.array(0.5)), jnp.array([-4.0, 0.0, 2.0]))
        Array([-4.,  0.,  0.], dtype=float32)
        """
        return jnp.where(z < 0, z, jnp.zeros_like(z))

    def backward(self, params: PReLUParams, cache: Cache, dy: jax.Array) -> tuple[PReLUParams, jax.Array]:
        """Return ∂C/∂slope = Σ ∂C/∂a ⊙ ∂a/∂slope over the batch and the layer, and ∂C/∂z = ∂C/∂a ⊙ ∂a/∂z."""
        z = cache
        params = self.checked_params(params)
        dy = check_dy(self, dy, z.shape, z.dtype)
        slope_gradient = jnp.sum(dy * self.slope_derivative(params, z))
        return PReLUParams(slope_gradient), dy * self.z_derivative(params, z)
