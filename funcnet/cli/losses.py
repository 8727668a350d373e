"""The losses that the commands offer, each with an output activation and random targets that suit it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import funcnet as fn

Random = np.random.Generator


def _real_numbers(random: Random, shape: tuple[int, int]) -> np.ndarray:
    return random.normal(size=shape)


def _probabilities(random: Random, shape: tuple[int, int]) -> np.ndarray:
    return random.uniform(size=shape)


def _distributions(random: Random, shape: tuple[int, int]) -> np.ndarray:
    return random.dirichlet(np.ones(shape[1]), size=shape[0])


def _signs(random: Random, shape: tuple[int, int]) -> np.ndarray:
    return random.choice([-1.0, 1.0], size=shape)


class OfferedLoss(NamedTuple):
    """A loss, the activation of the output that it takes, and a function that draws targets of its range."""

    loss: fn.Loss
    output: fn.Activation
    targets: Callable[[Random, tuple[int, int]], np.ndarray]  # (random, (batch, outputs)) -> targets


LOSSES = {
    each.loss.name: each
    for each in (
        OfferedLoss(fn.softmax_cross_entropy, fn.linear, _distributions),
        OfferedLoss(fn.sigmoid_cross_entropy, fn.linear, _probabilities),
        OfferedLoss(fn.binary_cross_entropy, fn.sigmoid, _probabilities),
        OfferedLoss(fn.categorical_cross_entropy, fn.softmax, _distributions),
        OfferedLoss(fn.kl_divergence, fn.softmax, _distributions),
        OfferedLoss(fn.hinge, fn.linear, _signs),
        OfferedLoss(fn.quadratic, fn.linear, _real_numbers),
        OfferedLoss(fn.squared_error, fn.linear, _real_numbers),
        OfferedLoss(fn.mean_squared_error, fn.linear, _real_numbers),
    )
}
