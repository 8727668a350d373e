import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn

NETWORK = fn.mlp([3, 5, 2], hidden=fn.tanh)
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(23, 3)).astype(np.float32)
Y = np.eye(2, dtype=np.float32)[(X[:, 0] > 0).astype(int)]


def fit(**changes):
    settings = {
        "network": NETWORK,
        "loss": fn.softmax_cross_entropy,
        "optimizer": fn.sgd(0.1),
        "data": (X, Y),
        "key": jax.random.key(0),
        "epochs": 4,
        "batch_size": 5,
        "progress": False,
    }
    return fn.fit(**{**settings, **changes})


def step_of(**changes):
    return fn.train_step(NETWORK, fn.quadratic, fn.sgd(0.1), **changes)


def start():
    return fn.init_state(NETWORK, fn.sgd(0.1), jax.random.key(0), (3,))


def squares(params):
    return sum(float((np.asarray(p.weight, np.float64) ** 2).sum()) for p in (params[0], params[2]))


@pytest.mark.parametrize("gradients", [fn.autodiff, fn.backprop])
def test_a_step_descends_the_cost_with_its_penalty(gradients):
    state, penalty = start(), fn.l2(0.5)
    plain, plain_info = step_of(gradients=gradients)(state, (X, Y))
    after, info = step_of(gradients=gradients, penalty=penalty)(state, (X, Y))
    np.testing.assert_allclose(info["loss"], plain_info["loss"] + 0.25 * squares(state.params), rtol=1e-6)
    for index in (0, 2):
        expected = plain.params[index].weight - 0.1 * 0.5 * state.params[index].weight
        np.testing.assert_allclose(after.params[index].weight, expected, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(after.params[index].bias, plain.params[index].bias, rtol=1e-5, atol=1e-7)


def test_weights_shrink_with_the_strength_and_biases_are_free():
    free, some, much = (fit(epochs=100, penalty=penalty) for penalty in (None, fn.l2(0.01), fn.l2(0.1)))
    assert squares(much.params) < 0.7 * squares(some.params) < 0.7**2 * squares(free.params)
    zero_data = {"data": (np.zeros_like(X), Y), "epochs": 50, "params": free.params}
    shrunk, same = fit(penalty=fn.l2(0.5), **zero_data).params, fit(penalty=None, **zero_data).params
    assert squares(shrunk) < 1e-3 * squares(same)


def test_l1_brings_weights_nearer_to_zero_than_l2_does():
    """Of two inputs the second says nothing: its weights end within one step of 0 under l1."""
    x = RANDOM.normal(size=(200, 2)).astype(np.float32)
    y = 2 * x[:, :1]
    problem = {"network": fn.mlp([2, 1]), "loss": fn.quadratic, "data": (x, y),
               "optimizer": fn.sgd(0.01), "batch_size": None, "epochs": 2000}  # fmt: skip
    weight = fit(penalty=fn.l1(0.2), **problem).params[0].weight[0]
    variance = float((x[:, 0] ** 2).mean())
    assert abs(weight[1]) <= 0.01 * 0.2
    np.testing.assert_allclose(weight[0], 2 - 0.2 / variance, rtol=0.02)  # soft thresholding
    plain = fit(**problem).params[0].weight[0]
    np.testing.assert_allclose(plain, [2.0, 0.0], atol=1e-3)


def test_the_history_counts_the_penalty_and_the_validation_does_not():
    result = fit(optimizer=fn.sgd(0.0), penalty=fn.l2(0.5), validation=(X, Y))
    alone = fn.evaluate(NETWORK, fn.softmax_cross_entropy, result.params, (X, Y))["loss"]
    np.testing.assert_allclose(result.history["loss"], alone + 0.25 * squares(result.params), rtol=1e-5)
    np.testing.assert_allclose(result.history["val_loss"], alone, rtol=1e-5)


def test_both_routes_train_alike():
    penalty = fn.l1(0.01) + fn.l2(0.02)
    by_hand, automatic = fit(penalty=penalty, gradients=fn.backprop), fit(penalty=penalty, gradients=fn.autodiff)
    for a, b in zip(jax.tree.leaves(by_hand.params), jax.tree.leaves(automatic.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_another_strength_compiles_nothing():
    traces = []

    def traced(network, loss, **settings):
        traces.append(network)
        return fn.autodiff(network, loss, **settings)

    for strength in (0.1, 0.2, 0, jnp.float32(0.3)):
        fit(penalty=fn.l2(strength), gradients=traced, epochs=2)
    assert len(traces) == 1
    for strength in (0.1, 0.2, 1):
        step_of(penalty=fn.l2(strength), gradients=traced)(start(), (X, Y))
    assert len(traces) == 2


def test_gradients_of_ones_own_meet_a_penalty_only_where_there_is_one():
    def without(network, loss, *, with_output):
        def cost_and_gradient(params, x, y, *, key, weights):
            return fn.autodiff(network, loss, with_output=with_output)(params, x, y, key=key, weights=weights)

        return cost_and_gradient

    assert np.isfinite(fit(gradients=without).history["loss"]).all()
    with pytest.raises(TypeError, match="unexpected keyword argument 'penalty'"):
        fit(gradients=without, penalty=fn.l2(0.1))


@pytest.mark.parametrize("dtype", ["bfloat16", "float64"])
def test_the_dtype_of_the_parameters_is_kept(dtype, x64):
    params, _ = NETWORK.init(jax.random.key(0), (3,), dtype=dtype)
    result = fit(params=params, penalty=fn.l1(0.01) + fn.l2(0.01), epochs=2)
    assert {leaf.dtype for leaf in jax.tree.leaves(result.params)} == {jnp.dtype(dtype)}


def test_what_is_no_penalty_is_named():
    with pytest.raises(TypeError, match=r"^fit: expected penalty to be None or a penalty, .* got a float$"):
        fit(penalty=1e-4)
    with pytest.raises(TypeError, match=r"^train_step: expected penalty to be None or a penalty, .* got a function$"):
        step_of(penalty=fn.l2)
