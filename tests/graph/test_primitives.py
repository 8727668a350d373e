"""Every hand-written local derivative by itself against JAX's, in both modes, kinks, ties and edges included."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.interpreters import ad

from funcnet import graph
from funcnet.graph.rules import RULES
from tests.graph.examples import both_modes_error, direction

TOLERANCE = 1e-12
ANY = np.array([-1.7, -0.4, 0.3, 0.9, 2.2])
POSITIVE, INNER, ABOVE_ONE = np.abs(ANY), ANY / 3, np.abs(ANY) + 1
OTHER = np.array([0.6, -1.2, 0.3, 1.4, -2.5])
PLACES = np.array([[2, 0], [1, 1], [2, 0]])

UNARY = {
    "neg": (lax.neg, ANY), "square": (lax.square, ANY), "sqrt": (lax.sqrt, POSITIVE), "rsqrt": (lax.rsqrt, POSITIVE),
    "cbrt": (lax.cbrt, POSITIVE), "exp": (lax.exp, ANY), "exp2": (lax.exp2, ANY), "expm1": (lax.expm1, ANY),
    "log": (lax.log, POSITIVE), "log1p": (lax.log1p, POSITIVE), "logistic": (lax.logistic, ANY), "sin": (lax.sin, ANY),
    "cos": (lax.cos, ANY), "tan": (lax.tan, INNER), "asin": (lax.asin, INNER), "acos": (lax.acos, INNER),
    "atan": (lax.atan, ANY), "sinh": (lax.sinh, ANY), "cosh": (lax.cosh, ANY), "tanh": (lax.tanh, ANY),
    "asinh": (lax.asinh, ANY), "acosh": (lax.acosh, ABOVE_ONE), "atanh": (lax.atanh, INNER), "erf": (lax.erf, ANY),
    "erfc": (lax.erfc, ANY), "erf_inv": (lax.erf_inv, INNER), "lgamma": (lax.lgamma, POSITIVE),
    "abs": (lax.abs, np.array([-1.0, 0.0, 2.0])),
}  # fmt: skip
BINARY = {
    "add": (lax.add, ANY, OTHER), "sub": (lax.sub, ANY, OTHER), "mul": (lax.mul, ANY, OTHER),
    "div": (lax.div, ANY, OTHER), "rem": (lax.rem, ANY, OTHER), "pow": (lax.pow, POSITIVE, OTHER),
    "atan2": (lax.atan2, ANY, OTHER), "max": (lax.max, ANY, OTHER), "min": (lax.min, ANY, OTHER),  # the third is a tie
    "add_any": (lambda a, b: ad.add_jaxvals_p.bind(a, b), ANY, OTHER),
}  # fmt: skip


def matrix(*shape):
    return direction(sum(shape), shape)


def product(left, right, contracted, batch=((), ())):
    return lax.dot_general(left, right, (contracted, batch))


REST = {  # a primitive's name, and whatever follows a blank says which case of it: (function, its arguments)
    "integer_pow 3": (lambda x: lax.integer_pow(x, 3), ANY),
    "integer_pow 0": (lambda x: lax.integer_pow(x, 0), np.array([0.0, 2.0])),
    "integer_pow 1 at 0": (lambda x: lax.integer_pow(x, 1), np.array([0.0, 2.0])),
    "integer_pow −2": (lambda x: lax.integer_pow(x, -2), ANY),
    "pow of an integer": (lambda x: lax.pow(x, np.array([0, 1, 2, 3, -2])), ANY),
    "pow of an integer 0 at 0": (lambda x: lax.pow(x, np.array([0, 1, 2])), np.zeros(3)),
    "pow at 0": (lax.pow, np.array([0.0, 0.0, 0.0]), np.array([1.0, 2.0, 3.5])),
    "atan2 in other quadrants": (lax.atan2, -ANY, OTHER),
    "clamp": (lax.clamp, np.array([-1.0, 0.5, 0.0]), np.array([-2.0, 0.7, 3.0]), np.array([1.0, 1.0, 2.0])),
    "clamp by numbers, at its edges": (
        lambda x: lax.clamp(np.float64(-1), x, np.float64(1)), np.array([-2, -1, 0, 1, 2.0]),
    ),
    "mul by itself": (lambda x: x * x, ANY),
    "dot_general": (partial(product, contracted=((1,), (0,))), matrix(2, 3), matrix(3, 4)),
    "dot_general first axes": (partial(product, contracted=((0,), (1,))), matrix(3, 2), matrix(4, 3)),
    "dot_general of vectors": (partial(product, contracted=((0,), (0,))), matrix(3), matrix(3)),
    "dot_general outer": (partial(product, contracted=((), ())), matrix(3), matrix(2)),
    "dot_general two axes crossed": (partial(product, contracted=((2, 0), (0, 1))), matrix(3, 4, 2), matrix(2, 3, 5)),
    "dot_general batch": (
        partial(product, contracted=((2,), (1,)), batch=((0,), (0,))), matrix(2, 3, 4), matrix(2, 4, 5),
    ),
    "dot_general batch last and two": (
        partial(product, contracted=((1,), (2,)), batch=((3, 0), (0, 3))), matrix(3, 4, 5, 2), matrix(2, 6, 4, 3),
    ),
    "dot_general with itself": (lambda x: product(x, x, ((1,), (1,))), matrix(3, 4)),
    "reduce_sum": (lambda x: jnp.sum(x, axis=(0, 2)), matrix(2, 3, 4)),
    "reduce_max": (lambda x: jnp.max(x, axis=1), matrix(3, 4)),
    "reduce_max ties": (lambda x: jnp.max(x, axis=1), np.array([[1.0, 3, 3], [2, 2, 2]])),
    "reduce_min ties": (lambda x: jnp.min(x, axis=(0, 2)), np.array([[[1.0, 1, 3], [2, 0, 2]]])),
    "reduce_prod": (lambda x: jnp.prod(x, axis=1), matrix(3, 4)),
    "reduce_prod of zeros": (lambda x: jnp.prod(x, axis=(0, 2)), np.array([[[1.0, 0], [0, 0]], [[2, 3], [4, 5]]])),
    "sort": (lambda x: lax.sort(x, dimension=0), matrix(4, 3)),
    "sort of two": (lambda x, y: lax.sort((x, y), dimension=1, num_keys=1)[1], matrix(2, 4), matrix(2, 4)),
    "reshape": (lambda x: lax.reshape(x, (4, 3)), matrix(2, 6)),
    "squeeze": (lambda x: lax.squeeze(x, (1,)), matrix(3, 1, 2)),
    "copy": (lambda x: jnp.array(x, copy=True), ANY),
    "convert_element_type": (lambda x: x.astype(jnp.float32), np.array([0.5, -1.25])),
    "reduce_precision": (lambda x: lax.reduce_precision(x, 11, 52), ANY),
    "broadcast_in_dim": (lambda x: lax.broadcast_in_dim(x, (4, 3, 2), (1, 2)), matrix(3, 1)),
    "broadcast_in_dim of a number": (lambda x: lax.broadcast(x, (2, 3)), np.float64(0.3)),
    "transpose": (lambda x: lax.transpose(x, (2, 0, 1)), matrix(2, 3, 4)),
    "rev": (lambda x: lax.rev(x, (0, 2)), matrix(2, 3, 4)),
    "concatenate": (lambda x, y: lax.concatenate([x, y, x], 1), matrix(2, 3), matrix(2, 1)),
    "split": (lambda x: jnp.concatenate([3 * part for part in lax.split(x, (1, 3), 1)][::-1], 1), matrix(2, 4)),
    "split one part": (lambda x: lax.split(x, (1, 3), 1)[1], matrix(2, 4)),
    "stack": (lambda x, y: jnp.stack([x, y, x], 1), matrix(2, 3), matrix(2, 3) ** 2),
    "tile": (lambda x: jnp.tile(x, (2, 3)), matrix(2, 3)),
    "slice": (lambda x: lax.slice(x, (1, 0), (3, 2)), matrix(4, 3)),
    "slice by steps": (lambda x: lax.slice(x, (1, 0), (8, 2), (3, 2)), matrix(9, 3)),
    "slice of nothing": (lambda x: lax.slice(x, (1, 0), (1, 2)), matrix(4, 3)),
    "pad": (lambda x, v: lax.pad(x, v, ((1, 2, 1), (0, 1, 0))), matrix(2, 3), np.float64(0.7)),
    "pad by less than nothing": (lambda x, v: lax.pad(x, v, ((-1, 2, 0), (1, -1, 0))), matrix(3, 3), np.float64(0.7)),
    "pad within, cut off": (lambda x, v: lax.pad(x, v, ((-1, -2, 2), (-2, 1, 1))), matrix(4, 3), np.float64(0.7)),
    "select_n": (lambda x, y: lax.select(np.array([True, False, True]), x, y), matrix(3), 2 * matrix(3)),
    "select_n of three": (
        lambda x, y, z: lax.select_n(np.array([2, 0, 1], np.int32), x, y, z), matrix(3), 2 * matrix(3), 3 * matrix(3),
    ),
    "select_n by a number": (lambda x, y: lax.select_n(np.bool_(True), x, y), matrix(3), 2 * matrix(3)),
    "select_n by a comparison": (lambda x, y: jnp.where(x > y, x * x, y), ANY, OTHER),
    "cumsum": (lambda x: lax.cumsum(x, 1), matrix(2, 4)),
    "cumsum reverse": (lambda x: lax.cumsum(x, 0, reverse=True), matrix(2, 4)),
    "dynamic_slice": (lambda x, i: lax.dynamic_slice(x, (i, 1), (2, 2)), matrix(4, 3), np.int64(1)),
    "dynamic_slice past the end": (lambda x, i: lax.dynamic_slice(x, (i, 1), (2, 2)), matrix(4, 3), np.int64(9)),
    "dynamic_update_slice": (
        lambda x, part, i: lax.dynamic_update_slice(x, part, (i, 1)), matrix(4, 3), matrix(2, 2), np.int64(9),
    ),
    "gather": (lambda x: x[PLACES[:, 0], PLACES[:, 1]], matrix(3, 2)),
    "gather rows, one twice": (lambda x: x[jnp.asarray([2, 0, 2])], matrix(3, 2)),
    "gather past the end": (lambda x: x.at[jnp.asarray([0, 7])].get(mode="fill", fill_value=5.0), matrix(3, 2)),
    "gather clipped": (lambda x: x.at[jnp.asarray([0, 7])].get(mode="clip"), matrix(3, 2)),
    "gather along": (lambda x: jnp.take_along_axis(x, jnp.asarray([[0], [1], [0]]), axis=1), matrix(3, 2)),
    "custom_jvp_call": (jax.nn.relu, np.array([-1.0, 0.0, 2.0])),
    "custom_jvp_call compiled": (jax.jit(lambda x: jax.nn.silu(jax.nn.relu(x))), np.array([-1.0, 0.0, 2.0])),
}  # fmt: skip
CASES = {**UNARY, **BINARY, **REST}
WITHOUT_A_CASE = {"custom_vjp_call"}  # of reverse mode alone: see below


@pytest.fixture(autouse=True)
def _in_float64(x64):
    pass


def summed(function, *arguments):
    """Return J = Σ cᵢ f(…)ᵢ, in which every result has a part of its own."""
    coefficients = direction(9, jax.eval_shape(function, *arguments).shape)

    def cost(*arguments):
        result = function(*arguments)
        return jnp.sum(jnp.asarray(coefficients, result.dtype) * result)

    return cost


def test_the_derivative_in_a_bound_that_is_one_number_for_all():
    """JAX itself has none there; by hand: 1 for every element that is held at the bound."""
    traced = graph.trace(lambda *arguments: jnp.sum(lax.clamp(*arguments)), 0.0, np.zeros(5), 0.5)
    values = traced.forward(-1.0, np.array([-3, -2, 0, 0.2, 2]), 0.5)
    low, _, high = traced.gradients(traced.backward(values))
    assert (float(low), float(high)) == (2, 1)


@pytest.mark.parametrize("name", CASES)
def test_a_local_derivative(name):
    function, *arguments = CASES[name]
    arguments = list(map(jnp.asarray, arguments))
    cost = summed(function, *arguments)
    assert name.split()[0] in {
        operation.equation.primitive.name for operation in graph.trace(cost, *arguments).operations
    }
    tolerance = 1e-6 if name == "convert_element_type" else TOLERANCE
    with jax.numpy_dtype_promotion("standard"):  # JAX's own derivative of a power mixes dtypes
        assert both_modes_error(cost, *arguments) <= tolerance


def test_every_rule_has_a_case():
    assert {name.split()[0] for name in CASES} | WITHOUT_A_CASE == set(RULES)


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
    with pytest.raises(graph.NoRuleError, match=r"clipped_back.*whose author wrote one for reverse mode"):
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
