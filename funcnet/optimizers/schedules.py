"""Learning rates that change with the step: values that are called with the step, counted from 0, and give the rate.

A schedule is a pytree whose leaves are its numbers: in an optimizer's state they are arrays, so that another rate or
another length compiles nothing and a sweep over them is a ``vmap``. Called by hand, on one step or on an array of
them, it gives the whole curve. Rates are real numbers of at least 0, counts of steps are integers: the functions
that build schedules raise ``TypeError`` for other types and ``ValueError`` for other values.
"""

from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from functools import wraps
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import brief, check_values, integer_array, is_concrete
from ..configuration import Configuration
from ..errors import message
from ..settings import NOT_NEGATIVE, POSITIVE, Range, described


class Schedule(Configuration):
    """A schedule: fields that are numbers, or tuples of them, and ``__call__(step) -> rate``.

    ``step`` is an integer or an integer array (int32 in an optimizer); the rate has its shape, in the dtype of the
    rates given: that of the optimizer's state, and JAX's default for Python's numbers. To define a schedule,
    subclass this:

    >>> import funcnet as fn
    >>> class InverseTime(fn.schedules.Schedule):
    ...     learning_rate: float
    ...
    ...     def __call__(self, step):
    ...         return self.learning_rate / (1 + jnp.float32(step))
    >>> fn.sgd(InverseTime(0.5))
    sgd(learning_rate=InverseTime(0.5))
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        jax.tree_util.register_dataclass(cls, [field.name for field in fields(cls)], [])
        if "__call__" in vars(cls):
            cls.__call__ = _of_steps(cls.__call__)  # type: ignore[assignment, method-assign]

    def __call__(self, step: Any) -> jax.Array:
        """Return the learning rate of a step."""
        raise NotImplementedError(f"{type(self).__name__} has no __call__")

    def __repr__(self) -> str:
        arguments = []
        for field in fields(self):
            value = getattr(self, field.name)
            if field.default is MISSING:
                arguments.append(repr(value))
            elif not (isinstance(value, float) and value == field.default):  # an array or a tracer could not say
                arguments.append(f"{field.name}={value!r}")
        return f"{getattr(self, 'name', type(self).__name__)}({', '.join(arguments)})"


def _of_steps(rate: Callable[[Any, Any], jax.Array]) -> Callable[[Any, Any], jax.Array]:
    """Return a schedule's ``__call__`` that raises an error unless ``step`` is an integer, or several, from 0."""

    @wraps(rate)
    def checked(self: Schedule, step: Any) -> jax.Array:
        steps = integer_array(self, "step", step)
        if not isinstance(steps, jax.Array):
            check_values(self, f"step in [0, {2**31})", steps, (steps >= 0) & (steps < 2**31))
        return rate(self, step if isinstance(step, int) else jnp.asarray(steps))

    return checked


class _Constant(Schedule):
    name = "schedules.constant"
    learning_rate: Any

    def __call__(self, step: Any) -> jax.Array:
        (rate,) = _reals(self.learning_rate)
        return jnp.broadcast_to(rate, jnp.shape(step))


def constant(learning_rate: float) -> Schedule:
    """Return the schedule η(t) = η.

    >>> import funcnet as fn
    >>> fn.schedules.constant(0.1), fn.schedules.constant(0.1)(7)
    (schedules.constant(0.1), Array(0.1, dtype=float32))
    """
    return _Constant(**_checked("constant", learning_rate=learning_rate))


class _StepDecay(Schedule):
    name = "schedules.step_decay"
    learning_rate: Any
    factor: Any
    every: Any

    def __call__(self, step: Any) -> jax.Array:
        rate, factor = _reals(self.learning_rate, self.factor)
        return rate * factor ** jnp.asarray(step // self.every, rate.dtype)


def step_decay(learning_rate: float, factor: float, every: int) -> Schedule:
    """Return the schedule η(t) = η γ^⌊t/k⌋: a multiplication by ``factor`` γ at ``every`` k steps.

    >>> import funcnet as fn
    >>> fn.schedules.step_decay(0.8, factor=0.5, every=2)(jnp.arange(5))
    Array([0.8, 0.8, 0.4, 0.4, 0.2], dtype=float32)
    """
    return _StepDecay(**_checked("step_decay", learning_rate=learning_rate, factor=factor, every=every))


class _Exponential(Schedule):
    name = "schedules.exponential"
    learning_rate: Any
    factor: Any
    every: Any

    def __call__(self, step: Any) -> jax.Array:
        rate, factor = _reals(self.learning_rate, self.factor)
        return rate * factor ** (jnp.asarray(step, rate.dtype) / jnp.asarray(self.every, rate.dtype))


def exponential(learning_rate: float, factor: float, every: int) -> Schedule:
    """Return the schedule η(t) = η γ^(t/k): as ``step_decay``, but smoothly.

    Senior, Heigold, Ranzato, Yang, "An empirical study of learning rates in deep neural networks for speech
    recognition" (2013).

    >>> import funcnet as fn
    >>> schedule = fn.schedules.exponential(0.8, factor=0.25, every=4)
    >>> [round(float(schedule(step)), 3) for step in (0, 2, 4, 6)]
    [0.8, 0.4, 0.2, 0.1]
    """
    return _Exponential(**_checked("exponential", learning_rate=learning_rate, factor=factor, every=every))


class _Cosine(Schedule):
    name = "schedules.cosine"
    learning_rate: Any
    steps: Any
    final: Any = 0.0

    def __call__(self, step: Any) -> jax.Array:
        rate, final = _reals(self.learning_rate, self.final)
        # The smaller of two integers, so that the end is met exactly and the fraction never leaves [0, 1].
        progress = jnp.asarray(jnp.minimum(step, self.steps), rate.dtype) / jnp.asarray(self.steps, rate.dtype)
        share = (1 + jnp.cos(jnp.pi * progress)) / 2
        return share * rate + (1 - share) * final


def cosine(learning_rate: float, steps: int, final: float = 0.0) -> Schedule:
    """Return the schedule η(t) = c η + (1 − c) η_final, c = ½(1 + cos(π t/T)), for t ≤ T = ``steps``; then η_final.

    Loshchilov, Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017), without the restarts.

    >>> import funcnet as fn
    >>> schedule = fn.schedules.cosine(0.1, 1000)
    >>> schedule, [round(float(schedule(step)), 3) for step in (0, 500, 1000, 2000)]
    (schedules.cosine(0.1, 1000), [0.1, 0.05, 0.0, 0.0])
    """
    return _Cosine(**_checked("cosine", learning_rate=learning_rate, steps=steps, final=final))


class _WarmupCosine(Schedule):
    name = "schedules.warmup_cosine"
    learning_rate: Any
    warmup: Any
    steps: Any
    final: Any = 0.0

    def __call__(self, step: Any) -> jax.Array:
        rate, final = _reals(self.learning_rate, self.final)
        share = jnp.asarray(step + 1, rate.dtype) / jnp.asarray(jnp.maximum(self.warmup, 1), rate.dtype)
        descent = _Cosine(rate, self.steps - self.warmup, final)(jnp.maximum(step - self.warmup, 0))
        return jnp.where(step < self.warmup, share * rate, descent)


def warmup_cosine(learning_rate: float, warmup: int, steps: int, final: float = 0.0) -> Schedule:
    """Return the schedule η(t) = η (t + 1)/W for t < W = ``warmup``, then ``cosine(η, T − W, final)`` at t − W.

    The rate of the first step is not 0, and that of the last step of the warm-up is η.
    Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour" (2017), for the warm-up.

    Args:
        learning_rate: η ≥ 0, a number.
        warmup: W ≥ 0, how many steps the warm-up takes.
        steps: T > W, at which step the rate is ``final``: the warm-up counts.
        final: The rate from then on; 0 by default.

    >>> import funcnet as fn
    >>> schedule = fn.schedules.warmup_cosine(0.4, warmup=4, steps=6)
    >>> [round(float(schedule(step)), 3) for step in range(7)]
    [0.1, 0.2, 0.3, 0.4, 0.4, 0.2, 0.0]
    """
    schedule = _WarmupCosine(
        **_checked("warmup_cosine", learning_rate=learning_rate, warmup=warmup, steps=steps, final=final)
    )
    if is_concrete(warmup) and is_concrete(steps) and not warmup < steps:
        raise ValueError(message("warmup_cosine", f"warmup below steps, {steps}", warmup))
    return schedule


class _Piecewise(Schedule):
    name = "schedules.piecewise"
    boundaries: Any
    rates: Any

    def __call__(self, step: Any) -> jax.Array:
        first, *later = _reals(*self.rates)
        rate = jnp.broadcast_to(first, jnp.shape(step))
        for boundary, next_rate in zip(self.boundaries, later, strict=True):
            rate = jnp.where(step >= boundary, next_rate, rate)
        return rate


def piecewise(boundaries: Sequence[int], rates: Sequence[float]) -> Schedule:
    """Return the schedule η(t) = ηᵢ for bᵢ ≤ t < bᵢ₊₁: the first rate before the first boundary, and so on.

    ``boundaries`` rise strictly from 1 at least, and there is one rate more than there are boundaries.
    He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition" (2016), section 3.4.

    >>> import funcnet as fn
    >>> fn.schedules.piecewise([2, 4], [0.1, 0.01, 0.001])(jnp.arange(5))
    Array([0.1  , 0.1  , 0.01 , 0.01 , 0.001], dtype=float32)
    """
    where = "piecewise"
    for name, value in (("boundaries", boundaries), ("rates", rates)):
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise TypeError(message(where, f"{name} to be a list or a tuple", f"a {type(value).__name__}"))
    if len(rates) != len(boundaries) + 1:
        raise ValueError(message(where, f"{len(boundaries) + 1} rates, one more than boundaries", len(rates)))
    counts = tuple(_count(where, f"boundaries[{i}]", boundary) for i, boundary in enumerate(boundaries))
    for i, (before, after) in enumerate(pairwise(counts)):
        if is_concrete(before) and is_concrete(after) and not before < after:
            raise ValueError(message(where, f"boundaries[{i + 1}] above the one before, {before}", after))
    return _Piecewise(counts, tuple(_real(where, f"rates[{i}]", rate) for i, rate in enumerate(rates)))


def _reals(*numbers: Any) -> list[jax.Array]:
    """Return numbers as arrays of one floating dtype, the one that Python's numbers would take beside the others."""
    dtype = jnp.result_type(*numbers)
    return [jnp.asarray(number, dtype) for number in numbers]


def _checked(where: str, **numbers: Any) -> dict[str, Any]:
    """Return a schedule's numbers by name: rates and a factor are real, the others are counts of steps."""
    for name, value in numbers.items():
        if name in ("learning_rate", "final", "factor"):
            numbers[name] = _real(where, name, value, POSITIVE if name == "factor" else NOT_NEGATIVE)
        else:
            numbers[name] = _count(where, name, value, minimum=0 if name == "warmup" else 1)
    return numbers


def _real(where: str, name: str, value: Any, valid: Range = NOT_NEGATIVE) -> Any:
    """Return a valid number, one of an integer type as a float, since a schedule's integers count steps."""
    if isinstance(value, type) or callable(value):
        raise TypeError(message(where, f"{name} to be a real number", described(value)))
    valid.check(where, name, value)
    value = value if isinstance(value, int | float | jax.Array) else np.asarray(value)
    if not jnp.issubdtype(jnp.result_type(value), jnp.integer):
        return value
    return float(value) if isinstance(value, int) else value.astype(float)


def _count(where: str, name: str, value: Any, minimum: int = 1) -> Any:
    """Return a valid count of steps: an integer, or an array that is one, which an int32 can hold."""
    expected = f"{name} to be an integer in [{minimum}, {2**31})"
    is_array = isinstance(value, jax.Array | np.generic | np.ndarray)
    dtype = value.dtype if is_array else np.dtype(bool if isinstance(value, bool) else type(value))
    if np.ndim(value) or not jnp.issubdtype(dtype, jnp.integer):
        raise TypeError(message(where, expected, brief(value)))
    if is_concrete(value) and not minimum <= value < 2**31:
        raise ValueError(message(where, expected, brief(value)))
    return value
