"""Evaluation and prediction, in batches, without training."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ..checks import accumulator_dtype, check_data, check_inputs, check_metrics, check_part, params_dtype
from ..compilation import LOOP, jit_for_cpu
from ..layer import Layer, Params
from ..losses import Loss
from ..metrics import SampleMetric as Metric
from ..metrics import means, metric_name
from ..objective import Batch, Objective
from .batches import effective_batch_size, scan_batches

EVALUATION_BATCH = 1024  # samples at once by default: enough to fill the matrix units


def evaluate(
    network: Layer,
    loss: Loss,
    params: Params,
    data: tuple[Any, Any],
    *,
    metrics: Sequence[Metric] = (),
    batch_size: int | None = EVALUATION_BATCH,
) -> dict[str, float]:
    """Return the mean loss and metrics of all samples: {"loss": ..., "accuracy": ...}, as Python floats.

    Args:
        network: the network; it is evaluated without a key, so that nothing is dropped.
        loss: the loss of each sample.
        params: the network's parameters.
        data: (x, y) with x (n, ...) and y like the output.
        metrics: functions (prediction, target) -> one number per sample, (batch,). The prediction is the loss's
            ``predict`` of the output.
        batch_size: samples at a time; None for all at once.

    Raises:
        TypeError, ValueError: the data cannot be evaluated, or an argument has the wrong type; the error names it.

    >>> import funcnet as fn
    >>> network = fn.mlp([2, 1])
    >>> params, _ = network.init(jax.random.key(0), (2,))
    >>> fn.evaluate(network, fn.quadratic, params, (jnp.zeros((3, 2)), jnp.ones((3, 1))))
    {'loss': 0.5}
    """
    check_part("evaluate", "network", network, Layer)
    check_part("evaluate", "loss", loss, Loss)
    check_metrics("evaluate", metrics)
    x, y = check_data("evaluate", network, data, params_dtype(params))
    size = effective_batch_size("evaluate", batch_size, len(x))
    found = _compiled_means(Objective(network, loss), params, Batch(x, y), metrics=tuple(metrics), batch_size=size)
    found = jax.device_get(found)
    return {name: float(found[name]) for name in ("loss", *map(metric_name, metrics))}


def predict(network: Layer, params: Params, x: Any, *, batch_size: int | None = EVALUATION_BATCH) -> jax.Array:
    """Return the network's outputs (n, outputs) for x (n, ...): ``network.apply``, ``batch_size`` rows at a time.

    For a network that returns logits these are logits: ``loss.predict`` of them are the probabilities.

    Args:
        network: the network; it is evaluated without a key, so that nothing is dropped.
        params: the network's parameters.
        x: the inputs (n, ...).
        batch_size: rows at a time; None for all at once.

    Raises:
        TypeError, ValueError: the inputs are not what the network takes; the error names what is wrong.

    >>> import funcnet as fn
    >>> network = fn.mlp([2, 1])
    >>> params, _ = network.init(jax.random.key(0), (2,))
    >>> fn.predict(network, params, jnp.zeros((3, 2))).shape
    (3, 1)
    """
    check_part("predict", "network", network, Layer)
    x = check_inputs("predict", network, x, params_dtype(params))
    size = effective_batch_size("predict", batch_size, len(x))
    return _compiled_outputs(params, x, network=network, batch_size=size)


def sample_means(
    objective: Objective, params: Params, data: Batch, *, metrics: tuple[Metric, ...], batch_size: int
) -> dict[str, jax.Array]:
    """Return the mean cost and metrics over the samples, without training. Pure: for use inside a compiled program."""

    def one_batch(carry: None, start: jax.Array, weights: jax.Array | None) -> tuple[None, dict[str, jax.Array]]:
        x, y = (lax.dynamic_slice_in_dim(array, start, batch_size) for array in (data.x, data.y))
        batch = Batch(x, y, weights)
        cost, (output, _) = objective.value(params, batch)
        return carry, {"loss": cost, **means(metrics, objective.loss.predict(output), batch.y, weights)}

    names = ("loss", *map(metric_name, metrics))
    dtype = accumulator_dtype(params_dtype(params))
    return scan_batches(one_batch, None, names, len(data.x), batch_size, dtype)[1]


_compiled_means = jit_for_cpu(LOOP, static_argnames=("metrics", "batch_size"))(sample_means)


@jit_for_cpu(LOOP, static_argnames=("network", "batch_size"))
def _compiled_outputs(params: Params, x: jax.Array, *, network: Layer, batch_size: int) -> jax.Array:
    """Return the outputs of full batches by a scan, and of the rest by one call."""
    whole = len(x) // batch_size * batch_size
    batches = x[:whole].reshape(-1, batch_size, *x.shape[1:])
    outputs = lax.map(lambda batch: network.apply(params, batch), batches)
    outputs = outputs.reshape(whole, *outputs.shape[2:])
    if whole == len(x):
        return outputs
    return jnp.concatenate([outputs, network.apply(params, x[whole:])])
