"""More than a thousand generated networks, on which the hand-written gradients and the automatic ones agree.

Every activation meets every loss. Networks differ in depth (1 to 6), widths (1 to 64), batch (1 to 128), scale of the
weights (0.1 to 10), penalty, weights of the samples and dropout; those of one structure are compiled once. Operations
are not fused, so that both routes see the same values: what is compared are the equations, not the compiler's choices.

Where the terms of a gradient cancel, no two orders of its operations agree to the last digits of what is left. What is
lost so is measured by the automatic gradient alone, of the same problem with last bits changed, and where that does not
explain a difference with last bits changed on the way as well. Nothing else is let pass.
"""

import functools
import itertools
import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet.gradcheck.rounding import rounding_of
from tests import registry
from tests.registry import JUMP

SCALES = np.repeat([0.1, 0.3, 1.0, 3.0, 10.0], 6)  # of six cases each
UNFUSED = {"xla_disable_hlo_passes": "fusion", "xla_backend_optimization_level": 0}
PENALTIES = [None, None, fn.l2(0.01), fn.l1(0.01), fn.l1(0.01) + fn.l2(0.01)]
HIDDEN = [*{type(each): each for each in registry.ACTIVATIONS}.values(), fn.PReLU(0.3)]  # one of a kind
OUTPUTS = [2, 5, 10]  # a few, since the targets of each are a program of their own
DEPTHS = [(1, 5, 5, 6), (2, 4, 5, 6), (3, 3, 5, 6)]  # with one hidden activation less each: all of them once
TOLERANCE = {"float64": 1e-14, "float32": 2e-6}
ROUNDINGS = 4  # a few runs with changed last bits do not find the worst
UNDERFLOW = 1000  # times the smallest normal number: what either route may lose below it
SELDOM = 0.2  # of the cases of a structure at most may need that


class Structure:
    """A loss, a network for it and the shape of its data, all drawn at random."""

    def __init__(self, draw, case, activations):
        self.case, layers = case, []
        for activation in activations:
            layers += [fn.Dense(draw.randint(1, 64)), activation, *draw.choice([[], [], [], [fn.Dropout(0.3)]])]
        self.inputs, self.outputs, self.batch = draw.randint(1, 64), draw.choice(OUTPUTS), draw.randint(1, 128)
        self.network = fn.Sequential(*layers, fn.Dense(self.outputs), case.output)
        self.penalty, self.weighted = draw.choice(PENALTIES), draw.random() < 0.5

    def __repr__(self):
        return f"{self.case}-{'-'.join(map(repr, self.network.layers))}"

    def problems(self, dtype):
        """Return parameters, x, y and weights of all cases, along a leading axis."""
        rng = np.random.default_rng(len(repr(self)))
        shapes = jax.eval_shape(lambda key: self.network.init(key, (self.inputs,), dtype=dtype)[0], jax.random.key(0))

        def parameter(leaf):
            spread = SCALES / np.sqrt(leaf.shape[-1] if leaf.ndim == 2 else 1)
            return jnp.asarray(rng.normal(size=(SCALES.size, *leaf.shape)) * spread[(..., *[None] * leaf.ndim)], dtype)

        params = jax.tree.map(parameter, shapes)
        x = jnp.asarray(rng.normal(size=(SCALES.size, self.batch, self.inputs)), dtype)
        y = jnp.asarray(targets(self.case, self.outputs)[:, : self.batch], dtype)
        weights = jnp.asarray(rng.uniform(0.1, 2, (SCALES.size, self.batch)), dtype) if self.weighted else None
        return params, x, y, weights

    def gradients(self, route, params, x, y, weights):
        keywords = {"key": jax.random.key(3), "weights": weights, "penalty": self.penalty}
        return jax.tree.leaves(route(self.network, self.case.loss)(params, x, y, **keywords)[1])

    def automatic(self, *problem):
        return self.gradients(fn.autodiff, *problem)

    def automatic_of_each(self, *problems):
        """Return the leaves of the first case's automatic gradient, then those of the next."""
        leaves = jax.vmap(self.automatic)(*problems)
        return [leaf[index] for index in range(len(leaves[0])) for leaf in leaves]

    def both(self, *problem):
        return self.gradients(fn.backprop, *problem), self.automatic(*problem)


def structures():
    draw = random.Random(0)
    for case, depths in zip(registry.LOSSES, itertools.cycle(DEPTHS), strict=False):
        left = draw.sample(HIDDEN, len(HIDDEN))
        for depth in depths:
            # A jump has no derivative but 0: after another activation nothing would be left of that one's.
            yield Structure(draw, case, sorted((left.pop() for _ in range(depth - 1)), key=lambda a: a not in JUMP))


STRUCTURES = list(structures())


@functools.cache
def targets(case, outputs):
    """Return targets of all cases, for the largest batch, in float64: (cases, 128, outputs)."""
    return np.asarray(case.target(jax.random.key(2), (SCALES.size, 128, outputs), jnp.float64), np.float64)


def test_there_are_more_than_a_thousand_cases_and_every_activation_meets_every_loss():
    assert len(STRUCTURES) * SCALES.size >= 1000
    for case in registry.LOSSES:
        met = {layer for each in STRUCTURES if each.case is case for layer in each.network.layers}
        assert met >= set(HIDDEN)


def leaves_behind_jumps(structure):
    """Return how many parameters' gradients a jump behind them makes 0."""
    layers = structure.network.layers
    jumps = [place for place, layer in enumerate(layers) if layer in JUMP]
    return 2 * sum(isinstance(layer, fn.Dense) for layer in layers[: max(jumps, default=0)])


def largest(leaves):
    """Return the largest magnitude in each leaf of each case: (cases, leaves)."""
    return np.stack([np.abs(leaf).reshape(len(leaf), -1).max(axis=1) for leaf in leaves], axis=1)


def differences(one, other):
    return largest([np.asarray(a) - np.asarray(b) for a, b in zip(one, other, strict=True)])


def with_last_bits_changed(problems, rng):
    def change(leaf):
        direction = jnp.asarray(rng.integers(-1, 2, leaf.shape), leaf.dtype)
        return leaf * (1 + jnp.finfo(leaf.dtype).eps * direction)

    return jax.tree.map(change, problems)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("structure", STRUCTURES, ids=repr)
def test_by_hand_agrees_with_automatic(structure, dtype, x64):
    problems, rng = structure.problems(dtype), np.random.default_rng(0)
    both = jax.jit(jax.vmap(structure.both), compiler_options=UNFUSED)
    by_hand, automatic = both(*problems)
    difference, size = differences(by_hand, automatic), largest(automatic)
    assert np.isfinite(difference).all()
    assert (size[:, leaves_behind_jumps(structure) :].max(axis=0) > 0).all()  # or nothing would be compared
    beyond = difference > TOLERANCE[dtype] * size + UNDERFLOW * jnp.finfo(dtype).tiny
    assert beyond.any(axis=1).sum() <= SELDOM * SCALES.size
    if beyond.any():
        moved = [differences(automatic, both(*with_last_bits_changed(problems, rng))[1]) for _ in range(ROUNDINGS)]
        beyond &= difference > ROUNDINGS * np.max(moved, axis=0)
    unexplained = np.flatnonzero(beyond.any(axis=1))
    if len(unexplained):
        moved = rounding_of(structure.automatic_of_each, *jax.tree.map(lambda leaf: leaf[unexplained], problems))
        moved = np.reshape(moved, (len(unexplained), -1))
        np.testing.assert_array_less(difference[beyond], ROUNDINGS * moved[beyond[unexplained]])
