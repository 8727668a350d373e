"""Losses from logits: the cross-entropies of sigmoid and softmax outputs, and the focal loss."""

from typing import Any

import jax
import jax.numpy as jnp

from ..activations import sigmoid, softmax, softplus
from ..activations.precision import in_float32
from ..activations.rowwise import below_largest, is_largest, sum_to_zero
from ..checks import as_dtype, floating_array, set_number
from .base import DISTRIBUTIONS, PROBABILITIES, Loss, TargetRange


class SigmoidCrossEntropy(Loss):
    """The cross-entropy of sigmoid outputs, from their logits z: −Σⱼ [yⱼ log σ(zⱼ) + (1 − yⱼ) log σ(−zⱼ)].

    Its gradient is σ(z) − y, without a factor σ′ that would slow the learning. It sums over the outputs, where Keras
    averages. With one output, the target may be labels 0 and 1, (batch,) of integers. Nielsen (2015), chapter 3,
    equation 71.

    >>> import funcnet as fn
    >>> z, y = jnp.array([[0.0, 200.0]]), jnp.array([[1.0, 1.0]])
    >>> fn.sigmoid_cross_entropy.value(z, y), fn.sigmoid_cross_entropy.gradient(z, y)
    (Array([0.6931472], dtype=float32), Array([[-0.5,  0. ]], dtype=float32))
    """

    name = "sigmoid_cross_entropy"
    from_logits = True

    def label_count(self, outputs: int) -> int | None:
        """Return 2 for one output: labels of several outputs are not known to exclude each other."""
        return 2 if outputs == 1 else None

    def target_range(self, outputs: int) -> TargetRange:
        """Return [0, 1]."""
        return PROBABILITIES

    @in_float32
    def value(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return −Σⱼ [yⱼ log σ(zⱼ) + (1 − yⱼ) log σ(−zⱼ)].

        A term is log(1 + e^(−|z|)) plus (1 − y) z where z ≥ 0, and plus −y z elsewhere.
        """
        z, y = self.check(output, target)
        linear = jnp.where(z < 0, -y * z, (1 - y) * z)
        return jnp.sum(linear + jnp.log1p(jnp.exp(jnp.where(z < 0, z, -z))), axis=-1)

    @in_float32
    def gradient(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return σ(z) − y as (1 − y) σ(z) − y σ(−z), which is accurate where σ(z) rounds to a target of 1.

        With e = e^(−|z|), it is ((1 − y) − y e)/(1 + e) where z ≥ 0, and ((1 − y) e − y)/(1 + e) elsewhere.
        """
        z, y = self.check(output, target)
        e = jnp.exp(jnp.where(z < 0, z, -z))
        return jnp.where(z < 0, (1 - y) * e - y, (1 - y) - y * e) / (1 + e)

    def predict(self, output: jax.Array) -> jax.Array:
        """Return the probabilities σ(z)."""
        return sigmoid(output)


class SoftmaxCrossEntropy(Loss):
    """The cross-entropy of softmax outputs, from their logits z: −Σⱼ yⱼ log softmax(z)ⱼ.

    Its gradient is softmax(z) Σⱼ yⱼ − y, which is softmax(z) − y for targets that sum to 1, such as one-hot rows;
    training refuses others. The target may be class labels, (batch,) of integers, in place of one-hot rows. With label
    smoothing s, the target of K classes is (1 − s) y + s/K. ``fn.softmax_cross_entropy`` is
    ``fn.SoftmaxCrossEntropy()``. Raises ``TypeError`` or ``ValueError`` unless ``label_smoothing`` is a number in
    [0, 1). Goodfellow, Bengio, Courville, *Deep Learning* (2016), sections 6.2.2.3 and 7.5.1.

    >>> import funcnet as fn
    >>> z, y = jnp.array([[0.0, 200.0]]), jnp.array([[1.0, 0.0]])
    >>> fn.softmax_cross_entropy.value(z, y), fn.softmax_cross_entropy.gradient(z, y)
    (Array([200.], dtype=float32), Array([[-1.,  1.]], dtype=float32))
    >>> labels = jnp.array([0])
    >>> fn.softmax_cross_entropy.value(z, labels), fn.SoftmaxCrossEntropy(label_smoothing=0.1).value(z, labels)
    (Array([200.], dtype=float32), Array([190.], dtype=float32))
    """

    name = "softmax_cross_entropy"
    from_logits = True
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        set_number(self, "label_smoothing", lambda share: (share >= 0) & (share < 1), "in [0, 1)")

    def label_count(self, outputs: int) -> int | None:
        """Return the number of outputs, one for each class."""
        return outputs

    def target_range(self, outputs: int) -> TargetRange | None:
        """Return distributions, rows in [0, 1] that sum to 1; None for one output, which is no choice of classes."""
        return None if outputs == 1 else DISTRIBUTIONS

    def check(self, output: Any, target: Any) -> tuple[jax.Array, jax.Array]:
        """Return output and target as ``Loss.check`` does, the target smoothed: (1 − s) y + s/K."""
        z, y = super().check(output, target)
        s, classes = self.label_smoothing, z.shape[-1]
        if s:
            as_dtype(self, "label_smoothing", s, z.dtype)
            y = (1 - s) * y + s / classes
        return z, y

    def value(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return −Σⱼ yⱼ log softmax(z)ⱼ."""
        z, y = self.check(output, target)
        return -jnp.sum(y * _log_softmax(z), axis=-1)

    def gradient(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return softmax(z) Σⱼ yⱼ − y, whose entries sum to 0."""
        z, y = self.check(output, target)
        return sum_to_zero(z, softmax(z) * jnp.sum(y, axis=-1, keepdims=True) - y)

    def predict(self, output: jax.Array) -> jax.Array:
        """Return the probabilities softmax(z)."""
        return softmax(output)


class Focal(Loss):
    """The focal loss from logits: −Σⱼ yⱼ (1 − pⱼ)^γ log pⱼ, the cross-entropy with less weight on what is easy.

    With several outputs, p = softmax(z), and the target is class labels, (batch,) of integers, or rows that sum to 1.
    With one output, p = σ(z) stands for class 1 and 1 − p for class 0, and the target is labels 0 and 1, (batch,), or
    numbers in [0, 1], (batch, 1). With γ = 0 it is the cross-entropy. There is no factor α for classes: give the
    samples weights (``fn.data.class_weights``). Raises ``TypeError`` or ``ValueError`` unless ``gamma`` is a finite
    number of at least 0. Lin, Goyal, Girshick, He, Dollár, "Focal Loss for Dense Object Detection" (2017), equation 4.

    >>> import funcnet as fn
    >>> z, labels = jnp.array([[0.0, 2.0], [0.0, 2.0]]), jnp.array([1, 0])
    >>> fn.Focal(gamma=2.0).value(z, labels).round(4), fn.softmax_cross_entropy.value(z, labels).round(4)
    (Array([0.0018, 1.6501], dtype=float32), Array([0.1269, 2.1269], dtype=float32))
    """

    from_logits = True
    gamma: float = 2.0

    def __post_init__(self) -> None:
        set_number(self, "gamma", lambda gamma: gamma >= 0, "to be finite and at least 0")

    def label_count(self, outputs: int) -> int | None:
        """Return the number of classes: one for each output, and two for one output."""
        return max(outputs, 2)

    def target_range(self, outputs: int) -> TargetRange:
        """Return distributions, and [0, 1] for one output."""
        return PROBABILITIES if outputs == 1 else DISTRIBUTIONS

    @in_float32
    def value(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return −Σⱼ yⱼ mⱼ^γ log pⱼ with m = 1 − p."""
        z, y = self.check(output, target)
        log_p, _, m, y = _probabilities(z, y)
        return -jnp.sum(y * self._factor(m) * log_p, axis=-1)

    @in_float32
    def gradient(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return p Σⱼ gⱼ − g with gⱼ = yⱼ mⱼ^γ (1 − γ pⱼ log(pⱼ)/mⱼ); for one output its part in z.

        ∂p/∂z gives ∂(−yⱼ mⱼ^γ log pⱼ)/∂zₖ = −gⱼ (δⱼₖ − pₖ). The ratio log(p)/m is −1 in the limit p = 1.
        """
        z, y = self.check(output, target)
        log_p, p, m, y = _probabilities(z, y)
        ratio = jnp.where(m > 0, log_p / jnp.where(m > 0, m, 1), -1)
        g = y * self._factor(m) * (1 - self.gamma * p * ratio)
        if z.shape[-1] == 1:  # z₁ = z, z₀ = 0
            return (p[..., 1:] * g[..., :1] - p[..., :1] * g[..., 1:]).astype(z.dtype)
        return sum_to_zero(z, p * jnp.sum(g, axis=-1, keepdims=True) - g)

    def predict(self, output: jax.Array) -> jax.Array:
        """Return the probabilities: softmax(z), and σ(z) of one output."""
        output = floating_array(self, "output", output)
        return sigmoid(output) if output.shape[-1:] == (1,) else softmax(output)

    def _factor(self, m: jax.Array) -> jax.Array:
        """Return m^γ; where m is 0, its derivative is 0 too, which is that of the product with log p."""
        exponent = int(self.gamma) if self.gamma == int(self.gamma) else self.gamma  # products are exacter than powers
        return jnp.where(m > 0, jnp.where(m > 0, m, 1) ** exponent, float(self.gamma == 0))


def _probabilities(z: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Return log p, p, 1 − p and the target of every class; those of the classes 0 and 1 for one logit."""
    if z.shape[-1] == 1:
        both = jnp.concatenate([-z, z], axis=-1)
        return -softplus(-both), sigmoid(both), sigmoid(-both), jnp.concatenate([1 - y, y], axis=-1)
    log_p = _log_softmax(z)
    return log_p, jnp.exp(log_p), -jnp.expm1(log_p), y


def _log_softmax(z: jax.Array) -> jax.Array:
    """Return log softmax(z) = z − max z − log Σ e^(z − max z).

    The largest term of that sum is e⁰ = 1. ``log1p`` of the other terms is accurate where they are small.
    """
    shifted = below_largest(z)
    others = jnp.sum(jnp.where(is_largest(z), 0, jnp.exp(shifted)), axis=-1, keepdims=True)
    return shifted - jnp.log1p(others)


sigmoid_cross_entropy = SigmoidCrossEntropy()
softmax_cross_entropy = SoftmaxCrossEntropy()
