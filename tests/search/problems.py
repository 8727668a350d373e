"""The cost functions, trees and starts that the tests of searches share."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

import funcnet as fn
from tests import registry

METHODS = registry.SEARCHES


class Tree(NamedTuple):
    """Parameters of several shapes, one of them a scalar, in a tree."""

    weight: jax.Array
    others: dict


def start(key, dtype=jnp.float32):
    first, second = jax.random.split(key)
    weight = jax.random.normal(first, (2, 3), dtype)
    return Tree(weight, {"a": jax.random.normal(second, (), dtype), "b": (jnp.ones(2, dtype), ())})


def cost(params):
    """Return Σ (θ − 1)² over all elements, in at least float32."""
    wide = jnp.float64 if params.weight.dtype == jnp.float64 else jnp.float32
    return sum(jnp.sum((leaf.astype(wide) - 1) ** 2) for leaf in jax.tree.leaves(params))


def valleys(x):
    """A cost with its global minimum near -1 and a local minimum near 1."""
    return (x**2 - 1) ** 2 + 0.3 * x


def near_one(key):
    return jax.random.uniform(key, minval=0.5, maxval=1.5)


def run(method, function=valleys, at=near_one, **changes):
    settings = {"key": jax.random.key(0), "steps": 20}
    return fn.search.run(method, function, at, **{**settings, **changes})
