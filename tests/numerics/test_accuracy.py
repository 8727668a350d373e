"""Accuracy in units in the last place: the measure itself, and a sample of what the campaign proves."""

import math

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import funcnet as fn
from funcnet import plots
from funcnet.activations import ACTIVATIONS
from funcnet.losses import LOSSES
from funcnet.numerics.accuracy import compare
from funcnet.numerics.numbers import sample
from tests.numerics.functions import ACTIVATION, CLAIMS, EXCEPTIONS, FLOOR, LOSS, WITHOUT_ELEMENTS


def points_of(claim, dtype):
    """Return a few dozen numbers of the claim's domain: the ends, the tails and the near of 0, 1 and its zeros."""
    info = jnp.finfo(dtype)
    tail = -0.995 * np.log(float(info.tiny)) if info.bits > 16 else 8.0
    ends = [float(info.tiny) * 1.01, 1e-30 if info.bits > 16 else 1e-3, 0.01, float(info.max)]
    sizes = [*np.linspace(0.05, 14, 23), *ends, 44.0, tail, tail / 2, *np.abs(claim.zeros)]
    points = np.array([sign * size for size in sizes for sign in (1, -1)]).astype(dtype)
    wide = points.astype(np.float64)
    low, high = claim.domain_in(dtype)
    inside = points[(wide >= low) & (wide <= high)]
    fill = inside[:1] if inside.size else np.array([0.5], dtype)
    return np.concatenate([inside, np.repeat(fill, points.size - inside.size)])  # one shape for all


HALF = ("tanh", "gelu", "binary_cross_entropy, target 0.25")


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_every_activation_and_elementwise_loss_is_within_its_limit(dtype, x64):
    claims = CLAIMS if dtype in ("float32", "float64") else [each for each in CLAIMS if each.name in HALF]
    points = [points_of(claim, dtype) for claim in claims]
    values = jax.jit(lambda points: [claim.function(p) for claim, p in zip(claims, points, strict=True)])(points)
    for claim, at, got in zip(claims, points, values, strict=True):
        limit = claim.limit(dtype)
        report = compare(claim.name, at, np.asarray(got), claim.reference, zeros=claim.zeros, limit=limit)
        assert report.ok, f"{claim.route}\n{report}"


def test_the_table_holds_every_activation_and_elementwise_loss():
    assert set(ACTIVATION) == set(ACTIVATIONS) - WITHOUT_ELEMENTS
    assert set(LOSS) == set(LOSSES) - WITHOUT_ELEMENTS
    assert len(CLAIMS) == 3 * (len(ACTIVATION) + sum(len(targets) for *_, targets in LOSS.values()))


def test_the_exceptions_are_these():
    assert set(EXCEPTIONS) == {
        *((f"focal, target {t}", route) for t in (0, 1) for route in ("value", "by hand", "automatic")),
        ("sigmoid_cross_entropy, target 0.25", "automatic"),
    }
    assert EXCEPTIONS.keys() <= {(claim.name, claim.route) for claim in CLAIMS}


@pytest.mark.parametrize(
    ("function", "at", "right"),
    [
        (jax.grad(fn.elu), -40.0, 4.248354e-18),
        (fn.silu, -88.0, -5.328e-37),
        (jax.grad(fn.silu), -90.0, -7.293e-38),
        (fn.tanh.derivative, 44.0, 2.422e-38),
        (jax.grad(fn.tanh), 44.0, 2.422e-38),
        (fn.gelu, -13.0, -7.952e-38),
        (jax.grad(fn.gelu), -13.2, -7.643e-38),
        (lambda p: fn.binary_cross_entropy.value(p[None], jnp.zeros(1)), 1e-7, 1.0000001e-7),
        (lambda p: fn.binary_cross_entropy.value(p[None], jnp.zeros(1)), 1e-9, 1e-9),
        (lambda p: fn.quadratic.value(p[None], jnp.zeros(1)), 2.5e19, 3.125e38),
    ],
)
def test_what_was_flushed_or_overflowed_is_right(function, at, right):
    np.testing.assert_allclose(function(jnp.float32(at)), right, rtol=3e-4 if right < 1e-30 else 2e-7)


def test_a_probability_of_float16_counts_down_to_the_smallest_one_with_a_finite_gradient():
    a, floor = jnp.array([0.0, 1e-6, FLOOR, 3e-5], jnp.float16), np.float16(FLOOR)
    for loss in (fn.binary_cross_entropy, fn.categorical_cross_entropy, fn.kl_divergence):
        gradient = loss.gradient(a[:, None], jnp.ones((4, 1), jnp.float16))[:, 0]
        right = -1 / np.maximum(np.asarray(a), floor).astype(np.float64)
        np.testing.assert_allclose(gradient, right, rtol=1e-3)
        np.testing.assert_allclose(loss.value(a[:, None], jnp.ones((4, 1), jnp.float16)), np.log(-right), rtol=1e-3)


@pytest.mark.parametrize("activation", [fn.silu, fn.gelu])
def test_silu_and_gelu_are_0_and_z_at_infinity_with_their_derivatives(activation):
    z = jnp.array([-jnp.inf, jnp.inf, jnp.nan])
    np.testing.assert_array_equal(activation(z), [0, jnp.inf, jnp.nan])
    np.testing.assert_array_equal(activation.derivative(z), [0, 1, jnp.nan])
    np.testing.assert_array_equal(jax.vmap(jax.grad(activation))(z), [0, 1, jnp.nan])


@pytest.mark.parametrize("activation", [fn.silu, fn.gelu])
def test_the_second_derivative_of_silu_and_gelu_is_that_of_the_definition(activation):
    _, slope, _ = ACTIVATION[activation.name]
    z = [-9.0, -3.0, -0.75, 0.0, 0.5, 6.0]
    got = jax.vmap(jax.grad(jax.grad(activation)))(jnp.array(z))
    np.testing.assert_allclose(got, [float(mpmath.diff(slope, at)) for at in z], rtol=1e-5, atol=1e-9)


def test_the_gelu_tail_has_all_but_a_few_units():
    report = fn.check_accuracy(
        fn.gelu, lambda z: z * mpmath.erfc(-z / mpmath.sqrt(2)) / 2, domain=(-11.7, -11.5), near=(-11.6,), samples=1
    )
    assert report.ok
    assert report.points > 30


def test_an_error_is_counted_in_units_and_placed():
    report = fn.check_accuracy(lambda x: jnp.where(x == 3, x + 3 * 2.0**-22, x), lambda x: x, near=(3.0,), samples=2)
    assert (report.worst, report.at, report.got, report.right, report.ok) == (3.0, 3.0, 3 + 3 * 2.0**-22, 3.0, True)
    (binade,) = (each for each in report.binades if each.worst > 0)
    assert (binade.sign, binade.exponent, binade.at) == (1, 1, 3.0)
    assert "largest error 3 at 3.0" in str(report)
    assert repr(report) == "AccuracyReport(<lambda>, float32, worst=3, ok=True)"


def check(function, reference, **settings):
    """Return whether a function is right at a few dozen numbers, by default 0, -0 and one of each binade in [-4, 4]."""
    return fn.check_accuracy(function, reference, **{"domain": (-4.0, 4.0), "samples": 1, **settings})


def test_what_is_not_small_is_wrong_where_the_right_value_is_too_small():
    for small, ok in ((0.0, True), (1e-30, False), (jnp.nan, False), (-jnp.inf, False)):
        report = check(lambda x, s=small: jnp.full_like(x, s), mpmath.exp, domain=(-200, -100), samples=4)
        assert (report.ok, report.points == 0) == (ok, ok)


LARGEST = float(jnp.finfo(jnp.float32).max)


@pytest.mark.parametrize(
    ("change", "reference", "ok"),
    [
        # what replaces e^x where it overflows in float32, at x > 88.7
        (lambda x, y: y, mpmath.exp, True),
        (lambda x, y: jnp.where(x > 88.8, 1.0, y), mpmath.exp, False),
        (lambda x, y: jnp.minimum(y, LARGEST), mpmath.exp, False),
        (lambda x, y: jnp.where(x > 88.8, jnp.nan, y), mpmath.exp, False),
        (lambda x, y: jnp.where(x > 88.8, -jnp.inf, y), mpmath.exp, False),
        (lambda x, y: jnp.where(x > 80, jnp.inf, y), mpmath.exp, False),
        # an infinite right value at 0
        (lambda x, y: jnp.where(x == 0, jnp.inf, y), lambda x: mpmath.exp(x) if x else mpmath.inf, True),
        (lambda x, y: jnp.where(x == 0, -jnp.inf, y), lambda x: mpmath.exp(x) if x else mpmath.inf, False),
        (lambda x, y: jnp.where(x == 0, LARGEST, y), lambda x: mpmath.exp(x) if x else mpmath.inf, False),
        (lambda x, y: jnp.where(x == 0, jnp.inf, y), mpmath.exp, False),
        (lambda x, y: jnp.where(x == 0, jnp.nan, y), mpmath.exp, False),
        # a pole at 0, which mpmath refuses
        (lambda x, y: jnp.where(x == 0, jnp.inf, y), lambda x: mpmath.exp(x) * x / x, True),
        (lambda x, y: jnp.where(x == 0, jnp.nan, y), lambda x: mpmath.exp(x) * x / x, True),
        (lambda x, y: y, lambda x: mpmath.exp(x) * x / x, False),
        # complex and NaN where x < 0
        (lambda x, y: jnp.where(x < 0, jnp.nan, y), lambda x: mpmath.exp(x) + (mpmath.sqrt(x) if x < 0 else 0), True),
        (lambda x, y: jnp.where(x < 0, jnp.inf, y), lambda x: mpmath.exp(x) + (mpmath.sqrt(x) if x < 0 else 0), False),
        (lambda x, y: y, lambda x: mpmath.exp(x) + (mpmath.sqrt(x) if x < 0 else 0), False),
        (lambda x, y: jnp.where(x < 0, jnp.nan, y), lambda x: mpmath.nan if x < 0 else mpmath.exp(x), True),
        (lambda x, y: y, lambda x: mpmath.nan if x < 0 else mpmath.exp(x), False),
    ],
)
def test_nan_and_infinity_are_right_where_the_right_value_is(change, reference, ok):
    points = sample("float32", 1, (-4.0, 100.0), (88.0,))
    values = change(jnp.asarray(points), jnp.exp(jnp.asarray(points)))
    report = compare("exp", points, np.asarray(values), reference)
    assert (report.ok, report.left_out) == (ok, 0), report
    assert ok or report.worst == np.inf


def test_infinity_counts_as_the_number_after_the_largest_one():
    points = np.array([LARGEST, np.nextafter(np.float32(LARGEST), 0, dtype="f"), 1.0], np.float32)
    step = mpmath.ldexp(1, 104)
    for values, shift, worst in (
        ((np.inf, LARGEST), 1, 0),  # the right values are 2¹²⁸, and the largest number
        ((LARGEST, LARGEST), 1, 1),
        ((np.inf, np.inf), 1, 1),
        ((np.inf, np.inf), 0, 2),
        ((LARGEST, LARGEST), 6, np.inf),
    ):
        report = compare("x", points, np.float32([*values, 1]), lambda x, s=shift * step: x + s * (x > 1))
        assert report.worst == worst


def test_a_reference_is_computed_anew_at_each_call():
    factor = 2

    def reference(x):
        return factor * x

    assert check(lambda x: 2 * x, reference).ok
    factor = 3
    assert not check(lambda x: 2 * x, reference).ok


def test_a_reference_that_cancels_is_computed_with_more_digits():
    report = fn.check_accuracy(fn.tanh.derivative, lambda x: 1 - mpmath.tanh(x) ** 2, domain=(10.0, 43.0), samples=4)
    assert report.ok


def test_all_numbers_of_16_bits_are_tried_and_those_of_float16_below_the_normal_ones_too():
    assert sample("float16", 1, (-np.inf, np.inf), ()).size == 2**16 - 2 * 2**10
    assert sample("bfloat16", 1, (-np.inf, np.inf), ()).size == 2**16 - 2 * 2**7 - 2 * (2**7 - 1)
    assert sample("float32", 3, (1.0, 2.0), ())[[0, -2]].tolist() == [1.0, np.nextafter(np.float32(2), 0, dtype="f")]


def test_what_does_not_fit_is_named():
    with pytest.raises(fn.ShapeError, match=r"check_accuracy: expected values of shape \(12,\), one for each argument"):
        fn.check_accuracy(jnp.sum, mpmath.exp, domain=(1.0, 64.0), samples=2)
    with pytest.raises(fn.DtypeError, match="check_accuracy: expected values of dtype float32, got int32"):
        fn.check_accuracy(lambda x: x.astype(jnp.int32), mpmath.exp, domain=(1.0, 64.0), samples=2)
    with pytest.raises(ValueError, match=r"expected a domain that holds numbers of float32, got \(3\.1, 3\.0\)"):
        fn.check_accuracy(jnp.exp, mpmath.exp, domain=(3.1, 3.0))
    with pytest.raises(TypeError, match=r"plots\.accuracy: expected a report of fn\.check_accuracy, got float"):
        plots.accuracy(1.0)


def test_a_compiled_function_is_not_compiled_again():
    traced = []

    @jax.jit
    def function(x):
        traced.append(x.shape)
        return 2 * x

    report = check(function, lambda x: 2 * x)
    function(np.zeros(report.points, np.float32))
    assert traced == [(report.points,)]


def fails(x):
    raise OSError("no table")


@pytest.mark.parametrize(
    ("error", "text", "settings"),
    [
        (TypeError, "reference to return a number of mpmath or an integer, got float at .*: use mpmath's functions",
         {"reference": math.exp}),
        (TypeError, "reference to return a number of mpmath or an integer, got NoneType",
         {"reference": lambda x: None}),
        (TypeError, "reference to take a number of mpmath, got TypeError: .* mpf", {"reference": np.exp}),
        (ValueError, r"reference to take a number of mpmath, got OSError: no table at -2", {"reference": fails}),
        (ValueError, "reference to be defined at some number of the domain, got ZeroDivisionError at -2",
         {"reference": lambda x: x / 0}),
        (ValueError, "reference to settle: 70 binary digits", {"reference": lambda x: x * mpmath.mp.prec}),
        (TypeError, "reference to be a function, got 1", {"reference": 1}),
        (TypeError, "function to be a function, got 1", {"function": 1}),
        (TypeError, "function to return an array, got tuple", {"function": lambda x: (x, x)}),
        (fn.ShapeError, r"values of shape \(258,\), one for each argument, got \(\) from function",
         {"function": lambda x: 1.0}),
        (fn.DtypeError, "values of dtype float32, got complex64 from function",
         {"function": lambda x: x.astype(jnp.complex64)}),
        (TypeError, r"function to take an array .* Gradient only defined .* give a function of one number as jax\.vmap",
         {"function": jax.grad(jnp.exp)}),
        (ValueError, r"function to take an array of shape \(\d+,\), got OSError: no table", {"function": fails}),
        (TypeError, r"domain to be a tuple of numbers, got 1\.0", {"domain": 1.0}),
        (ValueError, r"domain to be two numbers, the smallest and the largest, got \(1, 2, 3\)", {"domain": (1, 2, 3)}),
        (ValueError, "numbers of domain other than NaN, got nan", {"domain": (np.nan, 1.0)}),
        (TypeError, "numbers of near to be a real number, got 'a'", {"near": ("a",)}),
        (ValueError, "numbers of zeros to be finite, got inf", {"zeros": (np.inf,)}),
        (ValueError, "limit at least 0, got nan", {"limit": np.nan}),
        (ValueError, "samples to be an integer of at least 1, got 0", {"samples": 0}),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(error, text, settings):
    with pytest.raises(error, match=f"check_accuracy: expected {text}"):
        check(**{"function": jnp.exp, "reference": mpmath.exp, **settings})


def test_the_map_shows_each_binade_the_limit_and_what_is_infinite():
    def function(x):
        return jnp.where(x > 2.0**100, jnp.nan, x)

    report = fn.check_accuracy(function, lambda x: x, domain=(-8.0, np.inf), samples=1)
    axes = plots.accuracy(report).axes[0]
    finite, infinite, limit = axes.lines[:3]
    assert len(finite.get_xdata()) + len(infinite.get_xdata()) == len(report.binades)
    assert min(infinite.get_xdata()) == 100 + 126 + 1
    assert limit.get_ydata() == [4.0, 4.0]
    names = ["−10⁻¹⁵", "0", "10⁻¹⁵", "1", "10¹⁵", "10³⁰"]
    assert [text.get_text() for text in axes.get_xticklabels()][-6:] == names
    assert [text.get_text() for text in axes.get_yticklabels()] == ["≤ 0.01", "0.1", "1", "10", "infinite"]
    assert axes.get_title() == "function in float32"


def test_the_map_marks_errors_above_the_limit_and_leaves_out_a_sign_without_arguments():
    report = check(lambda x: 1.5 * x, lambda x: x, domain=(0.25, 5.0), samples=3, limit=0.0)
    axes = plots.accuracy(report).axes[0]
    finite, _, limit, above = axes.lines
    assert above.get_xdata().tolist() == finite.get_xdata().tolist() == [1, 2, 3, 4, 5]
    assert limit.get_ydata() == [0.01, 0.01]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["2⁻²", "2⁻¹", "1", "2", "4"]
    assert len(plots.accuracy(report._replace(binades=(), limit=np.inf)).axes[0].lines) == 5
