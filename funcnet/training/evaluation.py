"""Evaluation and prediction, in batches, without training."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ..checks import check_count
from ..dtypes import accumulator_dtype, params_dtype
from ..layer import Layer, Params
from ..losses import Loss, batch_mean
from .batches import rows, scan_batches
from .entry import check_layer, check_loss, check_metrics, inputs, samples
from .metrics import Metric, metric_name
from .step import measure

EVALUATION_BATCH = 1024  # samples at once where nothing needs another number: wide enough to fill the matrix units


def evaluate(
    network: Layer,
    loss: Loss,
    params: Params,
    data: tuple[Any, Any],
    *,
    metrics: Sequence[Metric] = (),
    batch_size: int | None = EVALUATION_BATCH,
) -> dict[str, float]:
    """Return the mean loss and metrics of all samples: {"loss": ..., "accuracy": ...}.

    ``data`` is (x, y) with x (n, ...) and y like the output; ``batch_size`` None takes all at once.
    A metric is a function of (prediction, target) that returns one number a sample, (batch,); the prediction is the
    loss's ``predict`` of the output. The means are Python floats, so this cannot be traced. Raises ``ValueError`` and
    ``TypeError`` for data that cannot be evaluated, naming what is wrong.

    >>> import funcnet as fn
    >>> network = fn.mlp([2, 1])
    >>> params, _ = network.init(jax.random.key(0), (2,))
    >>> fn.evaluate(network, fn.quadratic, params, (jnp.zeros((3, 2)), jnp.ones((3, 1))))
    {'loss': 0.5}
    """
    check_layer("evaluate", network)
    check_loss("evaluate", loss)
    check_metrics("evaluate", metrics)
    x, y = samples("evaluate", network, data, params_dtype(params))
    means = _compiled_means(
        params,
        (x, y),
        network=network,
        loss=loss,
        metrics=tuple(metrics),
        batch_size=width("evaluate", batch_size, len(x)),
    )
    return {name: float(means[name]) for name in ("loss", *map(metric_name, metrics))}


def predict(network: Layer, params: Params, x: Any, *, batch_size: int | None = EVALUATION_BATCH) -> jax.Array:
    """Return the network's outputs (n, outputs) for x (n, ...): ``network.apply``, ``batch_size`` rows at a time.

    For a network that gives logits these are logits: ``loss.predict`` of them are the probabilities.

    >>> import funcnet as fn
    >>> network = fn.mlp([2, 1])
    >>> params, _ = network.init(jax.random.key(0), (2,))
    >>> fn.predict(network, params, jnp.zeros((3, 2))).shape
    (3, 1)
    """
    check_layer("predict", network)
    x = inputs("predict", network, x, params_dtype(params))
    return _compiled_outputs(params, x, network=network, batch_size=width("predict", batch_size, len(x)))


def width(where: str, batch_size: int | None, samples: int) -> int:
    """Return the batch size for that many samples: all of them for None, and no more than there are.

    >>> width("fit", 128, samples=1000), width("fit", None, samples=1000), width("fit", 128, samples=100)
    (128, 1000, 100)
    """
    if batch_size is None:
        return samples
    check_count(where, "batch_size", batch_size)
    return min(int(batch_size), samples)


def sample_means(
    params: Params,
    data: tuple[jax.Array, jax.Array],
    *,
    network: Layer,
    loss: Loss,
    metrics: tuple[Metric, ...],
    batch_size: int,
) -> dict[str, jax.Array]:
    """Return the mean loss and metrics over the samples; pure, for use inside a compiled program."""
    x, y = data

    def one_batch(carry: None, start: jax.Array, weights: jax.Array | None) -> tuple[None, dict[str, jax.Array]]:
        batch_x, batch_y = rows(x, start, batch_size), rows(y, start, batch_size)
        output = network.apply(params, batch_x)
        cost = batch_mean(loss.value(output, batch_y), weights, where=loss)
        return carry, {"loss": cost, **measure(metrics, loss.predict(output), batch_y, weights)}

    names = ("loss", *map(metric_name, metrics))
    dtype = accumulator_dtype(params_dtype(params))
    return scan_batches(one_batch, None, names, len(x), batch_size, dtype)[1]


_compiled_means = jax.jit(sample_means, static_argnames=("network", "loss", "metrics", "batch_size"))


@partial(jax.jit, static_argnames=("network", "batch_size"))
def _compiled_outputs(params: Params, x: jax.Array, *, network: Layer, batch_size: int) -> jax.Array:
    """Return the outputs of full batches by a scan, and of the rest by one call."""
    whole = len(x) // batch_size * batch_size
    batches = x[:whole].reshape(-1, batch_size, *x.shape[1:])
    outputs = lax.map(lambda batch: network.apply(params, batch), batches)
    outputs = outputs.reshape(whole, *outputs.shape[2:])
    if whole == len(x):
        return outputs
    return jnp.concatenate([outputs, network.apply(params, x[whole:])])
