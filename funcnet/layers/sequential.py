"""Layers in sequence, and the multilayer perceptron as the common case."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..activations import Activation, linear, relu
from ..checks import brief, check_count
from ..errors import message
from ..layer import Layer
from .chain import Chain
from .dense import Dense


class Sequential(Chain, init=False):
    """A network of layers in sequence; it is itself a layer, so networks nest.

    Its parameters are the tuple of its layers' parameters, and an error inside a layer names the index of the layer,
    from 0. The forward pass is a^l = layer_l(a^(l−1)); backpropagation is the chain rule from the last layer to the
    first. Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors" (1986).

    >>> import jax, jax.numpy as jnp
    >>> import funcnet as fn
    >>> network = fn.Sequential(fn.Dense(512), fn.relu, fn.Dense(10))
    >>> network
    Sequential(Dense(512), relu, Dense(10))
    >>> params, output_shape = network.init(jax.random.key(0), (784,))
    >>> network.apply(params, jnp.zeros((128, 784))).shape
    (128, 10)
    """


def flattened(network: Layer, *trees: Any, path: tuple[int, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield (path, layer, *entries) for each layer of nested ``Sequential`` networks, in the order of the forward pass.

    ``trees``, such as parameters, caches or gradients, have the structure of the network. A network that is not a
    ``Sequential`` counts as one layer.

    >>> network = Sequential(Sequential(Dense(4), relu), Dense(2))
    >>> for path, layer, name in flattened(network, (("a", "b"), "c")):
    ...     print(path, layer, name)
    (0, 0) Dense(4) a
    (0, 1) relu b
    (1,) Dense(2) c
    """
    if not isinstance(network, Sequential):
        yield path, network, *trees
        return
    for tree in trees:
        network.check_params(tree)
    for index, (layer, *entries) in enumerate(zip(network.layers, *trees, strict=True)):
        yield from flattened(layer, *entries, path=(*path, index))


def mlp(sizes: Sequence[int], *, hidden: Activation = relu, output: Activation = linear) -> Sequential:
    """Return the multilayer perceptron of those sizes, the input's first, with an activation after each dense layer.

    No layer is added for a linear output. Raises ``ValueError`` for fewer than two sizes or a size below 1, and
    ``TypeError`` where ``sizes`` is no list of integers, or ``hidden`` or ``output`` is not an activation.

    >>> import funcnet as fn
    >>> fn.mlp([784, 512, 10], hidden=fn.relu, output=fn.softmax)
    Sequential(Dense(512, inputs=784), relu, Dense(10), softmax)
    """
    if not isinstance(sizes, Sequence | np.ndarray) or isinstance(sizes, str):
        raise TypeError(message("mlp", "sizes to be a list, such as [784, 10]", brief(sizes)))
    if len(sizes) < 2:
        raise ValueError(message("mlp", "sizes of the input and of at least one layer", brief(list(sizes))))
    for size in sizes:
        check_count("mlp", "every size", size)
    for name, chosen in (("hidden", hidden), ("output", output)):
        if not isinstance(chosen, Activation):
            raise TypeError(message("mlp", f"{name} to be an activation, such as fn.relu", brief(chosen)))
    inputs, *units = sizes
    layers: list[Layer] = []
    for index, width in enumerate(units):
        layers.append(Dense(width, inputs=inputs) if index == 0 else Dense(width))
        layers.append(output if index == len(units) - 1 else hidden)
    return Sequential(*(layers[:-1] if output == linear else layers))
