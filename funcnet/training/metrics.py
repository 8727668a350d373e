"""Metrics: functions of a prediction and a target that give one number a sample; training takes their mean."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ..errors import ShapeError
from .answers import predicted_classes

Metric = Callable[[jax.Array, jax.Array], jax.Array]  # (prediction, target) -> one number a sample, (batch,)


def accuracy(prediction: jax.Array, target: jax.Array) -> jax.Array:
    """Return whether each sample is classified right: (batch,) of float32 0 or 1.

    The prediction (batch, outputs) is what the loss's ``predict`` makes of the network's output. With several
    outputs the largest one names the class, in the prediction and in the target; with one output the class is
    whether it is at least ½.

    >>> accuracy(jnp.array([[0.1, 0.9], [0.6, 0.4]]), jnp.array([[0, 1], [0, 1]]))
    Array([1., 0.], dtype=float32)
    >>> accuracy(jnp.array([[0.7], [0.7]]), jnp.array([[1], [0]]))
    Array([1., 0.], dtype=float32)
    """
    if prediction.ndim != 2 or prediction.shape != target.shape:
        expected = "prediction and target of one shape (batch, outputs)"
        raise ShapeError("accuracy", expected, f"{prediction.shape} and {target.shape}")
    right = predicted_classes(prediction) == predicted_classes(target)
    return right.astype(jnp.float32)


def metric_name(metric: Metric) -> str:
    """Return the name that a metric's history stands under: its function's, or what it prints as."""
    return getattr(metric, "__name__", repr(metric))
