"""First derivatives at difficult points: what is wrong, what is not proved, and what is no error."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from funcnet.rulecheck.environment import double_precision
from funcnet.rulecheck.first_order import first_order
from funcnet.rulecheck.low_precision import low_precision
from funcnet.rulecheck.subject import Examination, Point, Subject


def found_at(function, values, *, special=False, low=None):
    """Return the examination of a function of one array at some values."""
    leaf = np.asarray(values, float)
    with double_precision():
        examined = Examination(
            Subject("f", lambda x: [function(x)], lambda x: [function(x)], ("x",), None, None), [leaf]
        )
        point = Point([leaf], "", is_given=not special, is_special=special)
        examined.routes = ["reverse"] if special else []
        first_order(examined, point)
        if low is not None:
            low_precision(examined, point, np.dtype(low))
    return examined


def verdict_of(examined):
    verdicts = {finding.verdict.name for finding in examined.findings}
    return next(name for name in ("MISMATCH", "NOT_PROVED", "NOT_CHECKED", "OK") if name in verdicts)


def ruled(function, slope):
    rule = jax.custom_jvp(function)
    rule.defjvps(lambda tangent, y, x: tangent * slope(x))
    return rule


def xlogx(x):
    return jnp.where(x == 0, 0.0, x * jnp.log(jnp.where(x == 0, 1.0, x)))


def sine_over(x):
    return jnp.sin(x) / x


def squareplus(x):
    return 0.5 * (x + jnp.sqrt(x * x + 4.0))


def added_in_log(x):
    """log(e^x + e^(2x)), whose derivative at −∞ is bounded, but NaN, for a cotangent of 0 too."""
    most = jnp.maximum(x, 2 * x)
    safe = jnp.where(jnp.isfinite(most), most, 0.0)
    return jnp.where(jnp.isfinite(most), safe + jnp.log(jnp.exp(x - safe) + jnp.exp(2 * x - safe)), most)


def its_slope(x):
    return 1 + jnp.exp(2 * x - x) / (1 + jnp.exp(2 * x - x)) + 0 * (x - x)


def approximate(x):
    """A series for the exponential, whose rule has more digits than it."""
    return 1 + x * (1 + x / 2 * (1 + x / 3 * (1 + x / 4 * (1 + x / 5 * (1 + x / 6)))))


# name, function, values, verdict, and what a finding says
GIVEN = [
    ("infinite", jnp.sqrt, [0.0, 1.0], "NOT_PROVED", "the derivative is infinite or does not exist"),
    ("infinite, hidden", ruled(jnp.sqrt, lambda x: jnp.where(x == 0, 0.0, 0.5 / jnp.sqrt(x))), [0.0], "NOT_PROVED",
     "the derivative is infinite or does not exist, or no numerical answer is reliable"),
    ("tiny argument", jnp.log, [1e-30, 1e-200], "OK", ""),
    ("pole beside", ruled(lax.lgamma, lax.digamma), [1e-9], "OK", ""),
    ("all digits are lost", ruled(lax.lgamma, lambda x: (1e17 * x + lax.digamma(x)) - 1e17 * x), [2.5], "MISMATCH",
     "rounding loses all digits in its only element (cancellation: "),
    ("lost in a tail", ruled(jnp.expm1, lambda x: jnp.expm1(x) + 1), [-40.0], "NOT_PROVED", "rounding explains"),
    ("NaN for a cotangent of 0", ruled(added_in_log, its_slope), [-np.inf], "MISMATCH", "NaN for a cotangent of 0"),
    ("infinity times 0", ruled(lambda x: x**3, lambda x: 3 * x * x), [np.inf], "NOT_CHECKED", "not finite"),
]  # fmt: skip


@pytest.mark.parametrize("name", [case[0] for case in GIVEN])
def test_a_given_point(name):
    _, function, values, verdict, text = next(case for case in GIVEN if case[0] == name)
    examined = found_at(function, values)
    assert verdict_of(examined) == verdict, examined.findings
    assert any(text in finding.reason for finding in examined.findings)


EXTREMUM = [
    ("right", lambda x: x * x, "OK"),
    ("wrong", ruled(lambda x: x * x, lambda x: jnp.where(x == 0, 5.0, 2 * x)), "MISMATCH"),
]


@pytest.mark.parametrize(
    ("name", "function", "verdict"), EXTREMUM, ids=lambda each: each if isinstance(each, str) else ""
)
def test_a_derivative_of_0_at_an_extremum_is_known(name, function, verdict):
    examined = found_at(function, [0.0, 1.0])
    assert {each.verdict.name for each in examined.findings if each.check == "reverse mode"} == {verdict}


SPECIAL = [
    ("approximation", ruled(approximate, approximate), [0.01], "OK"),
    ("infinite", ruled(xlogx, lambda x: jnp.log(x) + 1), [0.0, 0.0], "OK"),
    ("gross error", ruled(jnp.sin, lambda x: jnp.where(x > 20, 1.0, jnp.cos(x))), [30.0], "MISMATCH"),
    ("NaN", ruled(jnp.sin, lambda x: jnp.cos(x) * x / x), [0.0], "MISMATCH"),
    ("huge", ruled(lambda x: x * x, lambda x: 2 * x), [1e300], None),
]


@pytest.mark.parametrize("name", [case[0] for case in SPECIAL])
def test_a_point_of_the_own_choosing(name):
    _, function, values, verdict = next(case for case in SPECIAL if case[0] == name)
    examined = found_at(function, values, special=True)
    of_derivative = [each for each in examined.findings if each.check == "reverse mode"]
    assert {each.verdict.name for each in of_derivative} == ({verdict} if verdict else set()), of_derivative


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (sine_over, 1e-4, "rounding loses all digits in its only element ("),
        (squareplus, -1e20, "there is an extra term"),  # x² overflows, though the value is 0
    ],
)
def test_what_is_lost_in_the_training_dtype_though_it_is_well_conditioned_is_wrong(function, value, text):
    examined = found_at(function, value, low=np.float32)
    wrong = [finding for finding in examined.findings if finding.verdict.name == "MISMATCH"]
    assert [finding.check for finding in wrong] == ["reverse mode in float32"]
    assert text in wrong[0].reason
