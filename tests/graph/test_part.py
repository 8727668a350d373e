"""A part of a graph: only the operations run that the chosen variables need."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import checkpoint_name

import funcnet as fn

SCALE = np.array([1.0, 10.0], np.float32)


def cost(w, x, y):
    z = checkpoint_name(jnp.tanh(w * x), "z")
    checkpoint_name(jnp.log(y), "unused")
    return checkpoint_name(jnp.sum(SCALE * (z - y) ** 2), "J")


ARGUMENTS = (jnp.array([0.5, -1.0]), jnp.array([2.0, 3.0]), jnp.array([1.0, 2.0]))
GRAPH = fn.graph.trace(cost, *ARGUMENTS)


def test_every_variable_alone_has_the_value_of_the_whole_run():
    given = dict(zip(("w", "x", "y"), ARGUMENTS, strict=True))
    for name, value in GRAPH.forward(*ARGUMENTS).items():
        (found,) = GRAPH.part([name], given).values()
        np.testing.assert_array_equal(found, value)


def test_inputs_that_are_not_needed_need_not_be_given():
    found = GRAPH.part(["z"], {"w": ARGUMENTS[0], "x": ARGUMENTS[1]})
    np.testing.assert_allclose(found["z"], np.tanh([1.0, -3.0]), rtol=1e-6)


def test_a_given_variable_cuts_the_graph():
    found = GRAPH.part(["J", "z"], {"z": jnp.array([0.0, 0.0]), "y": ARGUMENTS[2]})
    assert list(found) == ["J", "z"]
    np.testing.assert_array_equal(found["J"], 1 + 10 * 4)
    np.testing.assert_array_equal(found["z"], [0, 0])


def test_only_the_needed_operations_run():
    program = jax.make_jaxpr(lambda w, x: GRAPH.part(["z"], {"w": w, "x": x}))(*ARGUMENTS[:2])
    assert {equation.primitive.name for equation in program.jaxpr.eqns} <= {"mul", "tanh", "jit"}
    assert "log" not in str(program)


def test_it_is_differentiable_and_compiles():
    def of(z):
        return GRAPH.part(["J"], {"z": z, "y": ARGUMENTS[2]})["J"]

    np.testing.assert_allclose(jax.jit(jax.grad(of))(jnp.zeros(2)), [-2, -40])


@pytest.mark.parametrize(
    ("names", "given", "error", "words"),
    [
        ("z", {}, TypeError, r"names of variables, such as \['z'\], got 'z'"),
        (["q"], {}, ValueError, "names among w, x, y, .*, got 'q'"),
        (["z"], {"q": 1.0}, ValueError, "names among w, .*, got 'q'"),
        (["z"], {"w": ARGUMENTS[0]}, ValueError, "given to hold x, got w"),
        (["J"], {}, ValueError, "given to hold w, x, y, got nothing"),
    ],
)
def test_what_is_missing_or_unknown_is_named(names, given, error, words):
    with pytest.raises(error, match=f"^graph.part: expected {words}"):
        GRAPH.part(names, given)


def test_a_value_of_another_shape_is_refused():
    with pytest.raises(fn.ShapeError, match=r"graph: w: expected shape \(2,\), got \(3,\)"):
        GRAPH.part(["z"], {"w": jnp.ones(3), "x": ARGUMENTS[1]})


def test_values_of_a_part_are_shown_and_go_no_further():
    values = GRAPH.part(["z", "w"], {"w": ARGUMENTS[0], "x": ARGUMENTS[1]})
    rows = {row.split()[0]: row.split()[-1] for row in GRAPH.table(values).splitlines()}
    assert (rows["J"], rows["x"]) == ("-", "-")
    assert rows["z"] != "-"
    for use in (GRAPH.output, GRAPH.backward):
        with pytest.raises(ValueError, match=r"expected the values that graph\.forward returns, got none of .*J"):
            use(values)
    with pytest.raises(TypeError, match="given to be a dict of values by name, got a NoneType"):
        GRAPH.part(["z"], None)
