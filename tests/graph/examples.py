"""The worked functions, and gradients of a graph beside those of JAX."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.ad_checkpoint import checkpoint_name

from funcnet import graph
from tests.agreement import worst_error

NEURON = {"w": 2.0, "x": -2.0, "b": 8.0, "y": 2.0}
LAYERS = {"x": 3.0, "w1": -1.5, "b1": 2.0, "w2": 4.0, "b2": -0.5}


def neuron_cost(w, x, b, y):
    d = checkpoint_name(w * x + b - y, "d")
    return checkpoint_name(0.5 * d**2, "J")


def two_layers(x, w1, b1, w2, b2):
    y1 = checkpoint_name(x * w1 + b1, "y1")
    return checkpoint_name(y1 * w2 + b2, "y2")


def chain(params, x):
    for w, b in params:
        x = jnp.tanh(x * w + b)
    return x


def both_modes_error(function, *arguments):
    """Return how far a graph's value, its reverse and its forward mode are from JAX's own, by leaf, the worst."""
    traced = graph.trace(function, *arguments)
    values = traced.forward(*arguments)
    derivatives = traced.backward(values)
    value, expected = jax.value_and_grad(function, argnums=tuple(range(len(arguments))), allow_int=True)(*arguments)
    pairs = zip(jax.tree.leaves(traced.gradients(derivatives), is_leaf=lambda leaf: leaf is None),
                jax.tree.leaves(expected), traced.inputs, strict=True)  # fmt: skip
    floating = [(ours, theirs, name) for ours, theirs, name in pairs if ours is not None]
    assert all(ours.dtype == theirs.dtype for ours, theirs, _ in floating)
    assert len(floating) == sum(traced.variables[name].may_vary for name in traced.inputs)
    changes = {
        name: direction(at, theirs.shape).astype(theirs.dtype) for at, (_, theirs, name) in enumerate(floating)
    }
    (output,) = traced.outputs
    moved = traced.tangents(values, changes).get(output, jnp.zeros(()))
    expected_move = sum(np.vdot(changes[name], theirs) for _, theirs, name in floating)
    scale = sum(np.abs(changes[name]).ravel() @ np.abs(theirs).ravel() for _, theirs, name in floating) or 1.0
    return max(
        worst_error([traced.output(values)], [value]),
        worst_error([ours for ours, *_ in floating], [theirs for _, theirs, _ in floating]),
        abs(float(moved) - expected_move) / scale,
    )


def direction(seed, shape):
    return np.random.default_rng(seed).standard_normal(shape)
