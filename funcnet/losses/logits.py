"""Losses from logits: the cross-entropies of sigmoid and softmax outputs."""

import jax
import jax.numpy as jnp

from ..activations import sigmoid, softmax, softplus
from ..activations.rowwise import below_largest, is_largest, sum_to_zero
from .base import Loss


class SigmoidCrossEntropy(Loss):
    """The cross-entropy of sigmoid outputs, from their logits z: −Σⱼ [yⱼ log σ(zⱼ) + (1 − yⱼ) log σ(−zⱼ)].

    Its gradient is σ(z) − y, without a factor σ′ that would slow the learning. It sums over the outputs, where Keras
    averages. Nielsen (2015), chapter 3, equation 71.

    >>> import funcnet as fn
    >>> z, y = jnp.array([[0.0, 200.0]]), jnp.array([[1.0, 1.0]])
    >>> fn.sigmoid_cross_entropy.value(z, y), fn.sigmoid_cross_entropy.gradient(z, y)
    (Array([0.6931472], dtype=float32), Array([[-0.5,  0. ]], dtype=float32))
    """

    name = "sigmoid_cross_entropy"

    def value(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return −Σⱼ [yⱼ log σ(zⱼ) + (1 − yⱼ) log σ(−zⱼ)], where −log σ(z) = log(1 + e^(−z)) is a softplus."""
        z, y = self.check(output, target)
        return jnp.sum(y * softplus(-z) + (1 - y) * softplus(z), axis=-1)

    def gradient(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return σ(z) − y as (1 − y) σ(z) − y σ(−z), which is accurate where σ(z) rounds to a target of 1."""
        z, y = self.check(output, target)
        return (1 - y) * sigmoid(z) - y * sigmoid(-z)

    def predict(self, output: jax.Array) -> jax.Array:
        """Return the probabilities σ(z)."""
        return sigmoid(output)


class SoftmaxCrossEntropy(Loss):
    """The cross-entropy of softmax outputs, from their logits z: −Σⱼ yⱼ log softmax(z)ⱼ.

    Its gradient is softmax(z) Σⱼ yⱼ − y, which is softmax(z) − y for targets that sum to 1, such as one-hot rows.
    Goodfellow, Bengio, Courville, *Deep Learning* (2016), section 6.2.2.3.

    >>> import funcnet as fn
    >>> z, y = jnp.array([[0.0, 200.0]]), jnp.array([[1.0, 0.0]])
    >>> fn.softmax_cross_entropy.value(z, y), fn.softmax_cross_entropy.gradient(z, y)
    (Array([200.], dtype=float32), Array([[-1.,  1.]], dtype=float32))
    """

    name = "softmax_cross_entropy"

    def value(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return −Σⱼ yⱼ log softmax(z)ⱼ, where log softmax(z) = z − max z − log Σ e^(z − max z).

        The largest term of that sum is e⁰ = 1. ``log1p`` of the other terms is accurate where they are small.
        """
        z, y = self.check(output, target)
        shifted = below_largest(z)
        others = jnp.sum(jnp.where(is_largest(z), 0, jnp.exp(shifted)), axis=-1, keepdims=True)
        return -jnp.sum(y * (shifted - jnp.log1p(others)), axis=-1)

    def gradient(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return softmax(z) Σⱼ yⱼ − y, whose entries sum to 0."""
        z, y = self.check(output, target)
        return sum_to_zero(z, softmax(z) * jnp.sum(y, axis=-1, keepdims=True) - y)

    def predict(self, output: jax.Array) -> jax.Array:
        """Return the probabilities softmax(z)."""
        return softmax(output)


sigmoid_cross_entropy = SigmoidCrossEntropy()
softmax_cross_entropy = SoftmaxCrossEntropy()
