import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funcnet as fn
from tests.search import problems


@pytest.mark.parametrize("make", [fn.sgd, fn.adam, fn.momentum])
def test_every_start_is_a_descent_of_its_own(make):
    """Equal to a loop over the starts, each with its own optimizer state."""
    optimizer = make(0.05)
    method = fn.restarts(optimizer, starts=3)
    state = method.init(problems.cost, problems.start, jax.random.key(0))
    ended = problems.run(method, problems.cost, problems.start, steps=4).state
    for index in range(3):
        params = jax.tree.map(lambda leaf, index=index: leaf[index], state.current.params)
        optimizer_state = optimizer.init(params)
        for _ in range(4):
            gradients = jax.grad(problems.cost)(params)
            updates, optimizer_state = optimizer.update(gradients, optimizer_state, params)
            params = fn.apply_updates(params, updates)
        reached = jax.tree.map(lambda leaf, index=index: leaf[index], ended.current.params)
        chex.assert_trees_all_close(reached, params, rtol=2e-5)
        np.testing.assert_allclose(ended.current.cost[index], problems.cost(params), rtol=2e-5)


@pytest.mark.usefixtures("standard_promotion")
def test_an_optax_optimizer_goes_the_same_way():
    ours, theirs = (
        problems.run(fn.restarts(optimizer, starts=3), problems.cost, problems.start)
        for optimizer in (fn.sgd(0.05), optax.sgd(0.05))
    )
    chex.assert_trees_all_close(ours.params, theirs.params, rtol=1e-5)
    assert problems.run(fn.restarts(optax.adam(0.1), starts=2)).cost < 1


def test_the_best_of_all_starts_and_steps_is_kept():
    """With a rate so large that the descent oscillates, the best point is not the last one."""
    method = fn.restarts(fn.sgd(0.9), starts=4)
    state = method.init(problems.valleys, problems.near_one, jax.random.key(1))
    seen = [np.asarray(state.current.cost)]
    for _ in range(15):
        state = method.step(problems.valleys, state)
        seen.append(np.asarray(state.current.cost))
    assert state.best.cost == np.min(seen)
    assert state.best.cost < seen[-1].min()
    np.testing.assert_allclose(problems.valleys(state.best.params), state.best.cost, rtol=1e-5)


def test_a_start_that_is_lost_does_not_hinder_the_others():
    """From x > 1 the rate is too large for x⁴ and the cost overflows; from near 0 it is not."""

    def start(key):
        return jnp.where(jax.random.bernoulli(key), 30.0, 0.1)

    result = problems.run(fn.restarts(fn.sgd(0.1), starts=16), lambda x: x**4, start, steps=30)
    assert np.isinf(result.state.current.cost).any()
    assert np.isfinite(result.state.current.cost).any()
    assert result.cost < 1e-4
    assert result.reason == "completed"


def test_more_starts_find_more():
    """The success rate is near 1 − (1 − p)ⁿ, and the first starts do not depend on their number."""

    def start(key):
        return jax.random.uniform(key, minval=-0.5, maxval=2.0)  # left of the hill at 0.075 with p = 0.23

    keys = jax.random.split(jax.random.key(0), 300)
    found = {
        n: float(
            (jax.vmap(lambda key, n=n: problems.run(fn.restarts(fn.sgd(0.05), n), at=start, key=key, steps=60))(keys)
             .params < 0).mean()
        )
        for n in (1, 4)
    }  # fmt: skip
    assert found[1] == pytest.approx(0.23, abs=0.08)
    assert found[4] == pytest.approx(1 - (1 - 0.23) ** 4, abs=0.1)
    few, many = (fn.restarts(fn.sgd(0.1), n).init(problems.valleys, start, keys[0]) for n in (2, 5))
    np.testing.assert_array_equal(few.current.params, many.current.params[:2])


def test_wrong_settings_are_named():
    with pytest.raises(TypeError, match=r"^restarts: expected optimizer to have init and update, as fn.adam\(0.001\)"):
        fn.restarts(fn.adam)
    with pytest.raises(ValueError, match=r"^restarts: expected starts to be an integer of at least 1, got 0$"):
        fn.restarts(fn.sgd(0.1), starts=0)
