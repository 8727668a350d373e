"""How far last bits move a result: what rounds moves, what is exact does not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet.derivatives.rounding import Shaken
from tests.changed_bits import EPSILON, rounding_of
from tests.gradcheck.examples import problem


class Scaled(fn.Loss):
    """A loss whose hand-written gradient is multiplied by a factor."""

    loss: fn.Loss
    factor: float

    def value(self, output, target):
        return self.loss.value(output, target)

    def gradient(self, output, target):
        return self.factor * self.loss.gradient(output, target)


@pytest.mark.parametrize(
    "exact",
    [jnp.max, jnp.sort, jnp.transpose, jnp.negative, jnp.abs, lambda x: jnp.where(x == jnp.max(x), x, 0)],
    ids=["max", "sort", "transpose", "negative", "abs", "select"],
)
def test_operations_that_round_nothing_move_nothing(exact, x64):
    assert rounding_of(exact, np.random.default_rng(0).normal(size=(4, 3))) == [0.0]


def test_a_sum_moves_by_the_last_bits_of_its_terms_not_of_what_is_left(x64):
    terms = np.array([1e8, 1.0, -1e8, -1.0])
    (moves,) = rounding_of(jnp.sum, terms)
    assert moves == EPSILON * np.abs(terms).sum()
    (moves,) = rounding_of(jnp.dot, terms, np.ones(4))
    assert moves == EPSILON * np.abs(terms).sum()


def test_it_is_measured_in_the_dtype_that_is_computed_in():
    (moves,) = rounding_of(jnp.exp, np.ones(100, np.float32))
    assert moves in (2.0**-22, 2 * 2.0**-22)  # e = 2.718… is moved by itself times 2⁻²³, in steps of 2⁻²²


def test_a_program_of_two_dtypes_is_measured_in_both():
    factors = np.array([1 / 3, 1 / 7])

    def function(x):
        return [x * jnp.asarray(factors).astype(x.dtype)]

    with jax.enable_x64(True):
        kept = jax.make_jaxpr(function)(np.ones(2))  # JAX keeps the array in float64 with it
    x = np.full(2, 1.5, np.float32)
    (moves,) = Shaken(function, x).moves(x)
    assert kept.in_avals[0].dtype == np.float64
    assert ((moves > 0) & (moves < 2.0**-21)).all()


def test_what_is_below_the_smallest_normal_number_may_be_flushed():
    tiny = np.float32(2.0**-130)
    (moves,) = rounding_of(lambda x: x * jnp.float32(0.5) * jnp.float32(2.0**126), np.full(20, tiny))
    assert moves in (0.0, 2.0**-5)  # 0 on a processor that flushes by itself
    (moves,) = rounding_of(lambda x: x * jnp.float32(0.5), np.full(20, 1.0, np.float32))
    assert moves == 2.0**-24


@pytest.mark.parametrize("scale", [1.0, 300.0])
@pytest.mark.parametrize(
    ("loss", "output"),
    [(fn.softmax_cross_entropy, fn.linear), (fn.kl_divergence, fn.softmax), (fn.sigmoid_cross_entropy, fn.linear)],
    ids=repr,
)
def test_a_wrong_factor_is_a_mismatch_however_saturated_the_output(loss, output, scale):
    network = fn.Sequential(fn.Dense(5), fn.sigmoid, fn.Dense(3), output)
    params, x, _ = problem(network)
    params = jax.tree.map(lambda leaf: scale * leaf, params)
    y = np.eye(3)[[0, 1, 2, 0, 1]]
    assert fn.check_gradients(network, Scaled(loss, 1.0), params, x, y).ok
    report = fn.check_gradients(network, Scaled(loss, 1 + 1e-9), params, x, y)
    assert [row.verdict for row in report.rows if row.layer.startswith("Dense(3)")] == ["MISMATCH"] * 2
