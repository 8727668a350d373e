"""The dense (fully connected) layer."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ..checks import array_of_numbers, check_count, check_dy, check_init, own_params
from ..configuration import document_fields
from ..errors import DtypeError, ShapeError, message
from ..initializers import Initializer, glorot_uniform, zeros
from ..layer import Cache, Layer, Shape


@document_fields
class DenseParams(NamedTuple):
    """The parameters of ``Dense``.

    Attributes:
        weight: (outputs, inputs).
        bias: (outputs,).
    """

    weight: jax.Array
    bias: jax.Array


_FLATTEN = ": put fn.Flatten() before it"


class Dense(Layer):
    """The layer z = x wᵀ + b of ``units`` neurons: x (batch, inputs), w (units, inputs), b (units,), z (batch, units).

    Raises ``ShapeError`` and ``DtypeError`` where ``x`` does not fit the weight. Nielsen (2015), chapter 2, equations
    25 (forward) and BP2 to BP4 (backward).

    Args:
        units: the number of neurons, at least 1.
        inputs: the number of inputs; None, the default, takes it from the shape that ``init`` gets.
        weight_initializer: of ``fn.initializers``, called with the shape (units, inputs).
        bias_initializer: of ``fn.initializers``, called with the shape (units,).

    >>> import funcnet as fn
    >>> layer = fn.Dense(2)
    >>> params, output_shape = layer.init(jax.random.key(0), (3,))
    >>> params.weight.shape, params.bias.shape, output_shape
    ((2, 3), (2,), (2,))
    >>> layer.apply(params, jnp.ones((5, 4)))
    Traceback (most recent call last):
    funcnet.errors.ShapeError: Dense(2): expected x of shape (batch, 3), got (5, 4)
    """

    units: int
    inputs: int | None = None
    weight_initializer: Initializer = glorot_uniform
    bias_initializer: Initializer = zeros

    def __post_init__(self) -> None:
        for name in ("units", "inputs"):
            if (count := getattr(self, name)) is not None or name == "units":
                check_count("Dense", name, count)
                object.__setattr__(self, name, int(count))  # NumPy's integers too
        for name in ("weight_initializer", "bias_initializer"):
            if not isinstance(given := getattr(self, name), Initializer):
                expected = f"{name} from funcnet.initializers (one of JAX's by initializers.from_jax(factory, *args))"
                raise TypeError(message("Dense", expected, repr(given)))

    def init(self, key: jax.Array, input_shape: Shape, *, dtype: Any = jnp.float32) -> tuple[DenseParams, Shape]:
        """Return the initial weight (units, inputs) and bias (units,), and the output's shape (units,)."""
        input_shape, dtype = check_init(self, key, input_shape, dtype)
        if len(input_shape) != 1 or self.inputs not in (None, input_shape[0]):
            hint = _FLATTEN if len(input_shape) > 1 else ""
            raise ShapeError(self, f"an input of shape ({self.inputs or 'inputs'},)", f"{input_shape}{hint}")
        weight_key, bias_key = jax.random.split(key)
        weight = self.weight_initializer(weight_key, (self.units, input_shape[0]), dtype)
        return DenseParams(weight, self.bias_initializer(bias_key, (self.units,), dtype)), (self.units,)

    def forward(self, params: DenseParams, x: jax.Array) -> tuple[jax.Array, Cache]:
        """Return z = x wᵀ + b, and x for ``backward``."""
        x = jnp.asarray(array_of_numbers(self, "x", x))
        weight, bias = self.checked_params(params)
        if x.ndim != 2 or x.shape[1] != weight.shape[1]:
            hint = _FLATTEN if x.ndim > 2 else ""
            raise ShapeError(self, f"x of shape (batch, {weight.shape[1]})", f"{x.shape}{hint}")
        if x.dtype != weight.dtype:
            raise DtypeError(self, f"x of dtype {weight.dtype} as the weight", x.dtype)
        return _contract(x, 1, weight, 1) + bias[None, :], x

    def backward(self, params: DenseParams, cache: Cache, dy: jax.Array) -> tuple[DenseParams, jax.Array]:
        """Return the gradients BP3 and BP4, and ∂C/∂x (BP2 without σ′, which the activation applies).

        With δ = ``dy`` (batch, units): ∂C/∂w = δᵀ x, ∂C/∂b = Σ δ over the batch, ∂C/∂x = δ w.
        """
        x = cache
        weight, _ = self.checked_params(params, x.shape[1])
        delta = check_dy(self, dy, (len(x), self.units), x.dtype)
        weight_gradient = _contract(delta, 0, x, 0)
        bias_gradient = jnp.sum(delta, axis=0)
        return DenseParams(weight_gradient, bias_gradient), _contract(delta, 1, weight, 0)

    def checked_params(self, params: Any, inputs: int | None = None) -> DenseParams:
        """Return the parameters as arrays; ``ShapeError`` unless they are those of this layer."""
        own: DenseParams = own_params(self, params, DenseParams)
        inputs = own.weight.shape[-1] if inputs is None and own.weight.ndim else inputs
        if own.weight.shape != (self.units, inputs) or own.bias.shape != (self.units,):
            width = "inputs" if self.inputs is None else self.inputs
            expected = f"weight of shape ({self.units}, {width}) and bias of shape ({self.units},)"
            raise ShapeError(self, expected, f"{own.weight.shape} and {own.bias.shape}")
        return own


def _contract(left: jax.Array, left_axis: int, right: jax.Array, right_axis: int) -> jax.Array:
    """Return the matrix product that sums over one axis of each, without copying a transpose."""
    return lax.dot_general(left, right, (((left_axis,), (right_axis,)), ((), ())))
