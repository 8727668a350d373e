"""Information theory: entropy, cross-entropy and the Kullback-Leibler divergence, of distributions and of samples.

A distribution is an array (..., outcomes) of probabilities, of floating dtype, along the last axis; the axes before it
are a batch. Results are (...,), of that dtype, in bits (logarithms to base 2) or in nats (natural logarithms). All
functions are pure and work under ``jit``, ``vmap`` and ``grad``. Inside a JAX transformation values are not checked: a
negative probability gives NaN there.

Shannon, "A Mathematical Theory of Communication" (1948); Cover, Thomas, *Elements of Information Theory* (2006).
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import (
    accumulator_dtype,
    check_count,
    check_dtype,
    check_values,
    floating_array,
    integer_array,
    is_concrete,
    nan_unless,
)
from ..errors import DtypeError, ShapeError, message

NATS_PER_UNIT = {"bits": math.log(2), "nats": 1.0}
Log = Callable[[jax.Array], jax.Array]


def entropy(p: Any, *, unit: str = "bits") -> jax.Array:
    """Return the entropy H(P) = −Σ p log p, (...,) for p (..., outcomes), with 0 log 0 = 0; 0 ≤ H ≤ log outcomes.

    The automatic derivative in a probability of 0 is 0, where the true one is infinite. Raises ``DtypeError`` unless
    ``p`` is floating, ``ShapeError`` without an axis of outcomes, and ``ValueError`` where a probability is below 0, a
    sum differs from 1 by more than the square root of the dtype's precision, or ``unit`` is neither "bits" nor "nats".
    Shannon (1948), section 6.

    >>> entropy([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]])
    Array([1.5, 0. ], dtype=float32)
    """
    log, p = log_of("entropy", unit), _distribution("entropy", "p", p)
    return jnp.sum(_information(p, p, log), axis=-1)


def cross_entropy(p: Any, q: Any, *, unit: str = "bits") -> jax.Array:
    """Return the cross-entropy H(P, Q) = −Σ p log q, (...,) for p and q (..., outcomes): H(P) + KL(P‖Q) ≥ H(P).

    It is the mean length of code words that are optimal for Q when outcomes come from P, if lengths may be fractions.
    It is infinite where an outcome with q = 0 has p > 0. It takes the distributions (p, q), while a loss takes (output,
    target): ``fn.categorical_cross_entropy.value(q, p)`` is the same number in nats, but stays finite. Raises the
    errors of ``entropy``, and ``ShapeError`` or ``DtypeError`` where p and q differ in shape or dtype. Goodfellow,
    Bengio, Courville, *Deep Learning* (2016), equation 3.51.

    >>> cross_entropy([[0.5, 0.5], [0.5, 0.5]], [[0.25, 0.75], [1.0, 0.0]]).round(4)
    Array([1.2075,    inf], dtype=float32)
    """
    log, (p, q) = log_of("cross_entropy", unit), _two_distributions("cross_entropy", p, q)
    return jnp.sum(_information(p, q, log), axis=-1)


def kl_divergence(p: Any, q: Any, *, unit: str = "bits") -> jax.Array:
    """Return the divergence KL(P‖Q) = Σ p log(p/q), (...,) for p and q (..., outcomes); 0 where Q = P, else above 0.

    It is infinite where an outcome with q = 0 has p > 0. It takes the distributions (p, q), while a loss takes
    (output, target): ``fn.kl_divergence.value(q, p)`` is the same number in nats, but stays finite. Raises the errors
    of ``cross_entropy``. Kullback, Leibler, "On Information and Sufficiency" (1951); Cover, Thomas (2006), theorem
    2.6.3, that it is not negative, which holds here up to rounding.

    >>> kl_divergence([[0.5, 0.5], [0.5, 0.5]], [[0.25, 0.75], [0.5, 0.5]]).round(4)
    Array([0.2075, 0.    ], dtype=float32)
    """
    log, (p, q) = log_of("kl_divergence", unit), _two_distributions("kl_divergence", p, q)
    return jnp.sum(_information(p, q, log) - _information(p, p, log), axis=-1)


def binary_entropy(p: Any, *, unit: str = "bits") -> jax.Array:
    """Return H(p) = −p log p − (1 − p) log(1 − p), elementwise, like ``p`` in shape and dtype. Its maximum is H(½) = 1.

    Its automatic derivative is finite at 0 and 1. Raises ``DtypeError`` unless ``p`` is floating, and ``ValueError``
    where p is outside [0, 1] or ``unit`` is neither "bits" nor "nats". Shannon (1948), section 6.

    >>> binary_entropy(jnp.array([0.0, 0.11, 0.5, 1.0])).round(3)
    Array([0. , 0.5, 1. , 0. ], dtype=float32)
    """
    log, p = log_of("binary_entropy", unit), floating_array("binary_entropy", "p", p)
    if is_concrete(p):
        values = np.asarray(p, np.float64)
        check_values("binary_entropy", "p in [0, 1]", values, (values >= 0) & (values <= 1))
    inside = jnp.where(p == 1, jnp.zeros_like(p), p)
    other = -(1 - inside) * jnp.log1p(-inside) / nats_per_unit("binary_entropy", unit)  # accurate where p is small
    return _information(p, p, log) + other


def empirical(labels: Any, classes: int, *, dtype: Any = jnp.float32) -> jax.Array:
    """Return the distribution (classes,) of samples: the share of each class among integer labels (n,).

    ``entropy(empirical(labels, 10))`` is the entropy of samples. Raises ``TypeError`` for labels that are not integers
    and for a dtype that is not floating, ``ShapeError`` for no labels, and ``ValueError`` that names the first label
    outside [0, classes); inside a JAX transformation the shares are NaN then. Cover, Thomas (2006), section 11.1, on
    types.

    >>> empirical([0, 2, 2, 2], 3)
    Array([0.25, 0.  , 0.75], dtype=float32)
    >>> entropy(empirical([0, 2, 2, 2], 3)).round(4)
    Array(0.8113, dtype=float32)
    """
    check_count("empirical", "classes", classes)
    dtype = check_dtype("empirical", dtype)
    labels = integer_array("empirical", "labels", labels)
    if labels.ndim != 1 or not labels.size:
        raise ShapeError("empirical", "labels of shape (n,), n at least 1", labels.shape)
    if is_concrete(labels):
        values = np.asarray(labels)
        check_values("empirical", f"labels in [0, {classes})", values, (values >= 0) & (values < classes))
    labels = jnp.asarray(labels)
    counts = jnp.bincount(labels, length=classes).astype(accumulator_dtype(dtype))
    is_inside = jnp.all((labels >= 0) & (labels.astype(jnp.int32) < classes))
    return nan_unless(is_inside, counts / labels.size).astype(dtype)


def _information(p: jax.Array, q: jax.Array, log: Log) -> jax.Array:
    """Return −p log q, and 0 where p = 0; the input of log is replaced there, so that the gradient is not NaN."""
    is_none = (p == 0) & ~jnp.isnan(q)
    return jnp.where(is_none, jnp.zeros_like(p), -p * log(jnp.where(is_none, jnp.ones_like(q), q)))


def log_of(where: str, unit: str) -> Log:
    """Return the logarithm of a unit; ``ValueError`` for an unknown unit.

    >>> log_of("entropy", "bits")(jnp.array([8.0, 0.125]))
    Array([ 3., -3.], dtype=float32)
    """
    return jnp.log if nats_per_unit(where, unit) == 1 else _log2


def nats_per_unit(where: str, unit: str) -> float:
    """Return log 2 for "bits" and 1 for "nats"; ``ValueError`` for an unknown unit.

    >>> nats_per_unit("entropy", "nats")
    1.0
    """
    if not isinstance(unit, str) or unit not in NATS_PER_UNIT:
        raise ValueError(message(where, f"unit one of {', '.join(NATS_PER_UNIT)}", repr(unit)))
    return NATS_PER_UNIT[unit]


@jax.custom_jvp
def _log2(q: jax.Array) -> jax.Array:
    """Return log₂ q = e + log₂ m with q = m 2ᵉ and m near 1, which is exact for powers of 2; ``jnp.log2`` is not."""
    q = jnp.asarray(q)
    wide = q.astype(accumulator_dtype(q.dtype))  # where subnormal numbers of float16 are normal
    is_flushed = jnp.abs(wide) < jnp.finfo(wide.dtype).smallest_normal  # as compiled programs do
    m, e = jnp.frexp(jnp.where(is_flushed, jnp.zeros_like(wide), wide))
    is_low = m < math.sqrt(0.5)
    m, e = jnp.where(is_low, 2 * m, m), jnp.where(is_low, e - 1, e)
    return (e.astype(wide.dtype) + jnp.log(m) / math.log(2)).astype(q.dtype)


@_log2.defjvp
def _log2_jvp(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    """The derivative of log₂ q is 1/(q log 2)."""
    (q,), (dq,) = primals, tangents
    return _log2(q), dq / (q * math.log(2))


def _distribution(where: str, name: str, value: Any) -> jax.Array:
    """Return ``value`` as an array of distributions; raise an error where it is not one."""
    p = floating_array(where, name, value)
    if p.ndim == 0 or p.shape[-1] == 0:
        raise ShapeError(where, f"{name} of shape (..., outcomes), with at least one outcome", p.shape)
    if is_concrete(p):
        values = np.asarray(p, np.float64)
        check_values(where, f"{name} of probabilities, at least 0", values, values >= 0)
        sums = values.sum(axis=-1)
        is_near = abs(sums - 1) <= math.sqrt(jnp.finfo(p.dtype).eps)
        check_values(where, f"{name} that sums to 1 over the last axis", sums, is_near)
    return p


def _two_distributions(where: str, p: Any, q: Any) -> tuple[jax.Array, jax.Array]:
    p, q = _distribution(where, "p", p), _distribution(where, "q", q)
    if p.shape != q.shape:
        raise ShapeError(where, f"q of p's shape {p.shape}", q.shape)
    if p.dtype != q.dtype:
        raise DtypeError(where, f"q of p's dtype {p.dtype}", q.dtype)
    return p, q
