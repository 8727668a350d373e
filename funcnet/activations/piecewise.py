"""The elementwise activations with a kink or a jump at 0: step, sign, ReLU, leaky ReLU, ELU.

At 0 and −0 each takes its right-hand branch (z ≥ 0), in the value, the hand-written and the automatic derivative.
"""

import jax
import jax.numpy as jnp
from jax import lax

from ..checks import as_dtype, set_number
from .approximations import tanh_near_0
from .base import Activation
from .precision import in_float32


class Step(Activation):
    """The unit step: 1 where z ≥ 0, else 0. Its derivative is 0, so it passes no gradient; NaN stays NaN.

    McCulloch, Pitts, "A Logical Calculus of the Ideas Immanent in Nervous Activity" (1943): a neuron fires when its
    input reaches the threshold.

    >>> import funcnet as fn
    >>> fn.step(jnp.array([-1.0, 0.0, 2.0])), fn.step.derivative(jnp.array([-1.0, 0.0, 2.0]))
    (Array([0., 1., 1.], dtype=float32), Array([0., 0., 0.], dtype=float32))
    """

    name = "step"

    def value(self, z: jax.Array) -> jax.Array:
        """Return 1 where z ≥ 0, else 0."""
        return _jump(z, jnp.zeros_like(z), jnp.ones_like(z))

    def derivative(self, z: jax.Array) -> jax.Array:
        """Return 0."""
        return jnp.zeros_like(z)


class Sign(Activation):
    """The sign: 1 where z ≥ 0, else −1. At 0 it is 1, where ``jnp.sign`` is 0. Its derivative is 0; NaN stays NaN.

    Novikoff, "On Convergence Proofs on Perceptrons" (1962), for classes −1 and 1.

    >>> import funcnet as fn
    >>> fn.sign(jnp.array([-1.0, 0.0, 2.0])), fn.sign.derivative(jnp.array([-1.0, 0.0, 2.0]))
    (Array([-1.,  1.,  1.], dtype=float32), Array([0., 0., 0.], dtype=float32))
    """

    name = "sign"

    def value(self, z: jax.Array) -> jax.Array:
        """Return 1 where z ≥ 0, else −1."""
        return _jump(z, -jnp.ones_like(z), jnp.ones_like(z))

    def derivative(self, z: jax.Array) -> jax.Array:
        """Return 0."""
        return jnp.zeros_like(z)


def _jump(z: jax.Array, left: jax.Array, right: jax.Array) -> jax.Array:
    """Return ``left`` where z < 0, ``right`` where z ≥ 0, and NaN where z is NaN; the derivative is 0 everywhere."""
    return jnp.where(z < 0, left, jnp.where(z >= 0, right, lax.stop_gradient(z)))


class ReLU(Activation):
    """The rectified linear unit max(0, z). Its derivative at 0 is 1, the right-hand one; NaN stays NaN.

    Nair, Hinton, "Rectified Linear Units Improve Restricted Boltzmann Machines" (2010).

    >>> import funcnet as fn
    >>> fn.relu(jnp.array([-1.0, 0.0, 2.0])), fn.relu.derivative(jnp.array([-1.0, 0.0, 2.0]))
    (Array([0., 0., 2.], dtype=float32), Array([0., 1., 1.], dtype=float32))
    """

    name = "relu"

    def value(self, z: jax.Array) -> jax.Array:
        """Return z where z ≥ 0, else 0."""
        return jnp.where(z < 0, jnp.zeros_like(z), z)

    def derivative(self, z: jax.Array) -> jax.Array:
        """Return 1 where z ≥ 0, else 0."""
        return jnp.where(z < 0, jnp.zeros_like(z), jnp.ones_like(z))


class LeakyReLU(Activation):
    """The leaky rectified linear unit: z where z ≥ 0, else slope · z, with a fixed slope. Its derivative at 0 is 1.

    ``fn.leaky_relu`` is ``fn.LeakyReLU()``; ``fn.PReLU`` learns its slope. Raises ``TypeError`` or ``ValueError``
    unless ``negative_slope`` is a finite number. Maas, Hannun, Ng, "Rectifier Nonlinearities Improve Neural Network
    Acoustic Models" (2013), equation 2.

    >>> import funcnet as fn
    >>> leaky = fn.LeakyReLU(negative_slope=0.1)
    >>> fn.LeakyReLU(), leaky
    (leaky_relu, LeakyReLU(negative_slope=0.1))
    >>> leaky(jnp.array([-1.0, 0.0, 2.0])), leaky.derivative(jnp.array([-1.0, 0.0, 2.0]))
    (Array([-0.1,  0. ,  2. ], dtype=float32), Array([0.1, 1. , 1. ], dtype=float32))
    """

    name = "leaky_relu"
    negative_slope: float = 0.01

    def __post_init__(self) -> None:
        set_number(self, "negative_slope", lambda slope: True, "to be finite")

    def value(self, z: jax.Array) -> jax.Array:
        """Return z where z ≥ 0, else slope · z."""
        as_dtype(self, "negative_slope", self.negative_slope, z.dtype)
        return self._value(z)

    @in_float32
    def _value(self, z: jax.Array) -> jax.Array:
        return jnp.where(z < 0, self.negative_slope * z, z)

    def derivative(self, z: jax.Array) -> jax.Array:
        """Return 1 where z ≥ 0, else the slope."""
        return jnp.where(z < 0, jnp.full_like(z, self.negative_slope), jnp.ones_like(z))


class ELU(Activation):
    """The exponential linear unit: z where z ≥ 0, else α(e^z − 1). Its derivative is 1 where z ≥ 0, else α e^z.

    ``fn.elu`` is ``fn.ELU()``. Raises ``TypeError`` or ``ValueError`` unless ``alpha`` is a finite number above 0.
    Clevert, Unterthiner, Hochreiter, "Fast and Accurate Deep Network Learning by Exponential Linear Units (ELUs)"
    (2016), equation 15.

    >>> import funcnet as fn
    >>> elu = fn.ELU(alpha=2.0)
    >>> elu(jnp.array([-100.0, 0.0, 100.0])), elu.derivative(jnp.array([-100.0, 0.0, 100.0]))
    (Array([ -2.,   0., 100.], dtype=float32), Array([0., 1., 1.], dtype=float32))
    """

    name = "elu"
    alpha: float = 1.0

    def __post_init__(self) -> None:
        set_number(self, "alpha", lambda alpha: alpha > 0, "to be finite and above 0")

    def value(self, z: jax.Array) -> jax.Array:
        """Return z where z ≥ 0, else α(e^z − 1)."""
        as_dtype(self, "alpha", self.alpha, z.dtype)
        return self._value(z)

    @in_float32
    def _value(self, z: jax.Array) -> jax.Array:
        z_minus = _negative_part(z)
        near_0 = z_minus > -0.5
        # Near 0 the difference loses its digits, and jnp.expm1 is no remedy on JAX 0.10: it is 5 units off, and its
        # derivative expm1 + 1 becomes 0 in the tail. With t = tanh(z/2), e^z − 1 = 2t/(1 − t).
        t = tanh_near_0(0.5 * jnp.where(near_0, z_minus, jnp.zeros_like(z)))
        difference = jnp.where(near_0, 2 * t / (1 - t), jnp.exp(z_minus) - 1)
        difference = jnp.where(z_minus > -1e-20, z_minus, difference)  # half of it may be flushed to 0
        return jnp.where(z < 0, self.alpha * difference, z)

    @in_float32
    def derivative(self, z: jax.Array) -> jax.Array:
        """Return 1 where z ≥ 0, else α e^z."""
        return jnp.where(z < 0, self.alpha * jnp.exp(_negative_part(z)), jnp.ones_like(z))


def _negative_part(z: jax.Array) -> jax.Array:
    """Return min(0, z), so that e^z cannot overflow, which would make the automatic derivative NaN where z > 0."""
    return jnp.where(z < 0, z, jnp.zeros_like(z))


step = Step()
sign = Sign()
relu = ReLU()
leaky_relu = LeakyReLU()
elu = ELU()
