"""Complex steps through loops of a known number of iterations and through branches, which stay loops and branches."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import funcnet as fn
from funcnet.derivatives.numerical import complex_step_gradient, with_sides
from tests.gradcheck.examples import Scanned, problem

RANDOM = np.random.default_rng(3)
W, X = RANDOM.normal(size=3), RANDOM.normal(size=(4, 3))


@pytest.fixture(autouse=True)
def _in_float64(x64):
    pass


def recurrent(w, x):
    """The carry begins real, and constants, rows and both kinds of results depend on the arguments."""
    carry, rows = lax.scan(lambda c, row: (jnp.tanh(c * w + row), c * row), jnp.zeros(3), x)
    return jnp.sum(carry**2) + jnp.sum(jnp.sin(rows))


def backwards(w, x):
    """Integers and a key are carried too; rows of float32 that no argument reaches."""

    def iteration(carry, row):
        count, key, c = carry
        x, single = row
        kept = jax.random.bernoulli(jax.random.fold_in(key, count), 0.7, (3,))
        c = jnp.where(kept, c * x + single.astype(c.dtype), jnp.exp(-c)) * (count + 1).astype(c.dtype)
        return (count + 1, key, c), (c, count)

    singles = jnp.arange(4, dtype=jnp.float32)
    carry, (rows, counts) = lax.scan(iteration, (0, jax.random.key(1), w), (x, singles), reverse=True)
    return jnp.sum(carry[2] / 10) + jnp.sum(rows * counts[:, None].astype(rows.dtype))


def without_rows(w, x):
    return jnp.sum(lax.fori_loop(0, 5, lambda i, c: jnp.sin(c) * w + i.astype(c.dtype) / 9, x[0]))


def without_iterations(w, x):
    carry, rows = lax.scan(lambda c, row: (c * row, c), w, x[:0])
    return jnp.sum(carry * w) + jnp.sum(rows)


def branching(w, x):
    """One branch gives what does not depend on the arguments."""
    first = lax.cond(w[0] > 5, lambda w, x: jnp.sum(jnp.cos(w)), lambda w, x: jnp.sum(w * x[1] * x[1]), w, x)
    second = lax.cond(jnp.sum(x) > 1e6, jnp.sum, lambda x: jnp.float64(2.5), x)
    third = lax.switch(jnp.argmax(w), [jnp.sin, jnp.exp, lambda z: z**3], x)
    return first * second + jnp.sum(third)


def nested(w, x):
    """Branches in a loop in a branch, with calls and rules of others around."""

    def iteration(c, row):
        c = lax.cond(row[0] > 0, lambda c: jax.checkpoint(jnp.sin)(c) * w, lambda c: jax.nn.silu(c - row), c)
        return c, lax.fori_loop(0, 2, lambda _, z: z * c, row)

    def loop(x):
        carry, rows = jax.jit(lambda x: lax.scan(iteration, w, x))(x)
        return jnp.sum(carry) + jnp.sum(rows**2)

    return lax.cond(x[0, 0] < 1e3, loop, jnp.sum, x)


FUNCTIONS = recurrent, backwards, without_rows, without_iterations, branching, nested


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_a_derivative_through_loops_and_branches(function):
    found = jax.jit(lambda *leaves: complex_step_gradient(function, leaves))(W, X)
    cost, gradients = jax.jit(jax.value_and_grad(function, (0, 1)))(W, X)
    expected = np.concatenate([np.ravel(each) for each in gradients])
    np.testing.assert_allclose(found.cost, cost, rtol=1e-14)
    np.testing.assert_allclose(found.gradient, expected, rtol=0, atol=1e-14 * np.abs(expected).max())
    assert not found.kinked.any()


def test_edges_in_a_loop_count_as_those_of_its_iterations():
    def iteration(c, row):
        return jnp.maximum(c, 0.0) + row, jnp.abs(c)

    def loop(c, x):
        carry, rows = lax.scan(iteration, c, x)
        return jnp.sum(carry) + jnp.sum(rows**3)

    def one_by_one(c, x):
        rows = []
        for row in x:
            c, result = iteration(c, row)
            rows.append(result)
        return jnp.sum(c) + jnp.sum(jnp.stack(rows) ** 3)

    leaves = jnp.array([0.0, 1.0, -2.0]), jnp.array([[0.0, -1.0, 3.0], [1.0, 0.0, 0.0], [0.0, 2.0, -1.0]])
    found, expected = (complex_step_gradient(each, leaves) for each in (loop, one_by_one))
    assert int(expected.kinks) > 4
    assert int(found.kinks) == int(expected.kinks)
    np.testing.assert_array_equal(found.kinked, expected.kinked)
    assert found.kinked.any()
    assert not found.kinked.all()
    np.testing.assert_allclose(found.gradient, expected.gradient, rtol=1e-15)


def test_edges_of_a_branch_and_within_the_branch_that_is_taken():
    def function(x):
        return lax.cond(x[0] > 0, lambda x: jnp.sum(x * x), lambda x: jnp.sum(jnp.abs(x)), x)

    found = complex_step_gradient(function, [jnp.array([0.0, 0.0, 2.0])])
    assert int(found.kinks) == 1 + 2
    assert found.kinked.tolist() == [True, True, False]
    found = complex_step_gradient(function, [jnp.array([1.0, 0.0, 2.0])])
    assert int(found.kinks) == 0
    assert found.gradient.tolist() == [2, 0, 4]


def test_a_layer_with_a_loop_is_proved_to_rounding():
    network = fn.Sequential(fn.Dense(6), Scanned(), fn.Dense(3))
    report = fn.check_gradients(network, fn.quadratic, *problem(network))
    assert report.ok, str(report)
    assert (report.method, report.notes) == ("complex step", ())
    assert report.worst <= 1e-14


def test_the_jump_of_a_sign_is_an_edge():
    found = complex_step_gradient(lambda x: jnp.sum(x * jnp.sign(x)), [jnp.array([0.0, 0.0, 2.0])])
    assert int(found.kinks) == 2
    assert found.kinked.tolist() == [True, True, False]


def test_the_two_sides_of_a_kink_bound_its_derivative():
    def function(x):
        return jnp.sum(jnp.array([1.0, -1.0, 2.0]) * jnp.maximum(x, 0.0))

    at = [jnp.array([0.0, 0.0, 2.0])]
    found = with_sides(complex_step_gradient(function, at), partial(complex_step_gradient, function, at, None))
    assert found.kinked.tolist() == [True, True, False]
    assert (found.low.tolist(), found.high.tolist()) == ([0, -1, 2], [1, 0, 2])


@pytest.mark.parametrize(
    "relu", [lambda z: jnp.maximum(z, 0), lambda z: jnp.where(z > 0, z, 0.0), lambda z: -jnp.minimum(0, -z)]
)
def test_the_slopes_0_and_1_at_several_kinks_count_as_sides(relu):
    """Σᵢ vᵢ relu(wᵢ x) at 0: the sides' derivatives are 2·3 and −1·−4, the ones by convention 0 and 2·3 + 4."""
    weights, factors = jnp.array([3.0, -1.0]), jnp.array([2.0, -4.0])
    at, function = [jnp.zeros(())], lambda x: jnp.sum(factors * relu(weights * x))
    found = with_sides(complex_step_gradient(function, at), partial(complex_step_gradient, function, at, None))
    assert (found.low.tolist(), found.high.tolist()) == ([0], [10])


@pytest.mark.parametrize(
    ("function", "low", "high"),
    [
        (lambda x: jnp.max(x * jnp.array([1.0, 2.0, 5.0])), 1, 5),
        (lambda x: jnp.sum(jnp.abs(x) + jnp.clip(x, 0, 1)), -1, 2),
    ],
)
def test_the_conventions_of_ties_and_magnitudes_count_as_sides(function, low, high):
    at = [jnp.zeros(())]
    found = with_sides(complex_step_gradient(function, at), partial(complex_step_gradient, function, at, None))
    assert (found.low.tolist(), found.high.tolist()) == ([low], [high])
