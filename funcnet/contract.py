"""What every part of a network is: a value (``Configuration``), and what every layer does (``Layer``)."""

from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, dataclass_transform

import jax
import jax.numpy as jnp

Params = Any  # a pytree of arrays: a NamedTuple, () where there are none, or a tuple of these
Cache = Any  # whatever a layer's backward needs of its forward
Shape = tuple[int, ...]


@dataclass_transform(frozen_default=True)
class Configuration:
    """A value: immutable, hashable, equal when built alike, printed as the call that builds it.

    A subclass lists its fields as a dataclass does. So a network that is built anew compiles nothing anew.

    >>> class Scale(Configuration):
    ...     factor: float
    ...     axis: int = -1
    >>> Scale(2.0) == Scale(2.0), Scale(2.0), Scale(2.0, axis=0)
    (True, Scale(2.0), Scale(2.0, axis=0))
    """

    name: ClassVar[str]  # what a value without parameters prints as: the public name that holds it

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        dataclass(frozen=True, repr=False)(cls)

    def __repr__(self) -> str:
        callee = getattr(self, "name", type(self).__name__)
        required = [f for f in fields(self) if f.default is MISSING]  # type: ignore[arg-type]
        optional = [f for f in fields(self) if f.default is not MISSING]  # type: ignore[arg-type]
        arguments = [repr(getattr(self, f.name)) for f in required] + [
            f"{f.name}={getattr(self, f.name)!r}" for f in optional if getattr(self, f.name) != f.default
        ]
        is_constant = hasattr(self, "name") and not required and not optional
        return callee if is_constant else f"{callee}({', '.join(arguments)})"


class Layer(Configuration):
    """The contract of a layer: three pure functions, of which the third is the hand-written gradient.

    A layer of one's own subclasses this and writes ``init``, ``forward`` and ``backward``. Everything that
    networks and training do with layers goes through these and ``apply``. The example is the whole of a layer
    that multiplies by a learned number:

    >>> import funcnet as fn
    >>> class Gain(fn.Layer):
    ...     start: float = 1.0
    ...
    ...     def init(self, key, input_shape, *, dtype=jnp.float32):
    ...         return jnp.asarray(self.start, dtype), input_shape
    ...
    ...     def forward(self, params, x, *, key=None):
    ...         return params * x, x
    ...
    ...     def backward(self, params, cache, dy):
    ...         x = cache
    ...         return jnp.sum(dy * x), params * dy
    >>> network = fn.Sequential(fn.Dense(3), Gain(2.0))
    >>> params, output_shape = network.init(jax.random.key(0), (4,))
    >>> network.apply(params, jnp.ones((5, 4))).shape
    (5, 3)
    """

    def init(self, key: jax.Array, input_shape: Shape, *, dtype: Any = jnp.float32) -> tuple[Params, Shape]:
        """Return the initial parameters, of ``dtype``, and the output's shape; shapes without the batch axis."""
        raise NotImplementedError(f"{type(self).__name__} has no init")

    def forward(self, params: Params, x: jax.Array, *, key: jax.Array | None = None) -> tuple[jax.Array, Cache]:
        """Return the output for ``x`` (batch, ...) and what ``backward`` needs; ``key`` None means evaluation."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, params: Params, cache: Cache, dy: jax.Array) -> tuple[Params, jax.Array]:
        """Return ∂C/∂params, like ``params``, and ∂C/∂x, like ``x``, given ``dy`` = ∂C/∂y. By hand."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def apply(self, params: Params, x: jax.Array, *, key: jax.Array | None = None) -> jax.Array:
        """Return the output for ``x`` (batch, ...): ``forward`` without the cache."""
        return self.forward(params, x, key=key)[0]
