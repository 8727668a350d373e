"""The floor of the small recipes: a plain loop in C (``plain_loop.c``), compiled for one recipe."""

import ctypes
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from . import C_COMPILERS
from .base import Peer
from .recipes import initial_weights

SOURCE = Path(__file__).with_name("plain_loop.c")
# -ffast-math lets sums be computed in any order, and so with vectors. It is left out when the library is linked: some
# compilers would add code by which the whole process rounds subnormal numbers to 0.
FLAGS = ("-O3", "-march=native", "-ffast-math", "-fPIC")
HIDDEN = {"tanh": 0, "sigmoid": 1, "relu": 2}
LOSSES = {"quadratic": 0, "sigmoid": 1, "softmax": 2}


def compiled(recipe, samples, folder):
    """Return the recipe's ``train`` function of plain_loop.c, compiled into the folder."""
    constants = {
        **{f"S{layer}": width for layer, width in enumerate((*recipe.sizes, 0)[:3])},
        "BATCH": recipe.batch_size or samples,
        "HIDDEN": HIDDEN[recipe.hidden],
        "LOSS": LOSSES[recipe.loss],
    }
    library = Path(folder) / "plain_loop.so"
    defined = [f"-D{name}={value}" for name, value in constants.items()]
    compiler = next(filter(None, map(shutil.which, C_COMPILERS)))
    subprocess.run([compiler, *FLAGS, *defined, "-c", str(SOURCE), "-o", str(library.with_suffix(".o"))], check=True)
    subprocess.run([compiler, "-shared", str(library.with_suffix(".o")), "-o", str(library), "-lm"], check=True)
    train = ctypes.CDLL(str(library)).train
    train.restype = None
    return train


def address(array):
    """Return the pointer to an array's numbers that C gets, or None."""
    return None if array is None else array.ctypes.data_as(ctypes.c_void_p)


class PlainLoop(Peer):
    """One call of C for a round, with float32 data."""

    def __init__(self, recipe, arrays):
        self.recipe = recipe
        self.x, self.y = (np.ascontiguousarray(arrays[name], np.float32) for name in ("x", "y"))
        layers = initial_weights(recipe, arrays)
        self.params = np.concatenate([part.ravel() for layer in layers for part in layer])
        self.order = np.arange(len(self.x), dtype=np.int32)
        self.random = np.array([recipe.seed + 1], np.uint64)
        self.best = np.empty_like(self.params) if recipe.early_stopping else None
        self.best_loss = np.full(1, np.inf, np.float32)
        with TemporaryDirectory() as folder:
            self.compiled = compiled(recipe, len(self.x), folder)

    def train(self, epochs):
        """Continue the training, and return when it is finished."""
        history = np.empty(epochs, np.float32)
        arrays = self.x, self.y, self.order, self.random, self.params, history, self.best, self.best_loss
        rate = ctypes.c_float(self.recipe.learning_rate)
        self.compiled(epochs, len(self.x), rate, *map(address, arrays))

    def predict(self):
        """Raise ``NotImplementedError``: it trains the small recipes alone."""
        raise NotImplementedError("the plain loop in C does not predict")

    def weights(self):
        """Return (weight (out, in), bias (out,)) of every layer."""
        values, result, start = self.params if self.best is None else self.best, [], 0
        for inputs, outputs in pairwise(self.recipe.sizes):
            middle, end = start + inputs * outputs, start + (inputs + 1) * outputs
            result.append((values[start:middle].reshape(outputs, inputs).copy(), values[middle:end].copy()))
            start = end
        return result
