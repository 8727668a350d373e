"""The floor of a training step: the shortest time of its matrix products and its optimizer's memory traffic.

Each product of the step is timed alone in NumPy, PyTorch and JAX, with weights (in, out) and (out, in), and counts at
the best rate that any of them reaches; the optimizer's bytes count at the best rate of a copy.
"""

import importlib.util
import json
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from math import ceil

import numpy as np

LIBRARIES = ("numpy", "torch", "jax")
REPETITIONS = 300
# Passes of the optimizer over as many numbers as parameters: it reads and writes them and their accumulators, and their
# gradient is written and read.
PASSES = {"sgd": 4, "rmsprop": 6, "adam": 8}


def products(sizes, batch):
    """Return {name: [(shape of a, shape of b, axis of a, axis of b summed over), …]}, a choice for each layout."""
    result = {}
    for layer, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        x, delta = (batch, inputs), (batch, outputs)
        result[f"layer {layer}, forward"] = [(x, (inputs, outputs), 1, 0), (x, (outputs, inputs), 1, 1)]
        result[f"layer {layer}, weights' gradient"] = [(x, delta, 0, 0), (delta, x, 0, 0)]
        if layer > 1:
            both = [(delta, (inputs, outputs), 1, 1), (delta, (outputs, inputs), 1, 0)]
            result[f"layer {layer}, inputs' gradient"] = both
    return result


def parameters(sizes):
    """Return the number of weights and biases."""
    return sum((inputs + 1) * outputs for inputs, outputs in pairwise(sizes))


def seconds_of(action):
    """Return the median time of an action."""
    for _ in range(10):
        action()
    times = []
    for _ in range(REPETITIONS):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def actions(library):
    """Return the library's two functions of NumPy arrays, which return the actions to be timed: product and copy."""
    if library == "jax":
        return _jax_actions()
    if library == "torch":
        return _torch_actions()

    def product(a, b, axis_a, axis_b):
        left, right = (a if axis_a else a.T), (b.T if axis_b else b)
        out = np.empty((left.shape[0], right.shape[1]), np.float32)
        return lambda: np.matmul(left, right, out=out)

    def copy(source):
        target = np.zeros_like(source)
        return lambda: np.copyto(target, source)

    return product, copy


def _torch_actions():
    import os

    import torch

    torch.set_num_threads(os.cpu_count())

    def product(a, b, axis_a, axis_b):
        a, b = torch.from_numpy(a), torch.from_numpy(b)
        left, right = (a if axis_a else a.T), (b.T if axis_b else b)
        out = torch.empty(left.shape[0], right.shape[1])
        return lambda: torch.mm(left, right, out=out)

    def copy(source):
        source = torch.from_numpy(source)
        target = torch.zeros_like(source)
        return lambda: target.copy_(source)

    return product, copy


def _jax_actions():
    import jax
    import jax.numpy as jnp

    def product(a, b, axis_a, axis_b):
        a, b = jnp.asarray(a), jnp.asarray(b)
        multiply = jax.jit(lambda a, b: jax.lax.dot_general(a, b, (((axis_a,), (axis_b,)), ((), ()))))
        return lambda: multiply(a, b).block_until_ready()

    def copy(source):
        source = jnp.asarray(source)
        copied = jax.jit(jnp.copy)
        return lambda: copied(source).block_until_ready()

    return product, copy


def serve(library, sizes, batch):
    """Print one library's figures as JSON: seconds of each product in either layout, and of a copy of the weights."""
    product, copy = actions(library)
    random = np.random.default_rng(0)

    def array(*shape):
        return random.standard_normal(shape, np.float32)

    seconds = {
        name: [seconds_of(product(array(*a), array(*b), axis_a, axis_b)) for a, b, axis_a, axis_b in ways]
        for name, ways in products(sizes, batch).items()
    }
    print(json.dumps({"products": seconds, "copy": seconds_of(copy(array(parameters(sizes))))}))


def measure(benchmark, recipe, samples, rounds):
    """Return the floor of a recipe: of each product the best rate and who reaches it, and the seconds an epoch.

    The libraries take turns for that many rounds, each in a process of its own, and the best of the medians counts.
    """
    libraries = [library for library in LIBRARIES if importlib.util.find_spec(library)]
    figures = {library: [] for library in libraries}
    for _ in range(rounds):
        for library in libraries:
            arguments = [library, str(recipe.batch_size), *map(str, recipe.sizes)]
            command = [sys.executable, str(benchmark), "--floor", *arguments]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            figures[library].append(json.loads(done.stdout.splitlines()[-1]))
    return summed(figures, recipe, samples)


def summed(figures, recipe, samples):
    """Return the floor from {library: what ``serve`` printed in each round}."""
    turns = [(library, turn) for library, of in figures.items() for turn in of]
    best = {}
    for name, ways in products(recipe.sizes, recipe.batch_size).items():
        seconds, library = min((min(turn["products"][name]), library) for library, turn in turns)
        a, b, _, axis = ways[0]
        operations = 2 * a[0] * a[1] * b[1 - axis]
        best[name] = {"seconds": seconds, "gflops": operations / seconds / 1e9, "library": library}
    numbers, passes = 4 * parameters(recipe.sizes), PASSES[recipe.optimizer]
    copy_seconds, copier = min((turn["copy"], library) for library, turn in turns)
    bandwidth = 2 * numbers / copy_seconds
    step = sum(product["seconds"] for product in best.values()) + passes * numbers / bandwidth
    return {
        "products": best,
        "bandwidth": {"bytes_per_second": bandwidth, "library": copier},
        "optimizer_seconds": passes * numbers / bandwidth,
        "step_seconds": step,
        "epoch_seconds": step * ceil(samples / recipe.batch_size),
        "by_library": figures,
    }
