"""Every optimizer beside the same recurrence in NumPy float64, written by itself and literally."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import funcnet as fn
from funcnet import optimizers
from tests import oracles, registry
from tests.optimizers import lion
from tests.optimizers.steps import run, walk

# The gradient of ½ scale ‖θ − cₜ‖², with another centre at each step: it is exact but for its own two roundings.
CENTRES = np.random.default_rng(0).normal(size=(1001, 7))
every_optimizer = pytest.mark.parametrize("case", registry.OPTIMIZERS, ids=repr)


def theta_of(case, params, state):
    return optimizers.without_lookahead(params, state) if case.looks_ahead else params


@every_optimizer
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e3])
def test_a_thousand_steps_follow_the_recurrence_in_numpy(case, scale, x64):
    rate = case.settings["learning_rate"] / (scale if case.follows_scale else 1)
    settings, start, centres = {**case.settings, "learning_rate": rate}, np.linspace(-2, 2, 7), jnp.asarray(CENTRES)
    optimizer = case.make(**settings)
    compiled = jax.jit(
        lambda p, steps: walk(optimizer.update, optimizer.init(p), p, lambda p, t: scale * (p - centres[t]), steps)
    )
    for steps in (1, 10, 100, 1000):
        expected = case.oracle(start, lambda theta, t: scale * (theta - CENTRES[t]), steps, **settings)
        actual = theta_of(case, *compiled(jnp.asarray(start), steps))
        assert np.abs(actual - expected).max() <= 1e-14 * np.abs(expected).max()
    assert np.abs(expected - start).max() > 0.3  # it moved


@pytest.mark.parametrize("case", [*registry.PAIRS, lion.CASE], ids=repr)
def test_every_pair_follows_its_recurrence_in_numpy(case, x64):
    """Centres within a short and a long way of θ, so that some gradients are above a threshold and some are below."""
    start, centres = np.linspace(-0.1, 0.1, 7), CENTRES * np.resize([0.1, 1.0], (1001, 1))
    expected = case.oracle(start, lambda theta, t: np.tanh(theta) - centres[t], 50)
    compiled = run(case.pair, jnp.asarray(start), lambda p, t: jnp.tanh(p) - jnp.asarray(centres)[t], 50)
    assert np.abs(theta_of(case, *compiled) - expected).max() <= 1e-13 * np.abs(expected).max()
    assert np.abs(expected - start).max() > 0.01  # it moved


def oracle_gradient(shapes, x, y):
    """Return the gradient of a sigmoid network in one vector of its weights and biases, by plain loops."""

    def gradient(theta, t):
        arrays, start = [], 0
        for shape in shapes:
            size = int(np.prod(shape))
            arrays.append(theta[start : start + size].reshape(shape))
            start += size
        _, weights, biases = oracles.index_form_backprop(arrays[::2], arrays[1::2], x, y)
        return np.concatenate([g.ravel() for pair in zip(weights, biases, strict=True) for g in pair])

    return gradient


@every_optimizer
def test_training_in_float32_stays_with_the_oracle_in_float64(case):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, 3)).astype(np.float32), rng.uniform(size=(6, 2)).astype(np.float32)
    network, optimizer = fn.mlp([3, 4, 2], hidden=fn.sigmoid, output=fn.sigmoid), case.make(**case.settings)
    state = fn.init_state(network, optimizer, jax.random.key(0), (3,))
    leaves = jax.tree.leaves(state.params)
    start = np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in leaves])
    gradient = oracle_gradient([leaf.shape for leaf in leaves], x.astype(np.float64), y.astype(np.float64))
    expected = case.oracle(start, gradient, 100, **case.settings)

    step = fn.train_step(network, fn.quadratic, optimizer)
    for _ in range(100):
        state, _ = step(state, (jnp.asarray(x), jnp.asarray(y)))
    theta = theta_of(case, state.params, state.optimizer_state)
    actual = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(theta)])
    assert actual.dtype == np.float32
    assert np.abs(actual - expected).max() <= 1e-5 * np.abs(expected).max()
    assert np.abs(expected - start).max() > 0.01  # it moved


def test_with_constant_gradient_the_speed_of_momentum_tends_to_its_limit(x64):
    g, rate, alpha = np.array([3.0, -0.5]), 0.01, 0.9
    for make in (optimizers.momentum, optimizers.nesterov):
        _, state = run(make(rate, alpha), jnp.zeros(2), lambda p, t: jnp.asarray(g), 1000)
        np.testing.assert_allclose(state.velocity, -rate * g / (1 - alpha), rtol=1e-13)


def test_adam_corrects_its_bias_by_powers(x64):
    optimizer, g = optimizers.adam(0.001, epsilon=1e-12), jnp.array([5.0])
    params, state = jnp.zeros(1), optimizer.init(jnp.zeros(1))
    for _ in range(5):  # with a constant gradient every corrected step is the rate itself
        updates, state = optimizer.update(g, state, params)
        np.testing.assert_allclose(updates, [-0.001], rtol=1e-9)


def test_adamw_without_decay_is_adam_and_its_decay_is_not_a_penalty(x64):
    start, g = jnp.linspace(-1, 1, 5), lambda p, t: jnp.sin(p + 1.0 * t)
    adam, _ = run(optimizers.adam(0.01), start, g, 100)
    plain, _ = run(optimizers.adamw(0.01, weight_decay=0.0), start, g, 100)
    np.testing.assert_array_equal(plain, adam)
    decayed, _ = run(optimizers.adamw(0.01, weight_decay=0.5), start, g, 100)
    penalized, _ = run(optimizers.adam(0.01), start, lambda p, t: g(p, t) + 0.5 * p, 100)
    assert np.abs(decayed - penalized).max() > 0.01


@jax.jit
def nesterov_by_funcnet(phi, rate, alpha, curvature, centres):
    """Return φ and θ after as many steps as there are centres."""
    optimizer = optimizers.nesterov(rate, alpha)
    phi, state = walk(
        optimizer.update, optimizer.init(phi), phi, lambda p, t: curvature * (p - centres[t - 1]), len(centres)
    )
    return phi, optimizers.without_lookahead(phi, state)


@settings(max_examples=50)
@given(rate=st.floats(0.001, 1), alpha=st.floats(0, 0.95), seed=st.integers(0, 2**32 - 1))
def test_the_two_parametrizations_of_nesterov_and_its_two_points_agree(rate, alpha, seed):
    rng = np.random.default_rng(seed)
    start, curvature, centres = rng.normal(size=5), rng.uniform(0.01, 1, 5), rng.normal(size=(200, 5))

    def gradient(theta, t):
        return curvature * (theta - centres[t - 1])

    phi, v, other, w = start, np.zeros(5), start, np.zeros(5)
    for t in range(1, 201):
        v, v_before = alpha * v - rate * gradient(phi, t), v
        phi = phi + (1 + alpha) * v - alpha * v_before
        g = gradient(other, t)
        w = alpha * w - rate * g
        other = other + alpha * w - rate * g
    theta = oracles.nesterov(start, gradient, 200, rate, alpha)
    with jax.enable_x64(True):
        ours, ours_theta = nesterov_by_funcnet(*map(jnp.asarray, (start, rate, alpha, curvature, centres)))
        pairs = [(phi, other), (phi, ours), (phi - alpha * v, theta), (theta, np.asarray(ours_theta))]
        for one, another in pairs:
            assert np.abs(one - another).max() <= 1e-13 * max(np.abs(one).max(), 1)


def test_without_lookahead_takes_the_states_of_those_that_look_ahead_only():
    for make in (optimizers.nesterov, optimizers.rmsprop_nesterov):
        params = {"w": jnp.ones(2, jnp.bfloat16)}
        state = make(0.1).init(params)
        assert optimizers.without_lookahead(params, state)["w"].dtype == jnp.bfloat16
    state = optimizers.momentum(0.1).init(jnp.ones(2))  # it has a velocity, but does not look ahead
    expected = r"without_lookahead: expected the state of fn\.nesterov or fn\.rmsprop_nesterov, got a MomentumState"
    with pytest.raises(TypeError, match=expected):
        optimizers.without_lookahead(jnp.ones(2), state)
