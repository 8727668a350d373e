"""Metrics in a compiled loop over the batches of a set: functions, those with a state, and those of training steps."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ..errors import ShapeError
from ..layer import Params
from ..metrics import Metric, SampleMetric, StepMetric, metric_name
from ..objective import Batch, Objective

AnyMetric = SampleMetric | Metric | StepMetric
Metrics = tuple[AnyMetric, ...]
States = tuple[Any, ...]  # one for each metric with a state


def functions_of(metrics: Metrics) -> tuple[SampleMetric, ...]:
    """Return the metrics that are functions, whose means over the samples are recorded."""
    return tuple(metric for metric in metrics if not isinstance(metric, Metric | StepMetric))


def with_state(metrics: Metrics) -> tuple[Metric, ...]:
    """Return the metrics with a state."""
    return tuple(metric for metric in metrics if isinstance(metric, Metric))


def of_steps(metrics: Metrics) -> tuple[StepMetric, ...]:
    """Return the metrics of training steps."""
    return tuple(metric for metric in metrics if isinstance(metric, StepMetric))


def of_data(metrics: Metrics) -> Metrics:
    """Return the metrics of data, which an evaluation has too."""
    return tuple(metric for metric in metrics if not isinstance(metric, StepMetric))


def names_of(metrics: Sequence[AnyMetric]) -> tuple[str, ...]:
    """Return the names of what is recorded of a set: "loss", and the metrics'."""
    return ("loss", *map(metric_name, metrics))


def first_states(metrics: Metrics, objective: Objective, params: Params, data: Batch, dtype: Any) -> States:
    """Return the states before the first batch of the data.

    Args:
        metrics: all metrics; those that are functions have no state.
        objective: the network and its loss, which makes the predictions.
        params: the network's parameters, or their structs.
        data: all samples.
        dtype: the dtype of sums.
    """
    if not with_state(metrics):
        return ()
    predict, apply = objective.loss.predict, objective.network.apply
    prediction = jax.eval_shape(lambda params, x: predict(apply(params, x)), params, data.x)
    return tuple(metric.init(len(data.x), prediction.shape[-1], dtype) for metric in with_state(metrics))


def next_states(metrics: Metrics, states: States, prediction: Any, batch: Batch) -> States:
    """Return the states after one more batch and its prediction."""
    pairs = zip(with_state(metrics), states, strict=True)
    return tuple(metric.update(state, prediction, batch.y, batch.weights) for metric, state in pairs)


def values_of(metrics: Metrics, states: States) -> dict[str, jax.Array]:
    """Return the values of the metrics with a state, by their names."""
    values = {}
    for metric, state in zip(with_state(metrics), states, strict=True):
        value = values[metric_name(metric)] = jnp.asarray(metric.value(state))
        if value.ndim > 1 or value.size == 0 or jnp.issubdtype(value.dtype, jnp.complexfloating):
            got = f"shape {value.shape} and dtype {value.dtype}"
            raise ShapeError(metric, "a value that is a real number, or one for each class", got)
    return values
