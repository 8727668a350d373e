"""The layer that scales raw numbers, such as pixels from 0 to 255."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import (
    array_of_numbers,
    as_dtype,
    check_dtype,
    check_init,
    check_number,
    floating_array,
    own_params,
)
from ..errors import DtypeError
from ..layer import Cache, Layer, Params, Shape


class Rescaling(Layer):
    """The layer y = scale · x + offset, elementwise: x (batch, ...) of an integer or floating dtype, y floating.

    A floating x keeps its dtype; integers become ``dtype``. So images can be stored as bytes, a quarter of the memory
    of float32, and each batch is scaled inside the compiled program. ∂C/∂x = scale · ∂C/∂y. It has no parameters.
    Raises ``DtypeError`` for an x that is complex or boolean, and ``ValueError`` for a scale or an offset that is not
    finite, or that the dtype of y rounds to 0 or to infinity. LeCun, Bottou, Orr, Müller, "Efficient BackProp" (1998),
    section 4.3, on why inputs are scaled.

    >>> import funcnet as fn
    >>> network = fn.Sequential(fn.Rescaling(1 / 255), fn.Dense(10))
    >>> params, output_shape = network.init(jax.random.key(0), (784,))
    >>> network.apply(params, jnp.full((5, 784), 255, jnp.uint8)).dtype
    dtype('float32')
    >>> fn.Rescaling(2.0, offset=-1.0).apply((), jnp.array([[0.0, 0.5, 1.0]]))
    Array([[-1.,  0.,  1.]], dtype=float32)
    """

    scale: float
    offset: float = 0.0
    dtype: str = "float32"

    def __post_init__(self) -> None:
        for name in ("scale", "offset"):
            check_number("Rescaling", name, getattr(self, name), np.isfinite, "to be finite")
        object.__setattr__(self, "dtype", check_dtype("Rescaling", self.dtype).name)

    def init(self, key: jax.Array, input_shape: Shape, *, dtype: Any = jnp.float32) -> tuple[Params, Shape]:
        """Return no parameters, and the input's shape."""
        shape, _ = check_init(self, key, input_shape, dtype)
        return (), shape

    def forward(self, params: Params, x: jax.Array) -> tuple[jax.Array, Cache]:
        """Return scale · x + offset, and an empty cache."""
        own_params(self, params, tuple)
        x = jnp.asarray(array_of_numbers(self, "x", x))
        if jnp.issubdtype(x.dtype, jnp.integer):
            x = x.astype(self.dtype)
        elif not jnp.issubdtype(x.dtype, jnp.floating):
            raise DtypeError(self, "x of a floating or integer dtype", x.dtype)
        for name in ("scale", "offset"):
            as_dtype(self, name, getattr(self, name), x.dtype)
        return jnp.asarray(self.scale, x.dtype) * x + jnp.asarray(self.offset, x.dtype), ()

    def backward(self, params: Params, cache: Cache, dy: jax.Array) -> tuple[Params, jax.Array]:
        """Return ∂C/∂x = scale · ∂C/∂y."""
        own_params(self, params, tuple)
        dy = floating_array(self, "dy", dy)
        return (), jnp.asarray(self.scale, dy.dtype) * dy
