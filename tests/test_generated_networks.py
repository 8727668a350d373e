"""More than a thousand generated networks, on which the hand-written gradients and the automatic ones agree.

Every activation meets every loss. The networks are compiled once for each structure and vectorized over weight scales
and seeds; structures differ in depth (1 to 6), widths (1 to 64), batch (1 to 128), penalty, weights and dropout.

Where the terms of a gradient cancel, as they do in places at a weight scale of 10, no two orders of summation agree to
the last digit of what is left. How much is lost so is measured: it is how far the gradient itself moves when every
parameter is changed by a rounding. Beyond the tolerance only that much, and no more, is let pass.
"""

import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from tests import registry

SCALES = np.array([0.1, 0.3, 1.0, 3.0, 10.0])
SEEDS = 5
LIGHTLY = {"xla_backend_optimization_level": 1}  # each program runs once, so that compiling it is all of its cost
PENALTIES = [None, None, fn.l2(0.01), fn.l1(0.01), fn.l1(0.01) + fn.l2(0.01)]
HIDDEN = [*registry.ACTIVATIONS, fn.PReLU(0.3)]
AT_ONCE = 3  # activations in one network


def structures():
    """Return (id, case, network, input size, outputs, batch, penalty, weighted), drawn once and for all."""
    draw = random.Random(0)
    result = []
    for case in registry.LOSSES:
        for first in range(0, len(HIDDEN), AT_ONCE):
            activations = HIDDEN[first : first + AT_ONCE]
            inputs, outputs = draw.randint(1, 64), draw.randint(2, 10)
            layers = []
            for activation in activations:
                width = draw.randint(1, 64)
                layers += [fn.Dense(width), activation]
                layers += draw.choice([[], [], [fn.Dropout(0.3)], [fn.LayerNorm()], [fn.Residual(fn.Dense(width))]])
            layers += [fn.Dense(draw.randint(1, 64)) for _ in range(draw.randint(0, 2))]
            network = fn.Sequential(*layers, fn.Dense(outputs), case.output)
            name = f"{case}-{'-'.join(map(repr, activations))}"
            batch, penalty = draw.randint(1, 128), draw.choice(PENALTIES)
            result.append((name, case, network, inputs, outputs, batch, penalty, draw.random() < 0.5))
    return result


STRUCTURES = structures()


def leaf_error(actual, expected):
    """Return the largest difference over the largest magnitude, which is 0 where both are 0."""
    scale = jnp.max(jnp.abs(expected), initial=0)
    difference = jnp.max(jnp.abs(actual - expected), initial=0)
    return jnp.where(difference == 0, 0, difference / jnp.where(scale == 0, 1, scale))


def leaf_errors(case, network, inputs, outputs, batch, penalty, weighted, dtype):
    """Return each leaf's error in every case, and how far a rounding of the parameters moves it: (cases, leaves)."""
    rng = np.random.default_rng(len(repr(network)))
    cases = len(SCALES) * SEEDS
    shapes = jax.eval_shape(lambda key: network.init(key, (inputs,), dtype=dtype)[0], jax.random.key(0))
    scale = np.repeat(SCALES, SEEDS)

    def parameter(leaf):
        spread = scale / np.sqrt(leaf.shape[-1] if leaf.ndim == 2 else 1)
        return jnp.asarray(rng.normal(size=(cases, *leaf.shape)) * spread.reshape(-1, *(1,) * leaf.ndim), dtype)

    params = jax.tree.map(parameter, shapes)
    x = jnp.asarray(rng.normal(size=(cases, batch, inputs)), dtype)
    y = case.target(jax.random.key(2), (cases, batch, outputs), dtype).astype(dtype)
    weights = jnp.asarray(rng.uniform(0.1, 2, (cases, batch)), dtype) if weighted else None

    nudged = jax.tree.map(
        lambda p: p * (1 + jnp.finfo(dtype).eps * jnp.asarray(rng.choice([-1, 1], p.shape), dtype)), params
    )

    def errors(params, nudged, x, y, weights):
        keywords = {"key": jax.random.key(3), "weights": weights, "penalty": penalty}
        by_hand, automatic = (g(network, case.loss)(params, x, y, **keywords) for g in (fn.backprop, fn.autodiff))
        moved = fn.autodiff(network, case.loss)(nudged, x, y, **keywords)
        return [jnp.stack(jax.tree.leaves(jax.tree.map(leaf_error, each, automatic))) for each in (by_hand, moved)]

    return jax.jit(jax.vmap(errors), compiler_options=LIGHTLY)(params, nudged, x, y, weights)


def test_there_are_more_than_a_thousand_cases_and_every_activation_meets_every_loss():
    assert len(STRUCTURES) * SCALES.size * SEEDS >= 1000
    assert len(STRUCTURES) == len(registry.LOSSES) * -(-len(HIDDEN) // AT_ONCE)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-14), ("float32", 2e-6)])
@pytest.mark.parametrize("structure", STRUCTURES, ids=lambda s: s[0])
def test_by_hand_agrees_with_automatic(structure, dtype, tolerance, x64):
    errors, rounding = (np.asarray(each) for each in leaf_errors(*structure[1:], dtype))
    assert np.isfinite(errors).all()
    assert (errors <= np.maximum(tolerance, 16 * rounding)).all()
    assert np.median(errors) <= tolerance / 2
