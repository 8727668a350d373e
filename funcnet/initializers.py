"""Initial weights: each initializer is a value, called with a key, a shape (outputs, inputs) and a dtype.

``zeros``, ``ones``, ``constant(value)``, ``normal(stddev)``, ``truncated_normal(stddev)`` and ``uniform(low, high)``
take any shape. ``glorot_normal``, ``glorot_uniform``, ``he_normal`` and ``he_uniform`` take the shape of a weight,
which sets their variance: 2/(inputs + outputs) for Glorot and Bengio (2010), 2/inputs for He et al. (2015).
``from_jax`` makes an initializer of one of ``jax.nn.initializers``.
"""

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp

from .checks import as_dtype, as_shape, brief, check_dtype, check_key, set_number
from .configuration import Configuration
from .errors import ShapeError, message
from .layer import Shape

__all__ = [
    "Initializer",
    "constant",
    "from_jax",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "normal",
    "ones",
    "truncated_normal",
    "uniform",
    "zeros",
]

# The standard deviation of the standard normal distribution truncated at ±2.
_TRUNCATED_STDDEV = 0.87962566103423978


class Initializer(Configuration):
    """The contract of an initializer: ``initializer(key, shape, dtype)`` returns an array.

    Those of funcnet raise ``ValueError`` for a number that ``dtype`` rounds to 0, or whose values would be infinite.

    To define an initializer, subclass this and write ``__call__``.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__call__" in vars(cls):
            cls.__call__ = _checked(cls.__call__)  # type: ignore[method-assign]

    def __call__(self, key: jax.Array, shape: Shape, dtype: Any = jnp.float32) -> jax.Array:
        """Return initial values of that shape and dtype."""
        raise NotImplementedError(f"{type(self).__name__} has no __call__")


def _checked(values: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Return an initializer's ``__call__`` that raises an error for a key, a shape or a dtype that is none."""

    @wraps(values)
    def checked(self: Initializer, key: jax.Array, shape: Shape, dtype: Any = jnp.float32) -> jax.Array:
        check_key(self, key)
        return values(self, key, as_shape(self, "shape", shape, minimum=0), check_dtype(self, dtype))

    return checked


class _Zeros(Initializer):
    name = "initializers.zeros"

    def __call__(self, key: jax.Array, shape: Shape, dtype: Any = jnp.float32) -> jax.Array:
        return jnp.zeros(shape, dtype)


class _Ones(Initializer):
    name = "initializers.ones"

    def __call__(self, key: jax.Array, shape: Shape, dtype: Any = jnp.float32) -> jax.Array:
        return jnp.ones(shape, dtype)


class constant(Initializer):  # noqa: N801 - read as the call that builds it
    """One number for every parameter. As the weights of a hidden layer it makes all units learn the same.

    >>> constant(0.1)(jax.random.key(0), (2, 3))
    Array([[0.1, 0.1, 0.1],
           [0.1, 0.1, 0.1]], dtype=float32)
    """

    name = "initializers.constant"
    value: float

    def __post_init__(self) -> None:
        set_number(self, "value", lambda value: True, "to be finite")

    def __call__(self, key: jax.Array, shape: Shape, dtype: Any = jnp.float32) -> jax.Array:
        """Return ``value`` everywhere."""
        as_dtype(self, "value", self.value, dtype)
        return jnp.full(shape, self.value, dtype)


class normal(Initializer):  # noqa: N801 - read as the call that builds it
    """The normal distribution with mean 0 and standard deviation ``stddev``.

    >>> normal(0.01)(jax.random.key(0), (512, 784)).std().round(4)
    Array(0.01, dtype=float32)
    """

    name = "initializers.normal"
    stddev: float = 1.0

    def __post_init__(self) -> None:
        set_number(self, "stddev", lambda stddev: stddev >= 0, "to be finite and at least 0")

    def __call__(self, key: jax.Array, shape: Shape, dtype: Any = jnp.float32) -> jax.Array:
        """Return stddev · N(0, 1)."""
        _check_largest(self, "stddev", self.stddev, 10, dtype)
        return jnp.asarray(self.stddev, dtype) * jax.random.normal(key, shape, dtype)


class truncated_normal(Initializer):  # noqa: N801
    """The normal distribution truncated at two standard deviations, scaled to a standard deviation of ``stddev``.

    >>> truncated_normal(0.01)(jax.random.key(0), (512, 784)).std().round(4)
    Array(0.01, dtype=float32)
    """

    name = "initializers.truncated_normal"
    stddev: float = 1.0

    def __post_init__(self) -> None:
        set_number(self, "stddev", lambda stddev: stddev >= 0, "to be finite and at least 0")

    def __call__(self, key: jax.Array, shape: Shape, dtype: Any = jnp.float32) -> jax.Array:
        """Return stddev/0.8796 · z, where z is N(0, 1) truncated at ±2."""
        _check_largest(self, "stddev", self.stddev, 10, dtype)
        width = jnp.asarray(self.stddev / _TRUNCATED_STDDEV, dtype)
        return width * jax.random.truncated_normal(key, -2, 2, shape, dtype)


class uniform(Initializer):  # noqa: N801
    """The uniform distribution on [low, high).

    >>> values = uniform(0.0, 0.1)(jax.random.key(0), (512, 784))
    >>> bool(values.min() >= 0), bool(values.max() <= 0.1), values.mean().round(3)
    (True, True, Array(0.05, dtype=float32))
    """

    name = "initializers.uniform"
    low: float
    high: float

    def __post_init__(self) -> None:
        set_number(self, "low", lambda low: True, "to be finite")
        set_number(self, "high", lambda high: high >= self.low, f"to be finite and at least low, {self.low}")

    def __call__(self, key: jax.Array, shape: Shape, dtype: Any = jnp.float32) -> jax.Array:
        """Return values of U(low, high)."""
        for name, number in (("low", self.low), ("high", self.high), ("high - low", self.high - self.low)):
            as_dtype(self, name, number, dtype)
        return jax.random.uniform(key, shape, dtype, self.low, self.high)


def _check_largest(initializer: Initializer, name: str, number: float, factor: int, dtype: Any) -> None:
    """Raise ``ValueError`` where a number is 0 in ``dtype``, or ``factor`` times the number is infinite."""
    as_dtype(initializer, name, number, dtype)
    as_dtype(initializer, f"{factor} * {name}", factor * number, dtype)


class _Scaled(Initializer):
    """A distribution whose variance the shape of a weight sets: 2/(inputs + outputs) for Glorot, 2/inputs for He."""

    rule: str  # "glorot" or "he"
    distribution: str  # "normal" or "uniform"

    def __repr__(self) -> str:
        return f"initializers.{self.rule}_{self.distribution}"

    def __call__(self, key: jax.Array, shape: Shape, dtype: Any = jnp.float32) -> jax.Array:
        if len(shape) != 2 or 0 in shape:
            raise ShapeError(self, "shape (outputs, inputs) of a weight, both at least 1", shape)
        outputs, inputs = shape
        fans = inputs + outputs if self.rule == "glorot" else inputs
        if self.distribution == "normal":
            return jnp.asarray(math.sqrt(2 / fans), dtype) * jax.random.normal(key, shape, dtype)
        limit = math.sqrt(6 / fans)  # U(−a, a) has the variance a²/3
        return jax.random.uniform(key, shape, dtype, -limit, limit)


class _FromJAX(Initializer):
    factory: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: tuple[tuple[str, Any], ...]

    def __post_init__(self) -> None:
        try:
            hash(self)
            is_initializer = callable(self._initializer())
        except TypeError as error:
            expected = "a factory of jax.nn.initializers and its hashable arguments"
            raise TypeError(message("from_jax", expected, f"{self}: {error}")) from None
        if not is_initializer:
            raise TypeError(message("from_jax", "a factory that returns an initializer", self))

    def __repr__(self) -> str:
        module = getattr(self.factory, "__module__", "").replace("jax._src.", "jax.")
        factory = f"{module}.{getattr(self.factory, '__qualname__', self.factory)}"
        keywords = (f"{name}={value!r}" for name, value in self.kwargs)
        return f"initializers.from_jax({', '.join([factory, *map(repr, self.args), *keywords])})"

    def _initializer(self) -> Any:
        return self.factory(*self.args, **dict(self.kwargs))

    def __call__(self, key: jax.Array, shape: Shape, dtype: Any = jnp.float32) -> jax.Array:
        return self._initializer()(key, tuple(shape)[::-1], dtype).T


def from_jax(factory: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Initializer:
    """Return one of JAX's initializers, ``factory(*args, **kwargs)``, as an initializer of funcnet.

    JAX's weights are (inputs, outputs) and funcnet's (outputs, inputs): the initializer of JAX is called with the
    reversed shape, so that it sees the right fans, and its result is transposed. The factory and its arguments, which
    must be hashable, make the value: two calls with equal ones are equal, and print as the call. Raises ``TypeError``
    where they do not make an initializer.

    >>> initializer = from_jax(jax.nn.initializers.variance_scaling, 2.0, "fan_in", "truncated_normal")
    >>> initializer
    initializers.from_jax(jax.nn.initializers.variance_scaling, 2.0, 'fan_in', 'truncated_normal')
    >>> initializer(jax.random.key(0), (300, 500)).std().round(3)  # √(2/500)
    Array(0.063, dtype=float32)
    """
    if not callable(factory):
        raise TypeError(message("from_jax", "factory to be a function of jax.nn.initializers", brief(factory)))
    return _FromJAX(factory, args, tuple(sorted(kwargs.items())))


zeros = _Zeros()
ones = _Ones()
glorot_normal = _Scaled("glorot", "normal")
glorot_uniform = _Scaled("glorot", "uniform")
he_normal = _Scaled("he", "normal")
he_uniform = _Scaled("he", "uniform")
