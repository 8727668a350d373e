"""The smooth elementwise activations: linear, sigmoid, tanh, softplus, SiLU, GELU."""

import math

import jax
import jax.numpy as jnp
from jax import lax

from .base import Activation


def _magnitude(z: jax.Array) -> jax.Array:
    """Return |z| by ``where``: automatic derivatives of every order are then correct at 0, unlike those of jnp.abs."""
    return jnp.where(z < 0, -z, z)


class Linear(Activation):
    """The linear activation σ(z) = z, σ′(z) = 1, for outputs that may be any real number.

    >>> import funcnet as fn
    >>> fn.linear(jnp.array([-2.0, 3.0])), fn.linear.derivative(jnp.array([-2.0, 3.0]))
    (Array([-2.,  3.], dtype=float32), Array([1., 1.], dtype=float32))
    """

    name = "linear"

    def value(self, z: jax.Array) -> jax.Array:
        """Return z."""
        return z

    def derivative(self, z: jax.Array) -> jax.Array:
        """Return 1."""
        return jnp.ones_like(z)


class Sigmoid(Activation):
    """The logistic sigmoid σ(z) = 1/(1 + e^(−z)), σ′ = σ(1 − σ), in a form that never overflows.

    Where σ is almost 1, 1 − σ has few correct digits or none. Since 1 − σ(z) = σ(−z), the hand-written derivative is
    σ(z) σ(−z), which is accurate everywhere, and the value is written so that its automatic derivative is too.
    Nielsen, *Neural Networks and Deep Learning* (2015), chapter 1.

    >>> import funcnet as fn
    >>> fn.sigmoid(jnp.array([-100.0, 0.0])), fn.sigmoid.derivative(jnp.array([-100.0, 0.0]))
    (Array([0. , 0.5], dtype=float32), Array([0.  , 0.25], dtype=float32))
    """

    name = "sigmoid"

    def value(self, z: jax.Array) -> jax.Array:
        """Return 1/(1 + e^(−z)), as e^z/(1 + e^z) where z < 0."""
        e = jnp.exp(-_magnitude(z))
        return jnp.where(z < 0, e, jnp.ones_like(z)) / (1 + e)

    def derivative(self, z: jax.Array) -> jax.Array:
        """Return σ(z)(1 − σ(z)), as σ(z) σ(−z)."""
        return self.value(z) * self.value(-z)


class Tanh(Activation):
    """The hyperbolic tangent, tanh′ = 1 − tanh², for outputs in (−1, 1).

    Where |z| ≥ 1, with e = e^(−2|z|), |tanh z| = 1 − 2e/(1 + e) and tanh′ = 4e/(1 + e)². In this form the
    hand-written and the automatic derivative are accurate where 1 − tanh² has few correct digits or none. LeCun,
    Bottou, Orr, Müller, "Efficient BackProp" (1998), section 4.4.

    >>> import funcnet as fn
    >>> fn.tanh(jnp.array([0.0, 100.0])), fn.tanh.derivative(jnp.array([0.0, 100.0]))
    (Array([0., 1.], dtype=float32), Array([1., 0.], dtype=float32))
    """

    name = "tanh"

    def value(self, z: jax.Array) -> jax.Array:
        """Return tanh(z)."""
        magnitude = _magnitude(z)
        e = jnp.exp(-2 * magnitude)
        tail = 1 - 2 * e / (1 + e)
        return jnp.where(magnitude < 1, jnp.tanh(z), jnp.where(z < 0, -tail, tail))

    def derivative(self, z: jax.Array) -> jax.Array:
        """Return 1 − tanh²(z)."""
        magnitude, a = _magnitude(z), jnp.tanh(z)
        e = jnp.exp(-2 * magnitude)
        return jnp.where(magnitude < 1, (1 - a) * (1 + a), 4 * e / (1 + e) ** 2)


class Softplus(Activation):
    """The softplus log(1 + e^z), a smooth ReLU, for positive outputs. Its derivative is the sigmoid.

    Dugas, Bengio, Bélisle, Nadeau, Garcia, "Incorporating Second-Order Functional Knowledge for Better Option
    Pricing" (2001).

    >>> import funcnet as fn
    >>> fn.softplus(jnp.array([-100.0, 0.0, 100.0])).round(4), fn.softplus.derivative(jnp.array([0.0, 100.0]))
    (Array([  0.    ,   0.6931, 100.    ], dtype=float32), Array([0.5, 1. ], dtype=float32))
    """

    name = "softplus"

    def value(self, z: jax.Array) -> jax.Array:
        """Return log(1 + e^z) as max(0, z) + log(1 + e^(−|z|)), which cannot overflow."""
        positive_part = jnp.where(z < 0, jnp.zeros_like(z), z)
        return positive_part + jnp.log1p(jnp.exp(-_magnitude(z)))

    def derivative(self, z: jax.Array) -> jax.Array:
        """Return σ(z), the sigmoid."""
        return sigmoid.value(z)


class SiLU(Activation):
    """The sigmoid-weighted linear unit z σ(z), also called swish. Its derivative is σ + z σ(1 − σ).

    Elfwing, Uchibe, Doya, "Sigmoid-Weighted Linear Units for Neural Network Function Approximation in
    Reinforcement Learning" (2018), equations 8 and 11.

    >>> import funcnet as fn
    >>> fn.silu(jnp.array([-100.0, 0.0, 100.0])), fn.silu.derivative(jnp.array([0.0, 100.0]))
    (Array([ -0.,   0., 100.], dtype=float32), Array([0.5, 1. ], dtype=float32))
    """

    name = "silu"

    def value(self, z: jax.Array) -> jax.Array:
        """Return z σ(z)."""
        return z * sigmoid.value(z)

    def derivative(self, z: jax.Array) -> jax.Array:
        """Return σ(z) + z σ(z)(1 − σ(z))."""
        return sigmoid.value(z) + z * sigmoid.derivative(z)


class GELU(Activation):
    """The Gaussian error linear unit z Φ(z), Φ the normal distribution function. Its derivative is Φ(z) + z φ(z).

    It is the exact function, not its approximation by tanh. Hendrycks, Gimpel, "Gaussian Error Linear Units" (2016).

    >>> import funcnet as fn
    >>> fn.gelu(jnp.array([-100.0, 0.0, 100.0])), fn.gelu.derivative(jnp.array([0.0, 100.0]))
    (Array([ -0.,   0., 100.], dtype=float32), Array([0.5, 1. ], dtype=float32))
    """

    name = "gelu"

    def value(self, z: jax.Array) -> jax.Array:
        """Return z Φ(z)."""
        return z * _normal_cdf(z)

    def derivative(self, z: jax.Array) -> jax.Array:
        """Return Φ(z) + z φ(z), where φ(z) = e^(−z²/2)/√(2π) is the normal density."""
        density = jnp.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        return _normal_cdf(z) + z * density


def _normal_cdf(z: jax.Array) -> jax.Array:
    """Return Φ(z) = ½ erfc(−z/√2), which is accurate for large negative z, where ½(1 + erf(z/√2)) is 0."""
    return 0.5 * lax.erfc(-z / math.sqrt(2))


linear = Linear()
sigmoid = Sigmoid()
tanh = Tanh()
softplus = Softplus()
silu = SiLU()
gelu = GELU()
