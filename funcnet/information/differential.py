"""Differential entropy −∫ p log p of a density p: in closed form, by quadrature, and estimated from samples.

It is the limit of the entropy of x rounded to multiples of Δ, plus log Δ, so that it can be negative: a density that is
narrower than a unit interval has a logarithm above 0. Shannon (1948), section 20; Cover, Thomas (2006), chapter 8.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import accumulator_dtype, as_dtype, check_count, check_number, floating_array, is_concrete, set_number
from ..configuration import Configuration
from ..errors import ShapeError, message
from .measures import log_of, nats_per_unit

_ORDER = 20  # of the quadrature on each part of the interval


class Density(Configuration):
    """The contract of a probability density of one number: ``density``, ``interval`` and ``differential_entropy``.

    To define one, subclass this and write the three. Its settings are annotated fields.
    """

    @property
    def interval(self) -> tuple[float, float]:
        """The interval outside which the density is 0; its ends may be infinite."""
        raise NotImplementedError(f"{type(self).__name__} has no interval")

    def density(self, x: Any) -> jax.Array:
        """Return the density p(x), elementwise."""
        raise NotImplementedError(f"{type(self).__name__} has no density")

    def differential_entropy(self, *, unit: str = "bits") -> float:
        """Return −∫ p log p in closed form."""
        raise NotImplementedError(f"{type(self).__name__} has no differential_entropy")


class Normal(Density):
    """The normal distribution: p(x) = exp(−(x − μ)²/(2σ²))/(σ√(2π)), with the entropy ½ log(2πe σ²).

    No density of the same variance has a larger one. Cover, Thomas (2006), example 8.1.2 and theorem 8.6.5.

    >>> import funcnet as fn
    >>> normal = fn.information.Normal(stddev=2.0)
    >>> normal.density(jnp.float32(0)).round(4), round(normal.differential_entropy(), 4)
    (Array(0.1995, dtype=float32), 3.0471)
    """

    mean: float = 0.0
    stddev: float = 1.0

    def __post_init__(self) -> None:
        set_number(self, "mean", lambda mean: True, "to be finite")
        set_number(self, "stddev", lambda stddev: stddev > 0, "to be finite and above 0")

    @property
    def interval(self) -> tuple[float, float]:
        """(−∞, ∞)."""
        return -math.inf, math.inf

    def density(self, x: Any) -> jax.Array:
        """Return exp(−(x − μ)²/(2σ²))/(σ√(2π))."""
        x, dtype = _widened("Normal", x)
        mean, stddev = (as_dtype(self, name, getattr(self, name), x.dtype) for name in ("mean", "stddev"))
        z = (x - mean) / stddev
        return (jnp.exp(-(z**2) / 2) / (stddev * math.sqrt(2 * math.pi))).astype(dtype)

    def differential_entropy(self, *, unit: str = "bits") -> float:
        """Return ½ log(2πe σ²)."""
        return (0.5 * math.log(2 * math.pi * math.e) + math.log(self.stddev)) / nats_per_unit("Normal", unit)


class Uniform(Density):
    """The uniform distribution on [low, high]: p(x) = 1/(high − low), with the entropy log(high − low).

    It is 0 for a width of 1, and negative for a smaller one. Cover, Thomas (2006), example 8.1.1.

    >>> import funcnet as fn
    >>> fn.information.Uniform(0.0, 8.0).differential_entropy(), fn.information.Uniform(0.0, 0.5).differential_entropy()
    (3.0, -1.0)
    """

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        set_number(self, "low", lambda low: True, "to be finite")
        set_number(self, "high", lambda high: high > self.low, f"to be finite and above low, {self.low}")

    @property
    def interval(self) -> tuple[float, float]:
        """(low, high)."""
        return self.low, self.high

    def density(self, x: Any) -> jax.Array:
        """Return 1/(high − low) inside [low, high], else 0."""
        x, dtype = _widened("Uniform", x)
        height = as_dtype(self, "1 / (high - low)", 1 / (self.high - self.low), x.dtype)
        inside = jnp.where((x < self.low) | (x > self.high), jnp.zeros_like(x), height)
        return jnp.where(jnp.isnan(x), x, inside).astype(dtype)

    def differential_entropy(self, *, unit: str = "bits") -> float:
        """Return log(high − low)."""
        bits = math.log2(self.high / 2 - self.low / 2) + 1  # the width itself might overflow
        return bits if nats_per_unit("Uniform", unit) != 1 else bits * math.log(2)


class Exponential(Density):
    """The exponential distribution: p(x) = λ exp(−λx) for x ≥ 0, with the entropy 1 − log λ in nats.

    No density on the positive numbers with the same mean 1/λ has a larger one. Cover, Thomas (2006), section 12.2.

    >>> import funcnet as fn
    >>> fn.information.Exponential(rate=1.0).differential_entropy(unit="nats")
    1.0
    """

    rate: float = 1.0

    def __post_init__(self) -> None:
        set_number(self, "rate", lambda rate: rate > 0, "to be finite and above 0")

    @property
    def interval(self) -> tuple[float, float]:
        """(0, ∞)."""
        return 0.0, math.inf

    def density(self, x: Any) -> jax.Array:
        """Return λ exp(−λx) for x ≥ 0, else 0."""
        x, dtype = _widened("Exponential", x)
        rate = as_dtype(self, "rate", self.rate, x.dtype)
        return jnp.where(x < 0, jnp.zeros_like(x), rate * jnp.exp(-rate * jnp.maximum(x, 0))).astype(dtype)

    def differential_entropy(self, *, unit: str = "bits") -> float:
        """Return 1 − log λ."""
        return (1 - math.log(self.rate)) / nats_per_unit("Exponential", unit)


def _widened(where: str, x: Any) -> tuple[jax.Array, Any]:
    """Return x in float32 at least, and its own dtype."""
    x = floating_array(where, "x", x)
    return x.astype(accumulator_dtype(x.dtype)), x.dtype


def differential_entropy(
    density: Callable[[jax.Array], Any], low: float, high: float, *, unit: str = "bits", nodes: int = 1000
) -> float:
    """Return −∫ p log p of a density over an interval, by quadrature, with 0 log 0 = 0.

    Gauss and Legendre's rule on parts of the interval of t, with x = low + (high − low) t for a finite interval,
    x = low + t/(1 − t) or x = high − t/(1 − t) for half a line, and x = s/(1 − s²), s = 2t − 1, for the whole line: the
    density should have its mass at distances of about 1 from 0, or from the end. In float64 (``jax.enable_x64``) the
    sum is as exact as the density is smooth.

    Args:
        density: maps x (n,) to p(x) (n,), such as ``fn.information.Normal().density``.
        low: where the interval begins; −inf is allowed.
        high: where it ends; inf is allowed.
        unit: "bits" or "nats".
        nodes: the number of points at which the density is evaluated, rounded up to a multiple of 20.

    Raises:
        TypeError, ValueError: an argument is out of range, the density is negative, or its integral is not 1 within
            1e-3: it is not a density, or needs more nodes.

    >>> import funcnet as fn
    >>> normal = fn.information.Normal()
    >>> round(fn.information.differential_entropy(normal.density, *normal.interval), 4)
    2.0471
    """
    where = "differential_entropy"
    log = log_of(where, unit)
    if not callable(density):
        raise TypeError(message(where, "density to be a function, such as Normal().density", repr(density)))
    check_count(where, "nodes", nodes)
    for name, end in (("low", low), ("high", high)):
        check_number(where, name, end, lambda end: not math.isnan(end), "to be a number")
        if not is_concrete(end):
            raise TypeError(message(where, f"{name} to be known, not traced", "a traced number"))
        as_dtype(where, name, np.asarray(end), jnp.result_type(float), may_vanish=True)
    if not np.asarray(low) < np.asarray(high):
        raise ValueError(message(where, "low to be below high", f"{low} and {high}"))
    x, weights = _rule(float(np.asarray(low)), float(np.asarray(high)), nodes)
    points = jnp.asarray(x, jnp.result_type(float))
    p = floating_array(where, "the result of density", density(points))
    if p.shape != points.shape:
        raise ShapeError(where, f"a density of shape {points.shape} for x of that shape", p.shape)
    values = np.asarray(p, np.float64)
    if not (values >= 0).all():
        raise ValueError(message(where, "a density of at least 0", f"{values.min():g}"))
    total = float(weights @ values)
    if not abs(total - 1) <= 1e-3:
        raise ValueError(message(where, f"a density whose integral is 1 with {nodes} nodes", f"{total:.6g}"))
    logs = np.asarray(log(jnp.where(p == 0, 1, p)), np.float64)
    return float(-(weights @ (values * logs)))


def _rule(low: float, high: float, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the points and weights of Gauss and Legendre's rule of order 20 on parts of an interval: (n,), n ≥ nodes.

    >>> x, weights = _rule(0.0, float("inf"), 200)
    >>> round(float(weights @ np.exp(-x)), 12)
    1.0
    """
    parts = -(-nodes // _ORDER)
    s, weights = np.polynomial.legendre.leggauss(_ORDER)
    t = ((np.arange(parts)[:, None] + (s + 1) / 2) / parts).ravel()
    weights = np.tile(weights / (2 * parts), parts)
    if math.isinf(low) and math.isinf(high):
        s = 2 * t - 1
        return s / (1 - s**2), 2 * weights * (1 + s**2) / (1 - s**2) ** 2
    if math.isinf(high):
        return low + t / (1 - t), weights / (1 - t) ** 2
    if math.isinf(low):
        return high - t / (1 - t), weights / (1 - t) ** 2
    return low + (high - low) * t, weights * (high - low)


def estimated_differential_entropy(samples: Any, *, unit: str = "bits") -> jax.Array:
    """Return an estimate of −∫ p log p from samples (n,) of one distribution: a scalar of their dtype.

    With the sorted samples x₁ ≤ … ≤ xₙ it is the mean of log(n/(2m) (xᵢ₊ₘ − xᵢ₋ₘ)), where an index outside [1, n]
    stands for the nearest inside, and m = ⌊√n + ½⌋. Vasicek, "A test for normality based on sample entropy" (1976). It
    is consistent. Many equal samples, such as rounded ones, make it −∞: 2m + 1 of them, or m + 1 at an end.

    Raises:
        DtypeError, ShapeError: ``samples`` is not floating, or not (n,) with n at least 5.
        ValueError: ``unit`` is neither "bits" nor "nats".

    >>> samples = jax.random.normal(jax.random.key(0), (10_000,))
    >>> estimated_differential_entropy(samples).round(2)  # ½ log₂(2πe) = 2.05
    Array(2.07, dtype=float32)
    """
    where = "estimated_differential_entropy"
    log, samples = log_of(where, unit), floating_array(where, "samples", samples)
    if samples.ndim != 1 or len(samples) < 5:
        raise ShapeError(where, "samples of shape (n,), n at least 5", samples.shape)
    n = len(samples)
    m = int(math.sqrt(n) + 0.5)
    x = jnp.sort(samples)
    above, below = (jnp.clip(jnp.arange(n) + step, 0, n - 1) for step in (m, -m))
    differences = x[above].astype(accumulator_dtype(x.dtype)) - x[below].astype(accumulator_dtype(x.dtype))
    return jnp.mean(log(n / (2 * m) * differences)).astype(x.dtype)
