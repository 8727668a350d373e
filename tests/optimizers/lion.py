"""An optimizer as a user writes one, which the tests of the library's own take too: Lion (Chen et al., 2023)."""

from functools import partial

import jax.numpy as jnp
import numpy as np

from funcnet.optimizers import Decay, LearningRate, WeightDecay, from_equation
from tests import registry


@from_equation(mean=0.0)
def lion(
    g, at, learning_rate: LearningRate = 1e-4, decay1: Decay = 0.9, decay2: Decay = 0.99,
    weight_decay: WeightDecay = 1e-3,
):  # fmt: skip
    """Lion: u = sign(ρ₁s + (1 − ρ₁)g); s ← ρ₂s + (1 − ρ₂)g; θ ← θ − η (u + λθ)."""
    u = jnp.sign(decay1 * at.mean + (1 - decay1) * g)
    s = decay2 * at.mean + (1 - decay2) * g
    return -learning_rate * (u + weight_decay * at.theta), {"mean": s}


def _oracle(theta, gradient, steps, learning_rate):
    s = np.zeros_like(theta)
    for t in range(1, steps + 1):
        g = gradient(theta, t)
        theta = theta - learning_rate * (np.sign(0.9 * s + 0.1 * g) + 1e-3 * theta)
        s = 0.99 * s + 0.01 * g
    return theta


CASE = registry.PairCase(lion(0.01), lion(0.5), partial(_oracle, learning_rate=0.01))
