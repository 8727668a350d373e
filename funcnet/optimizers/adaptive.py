"""Optimizers that scale every parameter's step by the history of its gradient: AdaGrad, RMSProp, Adam and AdamW.

ε stands outside the root in all of them; optax's AdaGrad and RMSProp have it inside by default, and so has Keras's
RMSProp.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..errors import message
from ..layer import Params
from .base import Optimizer, Rate, hyperparameter, leafwise, optimizer, rate_at, zero_step, zeros_like


class AdaGradState(NamedTuple):
    """The state of ``adagrad``."""

    step: jax.Array  # int32 (): steps taken
    learning_rate: Any  # η: float (), or a schedule
    epsilon: jax.Array  # ε: float ()
    sum_of_squares: Params  # r: like the parameters, float32 at least


def adagrad(learning_rate: Rate = 0.01, epsilon: float = 1e-7) -> Optimizer:
    """AdaGrad: r ← r + g⊙g; θ ← θ − η g/(ε + √r).

    Duchi, Hazan, Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization" (2011).
    r starts at 0, as in the paper; in optax and Keras it starts at 0.1.

    >>> import funcnet as fn
    >>> fn.adagrad(0.01)
    adagrad(learning_rate=0.01, epsilon=1e-07)
    """
    return optimizer("adagrad", adagrad_init, adagrad_update, learning_rate=learning_rate, epsilon=epsilon)


def adagrad_init(params: Params, learning_rate: Rate, epsilon: float) -> AdaGradState:
    """Return the state before the first step: r = 0."""
    return AdaGradState(
        step=zero_step(),
        learning_rate=hyperparameter(learning_rate, params),
        epsilon=hyperparameter(epsilon, params),
        sum_of_squares=zeros_like(params),
    )


def adagrad_update(gradients: Params, state: AdaGradState, params: Params | None = None) -> tuple[Params, AdaGradState]:
    """Return the updates −η g/(ε + √r) and the next state."""
    learning_rate = rate_at(state.learning_rate, state.step)
    updates, sum_of_squares = leafwise(_adagrad, (gradients, state.sum_of_squares), (learning_rate, state.epsilon))
    return updates, state._replace(step=state.step + 1, sum_of_squares=sum_of_squares)


def _adagrad(g: jax.Array, r: jax.Array, learning_rate: jax.Array, epsilon: jax.Array) -> tuple[jax.Array, jax.Array]:
    r = r + g * g
    return -learning_rate * g / (epsilon + jnp.sqrt(r)), r


class RMSPropState(NamedTuple):
    """The state of ``rmsprop``."""

    step: jax.Array  # int32 (): steps taken
    learning_rate: Any  # η: float (), or a schedule
    decay: jax.Array  # ρ: float ()
    epsilon: jax.Array  # ε: float ()
    mean_square: Params  # r: like the parameters, float32 at least


def rmsprop(learning_rate: Rate = 1e-3, decay: float = 0.9, epsilon: float = 1e-7) -> Optimizer:
    """RMSProp: r ← ρr + (1 − ρ) g⊙g; θ ← θ − η g/(ε + √r).

    Tieleman, Hinton, "Lecture 6.5: RMSProp" (2012).

    >>> import funcnet as fn
    >>> fn.rmsprop(0.001)
    rmsprop(learning_rate=0.001, decay=0.9, epsilon=1e-07)
    """
    return optimizer("rmsprop", rmsprop_init, rmsprop_update, learning_rate=learning_rate, decay=decay, epsilon=epsilon)


def rmsprop_init(params: Params, learning_rate: Rate, decay: float, epsilon: float) -> RMSPropState:
    """Return the state before the first step: r = 0."""
    return RMSPropState(
        step=zero_step(),
        learning_rate=hyperparameter(learning_rate, params),
        decay=hyperparameter(decay, params),
        epsilon=hyperparameter(epsilon, params),
        mean_square=zeros_like(params),
    )


def rmsprop_update(gradients: Params, state: RMSPropState, params: Params | None = None) -> tuple[Params, RMSPropState]:
    """Return the updates −η g/(ε + √r) and the next state."""
    learning_rate = rate_at(state.learning_rate, state.step)
    updates, mean_square = leafwise(
        _rmsprop, (gradients, state.mean_square), (learning_rate, state.decay, state.epsilon)
    )
    return updates, state._replace(step=state.step + 1, mean_square=mean_square)


def _rmsprop(
    g: jax.Array, r: jax.Array, learning_rate: jax.Array, decay: jax.Array, epsilon: jax.Array
) -> tuple[jax.Array, jax.Array]:
    r = decay * r + (1 - decay) * g * g
    return -learning_rate * g / (epsilon + jnp.sqrt(r)), r


class AdamState(NamedTuple):
    """The state of ``adam``."""

    step: jax.Array  # int32 (): steps taken
    learning_rate: Any  # η: float (), or a schedule
    decay1: jax.Array  # ρ₁: float ()
    decay2: jax.Array  # ρ₂: float ()
    epsilon: jax.Array  # ε: float ()
    mean: Params  # s: like the parameters, float32 at least
    mean_square: Params  # r: like the parameters, float32 at least


def adam(learning_rate: Rate = 1e-3, decay1: float = 0.9, decay2: float = 0.999, epsilon: float = 1e-7) -> Optimizer:
    """Adam: s ← ρ₁s + (1 − ρ₁)g; r ← ρ₂r + (1 − ρ₂)g⊙g; θ ← θ − η ŝ/(ε + √r̂).

    The corrected means are ŝ = s/(1 − ρ₁ᵗ) and r̂ = r/(1 − ρ₂ᵗ) at step t = 1, 2, ….
    Kingma, Ba, "Adam: A Method for Stochastic Optimization" (2015), algorithm 1.

    >>> import funcnet as fn
    >>> fn.adam(0.001)
    adam(learning_rate=0.001, decay1=0.9, decay2=0.999, epsilon=1e-07)
    """
    return optimizer(
        "adam",
        adam_init,
        adam_update,
        learning_rate=learning_rate,
        decay1=decay1,
        decay2=decay2,
        epsilon=epsilon,
    )


def adam_init(params: Params, learning_rate: Rate, decay1: float, decay2: float, epsilon: float) -> AdamState:
    """Return the state before the first step: s = r = 0."""
    return AdamState(
        step=zero_step(),
        learning_rate=hyperparameter(learning_rate, params),
        decay1=hyperparameter(decay1, params),
        decay2=hyperparameter(decay2, params),
        epsilon=hyperparameter(epsilon, params),
        mean=zeros_like(params),
        mean_square=zeros_like(params),
    )


def adam_update(gradients: Params, state: AdamState, params: Params | None = None) -> tuple[Params, AdamState]:
    """Return the updates −η ŝ/(ε + √r̂) and the next state."""
    learning_rate = rate_at(state.learning_rate, state.step)
    updates, mean, mean_square = leafwise(
        _adam,
        (gradients, state.mean, state.mean_square),
        (learning_rate, state.decay1, state.decay2, state.epsilon, state.step + 1),
    )
    return updates, state._replace(step=state.step + 1, mean=mean, mean_square=mean_square)


def _adam(
    g: jax.Array,
    s: jax.Array,
    r: jax.Array,
    learning_rate: jax.Array,
    decay1: jax.Array,
    decay2: jax.Array,
    epsilon: jax.Array,
    t: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    s = decay1 * s + (1 - decay1) * g
    r = decay2 * r + (1 - decay2) * g * g
    s_hat = s / (1 - decay1**t)
    r_hat = r / (1 - decay2**t)
    return -learning_rate * s_hat / (epsilon + jnp.sqrt(r_hat)), s, r


class AdamWState(NamedTuple):
    """The state of ``adamw``."""

    step: jax.Array  # int32 (): steps taken
    learning_rate: Any  # η: float (), or a schedule
    decay1: jax.Array  # ρ₁: float ()
    decay2: jax.Array  # ρ₂: float ()
    epsilon: jax.Array  # ε: float ()
    weight_decay: jax.Array  # λ: float ()
    mean: Params  # s: like the parameters, float32 at least
    mean_square: Params  # r: like the parameters, float32 at least


def adamw(
    learning_rate: Rate = 1e-3,
    decay1: float = 0.9,
    decay2: float = 0.999,
    epsilon: float = 1e-7,
    weight_decay: float = 0.01,
) -> Optimizer:
    """Adam with decoupled weight decay: s, r, ŝ and r̂ as in ``adam``; θ ← θ − η (ŝ/(ε + √r̂) + λθ).

    Loshchilov, Hutter, "Decoupled Weight Decay Regularization" (2019), with λ inside the learning rate, as in torch
    and optax. Every parameter decays, biases too. ``update`` needs the parameters: ``TypeError`` without.

    >>> import funcnet as fn
    >>> fn.adamw(0.001)
    adamw(learning_rate=0.001, decay1=0.9, decay2=0.999, epsilon=1e-07, weight_decay=0.01)
    """
    return optimizer(
        "adamw",
        adamw_init,
        adamw_update,
        learning_rate=learning_rate,
        decay1=decay1,
        decay2=decay2,
        epsilon=epsilon,
        weight_decay=weight_decay,
    )


def adamw_init(
    params: Params, learning_rate: Rate, decay1: float, decay2: float, epsilon: float, weight_decay: float
) -> AdamWState:
    """Return the state before the first step: s = r = 0."""
    adam_state = adam_init(params, learning_rate, decay1, decay2, epsilon)
    return AdamWState(**adam_state._asdict(), weight_decay=hyperparameter(weight_decay, params))


def adamw_update(gradients: Params, state: AdamWState, params: Params | None = None) -> tuple[Params, AdamWState]:
    """Return the updates −η (ŝ/(ε + √r̂) + λθ) and the next state."""
    if params is None:
        raise TypeError(message("adamw", "params in update(gradients, state, params)", None))
    learning_rate = rate_at(state.learning_rate, state.step)
    updates, mean, mean_square = leafwise(
        _adamw,
        (gradients, state.mean, state.mean_square),
        (learning_rate, state.decay1, state.decay2, state.epsilon, state.step + 1, state.weight_decay),
        read=(params,),
    )
    return updates, state._replace(step=state.step + 1, mean=mean, mean_square=mean_square)


def _adamw(
    g: jax.Array,
    s: jax.Array,
    r: jax.Array,
    theta: jax.Array,
    learning_rate: jax.Array,
    decay1: jax.Array,
    decay2: jax.Array,
    epsilon: jax.Array,
    t: jax.Array,
    weight_decay: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    step, s, r = _adam(g, s, r, learning_rate, decay1, decay2, epsilon, t)
    return step - learning_rate * weight_decay * theta, s, r
