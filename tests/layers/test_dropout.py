import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn

X = jax.random.normal(jax.random.key(1), (40, 8))
Y = X[:, :2] ** 2


def fit(network, **changes):
    settings = {"key": jax.random.key(0), "epochs": 3, "batch_size": 16, "progress": False}
    return fn.fit(network, fn.quadratic, fn.sgd(0.1), (X, Y), **{**settings, **changes})


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_share_that_is_dropped_is_the_rate_and_the_mean_is_kept(rate):
    """Both within four standard deviations of n coins: √(r(1 − r)/n) for the share, √(r/(1 − r)/n) for the mean."""
    n = 1_000_000
    y = np.asarray(fn.Dropout(rate).apply((), jnp.ones((1000, 1000)), key=jax.random.key(0)), np.float64)
    assert abs((y == 0).mean() - rate) <= 4 * np.sqrt(rate * (1 - rate) / n)
    assert abs(y.mean() - 1) <= 4 * np.sqrt(rate / (1 - rate) / n)
    np.testing.assert_allclose(y[y != 0], 1 / (1 - rate), rtol=1e-6)


def test_rows_and_columns_are_dropped_alike():
    dropped = np.asarray(fn.Dropout(0.5).apply((), jnp.ones((1000, 1000)), key=jax.random.key(0))) == 0
    sigma = np.sqrt(0.25 / 1000)
    for axis in (0, 1):
        share = dropped.mean(axis=axis)
        assert abs(share - 0.5).max() <= 5.5 * sigma
        np.testing.assert_allclose(share.std(), sigma, rtol=0.15)


def test_a_rate_of_zero_drops_nothing():
    np.testing.assert_array_equal(fn.Dropout(0.0).apply((), X, key=jax.random.key(0)), X)


def test_without_a_key_it_is_the_identity():
    y, cache = fn.Dropout(0.5).forward((), X)
    np.testing.assert_array_equal(y, X)
    np.testing.assert_array_equal(fn.Dropout(0.5).backward((), cache, 3 * X)[1], 3 * X)


def test_the_gradient_passes_where_the_input_did():
    layer = fn.Dropout(0.5)
    y, cache = layer.forward((), jnp.ones((20, 20)), key=jax.random.key(0))
    _, dx = layer.backward((), cache, jnp.ones((20, 20)))
    np.testing.assert_array_equal(dx, y)


def test_what_is_dropped_is_zero_whatever_it_was():
    y, cache = fn.Dropout(0.5).forward((), jnp.full((4, 50), jnp.nan), key=jax.random.key(0))
    mask = np.asarray(fn.Dropout(0.5).apply((), jnp.ones((4, 50)), key=jax.random.key(0))) != 0
    np.testing.assert_array_equal(np.isnan(y), mask)
    np.testing.assert_array_equal(np.isnan(fn.Dropout(0.5).backward((), cache, y)[1]), mask)


def test_the_same_key_gives_the_same_mask_in_every_dtype():
    def mask(dtype, seed=0):
        return np.asarray(fn.Dropout(0.3).apply((), jnp.ones((50, 50), dtype), key=jax.random.key(seed))) != 0

    first = mask(jnp.float32)
    np.testing.assert_array_equal(mask(jnp.bfloat16), first)
    with jax.enable_x64(True):
        np.testing.assert_array_equal(mask(jnp.float32), first)
        np.testing.assert_array_equal(mask(jnp.float64), first)
    assert (mask(jnp.float32, seed=1) != first).any()


def test_two_in_one_network_draw_two_masks():
    network = fn.Sequential(fn.Dropout(0.5), fn.Dropout(0.5))
    kept = np.asarray(network.apply(((), ()), jnp.ones((1000, 1000)), key=jax.random.key(0))) != 0
    assert abs(kept.mean() - 0.25) <= 4 * np.sqrt(0.25 * 0.75 / 1e6)


def test_every_step_of_training_draws_anew_and_a_key_explains_the_run():
    """With a learning rate of 0 the loss of a full-batch epoch depends on nothing but the masks."""
    network = fn.Sequential(fn.Dense(16), fn.tanh, fn.Dropout(0.5), fn.Dense(2))
    losses = fn.fit(network, fn.quadratic, fn.sgd(0.0), (X, Y), key=jax.random.key(0), epochs=8, batch_size=None,
                    progress=False).history["loss"]  # fmt: skip
    assert len(set(losses.tolist())) == 8
    first, second, other = fit(network), fit(network), fit(network, key=jax.random.key(5))
    chex.assert_trees_all_equal(first.params, second.params)
    chex.assert_trees_all_equal(first.history, second.history)
    assert not np.array_equal(first.params[0].weight, other.params[0].weight)


def test_both_routes_of_gradients_train_alike_with_it():
    network = fn.Sequential(fn.Dense(16), fn.tanh, fn.Dropout(0.5), fn.Dense(2))
    by_hand, automatic = fit(network, gradients=fn.backprop), fit(network, gradients=fn.autodiff)
    chex.assert_trees_all_close(by_hand.params, automatic.params, rtol=1e-4, atol=1e-5)


def test_evaluation_drops_nothing():
    with_dropout = fn.Sequential(fn.Dense(16), fn.tanh, fn.Dropout(0.5), fn.Dense(2))
    result = fit(with_dropout, validation=(X, Y))
    without = fn.Sequential(fn.Dense(16), fn.tanh, fn.Dense(2))
    params = (*result.params[:2], result.params[3])
    expected = fn.evaluate(without, fn.quadratic, params, (X, Y))["loss"]
    np.testing.assert_allclose(
        fn.evaluate(with_dropout, fn.quadratic, result.params, (X, Y))["loss"], expected, rtol=1e-6
    )
    np.testing.assert_allclose(result.history["val_loss"][-1], expected, rtol=1e-6)
    np.testing.assert_allclose(
        fn.predict(with_dropout, result.params, X), fn.predict(without, params, X), rtol=1e-5, atol=1e-6
    )


def test_the_rate_is_kept_as_a_number_that_prints():
    assert repr(fn.Dropout(np.float32(0.5))) == "Dropout(0.5)"
    assert fn.Dropout(0) == fn.Dropout(0.0)
    assert fn.Dropout(0.1) != fn.Dropout(0.2)


@pytest.mark.parametrize("rate", [1.0, -0.1, 2, float("nan")])
def test_a_rate_outside_of_its_range_is_named(rate):
    with pytest.raises(ValueError, match=r"^Dropout: expected rate in \[0, 1\), got"):
        fn.Dropout(rate)


def test_what_is_no_rate_is_named():
    with pytest.raises(TypeError, match=r"^Dropout: expected rate to be a .*number.* got '0\.5'"):
        fn.Dropout("0.5")


def test_wrong_dtypes_are_named():
    with pytest.raises(fn.DtypeError, match=r"Dropout\(0\.5\) \(layer 0\): expected x of a floating dtype, got int32"):
        fn.Sequential(fn.Dropout(0.5)).apply(((),), jnp.ones((2, 3), jnp.int32))
    with pytest.raises(TypeError, match=r"Dropout\(0\.5\): expected dtype to be floating, got int32"):
        fn.Dropout(0.5).init(jax.random.key(0), (2,), dtype=jnp.int32)
