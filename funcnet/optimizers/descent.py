"""Gradient descent and gradient descent with momentum."""

from typing import Any, NamedTuple

import jax

from ..layer import Params
from .base import Optimizer, Rate, hyperparameter, leafwise, optimizer, rate_at, zero_step, zeros_like


class SGDState(NamedTuple):
    """The state of ``sgd``."""

    step: jax.Array  # int32 (): steps taken
    learning_rate: Any  # η: float (), or a schedule


def sgd(learning_rate: Rate) -> Optimizer:
    """Gradient descent, stochastic on mini-batches: θ ← θ − ηg.

    Robbins, Monro, "A Stochastic Approximation Method" (1951).

    >>> import funcnet as fn
    >>> import jax.numpy as jnp
    >>> optimizer = fn.sgd(0.1)
    >>> optimizer
    sgd(learning_rate=0.1)
    >>> params = jnp.array([1.0])
    >>> updates, state = optimizer.update(jnp.array([2.0]), optimizer.init(params), params)
    >>> fn.apply_updates(params, updates)
    Array([0.8], dtype=float32)
    """
    return optimizer("sgd", sgd_init, sgd_update, learning_rate=learning_rate)


def sgd_init(params: Params, learning_rate: Rate) -> SGDState:
    """Return the state before the first step."""
    return SGDState(zero_step(), hyperparameter(learning_rate, params))


def sgd_update(gradients: Params, state: SGDState, params: Params | None = None) -> tuple[Params, SGDState]:
    """Return the updates −ηg and the next state."""
    learning_rate = rate_at(state.learning_rate, state.step)
    (updates,) = leafwise(_sgd, (gradients,), (learning_rate,))
    return updates, state._replace(step=state.step + 1)


def _sgd(g: jax.Array, learning_rate: jax.Array) -> tuple[jax.Array]:
    return (-learning_rate * g,)


class MomentumState(NamedTuple):
    """The state of ``momentum``."""

    step: jax.Array  # int32 (): steps taken
    learning_rate: Any  # η: float (), or a schedule
    momentum: jax.Array  # α: float ()
    velocity: Params  # v: like the parameters, float32 at least


def momentum(learning_rate: Rate, momentum: float = 0.9) -> Optimizer:
    """Momentum: v ← αv − ηg; θ ← θ + v.

    Polyak, "Some methods of speeding up the convergence of iteration methods" (1964). The rate is inside the
    velocity, as in Keras; torch and optax keep it outside, which is the same while the rate is constant.

    >>> import funcnet as fn
    >>> fn.momentum(0.1)
    momentum(learning_rate=0.1, momentum=0.9)
    """
    return optimizer("momentum", momentum_init, momentum_update, learning_rate=learning_rate, momentum=momentum)


def momentum_init(params: Params, learning_rate: Rate, momentum: float) -> MomentumState:
    """Return the state before the first step: v = 0."""
    return MomentumState(
        step=zero_step(),
        learning_rate=hyperparameter(learning_rate, params),
        momentum=hyperparameter(momentum, params),
        velocity=zeros_like(params),
    )


def momentum_update(
    gradients: Params, state: MomentumState, params: Params | None = None
) -> tuple[Params, MomentumState]:
    """Return the updates v and the next state."""
    learning_rate = rate_at(state.learning_rate, state.step)
    updates, velocity = leafwise(_momentum, (gradients, state.velocity), (learning_rate, state.momentum))
    return updates, state._replace(step=state.step + 1, velocity=velocity)


def _momentum(g: jax.Array, v: jax.Array, learning_rate: jax.Array, momentum: jax.Array) -> tuple[jax.Array, jax.Array]:
    v = momentum * v - learning_rate * g
    return v, v
