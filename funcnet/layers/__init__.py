"""Layers with and without parameters, and the networks made of layers."""

from .dense import Dense, DenseParams
from .dropout import Dropout
from .flatten import Flatten
from .frozen import Frozen
from .frozen import opened as opened
from .linear_stack import collapse
from .normalization import LayerNorm, LayerNormParams
from .rescaling import Rescaling
from .residual import Residual
from .sequential import Sequential, mlp
from .sequential import flattened as flattened

__all__ = [
    "Dense",
    "DenseParams",
    "Dropout",
    "Flatten",
    "Frozen",
    "LayerNorm",
    "LayerNormParams",
    "Rescaling",
    "Residual",
    "Sequential",
    "collapse",
    "mlp",
]
