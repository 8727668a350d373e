"""Precision, recall and F1: ratios of the numbers of samples that are, are called, and are rightly called a class."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..errors import message
from .base import Metric, Sum, check_prediction, ratio, row_weights, weighted_sum
from .classification import is_right, predicted_classes, target_classes, warn_of_logits

AVERAGES = ("macro", "micro", None)


class ClassCounts(NamedTuple):
    """The sums of the weights of samples, by class: (outputs,) each."""

    right: Sum  # of samples of the class that are predicted to be of it: true positives
    predicted: Sum  # of samples that are predicted to be of the class: true and false positives
    actual: Sum  # of samples of the class: true positives and false negatives


class _CountsByClass(Metric):
    """What precision, recall and F1 share: the counts, and the average over the classes."""

    average: str | None = "macro"

    def __post_init__(self) -> None:
        if not (self.average is None or (isinstance(self.average, str) and self.average in AVERAGES)):
            expected = "average to be 'macro', 'micro', or None for one value per class"
            raise ValueError(message(type(self).__name__, expected, repr(self.average)))

    @property
    def history_name(self) -> str:
        """The name of the metric's values in histories, such as "f1", "f1_micro" and "f1_by_class"."""
        return f"{self.name}_by_class" if self.average is None else super().history_name

    def init(self, rows: int, outputs: int, dtype: Any) -> ClassCounts:
        """Return counts of 0."""
        return ClassCounts(*(Sum.zeros((outputs,), dtype) for _ in ClassCounts._fields))

    def update(
        self, state: ClassCounts, prediction: jax.Array, target: jax.Array, weights: jax.Array | None
    ) -> ClassCounts:
        """Return the counts with one more batch."""
        check_prediction(self, prediction)
        labels, answers = target_classes(self, prediction, target), predicted_classes(prediction)
        batch, outputs = prediction.shape
        weights = row_weights(self, weights, batch, state.right.total.dtype)
        classes = jnp.arange(outputs, dtype=jnp.int32) if outputs > 1 else jnp.ones((1,), jnp.int32)
        predicted, actual = (each[:, None] == classes[None, :] for each in (answers, labels))
        right = predicted & is_right(answers, labels)[:, None]
        counted = (weighted_sum(weights, each.astype(weights.dtype)) for each in (right, predicted, actual))
        return ClassCounts(*(count.plus(more) for count, more in zip(state, counted, strict=True)))

    def value(self, state: ClassCounts) -> jax.Array:
        """Return the average over the classes, or (classes,) without one; 0 where there is nothing to divide by."""
        counts = [count.value for count in state]
        numerators, denominators = self.fraction(*counts)
        if self.average == "micro":
            return ratio(jnp.sum(numerators), jnp.sum(denominators))
        by_class = ratio(numerators, denominators)
        if self.average is None:
            return by_class
        _, predicted, actual = counts
        occurs = (predicted + actual != 0).astype(by_class.dtype)
        return ratio(jnp.sum(occurs * by_class), jnp.sum(occurs))

    def _warn_of_mistakes(self, prediction: Any, target: Any) -> None:
        """Warn of logits of one output, as ``fn.accuracy`` does."""
        if prediction.shape[1] == 1:
            warn_of_logits(self, prediction, target)

    def fraction(self, right: jax.Array, predicted: jax.Array, actual: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return the numerator and the denominator of each class."""
        raise NotImplementedError(f"{type(self).__name__} has no fraction")


class Precision(_CountsByClass):
    """Precision: of the samples that are predicted to be of a class, the share that is: TP / (TP + FP).

    TP, FP and FN are the true positives, false positives and false negatives of a class. Classes are named as in
    ``fn.accuracy``: a sample whose prediction or target names no class is right nowhere, and still counts for the class
    that the other one names. With one output there is one class, the positive one, 1. Powers, "Evaluation: From
    Precision, Recall and F-Measure to ROC" (2011); the averages: Sokolova, Lapalme, "A systematic analysis of
    performance measures for classification tasks" (2009).

    Args:
        average: "macro" for the mean over the classes, of those that occur in targets or predictions; "micro" for the
            ratio of the numerators' sum to the denominators' sum; None for one value per class, (outputs,). Where a
            denominator is 0, the ratio is 0.

    Raises:
        ValueError: ``average`` is none of these.

    >>> import funcnet as fn
    >>> prediction = jnp.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    >>> fn.metrics.Precision(None).of(prediction, jnp.array([0, 0, 1, 1]))
    Array([0.6666667, 1.       ], dtype=float32)
    """

    name = "precision"

    def fraction(self, right: jax.Array, predicted: jax.Array, actual: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return TP and TP + FP."""
        return right, predicted


class Recall(_CountsByClass):
    """Recall: of the samples of a class, the share that is predicted to be of it: TP / (TP + FN).

    Terms, arguments, errors and sources are those of ``Precision``.

    >>> import funcnet as fn
    >>> prediction = jnp.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    >>> fn.metrics.Recall(None).of(prediction, jnp.array([0, 0, 1, 1]))
    Array([1. , 0.5], dtype=float32)
    """

    name = "recall"

    def fraction(self, right: jax.Array, predicted: jax.Array, actual: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return TP and TP + FN."""
        return right, actual


class F1(_CountsByClass):
    """F1, the harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN).

    Terms, arguments, errors and sources are those of ``Precision``; van Rijsbergen, *Information Retrieval* (1979),
    chapter 7. With one label per sample, and an answer for each, the micro average is the accuracy.

    >>> import funcnet as fn
    >>> prediction = jnp.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    >>> fn.metrics.F1(None).of(prediction, jnp.array([0, 0, 1, 1]))
    Array([0.8      , 0.6666667], dtype=float32)
    """

    name = "f1"

    def fraction(self, right: jax.Array, predicted: jax.Array, actual: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return 2 TP, and (TP + FP) + (TP + FN)."""
        return 2 * right, predicted + actual


precision = Precision()
recall = Recall()
f1 = F1()
