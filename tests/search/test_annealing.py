import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import funcnet as fn
from tests.search import problems

acceptance = jax.jit(fn.search.acceptance_probability)


@settings(max_examples=40)
@given(difference=st.floats(-50, 50, width=32), temperature=st.floats(0.0625, 100, width=32))
def test_the_acceptance_probability_is_metropolis(difference, temperature):
    expected = min(1.0, np.exp(min(0.0, -np.float64(difference) / np.float64(temperature))))
    np.testing.assert_allclose(acceptance(jnp.float32(difference), jnp.float32(temperature)), expected, 1e-4, 1e-37)


def test_the_acceptance_probability_at_the_edges():
    infinite, nan = jnp.inf, jnp.nan
    differences = jnp.array([-infinite, -1.0, -0.0, 0.0, 1e-30, 1.0, infinite, nan])
    np.testing.assert_array_equal(acceptance(differences, jnp.float32(0)), [1, 1, 1, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(acceptance(differences, jnp.float32(1))[jnp.array([0, 6, 7])], [1, 0, 0])
    np.testing.assert_array_equal(acceptance(differences, jnp.float32(1e30)), [1, 1, 1, 1, 1, 1, 0, 0])
    assert not np.isnan(acceptance(differences, jnp.float32(1e-38))).any()


@pytest.mark.parametrize(("hill", "temperature"), [(0.5, 1.0), (2.0, 1.0), (1.0, 0.25)])
def test_so_many_steps_uphill_are_accepted(hill, temperature):
    """At cost 0 every proposal has a higher cost: a share exp(−hill/T) of 20000 walks accepts it."""

    def step_up(x):
        return jnp.where(x == 0, 0.0, hill)

    method = fn.annealing(temperature, scale=1.0)
    walks = jax.vmap(lambda key: problems.run(method, step_up, lambda _: jnp.array(0.0), key=key, steps=1))
    ended = walks(jax.random.split(jax.random.key(1), 20000)).state.current.cost
    expected = np.exp(-hill / temperature)
    assert abs(float((ended > 0).mean()) - expected) < 4 * np.sqrt(expected * (1 - expected) / 20000)


def test_what_stays_at_one_temperature_is_boltzmann_distributed():
    """With C = x² and T fixed the walk's density is exp(−x²/T), a normal distribution of variance T/2."""
    method = fn.annealing(0.5, cooling=1.0, scale=1.0)
    walks = jax.vmap(lambda key: problems.run(method, lambda x: x**2, lambda _: jnp.array(0.0), key=key, steps=200))
    x = walks(jax.random.split(jax.random.key(2), 10000)).state.current.params
    np.testing.assert_allclose([x.mean(), x.var(), (x**4).mean()], [0, 0.25, 3 * 0.25**2], atol=0.02)


def test_temperature_and_scale_fall_geometrically():
    method = fn.annealing(3.0, 0.9, scale=2.0, scale_decay=0.8)
    state = problems.run(method, steps=12).state
    np.testing.assert_allclose(state.temperature, 3 * 0.9**12, rtol=1e-6)
    np.testing.assert_allclose(state.scale, 2 * 0.8**12, rtol=1e-6)
    assert (state.cooling, state.scale_decay) == (np.float32(0.9), np.float32(0.8))


def test_at_temperature_zero_the_walk_never_goes_up():
    state = fn.annealing(0.0, scale=0.5).init(problems.valleys, problems.near_one, jax.random.key(0))
    step = jax.jit(lambda state: fn.annealing(0.0).step(problems.valleys, state))
    costs = [state.current.cost]
    for _ in range(50):
        state = step(state)
        costs.append(state.current.cost)
        assert state.best.cost == state.current.cost
    assert (np.diff(costs) <= 0).all()
    assert (np.diff(costs) < 0).any()


def test_the_best_is_the_lowest_of_the_walk_and_not_where_it_ends():
    method = fn.annealing(10.0, cooling=1.0, scale=1.0)
    state = method.init(problems.valleys, problems.near_one, jax.random.key(0))
    step = jax.jit(lambda state: method.step(problems.valleys, state))
    points = [state.current]
    for _ in range(60):
        state = step(state)
        points.append(state.current)
    lowest = min(points, key=lambda point: float(point.cost))
    assert (state.best.cost, state.best.params) == (lowest.cost, lowest.params)
    assert state.current.cost > state.best.cost
    np.testing.assert_allclose(state.best.cost, problems.valleys(state.best.params), rtol=1e-6)


def test_as_many_numbers_move_as_the_rate_says_and_so_far():
    moved = []
    for rate in (0.0, 0.3, 1.0):
        method = fn.annealing(1.0, scale=0.5, move_rate=rate)
        result = problems.run(method, lambda x: 0.0 * x.sum(), lambda _: jnp.zeros(20000), steps=1)
        steps = np.asarray(result.state.current.params)
        moved.append((steps != 0).mean())
        if rate:
            np.testing.assert_allclose(steps[steps != 0].std(), 0.5, rtol=0.04)
    np.testing.assert_allclose(moved, [0, 0.3, 1], atol=0.015)


def test_annealing_leaves_a_valley_that_a_descent_stays_in():
    keys = jax.random.split(jax.random.key(3), 50)
    walks = jax.vmap(lambda key: problems.run(fn.annealing(1.0, 0.98, scale=0.5), key=key, steps=200))(keys)
    descents = jax.vmap(lambda key: problems.run(fn.restarts(fn.sgd(0.05), starts=1), key=key, steps=200))(keys)
    assert (walks.params < 0).mean() > 0.8
    assert (descents.params > 0).all()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"temperature": -1.0}, "temperature to be finite and at least 0, got -1.0"),
        ({"temperature": float("inf")}, "temperature to be finite and at least 0, got inf"),
        ({"temperature": 1.0, "cooling": 0.0}, r"cooling in \(0, 1\], got 0.0"),
        ({"temperature": 1.0, "cooling": 1.1}, r"cooling in \(0, 1\], got 1.1"),
        ({"temperature": 1.0, "scale": 0.0}, "scale to be finite and above 0, got 0.0"),
        ({"temperature": 1.0, "scale_decay": 2.0}, r"scale_decay in \(0, 1\], got 2.0"),
        ({"temperature": 1.0, "move_rate": 1.5}, r"move_rate in \[0, 1\], got 1.5"),
        ({"temperature": float("nan")}, "temperature to be finite and at least 0, got nan"),
    ],
)
def test_wrong_settings_are_named(settings, expected):
    with pytest.raises(ValueError, match=f"^annealing: expected {expected}$"):
        fn.annealing(**settings)


def test_settings_that_are_no_numbers_are_named():
    with pytest.raises(TypeError, match=r"^annealing: expected temperature to be a real number, got 'hot'$"):
        fn.annealing("hot")
    with pytest.raises(TypeError, match=r"^annealing: expected temperature to be a real number, got a function$"):
        fn.annealing(lambda step: 1.0)
