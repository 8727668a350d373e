import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet.activations import ACTIVATIONS

ELEMENTWISE = [fn.linear, fn.sigmoid, fn.tanh, fn.relu]
DTYPES = [jnp.float32, jnp.bfloat16, jnp.float16]
EXTREMES = [0.0, 1e-30, -1e-30, 88.0, -88.0, 1e4, -1e4, 1e30, -1e30]


@pytest.mark.parametrize("activation", ELEMENTWISE, ids=repr)
def test_derivative_agrees_with_automatic_differentiation(activation, x64):
    z = jnp.concatenate([jnp.linspace(-20.0, 20.0, 401), jnp.array([0.0, -0.0])])
    automatic = jax.vmap(jax.grad(activation))(z)
    np.testing.assert_allclose(activation.derivative(z), automatic, rtol=1e-14, atol=5e-16)


@pytest.mark.parametrize("activation", ELEMENTWISE, ids=repr)
def test_derivative_agrees_with_central_differences(activation, x64):
    z = jnp.linspace(-5.0, 5.0, 100)  # none of the points is a kink
    h = 1e-6
    numerical = (activation(z + h) - activation(z - h)) / (2 * h)
    np.testing.assert_allclose(activation.derivative(z), numerical, atol=1e-9)


def test_softmax_jacobian_agrees_with_automatic_differentiation(x64):
    z = jax.random.normal(jax.random.key(0), (7, 5), jnp.float64) * 10
    automatic = jax.vmap(jax.jacobian(fn.softmax))(z)
    np.testing.assert_allclose(fn.softmax.derivative(z), automatic, atol=1e-15)


def test_softmax_backward_is_the_jacobian_product(x64):
    z, dy = jax.random.normal(jax.random.key(0), (2, 7, 5), jnp.float64)
    _, cache = fn.softmax.forward((), z)
    _, dz = fn.softmax.backward((), cache, dy)
    np.testing.assert_allclose(dz, jnp.einsum("bjk,bj->bk", fn.softmax.derivative(z), dy), atol=1e-15)


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=repr)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
def test_shape_and_dtype_are_kept(activation, dtype):
    z = jnp.linspace(-3, 3, 6, dtype=dtype).reshape(2, 3)
    assert activation(z).shape == (2, 3)
    assert activation(z).dtype == dtype
    assert activation.derivative(z).dtype == dtype


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=repr)
def test_eager_compiled_and_vectorized_are_the_same(activation):
    z = jax.random.normal(jax.random.key(1), (4, 6))
    for f in (activation, activation.derivative):
        np.testing.assert_allclose(jax.jit(f)(z), f(z), rtol=1e-5)
        np.testing.assert_allclose(jax.vmap(f)(z), f(z), rtol=1e-5)


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=repr)
def test_no_nan_or_infinity_at_extremes(activation):
    z = jnp.array(EXTREMES)
    for value in (activation(z), activation.derivative(z), jax.grad(lambda z: jnp.sum(activation(z)))(z)):
        assert np.isfinite(value).all()


def test_relu_takes_the_right_hand_branch_at_zero_by_both_routes():
    for zero in (0.0, -0.0):
        assert fn.relu(jnp.float32(zero)) == 0
        assert fn.relu.derivative(jnp.float32(zero)) == 1
        assert jax.grad(fn.relu)(jnp.float32(zero)) == 1


def test_relu_does_not_hide_nan():
    assert np.isnan(fn.relu(jnp.array([jnp.nan]))).all()


def test_softmax_sums_to_one_and_ignores_a_common_shift():
    z = jax.random.normal(jax.random.key(0), (100, 10)) * 30
    np.testing.assert_allclose(fn.softmax(z).sum(axis=-1), 1, rtol=1e-6)
    np.testing.assert_allclose(fn.softmax(z + 64.0), fn.softmax(z), rtol=1e-4)


def test_an_activation_is_a_layer_without_parameters():
    params, shape = fn.relu.init(jax.random.key(0), (3,))
    assert (params, shape) == ((), (3,))
    assert fn.relu.apply((), jnp.array([[-1.0, 2.0]])).tolist() == [[0.0, 2.0]]


def test_activations_are_values():
    assert fn.relu == type(fn.relu)()
    assert hash(fn.relu) == hash(type(fn.relu)())
    assert fn.relu != fn.tanh
    assert [repr(a) for a in ACTIVATIONS.values()] == list(ACTIVATIONS)


def test_lookup_by_name_lists_the_known_names():
    assert fn.activation("tanh") is fn.tanh
    with pytest.raises(ValueError, match=r"expected one of linear, sigmoid, tanh, relu, softmax, got 'swish'"):
        fn.activation("swish")


def test_integers_are_refused():
    with pytest.raises(fn.DtypeError, match=r"sigmoid: expected z of a floating dtype, got int32"):
        fn.sigmoid(jnp.array([1, 2]))
