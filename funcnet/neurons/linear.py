"""The linear neuron y = w·x + b + noise, and closed forms of its parameters."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import (
    accumulator_dtype,
    as_dtype,
    check_finite,
    check_key,
    check_number,
    input_rows,
    is_concrete,
    real_array,
)
from ..errors import DtypeError, ShapeError, message
from ..layers import DenseParams
from .threshold import weighted_input


class SingularError(np.linalg.LinAlgError):
    """The points do not determine one linear neuron: several fit them equally well. A ``ValueError``.

    >>> import funcnet as fn
    >>> fn.neurons.from_two_points(jnp.array([[1.0], [1.0]]), jnp.array([[2.0], [3.0]]))
    Traceback (most recent call last):
    funcnet.neurons.linear.SingularError: from_two_points: expected two points of different x, got 1.0 twice
    """


def linear_neuron(
    params: DenseParams, x: jax.Array, *, noise: float | jax.Array = 0.0, key: jax.Array | None = None
) -> jax.Array:
    """Return y = w·x + b + noise: (..., units) for x (..., inputs), of the dtype of x.

    Bishop, *Pattern Recognition and Machine Learning* (2006), section 3.1.

    Args:
        params: weight (units, inputs) and bias (units,), of the dtype of x.
        x: samples (..., inputs) of a floating dtype.
        noise: the standard deviation of the normal noise, at least 0; 0 by default.
        key: a JAX random key, which draws the noise; needed unless the noise is 0.

    Raises:
        ShapeError, DtypeError: x does not fit the weight.
        ValueError: the noise is negative or not finite, or has no key.

    >>> import funcnet as fn
    >>> params = fn.DenseParams(weight=jnp.array([[2.0, -1.0]]), bias=jnp.array([0.5]))
    >>> fn.neurons.linear_neuron(params, jnp.array([[1.0, 1.0], [0.0, 3.0]]))
    Array([[ 1.5],
           [-2.5]], dtype=float32)
    """
    y = weighted_input("linear_neuron", params, x)
    check_number("linear_neuron", "noise", noise, lambda sigma: (sigma >= 0) & np.isfinite(sigma),
                 "to be finite and at least 0")  # fmt: skip
    if key is None:
        if not is_concrete(noise) or noise != 0:
            raise ValueError(message("linear_neuron", "key for the noise", None))
        return y
    check_key("linear_neuron", key)
    as_dtype("linear_neuron", "noise", noise, y.dtype, may_vanish=True)
    return y + jnp.asarray(noise, y.dtype) * jax.random.normal(key, y.shape, y.dtype)


def from_two_points(x: Any, y: Any) -> DenseParams:
    """Return the neuron of one input through two points: w = (y₂ − y₁)/(x₂ − x₁), b = y₁ − w x₁.

    x is (2, 1) and y (2, outputs), as ``fn.fit`` takes them, of one floating dtype, which the parameters get; weight is
    (outputs, 1) and bias (outputs,). Raises ``SingularError`` for two points with the same x (inside a JAX
    transformation the parameters are then not finite instead), and ``ShapeError``, ``DtypeError`` or ``ValueError`` for
    arrays of another shape, dtype or with values that are not finite. The two-point form of a line, in any textbook of
    algebra.

    >>> import funcnet as fn
    >>> fn.neurons.from_two_points(jnp.array([[1.0], [3.0]]), jnp.array([[2.0], [8.0]]))
    DenseParams(weight=Array([[3.]], dtype=float32), bias=Array([-1.], dtype=float32))
    """
    x, y, dtype = _points("from_two_points", x, y)
    if x.shape != (2, 1):
        raise ShapeError("from_two_points", "x of shape (2, 1)", x.shape)
    if is_concrete(x) and x[0] == x[1]:
        raise SingularError(message("from_two_points", "two points of different x", f"{x[0, 0]} twice"))
    (x1, x2), (y1, y2) = x, y
    w = (y2 - y1) / (x2 - x1)
    b = y1 - w * x1
    return DenseParams(w[:, None].astype(dtype), b.astype(dtype))


def from_points(x: Any, y: Any) -> DenseParams:
    """Return the neuron of n inputs through n + 1 points: w·(xᵢ − x₀) = yᵢ − y₀ for i = 1 … n, b = y₀ − w·x₀.

    x is (inputs + 1, inputs) and y (inputs + 1, outputs), as ``fn.fit`` takes them, of one floating dtype, which the
    parameters get; weight is (outputs, inputs) and bias (outputs,). Raises ``SingularError`` for points that do not
    determine it, such as two equal ones or three on one line (inside a JAX transformation the parameters are then NaN
    instead), and ``ShapeError``, ``DtypeError`` or ``ValueError`` for arrays of another shape, dtype or with values
    that are not finite. Strang, *Introduction to Linear Algebra* (2016), chapter 2.

    >>> import funcnet as fn
    >>> x, y = jnp.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]), jnp.array([[1.0], [3.0], [9.0]])
    >>> params = fn.neurons.from_points(x, y)
    >>> [f"{number:.3f}" for number in (*params.weight[0], *params.bias)]
    ['2.000', '4.000', '1.000']
    """
    x, y, dtype = _points("from_points", x, y)
    n = x.shape[1]
    if x.shape[0] != n + 1:
        raise ShapeError("from_points", f"x of shape ({n + 1}, {n}), one point more than inputs", x.shape)
    w = _solve("from_points", x[1:] - x[:1], y[1:] - y[:1], jnp.max(abs(x), axis=0))
    return _with_bias(w, x[0], y[0], dtype)


def least_squares(x: Any, y: Any) -> DenseParams:
    """Return the neuron of smallest Σᵢ ‖yᵢ − w·xᵢ − b‖²: w solves Σᵢ (w·(xᵢ − x̄) − (yᵢ − ȳ))² → min, b = ȳ − w·x̄.

    With the means x̄ and ȳ, the normal equations are w X̃ᵀX̃ = ỸᵀX̃ for X̃ = X − x̄. They are solved by the singular
    values of X̃, since forming X̃ᵀX̃ would lose digits. x is (n, inputs), n ≥ inputs + 1, and y (n, outputs), as
    ``fn.fit`` takes them, of one floating dtype, which the parameters get; weight is (outputs, inputs) and bias
    (outputs,). Raises ``SingularError`` where more than one neuron is best, such as for an input that is constant or
    the sum of others (inside a JAX transformation the parameters are then NaN instead), and ``ShapeError``,
    ``DtypeError`` or ``ValueError`` for arrays of another shape, dtype or with values that are not finite. Bishop,
    *Pattern Recognition and Machine Learning* (2006), section 3.1.1.

    >>> import funcnet as fn
    >>> x, y = jnp.array([[-1.0], [0.0], [1.0], [2.0]]), jnp.array([[-1.0], [2.0], [3.0], [6.0]])
    >>> params = fn.neurons.least_squares(x, y)
    >>> [f"{number:.3f}" for number in (*params.weight[0], *params.bias)]
    ['2.200', '1.400']
    """
    x, y, dtype = _points("least_squares", x, y)
    n = x.shape[1]
    if x.shape[0] < n + 1:
        raise ShapeError("least_squares", f"x of shape (n, {n}), n at least {n + 1}", x.shape)
    mean_x, mean_y = jnp.mean(x, axis=0), jnp.mean(y, axis=0)
    w = _solve("least_squares", x - mean_x[None, :], y - mean_y[None, :], jnp.max(abs(x), axis=0))
    return _with_bias(w, mean_x, mean_y, dtype)


def _with_bias(w: jax.Array, x: jax.Array, y: jax.Array, dtype: Any) -> DenseParams:
    """Return the weight and b = y − w·x for one point, in ``dtype``."""
    b = y - jnp.sum(w * x[None, :], axis=1)
    return DenseParams(w.astype(dtype), b.astype(dtype))


def _solve(where: str, x: jax.Array, y: jax.Array, size: jax.Array) -> jax.Array:
    """Return the w (outputs, inputs) that minimizes ‖x wᵀ − y‖; raise ``SingularError`` if several do.

    Args:
        where: the public function, for errors.
        x: differences of points (n, inputs); a difference below the rounding of the points counts as 0.
        y: (n, outputs).
        size: the largest magnitude of each input among the points, (inputs,).
    """
    w, rank = _scaled_solution(x, y, size)
    if is_concrete(rank) and rank < x.shape[1]:
        expected = f"points that differ in {x.shape[1]} independent directions, as many as inputs"
        raise SingularError(message(where, expected, f"{rank}"))
    return w


@jax.jit
def _scaled_solution(x: jax.Array, y: jax.Array, size: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return w, or NaN if it is not unique, and the rank of x. Inputs are scaled, so the rank ignores their units."""
    rounding = jnp.finfo(x.dtype).eps * x.shape[0]
    largest = jnp.max(abs(x), axis=0)
    differs = largest > rounding * size
    scale = jnp.where(differs, largest, 1)[None, :]
    wt, _, rank, _ = jnp.linalg.lstsq(jnp.where(differs[None, :], x / scale, 0), y)
    return jnp.where(rank < x.shape[1], jnp.nan, wt.T / scale), rank


def _points(where: str, x: Any, y: Any) -> tuple[jax.Array, jax.Array, np.dtype]:
    """Return x (n, inputs) and y (n, outputs) in at least float32, and their original dtype."""
    x, y = input_rows(where, x), jnp.asarray(real_array(where, "y", y))
    if y.ndim != 2 or len(y) != len(x) or y.shape[1] == 0:
        raise ShapeError(where, f"y of shape ({len(x)}, outputs)", y.shape)
    if y.dtype != x.dtype:
        raise DtypeError(where, f"y of dtype {x.dtype} as x", y.dtype)
    check_finite(where, "y", y)
    wide = accumulator_dtype(x.dtype)
    return x.astype(wide), y.astype(wide), x.dtype
