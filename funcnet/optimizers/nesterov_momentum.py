"""Optimizers that take the gradient at the look-ahead point θ + αv, one step of the old velocity ahead: Nesterov's.

The parameters that they update are φ = θ + αv. So the gradient at the parameters is the one that they need, and they
are plain (init, update) pairs. ``without_lookahead`` recovers θ.
"""

from typing import Any

import jax
import jax.numpy as jnp

from ..checks import accumulator_dtype
from ..errors import message
from .rule import (
    At,
    Decay,
    Epsilon,
    EquationResult,
    LearningRate,
    Momentum,
    Params,
    check_real_params,
    check_state,
    from_equation,
    leaves_like,
)


@from_equation("NesterovState", velocity=0.0)
def nesterov(g: jax.Array, at: At, learning_rate: LearningRate, momentum: Momentum = 0.9) -> EquationResult:
    """Nesterov's momentum: g at θ + αv; v ← αv − ηg; θ ← θ + v.

    The parameters are φ = θ + αv: v′ = αv − ηg; φ ← φ + (1 + α)v′ − αv, which is φ + αv′ − ηg.
    Sutskever, Martens, Dahl, Hinton, "On the importance of initialization and momentum in deep learning" (2013).
    The rate is inside the velocity; torch and optax keep it outside, which is the same while the rate is constant.

    Args:
        learning_rate: η ≥ 0, or a schedule, step -> η.
        momentum: α in [0, 1); 0.9 by default.

    >>> import funcnet as fn
    >>> fn.nesterov(0.1)
    nesterov(learning_rate=0.1, momentum=0.9)
    """
    v = momentum * at.velocity - learning_rate * g
    return (1 + momentum) * v - momentum * at.velocity, {"velocity": v}


@from_equation("RMSPropNesterovState", mean_square=0.0, velocity=0.0)
def rmsprop_nesterov(
    g: jax.Array,
    at: At,
    learning_rate: LearningRate = 1e-3,
    decay: Decay = 0.9,
    momentum: Momentum = 0.9,
    epsilon: Epsilon = 1e-7,
) -> EquationResult:
    """RMSProp with Nesterov's momentum: g at θ + αv; r ← ρr + (1 − ρ) g⊙g; v ← αv − η g/(ε + √r); θ ← θ + v.

    The parameters are φ = θ + αv: v′ = αv − η g/(ε + √r); φ ← φ + (1 + α)v′ − αv.
    Goodfellow, Bengio, Courville, *Deep Learning* (2016), algorithm 8.6, with ε outside the root.

    Args:
        learning_rate: η ≥ 0, or a schedule, step -> η; 0.001 by default.
        decay: ρ in [0, 1), the mean square's; 0.9 by default.
        momentum: α in [0, 1); 0.9 by default.
        epsilon: ε > 0, outside the root; 1e-7 by default.

    Raises ``TypeError`` and ``ValueError`` for hyper-parameters out of their ranges.

    >>> import funcnet as fn
    >>> fn.rmsprop_nesterov(0.001)
    rmsprop_nesterov(learning_rate=0.001, decay=0.9, momentum=0.9, epsilon=1e-07)
    """
    r = decay * at.mean_square + (1 - decay) * g * g
    v = momentum * at.velocity - learning_rate * g / (epsilon + jnp.sqrt(r))
    return (1 + momentum) * v - momentum * at.velocity, {"mean_square": r, "velocity": v}


NesterovState, RMSPropNesterovState = nesterov.State, rmsprop_nesterov.State


def without_lookahead(params: Params, state: Any) -> Params:
    """Return θ = φ − αv, the parameters without the look-ahead, given φ and the optimizer's state.

    Raises ``TypeError`` for the state of an optimizer without a look-ahead.

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

    check_state("without_lookahead", state, NesterovState | RMSPropNesterovState)
    check_real_params("without_lookahead", params)
    leaves_like(state.velocity, params)

    def theta(phi: jax.Array, v: jax.Array) -> jax.Array:
        dtype = accumulator_dtype(phi.dtype)
        phi_wide, v, momentum = (array.astype(dtype) for array in (phi, v, state.momentum))
        return (phi_wide - momentum * v).astype(phi.dtype)

    return jax.tree.map(theta, params, state.velocity)
