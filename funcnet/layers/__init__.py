"""Layers with parameters, and the networks made of layers."""

from .dense import Dense as Dense
from .dense import DenseParams as DenseParams
from .sequential import Sequential as Sequential
from .sequential import mlp as mlp
