import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import funcnet as fn
from funcnet import information
from tests.agreement import worst_error

OUTCOMES = 4
ROUNDING = 1e-14  # some float64 roundings of terms that are at most a few dozen

masses = arrays(np.float64, OUTCOMES, elements=st.one_of(st.just(0.0), st.floats(1e-6, 1)))
distributions = masses.filter(np.any).map(lambda mass: mass / mass.sum())
two_argument = pytest.mark.parametrize("measure", [information.cross_entropy, information.kl_divergence])
each_unit = pytest.mark.parametrize("unit", ["bits", "nats"])


def summed(p, q, unit="bits"):
    """Return Σ p log 1/q by a plain loop."""
    log = math.log2 if unit == "bits" else math.log
    total = 0.0
    for p_i, q_i in zip(p, q, strict=True):
        if p_i > 0:
            total += p_i * -log(q_i) if q_i > 0 else math.inf
    return total


@settings(max_examples=60)
@given(p=distributions, q=distributions, unit=st.sampled_from(["bits", "nats"]))
def test_they_are_their_sums(p, q, unit):
    with jax.enable_x64(True):
        expected = summed(p, p, unit), summed(p, q, unit), summed(p, q, unit) - summed(p, p, unit)
        got = (
            information.entropy(p, unit=unit),
            information.cross_entropy(p, q, unit=unit),
            information.kl_divergence(p, q, unit=unit),
        )
    np.testing.assert_allclose(got, expected, rtol=ROUNDING, atol=ROUNDING)


@settings(max_examples=100)
@given(p=distributions, q=distributions)
def test_the_inequalities_hold(p, q):
    """Gibbs' inequality, with equality only at Q = P, and the bounds of the entropy."""
    with jax.enable_x64(True):
        h, across = information.entropy(p), information.cross_entropy(p, q)
        divergence = information.kl_divergence(p, q)
        assert -ROUNDING <= h <= math.log2(OUTCOMES) + ROUNDING
        assert divergence >= -ROUNDING
        assert across >= h - ROUNDING
        if np.isfinite(across):
            np.testing.assert_allclose(across, h + divergence, rtol=ROUNDING, atol=ROUNDING)
        assert information.kl_divergence(p, p) == 0
        assert information.cross_entropy(p, p) == h
        # Pinsker's inequality: a lower bound when Q is not P.
        distance = np.abs(p - q).sum()
        assert divergence * math.log(2) >= distance**2 / 2 - ROUNDING
        if distance > 1e-6:
            assert divergence > 0
            assert across > h


@settings(max_examples=40)
@given(p=distributions, q=distributions)
def test_entropies_of_independent_variables_add(p, q):
    with jax.enable_x64(True):
        both = information.entropy(np.outer(p, q).ravel())
        np.testing.assert_allclose(both, information.entropy(p) + information.entropy(q), rtol=ROUNDING, atol=ROUNDING)


@settings(max_examples=40)
@given(p=st.floats(0, 1), unit=st.sampled_from(["bits", "nats"]))
def test_binary_entropy_is_that_of_two_outcomes_and_largest_at_a_half(p, unit):
    with jax.enable_x64(True):
        h = information.binary_entropy(p * np.ones(()), unit=unit)
        largest = information.binary_entropy(np.array(0.5), unit=unit)
        np.testing.assert_allclose(
            h, information.entropy(np.array([p, 1 - p]), unit=unit), rtol=ROUNDING, atol=ROUNDING
        )
        assert 0 <= h <= largest
        assert largest == (1.0 if unit == "bits" else math.log(2))
        if abs(p - 0.5) > 1e-6:
            assert h < largest


def test_binary_entropy_keeps_its_digits_near_0(x64):
    for p in (1e-3, 1e-9, 1e-20, 1e-300):
        expected = (-p * math.log(p) - (1 - p) * math.log1p(-p)) / math.log(2)
        np.testing.assert_allclose(information.binary_entropy(np.array(p)), expected, rtol=1e-15)
        if p > 1e-30:
            np.testing.assert_allclose(information.binary_entropy(jnp.float32(p)), expected, rtol=1e-6)


def test_the_bounds_are_reached():
    entropy = jax.jit(information.entropy)
    for outcomes in (1, 2, 3, 16):
        np.testing.assert_allclose(
            entropy(np.full(outcomes, 1 / outcomes, np.float32)), math.log2(outcomes), rtol=1e-6, atol=0
        )
        assert entropy(np.eye(outcomes, dtype=np.float32)).tolist() == [0.0] * outcomes
    assert information.entropy(jnp.array([0.5, 0.25, 0.125, 0.125])) == 1.75  # Cover and Thomas, example 2.1.2
    assert information.binary_entropy(jnp.array([0.0, 0.5, 1.0])).tolist() == [0.0, 1.0, 0.0]


def test_an_outcome_that_q_excludes_makes_them_infinite_and_one_that_p_excludes_counts_nothing():
    p, q = jnp.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]), jnp.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])
    for measure in (information.cross_entropy, information.kl_divergence):
        assert measure(p, q).tolist() == [math.inf, 1.0]


def test_they_are_the_losses_in_nats(x64):
    """For probabilities above 0, where the losses do not change the output."""
    random = np.random.default_rng(0)
    p, q = random.dirichlet(np.ones(5), size=(2, 7))
    p[0] = np.eye(5)[2]
    np.testing.assert_allclose(
        information.cross_entropy(p, q, unit="nats"), fn.categorical_cross_entropy.value(q, p), rtol=1e-14
    )
    np.testing.assert_allclose(information.kl_divergence(p, q, unit="nats"), fn.kl_divergence.value(q, p), rtol=1e-13)
    gradient = jax.grad(lambda q: jnp.sum(information.cross_entropy(jnp.asarray(p), q, unit="nats")))(jnp.asarray(q))
    assert worst_error(gradient, fn.categorical_cross_entropy.gradient(q, p)) <= 1e-15
    logits = jnp.log(q) + 3
    np.testing.assert_allclose(
        information.cross_entropy(p, fn.softmax(logits), unit="nats"),
        fn.softmax_cross_entropy.value(logits, p),
        rtol=1e-14,
    )


@each_unit
def test_derivatives_are_those_of_the_formulas_and_finite_at_0(unit, x64):
    scale = 1 / math.log(2) if unit == "bits" else 1.0
    p, q = jnp.array([0.5, 0.3, 0.2, 0.0]), jnp.array([0.25, 0.25, 0.5, 0.0])
    slope = jax.grad(lambda p: information.entropy(p, unit=unit))(p)
    np.testing.assert_allclose(slope, [*(-scale * (np.log(p[:3]) + 1)), 0], rtol=1e-14)
    for measure in (information.cross_entropy, information.kl_divergence):
        by_q = jax.grad(lambda q, measure=measure: measure(p, q, unit=unit))(q)
        np.testing.assert_allclose(by_q, [*(-scale * p[:3] / q[:3]), 0], rtol=1e-14)
    slope = jax.grad(lambda p: information.binary_entropy(p, unit=unit))
    for at in (0.1, 0.5, 0.8):
        np.testing.assert_allclose(slope(at), scale * math.log((1 - at) / at), rtol=1e-13, atol=1e-15)
    assert all(np.isfinite(slope(at)) for at in (0.0, 1.0))


def test_a_batch_is_its_rows_compiled_or_mapped_or_not(x64):
    p, q = np.random.default_rng(1).dirichlet(np.ones(4), size=(2, 2, 3))
    for measure in (information.entropy, information.cross_entropy, information.kl_divergence):
        arguments = (p,) if measure is information.entropy else (p, q)
        whole = measure(*arguments)
        rows = [[measure(*(a[i, j] for a in arguments)) for j in range(3)] for i in range(2)]
        assert whole.shape == (2, 3)
        np.testing.assert_allclose(whole, rows, rtol=1e-14, atol=1e-16)
        np.testing.assert_allclose(jax.jit(measure)(*arguments), whole, rtol=1e-14, atol=1e-16)
        np.testing.assert_allclose(jax.vmap(jax.vmap(measure))(*arguments), whole, rtol=1e-14, atol=1e-16)
    np.testing.assert_allclose(
        jax.jit(information.binary_entropy)(p), information.binary_entropy(p), rtol=1e-14, atol=1e-16
    )


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_dtypes_are_kept_and_rounded_distributions_are_taken(dtype, x64):
    exact = np.random.default_rng(2).dirichlet(np.ones(300))
    p, eps = jnp.asarray(exact, dtype), float(jnp.finfo(dtype).eps)
    for got, expected in [
        (information.entropy(p), summed(exact, exact)),
        (information.cross_entropy(p, p), summed(exact, exact)),
        (information.kl_divergence(p, p), 0.0),
        (information.binary_entropy(p[0]), summed([exact[0], 1 - exact[0]], [exact[0], 1 - exact[0]])),
        (information.empirical(jnp.arange(3), 3, dtype=dtype)[0], 1 / 3),
    ]:
        assert got.dtype == dtype
        np.testing.assert_allclose(np.float64(got), expected, rtol=4 * eps, atol=eps)


def test_samples_have_the_distribution_of_their_counts():
    labels = np.random.default_rng(3).integers(5, size=200).astype(np.uint8)
    labels[labels == 3] = 0
    expected = [np.mean(labels == k) for k in range(6)]
    for compute in (information.empirical, jax.jit(information.empirical, static_argnums=1)):
        np.testing.assert_allclose(compute(labels, 6), expected, rtol=1e-7)
    counts = [labels.tolist().count(k) for k in range(6)]
    h = math.log2(200) - sum(n * math.log2(n) for n in counts if n) / 200
    np.testing.assert_allclose(information.entropy(information.empirical(labels, 6)), h, rtol=1e-6)
    batches = labels.reshape(4, 50)
    mapped = jax.vmap(lambda row: information.empirical(row, 6))(batches)
    np.testing.assert_allclose(mapped, [information.empirical(row, 6) for row in batches], rtol=1e-7)


def test_the_entropy_of_many_samples_nears_that_of_their_distribution():
    p = np.array([0.5, 0.25, 0.125, 0.125])
    samples = jax.random.choice(jax.random.key(0), 4, (100_000,), p=jnp.asarray(p, jnp.float32))
    np.testing.assert_allclose(information.entropy(information.empirical(samples, 4)), 1.75, atol=0.01)


def test_shares_of_more_samples_than_float16_can_count():
    labels = jnp.asarray(np.arange(200_000) % 2)
    assert information.empirical(labels, 2, dtype=jnp.float16).tolist() == [0.5, 0.5]


MEASURES = {
    "entropy": information.entropy,
    "cross_entropy": lambda p, **unit: information.cross_entropy(p, np.full(np.shape(p), 0.5, np.float32), **unit),
    "kl_divergence": lambda p, **unit: information.kl_divergence(p, np.full(np.shape(p), 0.5, np.float32), **unit),
}


@pytest.mark.parametrize(("name", "measure"), MEASURES.items(), ids=MEASURES)
def test_what_is_no_distribution_is_named(name, measure):
    for p, got in [
        ([-0.25, 1.25], "-0.25 at index 0"),
        ([[0.5, 0.5], [1.5, -0.5]], r"-0\.5 at index \(1, 1\)"),
        ([0.5, float("nan")], "nan at index 1"),
    ]:
        with pytest.raises(ValueError, match=rf"^{name}: expected p of probabilities, at least 0, got {got}$"):
            measure(p)
    for p, got in [
        ([0.5, 0.25], "0.75"),
        ([[0.5, 0.5], [0.5, 0.501]], "1.001 at index 1"),
        ([1.0, float("inf")], "inf"),
    ]:
        with pytest.raises(ValueError, match=rf"^{name}: expected p that sums to 1 over the last axis, got {got}$"):
            measure(p)
    for p in (1.0, np.ones((2, 0), np.float32)):
        with pytest.raises(fn.ShapeError, match=rf"^{name}: expected p of shape \(\.\.\., outcomes\), with at least"):
            measure(p)
    with pytest.raises(fn.DtypeError, match=rf"^{name}: expected p of a floating dtype, got int64$"):
        measure([1, 0])
    with pytest.raises(ValueError, match=rf"^{name}: expected unit one of bits, nats, got 'bit'$"):
        measure([0.5, 0.5], unit="bit")


@two_argument
def test_two_distributions_must_fit_each_other(measure, x64):
    name, p = measure.__name__, np.array([0.5, 0.5])
    with pytest.raises(ValueError, match=rf"^{name}: expected q that sums to 1 over the last axis, got 0\.9$"):
        measure(p, [0.5, 0.4])
    with pytest.raises(fn.ShapeError, match=rf"^{name}: expected q of p's shape \(2,\), got \(1, 2\)$"):
        measure(p, p[None, :])
    with pytest.raises(fn.DtypeError, match=rf"^{name}: expected q of p's dtype float64, got float32$"):
        measure(p, p.astype(np.float32))


def test_what_is_no_probability_or_no_label_is_named():
    with pytest.raises(ValueError, match=r"^binary_entropy: expected p in \[0, 1\], got 1\.5 at index 1$"):
        information.binary_entropy([0.5, 1.5])
    with pytest.raises(ValueError, match=r"^binary_entropy: expected p in \[0, 1\], got nan$"):
        information.binary_entropy(float("nan"))
    with pytest.raises(fn.DtypeError, match=r"^binary_entropy: expected p of a floating dtype, got int64"):
        information.binary_entropy(1)
    with pytest.raises(ValueError, match=r"^binary_entropy: expected unit one of bits, nats, got 'hartleys'"):
        information.binary_entropy(0.5, unit="hartleys")
    for label in (3, -1):
        with pytest.raises(ValueError, match=rf"^empirical: expected labels in \[0, 3\), got {label} at index 2$"):
            information.empirical([0, 1, label], 3)
    for labels in (jnp.zeros((2, 2), jnp.int32), jnp.zeros(0, jnp.int32), 1):
        with pytest.raises(fn.ShapeError, match=r"^empirical: expected labels of shape \(n,\), n at least 1, got"):
            information.empirical(labels, 3)
    with pytest.raises(fn.DtypeError, match=r"^empirical: expected labels of an integer dtype, got float64"):
        information.empirical([0.0, 1.0], 3)
    with pytest.raises(TypeError, match=r"^empirical: expected dtype to be floating, got int32"):
        information.empirical([0, 1], 3, dtype=jnp.int32)
    with pytest.raises(ValueError, match=r"^empirical: expected classes to be an integer of at least 1, got 0"):
        information.empirical([0, 1], 0)


def test_while_traced_a_negative_probability_gives_nan():
    p = jnp.array([-0.25, 1.25])
    assert np.isnan(jax.jit(information.entropy)(p))
    assert np.isnan(jax.jit(information.binary_entropy)(p)).all()


def test_a_label_that_a_narrower_dtype_would_wrap_is_refused():
    with pytest.raises(ValueError, match=r"empirical: expected labels in \[0, 3\), got 4294967297 at index 0"):
        fn.information.empirical(np.array([2**32 + 1]), 3)
