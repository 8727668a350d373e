"""``Layer``: the contract of a layer, and of every network, since a network is a layer."""

import inspect
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from .configuration import Configuration
from .errors import message

Params = Any  # a pytree of arrays: a NamedTuple, () where a layer has none, or a tuple of these
Cache = Any  # the values that a layer's backward and learn need from its forward
Shape = tuple[int, ...]

# The keyword arguments that forward may declare besides params and x, each None by default.
KEYWORDS = frozenset({"key", "weights"})


class Layer(Configuration):
    """The contract of a layer: pure functions, of which ``backward`` is the hand-written gradient.

    To define a layer, subclass this and write ``init``, ``forward`` and ``backward``. Its settings are annotated,
    hashable fields. A complete layer, which multiplies by a learned number:

    >>> import funcnet as fn
    >>> class Gain(fn.Layer):
    ...     start: float = 1.0
    ...
    ...     def init(self, key, input_shape, *, dtype=jnp.float32):
    ...         return jnp.asarray(self.start, dtype), input_shape
    ...
    ...     def forward(self, params, x):
    ...         return params * x, x
    ...
    ...     def backward(self, params, cache, dy):
    ...         x = cache
    ...         return jnp.sum(dy * x), params * dy
    >>> network = fn.Sequential(fn.Dense(3), Gain(2.0))
    >>> params, output_shape = network.init(jax.random.key(0), (4,))
    >>> network.apply(params, jnp.ones((5, 4))).shape
    (5, 3)

    ``forward`` declares the keywords that it needs, and receives only these:

    - ``key=None``: a JAX random key in training, None in evaluation; ``Dropout`` draws its mask from it;
    - ``weights=None``: the samples' weights (batch,), or None if all are equal. A statistic over the batch must
      leave out samples of weight 0, which only pad the last batch of an epoch.

    A layer that contains other layers declares what they need and calls them by ``call``, as ``Sequential`` does.

    A layer may keep running statistics among its parameters. ``forward`` computes updated statistics and puts them
    into the cache, and ``learn(params, cache)`` returns the parameters with them. Training calls it after every
    update. Parameters that ``learn`` replaces have a zero gradient, and no optimizer or penalty changes them.

    Raises ``TypeError`` at the definition of a class whose ``forward`` has an unknown keyword.
    """

    described_as: ClassVar[str] = "a layer, such as fn.mlp([784, 10])"
    takes: ClassVar[frozenset[str]] = frozenset()  # the keywords that forward declares

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.takes = _declared_keywords(cls)

    @property
    def needs(self) -> frozenset[str]:
        """The keywords on which the output depends."""
        return self.takes

    @property
    def keeps_statistics(self) -> bool:
        """Whether the layer, or one that it contains, keeps running statistics."""
        return type(self).learn is not Layer.learn

    def init(self, key: jax.Array, input_shape: Shape, *, dtype: Any = jnp.float32) -> tuple[Params, Shape]:
        """Return the initial parameters with dtype ``dtype``, and the output's shape. Shapes exclude the batch axis."""
        raise NotImplementedError(f"{type(self).__name__} has no init")

    def forward(self, params: Params, x: jax.Array) -> tuple[jax.Array, Cache]:
        """Return the output for ``x`` (batch, ...), and the cache: what ``backward`` and ``learn`` need."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, params: Params, cache: Cache, dy: jax.Array) -> tuple[Params, jax.Array]:
        """Return ∂C/∂params, like ``params``, and ∂C/∂x, like ``x``, given ``dy`` = ∂C/∂y. Written by hand."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def learn(self, params: Params, cache: Cache) -> Params:
        """Return the parameters with the running statistics that the forward pass computed."""
        return params

    def call(
        self, params: Params, x: jax.Array, *, key: jax.Array | None = None, weights: jax.Array | None = None
    ) -> tuple[jax.Array, Cache]:
        """Return ``forward`` called with those of the keywords that it declares."""
        given = {"key": key, "weights": weights}
        return self.forward(params, x, **{name: given[name] for name in self.takes})

    def apply(
        self, params: Params, x: jax.Array, *, key: jax.Array | None = None, weights: jax.Array | None = None
    ) -> jax.Array:
        """Return the output for ``x`` (batch, ...): ``call`` without the cache."""
        return self.call(params, x, key=key, weights=weights)[0]


def _declared_keywords(cls: type[Layer]) -> frozenset[str]:
    """Return the keywords of a layer's forward; ``TypeError`` for one that funcnet does not pass."""
    _, _, _, *rest = inspect.signature(cls.forward).parameters.values()  # after self, params and x
    names = frozenset(parameter.name for parameter in rest)
    if unknown := sorted(names - KEYWORDS):
        expected = f"forward(self, params, x) with keywords among {', '.join(sorted(KEYWORDS))}"
        raise TypeError(message(cls.__name__, expected, ", ".join(unknown)))
    return names


def held_layers(layer: Layer) -> Iterator[Layer]:
    """Yield the layers among a layer's fields, also within tuples."""
    for field in fields(layer):
        value = getattr(layer, field.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Layer):
                yield part


def check_needs(layer: Layer) -> None:
    """Raise ``TypeError`` where a layer contains another whose keywords its own ``forward`` does not declare.

    >>> import funcnet as fn
    >>> class Twice(fn.Layer):
    ...     layer: fn.Layer
    ...
    ...     def forward(self, params, x):
    ...         return self.layer.forward(params, 2 * x)
    >>> check_needs(Twice(fn.Dropout(0.5)))
    Traceback (most recent call last):
    TypeError: Twice(Dropout(0.5)): expected forward to declare key=None, which Dropout(0.5) needs, got none
    """
    for held in held_layers(layer):
        check_needs(held)
        if hidden := sorted(held.needs - layer.takes):
            expected = f"forward to declare {', '.join(f'{name}=None' for name in hidden)}, which {held} needs"
            raise TypeError(message(layer, expected, ", ".join(sorted(layer.takes)) or "none"))
