"""``funcnet train``: train a classifier of images and print its results."""

import argparse
import math
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import funcnet as fn

from ..activations import ACTIVATIONS
from ..checks import expected_params
from ..data.digits import MAX_PIXEL_VALUE
from ..data.mnist import FILES
from ..errors import message
from .arguments import UsageError, add_choice, add_run_options, parse_sizes, positive_integer, positive_number
from .losses import LOSSES


class Recipe(NamedTuple):
    """Default settings for a data set."""

    hidden: int  # units of the single hidden layer
    optimizer: str
    epochs: int
    batch_size: int


DIGITS = Recipe(128, "adam", epochs=40, batch_size=32)
MNIST = Recipe(512, "rmsprop", epochs=5, batch_size=128)

RATES = {  # of each optimizer, the default learning rate
    "sgd": 0.1,
    "momentum": 0.01,
    "nesterov": 0.01,
    "adagrad": 0.01,
    "rmsprop": 0.001,
    "rmsprop_nesterov": 0.0003,
    "adam": 0.001,
    "adamw": 0.001,
}
GRADIENTS = {"autodiff": fn.autodiff, "backprop": fn.backprop}

CHARACTERS_BY_BRIGHTNESS = " .:-=+*#%@"
MAX_SHOWN_MISTAKES = 4  # misclassified images that are drawn side by side
SMALL_IMAGE_ROWS = 16  # images with fewer rows are drawn at twice their width, others at half their height
IMAGE_SEPARATOR = "   "

DESCRIPTION = (
    "Train a multilayer perceptron to classify images, and print the data, the network, the progress, "
    "the final loss and accuracy, some misclassified images and the time used. Without options it "
    "learns the 1797 handwritten digits that come with funcnet, in a few seconds."
)
EXAMPLE = (
    "example: funcnet train --data mnist --hidden 512 --optimizer rmsprop --learning-rate 0.001 "
    "--batch-size 128 --epochs 5"
)
DATA_HELP = (
    "digits: the embedded 8x8 digits (default); mnist: MNIST from $FUNCNET_DATA/mnist, or downloaded once to the "
    "cache; PATH: a folder with other images and labels in four IDX files with the names of MNIST's"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""

    def by_data(name: str) -> str:
        return f"{getattr(DIGITS, name)} for the digits, {getattr(MNIST, name)} for other data"

    losses = [name for name in LOSSES if name != "hinge"]  # hinge takes targets -1 and 1, not one-hot rows
    rates = ", ".join(f"{rate} for {name}" for name, rate in RATES.items())
    data = parser.add_argument_group("what it learns from")
    data.add_argument("--data", default="digits", metavar="digits|mnist|PATH", help=DATA_HELP)
    size = parser.add_argument_group("the network")
    text = f"sizes of the hidden layers, such as 512,256, or 0 for none (default: {by_data('hidden')})"
    size.add_argument("--hidden", type=parse_sizes, metavar="SIZES", help=text)
    add_choice(size, "--activation", ACTIVATIONS, "activation of the hidden layers", "relu")
    training = parser.add_argument_group("how it learns")
    text = "loss (a loss on probabilities makes the output sigmoid or softmax)"
    add_choice(training, "--loss", losses, text, "softmax_cross_entropy")
    add_choice(training, "--optimizer", RATES, "optimizer", None, by_data("optimizer"))
    text = f"learning rate (default: {rates})"
    training.add_argument("--learning-rate", type=positive_number, metavar="RATE", help=text)
    text = f"passes over the training images (default: {by_data('epochs')})"
    training.add_argument("--epochs", type=positive_integer, metavar="N", help=text)
    text = f"images per step (default: {by_data('batch_size')})"
    training.add_argument("--batch-size", type=positive_integer, metavar="N", help=text)
    add_choice(training, "--gradients", GRADIENTS, "automatic or hand-written gradients", "autodiff")
    kept = parser.add_argument_group("what it leaves")
    text = "write the trained model to this file, for funcnet predict and funcnet evaluate (default: none)"
    kept.add_argument("--save", metavar="FILE", help=text)
    text = "a folder in which every epoch is kept, from which --resume goes on (default: none)"
    kept.add_argument("--checkpoint", metavar="DIR", help=text)
    text = "go on from the folder's newest epoch to --epochs in all (default: refuse a folder that has one)"
    kept.add_argument("--resume", action="store_true", help=text)
    add_run_options(parser)


class Images(NamedTuple):
    """A data set of images and its metadata."""

    name: str
    train: tuple[np.ndarray, np.ndarray]  # images (n, height, width) and labels (n,), uint8
    test: tuple[np.ndarray, np.ndarray]
    brightest: int  # the largest pixel value
    recipe: Recipe


def _load(data: str) -> Images:
    if data == "digits":
        return Images("embedded digits", *fn.data.load_digits(), MAX_PIXEL_VALUE, DIGITS)
    if data == "mnist":
        return Images("MNIST", *fn.data.load_mnist(), 255, MNIST)
    if not data or not Path(data).is_dir():
        known = f"digits, mnist or a folder that holds {', '.join(FILES)}"
        raise FileNotFoundError(message("--data", known, repr(data)))
    return Images(data, *fn.data.load_mnist(data), 255, MNIST)


def run(options: argparse.Namespace) -> int:
    """Train as the options say, print the results, and return the exit code."""
    started = time.perf_counter()
    if options.resume and options.checkpoint is None:
        raise UsageError(message("--resume", "--checkpoint DIR, the folder to go on from", "none"))
    _check_can_save(options.save)
    with _compile_time() as compile_seconds:
        images = _load(options.data)
        (x, y), (x_test, y_test) = images.train, images.test
        classes = int(max(y.max(), y_test.max())) + 1
        if classes < 2:
            raise ValueError(message("--data", "images of at least two classes", images.name))
        counts = f"{len(x)} training and {len(x_test)} test images"
        _print("data", f"{images.name}: {counts} of {x.shape[1]}x{x.shape[2]} pixels, {classes} classes")
        train, test = (_prepared(*part, images.brightest, classes) for part in (images.train, images.test))
        hidden = [images.recipe.hidden] if options.hidden is None else options.hidden
        loss, output, _ = LOSSES[options.loss]
        network = fn.mlp([train[0].shape[1], *hidden, classes], hidden=fn.activation(options.activation), output=output)
        like = expected_params(network, train[0].shape[1:])
        settings = _begin(options, images.recipe, network, loss, like, len(train[0]))
        with ThreadPoolExecutor() as other, warnings.catch_warnings():
            # What evaluates the result is compiled while the training is compiled.
            zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), like)
            other.submit(_evaluate, network, loss, zeros, train, test)
            warnings.simplefilter("always", RuntimeWarning)
            warnings.filterwarnings("ignore", "fit: (non-finite|the loss rose)", RuntimeWarning)  # reported below
            warnings.showwarning = _print_warning  # type: ignore[assignment]
            result = fn.fit(network, loss, data=train, **settings)
        means, predicted = _evaluate(network, loss, result.params, train, test)
        if result.reason != "completed" or not all(math.isfinite(each["loss"]) for each in means):
            epoch = len(result.history["loss"])
            raise FloatingPointError(f"the loss diverged in epoch {epoch}: try a lower --learning-rate")
        for name, each in zip(("train", "test"), means, strict=True):
            _print(name, f"loss {each['loss']:.4f}  accuracy {each['accuracy']:.4f}")
        _print_mistakes(images, predicted)
        if options.save is not None:
            _save(options.save, network, result.params, loss, images.brightest)
        ran, compiled = time.perf_counter() - started, compile_seconds()
    parts = f"import {fn._import_seconds:.1f} s, compile {compiled:.1f} s, run {ran - compiled:.1f} s"
    _print("time", f"{fn._import_seconds + ran:.1f} s: {parts}")
    return 0


def _begin(
    options: argparse.Namespace, recipe: Recipe, network: Any, loss: Any, params: Any, samples: int
) -> dict[str, Any]:
    """Print the network, with its number of parameters, and the settings of its training; return these for ``fit``."""
    name = options.optimizer or recipe.optimizer
    optimizer = fn.optimizer(name, learning_rate=options.learning_rate or RATES[name])
    epochs, batch_size = options.epochs or recipe.epochs, min(options.batch_size or recipe.batch_size, samples)
    _print("network", f"{network}")
    _print("", f"{sum(leaf.size for leaf in jax.tree.leaves(params)):,} parameters")
    _print("loss", f"{loss}, gradients by {options.gradients}")
    _print("optimizer", f"{optimizer}")
    device = jax.devices()[0].device_kind
    _print("training", f"epochs {epochs}, batch size {batch_size}, seed {options.seed}, device {device}")
    settings = {"optimizer": optimizer, "epochs": epochs, "batch_size": batch_size, "metrics": [fn.accuracy]}
    if options.checkpoint is not None:
        if not options.resume and any(Path(options.checkpoint).glob("checkpoint-*.safetensors")):
            expected = "a folder without checkpoints, or --resume, which goes on from them"
            raise FileExistsError(message("--checkpoint", expected, repr(options.checkpoint)))
        settings["checkpoint"] = fn.Checkpoint(options.checkpoint, resume=options.resume)
    return {**settings, "key": jax.random.key(options.seed), "gradients": GRADIENTS[options.gradients]}


def _print_warning(text: Warning | str, *_: Any, **__: Any) -> None:
    print(f"funcnet: {text}", file=sys.stderr)


def _check_can_save(path: str | None) -> None:
    """Raise ``OSError`` where a model cannot be written, before it is trained."""
    if path is None:
        return
    if not path or Path(path).is_dir():
        raise FileNotFoundError(message("--save", "the name of a file", repr(path)))
    folder = next(each for each in Path(path).absolute().parents if each.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise PermissionError(message("--save", f"a folder that can be written to, for {path}", folder))


def _save(path: str, network: fn.Sequential, params: Any, loss: fn.Loss, brightest: int) -> None:
    """Write a model whose inputs are raw pixels: a layer that scales them comes first."""
    whole = fn.Sequential(fn.Rescaling(1 / brightest), *network.layers)
    fn.save_model(path, whole, ((), *params), loss=loss)
    _print("model", f"in {path}, for pixels from 0 to {brightest}")


def _evaluate(network: Any, loss: Any, params: Any, train: Any, test: Any) -> tuple[list[dict[str, float]], np.ndarray]:
    """Return the mean loss and accuracy of both parts of the data, and the predicted classes of the test images."""
    means = [fn.evaluate(network, loss, params, part, metrics=[fn.accuracy]) for part in (train, test)]
    return means, np.asarray(fn.predict(network, params, test[0])).argmax(axis=1)


def _prepared(images: np.ndarray, labels: np.ndarray, brightest: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the images as rows with pixels in [0, 1], and the labels as one-hot rows."""
    return images.reshape(len(images), -1).astype(np.float32) / brightest, fn.data.one_hot(labels, classes)


def _print(name: str, text: str) -> None:
    print(f"{name:11}{text}", flush=True)


def _print_mistakes(images: Images, predicted: np.ndarray) -> None:
    """Print how many test images were misclassified, and draw the first of them side by side."""
    x, y = images.test
    wrong = np.flatnonzero(predicted != y)
    _print("mistakes", f"{len(wrong)} of {len(predicted)} test images" + (", for example:" if wrong.size else ""))
    width = x.shape[2] * (2 if x.shape[1] < SMALL_IMAGE_ROWS else 1) + len(IMAGE_SEPARATOR)
    fitting = (shutil.get_terminal_size().columns + len(IMAGE_SEPARATOR)) // width
    shown = wrong[: max(1, min(MAX_SHOWN_MISTAKES, fitting))]
    drawings = [_drawing(x[index] / images.brightest) for index in shown]
    for rows in zip(*drawings, strict=True):
        print(IMAGE_SEPARATOR.join(rows))
    captions = [f"{y[index]} predicted as {predicted[index]}" for index in shown]
    print(IMAGE_SEPARATOR.join(f"{text:^{width - len(IMAGE_SEPARATOR)}}" for text in captions))


def _drawing(pixels: np.ndarray) -> list[str]:
    """Return an image with pixels in [0, 1] as lines of characters, each of which is about twice as high as wide."""
    even = len(pixels) // 2 * 2
    is_small = len(pixels) < SMALL_IMAGE_ROWS
    pixels = pixels.repeat(2, axis=1) if is_small else (pixels[:even:2] + pixels[1:even:2]) / 2
    levels = np.rint(pixels * (len(CHARACTERS_BY_BRIGHTNESS) - 1)).astype(int)
    return ["".join(CHARACTERS_BY_BRIGHTNESS[level] for level in row) for row in levels]


@contextmanager
def _compile_time() -> Iterator[Callable[[], float]]:
    """Yield a function that returns the seconds that JAX has spent so far on tracing, lowering and compiling."""
    spans: list[tuple[float, float]] = []

    def record(event: str, duration_secs: float, **_: str | int) -> None:
        if event.startswith("/jax/core/compile/"):
            now = time.perf_counter()
            spans.append((now - duration_secs, now))

    def seconds() -> float:
        """Return the length of the union of the spans, so that a trace inside another trace counts once."""
        total, end = 0.0, -math.inf
        for start, stop in sorted(spans):
            total += max(0.0, stop - max(start, end))
            end = max(end, stop)
        return total

    jax.monitoring.register_event_duration_secs_listener(record)
    try:
        yield seconds
    finally:
        jax.monitoring.unregister_event_duration_listener(record)
