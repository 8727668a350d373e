"""The layer that drops activations at random in training."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import as_dtype, check_dy, check_init, check_key, floating_array, own_params, set_number
from ..errors import message
from ..layer import Cache, Layer, Params, Shape


class Dropout(Layer):
    """The layer y = m ⊙ x / (1 − rate), where each mⱼ is 0 with probability ``rate`` and else 1: E[y] = x.

    The gradient is ∂C/∂x = m ⊙ ∂C/∂y / (1 − rate). ``rate`` in [0, 1) is the share that is dropped, not the share that
    is kept. The key of ``forward`` draws a mask m for each sample; without a key, which means evaluation, y = x. x
    (batch, ...) may have any shape and keeps its dtype, which must be floating (``DtypeError``). Raises ``ValueError``
    for a rate that float32 does not tell from 0 or 1. Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov,
    "Dropout: A Simple Way to Prevent Neural Networks from Overfitting" (2014), in the form of its section 10 that
    scales in training.

    >>> import funcnet as fn
    >>> dropout, x = fn.Dropout(0.75), jnp.ones((100, 100))
    >>> y = dropout.apply((), x, key=jax.random.key(0))
    >>> jnp.unique(y), f"{jnp.mean(y == 0):.2f}"
    (Array([0., 4.], dtype=float32), '0.75')
    >>> bool((dropout.apply((), x) == x).all())
    True
    """

    rate: float

    def __post_init__(self) -> None:
        set_number(self, "rate", lambda rate: 0 <= rate < 1, "in [0, 1)")
        if self.rate and 1 in (np.float32(self.rate), np.float32(1 - self.rate)):
            expected = "rate to be 0, or rate and 1 - rate to be below 1 in float32"
            raise ValueError(message("Dropout", expected, self.rate))

    def init(self, key: jax.Array, input_shape: Shape, *, dtype: Any = jnp.float32) -> tuple[Params, Shape]:
        """Return no parameters, and the input's shape."""
        shape, dtype = check_init(self, key, input_shape, dtype)
        self._check_factor(dtype)
        return (), shape

    def forward(self, params: Params, x: jax.Array, *, key: jax.Array | None = None) -> tuple[jax.Array, Cache]:
        """Return y = m ⊙ x / (1 − rate), and the mask m; without a key x and None."""
        own_params(self, params, tuple)
        x = floating_array(self, "x", x)
        if key is None:
            return x, None
        check_key(self, key)
        self._check_factor(x.dtype)
        # A float32 probability gives the same mask for every dtype of x, with and without JAX's 64-bit mode.
        mask = jax.random.bernoulli(key, np.float32(1 - self.rate), x.shape)
        return self._masked(mask, x), mask

    def backward(self, params: Params, cache: Cache, dy: jax.Array) -> tuple[Params, jax.Array]:
        """Return ∂C/∂x = m ⊙ ∂C/∂y / (1 − rate), and ∂C/∂y itself without a mask."""
        own_params(self, params, tuple)
        mask, dy = cache, floating_array(self, "dy", dy)
        if mask is None:  # nor is the output's shape known
            return (), dy
        check_dy(self, dy, mask.shape, dy.dtype)
        return (), self._masked(mask, dy)

    def _check_factor(self, dtype: Any) -> None:
        as_dtype(self, "1 / (1 - rate)", 1 / (1 - self.rate), dtype)

    def _masked(self, mask: jax.Array, values: jax.Array) -> jax.Array:
        """Return m ⊙ v / (1 − rate), and 0 where m = 0 for every v."""
        return jnp.where(mask, values / (1 - self.rate), jnp.zeros_like(values))
