"""``funcnet evaluate``: measure a saved model on the inputs and the targets in files."""

import argparse
import re
from pathlib import Path

import funcnet as fn

from ..errors import message
from .inputs import add_model_arguments, names_classes, predictions, read_array, read_inputs

DESCRIPTION = (
    "Print the mean loss of a saved model on the inputs in a file, and where the targets are classes the accuracy."
)
EXAMPLE = "example: funcnet evaluate digits.safetensors t10k-images-idx3-ubyte.gz"
LABELS_HELP = (
    "targets, a sample a row, in a file of the same kinds: labels of classes from 0, or rows of numbers (default: for "
    "a FILE named as MNIST's, ...images-idx3-ubyte, the file ...labels-idx1-ubyte beside it)"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    add_model_arguments(parser)
    parser.add_argument("labels", nargs="?", metavar="LABELS", help=LABELS_HELP)
    parser.set_defaults(wrong_usage=parser.error)


def run(options: argparse.Namespace) -> int:
    """Print the loss and the accuracy, and return the exit code."""
    labels = options.labels or _labels_beside(options.file)
    if not labels:
        options.wrong_usage("the following arguments are required for a FILE of this name: LABELS")
    model = fn.load_model(options.model)
    if model.loss is None:
        raise ValueError(message(options.model, "a model that was saved with its loss", "none"))
    x, y = read_inputs(options.file, model), read_array(str(labels))
    shape = predictions(model, x[:1]).shape
    has_labels = names_classes(model, shape)
    if not has_labels and y.ndim == 1 and len(shape) == 2:  # of a loss that takes rows
        has_labels = shape[1] > 1
        y = fn.data.one_hot(y, shape[1]) if has_labels else y[:, None]
    try:
        metrics = [fn.accuracy] if has_labels else []
        means = fn.evaluate(model.network, model.loss, model.params, (x, y), metrics=metrics)
    except TypeError as error:  # the dtype of the file's numbers is one that the loss does not take
        raise ValueError(str(error)) from error
    print("  ".join(f"{name} {value:.4f}" for name, value in means.items()))
    return 0


def _labels_beside(file: str) -> str | None:
    """Return the file of labels beside one of images whose name is like those of MNIST's; None where there is none.

    >>> _labels_beside("images.npy")
    """
    match = re.fullmatch(r"(.*)images-idx\d-ubyte(\.gz)?", Path(file).name)
    if match is None:
        return None
    names = [f"{match[1]}labels-idx1-ubyte{packed}" for packed in (match[2] or "", "", ".gz")]
    found = [path for path in (Path(file).with_name(name) for name in names) if path.is_file()]
    return str(found[0]) if found else None
