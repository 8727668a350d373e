"""The smooth elementwise activations: linear, sigmoid, tanh, softplus, SiLU, GELU."""

import math

import jax
import jax.numpy as jnp

from .approximations import FAR, SCALE, scaled_gelu_slope, scaled_gelu_tail, silu_tail, tanh_near_0
from .base import Activation
from .precision import in_float32


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

    @in_float32
    def value(self, z: jax.Array) -> jax.Array:
        """Return 1/(1 + e^(−z)), as e^z/(1 + e^z) where z < 0."""
        e = jnp.exp(-_magnitude(z))
        return jnp.where(z < 0, e, jnp.ones_like(z)) / (1 + e)

    @in_float32
    def derivative(self, z: jax.Array) -> jax.Array:
        """Return σ(z)(1 − σ(z)), as σ(z) σ(−z)."""
        return self.value(z) * self.value(-z)


class Tanh(Activation):
    """The hyperbolic tangent, tanh′ = 1 − tanh², for outputs in (−1, 1).

    Where |z| ≥ 0.625, with q = 4e^(−2|z|), |tanh z| = 1 − ½q/(1 + ¼q) and tanh′ = q/(1 + ¼q)². In this form the
    hand-written and the automatic derivative are accurate where 1 − tanh² has few correct digits or none. LeCun,
    Bottou, Orr, Müller, "Efficient BackProp" (1998), section 4.4.

    >>> import funcnet as fn
    >>> fn.tanh(jnp.array([0.0, 100.0])), fn.tanh.derivative(jnp.array([0.0, 100.0]))
    (Array([0., 1.], dtype=float32), Array([1., 0.], dtype=float32))
    """

    name = "tanh"

    @in_float32
    def value(self, z: jax.Array) -> jax.Array:
        """Return tanh(z)."""
        magnitude = _magnitude(z)
        q = _four_exp(magnitude)
        tail = 1 - 0.5 * q / (1 + 0.25 * q)
        return jnp.where(magnitude < _NEAR_0, tanh_near_0(_near_0(z, magnitude)), jnp.where(z < 0, -tail, tail))

    @in_float32
    def derivative(self, z: jax.Array) -> jax.Array:
        """Return 1 − tanh²(z)."""
        magnitude = _magnitude(z)
        a, q = tanh_near_0(_near_0(z, magnitude)), _four_exp(magnitude)
        return jnp.where(magnitude < _NEAR_0, (1 - a) * (1 + a), q / (1 + 0.25 * q) ** 2)


_NEAR_0 = 0.625


def _near_0(z: jax.Array, magnitude: jax.Array) -> jax.Array:
    """Return z where it is near 0, else 0: the powers of a large z would overflow."""
    return jnp.where(magnitude < _NEAR_0, z, jnp.zeros_like(z))


def _four_exp(x: jax.Array) -> jax.Array:
    """Return 4e^(−2x); as (2e^(−x))² where e^(−2x) alone would be flushed to 0."""
    far = x > -0.5 * math.log(jnp.finfo(jnp.result_type(x)).tiny) - 1
    e = jnp.exp(jnp.where(far, -x, -2 * x))
    return jnp.where(far, (2 * e) * (2 * e), 4 * e)


class Softplus(Activation):
    """The softplus log(1 + e^z), a smooth ReLU, for positive outputs. Its derivative is the sigmoid.

    Dugas, Bengio, Bélisle, Nadeau, Garcia, "Incorporating Second-Order Functional Knowledge for Better Option
    Pricing" (2001).

    >>> import funcnet as fn
    >>> fn.softplus(jnp.array([-100.0, 0.0, 100.0])).round(4), fn.softplus.derivative(jnp.array([0.0, 100.0]))
    (Array([  0.    ,   0.6931, 100.    ], dtype=float32), Array([0.5, 1. ], dtype=float32))
    """

    name = "softplus"

    @in_float32
    def value(self, z: jax.Array) -> jax.Array:
        """Return log(1 + e^z) as max(0, z) + log(1 + e^(−|z|)), which cannot overflow."""
        positive_part = jnp.where(z < 0, jnp.zeros_like(z), z)
        return positive_part + jnp.log1p(jnp.exp(-_magnitude(z)))

    @in_float32
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

    @in_float32
    def value(self, z: jax.Array) -> jax.Array:
        """Return z σ(z), with t = |z| σ(−|z|) as −t where z < 0, and z − t elsewhere."""
        t = silu_tail(_magnitude(_within(z, _NO_SILU_TAIL)))
        return jnp.where(z < 0, -t, z - t)

    @in_float32
    def derivative(self, z: jax.Array) -> jax.Array:
        """Return σ(z) + z σ(z)(1 − σ(z)).

        With x = |z| and e = e^(−x), it is m = e (1 − x + e)/(1 + e)² where z < 0, and 1 − m elsewhere.
        """
        x = _magnitude(_within(z, _NO_SILU_TAIL))
        far = x > FAR
        e = jnp.exp(jnp.where(far, FAR, 0) - x)
        small = jnp.where(far, 0, e)
        m = e * ((1 - x) + small) / (1 + small * (2 + small)) * jnp.where(far, math.exp(-FAR), 1)
        return jnp.where(z < 0, m, 1 - m)


class GELU(Activation):
    """The Gaussian error linear unit z Φ(z), Φ the normal distribution function. Its derivative is Φ(z) + z φ(z).

    It is the exact function, not its approximation by tanh. Hendrycks, Gimpel, "Gaussian Error Linear Units" (2016).

    >>> import funcnet as fn
    >>> fn.gelu(jnp.array([-100.0, 0.0, 100.0])), fn.gelu.derivative(jnp.array([0.0, 100.0]))
    (Array([ -0.,   0., 100.], dtype=float32), Array([0.5, 1. ], dtype=float32))
    """

    name = "gelu"

    @in_float32
    def value(self, z: jax.Array) -> jax.Array:
        """Return z Φ(z), with t = |z| Φ(−|z|) as −t where z < 0, and z − t elsewhere."""
        t = scaled_gelu_tail(_magnitude(_within(z, _NO_GELU_TAIL))) / SCALE
        return jnp.where(z < 0, -t, z - t)

    @in_float32
    def derivative(self, z: jax.Array) -> jax.Array:
        """Return Φ(z) + z φ(z), where φ(z) = e^(−z²/2)/√(2π) is the normal density.

        With x = |z|, it is m = Φ(−x) − x φ(x) where z < 0, and 1 − m elsewhere.
        """
        m = scaled_gelu_slope(_magnitude(_within(z, _NO_GELU_TAIL))) / SCALE
        return jnp.where(z < 0, m, 1 - m)


_NO_SILU_TAIL, _NO_GELU_TAIL = 1000.0, 64.0  # e^(−1000) and e^(−64²/2) are 0 in every dtype


def _within(z: jax.Array, limit: float) -> jax.Array:
    """Return z, cut off at −limit and limit, so that neither z² overflows nor an infinite z is multiplied by 0."""
    return jnp.where(z < -limit, -limit, jnp.where(z > limit, limit, z))


linear = Linear()
sigmoid = Sigmoid()
tanh = Tanh()
softplus = Softplus()
silu = SiLU()
gelu = GELU()
