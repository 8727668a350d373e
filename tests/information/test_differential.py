"""Differential entropy in closed form, by quadrature and from samples, against SciPy."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import funcnet as fn
from funcnet.information import Exponential, Normal, Uniform, differential_entropy, estimated_differential_entropy

DENSITIES = [
    (Normal(), scipy.stats.norm()),
    (Normal(mean=1.0, stddev=0.1), scipy.stats.norm(1.0, 0.1)),
    (Uniform(), scipy.stats.uniform()),
    (Uniform(-1.0, 3.0), scipy.stats.uniform(-1, 4)),
    (Uniform(0.0, 0.25), scipy.stats.uniform(0, 0.25)),
    (Exponential(), scipy.stats.expon()),
    (Exponential(rate=5.0), scipy.stats.expon(scale=0.2)),
]
each_density = pytest.mark.parametrize(("density", "theirs"), DENSITIES, ids=[repr(ours) for ours, _ in DENSITIES])


@each_density
def test_the_closed_form_is_scipy_s(density, theirs):
    assert density.differential_entropy(unit="nats") == pytest.approx(theirs.entropy(), rel=1e-12, abs=1e-12)
    assert density.differential_entropy() == pytest.approx(theirs.entropy() / math.log(2), rel=1e-12, abs=1e-12)


@each_density
def test_the_density_is_scipy_s(density, theirs, x64):
    x = np.linspace(-2, 4, 61)
    np.testing.assert_allclose(density.density(x), theirs.pdf(x), rtol=1e-12, atol=1e-15)
    assert density.density(jnp.float32(0.1)).dtype == jnp.float32


@each_density
def test_quadrature_reaches_the_closed_form(density, theirs, x64):
    found = differential_entropy(density.density, *density.interval)
    assert found == pytest.approx(density.differential_entropy(), abs=1e-9)


@each_density
def test_quadrature_in_float32_reaches_it_too(density, theirs):
    found = differential_entropy(density.density, *density.interval, unit="nats")
    assert found == pytest.approx(density.differential_entropy(unit="nats"), abs=2e-5)


def test_a_density_on_the_negative_numbers_has_the_entropy_of_its_mirror_image(x64):
    found = differential_entropy(lambda x: Exponential().density(-x), -math.inf, 0.0, unit="nats")
    assert found == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("n", [10, 101, 5000])
@pytest.mark.parametrize("unit", ["bits", "nats"])
def test_the_estimate_is_vasicek_s_in_scipy(n, unit, x64):
    samples = np.random.default_rng(n).normal(size=n)
    base = 2 if unit == "bits" else math.e
    theirs = scipy.stats.differential_entropy(samples, base=base, method="vasicek")
    assert float(estimated_differential_entropy(samples, unit=unit)) == pytest.approx(theirs, rel=1e-12)


def test_the_estimate_comes_near_with_many_samples():
    samples = jax.random.exponential(jax.random.key(0), (20_000,))
    assert float(estimated_differential_entropy(samples, unit="nats")) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((lambda x: jnp.ones_like(x) / 2, 0.0, 1.0), "a density whose integral is 1 with 1000 nodes, got 0.5"),
        ((lambda x: -jnp.ones_like(x), 0.0, 1.0), "a density of at least 0, got -1"),
        ((lambda x: jnp.ones(()), 0.0, 1.0), r"a density of shape \(1000,\) .* got \(\)"),
        ((lambda x: x, 1.0, 0.0), "low to be below high, got 1.0 and 0.0"),
        ((lambda x: x, float("nan"), 0.0), "low to be a number, got nan"),
    ],
)
def test_what_is_no_density_is_refused(arguments, words):
    with pytest.raises(ValueError, match=f"^differential_entropy: expected {words}"):
        differential_entropy(*arguments)


def test_what_cannot_be_estimated_is_refused():
    with pytest.raises(fn.ShapeError, match=r"samples of shape \(n,\), n at least 5, got \(4,\)"):
        estimated_differential_entropy([0.1, 0.2, 0.3, 0.4])
    with pytest.raises(fn.DtypeError, match="samples of a floating dtype, got int64"):
        estimated_differential_entropy([1, 2, 3])
    for call in (estimated_differential_entropy, lambda x, unit: Normal().differential_entropy(unit=unit)):
        with pytest.raises(ValueError, match="expected unit one of bits, nats, got 'bans'"):
            call(jnp.ones(5), unit="bans")


def test_equal_outcomes_have_whole_bits():
    for bits in (1, 5, 11):
        assert fn.information.entropy(jnp.full((2**bits,), 2.0**-bits)) == bits
    assert fn.information.cross_entropy([0.5, 0.5], [0.25, 0.75]).dtype == jnp.float32


def test_the_binary_logarithm_is_accurate_and_has_its_derivative(x64):
    log2 = fn.information.measures.log_of("test", "bits")
    q = np.concatenate([np.geomspace(1e-300, 1e300, 4001), 1 + np.linspace(-1e-3, 1e-3, 401)])
    np.testing.assert_allclose(log2(q), np.log2(q), rtol=4e-16, atol=2e-16)
    np.testing.assert_allclose(jax.vmap(jax.grad(log2))(q), 1 / (q * np.log(2)), rtol=4e-16)
    assert jax.grad(jax.grad(log2))(2.0) == pytest.approx(-1 / (4 * np.log(2)), rel=1e-15)
    assert [float(log2(jnp.asarray(q))) for q in (0.0, np.inf)] == [-np.inf, np.inf]
    assert np.isnan(log2(jnp.asarray(np.nan)))


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32])
def test_narrow_and_wide_densities_do_not_become_nan(dtype):
    assert float(Normal(stddev=1e-4).density(jnp.zeros(2, dtype))[0]) == pytest.approx(3989, rel=0.01)
    for density in (Normal(), Uniform(), Exponential()):
        assert np.isnan(density.density(jnp.asarray(np.nan, dtype)))
        assert density.density(jnp.asarray([0.5], dtype)).dtype == dtype
    with pytest.raises(ValueError, match=r"Normal\(stddev=1e-40\): expected stddev that float32 does not round to 0"):
        Normal(stddev=1e-40).density(jnp.float32(0))
    with pytest.raises(ValueError, match=r"Exponential\(rate=1e\+39\): expected rate to be finite as float32"):
        Exponential(rate=1e39).density(jnp.float32(0))
    assert Uniform(-1e308, 1e308).differential_entropy() == pytest.approx(1024.15, abs=0.01)


def test_an_estimate_in_half_precision_does_not_overflow():
    samples = 5000 * np.random.default_rng(0).normal(size=1000)
    found = estimated_differential_entropy(jnp.asarray(samples, jnp.float16))
    assert float(found) == pytest.approx(float(estimated_differential_entropy(samples.astype(np.float32))), rel=1e-2)


def test_a_probability_that_is_flushed_to_0_is_one_of_0():
    p, q = np.float32([1, 0]), np.float32([2.0**-140, 1])
    for unit in ("bits", "nats"):
        assert fn.information.cross_entropy(p, q, unit=unit) == np.inf
