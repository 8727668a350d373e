"""Errors of wrong arguments, and ``NoRuleError`` for operations without a rule."""

import re

import jax
import jax.numpy as jnp
import pytest

import funcnet as fn
from funcnet import graph
from funcnet.errors import DtypeError, ShapeError
from tests.graph.examples import NEURON, neuron_cost

CHOLESKY = (lambda x: jnp.sum(jnp.linalg.cholesky(x)), jnp.eye(2))
UNKNOWN = {
    "cholesky": CHOLESKY,
    "while": (lambda x: jax.lax.while_loop(lambda v: v < 10, lambda v: 2 * v, x), 3.0),
    "cond": (lambda x: jax.lax.cond(x > 0, jnp.sin, jnp.cos, x), 3.0),
    "cumprod": (lambda x: jnp.sum(jnp.cumprod(x)), jnp.ones(3)),
    "complex of complex64": (lambda x: jnp.abs(jax.lax.complex(x, x)), 3.0),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_operation_without_a_rule_is_named_in_both_modes(name):
    function, x = UNKNOWN[name]
    traced = graph.trace(function, x)
    values = traced.forward(x)
    assert jnp.allclose(traced.output(values), function(x))  # it can be run without a rule
    place = next(operation.place for operation in traced.operations if operation.name == name.split()[0])
    expected = f"a hand-written local derivative, got {name} in operation {place} ("
    with pytest.raises(graph.NoRuleError, match=re.escape(expected)) as raised:
        traced.tangents(values, {traced.inputs[0]: x})
    if name.startswith("complex"):
        expected = "complex64"  # reverse mode meets the last complex operation first
    with pytest.raises(graph.NoRuleError, match=re.escape(expected)):
        traced.backward(values)
    assert isinstance(raised.value, NotImplementedError)


def test_an_unknown_primitive_of_ones_own_is_named():
    primitive = jax.extend.core.Primitive("twisted")
    primitive.def_impl(lambda x: 2 * x)
    primitive.def_abstract_eval(lambda x: x)
    traced = graph.trace(lambda x: primitive.bind(x) + 1, 3.0)
    with pytest.raises(fn.graph.NoRuleError, match=r"got twisted in operation 0 \(v1 = twisted\(x\)\)"):
        traced.backward(traced.forward(3.0))


def test_an_operation_without_a_rule_does_no_harm_beside_the_way():
    """The operation does not depend on a chosen input, or its derivative is not needed for the output."""
    function, matrix = CHOLESKY

    def cost(w, x):
        jnp.linalg.cholesky(x * w)
        return w * w * function(x) + jax.lax.stop_gradient(w * function(x))

    traced = graph.trace(cost, 3.0, matrix)
    values = traced.forward(3.0, matrix)
    assert traced.backward(values, inputs=["w"])["w"] == 12
    with pytest.raises(graph.NoRuleError, match="cholesky"):
        traced.backward(values)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda t: t.forward(1.0), TypeError, "graph.forward: expected arguments of the structure .*, got"),
        (lambda t: t.forward(jnp.ones(2), 1.0, 1.0, 1.0), ShapeError, r"graph: w: expected shape \(\), got \(2,\)"),
        (lambda t: t.forward(jnp.asarray(2), 1.0, 1.0, 1.0), DtypeError, "graph: w: expected dtype float32, got int32"),
        (lambda t: t.backward(t.forward(*NEURON.values()), inputs=["q"]), ValueError, "among w, x, b, y, got 'q'"),
        (lambda t: t.backward(t.forward(*NEURON.values()), {"d": 1.0}), ValueError, "seeds of J, got 'd'"),
        (lambda t: t.backward(t.forward(*NEURON.values()), {"J": jnp.ones(2)}), ShapeError, "graph: J"),
        (lambda t: t.tangents(t.forward(*NEURON.values()), {"d": 1.0}), ValueError, "among w, x, b, y, got 'd'"),
        (lambda t: t.tangents(t.forward(*NEURON.values()), {"w": jnp.ones(2)}), ShapeError, "graph: w"),
        (lambda t: t.counts(["J"]), ValueError, "among w, x, b, y, got 'J'"),
    ],
)
def test_what_does_not_fit_the_graph(call, error, match):
    with pytest.raises(error, match=match):
        call(graph.trace(neuron_cost, *NEURON.values()))


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (lambda x: x * jnp.ones(2), r"output of shape \(2,\) and dtype float32"),
        (lambda x: x.astype(jnp.int32), r"output of shape \(\) and dtype int32"),
        (lambda x: (x * x, 2 * x), r"output\[0\].*, output\[1\]"),
    ],
)
def test_backward_without_seeds_needs_one_real_number(function, got):
    traced = graph.trace(function, 3.0)
    with pytest.raises(ValueError, match=f"expected seeds, or a function of one real number, got {got}"):
        traced.backward(traced.forward(3.0))


def test_an_integer_input_has_no_derivative():
    traced = graph.trace(lambda n, x: n.astype(x.dtype) * x, jnp.asarray(2), 3.0)
    with pytest.raises(ValueError, match="a floating input among n, x, got 'n'"):
        traced.counts(["n"])


@pytest.mark.parametrize(
    ("arguments", "match"),
    [((3,), "expected a function, got int"), ((jnp.sin, "a"), "x0 to be an array or a number, got str|got str")],
)
def test_only_functions_of_arrays_are_traced(arguments, match):
    with pytest.raises(TypeError, match=match):
        graph.trace(*arguments)
