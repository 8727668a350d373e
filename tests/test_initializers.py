import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet import initializers

SHAPE = (300, 500)  # outputs, inputs
EXPECTED_STDDEV = {
    initializers.zeros: 0.0,
    initializers.normal(0.3): 0.3,
    initializers.truncated_normal(0.3): 0.3,
    initializers.uniform(0.3): 0.3 / np.sqrt(3),
    initializers.glorot_normal: np.sqrt(2 / 800),
    initializers.glorot_uniform: np.sqrt(2 / 800),
    initializers.he_normal: np.sqrt(2 / 500),
    initializers.he_uniform: np.sqrt(2 / 500),
}
ALL = list(EXPECTED_STDDEV)


@pytest.mark.parametrize("initializer", ALL, ids=repr)
def test_mean_and_deviation_are_those_of_the_definition(initializer):
    weight = np.asarray(initializer(jax.random.key(0), SHAPE))
    expected = EXPECTED_STDDEV[initializer]
    assert abs(weight.mean()) <= 5 * expected / np.sqrt(weight.size)
    np.testing.assert_allclose(weight.std(), expected, rtol=0.01)


@pytest.mark.parametrize("initializer", ALL, ids=repr)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16], ids=lambda d: np.dtype(d).name)
def test_shape_and_dtype_are_those_asked_for(initializer, dtype):
    weight = initializer(jax.random.key(0), (3, 4), dtype)
    assert (weight.shape, weight.dtype) == ((3, 4), dtype)


@pytest.mark.parametrize("initializer", ALL, ids=repr)
def test_the_same_key_gives_the_same_bits(initializer):
    first, second = (initializer(jax.random.key(7), SHAPE) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("initializer", ALL[1:], ids=repr)
def test_another_key_gives_other_weights(initializer):
    first, second = (initializer(jax.random.key(seed), SHAPE) for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_bounded_initializers_keep_their_bounds():
    key = jax.random.key(0)
    assert np.abs(initializers.uniform(0.3)(key, SHAPE)).max() <= 0.3
    assert np.abs(initializers.truncated_normal(0.3)(key, SHAPE)).max() <= 2 * 0.3 / 0.8796
    assert np.abs(initializers.he_uniform(key, SHAPE)).max() <= np.sqrt(6 / 500)


def test_initializers_are_values_that_print_as_their_calls():
    assert initializers.normal(0.1) == initializers.normal(0.1)
    assert initializers.normal(0.1) != initializers.normal(0.2)
    for initializer in ALL:
        assert eval(repr(initializer), {"initializers": initializers}) == initializer


def test_fan_needs_a_weight():
    with pytest.raises(fn.ShapeError, match=r"initializers\.he_normal: expected a weight's shape .* got \(5,\)"):
        initializers.he_normal(jax.random.key(0), (5,))
    with pytest.raises(fn.ShapeError, match=r"without a 0, got \(5, 0\)"):
        initializers.glorot_uniform(jax.random.key(0), (5, 0))


def test_negative_width_is_refused():
    with pytest.raises(ValueError, match=r"expected stddev at least 0, got -1"):
        initializers.normal(-1.0)
    with pytest.raises(ValueError, match=r"expected limit at least 0, got -1"):
        initializers.uniform(-1.0)
