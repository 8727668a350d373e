"""``funcnet summary``: list the layers of a network that the options describe."""

import argparse

import funcnet as fn

from ..activations import ACTIVATIONS
from .arguments import add_choice, parse_layers

DESCRIPTION = (
    "List the layers of a multilayer perceptron, each with the shape of its output, its parameters, the multiply-adds "
    "of its forward pass for one sample and the memory that training keeps for one sample, and below the totals. "
    "Nothing is computed, so that the sizes may be those of a network that is too large for this machine."
)
EXAMPLE = "example: funcnet summary --layers 784,512,256,10 --activation tanh"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    text = "sizes of the input, the hidden layers and the output (default: 784,512,10)"
    parser.add_argument("--layers", type=parse_layers, default=[784, 512, 10], metavar="SIZES", help=text)
    add_choice(parser, "--activation", ACTIVATIONS, "activation of the hidden layers", "relu")
    add_choice(parser, "--output", ACTIVATIONS, "activation of the output", "linear")
    parser.set_defaults(cache=False)  # nothing is compiled


def run(options: argparse.Namespace) -> int:
    """Print the summary of the network that the options describe, and return the exit code."""
    hidden, output = fn.activation(options.activation), fn.activation(options.output)
    network = fn.mlp(options.layers, hidden=hidden, output=output)
    print(fn.summary(network, (options.layers[0],)))
    return 0
