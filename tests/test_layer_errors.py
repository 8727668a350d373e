import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from tests.agreement import worst_error

BATCH = 7


def problem(network, inputs, outputs, dtype=jnp.float64, seed=0):
    """Return parameters, a batch and one-hot targets."""
    random = np.random.default_rng(seed)
    params = jax.eval_shape(lambda: network.init(jax.random.key(0), (inputs,), dtype=dtype)[0])
    params = jax.tree.map(lambda leaf: jnp.asarray(random.normal(size=leaf.shape), dtype), params)
    x = jnp.asarray(random.normal(size=(BATCH, inputs)), dtype)
    return params, x, jnp.asarray(np.eye(outputs)[random.integers(outputs, size=BATCH)], dtype)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def test_the_four_equations_hold_literally(x64):
    """BP1 to BP4 for sigmoid layers and the quadratic cost, sample by sample in NumPy."""
    network = fn.mlp([3, 5, 4, 2], hidden=fn.sigmoid, output=fn.sigmoid)
    params, x, y = problem(network, 3, 2)
    errors = fn.layer_errors(network, fn.quadratic, params, x, y)
    _, grads = fn.backprop(network, fn.quadratic)(params, x, y)
    dense, x, y = params[::2], np.asarray(x), np.asarray(y)
    assert len(errors) == 3
    for i in range(BATCH):
        a, z = [x[i]], []
        for w, b in dense:
            z.append(np.asarray(w) @ a[-1] + np.asarray(b))
            a.append(sigmoid(z[-1]))
        delta = [None, None, (a[3] - y[i]) * a[3] * (1 - a[3])]  # BP1
        for layer in (1, 0):
            above = np.asarray(dense[layer + 1].weight)
            delta[layer] = (above.T @ delta[layer + 1]) * a[layer + 1] * (1 - a[layer + 1])  # BP2
        for layer in range(3):
            expected = z[layer], a[layer + 1], delta[layer]
            assert worst_error(tuple(each[i] for each in errors[layer]), expected) <= 1e-13
    below = [x, *(np.asarray(error.a) for error in errors)]
    for layer, grad in enumerate(grads[::2]):
        delta = np.asarray(errors[layer].delta)
        weight = sum(np.outer(delta[i], below[layer][i]) for i in range(BATCH)) / BATCH  # BP3
        bias = sum(delta[i] for i in range(BATCH)) / BATCH  # BP4
        assert worst_error(tuple(grad), (weight, bias)) <= 1e-14


def test_the_last_error_of_softmax_cross_entropy_is_softmax_minus_target(x64):
    network = fn.mlp([3, 5, 4], hidden=fn.tanh)
    params, x, y = problem(network, 3, 4)
    last = fn.layer_errors(network, fn.softmax_cross_entropy, params, x, y)[-1]
    exponential = np.exp(np.asarray(last.z))
    np.testing.assert_allclose(last.delta, exponential / exponential.sum(axis=1, keepdims=True) - y, atol=1e-15)
    np.testing.assert_array_equal(last.a, last.z)


NETWORKS = [
    fn.mlp([3, 5, 4, 2], hidden=fn.relu, output=fn.softmax),
    fn.Sequential(fn.Dense(4), fn.PReLU(0.1), fn.Dense(2), fn.tanh),
    fn.Sequential(fn.Sequential(fn.Dense(4)), fn.Sequential(fn.tanh, fn.Sequential(fn.Dense(2)))),
    fn.Sequential(fn.Dense(4), fn.Residual(fn.tanh, fn.Dense(4), fn.relu, fn.Dense(4)), fn.relu, fn.Dense(2)),
    fn.Sequential(fn.Flatten(), fn.Dense(4), fn.LayerNorm(), fn.sigmoid, fn.Dropout(0.5), fn.Dense(2)),
    fn.Residual(fn.Residual(fn.Dense(3), fn.Dense(3))),
]


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_the_errors_are_the_derivatives_in_the_weighted_inputs(network, x64):
    """δ equals ``jax.grad`` of a sample's loss in a term added to each z, which is a term added to each bias."""
    params, x, y = problem(network, 3, 3 if isinstance(network, fn.Residual) else 2)

    def loss_of_one(params, x, y):
        return fn.quadratic.value(network.apply(params, x[None]), y[None])[0]

    @jax.jit
    def both(params, x, y):
        errors = fn.layer_errors(network, fn.quadratic, params, x, y)
        return errors, jax.vmap(jax.grad(loss_of_one), in_axes=(None, 0, 0))(params, x, y)

    def is_dense(node):
        return isinstance(node, fn.DenseParams)

    errors, by_sample = both(params, x, y)
    expected = [node.bias for node in jax.tree.leaves(by_sample, is_leaf=is_dense) if is_dense(node)]
    assert worst_error([error.delta for error in errors], expected) <= 1e-14


def test_compiled_or_not_it_is_the_same(x64):
    network = NETWORKS[3]
    arguments = problem(network, 3, 2)
    compiled = jax.jit(lambda *arguments: fn.layer_errors(network, fn.quadratic, *arguments))(*arguments)
    assert worst_error(compiled, fn.layer_errors(network, fn.quadratic, *arguments)) <= 1e-14


def test_the_activation_is_the_layer_that_follows_at_once():
    residual = NETWORKS[3]
    params, x, y = problem(residual, 3, 2, jnp.float32)
    first, second, third, last = fn.layer_errors(residual, fn.quadratic, params, x, y)
    np.testing.assert_array_equal(first.a, first.z)  # the tanh inside the residual does not follow this layer
    np.testing.assert_allclose(second.a, np.maximum(second.z, 0), rtol=1e-6)
    np.testing.assert_array_equal(third.a, third.z)  # the sum comes between it and relu
    np.testing.assert_array_equal(last.a, last.z)
    nested = NETWORKS[2]
    params, x, y = problem(nested, 3, 2, jnp.float32)
    first, last = fn.layer_errors(nested, fn.quadratic, params, x, y)
    np.testing.assert_allclose(first.a, np.tanh(first.z), rtol=1e-5)
    learned = NETWORKS[1]
    params, x, y = problem(learned, 3, 2, jnp.float32)
    first, last = fn.layer_errors(learned, fn.quadratic, params, x, y)
    np.testing.assert_allclose(first.a, np.where(first.z < 0, params[1].slope * first.z, first.z), rtol=1e-6)
    np.testing.assert_allclose(last.a, np.tanh(last.z), rtol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
def test_dtypes_are_kept(dtype):
    network = fn.mlp([3, 5, 2])
    errors = fn.layer_errors(network, fn.softmax_cross_entropy, *problem(network, 3, 2, dtype))
    assert {leaf.dtype for leaf in jax.tree.leaves(errors)} == {jnp.dtype(dtype)}


def test_one_dense_layer_is_a_network_too():
    params, x, y = problem(fn.Dense(2), 3, 2, jnp.float32)
    (only,) = fn.layer_errors(fn.Dense(2), fn.quadratic, params, x, y)
    np.testing.assert_array_equal(only.delta, only.z - y)


def test_errors_name_the_layer():
    network = fn.Sequential(fn.relu, fn.Dense(2))
    params, x, y = problem(network, 3, 2, jnp.float32)
    with pytest.raises(fn.ShapeError, match=r"^Dense\(2\) \(layer 1\): expected x of shape \(batch, 3\), got \(7, 2\)"):
        fn.layer_errors(network, fn.quadratic, params, x[:, :2], y)
    with pytest.raises(fn.ShapeError, match=r"^quadratic: expected target of the output's shape \(7, 2\)"):
        fn.layer_errors(network, fn.quadratic, params, x, y[:, :1])
    with pytest.raises(ValueError, match="Sequential: expected params to be a tuple of 2"):
        fn.layer_errors(network, fn.quadratic, params[:1], x, y)
    with pytest.raises(
        ValueError, match=r"layer_errors: expected a network with a Dense layer, got Sequential\(relu\)"
    ):
        fn.layer_errors(fn.Sequential(fn.relu), fn.quadratic, ((),), x, x)
