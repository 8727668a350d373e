"""``funcnet predict``: apply a saved model to the inputs in a file."""

import argparse

import jax.numpy as jnp
import numpy as np

import funcnet as fn

from .inputs import add_model_arguments, names_classes, predictions, read_inputs

DESCRIPTION = (
    "Print a line for each input in a file: of a model that classifies, the class and its probability; of any other, "
    "the predicted numbers. A model that was saved without its loss prints the network's outputs."
)
EXAMPLE = "example: funcnet predict digits.safetensors images-idx3-ubyte.gz --output probabilities.npy"
OUTPUT_HELP = "write the predictions, (inputs, outputs), to this .npy file, and print no lines (default: none)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    add_model_arguments(parser)
    parser.add_argument("--output", metavar="FILE.npy", help=OUTPUT_HELP)


def run(options: argparse.Namespace) -> int:
    """Print or write the predictions, and return the exit code."""
    model = fn.load_model(options.model)
    predicted = predictions(model, read_inputs(options.file, model))
    if options.output is not None:
        with open(options.output, "wb") as file:
            np.save(file, predicted, allow_pickle=False)
        print(f"{len(predicted)} predictions of shape {predicted.shape[1:]} in {options.output}")
    elif names_classes(model, predicted.shape):
        classes = np.asarray(fn.predicted_classes(jnp.asarray(predicted)))
        of_classes = np.concatenate([1 - predicted, predicted], axis=1) if predicted.shape[1] == 1 else predicted
        for each, row in zip(classes, of_classes, strict=True):
            print(f"{each}  {row[each]:.4f}")
    else:
        for row in predicted.reshape(len(predicted), -1):
            print("  ".join(f"{number:.6g}" for number in row))
    return 0
