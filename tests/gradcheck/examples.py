"""Layers and losses of a user's own, right and wrong, and a small problem to check them in."""

import jax
import jax.numpy as jnp
import numpy as np

import funcnet as fn


def problem(network, inputs=4, outputs=3, batch=5, seed=0):
    """Return random float64 parameters of a network, inputs and targets, nothing at a special value."""
    random = np.random.default_rng(seed)
    shapes = jax.eval_shape(lambda key: network.init(key, (inputs,))[0], jax.random.key(0))
    params = jax.tree.map(lambda leaf: random.normal(size=leaf.shape), shapes)
    return params, random.normal(size=(batch, inputs)), random.normal(size=(batch, outputs))


class Swish(fn.Layer):
    """A right layer with a parameter: y = x σ(βx)."""

    def init(self, key, input_shape, *, dtype=jnp.float32):
        return {"beta": jnp.ones((), dtype)}, input_shape

    def forward(self, params, x, *, key=None):
        return x * jax.nn.sigmoid(params["beta"] * x), x

    def backward(self, params, cache, dy):
        x, beta = cache, params["beta"]
        s = jax.nn.sigmoid(beta * x)
        slope = s * (1 - s)
        return {"beta": jnp.sum(dy * x * x * slope)}, dy * (s + beta * x * slope)


class Unparametrized(fn.Layer):
    """A layer without parameters, y = sin³(x) in the sense of sin(sin(sin(x))), in a loop that subclasses write."""

    def init(self, key, input_shape, *, dtype=jnp.float32):
        return (), input_shape

    def backward(self, params, cache, dy):
        x = cache
        a = jnp.sin(x)
        return (), dy * jnp.cos(x) * jnp.cos(a) * jnp.cos(jnp.sin(a))


class Scanned(Unparametrized):
    def forward(self, params, x, *, key=None):
        return jax.lax.scan(lambda x, _: (jnp.sin(x), None), x, length=3)[0], x


class Looped(Unparametrized):
    def forward(self, params, x, *, key=None):
        return jax.lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, jnp.sin(c[1])), (0, x))[1], x


class Gamma(Unparametrized):
    """1 − e^(−x²) as an incomplete gamma function, which complex steps have no rule for."""

    def forward(self, params, x, *, key=None):
        return jax.lax.igamma(jnp.ones_like(x), x * x), x

    def backward(self, params, cache, dy):
        return (), dy * 2 * cache * jnp.exp(-cache * cache)


class CumulativeRelu(Unparametrized):
    """A kink that only differences can see: max(x, 0) as a cumulative maximum, which complex steps have no rule for."""

    def forward(self, params, x, *, key=None):
        return jax.lax.cummax(jnp.stack([jnp.zeros_like(x), x]), axis=0)[1], x

    def backward(self, params, cache, dy):
        return (), dy * fn.relu.derivative(cache)


class Mistaken(fn.Dense):
    """A dense layer whose hand-written gradients a mistake is put into."""

    mistake: str = "none"

    def backward(self, params, cache, dy):
        (weight, bias), dx = super().backward(params, cache, dy)
        return MISTAKES[self.mistake](params, cache, dy, weight, bias, dx)


def _dense(weight, bias):
    return fn.DenseParams(weight, bias)


MISTAKES = {
    "none": lambda p, x, dy, w, b, dx: (_dense(w, b), dx),
    "wrong sign": lambda p, x, dy, w, b, dx: (_dense(-w, b), dx),
    "all": lambda p, x, dy, w, b, dx: (_dense(-w, -b), -dx),
    "factor n": lambda p, x, dy, w, b, dx: (_dense(w, len(x) * b), dx),
    "factor 1/n": lambda p, x, dy, w, b, dx: (_dense(w, jnp.mean(dy, axis=0)), dx),
    "factor 2": lambda p, x, dy, w, b, dx: (_dense(2 * w, b), dx),
    "missing": lambda p, x, dy, w, b, dx: (_dense(w, jnp.zeros_like(b)), dx),
    "transposed": lambda p, x, dy, w, b, dx: (_dense(w.T, b), dx),
    "misplaced": lambda p, x, dy, w, b, dx: (_dense(w.T.reshape(w.shape), b), dx),
    "decay": lambda p, x, dy, w, b, dx: (_dense(w + 0.1 * p.weight, b), dx),
    "shift": lambda p, x, dy, w, b, dx: (_dense(w, b + 0.25), dx),
    "one sample": lambda p, x, dy, w, b, dx: (_dense(w, jnp.sum(dy[1:], axis=0)), dx),
    "1e-12": lambda p, x, dy, w, b, dx: (_dense(w.at[1, 2].multiply(1 + 1e-12), b), dx),
    "not finite": lambda p, x, dy, w, b, dx: (_dense(w.at[0, 1].set(jnp.nan), b), dx),
    "dx": lambda p, x, dy, w, b, dx: (_dense(w, b), 3 * dx),
    "dx zero": lambda p, x, dy, w, b, dx: (_dense(w, b), jnp.zeros_like(dx)),
    "a list": lambda p, x, dy, w, b, dx: ([w, b], dx),
    "one field": lambda p, x, dy, w, b, dx: ((w,), dx),
    "shape": lambda p, x, dy, w, b, dx: (_dense(w, b[None]), dx),
    "flipped": lambda p, x, dy, w, b, dx: (_dense(w.T, b), dx),
    "dtype": lambda p, x, dy, w, b, dx: (_dense(w, b.astype(jnp.float32)), dx),
    "dx shape": lambda p, x, dy, w, b, dx: (_dense(w, b), dx[:, :1]),
    "no pair": lambda p, x, dy, w, b, dx: _dense(w, b),
    "three": lambda p, x, dy, w, b, dx: (w, b, dx),
}
