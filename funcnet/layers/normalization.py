"""The layer that normalizes each sample over its features."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..checks import accumulator_dtype, as_dtype, check_dy, check_init, floating_array, own_params, set_number
from ..configuration import document_fields
from ..errors import DtypeError, ShapeError
from ..layer import Cache, Layer, Shape


@document_fields
class LayerNormParams(NamedTuple):
    """The parameters of ``LayerNorm``.

    Attributes:
        scale: (features,), initially 1.
        shift: (features,), initially 0.
    """

    scale: jax.Array
    shift: jax.Array


class LayerNorm(Layer):
    """The layer y = γ ⊙ x̂ + β with x̂ = (x − μ)/√(σ² + ε), over the last axis: x and y (batch, ..., features).

    μ = (1/m) Σⱼ xⱼ and σ² = (1/m) Σⱼ (xⱼ − μ)² are over the m features of one sample; scale γ (features,) and
    shift β (features,) are learned. With ĝ = γ ⊙ ∂C/∂y, the mean ⟨·⟩ over the features and Σ over all other axes:

        ∂C/∂γ = Σ ∂C/∂y ⊙ x̂,   ∂C/∂β = Σ ∂C/∂y,   ∂C/∂x = (ĝ − ⟨ĝ⟩ − x̂ ⟨ĝ ⊙ x̂⟩)/√(σ² + ε).

    The statistics are computed in float32 at least, and y has the dtype of x. Raises ``ShapeError`` and ``DtypeError``
    where x does not fit the scale, and ``ValueError`` for an ε that is 0 in the statistics' dtype. Ba, Kiros, Hinton,
    "Layer Normalization" (2016), equation 4 with ε under the root.

    >>> import funcnet as fn
    >>> layer = fn.LayerNorm()
    >>> params, output_shape = layer.init(jax.random.key(0), (4,))
    >>> [f"{y:.2f}" for y in layer.apply(params, jnp.array([[1.0, 2.0, 3.0, 4.0]]))[0]]
    ['-1.34', '-0.45', '0.45', '1.34']
    """

    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        set_number(self, "epsilon", lambda epsilon: epsilon > 0, "to be finite and above 0")

    def init(self, key: jax.Array, input_shape: Shape, *, dtype: Any = jnp.float32) -> tuple[LayerNormParams, Shape]:
        """Return the scale 1 and the shift 0, (features,) each, and the input's shape."""
        input_shape, dtype = check_init(self, key, input_shape, dtype)
        as_dtype(self, "epsilon", self.epsilon, accumulator_dtype(dtype))
        if len(input_shape) == 0:
            raise ShapeError(self, "an input of shape (..., features)", input_shape)
        features = input_shape[-1]
        return LayerNormParams(jnp.ones(features, dtype), jnp.zeros(features, dtype)), input_shape

    def forward(self, params: LayerNormParams, x: jax.Array) -> tuple[jax.Array, Cache]:
        """Return y = γ ⊙ x̂ + β, and for ``backward`` x̂ and 1/√(σ² + ε), both in float32 at least."""
        x, (scale, shift) = floating_array(self, "x", x), self.checked_params(params)
        features = len(scale)
        if x.ndim < 2 or x.shape[-1] != features:
            raise ShapeError(self, f"x of shape (batch, ..., {features})", x.shape)
        if x.dtype != scale.dtype:
            raise DtypeError(self, f"x of dtype {scale.dtype} as the scale", x.dtype)
        as_dtype(self, "epsilon", self.epsilon, accumulator_dtype(x.dtype))
        scale, shift, wide = (_wide(each) for each in (scale, shift, x))
        unit = _unit(self.epsilon, wide.dtype)
        scaled = unit * (wide - _mean(wide))
        inverse = 1 / jnp.sqrt(_mean(scaled**2) + self.epsilon * unit**2)
        normalized = scaled * inverse
        inverse = unit * inverse
        y = _along(scale, x.ndim) * normalized + _along(shift, x.ndim)
        return y.astype(x.dtype), (normalized, inverse)

    def backward(self, params: LayerNormParams, cache: Cache, dy: jax.Array) -> tuple[LayerNormParams, jax.Array]:
        """Return ∂C/∂γ, ∂C/∂β and ∂C/∂x by the equations above."""
        normalized, inverse = cache
        params = self.checked_params(params, normalized.shape[-1])
        dy = check_dy(self, dy, normalized.shape, params.scale.dtype)
        delta, others = _wide(dy), tuple(range(dy.ndim - 1))
        scale_gradient = jnp.sum(delta * normalized, axis=others)
        shift_gradient = jnp.sum(delta, axis=others)
        g = _along(_wide(params.scale), dy.ndim) * delta
        dx = (g - _mean(g) - normalized * _mean(g * normalized)) * inverse
        gradients = LayerNormParams(
            scale_gradient.astype(params.scale.dtype), shift_gradient.astype(params.shift.dtype)
        )
        return gradients, dx.astype(dy.dtype)

    def checked_params(self, params: Any, features: int | None = None) -> LayerNormParams:
        """Return the parameters as arrays; ``ShapeError`` unless they are those of as many features."""
        own: LayerNormParams = own_params(self, params, LayerNormParams)
        if own.scale.ndim != 1 or own.shift.shape != own.scale.shape or features not in (None, len(own.scale)):
            expected = f"scale and shift of shape ({'features' if features is None else features},)"
            raise ShapeError(self, expected, f"{own.scale.shape} and {own.shift.shape}")
        return own


def _unit(epsilon: float, dtype: Any) -> float:
    """Return the power of two by which centred values are multiplied, so that the squares of large ones are numbers.

    Of float32 with ε = 1e-5, they may be 9e12 times as large as without it. Squares that become too small have no part
    in a variance to which ε is added. In float64, squares overflow from 1e154 on only, and the factor is 1.

    >>> _unit(1e-5, jnp.float32) == 2.0**-43, _unit(1e-35, jnp.float32), _unit(1e-5, jnp.float64)
    (True, 1.0, 1.0)
    """
    info = jnp.finfo(dtype)
    if info.bits == 64:
        return 1.0
    least = math.log2(float(info.tiny) / float(info.eps) / epsilon) / 2
    return 2.0 ** min(math.ceil(least), 0)


def _wide(array: jax.Array) -> jax.Array:
    """Return the array in the dtype of its sums."""
    return array.astype(accumulator_dtype(array.dtype))


def _along(vector: jax.Array, ndim: int) -> jax.Array:
    """Return a vector of features in a shape that broadcasts along the last of ``ndim`` axes."""
    return vector.reshape(*(1,) * (ndim - 1), -1)


def _mean(values: jax.Array) -> jax.Array:
    return jnp.mean(values, axis=-1, keepdims=True)
