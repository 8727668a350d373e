"""What every loss is: a value of each sample, a gradient in the output and a prediction; and the mean over a batch."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from ..checks import floating_array
from ..configuration import Configuration
from ..dtypes import accumulator_dtype
from ..errors import DtypeError, ShapeError


class Loss(Configuration):
    """The contract of a loss: ``value``, ``gradient`` and ``predict``, all pure functions.

    Every ``value`` and ``gradient`` takes an output (..., outputs) of floating dtype and a target of the same
    shape, raises ``ShapeError`` or ``DtypeError`` otherwise, and keeps the output's dtype.
    """

    described_as: ClassVar[str] = "a loss, such as fn.quadratic or a subclass of fn.Loss"

    def value(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return the loss of each sample: (...,) for an output (..., outputs)."""
        raise NotImplementedError(f"{type(self).__name__} has no value")

    def gradient(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return ∂value/∂output of each sample: (..., outputs). By hand."""
        raise NotImplementedError(f"{type(self).__name__} has no gradient")

    def predict(self, output: jax.Array) -> jax.Array:
        """Return what the output stands for: the output itself, unless it is logits."""
        return output

    def check(self, output: Any, target: Any) -> tuple[jax.Array, jax.Array]:
        """Return output and target as arrays of one shape and of the output's dtype, or say what is wrong."""
        output = floating_array(self, "output", output)
        target = jnp.asarray(target)
        if output.ndim == 0:
            raise ShapeError(self, "output of shape (batch, outputs)", output.shape)
        if output.shape != target.shape:
            labels = target.ndim == output.ndim - 1 and not jnp.issubdtype(target.dtype, jnp.floating)
            hint = ": class labels become rows by funcnet.data.one_hot" if labels else ""
            raise ShapeError(self, f"target of the output's shape {output.shape}", f"{target.shape}{hint}")
        if jnp.issubdtype(target.dtype, jnp.complexfloating):
            raise DtypeError(self, "target of a real dtype", target.dtype)
        return output, target.astype(output.dtype)


def batch_mean(values: jax.Array, weights: Any = None, *, where: object = "batch_mean") -> jax.Array:
    """Return Σ wᵢ vᵢ / Σ wᵢ over the samples, the mean where there are no weights; in float32 at least.

    Values and weights are (batch,), with at least one sample: else ``ShapeError``, in the name of ``where``.

    >>> batch_mean(jnp.array([1.0, 2.0, 60.0]), weights=jnp.array([1.0, 1.0, 0.0]))
    Array(1.5, dtype=float32)
    """
    if values.ndim != 1 or values.size == 0:
        raise ShapeError(where, "one value a sample, of shape (batch,), of at least one sample", values.shape)
    values = values.astype(accumulator_dtype(values.dtype))
    if weights is None:
        return jnp.mean(values)
    weights = jnp.asarray(weights).astype(values.dtype)
    if weights.shape != values.shape:
        raise ShapeError(where, f"weights of shape {values.shape}, one a sample", weights.shape)
    return jnp.sum(shares(weights) * values)


def shares(weights: jax.Array) -> jax.Array:
    """Return each sample's share wᵢ / Σ wᵢ of the weighted mean."""
    return weights / jnp.sum(weights)
