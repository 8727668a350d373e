"""The time of an MNIST epoch (784-512-10, ReLU, RMSProp, batch 128, float32) in funcnet and in an eager PyTorch loop.

Every contender runs in a process of its own, with the same initial weights, and their rounds alternate, so that
whatever else the machine does hits all alike. Figures are medians with the smallest and the largest; a ratio is
given only where the final losses agree, so that nobody wins by doing less.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np

SIZES, BATCH, LEARNING_RATE, DECAY, EPSILON = (784, 512, 10), 128, 0.001, 0.9, 1e-7
CONTENDERS = ("funcnet autodiff", "funcnet backprop", "torch eager")


def problem():
    """Return images (n, 784) in [0, 1], labels (n,), the test set, and initial weights by Glorot and Bengio (2010)."""
    import funcnet as fn

    (x, y), (x_test, y_test) = fn.data.load_mnist()
    x, x_test = (images.reshape(len(images), -1).astype(np.float32) / 255 for images in (x, x_test))
    random = np.random.default_rng(0)
    weights = [
        random.uniform(-1, 1, (outputs, inputs)).astype(np.float32) * np.float32(np.sqrt(6 / (inputs + outputs)))
        for inputs, outputs in pairwise(SIZES)
    ]
    return (x, y), (x_test, y_test), weights


def run_funcnet(route, epochs):
    """Return seconds an epoch after a first one, the last epoch's training loss, and the test accuracy."""
    import jax
    import jax.numpy as jnp

    import funcnet as fn

    (x, y), (x_test, y_test), weights = problem()
    train, test = (x, fn.data.one_hot(y, 10)), (x_test, fn.data.one_hot(y_test, 10))
    network, loss, optimizer = fn.mlp(SIZES), fn.softmax_cross_entropy, fn.rmsprop(LEARNING_RATE, DECAY, EPSILON)
    dense = [fn.DenseParams(jnp.asarray(w), jnp.zeros(len(w))) for w in weights]
    settings = {"batch_size": BATCH, "gradients": getattr(fn, route), "progress": False}
    first = fn.fit(
        network, loss, optimizer, train, key=jax.random.key(0), params=(dense[0], (), dense[1]), epochs=1, **settings
    )
    started = time.perf_counter()
    result = fn.fit(network, loss, optimizer, train, state=first.state, epochs=epochs, **settings)
    seconds = (time.perf_counter() - started) / epochs
    accuracy = fn.evaluate(network, loss, result.params, test, metrics=[fn.accuracy])["accuracy"]
    return seconds, float(result.history["loss"][-1]), accuracy


def run_torch(route, epochs):
    """Return the same of the loop that a PyTorch user writes, with the data in tensors."""
    import torch

    (x, y), (x_test, y_test), weights = problem()
    x, x_test = torch.from_numpy(x), torch.from_numpy(x_test)
    y, y_test = torch.from_numpy(y.astype(np.int64)), torch.from_numpy(y_test.astype(np.int64))
    torch.manual_seed(0)
    torch.set_num_threads(os.cpu_count())
    network = torch.nn.Sequential(torch.nn.Linear(*SIZES[:2]), torch.nn.ReLU(), torch.nn.Linear(*SIZES[1:]))
    with torch.no_grad():
        for layer, weight in zip((network[0], network[2]), weights, strict=True):
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.zero_()
    optimizer = torch.optim.RMSprop(network.parameters(), lr=LEARNING_RATE, alpha=DECAY, eps=EPSILON)

    def epoch():
        total = 0.0
        for rows in torch.randperm(len(x)).split(BATCH):
            loss = torch.nn.functional.cross_entropy(network(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        return total / len(x)

    epoch()
    started = time.perf_counter()
    losses = [epoch() for _ in range(epochs)]
    seconds = (time.perf_counter() - started) / epochs
    with torch.no_grad():
        accuracy = (network(x_test).argmax(dim=1) == y_test).float().mean().item()
    return seconds, losses[-1], accuracy


def contend(name, epochs):
    """Run one contender in a process of its own and return its figures."""
    command = [sys.executable, __file__, "--contender", name, "--epochs", str(epochs)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    """Let the contenders run in turn, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="processes of each contender (default: 3)")
    parser.add_argument("--epochs", type=int, default=4, help="epochs measured after a first one (default: 4)")
    parser.add_argument("--contender", choices=CONTENDERS, help="run this one alone, and print its figures as JSON")
    options = parser.parse_args()
    if options.contender:
        library, route = options.contender.split()
        print(json.dumps({"funcnet": run_funcnet, "torch": run_torch}[library](route, options.epochs)))
        return
    figures = {name: [] for name in CONTENDERS}
    for _ in range(options.rounds):
        for name in CONTENDERS:
            figures[name].append(contend(name, options.epochs))
    medians = {
        name: [statistics.median(column) for column in zip(*runs, strict=True)] for name, runs in figures.items()
    }
    seconds_of_torch, loss_of_torch, _ = medians["torch eager"]
    print(f"{'':18}{'s an epoch':>12}{'min':>8}{'max':>8}{'loss':>9}{'test accuracy':>15}{'faster than torch':>19}")
    for name, (seconds, loss, accuracy) in medians.items():
        every = [run[0] for run in figures[name]]
        agrees = abs(loss - loss_of_torch) <= 0.1 * loss_of_torch
        ratio = f"{seconds_of_torch / seconds:.2f} ×" if agrees else "losses disagree"
        print(f"{name:18}{seconds:12.3f}{min(every):8.3f}{max(every):8.3f}{loss:9.4f}{accuracy:15.4f}{ratio:>19}")


if __name__ == "__main__":
    main()
