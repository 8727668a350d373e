"""The loss of scores that should exceed a margin: the hinge."""

import jax
import jax.numpy as jnp

from ..activations import relu
from ..activations.precision import in_float32
from ..checks import floating_array
from .base import Loss, TargetRange


class Hinge(Loss):
    """The hinge loss of scores z with targets −1 and 1: Σⱼ max(0, 1 − yⱼ zⱼ).

    Its gradient is −y where 1 − y z ≥ 0, else 0. At the kink y z = 1 it is −y, the right-hand branch of max(0, m) at
    m = 0, in the hand-written and the automatic gradient. Several outputs are several problems of one class against
    the rest: the target is 1 for the class and −1 for the others, 2 · one_hot − 1. Cortes, Vapnik, "Support-Vector
    Networks" (1995), for its sum of slacks.

    >>> import funcnet as fn
    >>> z, y = jnp.array([[-0.5, 1.0, 3.0]]), jnp.array([[1.0, 1.0, -1.0]])
    >>> fn.hinge.value(z, y), fn.hinge.gradient(z, y), fn.hinge.predict(z)
    (Array([5.5], dtype=float32), Array([[-1., -1.,  1.]], dtype=float32), Array([[0.25, 1.  , 2.  ]], dtype=float32))
    """

    name = "hinge"

    def target_range(self, outputs: int) -> TargetRange:
        """Return −1 and 1."""
        return TargetRange(-1.0, 1.0, only_ends=True, remedy="2 * y - 1 for 0 and 1")

    @in_float32
    def value(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return Σⱼ max(0, 1 − yⱼ zⱼ)."""
        z, y = self.check(output, target)
        return jnp.sum(relu(1 - y * z), axis=-1)

    @in_float32
    def gradient(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return −y relu′(1 − y z)."""
        z, y = self.check(output, target)
        return -y * relu.derivative(1 - y * z)

    def predict(self, output: jax.Array) -> jax.Array:
        """Return (1 + z)/2, which maps the targets −1 and 1 to 0 and 1, and a score of 0 to the boundary ½."""
        return (1 + floating_array(self, "output", output)) / 2


hinge = Hinge()
