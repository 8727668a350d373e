"""Activations a = σ(z), each with its hand-written derivative beside it.

An activation is a function, ``fn.relu(z)``, with a method, ``fn.relu.derivative(z)``, and it is a layer without
parameters, so that it stands in a ``Sequential`` as it is. At a kink the right-hand branch (z ≥ 0) is taken,
for the value and for the derivative, by hand and by automatic differentiation alike: relu′(0) = 1, where
``jax.nn.relu`` takes 0.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .contract import Cache, Layer, Params, Shape
from .errors import check_dtype, floating_array, message


class Activation(Layer):
    """An elementwise activation: ``value`` and ``derivative`` make it a function and a layer.

    Shapes: any; the output has the shape and the dtype of ``z``, which must be floating (``DtypeError``).
    """

    def __call__(self, z: jax.Array) -> jax.Array:
        """Return σ(z), elementwise, of the shape and dtype of ``z``."""
        return self.value(floating_array(self, "z", z))

    def value(self, z: jax.Array) -> jax.Array:
        """Return σ(z) for an array of floating dtype."""
        raise NotImplementedError(f"{type(self).__name__} has no value")

    def derivative(self, z: jax.Array) -> jax.Array:
        """Return σ′(z)."""
        raise NotImplementedError(f"{type(self).__name__} has no derivative")

    def init(self, key: jax.Array, input_shape: Shape, *, dtype: Any = jnp.float32) -> tuple[Params, Shape]:
        """Return no parameters, and the shape that came."""
        check_dtype(self, dtype)
        return (), tuple(input_shape)

    def forward(self, params: Params, x: jax.Array, *, key: jax.Array | None = None) -> tuple[jax.Array, Cache]:
        """Return a = σ(z), and z for ``backward``."""
        return self(x), x

    def backward(self, params: Params, cache: Cache, dy: jax.Array) -> tuple[Params, jax.Array]:
        """Return ∂C/∂z = ∂C/∂a ⊙ σ′(z)."""
        z = cache
        return (), dy * self.derivative(z)


class Linear(Activation):
    """The linear activation σ(z) = z, σ′(z) = 1, for outputs that are real numbers.

    >>> import funcnet as fn
    >>> fn.linear(jnp.array([-2.0, 3.0])), fn.linear.derivative(jnp.array([-2.0, 3.0]))
    (Array([-2.,  3.], dtype=float32), Array([1., 1.], dtype=float32))
    """

    name = "linear"

    def value(self, z: jax.Array) -> jax.Array:
        """Return z."""
        return z

    def derivative(self, z: jax.Array) -> jax.Array:
        """Return 1."""
        return jnp.ones_like(z)


class Sigmoid(Activation):
    """The logistic sigmoid σ(z) = 1/(1 + e^(−z)), σ′ = σ(1 − σ), in the form that never overflows.

    Nielsen, *Neural Networks and Deep Learning* (2015), chapter 1.

    >>> import funcnet as fn
    >>> fn.sigmoid(jnp.array([-100.0, 0.0])), fn.sigmoid.derivative(jnp.array([-100.0, 0.0]))
    (Array([0. , 0.5], dtype=float32), Array([0.  , 0.25], dtype=float32))
    """

    name = "sigmoid"

    def value(self, z: jax.Array) -> jax.Array:
        """Return 1/(1 + e^(−z))."""
        return lax.logistic(z)

    def derivative(self, z: jax.Array) -> jax.Array:
        """Return σ(z)(1 − σ(z))."""
        a = self.value(z)
        return a * (1 - a)


class Tanh(Activation):
    """The hyperbolic tangent, tanh′ = 1 − tanh², for outputs in (−1, 1).

    LeCun, Bottou, Orr, Müller, "Efficient BackProp" (1998), section 4.4.

    >>> import funcnet as fn
    >>> fn.tanh(jnp.array([0.0, 100.0])), fn.tanh.derivative(jnp.array([0.0, 100.0]))
    (Array([0., 1.], dtype=float32), Array([1., 0.], dtype=float32))
    """

    name = "tanh"

    def value(self, z: jax.Array) -> jax.Array:
        """Return tanh(z)."""
        return jnp.tanh(z)

    def derivative(self, z: jax.Array) -> jax.Array:
        """Return 1 − tanh²(z), as (1 − tanh z)(1 + tanh z), which rounds less where tanh z is near ±1."""
        a = self.value(z)
        return (1 - a) * (1 + a)


class ReLU(Activation):
    """The rectified linear unit max(0, z), with relu′(0) = 1 by the right-hand convention; NaN stays NaN.

    Nair, Hinton, "Rectified Linear Units Improve Restricted Boltzmann Machines" (2010).

    >>> import funcnet as fn
    >>> fn.relu(jnp.array([-1.0, 0.0, 2.0])), fn.relu.derivative(jnp.array([-1.0, 0.0, 2.0]))
    (Array([0., 0., 2.], dtype=float32), Array([0., 1., 1.], dtype=float32))
    """

    name = "relu"

    def value(self, z: jax.Array) -> jax.Array:
        """Return z where z ≥ 0, else 0."""
        return jnp.where(z < 0, jnp.zeros_like(z), z)

    def derivative(self, z: jax.Array) -> jax.Array:
        """Return 1 where z ≥ 0, else 0."""
        return jnp.where(z < 0, jnp.zeros_like(z), jnp.ones_like(z))


class Softmax(Activation):
    """The softmax aⱼ = e^(zⱼ) / Σₖ e^(zₖ) over the last axis; its derivative is the Jacobian ∂aⱼ/∂zₖ = aⱼ(δⱼₖ − aₖ).

    Bridle, "Probabilistic Interpretation of Feedforward Classification Network Outputs" (1990).

    >>> import funcnet as fn
    >>> [f"{a:.2f}" for a in fn.softmax(jnp.array([2.0, 1.0, 0.1]))]
    ['0.66', '0.24', '0.10']
    >>> fn.softmax.derivative(jnp.array([0.0, 0.0]))
    Array([[ 0.25, -0.25],
           [-0.25,  0.25]], dtype=float32)
    """

    name = "softmax"

    def value(self, z: jax.Array) -> jax.Array:
        """Return e^z / Σ e^z; the largest z is taken off first, which changes nothing but the overflow."""
        exponential = jnp.exp(z - lax.stop_gradient(jnp.max(z, axis=-1, keepdims=True)))
        return exponential / jnp.sum(exponential, axis=-1, keepdims=True)

    def derivative(self, z: jax.Array) -> jax.Array:
        """Return the Jacobian diag(a) − a aᵀ: (..., classes, classes) for z (..., classes)."""
        a = self.value(z)
        identity = jnp.eye(z.shape[-1], dtype=z.dtype)
        return a[..., :, None] * (identity[(None,) * (z.ndim - 1)] - a[..., None, :])

    def backward(self, params: Params, cache: Cache, dy: jax.Array) -> tuple[Params, jax.Array]:
        """Return the Jacobian product ∂C/∂z = a ⊙ (∂C/∂a − Σₖ aₖ ∂C/∂aₖ), without forming the Jacobian."""
        a = self.value(cache)
        return (), a * (dy - jnp.sum(a * dy, axis=-1, keepdims=True))


linear = Linear()
sigmoid = Sigmoid()
tanh = Tanh()
relu = ReLU()
softmax = Softmax()

ACTIVATIONS = {each.name: each for each in (linear, sigmoid, tanh, relu, softmax)}


def activation(name: str) -> Activation:
    """Return the activation of that name; ``ValueError`` lists the known ones.

    >>> activation("relu")
    relu
    >>> activation("rectifier")
    Traceback (most recent call last):
    ValueError: activation: expected one of linear, sigmoid, tanh, relu, softmax, got 'rectifier'
    """
    if name not in ACTIVATIONS:
        raise ValueError(message("activation", f"one of {', '.join(ACTIVATIONS)}", repr(name)))
    return ACTIVATIONS[name]
