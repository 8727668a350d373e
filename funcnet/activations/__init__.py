"""Activations a = σ(z), each with its hand-written derivative beside it.

An activation is a function, ``fn.relu(z)``, with a method, ``fn.relu.derivative(z)``, and it is a layer without
parameters, so that it stands in a ``Sequential`` as it is. At a kink the right-hand branch (z ≥ 0) is taken,
for the value and for the derivative, by hand and by automatic differentiation alike: relu′(0) = 1, where
``jax.nn.relu`` takes 0. NaN stays NaN. ``PReLU``, whose slope is learned, is a layer with a parameter.
"""

from ..errors import message
from .base import Activation as Activation
from .piecewise import elu as elu
from .piecewise import leaky_relu as leaky_relu
from .piecewise import relu as relu
from .piecewise import sign as sign
from .piecewise import step as step
from .prelu import PReLU as PReLU
from .prelu import PReLUParams as PReLUParams
from .smooth import gelu as gelu
from .smooth import linear as linear
from .smooth import sigmoid as sigmoid
from .smooth import silu as silu
from .smooth import softplus as softplus
from .smooth import tanh as tanh
from .softmax import softmax as softmax

ACTIVATIONS: dict[str, Activation | PReLU] = {
    **{each.name: each for each in (linear, sigmoid, tanh, relu, softmax, step, sign, leaky_relu(), elu())},
    "prelu": PReLU(),
    **{each.name: each for each in (softplus, silu, gelu)},
}


def activation(name: str) -> Activation | PReLU:
    """Return the activation of that name, with its usual slope or scale; ``ValueError`` lists the known ones.

    >>> activation("relu"), activation("elu")
    (relu, elu())
    >>> activation("rectifier")
    Traceback (most recent call last):
    ValueError: activation: expected one of linear, sigmoid, tanh, relu, softmax, step, sign, leaky_relu, elu, prelu,
        softplus, silu, gelu, got 'rectifier'
    """
    if name not in ACTIVATIONS:
        raise ValueError(message("activation", f"one of {', '.join(ACTIVATIONS)}", repr(name)))
    return ACTIVATIONS[name]
