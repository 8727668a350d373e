"""The output layer and the loss by task: five tasks, each with a fitting choice and with one that does not fit.

- Numbers: a linear output a = z, squared error (y − a)².
- Positive numbers: softplus, a = log(1 + e^z), squared error.
- Yes or no: sigmoid, a = 1/(1 + e^(−z)), binary cross-entropy −y log a − (1 − y) log(1 − a).
- One of K classes: softmax, aⱼ = e^zⱼ / Σₖ e^zₖ, categorical cross-entropy −Σⱼ yⱼ log aⱼ.
- Numbers in (−1, 1): tanh, squared error.

A prediction outside the range of the targets is impossible. The error is the root mean square of a − E[y | x].
Goodfellow, Bengio, Courville, *Deep Learning* (2016), section 6.2.2.

The picture shows that the unfit choice makes impossible predictions or, as tanh for numbers, cannot reach all targets;
apart from that its predictions are about as good as those of the fitting choice.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from example import parser

import funcnet as fn
from funcnet import plots
from funcnet.cli.arguments import positive_integer

OPTIMIZER, EDGE, POINTS, DRAWS = fn.adam(0.03), 2.0, 101, 20000


class Choice(NamedTuple):
    """An output layer and a loss."""

    output: fn.Activation
    loss: fn.Loss

    def __str__(self):
        return f"{self.output}, {str(self.loss).replace('_', ' ')}"


class Task(NamedTuple):
    """The distribution of the targets, their range, and two choices.

    Attributes:
        draw: maps a key and x (n,) to targets (n, outputs).
        lowest, highest: the range of the possible predictions.
        shown: the output that the picture shows.
        fitting, unfit: the choices.
    """

    draw: Any
    lowest: float
    highest: float
    shown: int
    fitting: Choice
    unfit: Choice


def numbers(key, x):
    """Return y = 2 sin 2x + 0.3 ε."""
    return (2 * jnp.sin(2 * x) + 0.3 * jax.random.normal(key, x.shape))[:, None]


def positive_numbers(key, x):
    """Return y = e^(−1.5x + 0.3 ε)."""
    return jnp.exp(-1.5 * x + 0.3 * jax.random.normal(key, x.shape))[:, None]


def yes_or_no(key, x):
    """Return y = 1 with the probability σ(4x), and otherwise 0."""
    return jax.random.bernoulli(key, fn.sigmoid(4 * x)).astype(jnp.float32)[:, None]


def one_of_three(key, x):
    """Return one-hot rows: the classes have the probabilities softmax(−4x − 2, 0, 4x − 2)."""
    z = jnp.stack([-4 * x - 2, jnp.zeros_like(x), 4 * x - 2], axis=1)
    return jax.nn.one_hot(jax.random.categorical(key, z), 3)


def between(key, x):
    """Return y = tanh(3 sin 2x + ε)."""
    return jnp.tanh(3 * jnp.sin(2 * x) + jax.random.normal(key, x.shape))[:, None]


LINEAR = Choice(fn.linear, fn.squared_error)
TANH = Choice(fn.tanh, fn.squared_error)
TASKS = {
    "numbers": Task(numbers, -np.inf, np.inf, 0, LINEAR, TANH),
    "positive numbers": Task(positive_numbers, 0, np.inf, 0, Choice(fn.softplus, fn.squared_error), LINEAR),
    "yes or no": Task(yes_or_no, 0, 1, 0, Choice(fn.sigmoid, fn.binary_cross_entropy), LINEAR),
    "one of three": Task(one_of_three, 0, 1, 1, Choice(fn.softmax, fn.categorical_cross_entropy), LINEAR),
    "numbers in (−1, 1)": Task(between, -1, 1, 0, TANH, LINEAR),
}


@partial(jax.jit, static_argnames=("choice", "outputs", "epochs"))
def predictions(keys, data, points, *, choice, outputs, epochs):
    """Return the predictions at the points of a network for each key, trained on its own samples."""
    network = fn.mlp([1, 8, outputs], hidden=fn.tanh, output=choice.output)

    def predict(key, x, y):
        state = fn.init_state(network, OPTIMIZER, key, (1,))
        run = fn.run_epochs(network, choice.loss, OPTIMIZER, state, (x, y), epochs=epochs, batch_size=None)
        return network.apply(run.state.params, points)

    return jax.vmap(predict)(keys, *data)


def study(task, key, networks, samples, epochs):
    """Return the points, E[y | x] there, the samples of the first network, and for each choice its figures."""
    draw_key, x_key, y_key, run_key = jax.random.split(key, 4)
    points = jnp.linspace(-EDGE, EDGE, POINTS)
    expected = np.asarray(
        jnp.mean(jax.vmap(lambda key: task.draw(key, points))(jax.random.split(draw_key, DRAWS)), axis=0)
    )
    x = jax.random.uniform(x_key, (networks, samples), minval=-EDGE, maxval=EDGE)
    y = jax.vmap(task.draw)(jax.random.split(y_key, networks), x)
    keys, found = jax.random.split(run_key, networks), {}
    for name in ("fitting", "unfit"):
        a = np.asarray(predictions(keys, (x[:, :, None], y), points[:, None], choice=getattr(task, name),
                                   outputs=y.shape[-1], epochs=epochs))  # fmt: skip
        found[name] = {
            "predictions": a,
            "impossible": float(np.mean((a < task.lowest) | (a > task.highest))),
            "error": float(np.sqrt(np.mean((a - expected[None]) ** 2))),
        }
    return {"points": np.asarray(points), "expected": expected, "samples": (x[0], y[0]), **found}


def draw(results, path):
    """Draw the predictions of the first network for each task and choice, and the errors."""
    picture, axes = plots.figure(2, 3, size=(15, 8))
    blue, orange, black = plots.COLOURS[0], plots.COLOURS[1], plots.COLOURS[6]
    for place, (name, result) in zip(axes.ravel(), results.items(), strict=False):
        task = TASKS[name]
        x, y = result["samples"]
        place.plot(x, y[:, task.shown], "o", color=plots.COLOURS[2], markersize=3, alpha=0.5, label="samples")
        lines = {"expected target E[y | x]": result["expected"]}
        lines |= {
            f"{choice}: {getattr(task, choice)}": result[choice]["predictions"][0] for choice in ("unfit", "fitting")
        }
        plots.curves(place, {line: values[:, task.shown] for line, values in lines.items()}, x=result["points"],
                     colours=(black, orange, blue), xlabel="input x", ylabel="output a",
                     title=name if y.shape[1] == 1 else f"{name}: probability of the middle class")  # fmt: skip
        low, high = place.get_ylim()
        high += 0.45 * (high - low)  # room for the legend
        for edge, limit in ((low, task.lowest), (high, task.highest)):
            if np.isfinite(limit):
                place.axhspan(min(edge, limit), max(edge, limit), color=plots.COLOURS[3], alpha=0.25, linewidth=0,
                              label="impossible" if limit == task.lowest else None)  # fmt: skip
        place.set_ylim(low, high)
        place.legend(fontsize="x-small", loc="upper center", ncols=2)
    groups = [name.replace(" ", "\n", 1) for name in results]
    shares = {
        choice: [100 * result[choice]["impossible"] for result in results.values()] for choice in ("unfit", "fitting")
    }
    plots.bars(axes[1, 2], groups, shares, ylabel="impossible predictions (%, lower is better)",
               title="Share of impossible predictions", colours=(orange, blue))  # fmt: skip
    axes[1, 2].tick_params(axis="x", labelsize="small")
    plots.save(picture, path, dpi=80)


def main(argv=None):
    """Train for every task and choice, print the table, draw the picture, and return the figures by task."""
    options = parser(__file__, __doc__)
    options.add_argument("--networks", type=positive_integer, default=20, help="of each choice (default: 20)")
    options.add_argument("--samples", type=positive_integer, default=200, help="for each network (default: 200)")
    options.add_argument("--epochs", type=positive_integer, default=300, help="steps of a run (default: 300)")
    options.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS), metavar="NAME", help="default: all")
    chosen = options.parse_args(argv)
    print(f"{chosen.networks} networks of each choice, {chosen.samples} samples for each, {chosen.epochs} epochs")
    print(f"{'task':20}{'choice':10}{'output layer and loss':36}{'impossible':>12}{'error':>9}")
    results = {}
    for index, (name, task) in enumerate(TASKS.items()):
        if name in chosen.tasks:
            key = jax.random.fold_in(jax.random.key(chosen.seed), index)
            results[name] = study(task, key, chosen.networks, chosen.samples, chosen.epochs)
            for choice in ("fitting", "unfit"):
                figures = results[name][choice]
                start = f"{name:20}{choice:10}{getattr(task, choice)!s:36}"
                print(f"{start}{figures['impossible']:12.1%}{figures['error']:9.3f}")
    draw(results, chosen.picture)
    print(f"picture: {chosen.picture}")
    return results


if __name__ == "__main__":
    main()
