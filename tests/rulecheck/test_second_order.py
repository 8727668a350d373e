"""Second derivatives, with and without complex steps, in both modes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import funcnet as fn
from funcnet.rulecheck.environment import double_precision
from funcnet.rulecheck.report import Verdict
from funcnet.rulecheck.second_order import second_order
from funcnet.rulecheck.subject import Examination, Point, Subject

X = np.array([0.7, 1.3])


def by_jvp(plain, slope):
    function = jax.custom_jvp(plain)
    function.defjvps(lambda tangent, y, x: tangent * slope(x))
    return function


def by_vjp(plain, slope):
    function = jax.custom_vjp(plain)
    function.defvjp(lambda x: (plain(x), x), lambda x, g: (g * slope(x),))
    return function


def sine(x):
    return jnp.sin(x)


def log_gamma(x):  # it has no complex form
    return lax.lgamma(x)


def unknown(x):
    raise TypeError("no such thing")


def without_second(x):
    """The cosine, whose derivative raises an error."""
    return by_jvp(jnp.cos, unknown)(x)


SLOPES = {sine: jnp.cos, log_gamma: lax.digamma}
CASES = [(by_jvp, log_gamma), (by_vjp, sine)]


def checked(function, plain):
    examined = Examination(Subject("f", lambda x: [function(x)], lambda x: [plain(x)], ("x",), None, None), [X])
    point = Point([X], "", is_given=True)
    examined.routes = ["reverse", "forward"] if isinstance(function, jax.custom_jvp) else ["reverse"]
    examined.method = "complex step" if plain is sine else "Richardson"
    second_order(examined, point)
    return {finding.check: finding for finding in examined.findings if finding.check.startswith("second order")}


@pytest.mark.parametrize(("way", "plain"), CASES)
def test_a_lost_second_derivative_is_found_and_a_right_one_is_proved(way, plain):
    checks = ["second order", "second order in forward mode"][: 2 if way is by_jvp else 1]
    with double_precision():
        right = checked(way(plain, SLOPES[plain]), plain)
        wrong = checked(way(plain, lambda x: lax.stop_gradient(SLOPES[plain](x))), plain)
    assert [*right] == checks
    assert {finding.verdict for finding in right.values()} == {Verdict.OK}
    assert [*wrong] == checks
    assert {finding.verdict for finding in wrong.values()} == {Verdict.MISMATCH}
    assert all(finding.got == 0 and finding.expected != 0 for finding in wrong.values())


def test_a_first_derivative_that_cannot_be_differentiated_is_wrong():
    with double_precision():
        found = checked(by_vjp(sine, without_second), sine)
    assert found["second order"].verdict is Verdict.MISMATCH
    assert "the first derivative has no derivative: it raises TypeError: no such thing" in found["second order"].reason


NEAR = {
    "log": (jnp.log, [1e-3, 2e-3]),
    "reciprocal": (lambda x: 1 / x, [1e-3, 2e-3]),
    "narrow bell": (lambda x: jnp.exp(-(x**2) / (2 * 0.01**2)), [0.0, 0.005]),
    "fast waves": (lambda x: jnp.sin(2.0**9 * jnp.pi * x), [0.3, 0.77]),
}


@pytest.mark.parametrize("name", NEAR)
def test_what_varies_within_a_small_distance_is_proved(name):
    function, at = NEAR[name]
    report = fn.check_function(function, np.array(at), dtype="float64")
    assert report.ok, str(report)
    assert any(finding.check == "second order" for finding in report.findings), str(report)


def test_a_wrong_second_derivative_is_found_where_the_function_varies_fast():
    slope = jax.custom_jvp(lambda x: 1 / x)
    slope.defjvps(lambda tangent, y, x: tangent / x**2)
    log = jax.custom_jvp(jnp.log)
    log.defjvps(lambda tangent, y, x: tangent * slope(x))
    report = fn.check_function(log, np.array([1e-3, 0.5]), dtype="float64")
    assert report.verdict is Verdict.MISMATCH
    assert "second order: the derivative of the derivative is wrong" in str(report)


@pytest.mark.parametrize("function", [jnp.sqrt, jnp.linalg.norm, jax.scipy.special.entr, lambda x: x**1.5])
def test_where_a_derivative_is_infinite_nothing_is_wrong(function):
    report = fn.check_function(function, np.array([0.0, 0.0]), dtype="float64")
    assert report.verdict is Verdict.NOT_PROVED, str(report)
    assert "nan is correct" not in str(report)
