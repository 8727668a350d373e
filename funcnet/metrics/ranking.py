"""Metrics of the order of outputs: top-k accuracy, within each row, and the area under the ROC curve, over all rows."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ..checks import check_count, nan_unless
from .base import Mean, Metric, check_prediction, ratio, row_weights
from .classification import predicted_classes, target_classes


class TopK(Metric):
    """The share of the samples whose class is among the k with the largest outputs.

    Of equal outputs that of the smaller index is the larger one, so that k = 1 is ``fn.accuracy``. A row with NaN and a
    target that names no class are never right. Every other row is right where there are at most k classes, which are 2
    with one output. Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge" (2015), section 4.1.

    Args:
        k: how many answers a sample has, at least 1.

    Raises:
        TypeError, ValueError: ``k`` is not an integer of at least 1.

    >>> import funcnet as fn
    >>> prediction = jnp.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    >>> fn.metrics.TopK(2).of(prediction, jnp.array([1, 0]))
    Array(0.5, dtype=float32)
    """

    k: int = 5

    name = "top_5"

    def __post_init__(self) -> None:
        check_count("TopK", "k", self.k)

    @property
    def history_name(self) -> str:
        """The name of the metric's values in histories, such as "top_3"."""
        return f"top_{self.k}"

    def init(self, rows: int, outputs: int, dtype: Any) -> Mean:
        """Return the mean of nothing."""
        return Mean.zero(dtype)

    def update(self, state: Mean, prediction: jax.Array, target: jax.Array, weights: jax.Array | None) -> Mean:
        """Return the mean with one more batch."""
        check_prediction(self, prediction)
        labels, answers = target_classes(self, prediction, target), predicted_classes(prediction)
        weights = row_weights(self, weights, len(answers), state.weight.total.dtype)
        right = (self._before(prediction, answers, labels) < self.k) & (answers >= 0) & (labels >= 0)
        return state.plus(right.astype(weights.dtype), weights)

    def value(self, state: Mean) -> jax.Array:
        """Return the share."""
        return state.value

    def _before(self, prediction: jax.Array, answers: jax.Array, labels: jax.Array) -> jax.Array:
        """Return how many classes have a larger output than the label: int32 (batch,)."""
        if prediction.shape[1] == 1:
            return (answers != labels).astype(jnp.int32)
        index = jnp.arange(prediction.shape[1], dtype=jnp.int32)[None, :]
        label = jnp.maximum(labels, 0)[:, None]
        own = jnp.take_along_axis(jnp.asarray(prediction), label, axis=1)
        return jnp.sum((prediction > own) | ((prediction == own) & (index < label)), axis=1, dtype=jnp.int32)


class Rows(NamedTuple):
    """The rows so far: without those of weight 0, in the order in which they came."""

    scores: jax.Array  # (rows, outputs)
    labels: jax.Array  # int32 (rows,)
    weights: jax.Array  # (rows,): 0 where no row is yet
    came: jax.Array  # int32 (): how many came, which may be more than there is place for


class AUC(Metric):
    """The area under the ROC curve: the probability that a positive sample has a larger output than a negative one.

    AUC = Σᵢ Σⱼ wᵢ wⱼ ([sᵢ > sⱼ] + ½ [sᵢ = sⱼ]) / (Σᵢ wᵢ Σⱼ wⱼ)

    over the positive samples i and the negative samples j with outputs s and weights w. With one output the samples of
    class 1 are the positive ones. With several outputs it is the mean over the classes, each against the rest. The
    area is that of the whole set and no mean over batches: the state holds all rows, and ``value`` sorts them.

    The value is NaN where a class has no sample or all of them, where a target names no class, where an output is
    NaN, and where more rows came than ``init`` was told. Hanley, McNeil, "The meaning and use of the area under a
    receiver operating characteristic (ROC) curve" (1982); Fawcett, "An introduction to ROC analysis" (2006).

    >>> import funcnet as fn
    >>> fn.metrics.auc.of(jnp.array([[0.1], [0.4], [0.35], [0.8]]), jnp.array([0, 0, 1, 1]))
    Array(0.75, dtype=float32)
    """

    name = "auc"

    def init(self, rows: int, outputs: int, dtype: Any) -> Rows:
        """Return place for ``rows`` rows."""
        scores, weights = jnp.zeros((rows, outputs), dtype), jnp.zeros((rows,), dtype)
        return Rows(scores, jnp.zeros((rows,), jnp.int32), weights, jnp.zeros((), jnp.int32))

    def update(self, state: Rows, prediction: jax.Array, target: jax.Array, weights: jax.Array | None) -> Rows:
        """Return the rows with those of one more batch."""
        check_prediction(self, prediction)
        labels, dtype = target_classes(self, prediction, target), state.scores.dtype
        new = jnp.asarray(prediction).astype(dtype), labels, row_weights(self, weights, len(labels), dtype)
        place, more = jnp.arange(len(labels), dtype=jnp.int32), jnp.int32(len(labels))
        if weights is not None:
            counted = new[-1] != 0
            place = jnp.where(counted, jnp.cumsum(counted, dtype=jnp.int32) - 1, len(state.weights))  # or past the end
            more = jnp.sum(counted, dtype=jnp.int32)
        scores, labels, weights = (
            old.at[state.came + place].set(rows, mode="drop") for old, rows in zip(state[:3], new, strict=True)
        )
        return Rows(scores, labels, weights, state.came + more)

    def value(self, state: Rows) -> jax.Array:
        """Return the area, the mean over the classes."""
        outputs = state.scores.shape[1]
        classes = jnp.arange(outputs, dtype=jnp.int32) if outputs > 1 else jnp.ones((1,), jnp.int32)
        is_positive = state.labels[:, None] == classes[None, :]
        areas = jax.vmap(_area, in_axes=(1, 1, None))(state.scores, is_positive, state.weights)
        is_known = (state.came <= len(state.weights)) & jnp.all(state.labels >= 0) & ~jnp.any(jnp.isnan(state.scores))
        return nan_unless(is_known, jnp.mean(areas))


def _area(scores: jax.Array, is_positive: jax.Array, weights: jax.Array) -> jax.Array:
    """Return the area under the ROC curve of scores (rows,); NaN where one of the two classes has no weight."""
    zeros = jnp.zeros_like(weights)
    positive, negative = jnp.where(is_positive, weights, zeros), jnp.where(is_positive, zeros, weights)
    scores, positive, negative = lax.sort((scores, positive, negative), num_keys=1)
    to_here = jnp.cumsum(negative)
    differs, end = scores[1:] != scores[:-1], jnp.ones((1,), bool)
    is_first, is_last = jnp.concatenate([end, differs]), jnp.concatenate([differs, end])
    # Negative weight below each score and up to it, which equal scores share: half of both is what the area counts.
    below = lax.cummax(jnp.where(is_first, jnp.concatenate([zeros[:1], to_here[:-1]]), zeros))
    up_to = lax.cummin(jnp.where(is_last, to_here, to_here[-1]), reverse=True)
    positives, negatives = jnp.sum(positive), to_here[-1]
    smaller = ratio(0.5 * (below + up_to), negatives)
    return nan_unless((positives > 0) & (negatives > 0), ratio(jnp.sum(positive * smaller), positives))


top_5 = TopK()
auc = AUC()
