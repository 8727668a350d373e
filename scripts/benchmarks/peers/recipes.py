"""The recipes, each the same for all contenders, and their arrays, which are made once and read by all."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import ceil
from pathlib import Path

import numpy as np

Arrays = dict[str, np.ndarray]
RHO, EPSILON = 0.9, 1e-7  # of RMSProp
BETA1, BETA2 = 0.9, 0.999  # of Adam, with the same ε
PREDICTED = 1000  # rows at once in a prediction


@dataclass(frozen=True)
class Recipe:
    """One workload, the same for every contender."""

    name: str
    title: str
    data: str  # "mnist", "zero_one", "digits", "line" or "xor": see ``arrays_of``
    sizes: tuple[int, ...]
    hidden: str  # "relu", "sigmoid" or "tanh"; the last layer is linear, and a sigmoid or softmax is in the loss
    loss: str  # "softmax", "sigmoid" (cross-entropies of logits) or "quadratic"; the mean over the batch
    optimizer: str  # "sgd", "adam" or "rmsprop"
    learning_rate: float
    batch_size: int | None  # None: the full set
    epochs: int  # in a measured round; passes over the test set where kind is "predict"
    tolerance: float  # the largest relative difference of losses that agree
    unit: str  # of the times in the table: "epoch", "step", "pass" or "process"
    early_stopping: bool = False  # keep the parameters of the best training loss; it never stops the run
    kind: str = "train"  # or "predict", or "cold": a whole process, from its start to its end
    repeats: int = 1  # of a round whose epochs are too short to time once; the mean counts
    start: int = 0  # the seed of the initial weights
    seed: int = 0  # of the order of the data

    def units(self, samples: int) -> int:
        """Return how many units a round of that many samples has."""
        steps = 1 if self.batch_size is None else ceil(samples / self.batch_size)
        return {"epoch": self.epochs, "step": self.epochs * steps, "pass": self.epochs, "process": 1}[self.unit]


_MNIST = {"data": "mnist", "sizes": (784, 512, 10), "hidden": "relu", "loss": "softmax", "optimizer": "rmsprop"}

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("mnist", "MNIST, 784-512-10, RMSProp, batch 128", **_MNIST, learning_rate=0.001, batch_size=128,
               epochs=2, tolerance=0.4, unit="epoch"),
        Recipe("zero_one", "MNIST's 0 and 1, 784-25-15-1, Adam, batch 32", "zero_one", (784, 25, 15, 1), "sigmoid",
               "sigmoid", "adam", 0.001, 32, epochs=5, tolerance=0.2, unit="step"),
        Recipe("linear", "Linear regression, 100 points, SGD, full batch", "line", (1, 1), "tanh",
               "quadratic", "sgd", 0.1, None, epochs=1000, tolerance=1e-3, unit="step", repeats=10),
        Recipe("xor", "XOR, 2-2-1, SGD, full batch, early stopping", "xor", (2, 2, 1), "tanh",
               "sigmoid", "sgd", 0.5, None, epochs=10_000, tolerance=1e-2, unit="step", early_stopping=True,
               start=1),  # seed 0 ends in a local minimum
        Recipe("digits_one", "Embedded digits, 64-30-10, SGD, batch 1", "digits", (64, 30, 10), "relu",
               "softmax", "sgd", 0.01, 1, epochs=5, tolerance=0.2, unit="step"),
        Recipe("predict", "Prediction of 10,000 MNIST images, 784-512-10, batch 1000", **_MNIST, learning_rate=0.001,
               batch_size=PREDICTED, epochs=20, tolerance=1e-4, unit="pass", kind="predict"),
        Recipe("cold", "A whole process: import, compile, 5 MNIST epochs, evaluate", **_MNIST, learning_rate=0.001,
               batch_size=128, epochs=5, tolerance=0.4, unit="process", kind="cold"),
    )
}  # fmt: skip


def prepare(recipe: Recipe, folder: Path) -> Arrays:
    """Write the recipe and its arrays into the folder, for the contenders to read, and return the arrays.

    They are x (n, inputs) and x_test, float32 or, of images, bytes; y (n, outputs) and y_test, float32; labels and
    labels_test, int64, which are 0 where there are no classes; and the initial weights w0, w1, … (out, in), by Glorot
    and Bengio (2010).
    """
    x, y, labels, x_test, y_test, labels_test = arrays_of(recipe)
    arrays = {"x": x, "y": y, "labels": labels, "x_test": x_test, "y_test": y_test, "labels_test": labels_test}
    random = np.random.default_rng(recipe.start)
    for layer, (inputs, outputs) in enumerate(pairwise(recipe.sizes)):
        limit = np.sqrt(6 / (inputs + outputs))
        arrays[f"w{layer}"] = random.uniform(-limit, limit, (outputs, inputs)).astype(np.float32)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "recipe.json").write_text(json.dumps(asdict(recipe)))
    return arrays


def load(folder: Path) -> tuple[Recipe, Arrays]:
    """Return what ``prepare`` wrote."""
    fields = json.loads((folder / "recipe.json").read_text())
    recipe = Recipe(**{**fields, "sizes": tuple(fields["sizes"])})
    return recipe, {path.stem: np.load(path) for path in folder.glob("*.npy")}


def batches(recipe: Recipe, random: np.random.Generator, samples: int) -> Iterator[np.ndarray]:
    """Yield the rows of each batch of an epoch: int32 (batch_size,), fewer in the last; for peers that use NumPy."""
    order = random.permutation(samples).astype(np.int32)
    for start in range(0, samples, recipe.batch_size):
        yield order[start : start + recipe.batch_size]


def whole_batches(recipe: Recipe, random: np.random.Generator, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of an epoch's full batches, int32 (batches, batch_size), and those that are left over."""
    order = random.permutation(samples).astype(np.int32)
    full = samples - samples % recipe.batch_size
    return order[:full].reshape(-1, recipe.batch_size), order[full:]


def initial_weights(recipe: Recipe, arrays: Arrays) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (weight (out, in), bias (out,)) of every layer, from which all contenders start."""
    weights = [arrays[f"w{layer}"] for layer in range(len(recipe.sizes) - 1)]
    return [(weight, np.zeros(len(weight), np.float32)) for weight in weights]


def arrays_of(recipe: Recipe) -> tuple[np.ndarray, ...]:
    """Return x, y, labels, x_test, y_test and labels_test of the recipe's data."""
    if recipe.data == "line":
        x = np.linspace(0, 1, 100, dtype=np.float32)[:, None]
        noise = np.random.default_rng(recipe.start).normal(0, 0.01, x.shape).astype(np.float32)
        y, labels = np.float32(1.477) * x + np.float32(0.089) + noise, np.zeros(len(x), np.int64)
        return x, y, labels, x, y, labels
    if recipe.data == "xor":
        x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
        labels = np.array([0, 1, 1, 0], np.int64)
        y = labels[:, None].astype(np.float32)
        return x, y, labels, x, y, labels
    train, test = _images(recipe)
    return *train, *test


def scale_of(recipe: Recipe) -> float:
    """Return what x is multiplied by before the first layer: the bytes of images become numbers from 0 to 1."""
    return {"mnist": 1 / 255, "zero_one": 1 / 255, "digits": 1 / 16}.get(recipe.data, 1.0)


def scaled(recipe: Recipe, x: np.ndarray) -> np.ndarray:
    """Return x as float32 and scaled, as most contenders keep it."""
    result = x.astype(np.float32)
    result *= np.float32(scale_of(recipe))  # in place, so that this line does not set the peak of memory
    return result


def _images(recipe: Recipe) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return x, y and labels of training and test images; for a prediction the test images alone, twice."""
    from funcnet import data

    both = data.load_digits() if recipe.data == "digits" else data.load_mnist()
    if recipe.kind == "predict":
        both = both[1], both[1]
    result = []
    for images, classes in both:
        chosen = classes < 2 if recipe.data == "zero_one" else np.full(len(classes), True)
        labels = classes[chosen].astype(np.int64)
        x = images[chosen].reshape(len(labels), -1)
        y = labels[:, None] if recipe.sizes[-1] == 1 else labels[:, None] == np.arange(recipe.sizes[-1])
        result.append((x, y.astype(np.float32), labels))
    return result
