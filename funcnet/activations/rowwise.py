"""The activation of a whole row: softmax, whose derivative is a matrix, and the shift that avoids its overflow."""

import jax
import jax.numpy as jnp
from jax import lax

from ..checks import check_dy, own_params
from ..errors import ShapeError
from ..layer import Cache, Params
from .base import Activation


class Softmax(Activation):
    """The softmax aⱼ = e^(zⱼ) / Σₖ e^(zₖ) over the last axis; its derivative is the Jacobian ∂aⱼ/∂zₖ = aⱼ(δⱼₖ − aₖ).

    Bridle, "Probabilistic Interpretation of Feedforward Classification Network Outputs" (1990).

    >>> import funcnet as fn
    >>> [f"{a:.2f}" for a in fn.softmax(jnp.array([2.0, 1.0, 0.1]))]
    ['0.66', '0.24', '0.10']
    >>> fn.softmax.derivative(jnp.array([0.0, 0.0]))
    Array([[ 0.25, -0.25],
           [-0.25,  0.25]], dtype=float32)
    """

    name = "softmax"

    def value(self, z: jax.Array) -> jax.Array:
        """Return e^z / Σ e^z, computed from z − max z, which gives the same result and cannot overflow."""
        _check_row(self, z)
        exponential = jnp.exp(below_largest(z))
        return exponential / jnp.sum(exponential, axis=-1, keepdims=True)

    def derivative(self, z: jax.Array) -> jax.Array:
        """Return the Jacobian diag(a) − a aᵀ: (..., classes, classes) for z (..., classes)."""
        a = self.value(z)
        identity = jnp.eye(z.shape[-1], dtype=bool)[(None,) * (z.ndim - 1)]
        # The diagonal aⱼ(1 − aⱼ) is aⱼ Σ aₖ over the others, which loses no digits where aⱼ rounds to 1.
        off_diagonal = jnp.where(identity, 0, -a[..., :, None] * a[..., None, :])
        return jnp.where(identity, -jnp.sum(off_diagonal, axis=-1, keepdims=True), off_diagonal)

    def backward(self, params: Params, cache: Cache, dy: jax.Array) -> tuple[Params, jax.Array]:
        """Return the Jacobian product ∂C/∂z = a ⊙ (∂C/∂a − Σₖ aₖ ∂C/∂aₖ), without forming the Jacobian.

        The division by Σ e^z comes last: a very small aₖ would be rounded to 0 before it is multiplied by the large
        ∂C/∂aₖ that a logarithm gives it.
        """
        own_params(self, params, tuple)
        dy = check_dy(self, dy, cache.shape, cache.dtype)
        exponential = jnp.exp(below_largest(cache))
        total = jnp.sum(exponential, axis=-1, keepdims=True)
        mean = jnp.sum(exponential * dy, axis=-1, keepdims=True) / total
        return (), sum_to_zero(cache, exponential * (dy - mean) / total)


def _check_row(where: object, z: jax.Array) -> None:
    if z.ndim == 0 or z.shape[-1] == 0:
        raise ShapeError(where, "z of shape (..., classes), with at least one class", z.shape)


def is_largest(z: jax.Array) -> jax.Array:
    """Return True at the largest z of each row, the first of several equal ones, else False: bool, like ``z``."""
    classes = jnp.arange(z.shape[-1])[(None,) * (z.ndim - 1)]
    # jnp.argmax finds the same place, but is ten times slower on a CPU for a thousand classes.
    candidates = jnp.where(z == jnp.max(z, axis=-1, keepdims=True), classes, z.shape[-1])
    return classes == jnp.min(candidates, axis=-1, keepdims=True)


def below_largest(z: jax.Array) -> jax.Array:
    """Return z − max z over the last axis, whose derivative at the largest is exactly 0.

    >>> below_largest(jnp.array([1.0, 3.0]))
    Array([-2.,  0.], dtype=float32)
    """
    largest = is_largest(z)
    shifted = z - jnp.sum(jnp.where(largest, z, 0), axis=-1, keepdims=True)
    # Without this, automatic differentiation adds 1 to the derivative at the largest z and subtracts it again, which
    # replaces a derivative smaller than the rounding of 1 by noise.
    return jnp.where(largest, lax.stop_gradient(shifted), shifted)


def sum_to_zero(z: jax.Array, gradient: jax.Array) -> jax.Array:
    """Return ∂C/∂z, like ``z``, in which the entry of the largest z is minus the sum of the other entries.

    Adding a constant to z does not change its softmax, so the entries sum to 0. Where the largest probability rounds
    to 1, its own entry is a difference of two numbers near 1, while the sum of the others keeps its digits.

    >>> sum_to_zero(jnp.array([30.0, 0.0, 0.0]), jnp.array([0.0, 2.0**-40, 2.0**-41])) * 2.0**41
    Array([-3.,  2.,  1.], dtype=float32)
    """
    largest = is_largest(z)
    others = jnp.where(largest, 0, gradient)
    return jnp.where(largest, -jnp.sum(others, axis=-1, keepdims=True), others)


softmax = Softmax()
