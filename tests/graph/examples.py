"""Worked example functions, and the comparison of a graph's derivatives with those of JAX."""

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
    """Return the largest difference, over all leaves, of a graph's value and derivatives in both modes from JAX's."""
    traced = graph.trace(function, *arguments)
    changing = [name for name in traced.inputs if traced.variables[name].may_vary]
    changes = {
        name: np.asarray(direction(at, traced.variables[name].shape), traced.variables[name].dtype)
        for at, name in enumerate(changing)
    }

    @jax.jit
    def both(*arguments):
        values = traced.forward(*arguments)
        (output,) = traced.outputs
        moved = traced.tangents(values, changes).get(output)
        gradients = traced.gradients(traced.backward(values))
        everything = tuple(range(len(arguments)))
        automatic = jax.value_and_grad(function, argnums=everything, allow_int=True)(*arguments)
        return (traced.output(values), gradients), moved, automatic

    (value, gradients), moved, (expected_value, expected) = both(*arguments)
    by_name = dict(zip(traced.inputs, jax.tree.leaves(expected), strict=True))
    found = dict(zip(traced.inputs, jax.tree.leaves(gradients, is_leaf=lambda leaf: leaf is None), strict=True))
    assert [name for name in found if found[name] is not None] == changing
    assert all(found[name].dtype == by_name[name].dtype for name in changing)
    share = {name: np.asarray(changes[name] * by_name[name]) for name in changing}
    moves = sum(float(each.sum()) for each in share.values())
    scale = sum(float(np.abs(each).sum()) for each in share.values()) or 1.0
    return max(
        worst_error([value], [expected_value]),
        worst_error([found[name] for name in changing], [by_name[name] for name in changing]),
        abs((0.0 if moved is None else float(moved)) - moves) / scale,
    )


def direction(seed, shape):
    return np.random.default_rng(seed).standard_normal(shape)
