"""``check_rules``: wrong rules are found in any program and named; declared ones are shown."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import funcnet as fn
from funcnet.jaxprs import Visit, operand_names
from funcnet.rulecheck import rules
from funcnet.rulecheck.environment import double_precision
from funcnet.rulecheck.first_order import first_order
from funcnet.rulecheck.met_rules import beside, met, met_in, variants, with_same_constants
from funcnet.rulecheck.subject import Examination, Point, Subject
from tests.rulecheck import planted

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
    assert str(report).startswith("not checked: nothing could be checked of sin (")
    assert str(report).splitlines()[1].endswith("custom derivatives: the program meets no custom derivative")
    assert [each.reason for each in report.findings] == ["the program meets no custom derivative"]


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


X = np.array([0.5, -1.2, 2.0])


def by_vjp(name, function, backward):
    """Return a function of a name with a rule whose forward pass keeps the arguments."""
    function.__name__ = function.__qualname__ = name
    rule = jax.custom_vjp(function)
    rule.defvjp(lambda *args: (function(*args), args), backward)
    return rule


def wrong_names(report):
    return {finding.function.partition(" (")[0] for finding in report.of(fn.gradcheck.judgement.Verdict.MISMATCH)}


def scaled(factor, wrong):
    """Return a function that closes over an array."""
    return by_vjp(
        "scaled",
        lambda x: jnp.sin(factor * x),
        lambda kept, g: (wrong * factor * jnp.cos(factor * kept[0]) * g,),
    )


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def powered(x, n):
    return x**n


powered.defvjp(lambda x, n: (x**n, x), lambda n, x, g: (g * 2 * x ** (n - 1),))  # right for n = 2 alone


@jax.custom_vjp
def flagged(x, flag):
    return jnp.where(flag == 1, jnp.exp(x), jnp.sin(x))


flagged.defvjp(
    lambda x, flag: (flagged(x, flag), (x, flag)),
    lambda kept, g: (jnp.where(kept[1] == 1, 5 * g, g * jnp.cos(kept[0])), None),
)
WEIGHTS, OTHERS = jnp.array([2.0, 3.0, 4.0]), jnp.array([1.0, 2.0, 0.5])


def test_rules_of_one_function_that_differ_are_checked_each():
    def program(x):
        y = scaled(WEIGHTS, 1.0)(x) + scaled(OTHERS, 2.0)(x)
        return y + flagged(x, jnp.int32(0)) + flagged(x, jnp.int32(1))

    report = fn.check_rules(program, X, **FAST)
    assert wrong_names(report) == {"scaled", "flagged"}
    assert len([each for each in report.checked if each.startswith("scaled (test_rules.py:")]) == 1


def test_what_is_left_out_of_many_rules_is_told(monkeypatch):
    def program(x):
        y = powered(x, 2) + powered(x, 3) + powered(x, 2) + scaled(WEIGHTS, 2.0)(x)
        return y + flagged(x, jnp.int32(0)) + flagged(x, jnp.int32(1)) + flagged(x, jnp.int32(1))

    for name in ("MOST_VARIANTS", "MOST_FIXED"):
        monkeypatch.setattr(rules, name, 1)
    with double_precision():
        visits = {key[1]: each for key, each in met(program, [X], False)[0].items()}
        assert [(len(found), cut) for found, cut in (rules._apart(each, []) for each in visits.values())] == [
            (1, ["1 more rules of powered, for the same shapes"]),
            (1, []),
            (1, ["1 more values of the integer operands and constants of flagged"]),
        ]
        assert [len(each) for each in variants(visits["powered"])] == [2, 1]
        assert [len(each) for each in with_same_constants(visits["flagged"])] == [1, 2]


@jax.custom_vjp
def picked(x, at):
    return x[at] * np.pi


picked.defvjp(
    lambda x, at: (picked(x, at), (x, at)),
    lambda kept, g: (
        jnp.zeros_like(kept[0]).at[kept[1]].add(g) * (3.0 if kept[0].dtype == jnp.float32 else np.pi),
        None,
    ),
)


def test_a_rule_of_indices_of_any_dtype_is_checked_in_the_training_dtype():
    indices = np.array([0, 1], np.int64)
    report = fn.check_rules(picked, X, indices, order=1, search_points=False)
    assert report.verdict.name == "MISMATCH"
    assert "reverse mode in float32 in x: " in str(report)
    assert report.not_exercised == ("equal values in at, as repeated indices",)
    with double_precision():
        kept = jax.make_jaxpr(lambda x: x[indices])(X)  # JAX keeps the array in int64 with it
        found, failure = met_in(np.dtype(np.float32), lambda x: [picked(x, indices)], [X], primitives=False)
    assert kept.in_avals[0].dtype == np.float64
    assert not found
    assert failure.startswith("the program cannot be run there: ")


def test_calls_are_matched_by_their_integers_between_the_dtypes():
    def visit(*operands):
        return [Visit(None, [*operands], ())]

    double = [visit(np.int64(at), np.float64(number)) for at, number in ((1, 0.1), (2, 0.1), (2, 0.2), (3, 0.3))]
    single = [visit(np.int32(at), np.float32(number)) for at, number in ((2, 0.1), (3, 0.3), (2, 0.2))]
    assert beside(double, single) == [[], single[0], single[2], single[1]]
    assert beside(double, single[:2]) == [[], [], [], single[1]]


def test_a_rule_of_a_function_of_jax_is_named_by_its_own_place():
    logarithm = jax.custom_jvp(jnp.log)

    @logarithm.defjvp
    def _(primals, tangents):
        return jnp.log(primals[0]), 1.0000000001 * tangents[0] / primals[0]

    report = fn.check_rules(logarithm, np.array([0.5]), **FAST)
    assert report.findings[0].function.startswith("log (ufuncs.py:")
    assert ", with the rule in test_rules.py:" in report.findings[0].function
    assert "  it is 2.0000000002 at [0], where 2 is correct" in str(report)


def test_rules_are_found_in_the_middle_of_loops_of_complex_numbers_and_of_tangents():
    tripled = by_vjp("tripled", lambda x: jnp.sin(x), lambda kept, g: (3 * g * jnp.cos(kept[0]),))
    squared = by_vjp("squared", lambda z: z * z, lambda kept, g: (7 * kept[0] * g,))

    @jax.custom_jvp
    def even(x):
        return x * x

    @even.defjvp
    def _(primals, tangents):
        return primals[0] ** 2, 2 * primals[0] * jnp.abs(tangents[0])

    def program(x):
        y, _ = lax.scan(lambda c, at: (lax.cond(at == 3, tripled, jnp.cos, c), None), x, jnp.arange(9))
        return y + jnp.real(squared(x + 1j * x)) + even(x)

    report = fn.check_rules(program, X, **FAST)
    assert wrong_names(report) == {"tripled", "squared", "even"}
    linear = [finding for finding in report.findings if finding.check == "linear in the tangent (forward mode)"]
    assert [finding.reason for finding in linear] == ["it is not linear for a negated tangent"]


def test_what_is_wrong_at_a_searched_point_counts_beside_what_is_out_of_reach():
    def backward(kept, g):
        (x,) = kept
        slope = jnp.where((x > 0.3) & (x < 0.4), 3 * x, 2 * x)
        return (jnp.where(jnp.abs(x) > 20, slope + 1, slope) * g,)

    bumped = by_vjp("bumped", lambda x: x * x, backward)
    report = fn.check_rules(lambda x: bumped(jnp.tanh(x)), X, order=1, dtype="float64")
    assert "reverse mode in args[0] at 0.35: 1.5 times the correct gradient everywhere" in str(report)
    assert "arguments of bumped (test_rules.py:" in report.not_exercised[-1]


def raising(kept, g):
    raise ValueError("vectors are not supported")


RAISING = {
    "keyed": (lambda kept, g: (g * kept["x"],), "it raises "),
    "refused": (raising, "it raises ValueError: vectors are not supported"),
}


def test_a_rule_that_raises_is_wrong_and_what_jax_lacks_is_not_checked():
    for name, (backward, text) in RAISING.items():
        report = fn.check_rules(by_vjp(name, lambda x: jnp.sin(x), backward), X, **FAST)
        assert report.verdict.name == "MISMATCH"
        assert text in str(report)
    declared = fn.check_rules(by_vjp(name, lambda x: jnp.sin(x), backward), X, expected={name: "mine"}, **FAST)
    assert declared.verdict.name == "MISMATCH"

    @jax.custom_jvp
    def unsupported(x):
        return jnp.sin(x)

    @unsupported.defjvp
    def _(primals, tangents):
        product = lax.while_loop(lambda c: c[0] < 1, lambda c: (c[0] + 1, c[1] * 2), (0, tangents[0] / 2))[1]
        return jnp.sin(primals[0]), jnp.cos(primals[0]) * product

    examined = Examination(
        Subject("unsupported", lambda x: [unsupported(x)], lambda x: [jnp.sin(x)], ("x",), None, None), [X]
    )
    with double_precision():
        first_order(examined, Point([X], "", is_given=True))
    assert {finding.verdict.name for finding in examined.findings} == {"OK"}
    assert examined.notes[0].startswith(
        "reverse mode of unsupported: ValueError: Reverse-mode differentiation does not"
    )


def test_another_output_is_wrong_of_integers_and_where_a_derivative_is_declared():
    @jax.custom_vjp
    def largest(x):
        return jnp.max(x), jnp.argmax(x)

    largest.defvjp(
        lambda x: ((jnp.max(x), jnp.argmin(x)), (x, jnp.argmax(x))),
        lambda kept, g: (jnp.zeros_like(kept[0]).at[kept[1]].set(g[0]),),
    )
    report = fn.check_rules(lambda x: largest(x)[0] * largest(x)[1], X, **FAST)
    assert "the output: the rule's forward pass returns other integers than the function" in str(report)
    rounded = jax.custom_vjp(lambda x: jnp.round(x))
    rounded.defvjp(lambda x: (jnp.floor(x), None), lambda kept, g: (g,))
    report = fn.check_rules(rounded, X, expected={"<lambda>": "straight-through"}, **FAST)
    assert report.verdict.name == "MISMATCH"
    assert "the output in reverse mode" in str(report)


def test_an_intended_function_is_called_as_the_function_itself():
    @jax.custom_vjp
    def rounded(p, x):
        return jnp.round(x * WEIGHTS) * p["w"][0]

    rounded.defvjp(
        lambda p, x: (rounded(p, x), (p, x)),
        lambda kept, g: ({"w": [g * kept[1] * WEIGHTS]}, g * kept[0]["w"][0] * WEIGHTS),
    )

    def check(intended):
        x = np.array([0.4, 1.3, 1.1])
        return fn.check_rules(lambda x: rounded({"w": [x]}, x), x, expected={"rounded": intended}, **FAST)

    assert check(lambda p, x: x * WEIGHTS * p["w"][0]).ok
    text = r"expected\['rounded'\] to be a function of p, x, with results of shape \(3,\), got "
    with pytest.raises(TypeError, match=text + "TypeError: .*missing"):
        check(lambda p, x, q: x)
    with pytest.raises(TypeError, match=text + r"\(\)$"):
        check(lambda p, x: jnp.sum(x))


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"order": 3}, ValueError, "^check_rules: expected order 1 or 2, got 3$"),
        ({"expected": ["relu"]}, TypeError, "^check_rules: expected expected= to be a dict, such as .*, got list$"),
    ],
)
def test_options_that_do_not_fit_are_named(options, error, text):
    with pytest.raises(error, match=text):
        fn.check_rules(jax.nn.relu, X, **options)
