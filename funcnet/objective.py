"""The objective: the cost of a network on data, its gradients by hand, and its automatic gradients."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .checks import (
    accumulator_dtype,
    check_arrays,
    check_flag,
    check_key,
    check_like,
    check_param_arrays,
    check_part,
    check_weights,
    params_dtype,
    real_array,
)
from .errors import DtypeError, ShapeError, message
from .layer import Cache, Layer, Params
from .layers.sequential import flattened
from .losses import Loss, batch_mean, sample_shares
from .penalties import Penalty

CostAndGradient = Callable[..., tuple[Any, Params]]


class Batch(NamedTuple):
    """Samples, and how much each of them counts."""

    x: jax.Array  # (batch, ...)
    y: jax.Array  # (batch, ...), as the loss takes it
    weights: jax.Array | None = None  # (batch,), None if all are equal


Valued = tuple[jax.Array, tuple[jax.Array, Cache]]  # the cost (), and what the network returned: output and cache
Gradients = tuple[Params, jax.Array | None]  # ∂C/∂params and ∂C/∂x


@partial(jax.tree_util.register_dataclass, data_fields=("penalty",), meta_fields=("network", "loss"))
@dataclass(frozen=True)
class Objective:
    """The cost C(θ, x) = Σᵢ wᵢ Lᵢ / Σᵢ wᵢ + Ω(θ) of a network f: Lᵢ is the loss of f(θ, xᵢ), Ω the penalty.

    Where all weights are 0, there is nothing to learn from: the cost and its gradients are 0, without a penalty. A
    negative or infinite weight makes them NaN.

    An immutable pytree. Its only leaf is the penalty's strength, so that another strength compiles nothing. All methods
    are pure. ``key`` None means evaluation. The gradient of running statistics, and of frozen parameters, is 0.

    >>> import funcnet as fn
    >>> objective = Objective(fn.mlp([2, 1], output=fn.sigmoid), fn.binary_cross_entropy, fn.l2(0.1))
    >>> params, _ = objective.network.init(jax.random.key(0), (2,))
    >>> batch = Batch(x=jnp.ones((3, 2)), y=jnp.zeros((3, 1)))
    >>> (cost, (output, _)), (by_hand, dx) = objective.by_hand(params, batch)
    >>> _, (automatic, _) = objective.automatic(params, batch)
    >>> output.shape, dx.shape, bool(jnp.allclose(by_hand[0].weight, automatic[0].weight))
    ((3, 1), (3, 2), True)
    """

    network: Layer
    loss: Loss
    penalty: Penalty | None = None

    def __post_init__(self) -> None:
        check_part("Objective", "network", self.network, Layer)
        check_part("Objective", "loss", self.loss, Loss)

    def value(self, params: Params, batch: Batch, key: jax.Array | None = None) -> Valued:
        """Return (C, (output, cache))."""
        x, y, weights = batch
        output, cache = self.network.call(params, x, key=key, weights=weights)
        self.loss.check(output, y)
        cost = batch_mean(self.loss.value(output, y), weights, samples=len(output), where=self.loss)
        if self.penalty is not None:
            penalty = self.penalty.value(self._of_trained(params, params, batch))
            if penalty.shape != ():
                raise ShapeError(self.penalty, "a value of shape ()", penalty.shape)
            cost += _if_any_counts(weights, penalty.astype(cost.dtype))
        return cost, (output, cache)

    def by_hand(self, params: Params, batch: Batch, key: jax.Array | None = None) -> tuple[Valued, Gradients]:
        """Return ``value`` and (∂C/∂params, ∂C/∂x) by the hand-written gradients of layers, loss and penalty."""
        x, y, weights = batch
        cost, (output, cache) = self.value(params, batch, key)
        loss_gradient = self.loss.gradient(output, y)
        check_like(self.loss, "gradient", loss_gradient, output)
        scale = _scale(params, len(output))
        shares = _shares_of_the_mean(output, weights, scale, self.loss)
        delta = (shares * loss_gradient.astype(shares.dtype)).astype(output.dtype)  # ∂C/∂output
        gradients, dx = self.network.backward(params, cache, delta)
        if scale != 1:
            gradients, dx = _divided((gradients, dx), scale)
        _check_gradients(self.network, (gradients, dx), (params, x))
        if self.penalty is not None:
            shrinking = self.penalty.gradient(params)
            check_like(self.penalty, "gradient", shrinking, params)
            gradients = jax.tree.map(lambda g, p: g + _if_any_counts(weights, p), gradients, shrinking)
        return (cost, (output, cache)), (self._of_trained(gradients, params, batch), dx)

    def automatic(
        self, params: Params, batch: Batch, key: jax.Array | None = None, *, in_x: bool = False
    ) -> tuple[Valued, Gradients]:
        """Return ``value`` and (∂C/∂params, ∂C/∂x) by ``jax.vjp``; ∂C/∂x only if ``in_x``, for a floating x."""
        check_arrays("Objective", "params", params)
        cost, pullback, returned = jax.vjp(
            lambda params, x=batch.x: self.value(params, batch._replace(x=x), key),
            *((params, batch.x) if in_x else (params,)),
            has_aux=True,
        )
        scale = _scale(params, len(batch.x))
        gradients, *dx = pullback(jnp.asarray(scale, cost.dtype))
        gradients = self._of_trained(gradients, params, batch)
        if scale != 1:
            gradients, dx = _divided((gradients, dx), scale)
        return (cost, returned), (gradients, dx[0] if in_x else None)

    def statistics(self, params: Params, batch: Batch) -> Params:
        """Return which parameters are running statistics: a bool for each leaf, in the structure of ``params``.

        A running statistic is a parameter that the network's ``learn`` replaces after a forward pass of training.
        """
        found: list[bool] = []

        def learned(params: Params, batch: Batch, key: jax.Array) -> None:
            _, cache = self.network.call(params, batch.x, key=key, weights=batch.weights)
            before, structure = jax.tree.flatten(params)
            returned: Any
            after, returned = jax.tree.flatten(self.network.learn(params, cache))
            if returned != structure:
                raise TypeError(message(self.network, f"learn to return params like {structure}", returned))
            found.extend(new is not old for new, old in zip(after, before, strict=True))

        jax.eval_shape(learned, params, batch, jax.eval_shape(lambda: jax.random.key(0)))
        return jax.tree.unflatten(jax.tree.structure(params), found)

    def _of_trained(self, tree: Params, params: Params, batch: Batch) -> Params:
        """Return a tree like the parameters with 0 for running statistics, which are not trained."""
        if not self.network.keeps_statistics:
            return tree
        statistics = self.statistics(params, batch)
        return jax.tree.map(lambda leaf, p, fixed: jnp.zeros_like(p) if fixed else leaf, tree, params, statistics)


def _check_gradients(network: Layer, gradients: Gradients, inputs: tuple[Params, jax.Array]) -> None:
    """Raise an error that names the layer unless the gradients by hand are like what they are the gradients in."""
    (found, dx), (params, x) = gradients, inputs
    for path, layer, gradient, own in flattened(network, found, params):
        try:
            check_like(layer, "gradients", gradient, own)
        except (ShapeError, DtypeError) as error:
            error.path = path
            raise
    if jnp.issubdtype(jnp.result_type(x), jnp.floating):
        check_like(network, "dx", dx, x)


def _shares_of_the_mean(output: jax.Array, weights: jax.Array | None, scale: float, where: object) -> jax.Array:
    """Return each sample's share wᵢ / Σ wᵢ of the cost, 1/n without weights, times a scale, to be broadcast with the
    output. It is in the dtype of the mean, since 1/n has few digits in float16 and bfloat16."""
    samples, dtype = len(output), accumulator_dtype(output.dtype)
    if weights is None:
        return jnp.asarray(scale / samples, dtype)
    shares = sample_shares(weights, samples, dtype, where).reshape(-1, *(1,) * (output.ndim - 1))
    return shares if scale == 1 else scale * shares


def _if_any_counts(weights: jax.Array | None, term: jax.Array) -> jax.Array:
    """Return a penalty's term, and 0 where all weights are 0."""
    return term if weights is None else jnp.where(jnp.any(jnp.asarray(weights) != 0), term, jnp.zeros_like(term))


def _scale(params: Params, samples: int) -> float:
    """Return the power of two by which the cost is multiplied while its gradients are computed.

    It is 1 but for more than 2048 samples in float16: the share 1/n of a sample, which the automatic derivative rounds
    to float16, is kept above 2⁻¹², since numbers below 2⁻¹⁴ lose their digits. The scale is at most 2¹³, so that
    gradients below 4 do not overflow.
    """
    if params_dtype(params) != np.float16:
        return 1.0
    return 2.0 ** min(max(math.ceil(math.log2(samples)) - 11, 0), 13)


def _divided(tree: Any, scale: float) -> Any:
    """Return the arrays of a tree divided by a power of two."""
    return jax.tree.map(lambda leaf: (leaf / scale).astype(leaf.dtype), tree)


def backprop(network: Layer, loss: Loss, *, with_output: bool = False) -> CostAndGradient:
    """Return the function that computes the cost and its gradients by hand, by backpropagation.

    The function is ``(params, x, y, *, key=None, weights=None, penalty=None) -> (cost, gradients)``, pure, with the
    same signature as that of ``autodiff``. It goes through the layers' own ``backward`` and never differentiates
    automatically. δ^l is ∂C/∂z^l and ⊙ the elementwise product; for a batch, these are means over the samples:

    - BP1  δ^L = ∇ₐC ⊙ σ′(z^L), the loss's ``gradient`` through the last activation's ``backward``;
    - BP2  δ^l = ((w^(l+1))ᵀ δ^(l+1)) ⊙ σ′(z^l), the dense layer's ``backward``, then the activation's;
    - BP3  ∂C/∂w^l = δ^l (a^(l−1))ᵀ and BP4  ∂C/∂b^l = δ^l, the dense layer's ``backward``.

    A penalty Ω adds its own ``gradient`` ∂Ω/∂w^l. Weights (batch,) are at least 0 and finite (``ValueError``); where
    all are 0, cost and gradients are 0. With ``with_output=True`` the first element is (cost, output), so that metrics
    need no second forward pass.

    Rumelhart, Hinton, Williams (1986), in the notation of Nielsen (2015), chapter 2.

    >>> import funcnet as fn
    >>> network, x, y = fn.mlp([2, 1], output=fn.sigmoid), jnp.ones((1, 2)), jnp.zeros((1, 1))
    >>> params, _ = network.init(jax.random.key(0), (2,))
    >>> cost, gradients = fn.backprop(network, fn.binary_cross_entropy)(params, x, y)
    >>> bool(jnp.allclose(gradients[0].bias, network.apply(params, x)[0]))  # σ(z) − y, and y = 0
    True
    """
    return _cost_and_gradient(Objective.by_hand, network, loss, with_output)


def autodiff(network: Layer, loss: Loss, *, with_output: bool = False) -> CostAndGradient:
    """Return the function that computes the cost and its automatic gradients, by ``jax.vjp``.

    The function is called as that of ``backprop``. It uses the layers' ``forward`` and the ``value`` of the loss and of
    the penalty, and no hand-written derivative.

    >>> import funcnet as fn
    >>> network, x, y = fn.mlp([2, 1], output=fn.sigmoid), jnp.ones((1, 2)), jnp.zeros((1, 1))
    >>> params, _ = network.init(jax.random.key(0), (2,))
    >>> cost, gradients = fn.autodiff(network, fn.binary_cross_entropy)(params, x, y)
    >>> bool(jnp.allclose(gradients[0].bias, network.apply(params, x)[0]))
    True
    """
    return _cost_and_gradient(Objective.automatic, network, loss, with_output)


def _cost_and_gradient(
    route: Callable[..., tuple[Valued, Gradients]], network: Layer, loss: Loss, with_output: bool
) -> CostAndGradient:
    for name, part, kind in (("network", network, Layer), ("loss", loss, Loss)):
        check_part("gradients", name, part, kind)
    check_flag("gradients", "with_output", with_output)

    def cost_and_gradient(
        params: Params,
        x: jax.Array,
        y: jax.Array,
        *,
        key: jax.Array | None = None,
        weights: jax.Array | None = None,
        penalty: Penalty | None = None,
    ) -> tuple[Any, Params]:
        check_param_arrays("gradients", params)
        check_part("gradients", "penalty", penalty, Penalty, optional=True)
        x, y = jnp.asarray(real_array("gradients", "x", x)), real_array("gradients", "y", y)
        if key is not None:
            check_key("gradients", key)
        check_weights("gradients", weights, accumulator_dtype(params_dtype(params)))
        (cost, (output, _)), (gradients, _) = route(
            Objective(network, loss, penalty), params, Batch(x, y, weights), key
        )
        return ((cost, output) if with_output else cost), gradients

    return cost_and_gradient
