"""The weighted input z = w·x + b, and the perceptron, which compares it with 0."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ..checks import floating_array, own_params
from ..errors import DtypeError, ShapeError
from ..layers import DenseParams


def perceptron(params: DenseParams, x: jax.Array) -> jax.Array:
    """Return 1 where w·x + b > 0, else 0: (..., units) for x (..., inputs), of the dtype of x.

    The bias is minus the threshold. Where w·x + b = 0 the output is 0, while ``fn.step(0)`` is 1, and NaN stays NaN.
    Weight (1, inputs) and bias (1,) are one perceptron; more rows are several in parallel.
    Its derivative is 0. Raises ``ShapeError`` and ``DtypeError`` where x does not fit the weight. Rosenblatt, "The
    Perceptron: A Probabilistic Model for Information Storage and Organization in the Brain" (1958).

    >>> import funcnet as fn
    >>> params = fn.DenseParams(weight=jnp.array([[1.0, 1.0]]), bias=jnp.array([-1.0]))
    >>> fn.neurons.perceptron(params, jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    Array([[0.],
           [0.],
           [1.]], dtype=float32)
    """
    z = weighted_input("perceptron", params, x)
    return jnp.where(z > 0, jnp.ones_like(z), jnp.where(z <= 0, jnp.zeros_like(z), lax.stop_gradient(z)))


def weighted_input(where: str, params: DenseParams, x: Any) -> jax.Array:
    """Return z = w·x + b: (..., units) for x (..., inputs), or raise an error that names ``where``.

    The product has full precision on accelerators too, since rounding can change whether z is above 0.

    >>> weighted_input("perceptron", DenseParams(jnp.ones((1, 2)), jnp.ones(1)), jnp.ones((4, 3)))
    Traceback (most recent call last):
    funcnet.errors.ShapeError: perceptron: expected x of shape (..., 2), got (4, 3)
    """
    weight, bias = own_params(where, params, DenseParams)
    x = floating_array(where, "x", x)
    if weight.ndim != 2 or bias.shape != weight.shape[:1]:
        expected = "weight of shape (units, inputs) and bias of shape (units,)"
        raise ShapeError(where, expected, f"{weight.shape} and {bias.shape}")
    if x.ndim == 0 or x.shape[-1] != weight.shape[1]:
        raise ShapeError(where, f"x of shape (..., {weight.shape[1]})", x.shape)
    if not x.dtype == weight.dtype == bias.dtype:
        raise DtypeError(
            where, f"x, weight and bias of the same dtype, {x.dtype} of x", f"{weight.dtype}, {bias.dtype}"
        )
    leading = (None,) * (x.ndim - 1)
    return jnp.matmul(x, weight.T, precision=lax.Precision.HIGHEST) + bias[leading]
