"""``funcnet verify``: prove the gradients of a described network, three ways."""

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

import funcnet as fn

from ..activations import ACTIVATIONS
from ..errors import message
from .arguments import count, seed, sizes

Random = np.random.Generator


def _numbers(random: Random, shape: tuple[int, int]) -> np.ndarray:
    return random.normal(size=shape)


def _probabilities(random: Random, shape: tuple[int, int]) -> np.ndarray:
    return random.uniform(size=shape)


def _distributions(random: Random, shape: tuple[int, int]) -> np.ndarray:
    return random.dirichlet(np.ones(shape[1]), size=shape[0])


def _signs(random: Random, shape: tuple[int, int]) -> np.ndarray:
    return random.choice([-1.0, 1.0], size=shape)


class Case(NamedTuple):
    """A loss, the output activation that it is made for, and targets that the output can reach."""

    loss: fn.Loss
    output: fn.Activation
    targets: Callable[[Random, tuple[int, int]], np.ndarray]  # (random, shape) to values


LOSSES = {
    each.loss.name: each
    for each in (
        Case(fn.softmax_cross_entropy, fn.linear, _distributions),
        Case(fn.sigmoid_cross_entropy, fn.linear, _probabilities),
        Case(fn.binary_cross_entropy, fn.sigmoid, _probabilities),
        Case(fn.categorical_cross_entropy, fn.softmax, _distributions),
        Case(fn.kl_divergence, fn.softmax, _distributions),
        Case(fn.hinge, fn.linear, _signs),
        Case(fn.quadratic, fn.linear, _numbers),
        Case(fn.squared_error, fn.linear, _numbers),
        Case(fn.mean_squared_error, fn.linear, _numbers),
    )
}

DESCRIPTION = (
    "Prove the gradients of a multilayer perceptron: every derivative, in every weight, bias and input, by the "
    "hand-written equations, by automatic differentiation and by complex steps, in float64. Prints a table by layer "
    "and parameter with the largest difference over the largest derivative, and the likely mistake behind a mismatch. "
    "Parameters and data are random. The exit code is 0 if all agree and 1 if any does not."
)
EXAMPLE = "example: funcnet verify --layers 64,30,10 --activation tanh --loss quadratic --batch-size 16 --seed 3"

OPTIONS: dict[str, dict[str, Any]] = {
    "--layers": {
        "type": sizes,
        "default": [8, 6, 4],
        "metavar": "SIZES",
        "help": "sizes of the input, the hidden layers and the output (default: 8,6,4); the network is run once for "
        "each derivative, so 784,30,10 takes seconds",
    },
    "--activation": {"choices": ACTIVATIONS, "default": "tanh", "help": "of the hidden layers (default: tanh)"},
    "--output": {
        "choices": ACTIVATIONS,
        "help": "activation of the output (default: the one that the loss is made for)",
    },
    "--loss": {
        "choices": LOSSES,
        "default": "softmax_cross_entropy",
        "help": "(default: softmax_cross_entropy)",
    },
    "--batch-size": {"type": count, "default": 8, "metavar": "N", "help": "samples (default: 8)"},
    "--seed": {
        "type": seed,
        "default": 0,
        "metavar": "N",
        "help": "of the parameters and the data: the same seed gives the same check (default: 0)",
    },
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    for option, settings in OPTIONS.items():
        parser.add_argument(option, **settings)


def run(options: argparse.Namespace) -> int:
    """Check the gradients of the network that the options describe, print the report, and return the exit code."""
    if len(options.layers) < 2:
        shown = ",".join(map(str, options.layers)) or 0
        raise ValueError(message("--layers", "the sizes of the input and of the output, such as 8,6,4", shown))
    case = LOSSES[options.loss]
    output = fn.activation(options.output) if options.output else case.output
    network = fn.mlp(options.layers, hidden=fn.activation(options.activation), output=output)
    random = np.random.default_rng(options.seed)
    params, _ = network.init(jax.random.key(options.seed), (options.layers[0],))
    # Biases are moved away from zero, where a mistake in their layer may not show.
    params = jax.tree.map(lambda leaf: np.asarray(leaf) + random.normal(scale=0.1, size=leaf.shape), params)
    x = random.normal(size=(options.batch_size, options.layers[0]))
    y = case.targets(random, (options.batch_size, options.layers[-1]))
    print(f"network    {network}")
    print(f"loss       {case.loss}, on {options.batch_size} samples, seed {options.seed}")
    report = fn.check_gradients(network, case.loss, params, x, y)
    print(report)
    return 0 if report.ok else 1
