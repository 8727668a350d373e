"""Worked examples with exact values and derivatives of every node; the text of a graph and the names of its nodes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import checkpoint_name

from funcnet import graph
from tests.agreement import worst_error
from tests.graph.examples import LAYERS, NEURON, neuron_cost, two_layers


def run(function, arguments):
    traced = graph.trace(function, *arguments.values())
    values = traced.forward(*arguments.values())
    return traced, values, traced.backward(values)


def test_a_neurons_cost():
    traced, values, derivatives = run(neuron_cost, NEURON)
    assert traced.inputs == ("w", "x", "b", "y")
    assert traced.outputs == ("J",)
    expected = {  # by hand: value, ∂J/∂v
        "w": (2, -4), "x": (-2, 4), "b": (8, 2), "y": (2, -2),
        "v1": (-4, 2), "v2": (4, 2), "d": (2, 2), "v3": (4, 0.5), "J": (2, 1),
    }  # fmt: skip
    assert {name: (float(values[name]), float(derivatives[name])) for name in values} == expected
    assert list(values) == list(derivatives) == list(traced.variables)
    assert [str(each) for each in traced.gradients(derivatives)] == ["-4.0", "4.0", "2.0", "-2.0"]


def test_two_linear_layers_of_one_neuron():
    _, values, derivatives = run(two_layers, LAYERS)
    x, w1, b1, w2, b2 = LAYERS.values()
    y1 = x * w1 + b1
    expected = {  # the chain rule
        "x": w2 * w1, "w1": w2 * x, "b1": w2, "w2": y1, "b2": 1, "v1": w2, "y1": w2, "v2": 1, "y2": 1,
    }  # fmt: skip
    assert {name: float(value) for name, value in derivatives.items()} == expected
    assert {name: float(values[name]) for name in ("y1", "y2")} == {"y1": y1, "y2": y1 * w2 + b2}


def test_every_node_by_running_on_from_it(x64):
    """∂J/∂v is the change of J when the run continues from a changed v."""

    def cost(params, x):
        for weight, bias in params:
            x = jnp.tanh(x @ weight + bias[None, :])
        return jnp.mean(jnp.sum(x * x, axis=1)) + 0.1 * jnp.sum(params[0][0] ** 2)

    rng = np.random.default_rng(3)
    params = [(rng.standard_normal((4, 3)), rng.standard_normal(3)), (rng.standard_normal((3, 2)), np.ones(2))]
    x = rng.standard_normal((5, 4))
    traced = graph.trace(cost, params, x)
    values = traced.forward(params, x)
    derivatives = traced.backward(values)
    assert set(derivatives) == set(traced.variables)

    def run_on(changed):
        """Run every operation, with the changed values in place of those of the changed variables."""
        known = {name: values[name] for name in traced.inputs} | changed
        for operation in traced.operations:
            read = [known[each] if isinstance(each, str) else each for each in operation.operands]
            (result,) = operation.run(*read)
            (name,) = operation.results
            known.setdefault(name, result)
        return known[traced.outputs[0]]

    for name in traced.variables:
        expected = jax.grad(run_on)({name: values[name]})[name]
        assert worst_error([derivatives[name]], [expected]) <= 1e-14, name


def test_results_and_arguments_of_any_structure():
    def function(pair, scale=None):
        return {"sum": pair["a"] + pair["b"], "same": pair["a"], "number": 3.0}

    traced = graph.trace(function, {"a": jnp.ones(2), "b": jnp.zeros(2)}, None)
    assert traced.inputs == ("pair['a']", "pair['b']")
    values = traced.forward({"a": jnp.ones(2), "b": jnp.zeros(2)}, None)
    output = traced.output(values)
    assert output["number"] == 3.0
    np.testing.assert_array_equal(output["sum"], [1, 1])
    name = next(each for each in traced.outputs if isinstance(each, str) and each not in traced.inputs)
    derivatives = traced.backward(values, {name: jnp.asarray([1.0, 2.0])})
    gradients, _ = traced.gradients(derivatives)
    np.testing.assert_array_equal(gradients["b"], [1, 2])


def test_seeds_of_several_results_add_up():
    traced = graph.trace(lambda x: (2 * x, x * x), 3.0)
    first, second = traced.outputs
    values = traced.forward(3.0)
    assert traced.backward(values, {first: 1.0, second: 10.0})["x"] == 62


def test_what_has_no_influence_has_the_derivative_0_and_what_cannot_vary_has_none():
    def function(x, unused, n):
        aside = checkpoint_name(jnp.exp(x), "aside")
        return x * n.astype(x.dtype), aside

    traced = graph.trace(function, 2.0, 5.0, jnp.asarray(3))
    values = traced.forward(2.0, 5.0, jnp.asarray(3))
    derivatives = traced.backward(values, {traced.outputs[0]: 1.0})
    assert {name: float(derivatives[name]) for name in ("x", "unused", "aside")} == {"x": 3, "unused": 0, "aside": 0}
    assert traced.gradients(derivatives)[2] is None


def test_only_the_inputs_that_are_asked_for():
    traced = graph.trace(neuron_cost, *NEURON.values())
    derivatives = traced.backward(traced.forward(*NEURON.values()), inputs=["w"])
    assert {name: float(each) for name, each in derivatives.items()} == {
        "w": -4, "v1": 2, "v2": 2, "d": 2, "v3": 0.5, "J": 1,
    }  # fmt: skip


def test_a_repeated_name_is_told_apart_and_a_taken_one_is_left_alone():
    def function(x):
        return checkpoint_name(checkpoint_name(x * x, "v1") * x, "v1") + x

    traced = graph.trace(function, 2.0)
    assert list(traced.variables) == ["x", "v1", "v1′2", "output"]


def test_closed_over_arrays_are_constants():
    table = jnp.arange(3.0)
    traced = graph.trace(lambda x: jnp.sum(table * x), jnp.ones(3))
    (constant,) = (each for each in traced.variables.values() if each.kind == "constant")
    assert constant.name == "c1"
    np.testing.assert_array_equal(traced.forward(jnp.ones(3))["c1"], table)
    assert "c1" not in traced.backward(traced.forward(jnp.ones(3)))


@pytest.mark.parametrize("wrapped", [jax.jit, jax.checkpoint, lambda f: jax.jit(jax.jit(f))])
def test_called_functions_are_written_out(wrapped):
    inner = wrapped(lambda w, x: jnp.tanh(w * x))
    traced = graph.trace(lambda w, x: inner(w, x) + inner(x, x), 0.5, 2.0)
    assert [operation.name for operation in traced.operations] == ["mul", "tanh", "mul", "tanh", "add"]


def test_loops_are_written_out_turn_by_turn():
    def function(x, rows):
        return jax.lax.scan(lambda carry, row: (carry * row, carry + row), x, rows)

    traced = graph.trace(function, 2.0, jnp.asarray([3.0, 5.0]))
    assert [operation.name for operation in traced.operations].count("mul") == 2
    values = traced.forward(2.0, jnp.asarray([3.0, 5.0]))
    total, rows = traced.output(values)
    assert total == 30
    np.testing.assert_array_equal(rows, [5, 11])


def test_under_jit_and_vmap():
    traced = graph.trace(neuron_cost, *NEURON.values())

    def slope(w):
        return traced.backward(traced.forward(w, -2.0, 8.0, 2.0))["w"]

    assert jax.jit(slope)(2.0) == -4
    np.testing.assert_array_equal(jax.vmap(slope)(jnp.asarray([2.0, 3.0])), [-4, 0])


def test_a_loop_of_no_turns():
    def cost(w):
        carry, rows = jax.lax.scan(lambda c, t: (c * w, c), w, jnp.zeros((0, 3)))
        return carry + rows.sum()

    traced = graph.trace(cost, 2.0)
    values = traced.forward(2.0)
    assert traced.output(values) == 2
    assert traced.gradients(traced.backward(values)) == (1,)


def test_names_of_inputs_are_not_letters_of_one():
    traced = graph.trace(lambda w: w * w, 2.0)
    with pytest.raises(TypeError, match=r"graph: expected inputs to be names, such as \['w'\], got 'w'"):
        traced.backward(traced.forward(2.0), inputs="w")


def test_repeated_names_are_numbered_in_the_order_of_execution():
    def f(x):
        for _ in range(3):
            x = checkpoint_name(jnp.sin(x), "h")
        return x

    assert list(graph.trace(f, 1.0).variables) == ["x", "h", "h′2", "h′3"]


def test_a_table_shows_a_dash_where_there_is_no_value():
    traced = graph.trace(lambda w, x: w * x, 3.0, 2.0)
    values = traced.forward(3.0, 2.0)
    del values["w"]
    assert [row.split()[-1] for row in traced.table(values).splitlines()[1:]] == ["-", "2.0", "6.0"]


def test_a_table_shows_a_dash_where_there_is_no_derivative():
    traced = graph.trace(lambda w, x: jnp.sum(w * x), jnp.ones(2), jnp.ones(2))
    rows = traced.table(derivatives={"w": None}).splitlines()
    assert [row.split()[-1] for row in rows[1:3]] == ["-", "-"]
