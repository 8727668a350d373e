"""What the examples with images share: their options, images as rows, one run per seed, and the picture."""

import argparse
from typing import Any, NamedTuple

import example
import jax
import numpy as np

import funcnet as fn
from funcnet.cli.arguments import positive_integer

Arrays = tuple[np.ndarray, np.ndarray]
MISTAKES, UNITS = (3, 5), (5, 7)  # the largest numbers of rows and columns of small images in the picture


class Images(NamedTuple):
    """Images of digits as inputs of a network, and the original test images."""

    train: Arrays  # rows (n, pixels) and targets (n, outputs), float32
    test: Arrays
    pictures: np.ndarray  # the test images, (n, height, width)
    labels: np.ndarray  # their classes, (n,)


def parser(script: str, description: str, *, epochs: int) -> argparse.ArgumentParser:
    """Return a script's parser, with --epochs, --seeds and --samples besides the options of every example."""
    result = example.parser(script, description)
    result.add_argument("--epochs", type=positive_integer, default=epochs, help=f"of every run (default: {epochs})")
    result.add_argument("--seeds", type=positive_integer, default=3, help="runs, with seed, seed + 1, … (default: 3)")
    result.add_argument("--samples", type=positive_integer, help="the number of training samples (default: all)")
    return result


def prepared(
    data: tuple[Arrays, Arrays],
    *,
    brightest: int,
    samples: int | None,
    pixels: tuple[float, float] = (0.0, 1.0),
    classes: int = 10,
) -> Images:
    """Return the data of ``load_mnist`` or ``load_digits`` as rows in that range, with targets for so many classes."""
    low, high = pixels

    def ready(images: np.ndarray, labels: np.ndarray) -> Arrays:
        rows = low + (high - low) * images.reshape(len(images), -1).astype(np.float32) / brightest
        targets = labels[:, None].astype(np.float32) if classes == 2 else fn.data.one_hot(labels, classes)
        return rows, targets

    (x, labels), (pictures, test_labels) = data
    return Images(ready(x[:samples], labels[:samples]), ready(pictures, test_labels), pictures, test_labels)


def learn(
    images: Images, network: fn.Layer, loss: fn.Loss, optimizer: Any, batch_size: int, options: argparse.Namespace
) -> tuple[list[fn.FitResult], dict[str, float]]:
    """Train once for each seed, print the figures of every run and their means, and return the runs and the means."""
    print(f"{network}, {loss}, {optimizer}")
    print(f"{len(images.train[0])} training and {len(images.labels)} test images, batches of {batch_size}")
    runs, figures = [], []
    print(f"{'':10}{'training loss':>15}{'test loss':>12}{'test accuracy':>16}")
    for seed in range(options.seed, options.seed + options.seeds):
        result = fn.fit(
            network,
            loss,
            optimizer,
            images.train,
            key=jax.random.key(seed),
            epochs=options.epochs,
            batch_size=batch_size,
            validation=images.test,
            metrics=[fn.accuracy],
            progress=False,
        )
        runs.append(result)
        figures.append([float(result.history[name][-1]) for name in ("loss", "val_loss", "val_accuracy")])
        _print_row(f"seed {seed}", figures[-1])
    means = np.mean(figures, axis=0).tolist()
    _print_row("mean", means)
    return runs, dict(zip(("training loss", "test loss", "test accuracy"), means, strict=True))


def _print_row(name: str, figures: list[float]) -> None:
    loss, test_loss, accuracy = figures
    print(f"{name:10}{loss:15.4g}{test_loss:12.4g}{accuracy:16.4f}", flush=True)


def draw(images: Images, network: fn.Layer, loss: fn.Loss, result: fn.FitResult, title: str, path: Any) -> None:
    """Draw one run: its curves, confusion matrix, mistakes of highest confidence, and first-layer weights."""
    picture, axes = fn.plots.figure(2, 2, size=(10.4, 9.4))
    picture.suptitle(title)
    _draw_curves(fn.plots.divided(axes[0, 0], 2, 1, title="learning").ravel(), result.history)
    _draw_answers(axes[0, 1], axes[1, 0], images, loss.predict(fn.predict(network, result.params, images.test[0])))
    _draw_weights(axes[1, 1], np.asarray(result.params[0].weight), images.pictures.shape[1:])
    fn.plots.save(picture, path, dpi=80)


def _draw_curves(axes: np.ndarray, history: dict[str, np.ndarray]) -> None:
    losses, accuracies = ({"training": history[name], "test": history[f"val_{name}"]} for name in ("loss", "accuracy"))
    fn.plots.curves(axes[0], losses, xlabel="", ylabel="mean loss\n(lower is better)", log=True)
    fn.plots.curves(axes[1], accuracies, xlabel="epoch", ylabel="accuracy\n(higher is better)")


def _draw_answers(matrix: Any, mistakes: Any, images: Images, prediction: jax.Array) -> None:
    answers = np.asarray(fn.predicted_classes(prediction))
    counts = fn.confusion_matrix(images.labels, answers, max(prediction.shape[1], 2))
    fn.plots.confusion(matrix, counts, title=f"test images: {np.trace(counts)} of {len(answers)} right")
    worst = fn.worst_mistakes(prediction, images.labels, MISTAKES[0] * MISTAKES[1])
    are_probabilities = bool(((prediction >= 0) & (prediction <= 1)).all())
    number = "p =" if are_probabilities else "output"
    captions = [f"{images.labels[i]}, predicted {answers[i]}\n{number} {_surest(prediction[i]):.3f}" for i in worst]
    columns = min(MISTAKES[1], max(len(worst), 1))
    rows = -(-max(len(worst), 1) // columns)
    confident = (
        "the most confident mistakes, p: probability" if are_probabilities else "the mistakes of the largest output"
    )
    title = confident if captions else "no mistakes"
    places = fn.plots.divided(mistakes, rows, columns, title=title)
    fn.plots.images(places, images.pictures[worst], captions)


def _draw_weights(axes: Any, weights: np.ndarray, shape: tuple[int, ...]) -> None:
    rows, columns = UNITS[0], min(UNITS[1], -(-len(weights) // UNITS[0]))
    largest = np.argsort(-np.linalg.norm(weights, axis=1), kind="stable")[: rows * columns]
    which = f"all {len(weights)}" if len(largest) == len(weights) else f"the {len(largest)} largest"
    title = f"first-layer weights of {which} units: purple > 0 > orange"
    places = fn.plots.divided(axes, rows, columns, title=title)
    fn.plots.images(places, weights[largest].reshape(-1, *shape), diverging=True)


def _surest(row: jax.Array) -> float:
    """Return the probability of the predicted class: the largest output, or max(p, 1 − p) for one output p."""
    return float(row.max() if row.size > 1 else max(row[0], 1 - row[0]))
