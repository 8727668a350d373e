"""What is checked, as a value, and its gradient by hand and by automatic differentiation, in the input too."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ..configuration import Configuration
from ..layer import Cache, Layer, Params
from ..losses import Loss, batch_mean
from ..objective import CostAndGradient, autodiff, backprop
from ..penalties import Penalty


class Problem(Configuration):
    """The cost as a function: hashable, so that a second check of the same network compiles nothing."""

    network: Layer
    loss: Loss
    penalty: Penalty | None = None


class Data(NamedTuple):
    """What the cost depends on beside the parameters and the input: (batch, ...), (batch,) or None, a key or None."""

    y: jax.Array
    weights: jax.Array | None
    key: jax.Array | None


class InputAsParameter(Layer):
    """A network whose parameters are the pair (params, x), so that ∂C/∂x is a gradient like any other.

    Without it nothing would prove what the first layer passes down.
    """

    network: Layer

    def forward(
        self, params: tuple[Params, jax.Array], x: jax.Array, *, key: jax.Array | None = None
    ) -> tuple[jax.Array, Cache]:
        """Return what the network returns for the x among the parameters."""
        return self.network.call(*params, key=key)

    def backward(self, params: tuple[Params, jax.Array], cache: Cache, dy: jax.Array) -> tuple[Params, jax.Array]:
        """Return (∂C/∂params, ∂C/∂x) as the gradient, and zeros for the input that is not used."""
        gradients, dx = self.network.backward(params[0], cache, dy)
        return (gradients, dx), jnp.zeros_like(params[1])


class InputIsFree(Penalty):
    """A penalty on the parameters, for the pair (params, x): it does not see x."""

    penalty: Penalty

    def value(self, params: tuple[Params, jax.Array]) -> jax.Array:
        """Return the penalty of the parameters."""
        return self.penalty.value(params[0])

    def gradient(self, params: tuple[Params, jax.Array]) -> tuple[Params, jax.Array]:
        """Return the penalty's gradient in the parameters, and zeros for x."""
        return self.penalty.gradient(params[0]), jnp.zeros_like(params[1])


def cost_of(problem: Problem, params: Params, x: jax.Array, data: Data) -> jax.Array:
    """Return the cost: the (weighted) mean of the loss over the batch, plus the penalty."""
    output = problem.network.apply(params, x, key=data.key)
    cost = batch_mean(problem.loss.value(output, data.y), data.weights, where=problem.loss)
    return cost if problem.penalty is None else cost + problem.penalty.value(params)


def by_hand(problem: Problem, params: Params, x: jax.Array, data: Data) -> tuple[Params, jax.Array]:
    """Return (∂C/∂params, ∂C/∂x) by the layers', the loss's and the penalty's own equations."""
    return _gradients(backprop, problem, params, x, data)


def automatic(problem: Problem, params: Params, x: jax.Array, data: Data) -> tuple[Params, jax.Array]:
    """Return (∂C/∂params, ∂C/∂x) by ``jax.grad``."""
    return _gradients(autodiff, problem, params, x, data)


def _gradients(
    route: Callable[..., CostAndGradient], problem: Problem, params: Params, x: jax.Array, data: Data
) -> tuple[Params, jax.Array]:
    y, weights, key = data
    penalty = None if problem.penalty is None else InputIsFree(problem.penalty)
    both = route(InputAsParameter(problem.network), problem.loss)
    _, gradients = both((params, x), x, y, key=key, weights=weights, penalty=penalty)
    return gradients
