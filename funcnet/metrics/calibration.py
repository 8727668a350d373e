"""The calibration of a classifier: whether what is predicted with confidence p is right with probability p."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import check_count
from .base import Metric, Sum, check_prediction, ratio, row_weights, weighted_sum
from .classification import is_right, predicted_classes, target_classes, warn_of_logits


class Gaps(NamedTuple):
    """What the rows so far were right more often than they were confident, by bins of confidence."""

    gaps: Sum  # (bins,): Σᵢ wᵢ (rightᵢ − confidenceᵢ) over the samples of the bin
    weight: Sum  # (): Σᵢ wᵢ over all samples


class CalibrationError(Metric):
    """The expected calibration error: the mean distance of confidence and accuracy, over bins of confidence.

    ECE = Σ_b (n_b/n) |accuracy_b − confidence_b|, bin b = 1, …, M: samples with confidence in ((b − 1)/M, b/M].

    The prediction holds probabilities. A sample's confidence is the largest of them, and max(p, 1 − p) for one output
    p; whether its class is right is as in ``fn.accuracy``. Smaller is better. The value is NaN where a row has NaN.
    Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks" (2017), equation 3.

    Args:
        bins: the number M of bins of equal width, at least 1.

    Raises:
        TypeError, ValueError: ``bins`` is not an integer of at least 1.

    >>> import funcnet as fn
    >>> prediction = jnp.array([[0.75, 0.25], [0.25, 0.75], [0.5, 0.5], [0.0, 1.0]])
    >>> fn.metrics.calibration_error.of(prediction, jnp.array([0, 0, 0, 1]))
    Array(0.25, dtype=float32)
    """

    bins: int = 15

    name = "calibration_error"
    larger_is_better = False

    def __post_init__(self) -> None:
        check_count("CalibrationError", "bins", self.bins)

    def init(self, rows: int, outputs: int, dtype: Any) -> Gaps:
        """Return gaps of 0."""
        return Gaps(Sum.zeros((self.bins,), dtype), Sum.zeros((), dtype))

    def update(self, state: Gaps, prediction: jax.Array, target: jax.Array, weights: jax.Array | None) -> Gaps:
        """Return the gaps with one more batch."""
        check_prediction(self, prediction)
        dtype = state.weight.total.dtype
        right = is_right(predicted_classes(prediction), target_classes(self, prediction, target))
        weights = row_weights(self, weights, len(right), dtype)
        probabilities = jnp.asarray(prediction).astype(dtype)
        if probabilities.shape[1] == 1:
            probabilities = jnp.concatenate([1 - probabilities, probabilities], axis=1)
        confidence = jnp.max(probabilities, axis=1)
        edges = jnp.asarray(np.arange(1, self.bins) / self.bins, dtype)  # between the bins
        bin_of_row = jnp.sum(confidence[:, None] > edges[None, :], axis=1, dtype=jnp.int32)
        in_bin = bin_of_row[:, None] == jnp.arange(self.bins, dtype=jnp.int32)[None, :]
        gaps = jnp.where(in_bin, (right.astype(dtype) - confidence)[:, None], 0)
        return Gaps(state.gaps.plus(weighted_sum(weights, gaps)), state.weight.plus(jnp.sum(weights)))

    def value(self, state: Gaps) -> jax.Array:
        """Return the expected calibration error, 0 where all weights are 0."""
        return ratio(jnp.sum(jnp.abs(state.gaps.value)), state.weight.value)

    def _warn_of_mistakes(self, prediction: Any, target: Any) -> None:
        """Warn of predictions that are not probabilities."""
        warn_of_logits(self, prediction)


calibration_error = CalibrationError()
