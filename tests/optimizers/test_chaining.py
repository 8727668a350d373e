import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funcnet as fn
from funcnet import optimizers
from funcnet.optimizers import schedules
from tests.optimizers.steps import run


def clipped_adamw(max_norm=1.0, rate=0.1):
    return optimizers.chain(optimizers.clip_by_global_norm(max_norm), optimizers.adamw(rate))


def test_a_chain_hands_on_what_each_member_returns():
    optimizer, params = optimizers.chain(optimizers.clip_by_value(1.0), optimizers.sgd(0.1)), jnp.zeros(3)
    updates, state = optimizer.update(jnp.array([5.0, 0.5, -5.0]), optimizer.init(params), params)
    np.testing.assert_allclose(updates, [-0.1, -0.05, 0.1], rtol=1e-6)
    assert [type(member).__name__ for member in state] == ["ClipByValueState", "SGDState"]
    assert int(state[1].step) == 1
    reverse = optimizers.chain(optimizers.sgd(0.1), optimizers.clip_by_value(1.0))
    updates, _ = reverse.update(jnp.array([5.0, 0.5, -50.0]), reverse.init(params), params)
    np.testing.assert_allclose(updates, [-0.5, -0.05, 1.0], rtol=1e-6)


def test_a_chain_of_one_is_that_one(x64):
    params, g = jnp.linspace(-1, 1, 5), lambda p, t: p + 0.1 * jnp.sin(1.0 * t)
    one, _ = run(optimizers.adam(0.01), params, g, 50)
    chained, _ = run(optimizers.chain(optimizers.chain(optimizers.adam(0.01))), params, g, 50)
    np.testing.assert_array_equal(chained, one)


def test_a_chain_is_another_for_other_numbers_and_its_update_only_for_other_members():
    chain, other = clipped_adamw(), clipped_adamw(rate=0.2)
    assert chain != other
    assert chain.update == other.update
    assert hash(chain.update) == hash(other.update)
    assert chain.update != optimizers.chain(optimizers.adamw()).update


def test_a_sweep_of_thresholds_is_a_vmap():
    @jax.jit
    def first_step(max_norm):
        chain, params = clipped_adamw(max_norm), jnp.ones(4)
        return chain.update(params, chain.init(params), params)[0]

    swept = jax.vmap(first_step)(jnp.array([0.1, 1.0, 10.0]))
    for threshold, updates in zip([0.1, 1.0, 10.0], swept, strict=True):
        np.testing.assert_allclose(updates, first_step(threshold), rtol=1e-5)


def test_pairs_of_optax_may_stand_in_a_chain_and_chains_in_one_of_optax(x64, standard_promotion):
    params, g = jnp.linspace(-1, 1, 5), lambda p, t: 3.0 * p + jnp.sin(1.0 * t)
    theirs, _ = run(
        optax.chain(optax.clip_by_global_norm(0.5), optax.adamw(0.01, eps=1e-7, weight_decay=0.01)), params, g, 50
    )
    for chain in (
        optimizers.chain(optimizers.clip_by_global_norm(0.5), optimizers.adamw(0.01)),
        optimizers.chain(optax.clip_by_global_norm(0.5), optimizers.adamw(0.01)),
        optax.chain(optimizers.clip_by_global_norm(0.5), optimizers.adamw(0.01)),
    ):
        np.testing.assert_allclose(run(chain, params, g, 50)[0], theirs, rtol=1e-11)


def test_a_chain_with_a_schedule_trains_a_network():
    x = jax.random.normal(jax.random.key(0), (32, 3))
    y = x @ jnp.array([[1.0], [-2.0], [0.5]])
    chain = optimizers.chain(
        optimizers.clip_by_global_norm(1.0), optimizers.nesterov(schedules.warmup_cosine(0.1, 10, 120))
    )
    result = fn.fit(fn.mlp([3, 1]), fn.quadratic, chain, (x, y), key=jax.random.key(1), epochs=120, batch_size=None)
    assert result.history["loss"][-1] < 1e-6
    _, momentum_state = result.state.optimizer_state
    assert int(momentum_state.step) == 120


def test_chains_of_what_is_no_pair_are_named():
    with pytest.raises(ValueError, match="chain: expected at least one optimizer, got none"):
        optimizers.chain()
    expected = r"chain: expected optimizer 1 to have init and update, as fn\.adam\(0\.001\) has, got a function"
    with pytest.raises(TypeError, match=expected):
        optimizers.chain(optimizers.sgd(0.1), optimizers.adam)


def test_a_chain_of_two_optimizers_is_refused():
    inner = optimizers.chain(optimizers.clip_by_value(1.0), optimizers.sgd(0.1))
    for second in (optimizers.sgd(0.1), inner):
        with pytest.raises(ValueError, match=r"^chain: expected at most one optimizer, got adam\(.*\) and sgd\(.*\)$"):
            optimizers.chain(optimizers.adam(), second)
    assert optimizers.chain(optax.clip(1.0), inner).init.descends
    assert optimizers.chain(optax.clip(1.0), optimizers.clip_by_value(1.0)).init.descends  # optax's may be an optimizer
    assert not optimizers.chain(optimizers.chain(optimizers.clip_by_value(1.0))).init.descends
