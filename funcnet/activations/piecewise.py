"""The elementwise activations with a kink or a jump at 0: step, sign, ReLU, leaky ReLU, ELU.

At 0, and at −0, each is what its right-hand branch (z ≥ 0) is, by hand and by automatic differentiation alike.
"""

import jax
import jax.numpy as jnp
from jax import lax

from .base import Activation, keep_number


class Step(Activation):
    """The unit step: 1 where z ≥ 0, else 0. Its derivative is 0, so no gradient passes it; NaN stays NaN.

    McCulloch, Pitts, "A Logical Calculus of the Ideas Immanent in Nervous Activity" (1943): a neuron fires from its
    threshold on.

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
    """The sign: 1 where z ≥ 0, else −1; at 0 it is 1, where ``jnp.sign`` takes 0. Its derivative is 0.

    Novikoff, "On Convergence Proofs on Perceptrons" (1962), for classes −1 and 1. NaN stays NaN.

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
    """Return ``left`` where z < 0, ``right`` where z ≥ 0, and NaN as it is, with a derivative of 0 everywhere."""
    return jnp.where(z < 0, left, jnp.where(z >= 0, right, lax.stop_gradient(z)))


class ReLU(Activation):
    """The rectified linear unit max(0, z), with relu′(0) = 1 by the right-hand convention; NaN stays NaN.

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


class leaky_relu(Activation):  # noqa: N801 - read as the call that builds it
    """The leaky rectified linear unit: z where z ≥ 0, else slope · z, whose slope is fixed; its derivative at 0 is 1.

    Maas, Hannun, Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic Models" (2013), equation 2.
    ``PReLU`` learns its slope. ``TypeError`` or ``ValueError`` unless the slope is a finite number.

    >>> import funcnet as fn
    >>> leaky = fn.leaky_relu(0.1)
    >>> leaky(jnp.array([-1.0, 0.0, 2.0])), leaky.derivative(jnp.array([-1.0, 0.0, 2.0]))
    (Array([-0.1,  0. ,  2. ], dtype=float32), Array([0.1, 1. , 1. ], dtype=float32))
    """

    name = "leaky_relu"
    slope: float = 0.01

    def __post_init__(self) -> None:
        keep_number(self, "slope", lambda slope: True, "that is finite")

    def value(self, z: jax.Array) -> jax.Array:
        """Return z where z ≥ 0, else slope · z."""
        return jnp.where(z < 0, self.slope * z, z)

    def derivative(self, z: jax.Array) -> jax.Array:
        """Return 1 where z ≥ 0, else the slope."""
        return jnp.where(z < 0, jnp.full_like(z, self.slope), jnp.ones_like(z))


class elu(Activation):  # noqa: N801
    """The exponential linear unit: z where z ≥ 0, else α(e^z − 1); its derivative is 1, else α e^z, and 1 at 0.

    Clevert, Unterthiner, Hochreiter, "Fast and Accurate Deep Network Learning by Exponential Linear Units (ELUs)"
    (2016), equation 15. ``TypeError`` or ``ValueError`` unless α is a finite number above 0.

    >>> import funcnet as fn
    >>> elu = fn.elu(2.0)
    >>> elu(jnp.array([-100.0, 0.0, 100.0])), elu.derivative(jnp.array([-100.0, 0.0, 100.0]))
    (Array([ -2.,   0., 100.], dtype=float32), Array([0., 1., 1.], dtype=float32))
    """

    name = "elu"
    alpha: float = 1.0

    def __post_init__(self) -> None:
        keep_number(self, "alpha", lambda alpha: alpha > 0, "above 0 and finite")

    def value(self, z: jax.Array) -> jax.Array:
        """Return z where z ≥ 0, else α(e^z − 1), whose difference loses nothing near 0."""
        return jnp.where(z < 0, self.alpha * jnp.expm1(_negative_part(z)), z)

    def derivative(self, z: jax.Array) -> jax.Array:
        """Return 1 where z ≥ 0, else α e^z."""
        return jnp.where(z < 0, self.alpha * jnp.exp(_negative_part(z)), jnp.ones_like(z))


def _negative_part(z: jax.Array) -> jax.Array:
    """Return min(0, z): where the other branch is taken, an exponential that overflows would make its gradient NaN."""
    return jnp.where(z < 0, z, jnp.zeros_like(z))


step = Step()
sign = Sign()
relu = ReLU()
