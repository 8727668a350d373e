"""What the equations of a program meet when it runs."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from funcnet.jaxprs import function_of, place_of, visit


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
    assert counts == {"sin": 3 * [("scan",)], "cos": 2 * [("while",)], "tanh": [("cond", "jit")]}
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
