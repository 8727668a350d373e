"""The counts of local derivatives that a graph gives, against the numbers that real runs use."""

import jax.numpy as jnp
import pytest

from funcnet import graph
from funcnet.graph import accumulation
from tests.graph.examples import LAYERS, NEURON, chain, neuron_cost, two_layers


@pytest.fixture
def used(monkeypatch):
    """Return a list to which every local derivative is added when a run uses it."""
    noted = []

    def watched(operation, index, inputs, results):
        noted.append((operation.place, index))
        return original(operation, index, inputs, results)

    original = accumulation.local_derivative
    monkeypatch.setattr(accumulation, "local_derivative", watched)
    return noted


def counted(used, traced, arguments, parameters):
    """Return how many local derivatives one reverse sweep and a forward sweep for each parameter use."""
    values = traced.forward(*arguments)
    used.clear()
    reverse_derivatives = traced.backward(values, inputs=parameters)
    in_reverse = len(used)
    used.clear()
    for name in parameters:
        (output,) = traced.outputs
        assert jnp.allclose(traced.tangents(values, {name: 1.0})[output], reverse_derivatives[name], rtol=1e-5)
    return in_reverse, len(used)


@pytest.mark.parametrize("depth", [1, 2, 5, 9])
def test_a_chain_of_layers(used, depth):
    params = [(0.5 + 0.01 * layer, 0.1) for layer in range(depth)]
    traced = graph.trace(chain, params, 1.0)
    names = [name for name in traced.inputs if name != "x"]
    counts = traced.counts(names)
    operations, parameters = 3 * depth, 2 * depth  # by hand: a product, a sum and a tanh; a weight and a bias
    assert (counts.operations, counts.parameters) == (operations, parameters)
    assert counts.reverse == operations + parameters - 1
    # By hand: from w of the l-th layer from the end, 3l operations follow, and from its b one fewer.
    assert counts.forward == sum(3 * layer + 3 * layer - 1 for layer in range(1, depth + 1))
    assert counts.forward <= operations * parameters
    assert counted(used, traced, (params, 1.0), names) == (counts.reverse, counts.forward)


@pytest.mark.parametrize(
    ("function", "arguments", "reverse", "forward"),
    # By hand: J = ½(wx + b − y)² passes mul, add, sub, pow, mul; y2 = (x w1 + b1) w2 + b2 mul, add, mul, add.
    [(neuron_cost, NEURON, 8, 5 + 5 + 4 + 3), (two_layers, LAYERS, 8, 4 + 4 + 3 + 2 + 1)],
    ids=["neuron", "two layers"],
)
def test_the_worked_functions(used, function, arguments, reverse, forward):
    traced = graph.trace(function, *arguments.values())
    counts = traced.counts()
    assert (counts.reverse, counts.forward) == (reverse, forward)
    assert counts.reverse == counts.operations + counts.parameters - 1
    assert counted(used, traced, tuple(arguments.values()), list(traced.inputs)) == (reverse, forward)


def test_where_all_operations_follow_all_parameters_forward_mode_takes_n_times_p(used):
    """Σ of P parameters, then N − P + 1 operations: forward mode uses at least one of each of the latter, P times."""

    def function(x, w):
        for _ in range(10):
            x = jnp.sin(x * w)
        return x

    traced = graph.trace(function, 1.0, 0.9)
    counts = traced.counts(["x"])
    assert counts == (20, 1, 20, 20)
    assert counted(used, traced, (1.0, 0.9), ["x"]) == (20, 20)


def test_elements_of_an_array_are_parameters_each_by_itself():
    traced = graph.trace(lambda w, x: jnp.sum(jnp.tanh(x @ w)), jnp.ones((3, 2)), jnp.ones((4, 3)))
    assert traced.counts(["w"]) == (3, 6, 3, 18)


def test_what_lies_on_no_way_to_the_output_costs_nothing(used):
    def function(w, x):
        jnp.exp(jnp.sin(w))
        return w * jnp.cos(x)

    traced = graph.trace(function, 2.0, 3.0)
    assert traced.counts(["w"]) == (1, 1, 1, 1)
    assert counted(used, traced, (2.0, 3.0), ["w"]) == (1, 1)
