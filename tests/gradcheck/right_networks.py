"""Networks whose gradients are right, each with parameters and data, at points where a check may be mistaken."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import funcnet as fn
from tests import registry
from tests.rulecheck.right_functions import attention, rnn, transformer_block

HIDDEN = [*{type(each): each for each in registry.ACTIVATIONS}.values(), fn.PReLU(0.3), fn.ELU(0.7)]


class ByJax(fn.Layer):
    """A layer of y = f(params, x) with the backward pass that JAX makes of it."""

    function: Callable

    def forward(self, params, x):
        return jax.vjp(self.function, params, x)

    def backward(self, params, cache, dy):
        return cache(dy)


def _softmax_attention(params, x):
    heads = [(x @ params[name]).reshape(len(x), 3, 1, 2) for name in ("q", "k", "v")]
    return jax.nn.dot_product_attention(*heads).reshape(len(x), 6)


def _convolution(kernel, x):
    return jax.lax.conv_general_dilated(x.reshape(len(x), 1, 3, 3), kernel, (1, 1), "SAME").reshape(len(x), -1)


def of_jax(random):
    """Yield (name, layer, parameters, inputs) of layers that other people write."""
    weights = {name: random.normal(size=(9, 6)) / 3 for name in "qkv"}
    yield "dot_product_attention", ByJax(_softmax_attention), weights, 9
    blocks = {name: random.normal(size=(3, 3)) / 2 for name in "qkvo"}
    blocks |= {"up": random.normal(size=(3, 4)) / 2, "down": random.normal(size=(4, 3)) / 2}
    block = jax.vmap(transformer_block, in_axes=(None, 0))
    yield "transformer", ByJax(lambda w, x: block(w, x.reshape(len(x), 3, 3)).reshape(len(x), 9)), blocks, 9
    heads = jax.vmap(lambda rows: attention(rows, rows, rows))
    yield "attention", ByJax(lambda _, x: heads(x.reshape(len(x), 3, 3)).reshape(len(x), 9)), (), 9
    cells = random.normal(size=(3, 3)) / 2, random.normal(size=(3, 1)) / 2
    steps = jax.vmap(rnn, in_axes=(None, None, 0))
    yield "rnn of 200 steps", ByJax(lambda w, x: steps(*w, jnp.tile(x, 20)[:, :, None])), cells, 10
    yield "convolution", ByJax(_convolution), random.normal(size=(2, 1, 3, 3)), 9
    places = lambda x: jnp.abs(jnp.round(3 * x)).astype(int) % 4  # noqa: E731
    yield "embedding", ByJax(lambda table, x: table[places(x)].sum(1)), random.normal(size=(4, 2)), 9
    yield "lgamma", ByJax(lambda _, x: jax.lax.lgamma(1 + x * x)), (), 9


def data(network, case, random, inputs=4, rows=5):
    """Return parameters, x and y in float64 for a network that ends with the outputs of a loss."""
    shapes = jax.eval_shape(lambda key: network.init(key, (inputs,))[0], jax.random.key(0))
    params = jax.tree.map(lambda leaf: random.normal(size=leaf.shape) / np.sqrt(max(leaf.shape, default=1)), shapes)
    y = np.asarray(case.target(jax.random.key(3), (rows, 3), jnp.float32))
    return params, random.normal(size=(rows, inputs)), np.float64(y)


def moved(kind, params, x, y):
    """Return parameters, data and settings at a special point."""
    x, keywords = x.copy(), {}
    if kind == "row of zeros":
        x[1] = 0
        params = jax.tree.map(lambda leaf: 0 * leaf if leaf.ndim == 1 else leaf, params)
    elif kind == "equal rows":
        x[1] = x[0]
    elif kind == "one row":
        x, y = x[:1], y[:1]
    elif kind == "weights":
        keywords = {"weights": np.array([0.0, 1.0, 2.0, 0.5, 1.0])}
    elif kind == "penalty":
        keywords = {"penalty": fn.l1(0.01) + fn.l2(0.1)}
    elif kind == "float32":
        params, x = jax.tree.map(np.float32, (params, x))
    elif kind == "bfloat16":
        keywords = {"dtype": "bfloat16"}
    elif kind == "large":
        x = 30 * x
    elif kind == "small":
        x = 1e-6 * x
    elif kind == "whole numbers":
        params, x = jax.tree.map(np.round, (params, x))
    return (params, x, y), keywords


KINDS = [
    "random", "row of zeros", "equal rows", "one row", "weights", "penalty", "float32", "bfloat16", "large", "small",
    "whole numbers",
]  # fmt: skip


def networks():
    """Yield (name, network, loss, (params, x, y), keywords)."""
    random: Any = np.random.default_rng(11)
    for case in registry.LOSSES:
        for hidden in HIDDEN:
            network = fn.Sequential(fn.Dense(5), hidden, fn.Dense(3), case.output)
            given = data(network, case, random)
            for kind in KINDS[:1] if hidden is not HIDDEN[0] else KINDS:
                where, keywords = moved(kind, *given)
                yield f"{case} {hidden} {kind}", network, case.loss, where, keywords
    for hidden in HIDDEN:
        network = fn.Sequential(fn.Dense(4), hidden, fn.Dense(4), hidden, fn.Dense(3))
        given = data(network, registry.LOSSES[0], random)
        for kind in KINDS[1:]:
            where, keywords = moved(kind, *given)
            yield f"deep {hidden} {kind}", network, fn.quadratic, where, keywords
    key = jax.random.key(5)
    residual, frozen = fn.Residual(fn.Dense(5), fn.relu), fn.Frozen(fn.Dense(5))
    for layer in (fn.Dropout(0.4), fn.LayerNorm(), residual, frozen, fn.Rescaling(0.3)):
        network = fn.Sequential(fn.Dense(5), layer, fn.tanh, fn.Dense(3))
        given = data(network, registry.LOSSES[0], random)
        for kind in KINDS:
            where, keywords = moved(kind, *given)
            keywords |= {"key": key} if "key" in network.needed_keywords else {}
            yield f"{layer} {kind}", network, fn.quadratic, where, keywords
    for name, layer, params, inputs in of_jax(random):
        x = random.normal(size=(4, inputs))
        y = random.normal(size=jax.eval_shape(lambda p, x, layer=layer: layer.forward(p, x)[0], params, x).shape)
        yield name, layer, fn.quadratic, (params, x, y), {}


def check(place):
    """Return the name of a network, the verdict's name and the report's first lines."""
    name, network, loss, (params, x, y), keywords = list(networks())[place]
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        report = fn.check_gradients(network, loss, params, x, y, **keywords)
    return name, report.verdict.name, "\n".join(str(report).splitlines()[:4])
