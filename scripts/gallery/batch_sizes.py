"""Batch sizes: one sample per step (standard), mini-batches of 32, and the full set (accumulated), on digits.

Each step is θ ← θ − η Σᵢ ∇Cᵢ/m over a batch of m samples, so that an epoch of n samples has n/m steps. The gradient of
a large batch has less noise, and that of a small one allows more steps for the same work. Each batch size uses the
learning rate, among those given, with the lowest mean loss over the second half of its run.
Bottou, Curtis, Nocedal, "Optimization Methods for Large-Scale Machine Learning" (2018).
The picture shows that the loss falls fastest by samples seen with batches of 1, and that by time batches of 32 come
close to them or ahead, since their epochs take less of it.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np
from example import parser

import funcnet as fn
from funcnet import plots
from funcnet.cli.arguments import positive_integer, positive_number
from funcnet.data.digits import MAX_PIXEL_VALUE

NETWORK, LOSS = fn.mlp([64, 64, 10]), fn.softmax_cross_entropy
NAMES = {1: "1 sample (standard)", 32: "32 samples (mini-batches)", None: "all samples (accumulated)"}
EPOCHS = {1: 1, 32: 4, None: 10}  # times as many as --epochs: epochs of large batches take less time
REPETITIONS = 5  # runs whose time is measured


def digits(samples):
    """Return pixels in [0, 1] (n, 64) and one-hot targets (n, 10) of the first training images."""
    (x, labels), _ = fn.data.load_digits()
    x = x[:samples].reshape(-1, 64).astype(np.float32) / MAX_PIXEL_VALUE
    return jnp.asarray(x), jnp.asarray(fn.data.one_hot(labels[:samples], 10))


def learn(rate, key, data, batch_size, epochs, **settings):
    """Return a run of gradient descent with batches of that size."""
    optimizer = fn.sgd(rate)
    state = fn.init_state(NETWORK, optimizer, key, (64,))
    return fn.run_epochs(NETWORK, LOSS, optimizer, state, data, epochs=epochs, batch_size=batch_size, **settings)


def sweep(rates, keys, data, batch_size, epochs):
    """Return the loss of all samples after every epoch: (rates, keys, epochs), computed in one program."""

    def losses(rate, key, data):
        return learn(rate, key, data, batch_size, epochs, validation=data).history["val_loss"]

    by_key = jax.vmap(losses, in_axes=(None, 0, None))
    return np.asarray(jax.jit(jax.vmap(by_key, in_axes=(0, None, None)))(jnp.asarray(rates), keys, data))


def seconds_per_epoch(rate, key, data, batch_size, epochs):
    """Return the time of an epoch: the median of several runs of a program that is compiled before."""

    @jax.jit
    def program(key, data):
        return learn(rate, key, data, batch_size, epochs).state.params

    jax.block_until_ready(program(key, data))
    times = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        jax.block_until_ready(program(key, data))
        times.append(time.perf_counter() - start)
    return float(np.median(times)) / epochs


def first_at_most(losses, goal):
    """Return the first epoch, from 1, whose loss is at most the goal; None where there is none."""
    reached = np.flatnonzero(losses <= goal)
    return int(reached[0]) + 1 if reached.size else None


def draw(losses, rates, seconds, epochs, path):
    """Draw the loss by epochs and by time, with a line where the batches of 1 end."""
    picture, (row,) = plots.figure(1, 2, size=(12, 4.8))
    ends = epochs, epochs * seconds[1]
    titles = "By samples seen: an epoch is every sample once", "By time, measured after compilation"
    for axes, xlabel, title, end in zip(row, ("epochs", "time (milliseconds)"), titles, ends, strict=True):
        for size, colour, dash in zip(losses, plots.COLOURS, plots.DASHES, strict=False):
            unit = 1 if axes is row[0] else 1000 * seconds[size]
            axes.plot(unit * np.arange(1, len(losses[size]) + 1), losses[size], dash, color=colour, linewidth=1.8,
                      label=f"{NAMES[size]}, η = {rates[size]:g}")  # fmt: skip
        axes.axvline(end if axes is row[0] else 1000 * end, color="#777777", linewidth=0.9, linestyle=":")
        axes.set(xlabel=f"{xlabel}, logarithmic", ylabel="loss of all training samples (lower is better)")
        axes.set(xscale="log", yscale="log")
        axes.set_title(f"{title}\ndotted: end of the run with batches of 1", fontsize="medium")
        axes.grid(alpha=0.3)
    picture.legend(*row[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize="small")
    plots.save(picture, path)


def main(argv=None):
    """Train with every batch size, print the table, draw the picture, and return the figures."""
    options = parser(__file__, __doc__)
    meaning = "of batches of 1; those of 32 have 4 times as many, the full set 10 times (default: 20)"
    options.add_argument("--epochs", type=positive_integer, default=20, help=meaning)
    options.add_argument("--seeds", type=positive_integer, default=5, help="runs of each rate (default: 5)")
    options.add_argument("--samples", type=positive_integer, help="the number of training samples (default: all)")
    options.add_argument("--rates", type=positive_number, nargs="+", default=[0.03, 0.1, 0.3, 1.0, 3.0],
                         help="learning rates (default: 0.03 0.1 0.3 1 3)")  # fmt: skip
    options.add_argument("--goal", type=positive_number, default=0.1, help="a loss to reach (default: 0.1)")
    chosen = options.parse_args(argv)
    data, keys = digits(chosen.samples), jax.random.split(jax.random.key(chosen.seed), chosen.seeds)
    count = len(data[0])
    print(f"{NETWORK} on {count} digits, median of {chosen.seeds} runs")
    print(f"{'':28}{'steps an':>9}{'best':>7}{'loss after':>12}{'epochs to':>11}{'time of':>11}{'time to':>10}")
    print(f"{'batch':28}{'epoch':>9}{'rate':>7}{chosen.epochs:5} epochs{f'loss {chosen.goal:g}':>11}{'an epoch':>11}"
          f"{f'loss {chosen.goal:g}':>10}")  # fmt: skip
    losses, rates, seconds, steps, reached = {}, {}, {}, {}, {}
    for size, factor in EPOCHS.items():
        epochs = factor * chosen.epochs
        medians = np.median(sweep(chosen.rates, keys, data, size, epochs), axis=1)
        best = int(np.argmin(np.nan_to_num(medians[:, epochs // 2 :].mean(axis=1), nan=np.inf)))  # too high a rate: NaN
        losses[size], rates[size] = medians[best], chosen.rates[best]
        seconds[size] = seconds_per_epoch(rates[size], keys[0], data, size, epochs)
        steps[size] = -(-count // (size or count))
        reached[size] = first_at_most(losses[size], chosen.goal)
        when = f"{1000 * reached[size] * seconds[size]:7.1f} ms" if reached[size] else "never"
        print(f"{NAMES[size]:28}{steps[size]:9}{rates[size]:7g}{losses[size][chosen.epochs - 1]:12.5f}"
              f"{reached[size] or 'never':>11}{1000 * seconds[size]:8.2f} ms{when:>10}", flush=True)  # fmt: skip
    draw(losses, rates, seconds, chosen.epochs, chosen.picture)
    print(f"picture: {chosen.picture}")
    return {"losses": losses, "rates": rates, "seconds": seconds, "steps": steps, "epochs to the goal": reached}


if __name__ == "__main__":
    main()
