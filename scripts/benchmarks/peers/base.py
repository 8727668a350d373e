"""``Peer``: the contract of a contender."""

from abc import ABC, abstractmethod

import numpy as np

from .recipes import Arrays, Recipe

Weights = list[tuple[np.ndarray, np.ndarray]]


class Peer(ABC):
    """A library that follows a recipe, in the way its users write it.

    It starts from the initial weights among the arrays, and keeps the data where its users would keep them.
    """

    keeps_bytes = False  # whether it gets images as bytes, or as the float32 numbers of ``recipes.scaled``

    @abstractmethod
    def __init__(self, recipe: Recipe, arrays: Arrays) -> None: ...

    @abstractmethod
    def train(self, epochs: int) -> None:
        """Continue the training for that many epochs, and return when they are finished.

        Every epoch takes all samples in a new random order, in batches of the recipe's size, the last one partial.
        """

    @abstractmethod
    def predict(self) -> np.ndarray:
        """Return the network's outputs of x_test, (n, outputs), ``recipes.PREDICTED`` rows at a time."""

    @abstractmethod
    def weights(self) -> Weights:
        """Return (weight (out, in), bias (out,)) of every layer: with early stopping the best ones, else the last."""
