"""Metrics: what is measured of predictions, besides the loss.

A metric is a function (prediction, target) -> one number per sample, (batch,), whose mean over the samples is
recorded, or a ``Metric``, a value with ``init``, ``update`` and ``value``, for what is no such mean. The prediction
(batch, outputs) is what the loss's ``predict`` makes of the network's output. The target of a classification is like
the prediction, or holds the class labels (batch,), of an integer dtype. ``metric.of(prediction, target)`` is the metric
of these rows alone.

With default settings, and with others:

- ``accuracy``: the share of samples whose class is right; a function.
- ``f1``, ``F1("micro")``: 2 TP / (2 TP + FP + FN); the mean over the classes, over all samples, or None for each class.
- ``precision``, ``Precision("micro")``: TP / (TP + FP), averaged alike.
- ``recall``, ``Recall("micro")``: TP / (TP + FN), averaged alike.
- ``top_5``, ``TopK(3)``: the share of samples whose class is among the k with the largest outputs.
- ``auc``: the area under the ROC curve; with several outputs the mean of each class against the rest.
- ``calibration_error``, ``CalibrationError(bins=10)``: the expected calibration error; smaller is better.
- ``mean_absolute_error``: of a regression; smaller is better.
- ``r2``: the coefficient of determination of a regression.

Numbers of a training step, of which the history records the means: ``learning_rate``, and ``gradient_norm``, the norm
of all gradients before the optimizer clips them.

And for looking at single classes and samples: ``predicted_classes``, ``confusion_matrix``, ``worst_mistakes``. To
define a metric, write a function, or subclass ``Metric``.
"""

from .base import Metric, SampleMetric
from .base import means as means
from .base import metric_name as metric_name
from .calibration import CalibrationError, calibration_error
from .class_counts import F1, Precision, Recall, f1, precision, recall
from .classification import accuracy, confusion_matrix, predicted_classes, worst_mistakes
from .ranking import AUC, TopK, auc, top_5
from .regression import R2, MeanAbsoluteError, mean_absolute_error, r2
from .training_step import GradientNorm, LearningRate, StepMetric, gradient_norm, learning_rate

__all__ = [
    "AUC",
    "F1",
    "R2",
    "CalibrationError",
    "GradientNorm",
    "LearningRate",
    "MeanAbsoluteError",
    "Metric",
    "Precision",
    "Recall",
    "SampleMetric",
    "StepMetric",
    "TopK",
    "accuracy",
    "auc",
    "calibration_error",
    "confusion_matrix",
    "f1",
    "gradient_norm",
    "learning_rate",
    "mean_absolute_error",
    "precision",
    "predicted_classes",
    "r2",
    "recall",
    "top_5",
    "worst_mistakes",
]
