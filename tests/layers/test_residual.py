import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn

X = jax.random.normal(jax.random.key(1), (5, 3))


def test_it_adds_its_input_to_what_its_layers_make_of_it():
    layers = (fn.Dense(4), fn.tanh, fn.Dense(3))
    params, output_shape = fn.Residual(*layers).init(jax.random.key(0), (3,))
    assert output_shape == (3,)
    inner = fn.Sequential(*layers)
    np.testing.assert_allclose(fn.Residual(*layers).apply(params, X), X + inner.apply(params, X), rtol=1e-6)
    chex.assert_trees_all_equal(params, inner.init(jax.random.key(0), (3,))[0])


def test_layers_of_weight_zero_leave_the_identity_and_its_gradient():
    zeros = fn.initializers.zeros
    network = fn.Sequential(*(fn.Residual(fn.Dense(3, weight_initializer=zeros), fn.tanh) for _ in range(50)))
    params, _ = network.init(jax.random.key(0), (3,))
    y, cache = network.forward(params, X)
    np.testing.assert_array_equal(y, X)
    np.testing.assert_array_equal(network.backward(params, cache, X)[1], X)


def test_it_is_no_sequential_network():
    assert fn.Residual(fn.relu) != fn.Sequential(fn.relu)
    assert not isinstance(fn.Residual(fn.relu), fn.Sequential)
    assert repr(fn.Residual(fn.Dense(3), fn.Residual(fn.relu))) == "Residual(Dense(3), Residual(relu))"
    with pytest.raises(AttributeError, match="cannot assign to field 'layers'"):
        fn.Residual(fn.relu).layers = ()


def test_keys_reach_the_layers_inside():
    network = fn.Residual(fn.Residual(fn.Dropout(0.5)))
    params, _ = network.init(jax.random.key(0), (3,))
    np.testing.assert_allclose(network.apply(params, X), 3 * X, rtol=1e-6)  # x + (x + x)
    ratio = np.asarray(network.apply(params, jnp.ones((20, 3)), key=jax.random.key(0)))
    np.testing.assert_array_equal(np.unique(ratio), [2.0, 4.0])  # x + (x + 0) and x + (x + 2x)


def test_a_deep_stack_trains_where_the_same_layers_alone_do_not():
    def loss_after(block):
        network = fn.Sequential(fn.Dense(8), *(block for _ in range(15)), fn.Dense(1))
        x = jax.random.normal(jax.random.key(2), (64, 3))
        result = fn.fit(
            network,
            fn.quadratic,
            fn.adam(0.003),
            (x, jnp.sin(x[:, :1]) * x[:, 1:2]),
            key=jax.random.key(0),
            epochs=60,
            batch_size=None,
            progress=False,
        )
        return result.history["loss"][-1] / result.history["loss"][0]

    layers = fn.Dense(8, weight_initializer=fn.initializers.normal(0.1)), fn.tanh
    assert loss_after(fn.Residual(*layers)) < 0.2
    assert loss_after(fn.Sequential(*layers)) > 0.9


def test_layers_that_change_the_shape_are_refused():
    with pytest.raises(
        fn.ShapeError, match=r"^Residual\(Dense\(4\)\) \(layer 1\): expected layers that keep the input's"
    ):
        fn.Sequential(fn.Dense(3), fn.Residual(fn.Dense(4))).init(jax.random.key(0), (3,))
    params, _ = fn.Dense(1).init(jax.random.key(0), (3,))
    message = r"^Residual\(Dense\(1\)\): expected layers that keep the shape of x \(5, 3\), got \(5, 1\)$"
    with pytest.raises(fn.ShapeError, match=message):
        fn.Residual(fn.Dense(1)).apply((params,), X)


def test_errors_inside_name_the_whole_path():
    network = fn.Sequential(fn.Dense(3), fn.Residual(fn.relu, fn.Residual(fn.Dense(3))))
    params, _ = network.init(jax.random.key(0), (3,))
    wrong = (params[0], ((), (fn.DenseParams(jnp.ones((3, 4)), jnp.ones(3)),)))
    with pytest.raises(fn.ShapeError, match=r"^Dense\(3\) \(layer 1\.1\.0\): expected x of shape \(batch, 4\)"):
        network.apply(wrong, X)
    with pytest.raises(fn.ShapeError, match=r"^Dense\(3, inputs=2\) \(layer 0\.1\): expected an input of shape"):
        fn.Sequential(fn.Residual(fn.relu, fn.Dense(3, inputs=2))).init(jax.random.key(0), (3,))


def test_what_is_no_layer_is_refused():
    with pytest.raises(TypeError, match=r"^Residual: expected a layer at position 0, got 'relu'"):
        fn.Residual("relu")
    with pytest.raises(ValueError, match=r"^Residual: expected at least one layer, got none"):
        fn.Residual()
    with pytest.raises(
        ValueError, match=r"^Residual: expected params to be a tuple of 1, one entry per layer, got a tuple of 0"
    ):
        fn.Residual(fn.relu).apply((), X)
