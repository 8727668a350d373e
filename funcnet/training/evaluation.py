"""Evaluation and prediction, in batches, without training."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ..checks import (
    accumulator_dtype,
    check_data,
    check_inputs,
    check_metrics,
    check_not_traced,
    check_one_place,
    check_param_arrays,
    check_part,
    params_dtype,
)
from ..compilation import LOOP, check_not_forked, jit_for_cpu
from ..layer import Layer, Params
from ..losses import Loss
from ..metrics import means
from ..objective import Batch, Objective
from .batches import effective_batch_size, scan_batches
from .measuring import AnyMetric, Metrics, States, first_states, functions_of, names_of, next_states, of_data, values_of

EVALUATION_BATCH = 1024  # samples at once by default: enough to fill the matrix units


def evaluate(
    network: Layer,
    loss: Loss,
    params: Params,
    data: tuple[Any, ...],
    *,
    metrics: Sequence[AnyMetric] = (),
    batch_size: int | None = EVALUATION_BATCH,
) -> dict[str, float]:
    """Return the mean loss and the metrics of all samples: {"loss": ..., "accuracy": ...}, as Python floats.

    With weights these are weighted means. A metric with one value per class is a NumPy array.

    Args:
        network: the network; it is evaluated without a key, so that nothing is dropped.
        loss: the loss of each sample.
        params: the network's parameters.
        data: (x, y) or (x, y, weights), as ``fit`` takes them.
        metrics: functions (prediction, target) -> one number per sample, (batch,), of which the mean is returned, and
            metrics of ``fn.metrics``; those of training steps are left out. The prediction is the loss's ``predict`` of
            the output.
        batch_size: samples at a time; None for all at once.

    Raises:
        TypeError, ValueError: the data cannot be evaluated, or an argument has the wrong type; the error names it.

    >>> import funcnet as fn
    >>> network = fn.mlp([2, 1])
    >>> params, _ = network.init(jax.random.key(0), (2,))
    >>> fn.evaluate(network, fn.quadratic, params, (jnp.zeros((3, 2)), jnp.ones((3, 1))))
    {'loss': 0.5}
    """
    check_not_forked("evaluate")
    check_not_traced("evaluate", params, data, instead="the mean of loss.value(network.apply(params, x), y)")
    check_part("evaluate", "network", network, Layer)
    check_param_arrays("evaluate", params)
    check_part("evaluate", "loss", loss, Loss)
    check_metrics("evaluate", metrics)
    measured = of_data(tuple(metrics))
    batch = Batch(*check_data("evaluate", (network, loss), data, params_dtype(params)))
    check_one_place("evaluate", **batch._asdict(), params=params)
    size = effective_batch_size("evaluate", batch_size, len(batch.x))
    found = _compiled_means(Objective(network, loss), params, batch, metrics=measured, batch_size=size)
    found = jax.device_get(found)
    return {name: found[name] if found[name].ndim else float(found[name]) for name in names_of(measured)}


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
    check_not_forked("predict")
    check_part("predict", "network", network, Layer)
    check_param_arrays("predict", params)
    x = check_inputs("predict", network, x, params_dtype(params))
    check_one_place("predict", x=x, params=params)
    size = effective_batch_size("predict", batch_size, len(x))
    return _compiled_outputs(params, x, network=network, batch_size=size)


def sample_means(
    objective: Objective, params: Params, data: Batch, *, metrics: Metrics, batch_size: int, is_only_loop: bool = True
) -> dict[str, jax.Array]:
    """Return the mean cost and the metrics of the samples, without training. Pure: for use in a compiled program.

    The arguments are those of ``evaluate``, and ``is_only_loop`` that of ``scan_batches``.
    """
    functions, dtype = functions_of(metrics), accumulator_dtype(params_dtype(params))

    def slice_at(array: jax.Array, start: jax.Array) -> jax.Array:
        return lax.dynamic_slice_in_dim(array, start, batch_size)

    def one_batch(measured: States, start: jax.Array, weights: jax.Array | None) -> tuple[States, dict[str, jax.Array]]:
        batch = Batch(slice_at(data.x, start), slice_at(data.y, start), weights)
        cost, (output, _) = objective.value(params, batch)
        prediction = objective.loss.predict(output)
        measured = next_states(metrics, measured, prediction, batch)
        return measured, {"loss": cost, **means(functions, prediction, batch.y, weights)}

    first = first_states(metrics, objective, params, data, dtype)
    weights_of = None if data.weights is None else partial(slice_at, data.weights)
    names = names_of(functions)
    measured, found = scan_batches(
        one_batch, first, names, len(data.x), batch_size, dtype, weights_of, is_only_loop=is_only_loop
    )
    return found | values_of(metrics, measured)


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
