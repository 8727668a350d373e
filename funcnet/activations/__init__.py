"""Activations a = σ(z), each with its hand-written derivative beside it.

An activation is a function, ``fn.relu(z)``, has a method ``fn.relu.derivative(z)``, and is a layer, so that it can
stand in a ``Sequential``. Those with a setting have a class: ``fn.leaky_relu`` is ``fn.LeakyReLU()``, and
``fn.LeakyReLU(negative_slope=0.3)`` has another slope. ``PReLU`` learns its slope, which is its parameter.

At a kink the right-hand branch (z ≥ 0) is taken, in the value, the hand-written and the automatic derivative:
relu′(0) = 1, where ``jax.nn.relu`` has 0. NaN stays NaN.
"""

from typing import cast

from ..checks import named
from .base import Activation
from .piecewise import ELU, LeakyReLU, elu, leaky_relu, relu, sign, step
from .prelu import PReLU, PReLUParams
from .rowwise import softmax
from .smooth import gelu, linear, sigmoid, silu, softplus, tanh

__all__ = [
    "ACTIVATIONS",
    "ELU",
    "Activation",
    "LeakyReLU",
    "PReLU",
    "PReLUParams",
    "activation",
    "elu",
    "gelu",
    "leaky_relu",
    "linear",
    "relu",
    "sigmoid",
    "sign",
    "silu",
    "softmax",
    "softplus",
    "step",
    "tanh",
]

ACTIVATIONS: dict[str, Activation] = {
    each.name: each
    for each in (
        *(linear, sigmoid, tanh, relu, softmax, step, sign),
        *(leaky_relu, elu, PReLU(), softplus, silu, gelu),
    )
}


def activation(name: str) -> Activation:
    """Return the activation of that name, with its default settings. ``ValueError`` names the nearest and lists all.

    >>> activation("relu"), activation("prelu")
    (relu, PReLU(0.25))
    >>> activation("rectifier")
    Traceback (most recent call last):
    ValueError: activation: expected one of linear, sigmoid, tanh, relu, softmax, step, sign, leaky_relu, elu, prelu,
        softplus, silu, gelu, got 'rectifier'
    """
    return cast(Activation, named("activation", ACTIVATIONS, name))
