"""Perceptron learning: a hyperplane that separates samples of two classes."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..checks import (
    LARGEST_COUNT,
    as_dtype,
    check_count,
    check_dtype,
    check_key,
    check_number,
    check_values,
    input_rows,
    is_concrete,
    real_array,
)
from ..configuration import document_fields
from ..errors import DtypeError, ShapeError
from ..layers import DenseParams
from .threshold import weighted_input

_State = tuple[DenseParams, jax.Array, jax.Array]  # parameters, mistakes so far, samples that are wrong now


@document_fields
class PerceptronResult(NamedTuple):
    """The result of ``train_perceptron``; under ``vmap`` each field has a leading axis.

    Attributes:
        params: weight (1, inputs), bias (1,), of the dtype of x.
        mistakes: int32 (): the number of mistakes, each of which was corrected once.
        separated: bool (): whether the result is correct on every sample.
        steps: int32 (): the largest number of corrections allowed.
    """

    params: DenseParams
    mistakes: jax.Array
    separated: jax.Array
    steps: jax.Array

    @property
    def reason(self) -> Any:
        """Why the run ended: "separated" or "not separated within … steps"; a list of these for several runs."""
        steps = np.asarray(self.steps).astype(str)
        unfinished = np.strings.add(np.strings.add("not separated within ", steps), " steps")
        return np.where(np.asarray(self.separated), "separated", unfinished).tolist()


def train_perceptron(
    x: Any, labels: Any, *, key: jax.Array, learning_rate: float | jax.Array = 1.0, steps: int | jax.Array = 10_000
) -> PerceptronResult:
    """Return a perceptron that has learned the samples x (n, inputs) with ``labels`` (n,), each −1 or +1.

    It starts at w = 0, b = 0. Each step draws a random sample among those whose output sign(w·x + b) differs from the
    label y, and corrects the perceptron: w ← w + ηyx, b ← b + ηy. It ends when no such sample is left, or after
    ``steps`` corrections; ``reason`` says which. A sample on the boundary, w·x + b = 0, counts as a mistake. Since
    w and b start at 0, the learning rate η scales both and changes no output. The run is one compiled program. A run
    with the same key and fewer steps makes the same first corrections.

    On separable samples the number of mistakes is at most ``novikoff_bound``; on others it grows with ``steps``.
    Rosenblatt (1958); Novikoff, "On Convergence Proofs on Perceptrons" (1962).

    Args:
        x: finite samples (n, inputs) of a floating dtype, which the parameters get.
        labels: (n,), each −1 or +1, of a floating or signed integer dtype.
        key: a JAX random key, which draws the samples.
        learning_rate: η > 0; it may be traced.
        steps: the largest number of corrections; it may be traced.

    Raises:
        ShapeError, DtypeError, TypeError, ValueError: an argument has another shape, dtype, type or range.

    >>> import funcnet as fn
    >>> x = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> result = fn.neurons.train_perceptron(x, jnp.array([-1, 1, 1, 1]), key=jax.random.key(0))  # OR
    >>> result.reason, fn.neurons.perceptron(result.params, x)[:, 0]
    ('separated', Array([0., 1., 1., 1.], dtype=float32))
    >>> fn.neurons.train_perceptron(x, jnp.array([-1, 1, 1, -1]), key=jax.random.key(0), steps=500).reason  # XOR
    'not separated within 500 steps'
    """
    x, y = _samples("train_perceptron", x, labels)
    check_key("train_perceptron", key)
    check_number("train_perceptron", "learning_rate", learning_rate, lambda rate: (rate > 0) & np.isfinite(rate),
                 "to be finite and above 0")  # fmt: skip
    if is_concrete(steps) and not isinstance(steps, jax.Array):
        check_count("train_perceptron", "steps", steps, minimum=0, maximum=LARGEST_COUNT)
    as_dtype("train_perceptron", "learning_rate", learning_rate, x.dtype)
    return _train(x, y, key, jnp.asarray(learning_rate, x.dtype), jnp.asarray(steps, jnp.int32))


@jax.jit
def _train(x: jax.Array, y: jax.Array, key: jax.Array, eta: jax.Array, steps: jax.Array) -> PerceptronResult:
    def unfinished(state: _State) -> jax.Array:
        _, mistakes, wrong = state
        return jnp.any(wrong) & (mistakes < steps)

    def correct(state: _State) -> _State:
        (w, b), mistakes, wrong = state
        among_wrong = jnp.where(wrong, 0.0, -jnp.inf)
        i = jax.random.categorical(jax.random.fold_in(key, mistakes), among_wrong)
        params = DenseParams(w + eta * y[i] * x[i][None, :], b + eta * y[i])
        return params, mistakes + 1, _is_wrong(params, x, y)

    zero = DenseParams(jnp.zeros((1, x.shape[1]), x.dtype), jnp.zeros(1, x.dtype))
    start = zero, jnp.int32(0), _is_wrong(zero, x, y)
    params, mistakes, wrong = lax.while_loop(unfinished, correct, start)
    return PerceptronResult(params, mistakes, ~jnp.any(wrong), steps)


def _is_wrong(params: DenseParams, x: jax.Array, y: jax.Array) -> jax.Array:
    """Return True for each sample at which y(w·x + b) is not above 0, (n,); NaN counts as wrong."""
    return ~(y * weighted_input("train_perceptron", params, x)[:, 0] > 0)


def novikoff_bound(params: DenseParams, x: Any, labels: Any) -> jax.Array:
    """Return Novikoff's bound (R/γ)² on the mistakes of perceptron learning, from one that separates the samples.

    The bias is the weight of an extra input 1: with x̂ = (x, 1) and ŵ = (w, b), R = max ‖x̂‖ and γ = min y ŵ·x̂/‖ŵ‖, the
    smallest distance from the boundary. Every ŵ that separates gives a bound, and the largest γ the best one; an ŵ that
    does not separate gives infinity. x is (n, inputs), ``labels`` (n,) are −1 or +1, and ``params`` are those of one
    perceptron. Raises the errors of ``train_perceptron``. Novikoff, "On Convergence Proofs on Perceptrons" (1962).

    >>> import funcnet as fn
    >>> params = fn.DenseParams(weight=jnp.array([[1.0]]), bias=jnp.array([0.0]))
    >>> fn.neurons.novikoff_bound(params, jnp.array([[-2.0], [1.0]]), jnp.array([-1, 1]))
    Array(5., dtype=float32)
    """
    x, y = _samples("novikoff_bound", x, labels)
    z = weighted_input("novikoff_bound", params, x)
    if z.shape[1] != 1:
        raise ShapeError("novikoff_bound", f"weight of shape (1, {x.shape[1]})", params.weight.shape)
    length = jnp.sqrt(jnp.sum(params.weight**2) + jnp.sum(params.bias**2))
    gamma = jnp.min(y * z[:, 0]) / length
    r_squared = jnp.max(jnp.sum(x**2, axis=1) + 1)
    return jnp.where(gamma > 0, r_squared / gamma**2, jnp.inf).astype(x.dtype)


def separable_samples(
    key: jax.Array, n: int, inputs: int, *, margin: float | jax.Array = 0.5, dtype: Any = jnp.float32
) -> tuple[jax.Array, jax.Array, DenseParams]:
    """Return random samples x (n, inputs), their labels (n,) −1 or +1, and a perceptron that separates them.

    w has a random direction and ‖w‖ = 1, and b is uniform in [−1, 1). Standard normal points get the label of their
    side of w·x + b = 0 and are moved away from it by ``margin``, so that none is nearer to it.

    Args:
        key: a JAX random key.
        n: the number of samples, at least 1.
        inputs: the number of inputs, at least 1.
        margin: the smallest distance from the boundary, at least 0; it may be traced.
        dtype: the floating dtype of all results.

    Raises:
        TypeError, ValueError: an argument has another type or range.

    >>> import funcnet as fn
    >>> x, labels, params = fn.neurons.separable_samples(jax.random.key(0), 100, 2)
    >>> bool(jnp.all(labels * fn.neurons.linear_neuron(params, x)[:, 0] > 0.4999))
    True
    """
    check_key("separable_samples", key)
    check_count("separable_samples", "n", n)
    check_count("separable_samples", "inputs", inputs)
    check_number("separable_samples", "margin", margin, lambda m: (m >= 0) & np.isfinite(m),
                 "to be finite and at least 0")  # fmt: skip
    dtype = check_dtype("separable_samples", dtype)
    as_dtype("separable_samples", "margin", margin, dtype, may_vanish=True)
    return _separable(key, jnp.asarray(margin, dtype), n, inputs)


@partial(jax.jit, static_argnums=(2, 3))
def _separable(key: jax.Array, margin: jax.Array, n: int, inputs: int) -> tuple[jax.Array, jax.Array, DenseParams]:
    dtype = margin.dtype
    weight_key, bias_key, x_key = jax.random.split(key, 3)
    weight = jax.random.normal(weight_key, (1, inputs), dtype)
    weight = weight / jnp.linalg.norm(weight)
    params = DenseParams(weight, jax.random.uniform(bias_key, (1,), dtype, -1, 1))
    x = jax.random.normal(x_key, (n, inputs), dtype)
    side = jnp.where(weighted_input("separable_samples", params, x) >= 0, 1, -1).astype(dtype)
    return x + margin * side * weight, side[:, 0], params


def _samples(where: str, x: Any, labels: Any) -> tuple[jax.Array, jax.Array]:
    """Return x (n, inputs) and y (n,) of the dtype of x, or raise an error that names ``where``."""
    x, y = input_rows(where, x), real_array(where, "labels", labels)
    if y.shape != x.shape[:1]:
        raise ShapeError(where, f"labels of shape {x.shape[:1]}, one per row of x", y.shape)
    if not (jnp.issubdtype(y.dtype, jnp.floating) or jnp.issubdtype(y.dtype, jnp.signedinteger)):
        raise DtypeError(where, "labels of a floating or signed integer dtype", y.dtype)
    if is_concrete(y):
        values = np.asarray(y)
        check_values(where, "labels to be -1 or +1", values, abs(values) == 1)
    return x, jnp.asarray(y, x.dtype)
