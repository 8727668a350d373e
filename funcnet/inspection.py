"""The values and errors of each layer that backpropagation computes."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .activations import Activation
from .checks import check_param_arrays, check_part, real_array
from .configuration import document_fields
from .errors import message
from .layer import Cache, Layer, Params
from .layers import Dense, Residual, Sequential, flattened
from .losses import Loss


@document_fields
class LayerError(NamedTuple):
    """What ``layer_errors`` returns for one dense layer.

    Attributes:
        z: (batch, units): the weighted input z^l = w^l a^(l−1) + b^l.
        a: (batch, units): the activation a^l = σ(z^l).
        delta: (batch, units): the error δ^l = ∂Cᵢ/∂z^l, one row for the cost Cᵢ of each sample.
    """

    z: jax.Array
    a: jax.Array
    delta: jax.Array


def layer_errors(network: Layer, loss: Loss, params: Params, x: jax.Array, y: jax.Array) -> tuple[LayerError, ...]:
    """Return z^l, a^l and δ^l of every dense layer l, in the order of the forward pass: one ``LayerError`` each.

    Row i of δ^l is ∂Cᵢ/∂z^l for the loss Cᵢ of sample i alone. So the gradients of the cost of a batch are the means
    BP3 ∂C/∂w^l = ⟨δᵢ^l (aᵢ^(l−1))ᵀ⟩ and BP4 ∂C/∂b^l = ⟨δᵢ^l⟩. The activation is the layer directly after the
    dense layer, also across the end of a nested ``Sequential``; where there is none, a = z. Dense layers inside a
    ``Residual`` are included; other layers only change δ. The network runs as in evaluation, without dropout.

    Nielsen (2015), chapter 2, BP1 and BP2.

    Args:
        network: the network, with at least one ``Dense`` layer.
        loss: the loss of its output.
        params: the network's parameters. All dtypes are kept.
        x: the input (batch, ...).
        y: the targets, of the output's shape.

    Raises:
        ShapeError, DtypeError: an array does not fit a layer or the loss.
        ValueError: the network has no ``Dense`` layer.

    >>> import funcnet as fn, jax.numpy as jnp
    >>> network, loss = fn.mlp([2, 3, 2], hidden=fn.sigmoid), fn.softmax_cross_entropy
    >>> params, _ = network.init(jax.random.key(0), (2,))
    >>> x, y = jnp.ones((5, 2)), jnp.array([[0.0, 1.0]] * 5)
    >>> first, last = fn.layer_errors(network, loss, params, x, y)
    >>> first.z.shape, first.a.shape, first.delta.shape
    ((5, 3), (5, 3), (5, 3))
    >>> bool(jnp.allclose(last.delta, fn.softmax(last.z) - y))
    True
    """
    where = "layer_errors"
    check_part(where, "network", network, Layer)
    check_part(where, "loss", loss, Loss)
    check_param_arrays(where, params)
    x, y = jnp.asarray(real_array(where, "x", x)), real_array(where, "y", y)
    probed = _with_probes(network)
    output, cache = probed.call(params, x)
    probes, _ = probed.backward(params, cache, loss.gradient(output, y))
    found = [*_in_order(probed, params, cache, probes), (None, None)]
    errors = []
    for (layer, _, layer_cache, delta), (following, following_params, *_) in pairwise(found):
        if isinstance(layer, _Probe):
            z, _ = layer_cache
            a = following.apply(following_params, z) if isinstance(following, Activation) else z
            errors.append(LayerError(z, a, delta))
    if not errors:
        raise ValueError(message("layer_errors", "a network with a Dense layer", repr(network)))
    return tuple(errors)


class _Probe(Layer):
    """A dense layer that keeps z, and whose ``backward`` returns δ = ∂C/∂z in place of the parameters' gradients."""

    dense: Dense

    def forward(self, params: Params, x: jax.Array) -> tuple[jax.Array, Cache]:
        """Return z, and z with the dense layer's cache."""
        z, cache = self.dense.forward(params, x)
        return z, (z, cache)

    def backward(self, params: Params, cache: Cache, dy: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return δ, and ∂C/∂x as the dense layer does."""
        _, dense_cache = cache
        _, dx = self.dense.backward(params, dense_cache, dy)
        return dy, dx


def _with_probes(network: Layer) -> Layer:
    """Return the network with a probe in the place of every dense layer."""
    if isinstance(network, Dense):
        return _Probe(network)
    if isinstance(network, Sequential | Residual):
        return type(network)(*map(_with_probes, network.layers))
    return network


def _in_order(network: Layer, *trees: Any) -> Iterator[tuple[Any, ...]]:
    """Yield (layer, *entries) in the order of the forward pass: a ``Residual``, its layers, the ``Residual`` again."""
    for _, layer, *entries in flattened(network, *trees):
        yield layer, *entries
        if isinstance(layer, Residual):
            yield from _in_order(Sequential(*layer.layers), *entries)
            yield layer, *entries  # x is added here, so a following activation does not belong to the last layer inside
