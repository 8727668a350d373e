"""``funcnet train``: train a classifier of images and show what it learned."""

import argparse
import math
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import funcnet as fn

from ..activations import ACTIVATIONS
from ..data.digits import BRIGHTEST
from ..data.mnist import FILES
from ..errors import message
from .arguments import count, positive, seed, sizes


class Recipe(NamedTuple):
    """Default settings for a data set."""

    hidden: list[int]
    optimizer: str
    epochs: int
    batch_size: int


DIGITS = Recipe([128], "adam", epochs=40, batch_size=32)
MNIST = Recipe([512], "rmsprop", epochs=5, batch_size=128)

# Each loss with its output activation; losses on logits use a linear output.
LOSSES = {
    "softmax_cross_entropy": (fn.softmax_cross_entropy, fn.linear),
    "sigmoid_cross_entropy": (fn.sigmoid_cross_entropy, fn.linear),
    "binary_cross_entropy": (fn.binary_cross_entropy, fn.sigmoid),
    "categorical_cross_entropy": (fn.categorical_cross_entropy, fn.softmax),
    "kl_divergence": (fn.kl_divergence, fn.softmax),
    "quadratic": (fn.quadratic, fn.linear),
    "squared_error": (fn.squared_error, fn.linear),
    "mean_squared_error": (fn.mean_squared_error, fn.linear),
}
OPTIMIZERS = {  # with the learning rate that each starts from
    "sgd": (fn.sgd, 0.1),
    "momentum": (fn.momentum, 0.01),
    "nesterov": (fn.nesterov, 0.01),
    "adagrad": (fn.adagrad, 0.01),
    "rmsprop": (fn.rmsprop, 0.001),
    "rmsprop_nesterov": (fn.rmsprop_nesterov, 0.0003),
    "adam": (fn.adam, 0.001),
    "adamw": (fn.adamw, 0.001),
}
GRADIENTS = {"autodiff": fn.autodiff, "backprop": fn.backprop}

SHADES = " .:-=+*#%@"  # from dark to bright
MOST_SHOWN = 4  # misclassified images side by side
SMALL = 16  # images of fewer rows are drawn twice as wide, larger ones half as high
GAP = "   "


DESCRIPTION = (
    "Train a multilayer perceptron to classify images, and print the data, the network, the progress, "
    "the final loss and accuracy, some misclassified images and where the time went. Without options it "
    "learns the 1797 handwritten digits that come with funcnet, in a few seconds."
)
EXAMPLE = (
    "example: funcnet train --data mnist --hidden 512 --optimizer rmsprop --learning-rate 0.001 "
    "--batch-size 128 --epochs 5"
)


def _by_data(field: Callable[[Recipe], Any]) -> str:
    return f"{field(DIGITS)} for the digits, {field(MNIST)} for other data"


OPTIONS: dict[str, dict[str, Any]] = {
    "--data": {
        "default": "digits",
        "metavar": "digits|mnist|PATH",
        "help": "the embedded 8x8 digits (default); MNIST from $FUNCNET_DATA/mnist, or downloaded once to the "
        "cache; or a folder with other images and labels in four IDX files named as MNIST's",
    },
    "--hidden": {
        "type": sizes,
        "metavar": "SIZES",
        "help": "sizes of the hidden layers, such as 512,256, or 0 for none "
        f"(default: {_by_data(lambda r: ','.join(map(str, r.hidden)))})",
    },
    "--activation": {
        "choices": ACTIVATIONS,
        "default": "relu",
        "metavar": "NAME",
        "help": f"activation of the hidden layers, one of {', '.join(ACTIVATIONS)} (default: relu)",
    },
    "--loss": {
        "choices": LOSSES,
        "default": "softmax_cross_entropy",
        "metavar": "NAME",
        "help": f"one of {', '.join(LOSSES)} (default: softmax_cross_entropy); those on probabilities make the "
        "output sigmoid or softmax",
    },
    "--optimizer": {
        "choices": OPTIMIZERS,
        "metavar": "NAME",
        "help": f"one of {', '.join(OPTIMIZERS)} (default: {_by_data(lambda r: r.optimizer)})",
    },
    "--learning-rate": {
        "type": positive,
        "metavar": "RATE",
        "help": f"(default: {', '.join(f'{rate} for {name}' for name, (_, rate) in OPTIMIZERS.items())})",
    },
    "--epochs": {
        "type": count,
        "metavar": "N",
        "help": f"passes over the training images (default: {_by_data(lambda r: r.epochs)})",
    },
    "--batch-size": {
        "type": count,
        "metavar": "N",
        "help": f"images in a step (default: {_by_data(lambda r: r.batch_size)})",
    },
    "--seed": {
        "type": seed,
        "default": 0,
        "metavar": "N",
        "help": "of everything random: the same seed gives the same result (default: 0)",
    },
    "--gradients": {
        "choices": GRADIENTS,
        "default": "autodiff",
        "help": "by automatic differentiation or by the hand-written equations (default: autodiff)",
    },
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    for option, settings in OPTIONS.items():
        parser.add_argument(option, **settings)


class Images(NamedTuple):
    """A data set of images and its metadata."""

    name: str
    x: np.ndarray  # (n, height, width) uint8
    y: np.ndarray  # (n,) uint8
    x_test: np.ndarray
    y_test: np.ndarray
    brightest: int  # the largest pixel value
    recipe: Recipe


def _load(data: str) -> Images:
    if data == "digits":
        train, test = fn.data.load_digits()
        return Images("embedded digits", *train, *test, BRIGHTEST, DIGITS)
    if data == "mnist":
        train, test = fn.data.load_mnist()
        return Images("MNIST", *train, *test, 255, MNIST)
    if not data or not Path(data).is_dir():
        known = f"digits, mnist or a folder that holds {', '.join(FILES)}"
        raise FileNotFoundError(message("--data", known, repr(data)))
    train, test = fn.data.load_mnist(data)
    return Images(data, *train, *test, 255, MNIST)


def run(options: argparse.Namespace) -> None:
    """Train as the options say, and print what was done."""
    started = time.perf_counter()
    with _compile_time() as compile_seconds:
        images = _load(options.data)
        classes = int(max(images.y.max(), images.y_test.max())) + 1
        if classes < 2:
            raise ValueError(message("--data", "images of at least two classes", images.name))
        train = _prepared(images.x, images.y, images.brightest, classes)
        test = _prepared(images.x_test, images.y_test, images.brightest, classes)
        counts = f"{len(images.x)} training and {len(images.x_test)} test images"
        _print("data", f"{images.name}: {counts} of {images.x.shape[1]}x{images.x.shape[2]} pixels, {classes} classes")
        hidden = images.recipe.hidden if options.hidden is None else options.hidden
        loss, output = LOSSES[options.loss]
        network = fn.mlp([train[0].shape[1], *hidden, classes], hidden=fn.activation(options.activation), output=output)
        result = _fit(options, images.recipe, network, loss, train)
        means = [fn.evaluate(network, loss, result.params, part, metrics=[fn.accuracy]) for part in (train, test)]
        if result.reason != "completed" or not all(math.isfinite(each["loss"]) for each in means):
            raise FloatingPointError(
                f"the loss diverged in epoch {len(result.history['loss'])}: try a lower --learning-rate"
            )
        for name, each in zip(("train", "test"), means, strict=True):
            _print(name, f"loss {each['loss']:.4f}  accuracy {each['accuracy']:.4f}")
        _print_mistakes(images, np.asarray(fn.predict(network, result.params, test[0])).argmax(axis=1))
        ran, compiled = time.perf_counter() - started, compile_seconds()
    parts = f"import {fn._import_seconds:.1f} s, compile {compiled:.1f} s, run {ran - compiled:.1f} s"
    _print("time", f"{fn._import_seconds + ran:.1f} s: {parts}")


def _fit(options: argparse.Namespace, recipe: Recipe, network: Any, loss: Any, train: Any) -> fn.FitResult:
    """Print what is trained and how, and train it."""
    name = options.optimizer or recipe.optimizer
    make, learning_rate = OPTIMIZERS[name]
    optimizer = make(options.learning_rate or learning_rate)
    epochs, batch_size = options.epochs or recipe.epochs, min(options.batch_size or recipe.batch_size, len(train[0]))
    key = jax.random.key(options.seed)
    params, _ = network.init(key, train[0].shape[1:])
    _print("network", f"{network}")
    _print("", f"{sum(leaf.size for leaf in jax.tree.leaves(params)):,} parameters")
    _print("loss", f"{loss}, gradients by {options.gradients}")
    _print("optimizer", f"{optimizer}")
    _print("", f"{epochs} epochs in batches of {batch_size}, seed {options.seed}, on {jax.devices()[0].device_kind}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the command line reports this itself
        return fn.fit(
            network,
            loss,
            optimizer,
            train,
            key=key,
            params=params,
            epochs=epochs,
            batch_size=batch_size,
            metrics=[fn.accuracy],
            gradients=GRADIENTS[options.gradients],
        )


def _prepared(images: np.ndarray, labels: np.ndarray, brightest: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the images as rows with pixels in [0, 1], and the labels as one-hot rows."""
    return images.reshape(len(images), -1).astype(np.float32) / brightest, fn.data.one_hot(labels, classes)


def _print(name: str, text: str) -> None:
    print(f"{name:11}{text}", flush=True)


def _print_mistakes(images: Images, predicted: np.ndarray) -> None:
    """Print how many test images were misclassified, and draw the first of them side by side."""
    wrong = np.flatnonzero(predicted != images.y_test)
    _print("mistakes", f"{len(wrong)} of {len(predicted)} test images" + (", such as" if wrong.size else ""))
    width = images.x.shape[2] * (2 if images.x.shape[1] < SMALL else 1) + len(GAP)
    shown = wrong[: max(1, min(MOST_SHOWN, (shutil.get_terminal_size().columns + len(GAP)) // width))]
    drawings = [_drawing(images.x_test[index], images.brightest) for index in shown]
    for rows in zip(*drawings, strict=True):
        print(GAP.join(rows))
    captions = [f"{images.y_test[index]} taken for {predicted[index]}" for index in shown]
    print(GAP.join(f"{caption:^{len(drawing[0])}}" for caption, drawing in zip(captions, drawings, strict=True)))


def _drawing(image: np.ndarray, brightest: int) -> list[str]:
    """Return an image as lines of characters, each of which is about twice as high as wide."""
    pixels = image / brightest
    small, even = len(pixels) < SMALL, len(pixels) // 2 * 2
    pixels = pixels.repeat(2, axis=1) if small else (pixels[:even:2] + pixels[1:even:2]) / 2
    levels = np.rint(pixels * (len(SHADES) - 1)).astype(int)
    return ["".join(SHADES[level] for level in row) for row in levels]


@contextmanager
def _compile_time() -> Iterator[Callable[[], float]]:
    """Give a function that returns how many seconds JAX has spent so far on tracing, lowering and compiling."""
    spans: list[tuple[float, float]] = []

    def record(event: str, duration_secs: float, **_: str | int) -> None:
        if event.startswith("/jax/core/compile/"):
            now = time.perf_counter()
            spans.append((now - duration_secs, now))

    def seconds() -> float:
        """Return the length of the spans' union: a trace inside another trace counts once."""
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
