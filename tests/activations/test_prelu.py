from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet.activations import PReLU, PReLUParams
from tests.agreement import worst_error


def problem(dtype, slope=0.3):
    z, dy = jax.random.normal(jax.random.key(0), (2, 6, 4), dtype)
    return PReLU(slope), PReLUParams(jnp.asarray(slope, dtype)), z, dy


@partial(jax.jit, static_argnums=0)
def both_routes(layer, params, z, dy):
    """Return the output, and the gradients by hand and automatically."""
    y, pull = jax.vjp(layer.apply, params, z)
    return y, layer.backward(params, layer.forward(params, z)[1], dy), pull(dy)


def test_it_is_the_leaky_relu_of_its_slope():
    layer, params, z, _ = problem(jnp.float32)
    leaky = fn.LeakyReLU(0.3)
    for value in (layer.apply(params, z), layer(z)):
        np.testing.assert_array_equal(value, leaky(z))
    for derivative in (layer.z_derivative(params, z), layer.derivative(z)):
        np.testing.assert_array_equal(derivative, leaky.derivative(z))


def test_its_parameter_is_one_slope_at_its_start():
    params, shape = PReLU(0.5).init(jax.random.key(0), (3, 2), dtype=jnp.bfloat16)
    assert (params.slope.shape, params.slope.dtype, float(params.slope), shape) == ((), jnp.bfloat16, 0.5, (3, 2))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-15)])
def test_backward_agrees_with_automatic_differentiation(dtype, tolerance, x64):
    layer, params, z, dy = problem(dtype)
    y, by_hand, automatic = both_routes(layer, params, z, dy)
    assert y.dtype == z.dtype
    assert worst_error(by_hand, automatic) <= tolerance


def test_both_derivatives_agree_with_central_differences(x64):
    layer, params, z, _ = problem(jnp.float64)
    h = 1e-6
    in_z = (layer.apply(params, z + h) - layer.apply(params, z - h)) / (2 * h)
    above, below = PReLUParams(params.slope + h), PReLUParams(params.slope - h)
    in_slope = (layer.apply(above, z) - layer.apply(below, z)) / (2 * h)
    np.testing.assert_allclose(layer.z_derivative(params, z), in_z, atol=1e-9)
    np.testing.assert_allclose(layer.slope_derivative(params, z), in_slope, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_nan_or_infinity_at_extremes(dtype, x64):
    tiny = np.finfo(dtype).tiny
    z = jnp.array([0.0, -0.0, *(s * size for size in (tiny, 88.0, 1e4, 1e30) for s in (1, -1))], dtype)
    layer, params = PReLU(), PReLUParams(jnp.asarray(0.25, dtype))
    y, by_hand, automatic = both_routes(layer, params, z, jnp.ones_like(z))
    assert np.isfinite(y).all()
    assert worst_error(by_hand, automatic) <= 1e-6


def test_nan_is_not_hidden():
    assert np.isnan(PReLU().apply(PReLUParams(jnp.float32(0.25)), jnp.array([jnp.nan]))).all()


def test_the_slope_is_learned():
    network = fn.Sequential(PReLU())
    x = jnp.linspace(-1, 1, 20)[:, None]
    y = jnp.where(x < 0, 0.7 * x, x)
    step, params = fn.backprop(network, fn.quadratic), (PReLUParams(jnp.float32(0.25)),)
    for _ in range(100):
        gradients = step(params, x, y)[1]
        params = jax.tree.map(lambda theta, g: theta - g, params, gradients)
    np.testing.assert_allclose(params[0].slope, 0.7, atol=1e-5)


def test_it_is_a_value_and_prints_as_what_builds_it():
    assert [repr(layer) for layer in (PReLU(), PReLU(0.25), PReLU(0.5))] == [
        "PReLU(0.25)",
        "PReLU(0.25)",
        "PReLU(0.5)",
    ]
    assert PReLU(0.5) == PReLU(initial_slope=0.5)
    assert hash(PReLU(1)) == hash(PReLU(1.0))
    assert fn.activation("prelu") == PReLU()


def test_what_does_not_fit_is_named():
    layer, params, _, _ = problem(jnp.float32)
    with pytest.raises(fn.DtypeError, match=r"PReLU\(0\.3\): expected x of dtype float32 as the slope, got bfloa"):
        layer.apply(params, jnp.ones(3, jnp.bfloat16))
    with pytest.raises(fn.DtypeError, match=r"PReLU\(0\.3\): expected x of a floating dtype, got int32"):
        layer.apply(params, jnp.ones(3, jnp.int32))
    with pytest.raises(ValueError, match="PReLU: expected initial_slope to be finite, got inf"):
        PReLU(float("inf"))
