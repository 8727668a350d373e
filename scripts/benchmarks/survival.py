"""What it costs to survive: checkpoints and the check for values that are not finite, beside the same run without.

All variants take turns in one process. Each figure is the median of their times over that of the plain run of the same
round. The time of an epoch is taken from the second epoch on, so that the digest of the data, which another thread
computes at the start, and the start itself are reported apart.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

import funcnet as fn
from funcnet.cli.arguments import positive_integer
from funcnet.training.checkpointing import digest


class Task(NamedTuple):
    """A run without anything that is measured here."""

    network: fn.Layer
    loss: fn.Loss
    optimizer: fn.Optimizer
    data: tuple[Any, Any]
    batch_size: int | None
    epochs: int


def mnist(epochs: int) -> Task:
    """Return the run of MNIST: 784-512-10, RMSProp, batches of 128."""
    (x, y), _ = fn.data.load_mnist()
    data = x.reshape(len(x), -1).astype(np.float32) / 255, fn.data.one_hot(y, 10)
    return Task(fn.mlp([784, 512, 10]), fn.softmax_cross_entropy, fn.rmsprop(0.001), data, 128, epochs)


def xor(epochs: int) -> Task:
    """Return the run of XOR, whose epochs take about a microsecond."""
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    network = fn.mlp([2, 4, 1], hidden=fn.tanh)
    return Task(network, fn.sigmoid_cross_entropy, fn.adam(0.05), (x, x.sum(axis=1, keepdims=True) % 2), None, epochs)


VARIANTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "plain": lambda folder: {},
    "a checkpoint every epoch": lambda folder: {"checkpoint": fn.Checkpoint(folder)},
    "a checkpoint every second": lambda folder: {"checkpoint": fn.Checkpoint(folder, every_seconds=1)},
    'on_nonfinite="raise"': lambda folder: {"on_nonfinite": "raise"},
    'on_nonfinite="skip"': lambda folder: {"on_nonfinite": "skip"},
}


def measure(task: Task, names: list[str], rounds: int) -> dict[str, tuple[float, float]]:
    """Return the median ratios of each variant's time to the plain one's: of an epoch, and of the whole call."""
    ratios: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for turn in range(rounds + 1):  # the first compiles
        times = {name: timed(task, VARIANTS[name]) for name in (names if turn % 2 else names[::-1])}
        for name, (epoch, whole) in times.items():
            if turn:
                ratios[name].append((epoch / times["plain"][0], whole / times["plain"][1]))
    medians = {name: zip(*found, strict=True) for name, found in ratios.items()}
    return {name: tuple(map(statistics.median, columns)) for name, columns in medians.items()}


def timed(task: Task, variant: Callable[[str], dict[str, Any]]) -> tuple[float, float]:
    """Return the seconds of an epoch after the first call of the program, and those of the whole call of fit."""
    *parts, batch_size, epochs = task
    with tempfile.TemporaryDirectory() as folder:
        instants: list[tuple[int, float]] = []
        settings = {"key": jax.random.key(0), "epochs": epochs, "batch_size": batch_size, "progress": False}
        every = max(1, epochs // 5)
        started = time.perf_counter()
        fn.fit(*parts, **settings, **variant(folder), callbacks=[Clock(instants, every=every)])
        whole = time.perf_counter() - started
    (first, began), (last, ended) = instants[0], instants[-1]
    return (ended - began) / (last - first), whole


class Clock(fn.Callback):
    """Notes when epochs have ended."""

    instants: Any

    def follow(self, run: fn.RunStart) -> Any:
        """Give the function that notes it."""
        from contextlib import nullcontext

        def note(progress: fn.Progress) -> None:
            self.instants.append((progress.epoch, time.perf_counter()))

        return nullcontext(note)


def main(arguments: list[str] | None = None) -> dict[str, dict[str, tuple[float, float]]]:
    """Measure, print the tables, and return their figures."""
    parser = argparse.ArgumentParser(prog="survival.py", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--rounds", type=positive_integer, default=7, help="rounds of each variant (default: 7)")
    parser.add_argument("--mnist-epochs", type=positive_integer, default=5, help="epochs of MNIST (default: 5)")
    parser.add_argument("--xor-epochs", type=positive_integer, default=5_000_000, help="of XOR (default: 5,000,000)")
    options = parser.parse_args(arguments)
    figures = {}
    every_epoch, every_second = list(VARIANTS)[1:3]
    for title, task, left_out in (
        ("MNIST, 784-512-10, batch 128", mnist(options.mnist_epochs), every_second),
        ("XOR, 2-4-1, full batch", xor(options.xor_epochs), every_epoch),
    ):
        names = [name for name in VARIANTS if name != left_out]
        started = time.perf_counter()
        digest(task.data)
        seconds = time.perf_counter() - started
        figures[title] = measure(task, names, options.rounds)
        print(f"{title}, {task.epochs:,} epochs; the digest of the data takes {seconds:.3f} s of another thread")
        print(f"{'':28}{'epoch':>8}{'whole call':>12}")
        for name, (epoch, whole) in figures[title].items():
            print(f"{name:28}{epoch:8.3f}{whole:12.3f}")
        print()
    return figures


if __name__ == "__main__":
    main()
