import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn


def small():
    return fn.Sequential(fn.Dense(4), fn.tanh, fn.Dense(2))


def test_it_applies_its_layers_in_order():
    network, x = small(), jax.random.normal(jax.random.key(1), (5, 3))
    params, output_shape = network.init(jax.random.key(0), (3,))
    first, _, last = params
    expected = np.tanh(x @ first.weight.T + first.bias[None]) @ last.weight.T + last.bias[None]
    assert output_shape == (2,)
    np.testing.assert_allclose(network.apply(params, x), expected, rtol=1e-5, atol=1e-6)


def test_parameters_are_the_tuple_of_the_layers():
    params, _ = small().init(jax.random.key(0), (3,))
    assert isinstance(params[0], fn.DenseParams)
    assert params[1] == ()
    assert [p.shape for p in jax.tree.leaves(params)] == [(4, 3), (4,), (2, 4), (2,)]


def test_layers_of_equal_shape_start_with_different_weights():
    params, _ = fn.Sequential(fn.Dense(3), fn.Dense(3)).init(jax.random.key(0), (3,))
    assert not np.array_equal(params[0].weight, params[1].weight)


def test_nested_networks_are_networks():
    inner = fn.Sequential(fn.Dense(4), fn.relu)
    network, x = fn.Sequential(inner, fn.Dense(2)), jnp.ones((5, 3))
    params, _ = network.init(jax.random.key(0), (3,))
    flat = fn.Sequential(fn.Dense(4), fn.relu, fn.Dense(2))
    flat_params = (*params[0], params[1])
    chex.assert_trees_all_equal(network.apply(params, x), flat.apply(flat_params, x))
    y, cache = network.forward(params, x)
    flat_y, flat_cache = flat.forward(flat_params, x)
    gradients, dx = network.backward(params, cache, y)
    flat_gradients, flat_dx = flat.backward(flat_params, flat_cache, flat_y)
    chex.assert_trees_all_equal(((*gradients[0], gradients[1]), dx), (flat_gradients, flat_dx))


def test_networks_are_values_that_print_as_their_call():
    assert small() != fn.Sequential(fn.Dense(4), fn.relu, fn.Dense(2))
    assert repr(small()) == "Sequential(Dense(4), tanh, Dense(2))"


def test_mlp_is_the_network_of_those_sizes():
    assert fn.mlp([784, 512, 10]) == fn.Sequential(fn.Dense(512, inputs=784), fn.relu, fn.Dense(10))
    assert fn.mlp([2, 3, 4, 1], hidden=fn.tanh, output=fn.sigmoid) == fn.Sequential(
        fn.Dense(3, inputs=2), fn.tanh, fn.Dense(4), fn.tanh, fn.Dense(1), fn.sigmoid
    )
    assert fn.mlp([3, 1]) == fn.Sequential(fn.Dense(1, inputs=3))


def test_mlp_checks_its_input_size():
    with pytest.raises(fn.ShapeError, match=r"\(layer 0\): expected an input of shape \(784,\), got \(783,\)"):
        fn.mlp([784, 10]).init(jax.random.key(0), (783,))


def test_errors_name_the_layer_by_its_place():
    network = fn.Sequential(fn.Dense(512), fn.relu, fn.Dense(10))
    params, _ = network.init(jax.random.key(0), (784,))
    wrong = (*params[:2], fn.DenseParams(jnp.ones((10, 500)), jnp.ones(10)))
    message = r"^Dense\(10\) \(layer 2\): expected x of shape \(batch, 500\), got \(128, 512\)"
    with pytest.raises(fn.ShapeError, match=message):
        network.apply(wrong, jnp.ones((128, 784)))
    with pytest.raises(fn.ShapeError, match=message):
        jax.jit(network.apply)(wrong, jnp.ones((128, 784)))


def test_errors_in_nested_networks_name_the_whole_path():
    network = fn.Sequential(fn.Dense(4), fn.Sequential(fn.relu, fn.Dense(3, inputs=5)))
    with pytest.raises(fn.ShapeError, match=r"Dense\(3, inputs=5\) \(layer 1\.1\): expected an input of shape \(5,\)"):
        network.init(jax.random.key(0), (2,))


def test_dtype_errors_name_the_layer_too():
    params, _ = small().init(jax.random.key(0), (3,))
    with pytest.raises(fn.DtypeError, match=r"Dense\(4\) \(layer 0\): expected x of dtype float32.* got int32"):
        small().apply(params, jnp.ones((5, 3), jnp.int32))


def test_what_is_no_layer_is_refused():
    with pytest.raises(TypeError, match="Sequential: expected a layer at position 1, got 'relu'"):
        fn.Sequential(fn.Dense(3), "relu")
    with pytest.raises(ValueError, match="Sequential: expected at least one layer, got none"):
        fn.Sequential()


def test_wrong_parameters_are_refused():
    params, _ = small().init(jax.random.key(0), (3,))
    with pytest.raises(ValueError, match="expected params to be a tuple of 3, one entry per layer, got a tuple of 2"):
        small().apply(params[:2], jnp.ones((5, 3)))
    with pytest.raises(ValueError, match="one entry per layer, got list"):
        small().apply(list(params), jnp.ones((5, 3)))


def test_wrong_keys_are_refused():
    for key in (0, jnp.zeros(3, jnp.uint32), jax.random.split(jax.random.key(0))):
        with pytest.raises(TypeError, match=r"Sequential: expected key made by jax\.random\.key\(seed\), got"):
            small().init(key, (3,))


def test_raw_keys_are_taken():
    raw, typed = (small().init(make(0), (3,))[0] for make in (jax.random.PRNGKey, jax.random.key))
    chex.assert_trees_all_equal(raw, typed)


def test_wrong_sizes_of_mlp_are_refused():
    with pytest.raises(ValueError, match=r"mlp: expected sizes of the input and of at least one layer, got \[3\]"):
        fn.mlp([3])
    with pytest.raises(ValueError, match="mlp: expected every size to be an integer of at least 1, got 0"):
        fn.mlp([3, 0, 1])
    with pytest.raises(TypeError, match=r"mlp: expected hidden to be an activation, such as fn\.relu, got 'relu'"):
        fn.mlp([3, 2, 1], hidden="relu")
    with pytest.raises(TypeError, match=r"mlp: expected output to be an activation, .* got Dense\(2\)"):
        fn.mlp([3, 2, 1], output=fn.Dense(2))
