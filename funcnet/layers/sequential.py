"""Layers one after another, and the multilayer perceptron as the common case."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp

from ..activations import Activation, linear, relu
from ..contract import Cache, Layer, Shape
from ..errors import DtypeError, ShapeError, check_count, check_dtype, check_key, message
from .dense import Dense


class Sequential(Layer):
    """A network of layers, each fed with the output of the one before; itself a layer, so networks nest.

    Its parameters are the tuple of its layers' parameters, and an error inside a layer names the layer's place in
    that tuple, from 0. The forward pass is a^l = layer_l(a^(l−1)), and backpropagation is the chain rule from the
    last layer to the first: Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors" (1986).

    >>> import funcnet as fn
    >>> network = fn.Sequential(fn.Dense(512), fn.relu, fn.Dense(10))
    >>> network
    Sequential(Dense(512), relu, Dense(10))
    >>> params, output_shape = network.init(jax.random.key(0), (784,))
    >>> network.apply(params, jnp.zeros((128, 784))).shape
    (128, 10)
    """

    layers: tuple[Layer, ...]

    def __init__(self, *layers: Layer) -> None:
        for position, layer in enumerate(layers):
            if not isinstance(layer, Layer):
                raise TypeError(message("Sequential", f"a layer at position {position}", repr(layer)))
        if not layers:
            raise ValueError(message("Sequential", "at least one layer", "none"))
        object.__setattr__(self, "layers", layers)

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.layers))})"

    def init(self, key: jax.Array, input_shape: Shape, *, dtype: Any = jnp.float32) -> tuple[tuple[Any, ...], Shape]:
        """Return the tuple of the layers' initial parameters, and the last layer's output shape."""
        check_key("Sequential", key)
        dtype = check_dtype("Sequential", dtype)
        params, shape = [], tuple(input_shape)
        for index, layer in enumerate(self.layers):
            with _inside(index):
                layer_params, shape = layer.init(jax.random.fold_in(key, index), shape, dtype=dtype)
            params.append(layer_params)
        return tuple(params), shape

    def forward(
        self, params: tuple[Any, ...], x: jax.Array, *, key: jax.Array | None = None
    ) -> tuple[jax.Array, Cache]:
        """Return the last layer's output, and the tuple of the layers' caches."""
        self._check_params(params)
        caches = []
        for index, (layer, layer_params) in enumerate(zip(self.layers, params, strict=True)):
            layer_key = None if key is None else jax.random.fold_in(key, index)
            with _inside(index):
                x, cache = layer.forward(layer_params, x, key=layer_key)
            caches.append(cache)
        return x, tuple(caches)

    def backward(self, params: tuple[Any, ...], cache: Cache, dy: jax.Array) -> tuple[tuple[Any, ...], jax.Array]:
        """Return the tuple of the layers' gradients and ∂C/∂x, from the last layer to the first."""
        self._check_params(params)
        gradients = []
        for layer, layer_params, layer_cache in zip(
            reversed(self.layers), reversed(params), reversed(cache), strict=True
        ):
            gradient, dy = layer.backward(layer_params, layer_cache, dy)
            gradients.append(gradient)
        return tuple(reversed(gradients)), dy

    def _check_params(self, params: tuple[Any, ...]) -> None:
        if not isinstance(params, tuple) or len(params) != len(self.layers):
            got = f"a tuple of {len(params)}" if isinstance(params, tuple) else type(params).__name__
            raise ValueError(
                message("Sequential", f"params to be a tuple of {len(self.layers)}, one entry a layer", got)
            )


@contextmanager
def _inside(index: int) -> Iterator[None]:
    """Add the position of a layer to the shape and dtype errors that it raises."""
    try:
        yield
    except (ShapeError, DtypeError) as error:
        error.path = (index, *error.path)
        raise


def mlp(sizes: Sequence[int], *, hidden: Activation = relu, output: Activation = linear) -> Sequential:
    """Return the multilayer perceptron of those sizes, the input's first, with an activation after each dense layer.

    A linear output needs no layer of its own. ``ValueError`` for fewer than two sizes or for one below 1.

    >>> import funcnet as fn
    >>> fn.mlp([784, 512, 10], hidden=fn.relu, output=fn.softmax)
    Sequential(Dense(512, inputs=784), relu, Dense(10), softmax)
    """
    if len(sizes) < 2:
        raise ValueError(message("mlp", "the sizes of the input and of at least one layer", list(sizes)))
    for size in sizes:
        check_count("mlp", "every size", size)
    for name, chosen in (("hidden", hidden), ("output", output)):
        if not isinstance(chosen, Layer):
            raise TypeError(message("mlp", f"{name} to be an activation, such as funcnet.relu", repr(chosen)))
    inputs, *units = sizes
    layers: list[Layer] = []
    for index, width in enumerate(units):
        layers.append(Dense(width, inputs=inputs) if index == 0 else Dense(width))
        layers.append(output if index == len(units) - 1 else hidden)
    return Sequential(*(layers[:-1] if output == linear else layers))
