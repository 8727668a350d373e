"""A run of ``fit`` on a few samples, of which a test changes what it is about."""

import jax
import numpy as np

import funcnet as fn

NETWORK = fn.mlp([3, 5, 2], hidden=fn.tanh)
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(23, 3)).astype(np.float32)
Y = np.eye(2, dtype=np.float32)[(X[:, 0] > 0).astype(int)]
HELD_OUT = (X[:7] + 0.1, Y[:7])


def fit(**changes):
    settings = {
        "network": NETWORK,
        "loss": fn.softmax_cross_entropy,
        "optimizer": fn.adam(0.01),
        "data": (X, Y),
        "key": jax.random.key(0),
        "epochs": 6,
        "batch_size": 5,
        "validation": HELD_OUT,
        "metrics": [fn.accuracy],
        "progress": False,
    }
    return fn.fit(**{**settings, **changes})
