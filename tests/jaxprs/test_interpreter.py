"""The interpreter: what it reads, what it opens, what it refuses; and loops written out iteration by iteration."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from funcnet import jaxprs
from funcnet.jaxprs import NoRuleError, interpret, run, unrolled, walk


@jax.custom_jvp
def cubed(x):
    return x * x * x


@cubed.defjvp
def _cubed_jvp(primals, tangents):
    return cubed(*primals), tangents[0]


def as_computed(equation, inputs):
    """Run every operation as JAX does, and leave calls to the interpreter."""
    return None if jaxprs.called_program(equation) is not None else run(equation, *inputs)


def function(x, y):
    """Return results of calls within calls, of a constant, of a number in the program, and of nothing at all."""
    table = jnp.asarray(np.arange(3.0, dtype=np.float32))
    parts = jnp.split(jax.checkpoint(lambda z: cubed(jnp.sin(z)) + table)(x) * y, 3)
    largest, _ = lax.top_k(x, 2)
    return parts, largest, jax.jit(lambda: 2.0)(), y, 3.0


def test_interpreting_by_the_operations_themselves_is_what_jax_computes():
    arguments = jnp.array([0.5, -1.0, 2.0]), jnp.float32(3.0)
    program = jax.make_jaxpr(function)(*arguments)
    found = interpret(program, arguments, as_computed)
    expected = jax.tree.leaves(function(*arguments))
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
        assert jnp.asarray(one).dtype == jnp.asarray(other).dtype


def test_constants_of_the_program_and_of_what_it_calls_are_given_as_asked():
    seen = []
    table, other = jnp.arange(3.0), jnp.arange(3.0) ** 2
    program = jax.make_jaxpr(jax.checkpoint(lambda x: jax.jit(lambda x: x * table)(x) + other))(jnp.ones(3))
    (result,) = interpret(program, [jnp.ones(3)], as_computed, constant=lambda array: seen.append(array) or 2 * array)
    assert sorted(float(each.sum()) for each in seen) == [3, 5]
    np.testing.assert_array_equal(result, 2 * table + 2 * other)


def test_a_call_with_a_rule_is_not_opened():
    called = []

    def noted(equation, inputs):
        called.append(jaxprs.called_name(equation) or equation.primitive.name)
        return run(equation, *inputs)

    program = jax.make_jaxpr(lambda x: cubed(x) + jax.jit(jnp.tanh)(x))(2.0)
    (result,) = interpret(program, [2.0], noted)
    assert called == ["cubed", "tanh", "add"]
    assert result == pytest.approx(8 + np.tanh(2.0))


def test_what_has_no_rule_and_is_no_call_is_refused_by_name():
    program = jax.make_jaxpr(jax.jit(lambda x: jnp.cos(jnp.sin(x))))(2.0)
    with pytest.raises(NoRuleError, match=r"^cos$"):
        interpret(program, [2.0], lambda equation, inputs: inputs if equation.primitive.name == "sin" else None)


def test_all_equations_are_found_with_what_is_around_them():
    def branching(x):
        return lax.cond(x > 0, jax.jit(jnp.sin), lambda x: lax.while_loop(lambda x: x < 0, jnp.exp, x), x)

    found = {
        equation.primitive.name: [outer.primitive.name for outer in within]
        for equation, within in walk(jax.make_jaxpr(branching)(1.0))
    }
    assert found["gt"] == []
    assert found["sin"] == ["cond", "jit"]
    assert found["exp"] == found["lt"] == ["cond", "while"]
    alone = {each.primitive.name for each in jaxprs.operations(jax.make_jaxpr(branching)(1.0), jaxprs.CALLS)}
    assert {"gt", "cond"} <= alone
    assert not {"sin", "exp", "while"} & alone


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [0, 1, 4])
def test_a_loop_written_out_computes_what_the_loop_does(length, reverse):
    def loop(w, x):
        def iteration(carry, row):
            count, c = carry
            return (count + 1, jnp.tanh(c * w + row)), (c * row, count)

        return lax.scan(iteration, (jnp.int32(0), jnp.zeros(2)), x, reverse=reverse)

    arguments = jnp.array([0.5, -1.5]), jnp.arange(2.0 * length).reshape(length, 2)
    *_, equation = jax.make_jaxpr(loop)(*arguments).eqns
    program = unrolled(equation)
    assert not any(each.primitive.name == "scan" for each, _ in walk(program))
    assert unrolled(program.eqns[0]) is None if program.eqns else length == 0

    def one_by_one(equation, inputs):
        iterations = unrolled(equation)
        return as_computed(equation, inputs) if iterations is None else interpret(iterations, inputs, as_computed)

    found = interpret(jax.make_jaxpr(loop)(*arguments), arguments, one_by_one)
    for one, other in zip(found, jax.tree.leaves(loop(*arguments)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
        assert one.dtype == other.dtype
        assert one.shape == other.shape
