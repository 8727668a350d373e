"""``check_function``: what it proves, what it calls wrong, what it does not prove, and what it says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet.rulecheck.element_findings import because
from funcnet.rulecheck.functions import declared
from funcnet.rulecheck.not_exercised import by_indices
from funcnet.rulecheck.report import Verdict

X = np.array([[0.3, -1.2], [0.7, 2.1], [-0.4, 0.9]])
FAST = {"order": 1, "dtype": "float64"}  # one comparison alone


def scaled(x, params):
    """A function of pytrees that returns one; the integer is held fixed."""
    return {"y": jnp.tanh(x @ params["w"]) * params["power"], "sign": jnp.sign(x).astype(int)}


def test_it_proves_a_function_of_pytrees_in_both_modes_and_orders_and_in_the_training_dtype():
    report = fn.check_function(scaled, X, {"w": np.array([0.5, -0.8]), "power": 2})
    assert report.ok, str(report)
    assert report.verdict.name == "OK"
    lines = str(report).splitlines()
    assert lines[0].startswith("ok: the derivatives of scaled (test_functions.py:")
    assert "8 × 3 derivatives in float64 (complex step" in lines[1]
    assert {finding.argument for finding in report.findings} == {"x", "params['w']", ""}
    checks = {finding.check for finding in report.findings}
    assert checks >= {"reverse mode", "forward mode", "second order", "reverse mode in float32"}
    assert "not exercised: x has no ties" in lines
    report.require()


def test_a_wrong_backward_pass_is_told_with_argument_place_and_mistake():
    def backward(args, dy):
        x, w = args
        dx = jnp.outer(dy, w)
        return dx.at[:, 1].multiply(2.0), 3 * (x.T @ dy)

    def product(x, w):
        return x @ w

    arguments = X, np.array([0.5, -0.8])
    report = fn.check_function(product, *arguments, backward=backward, **FAST)
    assert report.verdict.name == "MISMATCH"
    with pytest.raises(fn.GradientError, match=r"MISMATCH: wrong: the derivative of product \(test_functions.py:"):
        report.require()
    assert (
        str(report)
        .splitlines()[1]
        .endswith("the backward pass by hand in x: all of column 1 of 2: 2 times the correct value there")
    )
    in_w = next(
        finding for finding in report.findings if finding.argument == "w" and finding.verdict.name == "MISMATCH"
    )
    assert in_w.reason == "3 times the correct gradient everywhere"
    automatic = [finding for finding in report.findings if finding.check == "reverse mode"]
    assert {finding.verdict.name for finding in automatic} == {"OK"}

    reasons = {"x": "the second feature counts twice", "w": "a faster rate"}
    findings = declared("check_function", report.findings, reasons, lambda finding: finding.argument)
    said = fn.DerivativeReport(report.function, tuple(findings))
    assert said.ok
    assert "or declared: product" in str(said)
    assert "in x: the second feature counts twice" in str(said)
    with pytest.raises(ValueError, match="expected= to name what differs, and nothing of 'z' does, got 'a whim'"):
        declared("check_function", report.findings, {"z": "a whim"}, lambda finding: finding.argument)


def test_a_backward_pass_has_the_structure_of_the_arguments():
    report = fn.check_function(jnp.sin, X, backward=lambda args, dy: (dy.T,), **FAST)
    assert "backward: expected gradient 0 of shape (3, 2), got (2, 3)" in str(report)


def test_what_rounding_explains_is_not_proved_and_names_the_operation():
    report = fn.check_function(lambda x: jnp.sin(x) / x, np.array([1e-6, 0.7]), **FAST)
    assert report.verdict.name == "NOT_PROVED"
    assert "rounding explains the difference where it is smallest" in str(report)
    assert "(cancellation: " in str(report)
    with pytest.raises(
        fn.GradientError, match=r"^NOT PROVED: nothing is wrong, but not everything is proved of <lambda>"
    ):
        report.require()


def test_an_overflow_in_the_training_dtype_is_wrong():
    @jax.custom_jvp
    def softplus(x):
        return jnp.logaddexp(x, 0.0)

    softplus.defjvps(lambda tangent, y, x: tangent * jnp.exp(x) / (1 + jnp.exp(x)))
    report = fn.check_function(softplus, np.array([0.5, 90.0]), order=1)
    (wrong,) = [finding for finding in report.findings if finding.verdict.name == "MISMATCH"]
    assert wrong.check == "reverse mode in float32"
    assert wrong.index == (1,)
    assert np.isnan(wrong.got)
    assert wrong.expected == pytest.approx(1.0)


def test_conventions_at_a_kink_are_accepted_and_a_tie_counts_once():
    tied = np.array([1.0, 1.0, 0.5])

    def shared(args, dy):
        return (dy * (args[0] == jnp.max(args[0])),)

    report = fn.check_function(jnp.max, tied, backward=shared, **FAST)
    assert report.verdict.name == "MISMATCH"
    assert "a tie is counted more or less than once" in str(report)
    assert "note: reverse mode in a: 2 of 3 elements lie on a kink, where a derivative is a convention" in str(report)


def test_operations_without_a_complex_form_are_checked_by_differences():
    report = fn.check_function(jax.scipy.special.gammaln, np.array([2.0, 0.5]), **FAST)
    assert report.ok, str(report)
    assert "(Richardson, by differences" in str(report)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((3, X), TypeError, "^check_function: expected function to be callable, got int$"),
        (
            (jnp.sum, X[:0]),
            ValueError,
            "^check_function: expected floating arguments of at least one element, got empty",
        ),
        ((jnp.sin, np.arange(3)), TypeError, "^check_function: expected an argument of a floating dtype, got none$"),
        (
            (jnp.sin, X.astype(np.longdouble)),
            TypeError,
            "^check_function: expected x of a dtype that JAX has, got float",
        ),
        (
            (lambda x: jax.lax.mul(x, jnp.ones(X.shape, jnp.float32)), X),
            TypeError,
            "^check_function: expected function to follow the dtype of its arguments, since it is checked in float64",
        ),
        (
            (jnp.abs, X + 1j),
            TypeError,
            "^check_function: expected real arguments: take the real and the imaginary part",
        ),
    ],
)
def test_arguments_that_cannot_be_checked_are_named(arguments, error, text):
    with pytest.raises(error, match=text):
        fn.check_function(*arguments)


def test_random_numbers_that_depend_on_the_dtype_are_no_mismatch():
    def noisy(key, x):
        return x * jax.random.normal(key, x.shape)

    report = fn.check_function(noisy, jax.random.key(0), X[0], order=1)
    assert report.ok, str(report)
    assert any("as where it draws random numbers" in words for words in report.not_exercised)


def test_a_stopped_gradient_is_named_and_can_be_declared():
    stopped = {"expected": {"y": "a constant"}} | FAST
    report = fn.check_function(lambda x, y: x * jax.lax.stop_gradient(y), X[0], X[1], **stopped)
    assert report.ok, str(report)
    assert "in y: a constant" in str(report)
    report = fn.check_function(lambda x: jax.lax.stop_gradient(x), X[0], **FAST)
    assert "nothing is passed on; stop_gradient is called in test_functions.py:" in str(report)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"order": 3}, ValueError, "expected order 1 or 2, got 3$"),
        ({"backward": 3}, TypeError, "expected backward to be callable or None, got int$"),
        (
            {"expected": ["x"]},
            TypeError,
            r"expected expected= to be a dict, such as {'x': 'straight-through'}, got list$",
        ),
        ({"expected": {"x": jnp.sin}}, TypeError, r"expected expected\['x'\] to be a reason, got a function$"),
    ],
)
def test_options_that_do_not_fit_are_named(options, error, text):
    with pytest.raises(error, match="^check_function: " + text):
        fn.check_function(jnp.sin, X, **options)


def powered(x, n, how, then):
    """x^n, summed or not; the three others are not arrays."""
    y = 1.0
    for _ in range(n):
        y = y * x
    return then(jnp.sum(y) if how == "sum" else y)


def test_arguments_that_are_no_arrays_are_passed_on_as_they_are():
    def backward(args, dy):
        return 3 * args[0] ** 2 * dy, None, None, None

    def wrong(args, dy):
        return [None]

    with jax.transfer_guard("disallow"):
        report = fn.check_function(powered, X[0], 3, "sum", jnp.asarray, backward=backward, **FAST)
    assert report.ok, str(report)
    report = fn.check_function(powered, X[0], 3, "sum", jnp.asarray, backward=wrong, **FAST)
    assert "it raises TypeError: backward: expected a tuple of 4 gradients, as the arguments, got list" in str(report)


def test_mapped_loops_have_a_numerical_derivative():
    def until(x):
        return jax.lax.while_loop(lambda c: c[0] < 2 + x, lambda c: (c[0] + 1, jnp.sin(c[1])), (0.0, x))[1]

    report = fn.check_function(jax.vmap(until), np.array([0.5, 1.7]), **FAST)
    assert report.ok, str(report)
    assert "(complex step" in str(report)


def test_a_loop_without_a_reverse_mode_is_checked_in_the_training_dtype():
    def logistic(x):
        return jax.lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] * (1 - c[1]) * 3.7), (0, x))[1]

    report = fn.check_function(logistic, np.array([0.64, 0.1]), order=1)
    assert report.ok, str(report)
    assert "in float32 against float64" in str(report)


def test_indices_that_do_not_repeat_are_told():
    report = fn.check_function(lambda x, at: x[at], X[0], np.array([0, 1]), **FAST)
    assert report.not_exercised == ("x has no ties", "equal values in at, as repeated indices")
    program = jax.make_jaxpr(lambda x, at: x[at])(X[0], np.array([1, 1]))
    assert not [*by_indices(program, {"at": np.array([1, 1])})]


def test_a_cause_that_is_not_known_has_no_parentheses():
    assert (because(""), because("sub in loss.py:1")) == ("", " (sub in loss.py:1)")


def test_an_edge_that_another_precision_puts_elsewhere_is_no_mismatch():
    report = fn.check_function(lambda x: jnp.log(jnp.maximum(x, 1e-7)), X[0] + 2, order=1, search_points=True)
    assert report.ok, str(report)


def test_infinities_in_a_mask_are_not_rounded():
    def masked(x):
        return jax.nn.softmax(jnp.where(jnp.arange(4) < 2, x, -jnp.inf))

    report = fn.check_function(masked, np.array([0.1, 0.2, 0.3, 0.4]), order=1)
    assert report.ok, report


def test_equal_numbers_that_a_sort_leaves_in_their_order_follow_a_convention():
    for function in (jnp.sort, lambda x: jax.lax.top_k(x, 2)[0], jnp.median):
        report = fn.check_function(function, np.array([1.0, 1.0, 1.0, 2.0, 0.0]), dtype="float64", order=1)
        assert report.ok, str(report)


def test_a_sigmoid_that_rounds_to_1_is_held_against_its_own_derivative():
    report = fn.check_function(jax.nn.sigmoid, np.array([40.0]), backward=lambda args, dy: (0 * dy,), order=1)
    assert report.verdict is Verdict.MISMATCH
    right = fn.check_function(
        jax.nn.sigmoid, np.array([40.0]), backward=lambda args, dy: (dy * jnp.exp(-args[0]),), order=1, dtype="float64"
    )
    assert next(each.verdict for each in right.findings if "by hand" in each.check) is Verdict.OK, str(right)


def test_differences_do_not_reach_over_a_pole():
    report = fn.check_function(jax.lax.lgamma, np.array([1e-3, 0.5]), dtype="float64", order=1)
    assert report.ok, str(report)
