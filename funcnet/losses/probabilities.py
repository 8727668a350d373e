"""Losses on probabilities: binary and categorical cross-entropy, and the Kullback-Leibler divergence."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ..activations.precision import in_float32
from .base import DISTRIBUTIONS, PROBABILITIES, Loss, TargetRange


def _over(y: jax.Array, a: jax.Array) -> jax.Array:
    """Return y/a, and 0 where y = 0 for every a."""
    return jnp.where(y == 0, jnp.zeros_like(a), y / jnp.where(y == 0, jnp.ones_like(a), a))


def _over_target(a: jax.Array, y: jax.Array) -> jax.Array:
    """Return a/y, and 1 where y = 0."""
    return jnp.where(y == 0, jnp.ones_like(a), a / jnp.where(y == 0, jnp.ones_like(y), y))


def _times_log(y: jax.Array, a: jax.Array) -> jax.Array:
    """Return y log a, and 0 where y = 0 for every a; the guarded input avoids a gradient of NaN."""
    return jnp.where(y == 0, jnp.zeros_like(a), y * jnp.log(jnp.where(y == 0, jnp.ones_like(a), a)))


def _at_least(floor: Any, a: jax.Array) -> jax.Array:
    """Return max(a, floor), with an automatic derivative of 1 everywhere.

    The logarithm of a sigmoid or softmax that is rounded to 0 is infinite. With the floor, the loss of such a wrong
    prediction is large and finite, and so is its gradient.
    """
    return a + lax.stop_gradient(jnp.maximum(a, floor) - a)


def _floor(dtype: Any) -> float:
    """Return the smallest normal number of a dtype; of float16 the smallest number a of which 1/a is a number too.

    float16 has numbers below the normal ones, which are computed in float32 as all others are.

    >>> _floor(jnp.float32), 1 / _floor(jnp.float16)  # the largest number of float16 is 65504
    (1.1754943508222875e-38, 65280.99610894942)
    """
    return 257 * 2.0**-24 if dtype == jnp.float16 else float(jnp.finfo(dtype).tiny)


def _present(a: jax.Array) -> jax.Array:
    """Return a, at least the floor of its dtype."""
    return _at_least(_floor(a.dtype), a)


def _log1p(x: jax.Array) -> jax.Array:
    """Return log(1 + x) for −1 < x ≤ 0, without the loss of digits in 1 + x.

    In float64, XLA's ``log1p`` is up to 16 units in the last place off where 1 + x loses none or few.

    >>> _log1p(jnp.array([-0.5, -1e-9]))
    Array([-6.931472e-01, -1.000000e-09], dtype=float32)
    """
    if x.dtype != jnp.float64:
        return jnp.log1p(x)
    small = x > -0.25
    large = jnp.log(jnp.where(small, jnp.ones_like(x), 1 + x))
    return jnp.where(small, jnp.log1p(jnp.where(small, x, jnp.zeros_like(x))), large)


class BinaryCrossEntropy(Loss):
    """The binary cross-entropy of activations in [0, 1]: −Σⱼ [yⱼ log aⱼ + (1 − yⱼ) log(1 − aⱼ)], with 0 log 0 = 0.

    Its gradient is (1 − y)/(1 − a) − y/a. It sums over the outputs of a sample, where Keras averages over them. An
    activation that is rounded to 0 or 1 counts as the number next to it. Where the output is a sigmoid,
    ``sigmoid_cross_entropy`` of the logits is more accurate. Like every loss it takes (output, target);
    ``fn.information.cross_entropy``, another function, takes the distributions (p, q). Nielsen (2015), chapter 3,
    equation 63.

    >>> import funcnet as fn
    >>> a, y = jnp.array([[0.5, 1.0]]), jnp.array([[1.0, 1.0]])
    >>> fn.binary_cross_entropy.value(a, y), fn.binary_cross_entropy.gradient(a, y)
    (Array([0.6931472], dtype=float32), Array([[-2., -1.]], dtype=float32))
    """

    name = "binary_cross_entropy"

    def target_range(self, outputs: int) -> TargetRange:
        """Return [0, 1]."""
        return PROBABILITIES

    def value(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return −Σⱼ [yⱼ log aⱼ + (1 − yⱼ) log(1 − aⱼ)]."""
        a, y = self.check(output, target)
        return self._value(a, y, _floor(a.dtype), float(jnp.finfo(a.dtype).epsneg))

    @in_float32
    def _value(self, a: jax.Array, y: jax.Array, floor: float, least: float) -> jax.Array:
        # With both floors, each logarithm is a number, and 0 times it is 0.
        return -jnp.sum(y * jnp.log(_at_least(floor, a)) + (1 - y) * _log1p(_at_least(least - 1, -a)), axis=-1)

    def gradient(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return (1 − y)/(1 − a) − y/a."""
        a, y = self.check(output, target)
        return self._gradient(_present(a), y, float(jnp.finfo(a.dtype).epsneg))

    @in_float32
    def _gradient(self, a: jax.Array, y: jax.Array, least: float) -> jax.Array:
        return _over(1 - y, _at_least(least, 1 - a)) - _over(y, a)


class CategoricalCrossEntropy(Loss):
    """The cross-entropy of a distribution over the classes: −Σⱼ yⱼ log aⱼ, with 0 log 0 = 0; gradient −y/a.

    Where the output is a softmax, ``softmax_cross_entropy`` of the logits is more accurate. Goodfellow, Bengio,
    Courville, *Deep Learning* (2016), section 6.2.2.3; Bishop, *PRML* (2006), equation 4.108.

    >>> import funcnet as fn
    >>> a, y = jnp.array([[0.5, 0.5, 0.0]]), jnp.array([[1.0, 0.0, 0.0]])
    >>> fn.categorical_cross_entropy.value(a, y), fn.categorical_cross_entropy.gradient(a, y)
    (Array([0.6931472], dtype=float32), Array([[-2.,  0.,  0.]], dtype=float32))
    """

    name = "categorical_cross_entropy"

    def target_range(self, outputs: int) -> TargetRange:
        """Return distributions: rows in [0, 1] that sum to 1."""
        return DISTRIBUTIONS

    def value(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return −Σⱼ yⱼ log aⱼ."""
        a, y = self.check(output, target)
        return self._value(_present(a), y)

    @in_float32
    def _value(self, a: jax.Array, y: jax.Array) -> jax.Array:
        return -jnp.sum(_times_log(y, a), axis=-1)

    def gradient(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return −y/a."""
        a, y = self.check(output, target)
        return _over(-y, _present(a))


class KLDivergence(Loss):
    """The Kullback-Leibler divergence of the output from the target: Σⱼ yⱼ log(yⱼ/aⱼ); gradient −y/a.

    A term with y = 0 is 0. It is the categorical cross-entropy minus the entropy of the target, so it is 0 where the
    output equals the target. Like every loss it takes (output, target), for KL(target‖output);
    ``fn.information.kl_divergence`` takes (p, q), for KL(p‖q). Kullback, Leibler, "On Information and Sufficiency"
    (1951).

    >>> import funcnet as fn
    >>> a, y = jnp.array([[0.5, 0.25, 0.25]]), jnp.array([[0.5, 0.5, 0.0]])
    >>> fn.kl_divergence.value(a, y), fn.kl_divergence.gradient(a, y)
    (Array([0.3465736], dtype=float32), Array([[-1., -2.,  0.]], dtype=float32))
    """

    name = "kl_divergence"

    def target_range(self, outputs: int) -> TargetRange:
        """Return distributions: rows in [0, 1] that sum to 1."""
        return DISTRIBUTIONS

    def value(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return Σⱼ yⱼ log(yⱼ/aⱼ), as −Σⱼ yⱼ log(aⱼ/yⱼ), whose automatic gradient does not divide by a²."""
        a, y = self.check(output, target)
        return self._value(_present(a), y)

    @in_float32
    def _value(self, a: jax.Array, y: jax.Array) -> jax.Array:
        return -jnp.sum(_times_log(y, _over_target(a, y)), axis=-1)

    def gradient(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return −y/a."""
        a, y = self.check(output, target)
        return _over(-y, _present(a))


binary_cross_entropy = BinaryCrossEntropy()
categorical_cross_entropy = CategoricalCrossEntropy()
kl_divergence = KLDivergence()
