"""What the equations of a program meet when it runs."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from funcnet.jaxprs import function_of, place_of, visit, visiting


def program(x):
    x, _ = lax.scan(lambda c, row: (jnp.sin(c) + row, None), x, jnp.zeros((7, 2)))
    x = lax.while_loop(lambda c: c[1] < 3, lambda c: (jnp.cos(c[0]), c[1] + 1), (x, 0))[0]
    x = lax.cond(x[0] > 5, lambda x: x, jax.jit(jnp.tanh), x)
    return jax.vmap(lambda row: lax.while_loop(lambda v: v < 1, lambda v: 2 * v, row))(jnp.abs(x))


def test_a_visit_computes_the_program_and_tells_what_was_met_where():
    x = jnp.array([0.1, 0.2])
    met = []
    results, missed = visit(jax.make_jaxpr(program)(x), [x], met.append)
    np.testing.assert_allclose(results[0], program(x), rtol=1e-6)
    counts = {
        name: [each.within for each in met if each.equation.primitive.name == name] for name in ("sin", "cos", "tanh")
    }
    assert counts == {"sin": 3 * [("scan",)], "cos": 3 * [("while",)], "tanh": [("cond", "jit")]}
    (missed,) = missed
    assert missed.startswith("branch 1 of 2 of the cond in test_visiting.py:")
    (first, *_) = (each for each in met if each.equation.primitive.name == "sin")
    np.testing.assert_array_equal(first.operands[0], x)
    assert place_of(first.equation).startswith("test_visiting.py:")


def test_functions_with_rules_have_a_name_and_a_place():
    (equation,) = jax.make_jaxpr(jax.nn.relu)(1.0).eqns
    name, place = function_of(equation)
    assert name == "relu"
    assert "functions.py:" in place


def test_branches_that_a_loop_takes_between_its_ends_are_entered_and_others_are_told():
    def inner(carry):
        x, count, at = carry
        return lax.cond((count == 2) & (at == 15_000), jnp.tan, lambda x: x, x), count + 1, at

    def iteration(x, at):
        x = lax.cond(at == 3, jnp.sin, lambda x: lax.cond(x > 9, jnp.exp, jnp.cos, x), x)
        return lax.while_loop(lambda carry: carry[1] < 5, inner, (x, 0, at))[0], at

    def long(x):
        return lax.scan(iteration, x, jnp.arange(20_000, dtype=jnp.int32), reverse=True)

    met = []
    results, missed = visit(jax.make_jaxpr(long)(0.5), [jnp.float32(0.5)], met.append)
    for got, right in zip(results, long(jnp.float32(0.5)), strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-5)
    counts = [sum(each.equation.primitive.name == name for each in met) for name in ("sin", "tan", "exp")]
    assert counts == [1, 1, 0]
    (missed,) = missed
    assert missed.startswith("branch 1 of 2 of the cond in test_visiting.py:")
    assert missed.endswith("iteration.<locals>.<lambda>) is not taken")


@jax.custom_jvp
def ruled(x):
    return jnp.sin(x)


ruled.defjvps(lambda tangent, y, x: tangent * jnp.cos(x))


def test_loops_that_are_mapped_and_linear_solvers_are_entered():
    def mapped(x):
        return jax.vmap(lambda row: lax.while_loop(lambda v: v < 1, lambda v: ruled(v) + 0.3, row))(x)

    def solved(x):
        return lax.custom_linear_solve(lambda v: ruled(v) + v, x, lambda product, b: ruled(b) / 2)

    x = jnp.array([0.25, 0.9])
    for function, least in ((mapped, 3), (solved, 2)):
        met = []
        (result,), missed = visit(jax.make_jaxpr(function)(x), [x], met.append)
        np.testing.assert_allclose(result, function(x), rtol=1e-6)
        assert sum(each.equation.primitive.name == "custom_jvp_call" for each in met) >= least
        assert not missed


def test_what_is_not_entered_is_told_by_name(monkeypatch):
    mesh = jax.make_mesh((1,), ("i",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("i")

    def sharded(x):
        return jax.shard_map(ruled, mesh=mesh, in_specs=spec, out_specs=spec)(x)

    x = jnp.ones(2)
    _, (missed,) = visit(jax.make_jaxpr(sharded)(x), [x], lambda visited: None)
    assert missed.startswith("the rule of ruled within the shard_map in test_visiting.py:")
    assert missed.endswith(", which is not entered")
    monkeypatch.setattr(visiting, "MOST_OPERATIONS", 1)
    _, (missed,) = visit(jax.make_jaxpr(lambda x: jax.jit(ruled)(x + 1))(x), [x], lambda visited: None)
    assert missed.startswith("the rule of ruled within the jit in test_visiting.py:")
    assert missed.endswith(", after 1 operations")
