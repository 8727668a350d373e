"""A graph's derivatives against ``jax.grad``, for every layer, every loss and whole networks."""

import jax
import jax.numpy as jnp
import pytest

import funcnet as fn
from funcnet.losses import batch_mean
from tests import registry
from tests.graph.examples import both_modes_error, direction

TOLERANCE = 1e-12


@pytest.fixture(autouse=True)
def _in_float64(x64):
    pass


def takes_a_key(layer):
    """Return whether a layer is or contains dropout."""
    return "Dropout" in repr(layer)


LAYER_CASES = [
    (case, with_key) for case in registry.LAYERS for with_key in (False, *([True] if takes_a_key(case.layer) else []))
]


@pytest.mark.parametrize(("case", "with_key"), LAYER_CASES, ids=repr)
def test_every_layer_in_parameters_and_input(case, with_key):
    params, output_shape = case.layer.init(jax.random.key(1), case.shape, dtype=jnp.float64)
    x, weights = direction(2, (3, *case.shape)), direction(4, (3, *output_shape))
    params = jax.tree.map(lambda leaf: leaf + 0.1 * direction(3, leaf.shape), params)
    key = jax.random.key(5) if with_key else None
    error = both_modes_error(lambda p, x: jnp.sum(weights * case.layer.apply(p, x, key=key)), params, jnp.asarray(x))
    assert error <= TOLERANCE


@pytest.mark.parametrize("case", registry.LOSSES, ids=repr)
def test_every_loss_in_output_and_target(case):
    output, target = case.example(jax.random.key(1), (4, 3), jnp.float64)
    weights = direction(2, (4,))
    error = both_modes_error(lambda a, y: jnp.sum(weights * case.loss.value(a, y)), output, target)
    assert error <= TOLERANCE


@pytest.mark.parametrize("compiled", [False, True])
def test_the_cost_of_a_network_with_penalties(compiled):
    network = fn.Sequential(
        fn.Flatten(), fn.Dense(5), fn.LayerNorm(), fn.gelu, fn.Dropout(0.3), fn.Residual(fn.Dense(5), fn.PReLU()),
        fn.Dense(3), fn.softmax,
    )  # fmt: skip
    params, _ = network.init(jax.random.key(0), (2, 3), dtype=jnp.float64)
    x = jnp.asarray(direction(1, (6, 2, 3)))
    y = jax.nn.softmax(jnp.asarray(direction(2, (6, 3))))
    shares, penalty, loss = jnp.linspace(0.5, 2, 6), fn.l2(0.1) + fn.l1(0.01), fn.categorical_cross_entropy

    def cost(params, x, key):
        values = loss.value(network.apply(params, x, key=key), y)
        return batch_mean(values, shares, where=loss) + penalty.value(params)

    assert both_modes_error(jax.jit(cost) if compiled else cost, params, x, jax.random.key(7)) <= TOLERANCE


def test_the_cost_is_that_of_backprop():
    """The graph's gradients equal those of the four equations of backpropagation."""
    network = fn.mlp([4, 5, 3], hidden=fn.sigmoid, output=fn.sigmoid)
    params, _ = network.init(jax.random.key(0), (4,), dtype=jnp.float64)
    x, y = jnp.asarray(direction(1, (6, 4))), jax.nn.sigmoid(jnp.asarray(direction(2, (6, 3))))
    expected_cost, expected = jax.jit(fn.backprop(network, fn.quadratic))(params, x, y)
    traced = fn.graph.trace(lambda params: jnp.mean(fn.quadratic.value(network.apply(params, x), y)), params)
    values = traced.forward(params)
    (gradients,) = traced.gradients(traced.backward(values))
    assert jnp.allclose(traced.output(values), expected_cost, rtol=1e-14)
    for ours, theirs in zip(jax.tree.leaves(gradients), jax.tree.leaves(expected), strict=True):
        assert jnp.abs(ours - theirs).max() <= TOLERANCE * jnp.abs(theirs).max()
