"""Metrics of regression: the mean absolute error, and the coefficient of determination."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .base import Mean, Metric, Sum, ratio, weighted_sum


class MeanAbsoluteError(Metric):
    """The mean absolute error: the mean over the samples of (1/m) Σⱼ |ŷⱼ − yⱼ| over the m outputs. Smaller is better.

    Willmott, Matsuura, "Advantages of the mean absolute error (MAE) over the root mean square error (RMSE)" (2005).

    >>> import funcnet as fn
    >>> fn.metrics.mean_absolute_error.of(jnp.array([[1.0], [4.0]]), jnp.array([[0.0], [2.0]]))
    Array(1.5, dtype=float32)
    """

    name = "mean_absolute_error"
    larger_is_better = False

    def init(self, rows: int, outputs: int, dtype: Any) -> Mean:
        """Return the mean of nothing."""
        return Mean.zero(dtype)

    def update(self, state: Mean, prediction: jax.Array, target: jax.Array, weights: jax.Array | None) -> Mean:
        """Return the mean with one more batch."""
        prediction, target, weights = self.check(prediction, target, weights, state.weight.total.dtype)
        return state.plus(jnp.mean(jnp.abs(prediction - target), axis=1), weights)

    def value(self, state: Mean) -> jax.Array:
        """Return the mean, 0 where all weights are 0."""
        return state.value


class Moments(NamedTuple):
    """What the coefficient of determination needs of the rows so far; (outputs,) but for the weight, ()."""

    weight: Sum  # Σᵢ wᵢ
    origin: jax.Array  # the first target, from which the mean is measured
    mean: Sum  # of the targets, less the origin
    variation: Sum  # Σᵢ wᵢ (yᵢ − mean)²
    residual: Sum  # Σᵢ wᵢ (yᵢ − ŷᵢ)²


class R2(Metric):
    """The coefficient of determination R² = 1 − Σᵢ wᵢ (yᵢ − ŷᵢ)² / Σᵢ wᵢ (yᵢ − ȳ)², the mean over the outputs.

    An output whose target is constant has 1 where the prediction is perfect, and else 0. Draper, Smith, *Applied
    Regression Analysis* (1998), section 1.3. The variation is not a difference of large sums. That of each batch is
    computed about the batch's mean, and two parts, of weights u and w and with means that differ by δ, make
    V = V₁ + V₂ + δ² uw/(u + w): Chan, Golub, LeVeque, "Algorithms for computing the sample variance" (1983).

    >>> import funcnet as fn
    >>> fn.metrics.r2.of(jnp.array([[1.0], [2.0], [4.0]]), jnp.array([[1.0], [2.0], [3.0]]))
    Array(0.5, dtype=float32)
    """

    name = "r2"

    def init(self, rows: int, outputs: int, dtype: Any) -> Moments:
        """Return the moments of nothing."""
        mean, variation, residual = (Sum.zeros((outputs,), dtype) for _ in range(3))
        return Moments(Sum.zeros((), dtype), jnp.zeros((outputs,), dtype), mean, variation, residual)

    def update(self, state: Moments, prediction: jax.Array, target: jax.Array, weights: jax.Array | None) -> Moments:
        """Return the moments with one more batch."""
        first = 0 if weights is None else jnp.argmax(jnp.asarray(weights) != 0)
        prediction, target, weights = self.check(prediction, target, weights, state.origin.dtype)
        before, more = state.weight.value, jnp.sum(weights)
        origin = jnp.where(before == 0, target[first], state.origin)
        moved = target - origin[None, :]  # so that a constant target has no variation, whatever its rounding
        mean = ratio(weighted_sum(weights, moved), more)
        step, share = mean - state.mean.value, ratio(more, before + more)
        variation = weighted_sum(weights, (moved - mean[None, :]) ** 2) + step**2 * (share * before)
        return Moments(
            state.weight.plus(more),
            origin,
            state.mean.plus(share * step),
            state.variation.plus(variation),
            state.residual.plus(weighted_sum(weights, (target - prediction) ** 2)),
        )

    def value(self, state: Moments) -> jax.Array:
        """Return R²; 0 where all weights are 0."""
        variation, residual = state.variation.value, state.residual.value
        is_constant = variation == 0
        of_constant = ((residual == 0) & (state.weight.value != 0)).astype(residual.dtype)
        return jnp.mean(jnp.where(is_constant, of_constant, 1 - residual / jnp.where(is_constant, 1, variation)))


mean_absolute_error = MeanAbsoluteError()
r2 = R2()
