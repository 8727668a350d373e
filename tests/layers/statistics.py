"""A layer with a running statistic, for tests: it subtracts the batch's mean in training, else the running mean."""

from typing import NamedTuple

import jax.numpy as jnp

import funcnet as fn


class CentringParams(NamedTuple):
    mean: jnp.ndarray  # (features,): a running statistic
    shift: jnp.ndarray  # (features,): trained


class Centring(fn.Layer):
    momentum: float = 0.9

    def init(self, key, input_shape, *, dtype=jnp.float32):
        zeros = jnp.zeros(input_shape, dtype)
        return CentringParams(zeros, jnp.zeros(input_shape, dtype)), input_shape

    def forward(self, params, x, *, key=None, weights=None):
        if key is None:
            return x - params.mean[None, :] + params.shift[None, :], None
        share = jnp.full(len(x), 1 / len(x), x.dtype) if weights is None else (weights / weights.sum()).astype(x.dtype)
        mean = share @ x
        new_mean = self.momentum * params.mean + (1 - self.momentum) * mean
        return x - mean[None, :] + params.shift[None, :], (share, new_mean)

    def backward(self, params, cache, dy):
        gradients = CentringParams(jnp.zeros_like(params.mean), jnp.sum(dy, axis=0))
        if cache is None:
            return gradients, dy
        share, _ = cache
        return gradients, dy - share[:, None] * jnp.sum(dy, axis=0)[None, :]

    def learn(self, params, cache):
        _, new_mean = cache
        return params._replace(mean=new_mean)
