"""``Loss``: the contract of a loss, which has a value, a gradient and a prediction; and the mean over a batch."""

from typing import Any, ClassVar, NamedTuple
from weakref import WeakValueDictionary

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import (
    accumulator_dtype,
    check_values,
    floating_array,
    is_concrete,
    is_label_dtype,
    nan_unless,
    real_array,
)
from ..configuration import Configuration, document_fields, name_or_call
from ..errors import ShapeError


@document_fields
class TargetRange(NamedTuple):
    """The targets that a loss takes, other than labels.

    Attributes:
        low: the smallest number.
        high: the largest number.
        only_ends: whether ``low`` and ``high`` are the only numbers.
        sums_to_one: whether each row is a distribution, whose numbers sum to 1.
        remedy: what to do about other targets; "" for no advice.
    """

    low: float
    high: float
    only_ends: bool = False
    sums_to_one: bool = False
    remedy: str = ""


PROBABILITIES = TargetRange(0.0, 1.0, remedy="divide bytes by 255; labels of classes are for fn.softmax_cross_entropy")
DISTRIBUTIONS = TargetRange(
    0.0,
    1.0,
    sums_to_one=True,
    remedy="divide each row by its sum, or use fn.sigmoid_cross_entropy where several classes may hold, or none",
)
ROUNDING = 8  # units in the last place, of float32 at most, by which a target may lie outside
SUM_ROUNDING = 2.0**-7  # by which a row's sum may differ from 1, so that rows that were made in bfloat16 pass


class Loss(Configuration):
    """The contract of a loss: ``value``, ``gradient`` and ``predict``, all pure functions.

    To define a loss, subclass this and write ``value`` and ``gradient``. Both take an output (..., outputs) of a
    floating dtype and a target of the same shape, and keep the output's dtype; ``check`` raises ``ShapeError`` or
    ``DtypeError`` otherwise. Training and evaluation call ``check`` as well, so that nothing broadcasts in a loss that
    does not; a loss whose targets have another shape overrides it. A loss of classes also takes their labels, integers
    (...,), where its ``label_count`` says how many there are. Training and evaluation refuse targets outside the range
    that ``target_range`` states: ``return fn.losses.TargetRange(0.0, 1.0)`` for numbers in [0, 1].

    >>> import funcnet as fn
    >>> class FourthPower(fn.Loss):
    ...     def value(self, output, target):
    ...         a, y = self.check(output, target)
    ...         return jnp.sum((a - y) ** 4, axis=-1)
    ...
    ...     def gradient(self, output, target):
    ...         a, y = self.check(output, target)
    ...         return 4 * (a - y) ** 3
    >>> a, y = jnp.array([[1.0, 2.0]]), jnp.array([[0.0, 0.0]])
    >>> FourthPower().value(a, y), FourthPower().gradient(a, y)
    (Array([17.], dtype=float32), Array([[ 4., 32.]], dtype=float32))
    """

    described_as: ClassVar[str] = "a loss, such as fn.quadratic or a subclass of fn.Loss"
    from_logits: ClassVar[bool] = False  # whether it applies the sigmoid or the softmax to the output itself

    __repr__ = name_or_call

    def value(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return the loss of each sample: (...,) for an output (..., outputs)."""
        raise NotImplementedError(f"{type(self).__name__} has no value")

    def gradient(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Return ∂value/∂output of each sample: (..., outputs). By hand."""
        raise NotImplementedError(f"{type(self).__name__} has no gradient")

    def predict(self, output: jax.Array) -> jax.Array:
        """Return what the output stands for: by default the output itself."""
        return floating_array(self, "output", output)

    def label_count(self, outputs: int) -> int | None:
        """Return how many classes integer labels 0, 1, … name for outputs of that width; None for no labels."""
        return None

    def target_range(self, outputs: int) -> TargetRange | None:
        """Return the range of targets for outputs of that width, other than labels; None, the default, for any."""
        return None

    def check_targets(self, where: str, y: Any, weights: Any = None) -> None:
        """Raise ``ValueError`` that names the first target outside ``target_range``; tracers pass.

        Samples of weight 0 may have any targets. Numbers may lie outside by rounding, and the sums of rows by 2⁻⁷, so
        that rows made in half precision pass.

        >>> import funcnet as fn
        >>> fn.hinge.check_targets("fit", np.array([[1.0], [0.0]]))
        Traceback (most recent call last):
        ValueError: fit: expected y to be -1 or 1, as hinge takes it, got 0 at index (1, 0): 2 * y - 1 for 0 and 1
        """
        allowed = self.target_range(y.shape[-1])
        is_known = is_concrete(y) and is_concrete(weights)
        if allowed is None or not is_known or _known_to_suit.get((id(y), allowed)) is y:
            return
        values = np.asarray(y, np.float32 if y.dtype.itemsize < 4 else None)
        is_inside = _is_inside(allowed, values, y.dtype)
        sums = values.sum(axis=-1, dtype=np.float64) if allowed.sums_to_one else np.ones(values.shape[:-1])
        is_sum = np.abs(sums - 1) <= SUM_ROUNDING
        if np.all(is_inside) and is_sum.all():
            if isinstance(y, jax.Array):
                _known_to_suit[id(y), allowed] = y
            return
        if weights is not None:
            is_ignored = np.asarray(weights) == 0
            is_inside = is_inside | is_ignored.reshape(-1, *[1] * (values.ndim - 1))
            is_sum |= is_ignored.reshape(-1, *[1] * (sums.ndim - 1))
        numbers = f"to be {allowed.low:g} or" if allowed.only_ends else f"in [{allowed.low:g},"
        expected = f"y {numbers} {allowed.high:g}{'' if allowed.only_ends else ']'}, as {self} takes it"
        check_values(where, expected, values, np.broadcast_to(is_inside, values.shape), allowed.remedy)
        check_values(where, f"rows of y that sum to 1, as {self} takes them", sums, is_sum, allowed.remedy)

    def check(self, output: Any, target: Any) -> tuple[jax.Array, jax.Array]:
        """Return output and target as arrays of the output's shape and dtype; raise an error where they do not fit.

        Labels become the target that they name. A label that names no class, which a compiled program cannot refuse,
        makes its target NaN.
        """
        output = floating_array(self, "output", output)
        target = without_wrapping(real_array(self, "target", target))
        if output.ndim == 0:
            raise ShapeError(self, "output of shape (batch, outputs)", output.shape)
        is_label = target.ndim == output.ndim - 1 and is_label_dtype(target.dtype)
        if is_label and (count := self.label_count(output.shape[-1])) is not None:
            return output, target_of_labels(target, output.shape[-1], count, output.dtype)
        if output.shape != target.shape:
            hint = ": use fn.data.one_hot for class labels" if is_label else ""
            if target.ndim == output.ndim > 1 and output.shape[:-1] == target.shape[:-1]:
                hint = f": give the network's last layer {target.shape[-1]} outputs"
                if target.shape[-1] == 1 and self.label_count(output.shape[-1]) is not None:
                    hint = ": labels have no axis for outputs, y[:, 0]"
            raise ShapeError(self, f"target of the output's shape {output.shape}", f"{target.shape}{hint}")
        return output, target.astype(output.dtype)


# JAX's arrays of targets by id and range, as long as they live: each is looked through once.
_known_to_suit: WeakValueDictionary[tuple[int, TargetRange], jax.Array] = WeakValueDictionary()


def _is_inside(allowed: TargetRange, values: np.ndarray, dtype: Any) -> Any:
    """Return whether numbers that were given in ``dtype`` are in a range: True for all of them, or for each."""
    if allowed.only_ends:
        return (values == allowed.low) | (values == allowed.high)
    rounding = ROUNDING * float(np.finfo(np.float32).eps)
    if jnp.issubdtype(dtype, jnp.floating):
        rounding = max(rounding, ROUNDING * float(jnp.finfo(dtype).eps))
    low, high = allowed.low - rounding, allowed.high + rounding
    if values.min() >= low and values.max() <= high:  # faster than to compare each
        return True
    return (values >= low) & (values <= high)


def without_wrapping(target: Any) -> jax.Array:
    """Return a target as an array; 64-bit integers that 32 bits cannot hold become the nearest ones that they can.

    >>> without_wrapping(np.array([2**32 + 1, -(2**40)]))
    Array([ 2147483647, -2147483648], dtype=int32)
    """
    if getattr(target, "dtype", None) in (np.int64, np.uint64):
        kept = np.iinfo(np.int32)
        low = 0 if target.dtype == np.uint64 else kept.min
        target = target.clip(target.dtype.type(low), target.dtype.type(kept.max)).astype(np.int32)
    return jnp.asarray(target)


def target_of_labels(labels: jax.Array, outputs: int, count: int, dtype: Any) -> jax.Array:
    """Return the targets (..., outputs) that labels (...,) name: one-hot rows, or the labels themselves for one output.

    >>> target_of_labels(jnp.array([2, 0]), 3, 3, jnp.float32).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    >>> target_of_labels(jnp.array([1, 5]), 1, 2, jnp.float32).tolist()
    [[1.0], [nan]]
    """
    labels = labels[..., None].astype(jnp.int32)
    classes = jnp.arange(outputs, dtype=jnp.int32)[(None,) * (labels.ndim - 1)]
    rows = (labels if outputs == 1 and count == 2 else labels == classes).astype(dtype)
    return nan_unless((labels >= 0) & (labels < count), rows)


def batch_mean(
    values: jax.Array, weights: Any = None, *, samples: int | None = None, where: object = "batch_mean"
) -> jax.Array:
    """Return the weighted mean Σ wᵢ vᵢ / Σ wᵢ over the samples, in float32 at least; without weights the plain mean.

    Args:
        values: (batch,), batch ≥ 1.
        weights: (batch,), as ``sample_shares`` takes them: where all are 0, the mean is 0.
        samples: how many values there must be; None for any number.
        where: what made the values, for errors.

    Raises ``ShapeError`` for other shapes.

    >>> batch_mean(jnp.array([1.0, 2.0, 60.0]), weights=jnp.array([1.0, 1.0, 0.0]))
    Array(1.5, dtype=float32)
    """
    if jnp.ndim(values) != 1 or values.size == 0:
        raise ShapeError(where, "one value per sample: shape (batch,), batch at least 1", jnp.shape(values))
    if samples not in (None, len(values)):
        raise ShapeError(where, f"one value per sample: shape ({samples},)", values.shape)
    values = values.astype(accumulator_dtype(values.dtype))
    if weights is None:
        return jnp.mean(values)
    return jnp.sum(sample_shares(weights, len(values), values.dtype, where) * values)


def sample_shares(weights: Any, samples: int, dtype: Any, where: object) -> jax.Array:
    """Return the shares wᵢ / Σ wᵢ of the samples in a mean: (batch,) of ``dtype``.

    Where all weights are 0, all shares are 0. Very large weights are scaled by a power of two first, so that their sum
    does not overflow. A negative or infinite weight, which a compiled program cannot refuse, makes a share NaN.

    Args:
        weights: (batch,), finite and at least 0.
        samples: the batch's size.
        dtype: the dtype of the mean.
        where: what the mean is of, for errors.

    >>> sample_shares(jnp.array([3e38, 3e38]), 2, jnp.float32, "mean"), sample_shares([0, 0], 2, jnp.float32, "mean")
    (Array([0.5, 0.5], dtype=float32), Array([0., 0.], dtype=float32))
    """
    weights = jnp.asarray(weights).astype(dtype)
    if weights.shape != (samples,):
        raise ShapeError(where, f"weights of shape ({samples},), one per sample", weights.shape)
    unit = jnp.where(jnp.max(weights) > 2.0**64, 2.0**-100, 1.0).astype(dtype)
    scaled = nan_unless(weights >= 0, unit * weights)
    total = jnp.sum(scaled)
    return scaled / jnp.where(total == 0, 1, total)
