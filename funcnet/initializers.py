"""Initial weights: each initializer is a value, called with a key, a shape (outputs, inputs) and a dtype.

``zeros``, ``normal``, ``truncated_normal`` and ``uniform`` fill any shape. Glorot's and He's scale the variance
by the weight's fan: 2/(inputs + outputs) for Glorot and Bengio (2010), 2/inputs for He et al. (2015).
"""

import math
from typing import Any

import jax
import jax.numpy as jnp

from .checks import check_number
from .configuration import Configuration
from .errors import ShapeError
from .layer import Shape

# The standard deviation of a standard normal cut off at ±2; dividing by it gives the variance that was asked for.
_TRUNCATED_STDDEV = 0.87962566103423978


class Initializer(Configuration):
    """The contract of an initializer: ``initializer(key, shape, dtype)`` is an array."""

    def __call__(self, key: jax.Array, shape: Shape, dtype: Any = jnp.float32) -> jax.Array:
        """Return initial values of that shape and dtype."""
        raise NotImplementedError(f"{type(self).__name__} has no __call__")


def _check_width(initializer: Initializer, name: str) -> None:
    """Raise unless the field of that name is a number of at least 0; keep it as a float, which is hashable."""
    value = getattr(initializer, name)
    check_number(type(initializer).name, name, value, lambda width: width >= 0, "at least 0")
    object.__setattr__(initializer, name, float(value))


class _Zeros(Initializer):
    name = "initializers.zeros"

    def __call__(self, key: jax.Array, shape: Shape, dtype: Any = jnp.float32) -> jax.Array:
        return jnp.zeros(shape, dtype)


class normal(Initializer):  # noqa: N801 - read as the call that builds it
    """Normal with mean 0 and standard deviation ``stddev``.

    >>> normal(0.01)(jax.random.key(0), (512, 784)).std().round(4)
    Array(0.01, dtype=float32)
    """

    name = "initializers.normal"
    stddev: float = 1.0

    def __post_init__(self) -> None:
        _check_width(self, "stddev")

    def __call__(self, key: jax.Array, shape: Shape, dtype: Any = jnp.float32) -> jax.Array:
        """Return stddev · N(0, 1)."""
        return jnp.asarray(self.stddev, dtype) * jax.random.normal(key, shape, dtype)


class truncated_normal(Initializer):  # noqa: N801
    """Normal cut off at two widths, scaled so that its standard deviation is ``stddev`` after the cut.

    >>> truncated_normal(0.01)(jax.random.key(0), (512, 784)).std().round(4)
    Array(0.01, dtype=float32)
    """

    name = "initializers.truncated_normal"
    stddev: float = 1.0

    def __post_init__(self) -> None:
        _check_width(self, "stddev")

    def __call__(self, key: jax.Array, shape: Shape, dtype: Any = jnp.float32) -> jax.Array:
        """Return stddev/0.8796 · N(0, 1) given that it lies within ±2."""
        width = jnp.asarray(self.stddev / _TRUNCATED_STDDEV, dtype)
        return width * jax.random.truncated_normal(key, -2, 2, shape, dtype)


class uniform(Initializer):  # noqa: N801
    """Uniform in [−limit, limit).

    >>> bool(abs(uniform(0.1)(jax.random.key(0), (512, 784))).max() <= 0.1)
    True
    """

    name = "initializers.uniform"
    limit: float = 0.05

    def __post_init__(self) -> None:
        _check_width(self, "limit")

    def __call__(self, key: jax.Array, shape: Shape, dtype: Any = jnp.float32) -> jax.Array:
        """Return U(−limit, limit)."""
        return jax.random.uniform(key, shape, dtype, -self.limit, self.limit)


def _fans(initializer: Initializer, shape: Shape) -> tuple[int, int]:
    """Return (outputs, inputs) of a weight's shape."""
    if len(shape) != 2 or 0 in shape:
        raise ShapeError(initializer, "a weight's shape (outputs, inputs) without a 0", shape)
    return shape[0], shape[1]


class _GlorotNormal(Initializer):
    name = "initializers.glorot_normal"

    def __call__(self, key: jax.Array, shape: Shape, dtype: Any = jnp.float32) -> jax.Array:
        outputs, inputs = _fans(self, shape)
        return normal(math.sqrt(2 / (inputs + outputs)))(key, shape, dtype)


class _GlorotUniform(Initializer):
    name = "initializers.glorot_uniform"

    def __call__(self, key: jax.Array, shape: Shape, dtype: Any = jnp.float32) -> jax.Array:
        outputs, inputs = _fans(self, shape)
        return uniform(math.sqrt(6 / (inputs + outputs)))(key, shape, dtype)


class _HeNormal(Initializer):
    name = "initializers.he_normal"

    def __call__(self, key: jax.Array, shape: Shape, dtype: Any = jnp.float32) -> jax.Array:
        _, inputs = _fans(self, shape)
        return normal(math.sqrt(2 / inputs))(key, shape, dtype)


class _HeUniform(Initializer):
    name = "initializers.he_uniform"

    def __call__(self, key: jax.Array, shape: Shape, dtype: Any = jnp.float32) -> jax.Array:
        _, inputs = _fans(self, shape)
        return uniform(math.sqrt(6 / inputs))(key, shape, dtype)


zeros = _Zeros()
glorot_normal = _GlorotNormal()
glorot_uniform = _GlorotUniform()
he_normal = _HeNormal()
he_uniform = _HeUniform()
