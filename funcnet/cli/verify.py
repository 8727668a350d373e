"""``funcnet verify``: compare three computations of the gradients of a network that the options describe."""

import argparse

import jax
import numpy as np

import funcnet as fn

from ..activations import ACTIVATIONS
from ..gradcheck.check import check_element_count
from .arguments import add_choice, add_run_options, parse_layers, positive_integer
from .losses import LOSSES

DESCRIPTION = (
    "Check the gradients of a multilayer perceptron. The derivative of the cost with respect to every weight, bias "
    "and input is computed in float64 by the hand-written equations, by automatic differentiation and by complex "
    "steps. The table gives for each array the largest difference between two of them, divided by the largest "
    "derivative. Where gradients differ, the likely mistake follows. Parameters and data are random. The exit code is "
    "0 if all gradients agree and 1 if not."
)
EXAMPLE = "example: funcnet verify --layers 64,30,10 --activation tanh --loss quadratic --batch-size 16 --seed 3"
SIZES_HELP = (
    "sizes of the input, the hidden layers and the output (default: 8,6,4); the network is run once for each "
    "derivative, so 784,30,10 takes seconds"
)

MANY = 20_000  # derivatives, from which on the check takes more than a few seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.add_argument("--layers", type=parse_layers, default=[8, 6, 4], metavar="SIZES", help=SIZES_HELP)
    add_choice(parser, "--activation", ACTIVATIONS, "activation of the hidden layers", "tanh")
    add_choice(parser, "--output", ACTIVATIONS, "activation of the output", None, "the one that suits the loss")
    add_choice(parser, "--loss", LOSSES, "loss", "softmax_cross_entropy")
    parser.add_argument(
        "--batch-size", type=positive_integer, default=8, metavar="N", help="number of samples (default: 8)"
    )
    add_run_options(parser)


def run(options: argparse.Namespace) -> int:
    """Check the gradients of the network that the options describe, print the report, and return the exit code."""
    loss, output, targets = LOSSES[options.loss]
    output = fn.activation(options.output) if options.output else output
    network = fn.mlp(options.layers, hidden=fn.activation(options.activation), output=output)
    key = jax.random.key(options.seed)
    shapes = jax.eval_shape(lambda: network.init(key, (options.layers[0],))[0])
    derivatives = sum(leaf.size for leaf in jax.tree.leaves(shapes)) + options.batch_size * options.layers[0]
    check_element_count("verify", derivatives)
    random = np.random.default_rng(options.seed)
    params, _ = network.init(key, (options.layers[0],))
    # Biases are moved away from zero, where a mistake in their layer may not show.
    params = jax.tree.map(lambda leaf: np.asarray(leaf) + random.normal(scale=0.1, size=leaf.shape), params)
    x = random.normal(size=(options.batch_size, options.layers[0]))
    y = targets(random, (options.batch_size, options.layers[-1]))
    print(f"network    {network}")
    print(f"loss       {loss}, on {options.batch_size} samples, seed {options.seed}", flush=True)
    if derivatives > MANY:
        print(f"checking   {derivatives:,} derivatives, for each of which the network is run: please wait", flush=True)
    report = fn.check_gradients(network, loss, params, x, y)
    print(report)
    return 0 if report.ok else 1
