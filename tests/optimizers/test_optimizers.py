import inspect

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funcnet as fn
from tests import oracles

CASES = {
    "sgd": (fn.sgd, oracles.sgd, {"learning_rate": 0.01}),
    "momentum": (fn.momentum, oracles.momentum, {"learning_rate": 0.01, "momentum": 0.9}),
    "rmsprop": (fn.rmsprop, oracles.rmsprop, {"learning_rate": 0.01, "decay": 0.9, "epsilon": 1e-7}),
    "adam": (fn.adam, oracles.adam, {"learning_rate": 0.01, "decay1": 0.9, "decay2": 0.999, "epsilon": 1e-7}),
}
every_optimizer = pytest.mark.parametrize(("make", "oracle", "settings"), CASES.values(), ids=CASES)


def run(optimizer, params, gradient, steps):
    """Return the parameters after that many compiled steps; ``gradient(params, t)`` with t from 1."""

    def body(t, carry):
        params, state = carry
        updates, state = optimizer.update(gradient(params, t + 1), state, params)
        return fn.apply_updates(params, updates), state

    return jax.jit(lambda p: jax.lax.fori_loop(0, steps, body, (p, optimizer.init(p))))(params)


@every_optimizer
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e3])
def test_a_thousand_steps_follow_the_recurrence_in_numpy(make, oracle, settings, scale, x64):
    theta = np.linspace(-2, 2, 7)

    def gradient(theta, t, sin):
        return scale * (theta + sin(0.1 * t + theta))

    expected = oracle(
        theta, lambda theta, t: gradient(theta, t, np.sin), 1000, **{**settings, "learning_rate": 1e-3 / max(scale, 1)}
    )
    optimizer = make(**{**settings, "learning_rate": 1e-3 / max(scale, 1)})
    actual, _ = run(optimizer, jnp.asarray(theta), lambda p, t: gradient(p, t, jnp.sin), 1000)
    assert np.abs(actual - expected).max() <= 1e-13 * np.abs(expected).max()
    assert np.abs(expected - theta).max() > 1e-7  # it moved


@every_optimizer
def test_the_state_keeps_its_structure_and_dtypes(make, oracle, settings):
    params = {"w": jnp.ones((3, 2), jnp.bfloat16), "b": (jnp.ones(3), ())}
    optimizer = make(**settings)
    state = optimizer.init(params)
    updates, next_state = optimizer.update(params, state, params)
    chex.assert_trees_all_equal_shapes_and_dtypes(state, next_state)
    chex.assert_trees_all_equal_shapes_and_dtypes(updates, params)
    chex.assert_trees_all_equal_shapes_and_dtypes(fn.apply_updates(params, updates), params)
    floats = [leaf.dtype for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    assert set(floats) == {np.dtype(np.float32)}
    assert int(next_state.step) == 1


@every_optimizer
def test_eager_and_compiled_are_the_same(make, oracle, settings):
    optimizer, params = make(**settings), {"w": jnp.linspace(-1, 1, 6).reshape(2, 3)}
    state = optimizer.init(params)
    for step in (optimizer.update, jax.jit(optimizer.update)):
        updates, next_state = step(params, state, params)
        updates, _ = step(params, next_state, params)
        if step is optimizer.update:
            expected = updates
    chex.assert_trees_all_close(updates, expected, rtol=1e-5)


@every_optimizer
def test_another_learning_rate_compiles_nothing(make, oracle, settings):
    update = jax.jit(chex.assert_max_traces(make(**settings).update, n=1))
    params = jnp.ones(3)
    slow = update(params, make(**{**settings, "learning_rate": 0.001}).init(params), params)[0]
    fast = update(params, make(**{**settings, "learning_rate": 0.1}).init(params), params)[0]
    np.testing.assert_allclose(fast, 100 * slow, rtol=1e-5)


@every_optimizer
def test_update_is_one_plain_function(make, oracle, settings):
    assert make(**settings).update is make(**{**settings, "learning_rate": 0.5}).update
    assert inspect.isfunction(make(**settings).update)


@every_optimizer
def test_a_sweep_of_rates_is_a_vmap(make, oracle, settings):
    rates, params = jnp.array([0.001, 0.01, 0.1]), jnp.ones(4)

    def after_one_step(rate):
        optimizer = make(**{**settings, "learning_rate": rate})
        return fn.apply_updates(params, optimizer.update(params, optimizer.init(params), params)[0])

    swept = jax.vmap(after_one_step)(rates)
    for rate, theta in zip(rates, swept, strict=True):
        np.testing.assert_allclose(theta, after_one_step(float(rate)), rtol=1e-6)


@every_optimizer
def test_the_learning_rate_may_be_a_schedule(make, oracle, settings):
    halved = jax.tree_util.Partial(lambda start, step: start / (1 + step.astype(jnp.float32)), jnp.float32(0.01))
    optimizer, params = make(**{**settings, "learning_rate": halved}), jnp.ones(3)
    state = optimizer.init(params)
    first, state = jax.jit(optimizer.update)(params, state, params)
    constant = make(**settings)
    np.testing.assert_allclose(first, constant.update(params, constant.init(params), params)[0], rtol=1e-6)
    second, _ = optimizer.update(params, state, params)
    slower = make(**{**settings, "learning_rate": 0.005})
    expected, _ = slower.update(params, state._replace(learning_rate=jnp.float32(0.005)), params)
    np.testing.assert_allclose(second, expected, rtol=1e-6)


@every_optimizer
def test_optimizers_are_values_that_print_as_their_call(make, oracle, settings):
    assert make(**settings) == make(**settings)
    assert hash(make(**settings)) == hash(make(**settings))
    assert make(**settings) != make(**{**settings, "learning_rate": 0.5})
    assert eval(repr(make(**settings)), vars(fn)) == make(**settings)


@every_optimizer
def test_no_two_leaves_of_a_state_share_a_buffer(make, oracle, settings):
    state = make(**settings).init({"a": jnp.ones(3), "b": jnp.ones(3)})
    pointers = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(state)]
    assert len(set(pointers)) == len(pointers)


@every_optimizer
def test_networks_without_parameters_are_no_special_case(make, oracle, settings):
    optimizer = make(**settings)
    updates, state = optimizer.update(((), ()), optimizer.init(((), ())), ((), ()))
    assert updates == ((), ())
    assert int(state.step) == 1


def test_with_constant_gradient_the_speed_of_momentum_tends_to_its_limit(x64):
    g, rate, alpha = np.array([3.0, -0.5]), 0.01, 0.9
    optimizer = fn.momentum(rate, alpha)
    _, state = run(optimizer, jnp.zeros(2), lambda p, t: jnp.asarray(g), 1000)
    np.testing.assert_allclose(state.velocity, -rate * g / (1 - alpha), rtol=1e-13)


def test_adam_corrects_its_bias_by_powers(x64):
    optimizer, g = fn.adam(0.001, epsilon=1e-12), jnp.array([5.0])
    params, state = jnp.zeros(1), optimizer.init(jnp.zeros(1))
    for _ in range(5):  # with a constant gradient every corrected step is the rate itself
        updates, state = optimizer.update(g, state, params)
        np.testing.assert_allclose(updates, [-0.001], rtol=1e-9)


def test_funcnet_and_optax_agree_where_their_rules_do(x64, standard_promotion):
    params, g = jnp.linspace(-1, 1, 5), lambda p, t: p + 0.1 * jnp.sin(1.0 * t)
    pairs = [
        (fn.sgd(0.1), optax.sgd(0.1)),
        (fn.momentum(0.1, 0.9), optax.sgd(0.1, momentum=0.9)),
        (fn.adam(0.01, 0.9, 0.999, 1e-8), optax.adam(0.01, b1=0.9, b2=0.999, eps=1e-8)),
        (fn.rmsprop(0.01, 0.9, 1e-8), optax.rmsprop(0.01, decay=0.9, eps=1e-8, eps_in_sqrt=False)),
    ]
    for ours, theirs in pairs:
        np.testing.assert_allclose(run(ours, params, g, 50)[0], run(theirs, params, g, 50)[0], rtol=1e-11)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fn.sgd(-0.1), r"sgd: expected learning_rate to be finite and at least 0, got -0\.1"),
        (lambda: fn.sgd(float("nan")), "sgd: expected learning_rate to be finite and at least 0, got nan"),
        (lambda: fn.momentum(0.1, 1.0), r"momentum: expected momentum in \[0, 1\), got 1\.0"),
        (lambda: fn.rmsprop(0.1, decay=1.5), r"rmsprop: expected decay in \[0, 1\), got 1\.5"),
        (lambda: fn.adam(0.1, decay1=-0.5), r"adam: expected decay1 in \[0, 1\), got -0\.5"),
        (lambda: fn.adam(0.1, decay2=1.0), r"adam: expected decay2 in \[0, 1\), got 1\.0"),
        (lambda: fn.adam(0.1, epsilon=0.0), r"adam: expected epsilon to be finite and above 0, got 0\.0"),
    ],
)
def test_wrong_hyperparameters_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_hyperparameters_that_are_no_numbers_are_named():
    with pytest.raises(TypeError, match=r"sgd: expected learning_rate to be a number .* got 'fast'"):
        fn.sgd("fast")
