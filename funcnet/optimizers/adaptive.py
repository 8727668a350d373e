"""Optimizers that scale every parameter's step by the history of its gradient: AdaGrad, RMSProp, Adam and AdamW.

ε stands outside the root in all of them; optax's AdaGrad and RMSProp have it inside by default, and so has Keras's
RMSProp.
"""

import jax
import jax.numpy as jnp

from .rule import At, Decay, Epsilon, EquationResult, LearningRate, WeightDecay, from_equation


@from_equation("AdaGradState", sum_of_squares=0.0)
def adagrad(g: jax.Array, at: At, learning_rate: LearningRate = 0.01, epsilon: Epsilon = 1e-7) -> EquationResult:
    """AdaGrad: r ← r + g⊙g; θ ← θ − η g/(ε + √r).

    Duchi, Hazan, Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization" (2011).
    r starts at 0, as in the paper; in optax and Keras it starts at 0.1.

    Args:
        learning_rate: η ≥ 0, or a schedule, step -> η; 0.01 by default.
        epsilon: ε > 0, outside the root; 1e-7 by default.

    >>> import funcnet as fn
    >>> fn.adagrad(0.01)
    adagrad(learning_rate=0.01, epsilon=1e-07)
    """
    r = at.sum_of_squares + g * g
    return -learning_rate * g / (epsilon + jnp.sqrt(r)), {"sum_of_squares": r}


@from_equation("RMSPropState", mean_square=0.0)
def rmsprop(
    g: jax.Array, at: At, learning_rate: LearningRate = 1e-3, decay: Decay = 0.9, epsilon: Epsilon = 1e-7
) -> EquationResult:
    """RMSProp: r ← ρr + (1 − ρ) g⊙g; θ ← θ − η g/(ε + √r).

    Tieleman, Hinton, "Lecture 6.5: RMSProp" (2012).

    Args:
        learning_rate: η ≥ 0, or a schedule, step -> η; 0.001 by default.
        decay: ρ in [0, 1), the mean square's; 0.9 by default.
        epsilon: ε > 0, outside the root; 1e-7 by default.

    >>> import funcnet as fn
    >>> fn.rmsprop(0.001)
    rmsprop(learning_rate=0.001, decay=0.9, epsilon=1e-07)
    """
    r = decay * at.mean_square + (1 - decay) * g * g
    return -learning_rate * g / (epsilon + jnp.sqrt(r)), {"mean_square": r}


@from_equation("AdamState", mean=0.0, mean_square=0.0)
def adam(
    g: jax.Array,
    at: At,
    learning_rate: LearningRate = 1e-3,
    decay1: Decay = 0.9,
    decay2: Decay = 0.999,
    epsilon: Epsilon = 1e-7,
) -> EquationResult:
    """Adam: s ← ρ₁s + (1 − ρ₁)g; r ← ρ₂r + (1 − ρ₂)g⊙g; θ ← θ − η ŝ/(ε + √r̂).

    The corrected means are ŝ = s/(1 − ρ₁ᵗ) and r̂ = r/(1 − ρ₂ᵗ) at step t = 1, 2, ….
    Kingma, Ba, "Adam: A Method for Stochastic Optimization" (2015), algorithm 1.

    Args:
        learning_rate: η ≥ 0, or a schedule, step -> η; 0.001 by default.
        decay1: ρ₁ in [0, 1), the mean's; 0.9 by default.
        decay2: ρ₂ in [0, 1), the mean square's; 0.999 by default.
        epsilon: ε > 0, outside the root; 1e-7 by default.

    Raises ``TypeError`` and ``ValueError`` for hyper-parameters out of their ranges.

    >>> import funcnet as fn
    >>> fn.adam(0.001)
    adam(learning_rate=0.001, decay1=0.9, decay2=0.999, epsilon=1e-07)
    """
    s = decay1 * at.mean + (1 - decay1) * g
    r = decay2 * at.mean_square + (1 - decay2) * g * g
    s_hat = s / (1 - decay1**at.t)
    r_hat = r / (1 - decay2**at.t)
    return -learning_rate * s_hat / (epsilon + jnp.sqrt(r_hat)), {"mean": s, "mean_square": r}


@from_equation("AdamWState", mean=0.0, mean_square=0.0)
def adamw(
    g: jax.Array,
    at: At,
    learning_rate: LearningRate = 1e-3,
    decay1: Decay = 0.9,
    decay2: Decay = 0.999,
    epsilon: Epsilon = 1e-7,
    weight_decay: WeightDecay = 0.01,
) -> EquationResult:
    """Adam with decoupled weight decay: s, r, ŝ and r̂ as in ``adam``; θ ← θ − η (ŝ/(ε + √r̂) + λθ).

    Loshchilov, Hutter, "Decoupled Weight Decay Regularization" (2019), with λ inside the learning rate, as in torch
    and optax. Every parameter decays, biases too. ``update`` needs the parameters: ``TypeError`` without.

    Args:
        learning_rate: η ≥ 0, or a schedule, step -> η; 0.001 by default.
        decay1: ρ₁ in [0, 1), the mean's; 0.9 by default.
        decay2: ρ₂ in [0, 1), the mean square's; 0.999 by default.
        epsilon: ε > 0, outside the root; 1e-7 by default.
        weight_decay: λ ≥ 0; 0.01 by default.

    Raises ``TypeError`` and ``ValueError`` for hyper-parameters out of their ranges.

    >>> import funcnet as fn
    >>> fn.adamw(0.001)
    adamw(learning_rate=0.001, decay1=0.9, decay2=0.999, epsilon=1e-07, weight_decay=0.01)
    """
    step, accumulators = adam.equation(g, at, learning_rate, decay1, decay2, epsilon)
    return step - learning_rate * weight_decay * at.theta, accumulators


AdaGradState, RMSPropState, AdamState, AdamWState = adagrad.State, rmsprop.State, adam.State, adamw.State
