"""More than a thousand generated networks, on which the hand-written gradients and the automatic ones agree.

Every activation meets every loss. Networks differ in depth (1 to 6), widths (1 to 64), batch (1 to 128), scale of the
weights (0.1 to 10), penalty, weights of the samples and dropout. Those of one structure are the cases of one compiled
program. No two operations become one fused multiply-add, which rounds once for twice: both routes see the same values,
and the equations are compared, not the compiler's choices.

In ordinary cases the two routes differ by at most 1e-14 (float64) or 2e-6 (float32) of each leaf's largest element.
Where the terms of a gradient cancel, no two orders of its operations agree to the last digits of what is left. There
both routes are evaluated in extended precision, which tells rounding from a mistake.
"""

import functools
import itertools
import random
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from tests import registry
from tests.changed_bits import rounding_of
from tests.extended import IS_LONGER, LONG, extended
from tests.registry import JUMP

SCALES = np.repeat([0.1, 0.3, 1.0, 3.0, 10.0], 6)  # of the weights, in each case
ORDINARY = 15  # a case of scale 1, in which nothing is lost that extended precision would have to find
NO_FMA = {"xla_cpu_max_isa": "SSE4_2", "xla_backend_optimization_level": 0}  # those instructions came later
PENALTIES = [None, None, fn.l2(0.01), fn.l1(0.01), fn.l1(0.01) + fn.l2(0.01)]
HIDDEN = [*{type(each): each for each in registry.ACTIVATIONS}.values(), fn.PReLU(0.3)]  # one of a kind
OUTPUTS = [2, 5, 10]  # a few, since the targets of each are a program of their own
DEPTHS = [(1, 5, 5, 6), (2, 4, 5, 6), (3, 3, 5, 6)]  # with one hidden activation less each: all of them once
TOLERANCE = {"float64": 1e-14, "float32": 2e-6}
UNDERFLOW = 1000  # times the smallest normal number: what either route may lose below it


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

    def gradient(self, route, params, x, y, weights):
        keywords = {"key": jax.random.key(3), "weights": weights, "penalty": self.penalty}
        return jax.tree.leaves(route(self.network, self.case.loss)(params, x, y, **keywords)[1])

    def by_hand(self, *problem):
        return self.gradient(fn.backprop, *problem)

    def automatic(self, *problem):
        return self.gradient(fn.autodiff, *problem)

    def both(self, *problem):
        return self.by_hand(*problem), self.automatic(*problem)

    def both_of_all(self, *problems):
        return jax.lax.map(lambda problem: self.both(*problem), problems)

    def leaves_behind_jumps(self):
        """Return how many leaves have the gradient 0 because a jump follows them."""
        layers = self.network.layers
        last_jump = max((place for place, layer in enumerate(layers) if layer in JUMP), default=0)
        return 2 * sum(isinstance(layer, fn.Dense) for layer in layers[:last_jump])


LOSSES = list({type(case.loss): case for case in reversed(registry.LOSSES)}.values())[::-1]  # one of each class


def structures():
    draw = random.Random(0)
    for case, depths in zip(LOSSES, itertools.cycle(DEPTHS), strict=False):
        left = draw.sample(HIDDEN, len(HIDDEN))
        for depth in depths:
            # A jump has no derivative but 0: after another activation nothing would be left of that one's.
            yield Structure(draw, case, sorted((left.pop() for _ in range(depth - 1)), key=lambda a: a not in JUMP))


STRUCTURES = list(structures())


@functools.cache
def targets(case, outputs):
    """Return targets of all cases, for the largest batch, in float64: (cases, 128, outputs)."""
    return np.asarray(case.target(jax.random.key(2), (SCALES.size, 128, outputs), jnp.float64), np.float64)


class Compared(NamedTuple):
    """The gradients of all cases of a structure by both routes. Leaves of gradients have the cases as leading axis."""

    structure: Structure
    problems: Any  # the arguments of the routes
    by_hand: list[np.ndarray]
    automatic: list[np.ndarray]
    size: np.ndarray  # (cases, leaves): the largest element of the automatic gradient
    difference: np.ndarray  # (cases, leaves): the largest difference of the two routes
    allowed: np.ndarray  # (cases, leaves): how large it may be in an ordinary case

    @property
    def cancelling(self):
        """The cases in which some leaf differs by more than is allowed."""
        return np.flatnonzero((self.difference > self.allowed).any(axis=1))

    def of(self, case):
        """Return (problem, gradient by hand, automatic gradient) of one case."""
        return jax.tree.map(lambda leaves: leaves[case], (self.problems, self.by_hand, self.automatic))


@pytest.fixture(scope="module")
def compared(request):
    """The gradients of a structure by both routes, compiled once for the tests of this module."""
    structure, dtype = request.param
    with jax.enable_x64(True):
        problems = structure.problems(dtype)
        both = jax.jit(structure.both_of_all, compiler_options=NO_FMA)(*problems)
        by_hand, automatic = jax.tree.map(np.asarray, both)
        size, difference = largest(automatic), largest([a - b for a, b in zip(by_hand, automatic, strict=True)])
        allowed = TOLERANCE[dtype] * size + UNDERFLOW * np.finfo(dtype).tiny
        yield Compared(structure, problems, by_hand, automatic, size, difference, allowed)


def largest(leaves):
    """Return the largest magnitude in each leaf of each case: (cases, leaves)."""
    return np.stack([np.abs(leaf).reshape(len(leaf), -1).max(axis=1) for leaf in leaves], axis=1)


def distances(leaves, exact):
    """Return the largest magnitude of leaf − exact in each leaf of one case: (leaves,)."""
    return np.array([np.abs(np.asarray(a, LONG) - b).max() for a, b in zip(leaves, exact, strict=True)])


# All in float64, and every fifth one, of every depth, in float32 too: the equations are the same.
CASES = [(each, dtype) for place, each in enumerate(STRUCTURES) for dtype in list(TOLERANCE)[: 1 + (place % 5 == 0)]]
each = pytest.mark.parametrize("compared", CASES, ids=["-".join(map(str, case)) for case in CASES], indirect=True)


def test_there_are_more_than_a_thousand_cases_and_every_activation_meets_every_loss():
    assert len(STRUCTURES) * SCALES.size >= 1000
    for case in LOSSES:
        met = {layer for structure in STRUCTURES if structure.case is case for layer in structure.network.layers}
        assert met >= set(HIDDEN)


@each
def test_in_ordinary_cases_by_hand_agrees_with_automatic(compared):
    assert np.isfinite(compared.difference).all()
    assert (compared.size[:, compared.structure.leaves_behind_jumps() :].max(axis=0) > 0).all()  # or all would be 0
    assert len(compared.cancelling) <= SCALES.size / 2  # 9 of 30 on one processor where there were 6 on another


@each
@pytest.mark.skipif(not IS_LONGER, reason="this machine's NumPy has no extended precision")
def test_where_terms_cancel_extended_precision_decides(compared):
    """At least half of a difference vanishes, and by hand is at most 4 times as far from the exact value.

    As far as the automatic gradient, or as changed last bits on the way move the one by hand.
    """
    if compared.automatic[0].dtype == np.float64:
        assert_is_exact_where_nothing_cancels(compared)
    for case in compared.cancelling:
        problem, by_hand, automatic = compared.of(case)
        exact_by_hand = extended(compared.structure.by_hand, *problem)
        exact = extended(compared.structure.automatic, *problem)
        difference, allowed = compared.difference[case], compared.allowed[case]
        beyond = difference > allowed
        assert (distances(exact_by_hand, exact) <= 0.5 * difference)[beyond].all()
        far = beyond & (distances(by_hand, exact) > 4 * np.maximum(distances(automatic, exact), allowed))
        if far.any():  # the automatic gradient may be nearer by chance than its last bits let expect
            moved = np.array(rounding_of(compared.structure.by_hand, *problem))
            assert (distances(by_hand, exact) <= 4 * moved)[far].all()


def assert_is_exact_where_nothing_cancels(compared):
    """Extended precision must say what float64 says in an ordinary case, or it could decide nothing."""
    problem, _, automatic = compared.of(ORDINARY)
    exact = extended(compared.structure.automatic, *problem)
    np.testing.assert_array_less(distances(automatic, exact), [1e-9 * np.abs(leaf).max() + 1e-300 for leaf in exact])
