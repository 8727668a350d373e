import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from tests import oracles
from tests.agreement import worst_error

HIDDEN = [fn.linear, fn.sigmoid, fn.tanh, fn.relu, fn.softmax]
OUTPUT_OF = {
    fn.quadratic: fn.linear,
    fn.squared_error: fn.tanh,
    fn.mean_squared_error: fn.softmax,
    fn.binary_cross_entropy: fn.sigmoid,
    fn.sigmoid_cross_entropy: fn.linear,
    fn.softmax_cross_entropy: fn.linear,
}


def problem(sizes, hidden, loss, batch, dtype, seed=0):
    """Return a network, parameters and a batch with targets in (0, 1)."""
    network = fn.mlp(sizes, hidden=hidden, output=OUTPUT_OF[loss])
    keys = jax.random.split(jax.random.key(seed), 3)
    params, _ = network.init(keys[0], (sizes[0],), dtype=dtype)
    x = jax.random.normal(keys[1], (batch, sizes[0]), dtype)
    y = jax.random.uniform(keys[2], (batch, sizes[-1]), dtype)
    return network, params, x, y


def compiled_both(network, loss):
    """Return the two routes as one compiled function: (by hand, automatic), each for all the weights that are given."""
    routes = fn.backprop(network, loss), fn.autodiff(network, loss)
    return jax.jit(lambda data, *weights: [[route(*data, weights=each) for each in weights] for route in routes])


@pytest.mark.parametrize("loss", OUTPUT_OF, ids=repr)
@pytest.mark.parametrize("hidden", HIDDEN, ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_by_hand_agrees_with_automatic(hidden, loss, dtype, x64):
    network, params, x, y = problem([5, 7, 6, 4], hidden, loss, 9, dtype)
    weights = jnp.linspace(0, 2, 9, dtype=dtype)
    by_hand, automatic = compiled_both(network, loss)((params, x, y), None, weights)
    assert worst_error(by_hand, automatic) <= {"float32": 2e-6, "float64": 1e-14}[dtype]


@pytest.mark.parametrize("gradients", [fn.backprop, fn.autodiff])
def test_both_agree_with_the_index_form_in_plain_loops(gradients, x64):
    network, params, x, y = problem([4, 5, 3, 2], fn.sigmoid, fn.quadratic, 6, jnp.float64)
    network = fn.mlp([4, 5, 3, 2], hidden=fn.sigmoid, output=fn.sigmoid)
    params = (*params, ())
    dense = [np.asarray(p.weight) for p in params[::2]], [np.asarray(p.bias) for p in params[::2]]
    expected_cost, *expected = oracles.index_form_backprop(*dense, np.asarray(x), np.asarray(y))
    cost, grads = jax.jit(gradients(network, fn.quadratic))(params, x, y)
    np.testing.assert_allclose(cost, expected_cost, rtol=1e-14)
    assert worst_error(([g.weight for g in grads[::2]], [g.bias for g in grads[::2]]), tuple(expected)) <= 1e-13


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-6), ("float64", 1e-14)])
def test_they_agree_at_every_step_of_a_run(dtype, tolerance, x64):
    network, params, x, y = problem([20, 30, 10], fn.relu, fn.softmax_cross_entropy, 64, dtype)
    y = jax.nn.one_hot(jnp.argmax(y, axis=1), 10, dtype=dtype)
    optimizer = fn.rmsprop(0.01)
    state, update = optimizer.init(params), jax.jit(optimizer.update)
    both = compiled_both(network, fn.softmax_cross_entropy)
    costs = []
    for _ in range(50):
        [by_hand], [automatic] = both((params, x, y), None)
        assert worst_error(by_hand, automatic) <= tolerance
        costs.append(float(automatic[0]))
        updates, state = update(automatic[1], state, params)
        params = fn.apply_updates(params, updates)
    assert costs[-1] < costs[0] / 2


@pytest.mark.parametrize("gradients", [fn.backprop, fn.autodiff])
def test_samples_of_weight_zero_count_for_nothing(gradients):
    network, params, x, y = problem([3, 4, 2], fn.tanh, fn.quadratic, 6, jnp.float32)
    weights = jnp.array([1.0, 1.0, 1.0, 1.0, 0.0, 0.0])
    compiled = jax.jit(gradients(network, fn.quadratic))
    padded = compiled(params, x, y, weights=weights)
    alone = compiled(params, x[:4], y[:4])
    assert worst_error(padded, alone) <= 1e-6


@pytest.mark.parametrize("gradients", [fn.backprop, fn.autodiff])
def test_the_cost_is_the_mean_and_the_gradient_the_mean_of_the_samples(gradients):
    network, params, x, y = problem([3, 4, 2], fn.tanh, fn.quadratic, 6, jnp.float32)
    one = jax.jit(gradients(network, fn.quadratic))
    each = jax.jit(jax.vmap(lambda x, y: one(params, x[None], y[None])))(x, y)
    assert worst_error(one(params, x, y), jax.tree.map(lambda leaf: leaf.mean(axis=0), each)) <= 1e-6


@pytest.mark.parametrize("gradients", [fn.backprop, fn.autodiff])
def test_with_output_gives_the_output_too(gradients):
    network, params, x, y = problem([3, 4, 2], fn.tanh, fn.quadratic, 6, jnp.float32)
    (cost, output), grads = gradients(network, fn.quadratic, with_output=True)(params, x, y)
    chex.assert_trees_all_equal((cost, grads), gradients(network, fn.quadratic)(params, x, y))
    chex.assert_trees_all_equal(output, network.apply(params, x))


@pytest.mark.parametrize("gradients", [fn.backprop, fn.autodiff])
def test_dtype_is_kept_and_the_cost_is_at_least_float32(gradients):
    network, params, x, y = problem([3, 4, 2], fn.relu, fn.softmax_cross_entropy, 6, jnp.bfloat16)
    cost, grads = jax.eval_shape(gradients(network, fn.softmax_cross_entropy), params, x, y, weights=jnp.ones(6))
    assert cost.dtype == jnp.float32
    chex.assert_trees_all_equal_shapes_and_dtypes(grads, params)


def test_by_hand_never_differentiates(monkeypatch):
    def forbidden(*args, **kwargs):
        raise AssertionError("automatic differentiation was called")

    for name in ("grad", "value_and_grad", "vjp", "jvp", "jacobian", "linearize"):
        monkeypatch.setattr(jax, name, forbidden)
    network, params, x, y = problem([3, 4, 2], fn.relu, fn.quadratic, 6, jnp.float32)
    jax.eval_shape(fn.backprop(network, fn.quadratic), params, x, y)
    with pytest.raises(AssertionError, match="automatic differentiation was called"):
        jax.eval_shape(fn.autodiff(network, fn.quadratic), params, x, y)


def test_wrong_targets_are_named():
    network, params, x, y = problem([3, 4, 2], fn.relu, fn.quadratic, 6, jnp.float32)
    for gradients in (fn.backprop, fn.autodiff):
        with pytest.raises(fn.ShapeError, match=r"quadratic: expected target of the output's shape \(6, 2\), got \(6,"):
            gradients(network, fn.quadratic)(params, x, y[:, 0])
