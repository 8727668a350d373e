import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet import neurons
from funcnet.activations import ACTIVATIONS


def test_a_perceptron_fires_only_above_its_threshold_where_the_step_fires_at_it():
    params = fn.DenseParams(weight=jnp.array([[2.0, -1.0]]), bias=jnp.array([-1.0]))
    x = jnp.array([[1.0, 1.0], [1.0, 0.99], [1.0, 1.01]])  # at the threshold, above, below
    np.testing.assert_array_equal(neurons.perceptron(params, x), [[0.0], [1.0], [0.0]])
    np.testing.assert_array_equal(neurons.neuron("step").apply((params, ()), x), [[1.0], [1.0], [0.0]])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_perceptrons_side_by_side_over_any_leading_axes_keep_the_dtype(dtype, x64):
    random = np.random.default_rng(0)
    weight, bias, x = (random.integers(-3, 4, shape) for shape in ((4, 3), (4,), (2, 5, 3)))
    params = fn.DenseParams(jnp.asarray(weight, dtype), jnp.asarray(bias, dtype))
    output = neurons.perceptron(params, jnp.asarray(x, dtype))
    assert output.dtype == jnp.dtype(dtype)
    expected = [[[int(sum(w * xs) + b > 0) for w, b in zip(weight, bias, strict=True)] for xs in row] for row in x]
    np.testing.assert_array_equal(np.asarray(output, float), expected)
    mapped = jax.jit(jax.vmap(jax.vmap(neurons.perceptron, (None, 0)), (None, 0)))(params, jnp.asarray(x, dtype))
    np.testing.assert_array_equal(np.asarray(mapped, float), expected)


def test_what_does_not_fit_the_weight_is_named():
    params = fn.DenseParams(jnp.ones((1, 2)), jnp.ones(1))
    with pytest.raises(fn.ShapeError, match=r"^perceptron: expected x of shape \(\.\.\., 2\), got \(4, 3\)"):
        neurons.perceptron(params, jnp.ones((4, 3)))
    with pytest.raises(fn.ShapeError, match=r"expected x of shape \(\.\.\., 2\), got \(\)"):
        neurons.perceptron(params, jnp.float32(1))
    with pytest.raises(fn.ShapeError, match=r"expected weight of shape \(units, inputs\) and bias of shape \(units,\)"):
        neurons.perceptron(params._replace(bias=jnp.ones(2)), jnp.ones((4, 2)))
    with pytest.raises(fn.DtypeError, match=r"expected x of a floating dtype, got int32"):
        neurons.perceptron(params, jnp.ones((4, 2), jnp.int32))
    with pytest.raises(fn.DtypeError, match=r"of the same dtype, float16 of x, got float32, float32"):
        neurons.perceptron(params, jnp.ones((4, 2), jnp.float16))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_neuron_has_any_activation_by_object_or_by_name(name):
    network = neurons.neuron(name, units=3)
    assert network == neurons.neuron(fn.activation(name), units=3) == eval(repr(network), vars(fn))
    params, shape = network.init(jax.random.key(0), (2,))
    assert shape == (3,)
    x = jnp.array([[1.0, -2.0], [0.5, 3.0]])
    z = x @ params[0].weight.T + params[0].bias[None, :]
    np.testing.assert_allclose(network.apply(params, x), fn.activation(name).apply(params[1], z), rtol=1e-6)


def test_an_unknown_activation_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"expected one of linear, sigmoid, tanh, relu, .*, got 'rectifier'"):
        neurons.neuron("rectifier")
    for activation in (None, jnp.tanh, fn.Dense(1)):
        with pytest.raises(TypeError, match=r"^neuron: expected an activation, such as fn\.relu, or its name, got"):
            neurons.neuron(activation)
    with pytest.raises(ValueError, match=r"expected units to be an integer of at least 1, got 0"):
        neurons.neuron("relu", units=0)


def test_nan_stays_nan():
    params = fn.DenseParams(jnp.array([[1.0, -1.0]]), jnp.array([0.5]))
    x = np.array([[np.nan, 0], [1, 0], [0, 1], [np.inf, np.inf]], np.float32)
    np.testing.assert_array_equal(fn.neurons.perceptron(params, x)[:, 0], [np.nan, 1, 0, np.nan])
    np.testing.assert_array_equal(jax.grad(lambda x: fn.neurons.perceptron(params, x).sum())(x), np.zeros((4, 2)))
