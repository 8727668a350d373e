"""The purposes that interpret JAX programs: what they know is right, and what they do not know is refused by name.

They are the complex step, the rounding and the computation graph of funcnet, and the tests' extended precision.
The graph's derivatives of what it knows are held against JAX's in ``tests/graph/test_rules.py``.
"""

import gc
import re

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from funcnet import graph, jaxprs, neurons
from funcnet.derivatives import complex_rules, rounding
from funcnet.derivatives.numerical import complex_step_gradient
from funcnet.graph import rules
from funcnet.jaxprs import NoRuleError
from tests import changed_bits, extended
from tests.operations import CASES, OF_BATCHES, operation_of

# Operations that not every version of JAX has, or uses in the cases.
OF_SOME_VERSIONS = {"stack", "unstack", "log2", "one_minus_square"}
# Operations for which the cases hold a function that is not theirs alone.
SELECTING = {"eq", "ne", "lt", "le", "gt", "ge", "is_finite", "and", "or", "not"}
# Conventions at a kink, a cast, and derivatives that an author stops: the complex step follows what is computed.
ANOTHER_CONVENTION = {
    "abs", "clamp by numbers, at its edges", "convert_element_type", "custom_jvp_call", "custom_jvp_call compiled",
    "pow of an integer 0 at 0", "stop_gradient",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _in_float64(x64):
    pass


def case(name):
    function, *arguments = CASES[name]
    return function, list(map(jnp.asarray, arguments))


def cases_of(known):
    return [name for name in CASES if operation_of(name) in known]


def operations_in(function, arguments):
    """Return the names of the operations whose results are floating."""
    program = jax.make_jaxpr(function)(*arguments)
    return {
        each.primitive.name
        for each in jaxprs.operations(program)
        if any(jnp.issubdtype(variable.aval.dtype, jnp.floating) for variable in each.outvars)
    }


def cost_of(name):
    """Return Σ cᵢ f(…)ᵢ as a function of a case's floating arguments, and these."""
    function, arguments = case(name)
    floating = [at for at, each in enumerate(arguments) if jnp.issubdtype(each.dtype, jnp.floating)]
    coefficients = np.random.default_rng(9).standard_normal(jax.eval_shape(function, *arguments).shape)

    def cost(*leaves):
        given = dict(enumerate(arguments)) | dict(zip(floating, leaves, strict=True))
        return jnp.sum(coefficients * function(*given.values()).astype(jnp.float64))

    return cost, [arguments[at] for at in floating]


@pytest.mark.parametrize("name", [name for name in cases_of(complex_rules.RULES) if name not in ANOTHER_CONVENTION])
def test_a_complex_step_through_an_operation_is_its_derivative(name):
    cost, leaves = cost_of(name)

    @jax.jit
    def both(*leaves):
        with jax.numpy_dtype_promotion("standard"):  # JAX's own derivative of a power mixes dtypes
            expected = jax.grad(cost, tuple(range(len(leaves))))(*leaves)
        return complex_step_gradient(cost, leaves).gradient, expected

    found, expected = both(*leaves)
    np.testing.assert_allclose(found, np.concatenate([np.ravel(each) for each in expected]), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", [name for name in cases_of(extended.OPERATIONS) if name not in OF_BATCHES])
def test_extended_precision_computes_what_an_operation_does(name):
    function, arguments = case(name)
    (found,) = extended.extended(function, *arguments)
    np.testing.assert_allclose(np.asarray(found, float), jax.jit(function)(*arguments), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", cases_of(rounding.EXACT_OPERATIONS | rounding.ROUNDED_OPERATIONS))
def test_what_rounds_moves_its_result_and_what_is_exact_does_not(name):
    function, arguments = case(name)
    (moved,) = changed_bits.rounding_of(function, *arguments)
    rounded = operations_in(function, arguments) & rounding.ROUNDED_OPERATIONS
    values = np.asarray(jax.jit(function)(*arguments))
    assert (moved > 0) == (bool(rounded) and values.any())
    assert moved <= 64 * changed_bits.EPSILON * np.abs(values).max(initial=1)


PURPOSES = {
    "complex step": (set(complex_rules.RULES), lambda function, x: complex_step_gradient(function, [x])),
    "rounding": (rounding.EXACT_OPERATIONS | rounding.ROUNDED_OPERATIONS, changed_bits.rounding_of),
    "graph": (
        set(rules.RULES) | rules.PIECEWISE_CONSTANT,
        lambda function, x: differentiated(graph.trace(function, x), x),
    ),
    "extended precision": (set(extended.OPERATIONS), extended.extended),
}


def differentiated(traced, x):
    return traced.backward(traced.forward(x))


@pytest.mark.parametrize("purpose", PURPOSES)
def test_every_operation_that_a_purpose_knows_has_a_case(purpose):
    known, _ = PURPOSES[purpose]
    within = jaxprs.CONTROL | {"custom_vjp_call"}  # see test_rules.py, and below
    within |= {"complex", "conj", "fft", "imag", "real"}  # of complex numbers: see tests/gradcheck/test_numerical.py
    assert known - within - OF_SOME_VERSIONS <= set(map(operation_of, CASES))


def registered():
    """Return the names of all operations of this JAX, and of those known of other versions."""
    made = {each.name for each in gc.get_objects() if isinstance(each, jax.extend.core.Primitive)}
    return sorted(made | {name for name, _ in jaxprs.KNOWN})


def made_up(name, **params):
    """Return a function of an operation of that name and of these parameters, which no purpose knows."""
    primitive = jax.extend.core.Primitive(name)
    primitive.def_impl(lambda x, **_: x)
    primitive.def_abstract_eval(lambda x, **_: x)
    return lambda x: primitive.bind(x, **params)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_what_a_purpose_does_not_know_is_refused_by_name(purpose):
    """Of a known operation a parameter has another name, of all others the name itself is not known."""
    _, read = PURPOSES[purpose]
    names = registered()
    assert len(names) > 250
    for name in ["twisted", *names]:
        params = {"hue": 1} if any(name == each for each, _ in jaxprs.KNOWN) else {}
        expected = f"{name} with the parameters hue" if params else name
        with pytest.raises(NoRuleError, match=re.escape(expected)):
            read(made_up(name, **params), jnp.float64(3.0))


@pytest.mark.parametrize(
    ("function", "renamed"),
    [
        (jnp.sum, "axes"),
        (jax.jit(jnp.sin), "jaxpr"),
        (lambda x: lax.scan(lambda c, row: (c + row, row), 0.0, x), "length"),
    ],
    ids=["an operation", "a call", "a loop"],
)
def test_an_equation_with_a_renamed_parameter_is_not_known(function, renamed):
    *_, equation = jax.make_jaxpr(function)(jnp.ones(3)).eqns
    assert jaxprs.is_known(equation)
    other = equation.replace(params={"hue" if name == renamed else name: v for name, v in equation.params.items()})
    assert not jaxprs.is_known(other)
    assert jaxprs.called_program(other) is None
    assert jaxprs.scan_of(other) is None
    assert "hue" in jaxprs.name_of(other)


def test_nands_that_may_run_any_number_of_times_are_not_counted():
    def branching(a, b):
        return lax.cond(a > 0, neurons.xor, neurons.nand, a, b)

    with pytest.raises(NoRuleError, match="loops of a known number of iterations, got some in cond"):
        neurons.nand_count(branching, jnp.int32(0), jnp.int32(1))
    assert neurons.nand_count(lambda a, b: lax.cond(a > 0, jnp.add, jnp.subtract, a, b), 0, 1) == 0
