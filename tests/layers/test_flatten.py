import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn


@pytest.mark.parametrize("shape", [(2, 3), (4,), (), (2, 1, 3, 2)])
def test_each_sample_becomes_a_row_in_numpys_order(shape):
    x = np.arange(5 * np.prod(shape, dtype=int), dtype=np.float32).reshape(5, *shape)
    params, output_shape = fn.Flatten().init(jax.random.key(0), shape)
    y, cache = fn.Flatten().forward(params, x)
    assert y.shape == (5, *output_shape)
    np.testing.assert_array_equal(y, x.reshape(5, -1))
    np.testing.assert_array_equal(fn.Flatten().backward(params, cache, y)[1], x)


def test_an_empty_batch_keeps_its_columns():
    assert fn.Flatten().apply((), jnp.zeros((0, 2, 3))).shape == (0, 6)


def test_integers_are_laid_out_too():
    assert fn.Flatten().apply((), jnp.zeros((5, 2, 3), jnp.uint8)).dtype == jnp.uint8


def test_images_train_through_it():
    network = fn.Sequential(fn.Flatten(), fn.Dense(2))
    x = jax.random.normal(jax.random.key(1), (20, 4, 4))
    y = jnp.stack([x[:, 0, 1] - x[:, 3, 2], x[:, 2, 2]], axis=1)
    result = fn.fit(network, fn.quadratic, fn.adam(0.05), (x, y), key=jax.random.key(0), epochs=200, progress=False)
    assert result.history["loss"][-1] < 1e-3 * result.history["loss"][0]


def test_what_has_no_batch_axis_is_named():
    with pytest.raises(
        fn.ShapeError, match=r"^Flatten\(\) \(layer 0\): expected x of shape \(batch, \.\.\.\), got \(\)"
    ):
        fn.Sequential(fn.Flatten()).apply(((),), jnp.float32(1))


def test_a_wrong_dtype_is_named():
    with pytest.raises(TypeError, match=r"Flatten\(\): expected dtype to be floating, got int32"):
        fn.Flatten().init(jax.random.key(0), (2,), dtype=jnp.int32)
