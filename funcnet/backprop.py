"""Gradients two ways with one signature: ``backprop``, by the four equations, and ``autodiff``, by ``jax.grad``.

Either is called with a network and a loss and returns a pure function

    (params, x, y, *, key=None, weights=None) -> (cost, gradients)

where the cost C is the mean of the loss over the batch, weighted where ``weights`` (batch,) are given, and the
gradients are like the parameters. With ``with_output=True`` the first of the pair is (cost, output), as
``jax.value_and_grad(..., has_aux=True)`` has it, so that metrics need no second forward pass.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from .contract import Layer, Params
from .losses import Loss, batch_mean

CostAndGradient = Callable[..., tuple[Any, Params]]


def backprop(network: Layer, loss: Loss, *, with_output: bool = False) -> CostAndGradient:
    """Return the hand-written (cost, gradients): backpropagation through the layers' own ``backward``.

    With δ^l = ∂C/∂z^l and ⊙ the elementwise product, over a batch the mean of the samples':

    - BP1  δ^L = ∇ₐC ⊙ σ′(z^L), the loss's ``gradient`` through the last activation's ``backward``;
    - BP2  δ^l = ((w^(l+1))ᵀ δ^(l+1)) ⊙ σ′(z^l), the dense layer's ``backward``, then the activation's;
    - BP3  ∂C/∂w^l = δ^l (a^(l−1))ᵀ and BP4  ∂C/∂b^l = δ^l, the dense layer's ``backward``.

    Rumelhart, Hinton, Williams (1986), in the notation of Nielsen (2015), chapter 2. It never differentiates
    automatically.

    >>> import funcnet as fn
    >>> network, x, y = fn.mlp([2, 1], output=fn.sigmoid), jnp.ones((1, 2)), jnp.zeros((1, 1))
    >>> params, _ = network.init(jax.random.key(0), (2,))
    >>> cost, gradients = fn.backprop(network, fn.cross_entropy)(params, x, y)
    >>> gradients[0].bias == network.apply(params, x)[0]  # σ(z) − y, and y = 0
    Array([ True], dtype=bool)
    """

    def cost_and_gradient(
        params: Params,
        x: jax.Array,
        y: jax.Array,
        *,
        key: jax.Array | None = None,
        weights: jax.Array | None = None,
    ) -> tuple[Any, Params]:
        output, cache = network.forward(params, x, key=key)
        cost = batch_mean(loss.value(output, y), weights)
        delta = _share_of_the_mean(output, weights) * loss.gradient(output, y)
        gradients, _ = network.backward(params, cache, delta)
        return ((cost, output) if with_output else cost), gradients

    return cost_and_gradient


def autodiff(network: Layer, loss: Loss, *, with_output: bool = False) -> CostAndGradient:
    """Return the automatic (cost, gradients): ``jax.value_and_grad`` of the cost.

    It sees the layers' ``forward`` and the loss's ``value`` alone, and nothing that is written by hand.

    >>> import funcnet as fn
    >>> network, x, y = fn.mlp([2, 1], output=fn.sigmoid), jnp.ones((1, 2)), jnp.zeros((1, 1))
    >>> params, _ = network.init(jax.random.key(0), (2,))
    >>> cost, gradients = fn.autodiff(network, fn.cross_entropy)(params, x, y)
    >>> bool(jnp.allclose(gradients[0].bias, network.apply(params, x)[0]))
    True
    """

    def cost_and_gradient(
        params: Params,
        x: jax.Array,
        y: jax.Array,
        *,
        key: jax.Array | None = None,
        weights: jax.Array | None = None,
    ) -> tuple[Any, Params]:
        def cost_of(params: Params) -> tuple[jax.Array, jax.Array]:
            output = network.apply(params, x, key=key)
            return batch_mean(loss.value(output, y), weights), output

        (cost, output), gradients = jax.value_and_grad(cost_of, has_aux=True)(params)
        return ((cost, output) if with_output else cost), gradients

    return cost_and_gradient


def _share_of_the_mean(output: jax.Array, weights: jax.Array | None) -> jax.Array:
    """Return each sample's share wᵢ / Σ wᵢ of the cost, 1/n without weights, to multiply the output's gradient by."""
    if weights is None:
        return jnp.asarray(1 / output.shape[0], output.dtype)
    share = (weights / jnp.sum(weights)).astype(output.dtype)
    return share.reshape(-1, *(1,) * (output.ndim - 1))
