"""``Chain``: layers in sequence, forward and backward; the base of ``Sequential`` and ``Residual``."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp

from ..checks import check_init, check_key
from ..errors import DtypeError, ShapeError, message
from ..layer import Cache, Layer, Shape, check_contained_layers


class Chain(Layer, init=False):
    """The function f = layer_L ∘ … ∘ layer_0, whose parameters are the tuple of its layers' parameters.

    ``Sequential`` is f itself, ``Residual`` is x + f(x). An error inside a layer names the index of the layer.
    """

    layers: tuple[Layer, ...]

    def __init__(self, *layers: Layer) -> None:
        for position, layer in enumerate(layers):
            if not isinstance(layer, Layer):
                raise TypeError(message(type(self).__name__, f"a layer at position {position}", repr(layer)))
        if not layers:
            raise ValueError(message(type(self).__name__, "at least one layer", "none"))
        object.__setattr__(self, "layers", layers)
        check_contained_layers(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.layers))})"

    @property
    def needed_keywords(self) -> frozenset[str]:
        """The keywords on which the output of one of the layers depends."""
        return frozenset().union(*(layer.needed_keywords for layer in self.layers))

    @property
    def keeps_statistics(self) -> bool:
        """Whether one of the layers keeps running statistics."""
        return any(layer.keeps_statistics for layer in self.layers)

    def init(self, key: jax.Array, input_shape: Shape, *, dtype: Any = jnp.float32) -> tuple[tuple[Any, ...], Shape]:
        """Return the tuple of the layers' initial parameters, and the last layer's output shape."""
        shape, dtype = check_init(type(self).__name__, key, input_shape, dtype)
        params = []
        for index, layer in enumerate(self.layers):
            with _inside(index):
                layer_params, shape = layer.init(jax.random.fold_in(key, index), shape, dtype=dtype)
            params.append(layer_params)
        return tuple(params), shape

    def forward(
        self,
        params: tuple[Any, ...],
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        weights: jax.Array | None = None,
    ) -> tuple[jax.Array, Cache]:
        """Return the last layer's output, and the tuple of the layers' caches."""
        self.check_params(params)
        if key is not None:
            check_key(type(self).__name__, key)
        caches = []
        for index, (layer, layer_params) in enumerate(zip(self.layers, params, strict=True)):
            with _inside(index):
                x, cache = layer.call(layer_params, x, key=self.key_of(index, key), weights=weights)
            caches.append(cache)
        return x, tuple(caches)

    def key_of(self, index: int, key: jax.Array | None) -> jax.Array | None:
        """Return the random key of a layer in a forward pass with a key, None in evaluation."""
        return None if key is None else jax.random.fold_in(key, index)

    def backward(self, params: tuple[Any, ...], cache: Cache, dy: jax.Array) -> tuple[tuple[Any, ...], jax.Array]:
        """Return the tuple of the layers' gradients and ∂C/∂x, from the last layer to the first."""
        self.check_params(params)
        gradients = []
        for index, (layer, layer_params, layer_cache) in reversed(
            [*enumerate(zip(self.layers, params, cache, strict=True))]
        ):
            with _inside(index):
                gradient, dy = layer.backward(layer_params, layer_cache, dy)
            gradients.append(gradient)
        return tuple(reversed(gradients)), dy

    def learn(self, params: tuple[Any, ...], cache: Cache) -> tuple[Any, ...]:
        """Return the tuple of the layers' parameters with their new running statistics."""
        return tuple(layer.learn(*entries) for layer, *entries in zip(self.layers, params, cache, strict=True))

    def check_params(self, params: tuple[Any, ...]) -> None:
        """Raise ``ValueError`` unless ``params`` is a tuple with one entry per layer."""
        if not isinstance(params, tuple) or len(params) != len(self.layers):
            got = f"a tuple of {len(params)}" if type(params) is tuple else type(params).__name__
            if hasattr(params, "params"):
                got += ": pass its .params"
            raise ValueError(
                message(type(self).__name__, f"params to be a tuple of {len(self.layers)}, one entry per layer", got)
            )


@contextmanager
def _inside(index: int) -> Iterator[None]:
    """Add the index of a layer to the shape and dtype errors that it raises."""
    try:
        yield
    except (ShapeError, DtypeError) as error:
        error.path = (index, *error.path)
        raise
