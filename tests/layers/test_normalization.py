import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from tests.agreement import worst_error


def normalized(x, **configuration):
    layer = fn.LayerNorm(**configuration)
    params, _ = layer.init(jax.random.key(0), x.shape[1:], dtype=x.dtype)
    return layer.apply(params, x)


def test_every_sample_comes_out_with_mean_0_and_variance_1(x64):
    x = 5 + 3 * jax.random.normal(jax.random.key(1), (50, 4, 7), jnp.float64)
    y = np.asarray(normalized(x, epsilon=1e-12))
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-14)
    np.testing.assert_allclose(y.var(axis=-1), 1, rtol=1e-10)


def test_epsilon_is_under_the_root(x64):
    x = jnp.array([[1.0, 3.0]])
    np.testing.assert_allclose(normalized(x, epsilon=3.0), [[-0.5, 0.5]], rtol=1e-15)


def test_forward_and_backward_are_the_equations_sample_by_sample(x64):
    """The Jacobian ∂yⱼ/∂xₖ = γⱼ (1(j = k) − 1/m − x̂ⱼ x̂ₖ/m)/√(σ² + ε), element by element."""
    random = np.random.default_rng(0)
    x, dy = random.normal(size=(3, 5)), random.normal(size=(3, 5))
    scale, shift, epsilon, m = random.normal(size=5), random.normal(size=5), 1e-5, 5
    y, dx, scale_gradient, shift_gradient = np.zeros((3, 5)), np.zeros((3, 5)), np.zeros(5), np.zeros(5)
    for i in range(3):
        mu = sum(x[i]) / m
        root = np.sqrt(sum((x[i] - mu) ** 2) / m + epsilon)
        for j in range(m):
            x_hat = (x[i, j] - mu) / root
            y[i, j] = scale[j] * x_hat + shift[j]
            scale_gradient[j] += dy[i, j] * x_hat
            shift_gradient[j] += dy[i, j]
            for k in range(m):
                jacobian = scale[j] * ((j == k) - 1 / m - x_hat * (x[i, k] - mu) / root / m) / root
                dx[i, k] += dy[i, j] * jacobian
    layer, params = fn.LayerNorm(epsilon), fn.LayerNormParams(jnp.asarray(scale), jnp.asarray(shift))
    output, cache = layer.forward(params, jnp.asarray(x))
    gradients, input_gradient = layer.backward(params, cache, jnp.asarray(dy))
    assert worst_error(output, y) <= 1e-14
    assert worst_error(tuple(gradients), (scale_gradient, shift_gradient)) <= 1e-14
    assert worst_error(input_gradient, dx) <= 1e-14


def test_a_constant_row_has_finite_gradients():
    layer = fn.LayerNorm()
    x = jnp.array([0.0, 0.1, -1e4, 1e30])[:, None] * jnp.ones((4, 7))
    params, _ = layer.init(jax.random.key(0), (7,))
    dy = jax.random.normal(jax.random.key(1), (4, 7))
    y, cache = jax.jit(layer.forward)(params, x)
    by_hand = jax.jit(layer.backward)(params, cache, dy)
    automatic = jax.jit(lambda params, x, dy: jax.vjp(layer.apply, params, x)[1](dy))(params, x, dy)
    assert np.isfinite(y).all()
    assert worst_error(by_hand, automatic) <= 2e-6


def test_one_feature_is_nothing_but_its_shift():
    layer, params = fn.LayerNorm(), fn.LayerNormParams(jnp.array([2.0]), jnp.array([3.0]))
    y, cache = layer.forward(params, jnp.array([[-5.0], [7.0]]))
    gradients, dx = layer.backward(params, cache, jnp.ones((2, 1)))
    np.testing.assert_array_equal(y, [[3.0], [3.0]])
    np.testing.assert_array_equal(gradients.scale, [0.0])
    np.testing.assert_array_equal(gradients.shift, [2.0])
    np.testing.assert_array_equal(dx, [[0.0], [0.0]])


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_statistics_are_taken_in_float32(dtype):
    """Float16 overflows at 300² and bfloat16 holds no sum of 3000 ones."""
    x = jnp.concatenate([jnp.full((1, 1500), 300.0), jnp.full((1, 1500), -300.0)], axis=1).astype(dtype)
    np.testing.assert_allclose(np.abs(np.asarray(normalized(x), np.float64)), 1.0, rtol=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_large_values_are_normalized_as_small_ones(dtype):
    layer, row = fn.LayerNorm(), np.array([[1.0, -1.0, 2.0, -2.0]])
    params, _ = layer.init(jax.random.key(0), (4,), dtype=dtype)
    right = row / np.sqrt(2.5)
    for size in (1e3, 1e19, 1e25, 1e31):
        y, cache = layer.forward(params, jnp.asarray(size * row, dtype))
        np.testing.assert_allclose(np.asarray(y, np.float64), right, rtol=1e-6 if dtype == "float32" else 1e-2)
        _, dx = layer.backward(params, cache, jnp.asarray([[1.0, 0, 0, 0]], dtype))
        slope = (np.array([[0.75, -0.25, -0.25, -0.25]]) - right * right[0, 0] / 4) / np.sqrt(2.5)
        np.testing.assert_allclose(np.asarray(dx, np.float64) * size, slope, atol=1e-6 if dtype == "float32" else 1e-2)


def test_a_network_with_it_trains():
    network = fn.Sequential(fn.Dense(16), fn.LayerNorm(), fn.relu, fn.Dense(1))
    x = 100 * jax.random.normal(jax.random.key(1), (64, 3))
    y = (x[:, :1] > x[:, 1:2]).astype(jnp.float32)
    result = fn.fit(network, fn.sigmoid_cross_entropy, fn.adam(0.02), (x, y), key=jax.random.key(0), epochs=100,
                    metrics=[fn.accuracy], gradients=fn.backprop, progress=False)  # fmt: skip
    assert result.history["accuracy"][-1] == 1.0
    assert (result.params[1].scale != 1).any()


def test_wrong_inputs_are_named():
    params, _ = fn.LayerNorm().init(jax.random.key(0), (3,))
    with pytest.raises(fn.ShapeError, match=r"^LayerNorm\(\): expected x of shape \(batch, \.\.\., 3\), got \(2, 4\)$"):
        fn.LayerNorm().apply(params, jnp.ones((2, 4)))
    with pytest.raises(fn.ShapeError, match=r"got \(3,\)$"):
        fn.LayerNorm().apply(params, jnp.ones(3))
    with pytest.raises(fn.DtypeError, match="expected x of dtype float32 as the scale, got bfloat16"):
        fn.LayerNorm().apply(params, jnp.ones((2, 3), jnp.bfloat16))
    with pytest.raises(fn.DtypeError, match=r"\(layer 1\): expected x of a floating dtype, got int32"):
        fn.Sequential(fn.Flatten(), fn.LayerNorm()).apply(((), params), jnp.ones((2, 3), jnp.int32))


def test_wrong_shapes_and_dtypes_of_init_are_named():
    with pytest.raises(
        fn.ShapeError, match=r"LayerNorm\(\): expected an input of shape \(\.\.\., features\), got \(\)"
    ):
        fn.LayerNorm().init(jax.random.key(0), ())
    with pytest.raises(TypeError, match=r"LayerNorm\(\): expected dtype to be floating, got int32"):
        fn.LayerNorm().init(jax.random.key(0), (3,), dtype=jnp.int32)


def test_wrong_epsilons_are_named():
    for epsilon in (0.0, -1e-5, float("inf"), float("nan")):
        with pytest.raises(ValueError, match=r"^LayerNorm: expected epsilon to be finite and above 0, got"):
            fn.LayerNorm(epsilon)
    with pytest.raises(TypeError, match=r"^LayerNorm: expected epsilon to be a .*number.* got 'small'"):
        fn.LayerNorm("small")


def test_it_is_a_value():
    assert repr(fn.LayerNorm()) == "LayerNorm()"
    assert repr(fn.LayerNorm(1e-3)) == "LayerNorm(epsilon=0.001)"
    assert fn.LayerNorm() != fn.LayerNorm(1e-3)
