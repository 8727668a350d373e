"""Losses: the value of each sample, the hand-written gradient in the output, and the prediction, side by side.

A loss takes (output, target), in that order: an output a (or logits or scores z) and a target y, both
(batch, outputs). ``value`` is (batch,) and ``gradient`` is like the output. The cost of a batch is the mean of the
values over its samples. ``predict`` turns the network's output into what it stands for: logits into probabilities, the
scores of the hinge into numbers between 0 and 1; other losses return the output itself.
"""

from .base import Loss
from .base import batch_mean as batch_mean
from .base import sample_shares as sample_shares
from .logits import Focal, SoftmaxCrossEntropy, sigmoid_cross_entropy, softmax_cross_entropy
from .margin import hinge
from .probabilities import binary_cross_entropy, categorical_cross_entropy, kl_divergence
from .squared_errors import Huber, mean_squared_error, quadratic, squared_error

__all__ = [
    "Focal",
    "Huber",
    "Loss",
    "SoftmaxCrossEntropy",
    "binary_cross_entropy",
    "categorical_cross_entropy",
    "hinge",
    "kl_divergence",
    "mean_squared_error",
    "quadratic",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy",
    "squared_error",
]
