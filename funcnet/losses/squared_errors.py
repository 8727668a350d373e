"""Losses of squared errors: half their sum, their sum, their mean; and the Huber loss, linear for large errors."""

import jax
import jax.numpy as jnp

from ..activations.precision import in_float32
from ..checks import as_dtype, set_number
from .base import Loss


class Quadratic(Loss):
    """The quadratic loss ½‖y − a‖²; gradient a − y. Nielsen (2015), chapter 1, equation 6.

    >>> import funcnet as fn
    >>> a, y = jnp.array([[1.0, 3.0]]), jnp.array([[0.0, 1.0]])
    >>> fn.quadratic.value(a, y), fn.quadratic.gradient(a, y)
    (Array([2.5], dtype=float32), Array([[1., 2.]], dtype=float32))
    """

    name = "quadratic"

    @in_float32
    def value(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return ½ Σⱼ (aⱼ − yⱼ)²."""
        a, y = self.check(output, target)
        return jnp.sum(0.5 * (a - y) * (a - y), axis=-1)

    @in_float32
    def gradient(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return a − y."""
        a, y = self.check(output, target)
        return a - y


class SquaredError(Loss):
    """The squared error ‖y − a‖², without the half; gradient 2(a − y). Bishop, *PRML* (2006), section 1.1.

    >>> import funcnet as fn
    >>> a, y = jnp.array([[1.0, 3.0]]), jnp.array([[0.0, 1.0]])
    >>> fn.squared_error.value(a, y), fn.squared_error.gradient(a, y)
    (Array([5.], dtype=float32), Array([[2., 4.]], dtype=float32))
    """

    name = "squared_error"

    @in_float32
    def value(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return Σⱼ (aⱼ − yⱼ)²."""
        a, y = self.check(output, target)
        return jnp.sum((a - y) ** 2, axis=-1)

    @in_float32
    def gradient(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return 2(a − y)."""
        a, y = self.check(output, target)
        return 2 * (a - y)


class MeanSquaredError(Loss):
    """The mean squared error: (1/m) ‖y − a‖² over the m outputs; gradient (2/m)(a − y).

    Goodfellow, Bengio, Courville, *Deep Learning* (2016), section 5.1.4.

    >>> import funcnet as fn
    >>> a, y = jnp.array([[1.0, 3.0]]), jnp.array([[0.0, 1.0]])
    >>> fn.mean_squared_error.value(a, y), fn.mean_squared_error.gradient(a, y)
    (Array([2.5], dtype=float32), Array([[1., 2.]], dtype=float32))
    """

    name = "mean_squared_error"

    @in_float32
    def value(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return (1/m) Σⱼ (aⱼ − yⱼ)²."""
        a, y = self.check(output, target)
        return jnp.mean((a - y) ** 2, axis=-1)

    @in_float32
    def gradient(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return (2/m)(a − y)."""
        a, y = self.check(output, target)
        return (2 / a.shape[-1]) * (a - y)


class Huber(Loss):
    """The Huber loss Σⱼ h(aⱼ − yⱼ), with h(d) = ½d² where |d| ≤ δ and h(d) = δ(|d| − ½δ) elsewhere.

    It is the quadratic loss of small errors, and large errors count linearly, so that outliers do not dominate. Its
    gradient is a − y, cut off at −δ and δ. It sums over the outputs, where PyTorch and Keras average. Raises
    ``TypeError`` or ``ValueError`` unless ``delta`` is a finite number above 0. Huber, "Robust Estimation of a Location
    Parameter" (1964), section 1.

    >>> import funcnet as fn
    >>> a, y = jnp.array([[0.5, 10.0]]), jnp.zeros((1, 2))
    >>> fn.Huber(delta=1.0).value(a, y), fn.Huber(delta=1.0).gradient(a, y)
    (Array([9.625], dtype=float32), Array([[0.5, 1. ]], dtype=float32))
    """

    delta: float = 1.0

    def __post_init__(self) -> None:
        set_number(self, "delta", lambda delta: delta > 0, "above 0")

    def value(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return Σⱼ c (d − ½c) with d = a − y and c = d cut off at −δ and δ."""
        a, y = self.check(output, target)
        as_dtype(self, "delta", self.delta, a.dtype)
        return self._value(a, y)

    @in_float32
    def _value(self, a: jax.Array, y: jax.Array) -> jax.Array:
        d = a - y
        c = self._cut_off(d)
        return jnp.sum(c * (d - 0.5 * c), axis=-1)

    def gradient(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return a − y, cut off at −δ and δ."""
        a, y = self.check(output, target)
        as_dtype(self, "delta", self.delta, a.dtype)
        return self._cut_off(a - y)

    def _cut_off(self, d: jax.Array) -> jax.Array:
        return jnp.where(d > self.delta, self.delta, jnp.where(d < -self.delta, -self.delta, d))


quadratic = Quadratic()
squared_error = SquaredError()
mean_squared_error = MeanSquaredError()
