"""``check_rules``: wrong rules are found in any program and named; declared ones are shown."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import funcnet as fn
from funcnet.jaxprs import operand_names
from tests.gradcheck import planted

FAST = {"order": 1, "dtype": "float64", "search_points": False}
# A sample of ``python -m tests.campaigns rules``.
SAMPLE = {
    (
        "clipped cotangent",
        "scan",
    ): "linear in the cotangent (reverse mode) met in scan: it is not linear for a huge cotangent",
    ("wrong under vmap", "vmap"): "its vmap rule returns another output than the function, row by row",
}


@pytest.mark.parametrize(("kind", "context"), SAMPLE)
def test_a_planted_rule_is_found_and_its_function_is_named(kind, context):
    rule = dict(planted.rules())[kind]
    report = fn.check_rules(planted.CONTEXTS[context](rule), planted.X, planted.W, **FAST)
    assert report.verdict.name == "MISMATCH"
    assert str(report).splitlines()[1].startswith("start here: planted_bell (planted.py:")
    assert SAMPLE[kind, context] in str(report)


def test_special_points_find_what_the_given_ones_do_not_show():
    rule = dict(planted.rules())["large arguments"]
    report = fn.check_rules(rule, planted.X, planted.W, order=1, dtype="float64")
    assert "reverse mode in x at 30" in str(report)


def test_a_right_rule_is_proved_and_what_is_not_run_is_told():
    def program(x):
        return lax.cond(x[0] > 0, jax.nn.relu, lambda x: -x, x)

    report = fn.check_rules(program, np.array([0.5, -0.3]), order=1, search_points=False)
    assert report.ok, str(report)
    assert "checked: relu (functions.py:" in str(report)
    assert any("branch 0 of 2 of the cond in test_rules.py:" in words for words in report.not_exercised)
    report = fn.check_rules(jnp.sin, np.array([0.5]))
    assert report.verdict.name == "NOT_CHECKED"
    assert report.not_exercised == ("the program meets no custom derivative",)


def test_intended_differences_are_declared_by_name_and_refused_where_there_are_none():
    @jax.custom_jvp
    def rounded(x):
        return jnp.round(x)

    rounded.defjvps(lambda tangent, y, x: tangent)
    x = np.array([0.3, 1.6])
    said = fn.check_rules(rounded, x, expected={"rounded": "straight-through"}, **FAST)
    assert said.ok
    assert "declared: rounded (test_rules.py:" in str(said)
    assert str(said).count("straight-through") >= 1
    proved = fn.check_rules(rounded, x, expected={"rounded": lambda x: x}, **FAST)
    assert proved.ok, str(proved)
    with pytest.raises(ValueError, match="expected= to name a function with a rule, one of relu, got 'gelu'"):
        fn.check_rules(jax.nn.relu, x, expected={"gelu": "another convention"}, **FAST)
    with pytest.raises(TypeError, match=r"expected\['relu'\] to be a reason or a function, got int$"):
        fn.check_rules(jax.nn.relu, x, expected={"relu": 3}, **FAST)
    with pytest.raises(
        ValueError, match=r"expected= to name what differs, and nothing of 'relu' does, got another fun"
    ):
        fn.check_rules(jax.nn.relu, x, expected={"relu": lambda x: x}, **FAST)


def test_a_rule_of_another_function_than_a_constant_is_not_proved():
    @jax.custom_jvp
    def one(x):
        return jnp.ones_like(x)

    one.defjvps(lambda tangent, y, x: tangent * 3.0)
    report = fn.check_rules(one, np.array([0.5]), **FAST)
    assert report.verdict.name == "NOT_PROVED"
    assert "the function does not use its arguments, and the rule is another function's: " in str(report)


def test_operands_are_named_by_the_arguments():
    @jax.custom_vjp
    def scaled(x, params):
        return x * params["scale"]

    scaled.defvjp(lambda x, params: (x * params["scale"], (x, params)), lambda kept, g: (g, {"scale": g}))
    (equation,) = jax.make_jaxpr(scaled)(1.0, {"scale": 2.0}).eqns
    assert operand_names(equation) == ["x", "params['scale']"]
    (equation,) = jax.make_jaxpr(lambda x: jax.nn.relu(x))(1.0).eqns
    assert operand_names(equation) == ["x"]


def test_the_rules_of_jax_itself_are_checked_on_demand():
    report = fn.check_rules(lambda x: jnp.sin(x) * x, np.array([0.5]), primitives=True, **FAST)
    assert report.ok, str(report)
    assert {finding.function.partition(" (")[0] for finding in report.findings} == {"sin", "mul"}
