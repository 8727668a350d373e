"""``Metric``: the contract of a metric of a whole data set; metrics' names and means; compensated sums."""

import re
from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import LARGEST_COUNT, accumulator_dtype, nan_unless, real_array
from ..configuration import Configuration, name_or_call
from ..errors import ShapeError, message
from ..losses import batch_mean

SampleMetric = Callable[[jax.Array, jax.Array], jax.Array]  # (prediction, target) -> one number per sample, (batch,)
State = Any  # a pytree of arrays, what a metric knows of the rows so far


class Metric(Configuration):
    """The contract of a metric of a whole data set that is no mean over its samples: ``init``, ``update``, ``value``.

    To define a metric, subclass this and write the three, which JAX traces: they are pure, and ``update`` runs inside
    a compiled loop over batches. Settings are annotated, hashable fields. The result may not depend on how the rows
    are divided into batches, but for rounding; ``Sum`` and ``Mean`` of ``funcnet.metrics.base`` are sums that many
    batches in float32 leave exact. A row of weight 0 has no effect, even if it holds NaN: a partial last batch is
    filled with such rows.

    ``larger_is_better`` says which of two values is the better one. In histories a metric has its ``name``, by default
    the class's name in snake case, and after that the settings that are not at their defaults.

    >>> import funcnet as fn
    >>> class LargestError(fn.metrics.Metric):
    ...     larger_is_better = False
    ...
    ...     def init(self, rows, outputs, dtype):
    ...         return jnp.zeros((), dtype)
    ...
    ...     def update(self, state, prediction, target, weights):
    ...         prediction, target, weights = self.check(prediction, target, weights, state.dtype)
    ...         errors = jnp.max(jnp.abs(prediction - target), axis=1)
    ...         return jnp.maximum(state, jnp.max(jnp.where(weights == 0, 0, errors)))
    ...
    ...     def value(self, state):
    ...         return state
    >>> LargestError().of(jnp.array([[1.0], [3.0]]), jnp.array([[0.0], [5.0]]))
    Array(2., dtype=float32)
    >>> LargestError().history_name
    'largest_error'
    """

    described_as: ClassVar[str] = "a metric, such as fn.metrics.f1 or a subclass of fn.metrics.Metric"
    larger_is_better: ClassVar[bool] = True

    __repr__ = name_or_call

    @property
    def history_name(self) -> str:
        """The name of the metric's values in histories."""
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(self).__name__)
        settings = {field.name: field.default for field in fields(self)}
        values = ((getattr(self, name), default) for name, default in settings.items())
        others = [str(value) for value, default in values if default is MISSING or value != default]
        return "_".join([getattr(self, "name", words.lower()), *others])

    def init(self, rows: int, outputs: int, dtype: Any) -> State:
        """Return the state before the first batch: arrays that share no buffer.

        Args:
            rows: an upper bound on the number of rows in all updates together, without those of weight 0.
            outputs: the width of the prediction.
            dtype: the dtype of sums: float32 or float64.
        """
        raise NotImplementedError(f"{type(self).__name__} has no init")

    def update(self, state: State, prediction: jax.Array, target: jax.Array, weights: jax.Array | None) -> State:
        """Return the state after one more batch.

        Args:
            state: of ``init`` or of the update before; the new one has its structure, shapes and dtypes.
            prediction: (batch, outputs), what the loss's ``predict`` makes of the network's output.
            target: (batch, outputs); for a classification also the class labels (batch,), of an integer dtype.
            weights: (batch,), at least 0, or None where all are 1.
        """
        raise NotImplementedError(f"{type(self).__name__} has no update")

    def value(self, state: State) -> jax.Array:
        """Return the metric of all rows so far: a scalar, or one number per class, (classes,)."""
        raise NotImplementedError(f"{type(self).__name__} has no value")

    def of(self, prediction: Any, target: Any, weights: Any = None) -> jax.Array:
        """Return the metric of these rows alone: ``init``, one ``update`` and ``value``, in one compiled program."""
        prediction, target = real_array(self, "prediction", prediction), real_array(self, "target", target)
        check_prediction(self, prediction)
        if weights is not None:
            weights = jnp.asarray(real_array(self, "weights", weights))
            if weights.shape != (len(prediction),):
                raise ShapeError(self, f"weights of shape ({len(prediction)},), one per row", weights.shape)
        self._warn_of_mistakes(prediction, target)
        return _of(self, prediction, narrow_labels(target), weights)

    def _warn_of_mistakes(self, prediction: Any, target: Any) -> None:
        """Warn of what ``of`` can compute and is likely a mistake."""

    def check(self, prediction: Any, target: Any, weights: Any, dtype: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Return prediction, target and weights in ``dtype``; raise an error where they do not fit one another.

        The target has the prediction's shape (batch, outputs); the weights are as ``row_weights`` returns them.
        """
        check_prediction(self, prediction)
        prediction, target = jnp.asarray(prediction), jnp.asarray(real_array(self, "target", target))
        if target.shape != prediction.shape:
            raise ShapeError(self, f"target of the prediction's shape {prediction.shape}", target.shape)
        weights = row_weights(self, weights, len(prediction), dtype)
        return prediction.astype(dtype), target.astype(dtype), weights


@partial(jax.jit, static_argnums=0)
def _of(metric: Metric, prediction: jax.Array, target: jax.Array, weights: jax.Array | None) -> jax.Array:
    rows, outputs = prediction.shape
    state = metric.init(rows, outputs, accumulator_dtype(prediction.dtype))
    return metric.value(metric.update(state, prediction, target, weights))


def narrow_labels(target: Any) -> Any:
    """Return a target in which no 64-bit label of NumPy's can become another one of 32 bits: it becomes −1, no class.

    >>> narrow_labels(np.array([1, 2**32 + 1]))
    array([ 1, -1], dtype=int32)
    """
    if isinstance(target, jax.Array):
        return target
    array = np.asarray(target)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        return array
    return np.where((array >= 0) & (array <= LARGEST_COUNT), array, -1).astype(np.int32)


def check_prediction(where: object, prediction: Any) -> None:
    """Raise an error unless a prediction is an array (batch, outputs) of a real dtype, with at least one output."""
    array = real_array(where, "prediction", prediction)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ShapeError(where, "prediction of shape (batch, outputs)", array.shape)


def row_weights(where: object, weights: Any, rows: int, dtype: Any) -> jax.Array:
    """Return the weights of the rows in ``dtype``: (rows,), ones for None, and NaN for a negative weight.

    >>> row_weights("metric", None, 2, jnp.float32), row_weights("metric", [0, 2], 2, jnp.float32)
    (Array([1., 1.], dtype=float32), Array([0., 2.], dtype=float32))
    """
    if weights is None:
        return jnp.ones((rows,), dtype)
    weights = jnp.asarray(real_array(where, "weights", weights))
    if weights.shape != (rows,):
        raise ShapeError(where, f"weights of shape ({rows},), one per row", weights.shape)
    weights = weights.astype(dtype)
    return nan_unless(weights >= 0, weights)


def weighted_sum(weights: jax.Array, terms: jax.Array) -> jax.Array:
    """Return Σᵢ wᵢ tᵢ over the rows of terms (rows, ...); what stands in a row of weight 0 does not matter.

    >>> weighted_sum(jnp.array([2.0, 0.0]), jnp.array([[1.0, 3.0], [jnp.nan, 1.0]]))
    Array([2., 6.], dtype=float32)
    """
    weights = weights.reshape(-1, *[1] * (terms.ndim - 1))
    return jnp.sum(jnp.where(weights == 0, 0, weights * terms), axis=0)


def ratio(numerator: jax.Array, denominator: jax.Array) -> jax.Array:
    """Return the quotient, and 0 where the denominator is 0.

    >>> ratio(jnp.array([1.0, 1.0]), jnp.array([2.0, 0.0]))
    Array([0.5, 0. ], dtype=float32)
    """
    is_zero = denominator == 0
    return jnp.where(is_zero, 0, numerator / jnp.where(is_zero, 1, denominator))


class Sum(NamedTuple):
    """A compensated sum: ``total``, and what rounding took from it, so that many terms are as exact as few.

    Ogita, Rump, Oishi, "Accurate sum and dot product" (2005), algorithm 4.1, with the exact rounding error of each
    addition by Knuth, *The Art of Computer Programming*, volume 2, section 4.2.2, theorem B.
    """

    total: jax.Array
    lost: jax.Array

    @classmethod
    def zeros(cls, shape: tuple[int, ...], dtype: Any) -> "Sum":
        """Return sums of nothing."""
        return cls(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))

    def plus(self, term: jax.Array) -> "Sum":
        """Return the sum with one more term."""
        total = self.total + term
        part = total - self.total
        return Sum(total, self.lost + ((self.total - (total - part)) + (term - part)))

    @property
    def value(self) -> jax.Array:
        """The sum, rounded once; an infinite one stays infinite."""
        return jnp.where(jnp.isinf(self.total), self.total, self.total + self.lost)


class Mean(NamedTuple):
    """A weighted mean of one number per row, as batches come in: Σ wᵢ vᵢ and Σ wᵢ."""

    total: Sum
    weight: Sum

    @classmethod
    def zero(cls, dtype: Any) -> "Mean":
        """Return the mean of nothing."""
        return cls(Sum.zeros((), dtype), Sum.zeros((), dtype))

    def plus(self, values: jax.Array, weights: jax.Array) -> "Mean":
        """Return the mean with the values (batch,) of one more batch."""
        return Mean(self.total.plus(weighted_sum(weights, values)), self.weight.plus(jnp.sum(weights)))

    @property
    def value(self) -> jax.Array:
        """The mean, 0 where all weights are 0."""
        return ratio(self.total.value, self.weight.value)


def metric_name(metric: Any) -> str:
    """Return the name of a metric in histories: its function's name, or what it prints as.

    >>> import funcnet as fn
    >>> metric_name(fn.accuracy), metric_name(fn.metrics.f1), metric_name(fn.metrics.F1("micro"))
    ('accuracy', 'f1', 'f1_micro')
    """
    return str(getattr(metric, "history_name", None) or getattr(metric, "__name__", repr(metric)))


def _values_of(name: str, metric: SampleMetric, prediction: jax.Array, target: jax.Array) -> jax.Array:
    """Return a metric's numbers as an array of a real dtype; an error names a metric that does not return numbers."""
    try:
        values = metric(prediction, target)
    except jax.errors.JAXTypeError as error:  # such as float(...) of a traced array
        expected = "a metric that JAX can trace, of jnp functions, without NumPy, float(...) and if on its arguments"
        raise TypeError(message(name, expected, f"a {type(error).__name__}")) from error
    if isinstance(values, list | tuple):
        try:
            values = jnp.asarray(values)
        except (TypeError, ValueError) as error:
            raise TypeError(message(name, "one number per sample: shape (batch,)", error)) from None
    if not (isinstance(values, jax.Array | np.ndarray) and real_array(name, "its values", values) is not None):
        got = "None" if values is None else f"a value of type {type(values).__name__}"
        raise TypeError(message(name, "one number per sample: an array of shape (batch,)", got))
    return jnp.asarray(values)


def means(
    metrics: tuple[SampleMetric, ...], prediction: jax.Array, target: jax.Array, weights: jax.Array | None
) -> dict[str, jax.Array]:
    """Return the mean of every metric that is a function over the batch, by the metric's name.

    Args:
        metrics: the functions.
        prediction: (batch, outputs).
        target: the targets of the batch.
        weights: (batch,), or None where all samples count alike.
    """
    samples, dtype = len(target), accumulator_dtype(prediction.dtype)
    found = {}
    for metric in metrics:
        name = metric_name(metric)
        values = _values_of(name, metric, prediction, target)
        found[name] = batch_mean(values.astype(dtype), weights, samples=samples, where=name)
    return found
