import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (60, 4, 4), np.uint8)
TARGETS = np.eye(2, dtype=np.float32)[(PIXELS[:, 1, 1] > 127).astype(int)]
NETWORK = fn.Sequential(fn.Rescaling(1 / 255), fn.Flatten(), fn.Dense(2))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32])
def test_every_integer_is_scaled_and_floating(dtype):
    x = np.arange(-128 if dtype != np.uint8 else 0, 128, dtype=dtype)[None, :]
    y = fn.Rescaling(0.25, offset=3.0).apply((), x)
    assert y.dtype == jnp.float32
    np.testing.assert_array_equal(y, x.astype(np.float32) / 4 + 3)  # no wrap: 200 + 100 = 300


def test_a_floating_input_keeps_its_dtype_and_integers_become_what_is_asked():
    assert fn.Rescaling(2.0).apply((), jnp.ones((1, 3), jnp.bfloat16)).dtype == jnp.bfloat16
    assert fn.Rescaling(2.0, dtype="bfloat16").apply((), jnp.ones((1, 3), jnp.uint8)).dtype == jnp.bfloat16
    assert fn.Rescaling(2.0, dtype=jnp.float16) == fn.Rescaling(2.0, dtype="float16")


@pytest.mark.parametrize("route", [fn.autodiff, fn.backprop])
def test_bytes_train_as_their_floats_do(route):
    settings = {"key": jax.random.key(0), "epochs": 3, "batch_size": 16, "gradients": route, "progress": False}
    settings["validation"] = (PIXELS[:9], TARGETS[:9])
    result = fn.fit(NETWORK, fn.softmax_cross_entropy, fn.adam(0.05), (PIXELS, TARGETS), **settings)
    settings["validation"] = (PIXELS[:9].astype(np.float32), TARGETS[:9])
    same = fn.fit(NETWORK, fn.softmax_cross_entropy, fn.adam(0.05), (PIXELS.astype(np.float32), TARGETS), **settings)
    np.testing.assert_allclose(result.history["val_loss"], same.history["val_loss"], rtol=1e-6)
    floats = PIXELS.astype(np.float32)
    of_bytes, of_floats = (fn.predict(NETWORK, result.params, x) for x in (PIXELS, floats))
    np.testing.assert_array_equal(of_bytes, of_floats)
    both = [fn.evaluate(NETWORK, fn.softmax_cross_entropy, result.params, (x, TARGETS)) for x in (PIXELS, floats)]
    assert both[0] == both[1]


def test_bytes_train_in_half_precision_where_they_are_scaled_to_it():
    network = fn.Sequential(fn.Rescaling(1 / 255, dtype="bfloat16"), fn.Flatten(), fn.Dense(2))
    params, _ = network.init(jax.random.key(0), (4, 4), dtype=jnp.bfloat16)
    settings = {"key": jax.random.key(0), "params": params, "epochs": 2, "progress": False}
    result = fn.fit(network, fn.softmax_cross_entropy, fn.adam(0.05), (PIXELS, TARGETS), **settings)
    assert result.params[2].weight.dtype == jnp.bfloat16
    assert result.history["loss"][1] < result.history["loss"][0]


SCALE_IT = r"uint8: convert it, or start with fn\.Rescaling\(1 / 255\)"


@pytest.mark.parametrize(
    ("network", "x", "got"),
    [
        (fn.mlp([16, 2]), PIXELS.reshape(60, 16), SCALE_IT),  # nothing scales it
        (fn.Sequential(fn.Flatten(), fn.Dense(2)), PIXELS, SCALE_IT),
        (NETWORK, PIXELS.astype(np.int64), "int64: convert it to int32"),  # which JAX would cut to 32 bits
        (NETWORK, PIXELS > 0, "bool: convert it to uint8"),
    ],
)
def test_fit_refuses_integers_that_nothing_scales_or_that_would_be_cut(network, x, got):
    expected = rf"^fit: expected x of a floating dtype, got {got}$"
    with pytest.raises(TypeError, match=expected):
        fn.fit(network, fn.softmax_cross_entropy, fn.sgd(0.1), (x, TARGETS), key=jax.random.key(0), epochs=1)


def test_the_gradient_in_the_input_is_the_scale():
    _, dx = fn.Rescaling(0.5, offset=9.0).backward((), (), jnp.array([[2.0, -4.0]]))
    np.testing.assert_array_equal(dx, [[1.0, -2.0]])


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match=r"^Rescaling: expected scale to be finite, got inf$"):
        fn.Rescaling(float("inf"))
    with pytest.raises(TypeError, match=r"^Rescaling: expected offset to be a real number, got 'a'$"):
        fn.Rescaling(1.0, "a")
    with pytest.raises(TypeError, match=r"^Rescaling: expected dtype to be floating, got uint8$"):
        fn.Rescaling(1.0, dtype="uint8")
    with pytest.raises(fn.DtypeError, match=r"^Rescaling\(1\.0\): expected x of a floating or integer dtype, got bool"):
        fn.Rescaling(1.0).apply((), jnp.array([[True]]))
