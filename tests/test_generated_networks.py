"""More than a thousand generated networks, on which the hand-written gradients and the automatic ones agree.

Every activation meets every loss. Networks differ in depth (1 to 6), widths (1 to 64), batch (1 to 128), scale of the
weights (0.1 to 10), penalty, weights of the samples and dropout; those of one structure are compiled once. Operations
are not fused, so that both routes see the same values: what is compared are the equations, not the compiler's choices.

Where the terms of a gradient cancel, no two orders of its operations agree to the last digits of what is left. Where
the two routes differ so, both are evaluated again in extended precision: there no more than half of the difference may
be left, and the hand-written gradient must have been about as near to the exact one as the automatic. Nothing else is
let pass.
"""

import functools
import itertools
import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from tests import registry
from tests.extended import IS_LONGER, LONG, extended
from tests.registry import JUMP

SCALES = np.repeat([0.1, 0.3, 1.0, 3.0, 10.0], 6)  # of six cases each
UNFUSED = {"xla_disable_hlo_passes": "fusion", "xla_backend_optimization_level": 0}
PENALTIES = [None, None, fn.l2(0.01), fn.l1(0.01), fn.l1(0.01) + fn.l2(0.01)]
HIDDEN = [*{type(each): each for each in registry.ACTIVATIONS}.values(), fn.PReLU(0.3)]  # one of a kind
OUTPUTS = [2, 5, 10]  # a few, since the targets of each are a program of their own
DEPTHS = [(1, 5, 5, 6), (2, 4, 5, 6), (3, 3, 5, 6)]  # with one hidden activation less each: all of them once
TOLERANCE = {"float64": 1e-14, "float32": 2e-6}
UNDERFLOW = 1000  # times the smallest normal number: what either route may lose below it
SELDOM = 0.2  # of the cases of a structure at most may need extended precision
LEFT = 0.5  # of a difference at most in extended precision, where the constants of a program are as before
ORDINARY = 15  # a case of weights at scale 1, in which nothing is lost that extended precision would have to find
ABOUT = 4  # times as far from the exact gradient


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
        """Return parameters, x, y and weights of all cases, along a leading axis, in NumPy: nothing to compile."""
        rng = np.random.default_rng(len(repr(self)))
        shapes = jax.eval_shape(lambda key: self.network.init(key, (self.inputs,), dtype=dtype)[0], jax.random.key(0))

        def parameter(leaf):
            spread = SCALES / np.sqrt(leaf.shape[-1] if leaf.ndim == 2 else 1)
            return np.asarray(rng.normal(size=(SCALES.size, *leaf.shape)) * spread[(..., *[None] * leaf.ndim)], dtype)

        params = jax.tree.map(parameter, shapes)
        x = np.asarray(rng.normal(size=(SCALES.size, self.batch, self.inputs)), dtype)
        y = np.asarray(targets(self.case, self.outputs)[:, : self.batch], dtype)
        weights = np.asarray(rng.uniform(0.1, 2, (SCALES.size, self.batch)), dtype) if self.weighted else None
        return params, x, y, weights

    def gradients(self, route, params, x, y, weights):
        keywords = {"key": jax.random.key(3), "weights": weights, "penalty": self.penalty}
        return jax.tree.leaves(route(self.network, self.case.loss)(params, x, y, **keywords)[1])

    def automatic(self, *problem):
        return self.gradients(fn.autodiff, *problem)

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


def distances(leaves, exact):
    """Return the largest magnitude of leaf − exact in each leaf of one case: (leaves,)."""
    return np.array([np.abs(np.asarray(a, LONG) - b).max() for a, b in zip(leaves, exact, strict=True)])


def assert_is_exact(route, problem, leaves):
    """What is exact is what extended precision says: it must say what float64 does where nothing cancels."""
    exact = extended(route, *problem)
    np.testing.assert_array_less(distances(leaves, exact), [1e-9 * np.abs(leaf).max() + 1e-300 for leaf in exact])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("structure", STRUCTURES, ids=repr)
def test_by_hand_agrees_with_automatic(structure, dtype, x64):
    problems = structure.problems(dtype)
    by_hand, automatic = jax.jit(jax.vmap(structure.both), compiler_options=UNFUSED)(*problems)
    difference, size = differences(by_hand, automatic), largest(automatic)
    assert np.isfinite(difference).all()
    assert (size[:, leaves_behind_jumps(structure) :].max(axis=0) > 0).all()  # or nothing would be compared
    if dtype == "float64":
        assert_is_exact(structure.automatic, *jax.tree.map(lambda leaves: leaves[ORDINARY], (problems, automatic)))
    allowed = TOLERANCE[dtype] * size + UNDERFLOW * np.finfo(dtype).tiny
    beyond = difference > allowed
    assert beyond.any(axis=1).sum() <= SELDOM * SCALES.size
    if beyond.any() and not IS_LONGER:
        pytest.skip("this machine's NumPy has no extended precision to tell rounding from a mistake")
    for case in np.flatnonzero(beyond.any(axis=1)):
        problem, *routes = jax.tree.map(lambda leaves, case=case: leaves[case], (problems, by_hand, automatic))
        leaves = extended(structure.both, *problem)
        exact_by_hand, exact = leaves[: len(size[case])], leaves[len(size[case]) :]
        off_by_hand, off = (distances(route, exact) for route in routes)
        there = beyond[case]
        assert (distances(exact_by_hand, exact) <= LEFT * difference[case])[there].all()
        assert (off_by_hand <= ABOUT * np.maximum(off, allowed[case]))[there].all()
