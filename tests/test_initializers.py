import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet import initializers
from funcnet.initializers import from_jax

SHAPE = (300, 500)  # outputs, inputs
EXPECTED_STDDEV = {
    initializers.zeros: 0.0,
    initializers.normal(0.3): 0.3,
    initializers.truncated_normal(0.3): 0.3,
    initializers.ones: 0.0,
    initializers.constant(0.3): 0.0,
    initializers.uniform(-0.3, 0.3): 0.3 / np.sqrt(3),
    initializers.uniform(0.5, 0.7): 0.1 / np.sqrt(3),
    initializers.glorot_normal: np.sqrt(2 / 800),
    initializers.glorot_uniform: np.sqrt(2 / 800),
    initializers.he_normal: np.sqrt(2 / 500),
    initializers.he_uniform: np.sqrt(2 / 500),
    from_jax(jax.nn.initializers.normal, 0.3): 0.3,
    from_jax(jax.nn.initializers.lecun_uniform): np.sqrt(1 / 500),
    from_jax(jax.nn.initializers.glorot_normal): np.sqrt(2 / 800),
    from_jax(jax.nn.initializers.variance_scaling, 2.0, "fan_in", "truncated_normal"): np.sqrt(2 / 500),
    from_jax(jax.nn.initializers.variance_scaling, 2.0, "fan_out", distribution="normal"): np.sqrt(2 / 300),
    from_jax(jax.nn.initializers.variance_scaling, scale=3.0, mode="fan_avg", distribution="uniform"): np.sqrt(3 / 400),
}
EXPECTED_MEAN = {initializers.ones: 1.0, initializers.constant(0.3): 0.3, initializers.uniform(0.5, 0.7): 0.6}
ALL = list(EXPECTED_STDDEV)
RANDOM = [initializer for initializer, stddev in EXPECTED_STDDEV.items() if stddev > 0]


@pytest.mark.parametrize("initializer", ALL, ids=repr)
def test_mean_and_deviation_are_those_of_the_definition(initializer):
    weight = np.asarray(initializer(jax.random.key(0), SHAPE))
    expected = EXPECTED_STDDEV[initializer]
    mean = EXPECTED_MEAN.get(initializer, 0.0)
    assert abs(weight.mean(dtype=np.float64) - mean) <= 5 * expected / np.sqrt(weight.size) + 1e-7 * mean
    np.testing.assert_allclose(weight.std(dtype=np.float64), expected, rtol=0.01, atol=1e-12)


@pytest.mark.parametrize("initializer", ALL, ids=repr)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16], ids=lambda d: np.dtype(d).name)
def test_shape_and_dtype_are_those_asked_for(initializer, dtype):
    weight = initializer(jax.random.key(0), (3, 4), dtype)
    assert (weight.shape, weight.dtype) == ((3, 4), dtype)


@pytest.mark.parametrize("initializer", ALL, ids=repr)
def test_the_same_key_gives_the_same_bits(initializer):
    first, second = (initializer(jax.random.key(7), SHAPE) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("initializer", RANDOM, ids=repr)
def test_another_key_gives_other_weights(initializer):
    first, second = (initializer(jax.random.key(seed), SHAPE) for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_bounded_initializers_keep_their_bounds():
    key = jax.random.key(0)
    values = initializers.uniform(-0.1, 0.3)(key, SHAPE)
    assert -0.1 <= values.min() < -0.099
    assert 0.299 < values.max() <= 0.3
    assert np.abs(initializers.truncated_normal(0.3)(key, SHAPE)).max() <= 2 * 0.3 / 0.8796
    assert np.abs(initializers.he_uniform(key, SHAPE)).max() <= np.sqrt(6 / 500)


def test_initializers_are_values_that_print_as_their_calls():
    assert initializers.normal(0.1) == initializers.normal(0.1)
    assert initializers.normal(0.1) != initializers.normal(0.2)
    for initializer in ALL:
        assert eval(repr(initializer), {"initializers": initializers, "jax": jax}) == initializer


def test_fan_needs_a_weight():
    with pytest.raises(
        fn.ShapeError, match=r"initializers\.he_normal: expected shape \(outputs, inputs\) .* got \(5,\)"
    ):
        initializers.he_normal(jax.random.key(0), (5,))
    with pytest.raises(fn.ShapeError, match=r"both at least 1, got \(5, 0\)"):
        initializers.glorot_uniform(jax.random.key(0), (5, 0))


@pytest.mark.parametrize("width", [-1.0, np.inf, np.nan])
def test_an_impossible_width_is_refused(width):
    with pytest.raises(ValueError, match=rf"^normal: expected stddev to be finite and at least 0, got {width}"):
        initializers.normal(width)
    with pytest.raises(ValueError, match=rf"^uniform: expected high to be finite and at least low, 0.0, got {width}"):
        initializers.uniform(0, width)


def test_an_initializer_of_jax_gives_jax_s_own_weights_transposed():
    factory, key = jax.nn.initializers.lecun_normal, jax.random.key(3)
    theirs = factory()(key, SHAPE[::-1], jnp.float32)
    np.testing.assert_array_equal(from_jax(factory)(key, SHAPE), theirs.T)
    bias = from_jax(jax.nn.initializers.constant, 0.5)(key, (4,))
    np.testing.assert_array_equal(bias, np.full(4, 0.5, np.float32))


def test_an_initializer_of_jax_is_a_value():
    scaling = jax.nn.initializers.variance_scaling
    made = [from_jax(scaling, 2.0, mode="fan_in", distribution="normal") for _ in range(2)]
    assert made[0] == made[1]
    assert hash(made[0]) == hash(made[1])
    assert made[0] != from_jax(scaling, 1.0, mode="fan_in", distribution="normal")
    assert repr(fn.Dense(3, weight_initializer=from_jax(jax.nn.initializers.normal, 0.1))) == (
        "Dense(3, weight_initializer=initializers.from_jax(jax.nn.initializers.normal, 0.1))"
    )
    params, _ = fn.Dense(3, weight_initializer=made[0]).init(jax.random.key(0), (5,))
    assert params.weight.shape == (3, 5)


def test_what_is_not_a_factory_of_an_initializer_is_refused():
    with pytest.raises(TypeError, match=r"^from_jax: expected a factory of .*, got .*initializers\.zeros.*missing"):
        from_jax(jax.nn.initializers.zeros)  # which is an initializer already
    with pytest.raises(TypeError, match=r"^from_jax: expected .* hashable arguments, got"):
        from_jax(jax.nn.initializers.constant, np.zeros(3))
    with pytest.raises(TypeError, match=r"^from_jax: expected a factory that returns an initializer, got"):
        from_jax(float, 1.0)


@pytest.mark.parametrize("name", ["weight_initializer", "bias_initializer"])
def test_a_bare_initializer_of_jax_is_refused_with_the_remedy(name):
    with pytest.raises(TypeError, match=rf"^Dense: expected {name} .* by initializers\.from_jax\(factory"):
        fn.Dense(3, **{name: jax.nn.initializers.lecun_normal()})
