"""Each hand-written local derivative against JAX's, in both modes, also at kinks and ties."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from funcnet import graph
from funcnet.graph.rules import RULES
from tests.graph.examples import both_modes_error, direction
from tests.operations import ANY, CASES, OTHER, operation_of

TOLERANCE = 1e-12
WITHOUT_A_CASE = {"custom_vjp_call"}  # for reverse mode only: see below
OF_SOME_VERSIONS = {"stack", "unstack", "log2", "one_minus_square"}


@pytest.fixture(autouse=True)
def _in_float64(x64):
    pass


def summed(function, *arguments):
    """Return J = Σ cᵢ f(…)ᵢ with a different cᵢ for every result."""
    coefficients = direction(9, jax.eval_shape(function, *arguments).shape)

    def cost(*arguments):
        result = function(*arguments)
        return jnp.sum(jnp.asarray(coefficients, result.dtype) * result)

    return cost


def test_the_derivative_in_a_bound_that_is_one_number_for_all():
    """JAX has no derivative there; by hand it is 1 for every element at the bound."""
    traced = graph.trace(lambda *arguments: jnp.sum(lax.clamp(*arguments)), 0.0, np.zeros(5), 0.5)
    values = traced.forward(-1.0, np.array([-3, -2, 0, 0.2, 2]), 0.5)
    low, _, high = traced.gradients(traced.backward(values))
    assert (float(low), float(high)) == (2, 1)


@pytest.mark.parametrize("name", [name for name in CASES if operation_of(name) in RULES])
def test_a_local_derivative(name):
    function, *arguments = CASES[name]
    arguments = list(map(jnp.asarray, arguments))
    cost = summed(function, *arguments)
    used = {operation.equation.primitive.name for operation in graph.trace(cost, *arguments).operations}
    assert operation_of(name) in used | OF_SOME_VERSIONS
    tolerance = 1e-6 if name == "convert_element_type" else TOLERANCE
    with jax.numpy_dtype_promotion("standard"):  # JAX's own derivative of a power mixes dtypes
        assert both_modes_error(cost, *arguments) <= tolerance


def test_every_rule_has_a_case():
    assert set(RULES) - set(map(operation_of, CASES)) <= WITHOUT_A_CASE | OF_SOME_VERSIONS


@jax.custom_jvp
def doubled_slope(x, y):
    return x * x + y


@doubled_slope.defjvp
def _doubled_slope_jvp(primals, tangents):
    (x, y), (dx, dy) = primals, tangents
    return doubled_slope(x, y), 4 * x * dx + 3 * dy


@jax.custom_vjp
def clipped_back(x, y):
    return jnp.sin(x) * y


def _clipped_forward(x, y):
    return clipped_back(x, y), (x, y)


def _clipped_backward(kept, derivative):
    x, y = kept
    return jnp.clip(derivative * y, -0.1, 0.1), 7 * derivative * jnp.sin(x)


clipped_back.defvjp(_clipped_forward, _clipped_backward)


@pytest.mark.parametrize("through", [lambda f: f, jax.jit, jax.checkpoint])
def test_a_rule_for_forward_mode_is_followed_though_the_value_says_otherwise(through):
    cost = summed(through(doubled_slope), ANY, OTHER)
    assert both_modes_error(cost, jnp.asarray(ANY), jnp.asarray(OTHER)) <= TOLERANCE
    traced = graph.trace(cost, ANY, OTHER)
    assert traced.operations[0].name == "doubled_slope"


@pytest.mark.parametrize("through", [lambda f: f, jax.jit])
def test_a_rule_for_reverse_mode_is_followed_though_the_value_says_otherwise(through):
    cost = summed(through(clipped_back), ANY, OTHER)
    traced = graph.trace(cost, ANY, OTHER)
    values = traced.forward(ANY, OTHER)
    derivatives = traced.backward(values)
    for name, expected in zip(("x0", "x1"), jax.grad(cost, (0, 1))(ANY, OTHER), strict=True):
        np.testing.assert_allclose(derivatives[traced.inputs[int(name[1])]], expected, rtol=TOLERANCE)
    with pytest.raises(graph.NoRuleError, match=r"clipped_back.*which has one for reverse mode alone"):
        traced.tangents(values, {traced.inputs[0]: ANY})


@pytest.mark.parametrize(
    "function", [lax.sign, lax.floor, lax.ceil, lax.round, lax.stop_gradient], ids=lambda f: f.__name__
)
def test_no_derivative_passes_a_jump(function):
    def cost(x):
        return jnp.sum(x * function(x))

    assert both_modes_error(cost, jnp.asarray(ANY)) <= TOLERANCE


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_dtypes_are_kept(dtype):
    def cost(w, x):
        return jnp.mean(jax.nn.gelu(jnp.maximum(x @ w, jnp.zeros((), dtype)) / 3) ** 2)

    w, x = jnp.ones((3, 2), dtype), jnp.full((4, 3), 0.5, dtype)
    traced = graph.trace(cost, w, x)
    derivatives = traced.backward(traced.forward(w, x))
    assert {name: each.dtype for name, each in derivatives.items()} == {
        name: traced.variables[name].dtype for name in derivatives
    }
