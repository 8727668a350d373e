"""How the cost of training grows with the work: batch size, width, depth and samples, in one picture, log-log.

Every time is that of ``fn.fit`` with softmax cross-entropy and RMSProp on random float32 data: the median of a few
calls after those that compile. All sizes of an axis take turns, so that other load of the machine affects all of them
alike. Cost that is linear in a size follows a straight line of slope 1.
"""

import math
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from options import parser

import funcnet as fn
from funcnet import plots
from funcnet.cli.arguments import positive_integer, positive_number

TURNS = 5  # of every size, whose median counts
GREY = "#888888"


class Problem(NamedTuple):
    """A network and its training data."""

    sizes: tuple[int, ...]  # of the layers, from the inputs to the outputs
    samples: int
    batch_size: int

    @property
    def steps(self):
        """Return the steps of an epoch."""
        return math.ceil(self.samples / self.batch_size)

    @property
    def operations(self):
        """Return the operations of a step's matrix products: the first layer needs no gradient of its inputs."""
        first, *others = [inputs * outputs for inputs, outputs in pairwise(self.sizes)]
        return 2 * self.batch_size * (2 * first + 3 * sum(others))


@dataclass(frozen=True)
class Axis:
    """One size that grows while the others are constant."""

    name: str
    title: str
    xlabel: str
    sizes: tuple[int, ...]
    problem: Callable[[int], Problem]
    each: str  # what one of the size is
    unit: str = "step"  # or "epoch": what the times are of
    second: str = ""  # the picture's other curve: the time "per sample", or to "compile"


AXES = (
    Axis("batch", "Batch size: 784-512-10", "samples in a batch", tuple(2**k for k in range(14)),
         lambda size: Problem((784, 512, 10), max(2 * size, 256), size), "sample", second="per sample"),
    Axis("width", "Width: 784-W-10, batch 128", "width W of the hidden layer", tuple(2**k for k in range(4, 13)),
         lambda size: Problem((784, size, 10), 1024, 128), "unit"),
    Axis("depth", "Depth: D layers 128 × 128, batch 128", "layers D", tuple(2**k for k in range(7)),
         lambda size: Problem((128,) * (size + 1), 1024, 128), "layer", second="compile"),
    Axis("samples", "Samples: 16-16-4, batch 100", "samples", (1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000),
         lambda size: Problem((16, 16, 4), size, 100), "sample", unit="epoch"),
)  # fmt: skip


class Row(NamedTuple):
    """The measurements at one size."""

    size: int
    seconds: float  # a step or an epoch
    compile: float  # seconds that the first call of fit took longer than a later one of as many epochs
    rate: float  # of the matrix products, in GFLOP/s


class Prepared(NamedTuple):
    """A size whose program is compiled, before its measurement."""

    problem: Problem
    compile: float
    epochs: int  # of a turn
    timed: Callable[[int], float]  # the seconds of a call of fit with that many epochs


def prepared(axis, size, seconds, seed):
    """Return a size with its data and its compiled program, and with enough epochs for turns of about ``seconds``."""
    problem = axis.problem(size)
    random = np.random.default_rng(seed)
    x = jnp.asarray(random.standard_normal((problem.samples, problem.sizes[0]), np.float32))
    y = jnp.asarray(fn.data.one_hot(random.integers(0, problem.sizes[-1], problem.samples), problem.sizes[-1]))
    network, key = fn.mlp(problem.sizes), jax.random.key(seed)
    params, _ = network.init(key, x.shape[1:])

    def timed(epochs):
        settings = {"key": key, "params": params, "batch_size": problem.batch_size, "progress": False}
        started = time.perf_counter()
        result = fn.fit(network, fn.softmax_cross_entropy, fn.rmsprop(1e-4), (x, y), epochs=epochs, **settings)
        jax.block_until_ready(result.params)
        taken = time.perf_counter() - started
        if result.reason != "completed":
            raise RuntimeError(f"{axis.name} {size}: {result.reason}")
        return taken

    first, taken, epochs = timed(1), timed(1), 1
    compile_seconds = max(first - taken, 0.0)
    while taken < seconds / 2:  # a call has costs of its own, which many epochs make small
        epochs = math.ceil(epochs * min(seconds / taken, 20))
        taken = timed(epochs)
    return Prepared(problem, compile_seconds, epochs, timed)


def measured(axis, sizes, seconds, seed):
    """Return the rows of an axis. The sizes take turns, so that other load of the machine affects all of them alike."""
    waiting = [prepared(axis, size, seconds, seed) for size in sizes]
    turns = [[each.timed(each.epochs) / each.epochs for each in waiting] for _ in range(TURNS)]
    rows = []
    for size, each, *epochs in zip(sizes, waiting, *turns, strict=True):
        epoch = statistics.median(epochs)
        step = epoch / each.problem.steps
        rate = each.problem.operations / step / 1e9
        rows.append(Row(size, epoch if axis.unit == "epoch" else step, each.compile, rate))
    return rows


def exponents(sizes, values):
    """Return d log value / d log size between each two neighbours: 1 where the cost is linear, 0 where it is constant.

    >>> exponents([1, 2, 4], [3.0, 6.0, 6.0])
    [1.0, 0.0]
    """
    pairs = zip(pairwise(sizes), pairwise(values), strict=True)
    return [math.log(after / before) / math.log(larger / size) for (size, larger), (before, after) in pairs]


def best(rows):
    """Return the smallest time per unit of the size: the line of slope 1 below all rows."""
    return min(row.seconds / row.size for row in rows)


def table(axis, rows):
    """Return an axis's rows as text, with the local exponents, and where the line of slope 1 meets the first time."""
    shown, scale = ("µs a step", 1e6) if axis.unit == "step" else ("ms an epoch", 1e3)
    heads = f"{axis.name:>10}{shown:>14}{f'µs per {axis.each}':>16}{'exponent':>10}{'GFLOP/s':>10}{'compile s':>11}"
    lines = [axis.title, heads]
    local = exponents([row.size for row in rows], [row.seconds for row in rows])
    for row, exponent in zip(rows, [None, *local], strict=True):
        slope = "" if exponent is None else f"{exponent:.2f}"
        start = f"{row.size:10}{row.seconds * scale:14.1f}{row.seconds / row.size * 1e6:16.3f}"
        lines.append(f"{start}{slope:>10}{row.rate:10.1f}{row.compile:11.2f}")
    knee = rows[0].seconds / best(rows)
    lines.append(f"at best {best(rows) * 1e6:.3g} µs per {axis.each}; at {knee:.3g} that is the time of the first row")
    return "\n".join(lines)


def draw_axis(place, axis, rows):
    """Draw one axis's times, its line of slope 1, and its other curve where it has one."""
    sizes = np.array([row.size for row in rows])
    series = {f"an {axis.unit}" if axis.unit == "epoch" else "a step": [row.seconds for row in rows]}
    if axis.second == "per sample":
        series["a step, per sample"] = [row.seconds / row.size for row in rows]
    if axis.second == "compile":
        series["tracing and compiling, once"] = [row.compile for row in rows]
    plots.curves(
        place, series, x=sizes, xlabel=axis.xlabel, ylabel="seconds (lower is faster)", title=axis.title, log=True
    )
    for line, marker in zip(place.lines, plots.MARKERS, strict=False):
        line.set(marker=marker, markersize=4)
    low, high = place.get_ylim()
    place.plot(sizes, best(rows) * sizes, color=GREY, linewidth=1, linestyle=":", zorder=0, label="slope 1")
    if axis.second == "compile":
        later = rows[-1].compile / rows[-1].size * sizes
        place.plot(sizes, later, color=GREY, linewidth=1, linestyle=":", zorder=0)
    place.set(xscale="log", ylim=(low, high))
    shown = [size for size in sizes if size in sizes[:: max(1, len(sizes) // 5)]]
    place.set_xticks(shown, [f"{size:,}" for size in shown])
    place.tick_params(which="minor", labelbottom=False, labelleft=False)
    place.legend(fontsize="small")


def draw(results, path):
    """Draw the four panels."""
    picture, places = plots.figure(2, 2, size=(10, 7.6))
    for place, (axis, rows) in zip(places.ravel(), results, strict=True):
        draw_axis(place, axis, rows)
    plots.save(picture, path)


def main(argv=None):
    """Measure every axis, print the tables, draw the picture, and return {axis: rows}."""
    options = parser(__file__, __doc__)
    for axis in AXES:
        shown = f"{axis.sizes[0]} to {axis.sizes[-1]}"
        told = f"sizes on the axis of {axis.name} (default: {shown})"
        options.add_argument(
            f"--{axis.name}", nargs="+", type=positive_integer, default=axis.sizes, metavar="N", help=told
        )
    told = "how long each measured call of fit takes, in seconds (default: 0.2)"
    options.add_argument("--seconds", type=positive_number, default=0.2, help=told)
    chosen = options.parse_args(argv)
    busy = f"{os.getloadavg()[0]:.1f} of them busy before"  # should be near 0
    print(f"{os.cpu_count()} processors, {busy}; {jax.devices()[0].device_kind}, JAX {jax.__version__}\n")
    results = []
    for axis in AXES:
        sizes = sorted(set(getattr(chosen, axis.name)))
        results.append((axis, measured(axis, sizes, chosen.seconds, chosen.seed)))
        print(f"{table(*results[-1])}\n", flush=True)
    draw(results, chosen.picture)
    print(chosen.picture)
    return {axis.name: rows for axis, rows in results}


if __name__ == "__main__":
    main()
