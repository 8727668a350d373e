"""A layer whose parameters training does not change."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from ..checks import check_like, check_part
from ..layer import Cache, Layer, Params, Shape, check_contained_layers
from .sequential import flattened


class Frozen(Layer):
    """A layer, or a network, whose parameters stay as they are: y = f(θ, x) with ∂C/∂θ = 0.

    Training does not change its parameters, and no penalty or weight decay acts on them; their gradient is 0 in the
    hand-written and in the automatic route, so that they add nothing to the gradients' norm. ∂C/∂x is that of the
    layer, and layers before it learn. It computes as in evaluation: ``Dropout`` drops nothing, and running statistics
    are used and not updated. Its parameters are those of the layer. It is used for layers that were learned elsewhere:
    Yosinski, Clune, Bengio, Lipson, "How transferable are features in deep neural networks?" (2014), section 2.

    >>> import funcnet as fn
    >>> learned = fn.DenseParams(weight=jnp.ones((2, 3)), bias=jnp.zeros(2))
    >>> network = fn.Sequential(fn.Frozen(fn.Dense(2)), fn.relu, fn.Dense(1))
    >>> new, _ = network.init(jax.random.key(0), (3,))
    >>> x, y = jnp.ones((4, 3)), jnp.ones((4, 1))
    >>> result = fn.fit(network, fn.quadratic, fn.adamw(0.1), (x, y), key=jax.random.key(0), epochs=5,
    ...                 params=(learned, *new[1:]), progress=False)
    >>> result.params[0].weight
    Array([[1., 1., 1.],
           [1., 1., 1.]], dtype=float32)

    Raises ``TypeError`` for what is not a layer.
    """

    layer: Layer

    def __post_init__(self) -> None:
        check_part("Frozen", "layer", self.layer, Layer)
        check_contained_layers(self.layer)

    @property
    def needed_keywords(self) -> frozenset[str]:
        """The keywords on which the output depends: none of a key, which means training."""
        return self.layer.needed_keywords - {"key"}

    def init(self, key: jax.Array, input_shape: Shape, *, dtype: Any = jnp.float32) -> tuple[Params, Shape]:
        """Return the layer's initial parameters, to be replaced by learned ones, and its output's shape."""
        return self.layer.init(key, input_shape, dtype=dtype)

    def forward(
        self, params: Params, x: jax.Array, *, key: jax.Array | None = None, weights: jax.Array | None = None
    ) -> tuple[jax.Array, Cache]:
        """Return the layer's output in evaluation, and the cache: the parameters as constants, and the layer's."""
        constants = jax.tree.map(lambda p: jax.lax.stop_gradient(p) if isinstance(p, jax.Array) else p, params)
        y, cache = self.layer.call(constants, x, weights=weights)
        return y, (constants, cache)

    def backward(self, params: Params, cache: Cache, dy: jax.Array) -> tuple[Params, jax.Array]:
        """Return ∂C/∂θ = 0, and the layer's ∂C/∂x."""
        constants, layer_cache = cache
        check_like(self, "params", params, constants)
        _, dx = self.layer.backward(constants, layer_cache, dy)
        return jax.tree.map(jnp.zeros_like, params), dx

    def learn(self, params: Params, cache: Cache) -> Params:
        """Return the parameters of the forward pass, whatever the update made of them."""
        constants, _ = cache
        return constants


def opened(network: Layer, *trees: Any) -> Iterator[tuple[Any, ...]]:
    """Yield (layer, *entries) for each layer as ``flattened`` does, those of frozen networks too.

    >>> import funcnet as fn
    >>> list(opened(fn.Sequential(Frozen(fn.mlp([2, 3], output=fn.tanh)), fn.Dense(1)), (("a", "b"), "c")))
    [(Dense(3, inputs=2), 'a'), (tanh, 'b'), (Dense(1), 'c')]
    """
    for _, layer, *entries in flattened(network, *trees):
        if isinstance(layer, Frozen):
            yield from opened(layer.layer, *entries)
        else:
            yield layer, *entries
