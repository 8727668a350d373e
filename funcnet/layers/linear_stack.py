"""A stack of linear layers equals one linear layer."""

import jax
import jax.numpy as jnp
from jax import lax

from ..activations import linear
from ..checks import accumulator_dtype, check_part
from ..errors import message
from ..layer import Layer, Params
from .dense import Dense, DenseParams
from .flatten import Flatten
from .sequential import Sequential, flattened


def collapse(network: Layer, params: Params) -> tuple[Sequential, tuple[Params, ...]]:
    """Return one dense layer that equals a stack of linear ones, as a network, and its parameters.

    From z^l = w^l z^(l−1) + b^l for every l follows z^L = w x + b with w = w^L ⋯ w^1 and
    b = w^L(⋯ w^2 b^1 ⋯) + b^L. The network may hold ``Dense``, ``linear``, ``Flatten`` and ``Sequential`` of these;
    where it starts with ``Flatten``, so does the result. Products are computed in float32 at least, and the dtype is
    kept. Raises ``ValueError`` that names the first layer of another kind, and for a network without ``Dense``.
    Goodfellow, Bengio, Courville, *Deep Learning* (2016),
    section 6.1.

    >>> import funcnet as fn
    >>> network = fn.mlp([3, 5, 4, 2], hidden=fn.linear)
    >>> params, _ = network.init(jax.random.key(0), (3,))
    >>> one, one_params = fn.collapse(network, params)
    >>> one
    Sequential(Dense(2, inputs=3))
    >>> x = jnp.ones((1, 3))
    >>> bool(jnp.allclose(one.apply(one_params, x), network.apply(params, x), atol=1e-5))
    True
    """
    check_part("collapse", "network", network, Layer)
    stack: list[DenseParams] = []
    front: tuple[Layer, ...] = ()
    for path, layer, layer_params in flattened(network, params):
        if isinstance(layer, Dense):
            inputs = len(stack[-1].bias) if stack else layer.inputs
            stack.append(layer.checked_params(layer_params, inputs))
        elif isinstance(layer, Flatten):
            front = front if stack else (layer,)  # after a dense layer it changes nothing
        elif layer != linear:
            place = f" (layer {'.'.join(map(str, path))})" if path else ""
            expected = "only Dense, linear, Flatten and Sequential layers"
            raise ValueError(message("collapse", expected, f"{layer}{place}"))
    if not stack:
        raise ValueError(message("collapse", "at least one Dense layer", network))
    weight, bias = stack[0]
    dtype, wide = weight.dtype, accumulator_dtype(weight.dtype)
    weight, bias = weight.astype(wide), bias.astype(wide)
    for w, b in stack[1:]:
        weight = _product(w.astype(wide), weight)
        bias = _product(w.astype(wide), bias) + b.astype(wide)
    units, inputs = weight.shape
    one = Sequential(*front, Dense(units, inputs=inputs))
    return one, (*(() for _ in front), DenseParams(weight.astype(dtype), bias.astype(dtype)))


def _product(left: jax.Array, right: jax.Array) -> jax.Array:
    """Return the matrix product in full precision, which is not the default on accelerators."""
    return jnp.matmul(left, right, precision=lax.Precision.HIGHEST)
