"""Optimizers that take the gradient at the look-ahead point θ + αv, one step of the old speed ahead: Nesterov's.

The parameters that they update are φ = θ + αv, so that the gradient at the parameters is the one they need and
they are plain (init, update) pairs. ``without_lookahead`` recovers θ.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..errors import message
from ..layer import Params
from .base import Optimizer, Rate, hyperparameter, leafwise, optimizer, rate_at, zero_step, zeros_like


class NesterovState(NamedTuple):
    """The state of ``nesterov``."""

    step: jax.Array  # int32 (): steps taken
    learning_rate: Any  # η: float (), or a schedule
    momentum: jax.Array  # α: float ()
    velocity: Params  # v: like the parameters, float32 at least


def nesterov(learning_rate: Rate, momentum: float = 0.9) -> Optimizer:
    """Nesterov's momentum: g at θ + αv; v ← αv − ηg; θ ← θ + v.

    The parameters are φ = θ + αv: v′ = αv − ηg; φ ← φ + (1 + α)v′ − αv, which is φ + αv′ − ηg.
    Sutskever, Martens, Dahl, Hinton, "On the importance of initialization and momentum in deep learning" (2013).
    The rate is inside the velocity; torch and optax keep it outside, which is the same while the rate is constant.

    >>> import funcnet as fn
    >>> fn.nesterov(0.1)
    nesterov(learning_rate=0.1, momentum=0.9)
    """
    return optimizer("nesterov", nesterov_init, nesterov_update, learning_rate=learning_rate, momentum=momentum)


def nesterov_init(params: Params, learning_rate: Rate, momentum: float) -> NesterovState:
    """Return the state before the first step: v = 0, and so φ = θ."""
    return NesterovState(
        step=zero_step(),
        learning_rate=hyperparameter(learning_rate, params),
        momentum=hyperparameter(momentum, params),
        velocity=zeros_like(params),
    )


def nesterov_update(
    gradients: Params, state: NesterovState, params: Params | None = None
) -> tuple[Params, NesterovState]:
    """Return the updates (1 + α)v′ − αv of φ and the next state."""
    learning_rate = rate_at(state.learning_rate, state.step)
    updates, velocity = leafwise(_nesterov, (gradients, state.velocity), (learning_rate, state.momentum))
    return updates, state._replace(step=state.step + 1, velocity=velocity)


def _nesterov(g: jax.Array, v: jax.Array, learning_rate: jax.Array, momentum: jax.Array) -> tuple[jax.Array, jax.Array]:
    v_next = momentum * v - learning_rate * g
    return (1 + momentum) * v_next - momentum * v, v_next


class RMSPropNesterovState(NamedTuple):
    """The state of ``rmsprop_nesterov``."""

    step: jax.Array  # int32 (): steps taken
    learning_rate: Any  # η: float (), or a schedule
    decay: jax.Array  # ρ: float ()
    momentum: jax.Array  # α: float ()
    epsilon: jax.Array  # ε: float ()
    mean_square: Params  # r: like the parameters, float32 at least
    velocity: Params  # v: like the parameters, float32 at least


def rmsprop_nesterov(
    learning_rate: Rate = 1e-3, decay: float = 0.9, momentum: float = 0.9, epsilon: float = 1e-7
) -> Optimizer:
    """RMSProp with Nesterov's momentum: g at θ + αv; r ← ρr + (1 − ρ) g⊙g; v ← αv − η g/(ε + √r); θ ← θ + v.

    The parameters are φ = θ + αv: v′ = αv − η g/(ε + √r); φ ← φ + (1 + α)v′ − αv.
    Goodfellow, Bengio, Courville, *Deep Learning* (2016), algorithm 8.6, with ε outside the root.

    >>> import funcnet as fn
    >>> fn.rmsprop_nesterov(0.001)
    rmsprop_nesterov(learning_rate=0.001, decay=0.9, momentum=0.9, epsilon=1e-07)
    """
    return optimizer(
        "rmsprop_nesterov",
        rmsprop_nesterov_init,
        rmsprop_nesterov_update,
        learning_rate=learning_rate,
        decay=decay,
        momentum=momentum,
        epsilon=epsilon,
    )


def rmsprop_nesterov_init(
    params: Params, learning_rate: Rate, decay: float, momentum: float, epsilon: float
) -> RMSPropNesterovState:
    """Return the state before the first step: r = v = 0, and so φ = θ."""
    return RMSPropNesterovState(
        step=zero_step(),
        learning_rate=hyperparameter(learning_rate, params),
        decay=hyperparameter(decay, params),
        momentum=hyperparameter(momentum, params),
        epsilon=hyperparameter(epsilon, params),
        mean_square=zeros_like(params),
        velocity=zeros_like(params),
    )


def rmsprop_nesterov_update(
    gradients: Params, state: RMSPropNesterovState, params: Params | None = None
) -> tuple[Params, RMSPropNesterovState]:
    """Return the updates (1 + α)v′ − αv of φ and the next state."""
    learning_rate = rate_at(state.learning_rate, state.step)
    updates, mean_square, velocity = leafwise(
        _rmsprop_nesterov,
        (gradients, state.mean_square, state.velocity),
        (learning_rate, state.decay, state.momentum, state.epsilon),
    )
    return updates, state._replace(step=state.step + 1, mean_square=mean_square, velocity=velocity)


def _rmsprop_nesterov(
    g: jax.Array,
    r: jax.Array,
    v: jax.Array,
    learning_rate: jax.Array,
    decay: jax.Array,
    momentum: jax.Array,
    epsilon: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    r = decay * r + (1 - decay) * g * g
    v_next = momentum * v - learning_rate * g / (epsilon + jnp.sqrt(r))
    return (1 + momentum) * v_next - momentum * v, r, v_next


def without_lookahead(params: Params, state: NesterovState | RMSPropNesterovState) -> Params:
    """Return θ = φ − αv, the parameters without the look-ahead, given φ and the optimizer's state.

    Raises ``TypeError`` for the state of an optimizer that looks nowhere ahead.

    >>> import funcnet as fn
    >>> optimizer, params = fn.nesterov(0.1, momentum=0.5), jnp.array([1.0])
    >>> updates, state = optimizer.update(jnp.array([2.0]), optimizer.init(params), params)
    >>> params = fn.apply_updates(params, updates)
    >>> params, fn.without_lookahead(params, state)
    (Array([0.7], dtype=float32), Array([0.8], dtype=float32))
    """
    if not isinstance(state, NesterovState | RMSPropNesterovState):
        expected = "the state of fn.nesterov or fn.rmsprop_nesterov"
        raise TypeError(message("without_lookahead", expected, f"a {type(state).__name__}"))
    (theta,) = leafwise(_without_lookahead, (params,), (state.momentum,), read=(state.velocity,))
    return theta


def _without_lookahead(phi: jax.Array, v: jax.Array, momentum: jax.Array) -> tuple[jax.Array]:
    return (phi - momentum * v,)
