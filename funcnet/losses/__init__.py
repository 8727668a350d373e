"""Losses: the value of each sample, the hand-written gradient in the output, and the prediction, side by side.

A loss takes (output, target), in that order: an output a (or logits or scores z) and a target y, both
(batch, outputs). ``value`` is (batch,) and ``gradient`` is like the output. The cost of a batch is the mean of the
values over its samples. ``predict`` turns the network's output into what it stands for: logits into probabilities, the
scores of the hinge into numbers between 0 and 1; other losses return the output itself. A loss states which targets it
takes by ``target_range`` and ``label_count``.
"""

from dataclasses import fields
from typing import Any, cast

from ..checks import check_settings_named, named
from .base import Loss, TargetRange
from .base import batch_mean as batch_mean
from .base import sample_shares as sample_shares
from .logits import Focal, SoftmaxCrossEntropy, sigmoid_cross_entropy, softmax_cross_entropy
from .margin import hinge
from .probabilities import binary_cross_entropy, categorical_cross_entropy, kl_divergence
from .squared_errors import Huber, mean_squared_error, quadratic, squared_error

LOSSES: dict[str, Loss] = {
    "quadratic": quadratic,
    "squared_error": squared_error,
    "mean_squared_error": mean_squared_error,
    "huber": Huber(),
    "binary_cross_entropy": binary_cross_entropy,
    "sigmoid_cross_entropy": sigmoid_cross_entropy,
    "categorical_cross_entropy": categorical_cross_entropy,
    "softmax_cross_entropy": softmax_cross_entropy,
    "focal": Focal(),
    "kl_divergence": kl_divergence,
    "hinge": hinge,
}


def loss(name: str, **settings: Any) -> Loss:
    """Return the loss of that name, with its default settings or others. ``ValueError`` names the nearest and lists
    all. ``TypeError`` for a setting that the loss does not have.

    >>> import funcnet as fn
    >>> fn.loss("quadratic"), fn.loss("huber", delta=2.0)
    (quadratic, Huber(delta=2.0))
    >>> fn.loss("cross_entropy")
    Traceback (most recent call last):
    ValueError: loss: expected one of quadratic, squared_error, mean_squared_error, huber, binary_cross_entropy,
        sigmoid_cross_entropy, categorical_cross_entropy, softmax_cross_entropy, focal, kl_divergence, hinge, got
        'cross_entropy': 'binary_cross_entropy' is the nearest
    """
    found = cast(Loss, named("loss", LOSSES, name))
    check_settings_named(f"loss {name}", settings, (field.name for field in fields(found)))
    return type(found)(**settings) if settings else found


__all__ = [
    "LOSSES",
    "Focal",
    "Huber",
    "Loss",
    "SoftmaxCrossEntropy",
    "TargetRange",
    "binary_cross_entropy",
    "categorical_cross_entropy",
    "hinge",
    "kl_divergence",
    "loss",
    "mean_squared_error",
    "quadratic",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy",
    "squared_error",
]
