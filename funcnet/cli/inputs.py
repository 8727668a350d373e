"""What the commands read that use a saved model: the model, and arrays from IDX and ``.npy`` files."""

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np

import funcnet as fn

from ..checks import accumulator_dtype
from ..data.npy import read_npy
from ..errors import message
from .arguments import add_cache_option

MODEL_HELP = (
    "file that fn.save_model or funcnet train --save wrote; one with layers of your own is loaded in Python, by "
    "fn.load_model(MODEL, known=[...])"
)
FILE_HELP = "inputs, a sample a row: an IDX file, packed (.gz) or not, or a .npy file of numbers"


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, the file of inputs and the option for compiled programs."""
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    parser.add_argument("file", metavar="FILE", help=FILE_HELP)
    add_cache_option(parser)


def read_array(path: str) -> np.ndarray:
    """Return the numbers in an IDX or ``.npy`` file, with an axis for the samples."""
    array = read_npy(path) if Path(path).suffix == ".npy" else fn.data.read_idx(path)
    if array.ndim == 0 or len(array) == 0:
        raise ValueError(message(path, "at least one sample", f"shape {array.shape}"))
    return array


def read_inputs(path: str, model: fn.Model) -> np.ndarray:
    """Return the inputs in a file in the shape that the model takes: images may be laid out as rows."""
    x = read_array(path)
    if math.prod(x.shape[1:]) != math.prod(model.input_shape):
        shape = ", ".join(map(str, ("n", *model.input_shape)))
        raise ValueError(message(path, f"inputs of shape ({shape}), as the model takes them", x.shape))
    return x.reshape(len(x), *model.input_shape)


def predictions(model: fn.Model, x: np.ndarray) -> np.ndarray:
    """Return what the model's loss makes of its outputs, such as probabilities; without a loss the outputs."""
    try:
        output = fn.predict(model.network, model.params, x)
    except TypeError as error:  # the dtype of the file's numbers is one that the network does not take
        raise ValueError(str(error)) from error
    output = output.astype(accumulator_dtype(output.dtype))  # NumPy's files lack bfloat16
    return np.asarray(output if model.loss is None else model.loss.predict(output))


def names_classes(model: fn.Model, shape: tuple[int, ...]) -> bool:
    """Return whether predictions of a shape (n, outputs) stand for classes, one for each sample."""
    loss: Any = model.loss
    return loss is not None and len(shape) == 2 and loss.label_count(shape[1]) is not None
