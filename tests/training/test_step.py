import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funcnet as fn

NETWORK = fn.mlp([3, 4, 2], hidden=fn.tanh)
X = jax.random.normal(jax.random.key(1), (8, 3))
Y = jax.random.uniform(jax.random.key(2), (8, 2))


def start(optimizer, seed=0):
    return fn.init_state(NETWORK, optimizer, jax.random.key(seed), (3,))


@pytest.mark.parametrize("gradients", [fn.autodiff, fn.backprop])
def test_a_step_is_gradient_update_addition(gradients):
    optimizer = fn.momentum(0.1)
    state = start(optimizer)
    next_state, info = fn.train_step(NETWORK, fn.quadratic, optimizer, gradients=gradients)(state, (X, Y))
    cost, grads = jax.jit(fn.autodiff(NETWORK, fn.quadratic))(state.params, X, Y)
    updates, _ = jax.jit(optimizer.update)(grads, state.optimizer_state, state.params)
    chex.assert_trees_all_close(next_state.params, fn.apply_updates(state.params, updates), rtol=1e-5)
    np.testing.assert_allclose(info["loss"], cost, rtol=1e-6)
    assert int(next_state.step) == 1
    assert int(next_state.epoch) == 0


def test_the_old_state_stays_as_it_was():
    optimizer = fn.sgd(0.1)
    state = start(optimizer)
    before = jax.tree.map(np.array, state.params)
    fn.train_step(NETWORK, fn.quadratic, optimizer)(state, (X, Y))
    chex.assert_trees_all_equal(before, jax.tree.map(np.array, state.params))


def test_metrics_are_named_means():
    step = fn.train_step(NETWORK, fn.softmax_cross_entropy, fn.sgd(0.1), metrics=[fn.accuracy])
    state = start(fn.sgd(0.1))
    _, info = step(state, (X, Y))
    right = NETWORK.apply(state.params, X).argmax(axis=1) == Y.argmax(axis=1)
    assert set(info) == {"loss", "accuracy"}
    np.testing.assert_allclose(info["accuracy"], right.mean(), rtol=1e-6)


def test_samples_of_weight_zero_count_for_nothing():
    optimizer = fn.sgd(0.1)
    step = fn.train_step(NETWORK, fn.quadratic, optimizer, metrics=[fn.accuracy])
    weighted = step(start(optimizer), (X, Y, jnp.array([1.0] * 5 + [0.0] * 3)))
    alone = step(start(optimizer), (X[:5], Y[:5]))
    chex.assert_trees_all_close(weighted[0].params, alone[0].params, rtol=1e-5)
    chex.assert_trees_all_close(weighted[1], alone[1], rtol=1e-6)


def test_equal_steps_compile_once():
    traced = chex.assert_max_traces(fn.autodiff, n=1)
    for rate in (0.1, 0.01):
        optimizer = fn.adam(rate)
        network = fn.mlp([3, 4, 2], hidden=fn.tanh)
        step = fn.train_step(network, fn.quadratic, optimizer, gradients=traced)
        state = start(optimizer)
        for _ in range(3):
            state, _ = step(state, (X, Y))


def test_optax_optimizers_train_here_and_ours_train_there(standard_promotion):
    step = fn.train_step(NETWORK, fn.quadratic, optax.adam(0.01, eps=1e-7))
    theirs = start(optax.adam(0.01, eps=1e-7))
    ours = fn.adam(0.01)
    params = start(ours).params
    opt_state = ours.init(params)

    @jax.jit
    def loop_of_theirs(params, opt_state):
        grads = jax.grad(lambda p: fn.quadratic.value(NETWORK.apply(p, X), Y).mean())(params)
        updates, opt_state = ours.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    for _ in range(20):
        theirs, _ = step(theirs, (X, Y))
        params, opt_state = loop_of_theirs(params, opt_state)
    chex.assert_trees_all_close(theirs.params, params, rtol=1e-4, atol=1e-6)


def test_a_wrong_batch_is_named():
    step = fn.train_step(NETWORK, fn.quadratic, fn.sgd(0.1))
    with pytest.raises(TypeError, match=r"train_step: expected a batch \(x, y\) or \(x, y, weights\), got a "):
        step(start(fn.sgd(0.1)), X)
    for weights in (jnp.ones((8, 1)), jnp.ones(1), jnp.ones(4), jnp.float32(1)):
        with pytest.raises(fn.ShapeError, match=r"quadratic: expected weights of shape \(8,\), one per sample, got"):
            step(start(fn.sgd(0.1)), (X, Y, weights))
    with pytest.raises(fn.ShapeError, match=r"quadratic: expected one value per sample: .* batch at least 1, got"):
        step(start(fn.sgd(0.1)), (X[:0], Y[:0]))


def test_a_wrong_state_is_named():
    step = fn.train_step(NETWORK, fn.quadratic, fn.sgd(0.1))
    with pytest.raises(TypeError, match="train_step: expected state made by init_state, got a tuple"):
        step(start(fn.sgd(0.1)).params, (X, Y))


def test_wrong_parts_are_named():
    with pytest.raises(TypeError, match="train_step: expected optimizer to have init and update"):
        fn.train_step(NETWORK, fn.quadratic, fn.adam)
    with pytest.raises(TypeError, match=r"train_step: expected network to be a layer, .* got quadratic"):
        fn.train_step(fn.quadratic, NETWORK, fn.adam(0.1))
    with pytest.raises(TypeError, match="init_state: expected optimizer to have init and update"):
        fn.init_state(NETWORK, fn.adam, jax.random.key(0), (3,))


def test_weights_may_be_a_list():
    step = fn.train_step(NETWORK, fn.quadratic, fn.sgd(0.1))
    listed, none = (step(start(fn.sgd(0.1)), batch)[0].params for batch in ((X, Y, [1.0] * 8), (X, Y)))
    chex.assert_trees_all_close(listed, none, rtol=1e-5)


def test_a_wrong_key_is_named():
    with pytest.raises(TypeError, match=r"init_state: expected key made by jax\.random\.key\(seed\), got 0"):
        fn.init_state(NETWORK, fn.sgd(0.1), 0, (3,))
