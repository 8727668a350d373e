import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import funcnet as fn
from funcnet import initializers

sizes = st.integers(1, 6)


@settings(max_examples=20)  # each new shape compiles anew
@given(batch=sizes, inputs=sizes, units=sizes, seed=st.integers(0, 99))
def test_forward_and_backward_are_the_sums_over_indices(batch, inputs, units, seed):
    random = np.random.default_rng(seed)
    w, b = random.normal(size=(units, inputs)), random.normal(size=units)
    x, dy = random.normal(size=(batch, inputs)), random.normal(size=(batch, units))
    z, dw, db, dx = np.zeros((batch, units)), np.zeros_like(w), np.zeros_like(b), np.zeros_like(x)
    for i in range(batch):
        for k in range(units):
            z[i, k] = b[k] + sum(w[k, j] * x[i, j] for j in range(inputs))
            db[k] += dy[i, k]
            for j in range(inputs):
                dw[k, j] += dy[i, k] * x[i, j]
                dx[i, j] += dy[i, k] * w[k, j]
    with jax.enable_x64(True):
        layer, params = fn.Dense(units), fn.DenseParams(jnp.asarray(w), jnp.asarray(b))
        output, cache = jax.jit(layer.forward)(params, jnp.asarray(x))
        gradients, input_gradient = jax.jit(layer.backward)(params, cache, jnp.asarray(dy))
        for actual, expected in ((output, z), (gradients.weight, dw), (gradients.bias, db), (input_gradient, dx)):
            np.testing.assert_allclose(actual, expected, rtol=1e-13, atol=1e-13)


def test_init_uses_the_initializers_and_the_input_shape():
    layer = fn.Dense(5, weight_initializer=initializers.zeros, bias_initializer=initializers.uniform(-0.5, 0.5))
    params, output_shape = layer.init(jax.random.key(0), (3,))
    assert output_shape == (5,)
    assert params.weight.shape == (5, 3)
    assert not params.weight.any()
    assert params.bias.shape == (5,)
    assert params.bias.any()


def test_float64_needs_the_64_bit_mode():
    with pytest.raises(ValueError, match=r"Dense\(5\): expected dtype that JAX keeps, got float64 .*jax_enable_x64"):
        fn.Dense(5).init(jax.random.key(0), (3,), dtype=jnp.float64)


def test_dense_is_a_value_that_prints_as_its_call():
    assert len({fn.Dense(5), fn.Dense(6), fn.Dense(5, inputs=2), fn.Dense(5)}) == 3
    layer = fn.Dense(5, inputs=3, weight_initializer=initializers.normal(0.1))
    assert repr(layer) == "Dense(5, inputs=3, weight_initializer=initializers.normal(stddev=0.1))"
    with pytest.raises(AttributeError, match="cannot assign to field 'units'"):
        layer.units = 6


def test_wrong_inputs_are_named():
    params, _ = fn.Dense(5).init(jax.random.key(0), (3,))
    with pytest.raises(fn.ShapeError, match=r"^Dense\(5\): expected x of shape \(batch, 3\), got \(2, 4\)$"):
        fn.Dense(5).apply(params, jnp.ones((2, 4)))
    with pytest.raises(fn.ShapeError, match=r"got \(3,\)$"):
        fn.Dense(5).apply(params, jnp.ones(3))
    with pytest.raises(fn.DtypeError, match=r"expected x of dtype float32 as the weight, got uint8$"):
        fn.Dense(5).apply(params, np.ones((2, 3), np.uint8))


def test_parameters_of_another_layer_are_named():
    for weight, bias in (((6, 3), (6,)), ((5, 3), (1,)), ((5, 3), (5, 1)), ((15,), (5,))):
        with pytest.raises(
            fn.ShapeError, match=r"Dense\(5\): expected weight of shape \(5, inputs\) and bias of shape"
        ):
            fn.Dense(5).apply(fn.DenseParams(jnp.ones(weight), jnp.ones(bias)), jnp.ones((2, 3)))


def test_wrong_configuration_is_named():
    with pytest.raises(ValueError, match="Dense: expected units to be an integer of at least 1, got 0"):
        fn.Dense(0)
    with pytest.raises(TypeError, match=r"expected units to be an integer of at least 1, got 2\.5"):
        fn.Dense(2.5)
    with pytest.raises(ValueError, match="expected inputs to be an integer of at least 1, got 0"):
        fn.Dense(2, inputs=0)
    with pytest.raises(TypeError, match=r"expected weight_initializer from funcnet\.initializers .*, got 'zeros'"):
        fn.Dense(2, weight_initializer="zeros")


def test_wrong_input_shapes_of_init_are_named():
    with pytest.raises(fn.ShapeError, match=r"Dense\(5, inputs=3\): expected an input of shape \(3,\), got \(4,\)"):
        fn.Dense(5, inputs=3).init(jax.random.key(0), (4,))
    with pytest.raises(fn.ShapeError, match=r"expected an input of shape \(inputs,\), got \(28, 28\)"):
        fn.Dense(5).init(jax.random.key(0), (28, 28))
    with pytest.raises(TypeError, match="expected dtype to be floating, got int32"):
        fn.Dense(5).init(jax.random.key(0), (3,), dtype=jnp.int32)
