"""Gradient descent and gradient descent with momentum."""

import jax

from .rule import At, EquationResult, LearningRate, Momentum, from_equation


@from_equation("SGDState")
def sgd(g: jax.Array, at: At, learning_rate: LearningRate) -> EquationResult:
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
    return -learning_rate * g, {}


@from_equation("MomentumState", velocity=0.0)
def momentum(g: jax.Array, at: At, learning_rate: LearningRate, momentum: Momentum = 0.9) -> EquationResult:
    """Momentum: v ← αv − ηg; θ ← θ + v.

    Polyak, "Some methods of speeding up the convergence of iteration methods" (1964). The rate is inside the
    velocity, as in Keras; torch and optax keep it outside, which is the same while the rate is constant.

    Args:
        learning_rate: η ≥ 0, or a schedule, step -> η.
        momentum: α in [0, 1); 0.9 by default.

    >>> import funcnet as fn
    >>> fn.momentum(0.1)
    momentum(learning_rate=0.1, momentum=0.9)
    """
    v = momentum * at.velocity - learning_rate * g
    return v, {"velocity": v}


SGDState, MomentumState = sgd.State, momentum.State
