"""Gradients two ways with one signature: ``backprop``, by the four equations, and ``autodiff``, by ``jax.grad``.

Either is called with a network and a loss and returns a pure function

    (params, x, y, *, key=None, weights=None, penalty=None) -> (cost, gradients)

where the cost C is the mean of the loss over the batch, weighted where ``weights`` (batch,) are given, plus the
``penalty`` on the parameters where there is one, and the gradients are like the parameters. With ``with_output=True``
the first of the pair is (cost, output), as ``jax.value_and_grad(..., has_aux=True)`` has it, so that metrics need no
second forward pass.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from .contract import Layer, Params
from .losses import Loss, batch_mean, shares
from .penalties import Penalty, check_penalty

CostAndGradient = Callable[..., tuple[Any, Params]]


def backprop(network: Layer, loss: Loss, *, with_output: bool = False) -> CostAndGradient:
    """Return the hand-written (cost, gradients): backpropagation through the layers' own ``backward``.

    With δ^l = ∂C/∂z^l and ⊙ the elementwise product, over a batch the mean of the samples':

    - BP1  δ^L = ∇ₐC ⊙ σ′(z^L), the loss's ``gradient`` through the last activation's ``backward``;
    - BP2  δ^l = ((w^(l+1))ᵀ δ^(l+1)) ⊙ σ′(z^l), the dense layer's ``backward``, then the activation's;
    - BP3  ∂C/∂w^l = δ^l (a^(l−1))ᵀ and BP4  ∂C/∂b^l = δ^l, the dense layer's ``backward``.

    A penalty Ω adds its own ``gradient`` ∂Ω/∂w^l.

    Rumelhart, Hinton, Williams (1986), in the notation of Nielsen (2015), chapter 2. It never differentiates
    automatically.

    >>> import funcnet as fn
    >>> network, x, y = fn.mlp([2, 1], output=fn.sigmoid), jnp.ones((1, 2)), jnp.zeros((1, 1))
    >>> params, _ = network.init(jax.random.key(0), (2,))
    >>> cost, gradients = fn.backprop(network, fn.cross_entropy)(params, x, y)
    >>> bool(jnp.allclose(gradients[0].bias, network.apply(params, x)[0]))  # σ(z) − y, and y = 0
    True
    """

    def cost_and_gradient(
        params: Params,
        x: jax.Array,
        y: jax.Array,
        *,
        key: jax.Array | None = None,
        weights: jax.Array | None = None,
        penalty: Penalty | None = None,
    ) -> tuple[Any, Params]:
        output, cache = network.forward(params, x, key=key)
        cost = _penalized(batch_mean(loss.value(output, y), weights, where=loss), penalty, params)
        delta = _share_of_the_mean(output, weights) * loss.gradient(output, y)
        gradients, _ = network.backward(params, cache, delta)
        if penalty is not None:
            gradients = jax.tree.map(jnp.add, gradients, penalty.gradient(params))
        return ((cost, output) if with_output else cost), gradients

    return cost_and_gradient


def autodiff(network: Layer, loss: Loss, *, with_output: bool = False) -> CostAndGradient:
    """Return the automatic (cost, gradients): ``jax.value_and_grad`` of the cost.

    It sees the layers' ``forward`` and the ``value`` of the loss and of the penalty alone, and nothing that is written
    by hand.

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
        penalty: Penalty | None = None,
    ) -> tuple[Any, Params]:
        def cost_of(params: Params) -> tuple[jax.Array, jax.Array]:
            output = network.apply(params, x, key=key)
            return _penalized(batch_mean(loss.value(output, y), weights, where=loss), penalty, params), output

        (cost, output), gradients = jax.value_and_grad(cost_of, has_aux=True)(params)
        return ((cost, output) if with_output else cost), gradients

    return cost_and_gradient


def _penalized(cost: jax.Array, penalty: Penalty | None, params: Params) -> jax.Array:
    """Return C + Ω(params), and C where there is no penalty Ω."""
    check_penalty("gradients", penalty)
    return cost if penalty is None else cost + penalty.value(params).astype(cost.dtype)


def _share_of_the_mean(output: jax.Array, weights: jax.Array | None) -> jax.Array:
    """Return each sample's share wᵢ / Σ wᵢ of the cost, 1/n without weights, to multiply the output's gradient by."""
    if weights is None:
        return jnp.asarray(1 / output.shape[0], output.dtype)
    share = shares(jnp.asarray(weights)).astype(output.dtype)
    return share.reshape(-1, *(1,) * (output.ndim - 1))
