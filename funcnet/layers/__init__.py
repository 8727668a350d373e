"""Layers with parameters, layers without, and the networks made of layers."""

from .collapse import collapse as collapse
from .dense import Dense as Dense
from .dense import DenseParams as DenseParams
from .dropout import Dropout as Dropout
from .flatten import Flatten as Flatten
from .normalization import LayerNorm as LayerNorm
from .normalization import LayerNormParams as LayerNormParams
from .rescaling import Rescaling as Rescaling
from .residual import Residual as Residual
from .sequential import Sequential as Sequential
from .sequential import flattened as flattened
from .sequential import mlp as mlp
