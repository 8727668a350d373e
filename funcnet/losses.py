"""Losses: the value of each sample, the hand-written gradient in the output, and the prediction, side by side.

For an output a (or logits z) and a target y, both (batch, outputs), ``value`` is (batch,) and ``gradient`` is
like the output. The cost of a batch is the mean of the values over its samples. ``predict`` maps the network's
output to what it stands for: logits to probabilities, all else to itself.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .activations import sigmoid, softmax
from .contract import Configuration
from .dtypes import accumulator_dtype
from .errors import DtypeError, ShapeError, floating_array


class Loss(Configuration):
    """The contract of a loss: ``value``, ``gradient`` and ``predict``, all pure functions.

    Every ``value`` and ``gradient`` takes an output (..., outputs) of floating dtype and a target of the same
    shape, raises ``ShapeError`` or ``DtypeError`` otherwise, and keeps the output's dtype.
    """

    def value(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return the loss of each sample: (...,) for an output (..., outputs)."""
        raise NotImplementedError(f"{type(self).__name__} has no value")

    def gradient(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return ∂value/∂output of each sample: (..., outputs). By hand."""
        raise NotImplementedError(f"{type(self).__name__} has no gradient")

    def predict(self, output: jax.Array) -> jax.Array:
        """Return what the output stands for: the output itself, unless it is logits."""
        return output

    def check(self, output: Any, target: Any) -> tuple[jax.Array, jax.Array]:
        """Return output and target as arrays of one shape and of the output's dtype, or say what is wrong."""
        output = floating_array(self, "output", output)
        target = jnp.asarray(target)
        if output.ndim == 0:
            raise ShapeError(self, "output of shape (batch, outputs)", output.shape)
        if output.shape != target.shape:
            labels = target.ndim == output.ndim - 1 and not jnp.issubdtype(target.dtype, jnp.floating)
            hint = ": class labels become rows by funcnet.data.one_hot" if labels else ""
            raise ShapeError(self, f"target of the output's shape {output.shape}", f"{target.shape}{hint}")
        if jnp.issubdtype(target.dtype, jnp.complexfloating):
            raise DtypeError(self, "target of a real dtype", target.dtype)
        return output, target.astype(output.dtype)


def batch_mean(values: jax.Array, weights: jax.Array | None = None) -> jax.Array:
    """Return Σ wᵢ vᵢ / Σ wᵢ over the samples, the mean where there are no weights; in float32 at least.

    >>> batch_mean(jnp.array([1.0, 2.0, 60.0]), weights=jnp.array([1.0, 1.0, 0.0]))
    Array(1.5, dtype=float32)
    """
    values = values.astype(accumulator_dtype(values.dtype))
    if weights is None:
        return jnp.mean(values)
    weights = weights.astype(values.dtype)
    return jnp.sum(weights * values) / jnp.sum(weights)


class Quadratic(Loss):
    """The quadratic loss ½‖y − a‖²; gradient a − y. Nielsen (2015), chapter 1, equation 6.

    >>> import funcnet as fn
    >>> a, y = jnp.array([[1.0, 3.0]]), jnp.array([[0.0, 1.0]])
    >>> fn.quadratic.value(a, y), fn.quadratic.gradient(a, y)
    (Array([2.5], dtype=float32), Array([[1., 2.]], dtype=float32))
    """

    name = "quadratic"

    def value(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return ½ Σⱼ (aⱼ − yⱼ)²."""
        a, y = self.check(output, target)
        return 0.5 * jnp.sum((a - y) ** 2, axis=-1)

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

    def value(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return Σⱼ (aⱼ − yⱼ)²."""
        a, y = self.check(output, target)
        return jnp.sum((a - y) ** 2, axis=-1)

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

    def value(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return (1/m) Σⱼ (aⱼ − yⱼ)²."""
        a, y = self.check(output, target)
        return jnp.mean((a - y) ** 2, axis=-1)

    def gradient(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return (2/m)(a − y)."""
        a, y = self.check(output, target)
        return (2 / a.shape[-1]) * (a - y)


def _over(y: jax.Array, a: jax.Array) -> jax.Array:
    """Return y/a, which is 0 where y = 0 whatever a is."""
    return jnp.where(y == 0, jnp.zeros_like(a), y / jnp.where(y == 0, jnp.ones_like(a), a))


def _times_log(y: jax.Array, a: jax.Array) -> jax.Array:
    """Return y log a, which is 0 where y = 0 whatever a is; the guarded input keeps its gradient from NaN."""
    return jnp.where(y == 0, jnp.zeros_like(a), y * jnp.log(jnp.where(y == 0, jnp.ones_like(a), a)))


class CrossEntropy(Loss):
    """The cross-entropy on activations in [0, 1]: −Σⱼ [yⱼ log aⱼ + (1 − yⱼ) log(1 − aⱼ)], with 0 log 0 = 0.

    Its gradient is (1 − y)/(1 − a) − y/a. With one output it is the binary cross-entropy. Where the output is
    a sigmoid, ``sigmoid_cross_entropy`` on the logits is the safer form. Nielsen (2015), chapter 3, equation 63.

    >>> import funcnet as fn
    >>> a, y = jnp.array([[0.5, 1.0]]), jnp.array([[1.0, 1.0]])
    >>> fn.cross_entropy.value(a, y), fn.cross_entropy.gradient(a, y)
    (Array([0.6931472], dtype=float32), Array([[-2., -1.]], dtype=float32))
    """

    name = "cross_entropy"

    def value(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return −Σⱼ [yⱼ log aⱼ + (1 − yⱼ) log(1 − aⱼ)]."""
        a, y = self.check(output, target)
        return -jnp.sum(_times_log(y, a) + _times_log(1 - y, 1 - a), axis=-1)

    def gradient(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return (1 − y)/(1 − a) − y/a."""
        a, y = self.check(output, target)
        return _over(1 - y, 1 - a) - _over(y, a)


class SigmoidCrossEntropy(Loss):
    """The cross-entropy of sigmoid outputs, from their logits z: −Σⱼ [yⱼ log σ(zⱼ) + (1 − yⱼ) log σ(−zⱼ)].

    Its gradient is σ(z) − y, in which no σ′ slows the learning. Nielsen (2015), chapter 3, equation 71.

    >>> import funcnet as fn
    >>> z, y = jnp.array([[0.0, 200.0]]), jnp.array([[1.0, 1.0]])
    >>> fn.sigmoid_cross_entropy.value(z, y), fn.sigmoid_cross_entropy.gradient(z, y)
    (Array([0.6931472], dtype=float32), Array([[-0.5,  0. ]], dtype=float32))
    """

    name = "sigmoid_cross_entropy"

    def value(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return −Σⱼ [yⱼ log σ(zⱼ) + (1 − yⱼ) log σ(−zⱼ)], where −log σ(z) = log(1 + e^(−z))."""
        z, y = self.check(output, target)
        zero = jnp.zeros_like(z)
        return jnp.sum(y * jnp.logaddexp(zero, -z) + (1 - y) * jnp.logaddexp(zero, z), axis=-1)

    def gradient(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return σ(z) − y."""
        z, y = self.check(output, target)
        return sigmoid(z) - y

    def predict(self, output: jax.Array) -> jax.Array:
        """Return the probabilities σ(z)."""
        return sigmoid(output)


class SoftmaxCrossEntropy(Loss):
    """The cross-entropy of softmax outputs, from their logits z: −Σⱼ yⱼ log softmax(z)ⱼ.

    Its gradient is softmax(z) − y for targets that sum to 1, as one-hot rows do, and softmax(z) Σⱼ yⱼ − y for
    all. Goodfellow, Bengio, Courville, *Deep Learning* (2016), section 6.2.2.3.

    >>> import funcnet as fn
    >>> z, y = jnp.array([[0.0, 200.0]]), jnp.array([[1.0, 0.0]])
    >>> fn.softmax_cross_entropy.value(z, y), fn.softmax_cross_entropy.gradient(z, y)
    (Array([200.], dtype=float32), Array([[-1.,  1.]], dtype=float32))
    """

    name = "softmax_cross_entropy"

    def value(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return −Σⱼ yⱼ log softmax(z)ⱼ, where log softmax(z) = z − max z − log Σ e^(z − max z)."""
        z, y = self.check(output, target)
        z = z - lax.stop_gradient(jnp.max(z, axis=-1, keepdims=True))
        log_softmax = z - jnp.log(jnp.sum(jnp.exp(z), axis=-1, keepdims=True))
        return -jnp.sum(y * log_softmax, axis=-1)

    def gradient(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return softmax(z) Σⱼ yⱼ − y."""
        z, y = self.check(output, target)
        return softmax(z) * jnp.sum(y, axis=-1, keepdims=True) - y

    def predict(self, output: jax.Array) -> jax.Array:
        """Return the probabilities softmax(z)."""
        return softmax(output)


quadratic = Quadratic()
squared_error = SquaredError()
mean_squared_error = MeanSquaredError()
cross_entropy = CrossEntropy()
sigmoid_cross_entropy = SigmoidCrossEntropy()
softmax_cross_entropy = SoftmaxCrossEntropy()
