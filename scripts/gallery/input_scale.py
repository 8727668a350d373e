"""The mean and the scale of the inputs, and ReLU against the sigmoid: what makes gradient descent slow.

For a linear neuron with the cost C = ⟨½(w·x − y)²⟩, the matrix of second derivatives is H = ⟨x xᵀ⟩. A mean μ of the
inputs adds μμᵀ to it. With the eigenvalues λ ≥ λ′ of H, the best rate is η = 2/(λ + λ′). Each step then multiplies the
error by ±(κ − 1)/(κ + 1), where κ = λ/λ′ is the condition number, with the minus in the direction of λ: the path
zigzags. LeCun, Bottou, Orr, Müller, "Efficient BackProp" (1998), sections 4.3 and 5. The sigmoid's σ′ ≤ ¼ makes δ
smaller at every layer, and ReLU's σ′ = 1 does not: Glorot, Bordes, Bengio, "Deep Sparse Rectifier Neural Networks"
(2011).

The picture shows that the path zigzags most for raw inputs, whose mean is not zero, and that the sigmoid is as fast as
ReLU with one or two hidden layers and slower with more.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from example import parser

import funcnet as fn
from funcnet import plots
from funcnet.cli.arguments import positive_integer

MEAN, DEVIATION = np.array([3.0, 3.0]), np.array([1.0, 0.5])  # of the raw inputs
BEST, START = np.array([1.0, 1.0]), np.array([0.0, 3.0])  # the weights that made the targets, and the first ones
NEAR = 1e-6  # a cost of this share of the first one counts as learned
WIDTH, RATES, GOAL, LOSS = 32, (0.03, 0.1, 0.3, 1.0, 3.0), 0.1, fn.softmax_cross_entropy
COLOURS = plots.COLOURS[1:4]  # of raw, centred and standardized inputs
ACTIVATIONS = {"ReLU": fn.relu, "sigmoid": fn.sigmoid}


def inputs(seed, count=400):
    """Return the same samples as raw, centred and standardized inputs: by name, (count, 2) each."""
    raw = np.random.default_rng(seed).normal(MEAN, DEVIATION, (count, 2))
    centred = raw - raw.mean(axis=0)
    return {"raw": raw, "centred": centred, "standardized": centred / raw.std(axis=0)}


def descend(x, steps):
    """Return the condition number of H, the path (steps + 1, 2), and the costs on it, with the best rate."""
    eigenvalues = np.linalg.eigvalsh(x.T @ x / len(x))
    optimizer = fn.sgd(2 / (eigenvalues[0] + eigenvalues[-1]))
    x, start = jnp.asarray(x, jnp.float32), jnp.asarray(START, jnp.float32)
    y = x @ jnp.asarray(BEST, jnp.float32)

    def cost(w):
        return jnp.mean(fn.quadratic.value((x @ w)[:, None], y[:, None]))

    def step(carry, _):
        w, state = carry
        updates, state = optimizer.update(jax.grad(cost)(w), state, w)
        return (fn.apply_updates(w, updates), state), (w, cost(w))

    _, (path, costs) = jax.lax.scan(step, (start, optimizer.init(start)), length=steps + 1)
    return float(eigenvalues[-1] / eigenvalues[0]), np.asarray(path), np.asarray(costs)


def first(values, limit):
    """Return the first index whose value is at most the limit, or None."""
    reached = np.flatnonzero(np.asarray(values) <= limit)
    return int(reached[0]) if reached.size else None


@partial(jax.jit, static_argnames=("network", "epochs"))
def losses(keys, data, rates, *, network, epochs):
    """Return the training loss of each epoch: (rates, keys, epochs), all runs in one program."""

    def run(rate, key):
        optimizer = fn.sgd(rate)
        state = fn.init_state(network, optimizer, key, (64,))
        return fn.run_epochs(network, LOSS, optimizer, state, data, epochs=epochs).history["loss"]

    return jax.vmap(jax.vmap(run, in_axes=(None, 0)), in_axes=(0, None))(rates, keys)


def learn(network, keys, epochs):
    """Return the rate that reaches the goal first, or else the one of the lowest last loss, and its mean losses."""
    (images, labels), _ = fn.data.load_digits()
    data = images.reshape(len(images), -1).astype(np.float32) / 16, labels.astype(np.int32)
    means = np.asarray(losses(keys, data, jnp.array(RATES), network=network, epochs=epochs)).mean(axis=1)

    def order(index):
        reached, last = first(means[index], GOAL), means[index, -1]
        return (epochs if reached is None else reached), (last if np.isfinite(last) else np.inf)

    best = min(range(len(RATES)), key=order)
    return RATES[best], means[best]


def draw(descents, curves, epochs, path):
    """Draw each path on the level lines of its cost, the costs by step, and the losses by epoch."""
    picture, axes = plots.figure(2, 3, size=(14, 8.4))
    for place, colour, (name, (condition, steps, _, x)) in zip(
        axes[0], plots.COLOURS[1:], descents.items(), strict=False
    ):

        def cost(points, x=x):
            error = points - BEST
            return np.sum(error @ (x.T @ x / len(x)) * error, axis=1) / 2

        plots.surface(place, cost, (-1, 3), (-1, 3.5), xlabel="weight w₁", ylabel="weight w₂", log=True, levels=12,
                      title=f"{name} inputs: condition number {condition:.1f}\n(darker: lower cost)")  # fmt: skip
        plots.paths(place, {"gradient descent": steps}, colours=(colour,))
        place.plot(*START, "k*", markersize=10, label="start")
        place.plot(*BEST, "k+", markersize=10, label="lowest cost")
        place.legend(fontsize="small", loc="upper right")
    cost_axes, loss_axes, epoch_axes = axes[1]
    by_step = {f"{name} inputs": np.maximum(costs / costs[0], 1e-9) for name, (_, _, costs, _) in descents.items()}
    steps = np.arange(len(next(iter(by_step.values()))))
    plots.curves(cost_axes, by_step, x=steps, xlabel="step", ylabel="cost / first cost (lower is better)", log=True,
                 title="Linear neuron: cost by step (drawn down to 1e-9)", colours=COLOURS)  # fmt: skip
    colours = (plots.COLOURS[0], plots.COLOURS[6])
    deepest = max(depth for _, depth in curves)
    shown = {name: curves[name, deepest] for name in ACTIVATIONS}
    plots.curves(loss_axes, shown, xlabel="epoch", ylabel="training loss in nats (lower is better)", log=True,
                 title=f"Digits: loss, {deepest} hidden layers, best rate of each", colours=colours)  # fmt: skip
    loss_axes.axhline(GOAL, color="grey", linewidth=1)
    loss_axes.text(1, GOAL * 0.8, f"goal: {GOAL:g}", va="top", fontsize="small")
    depths = sorted({depth for _, depth in epochs})
    bars = {name: [np.nan if (e := epochs[name, depth]) is None else e for depth in depths] for name in ACTIVATIONS}
    plots.bars(epoch_axes, list(map(str, depths)), bars, xlabel="hidden layers", ylabel="epochs (lower is better)",
               title=f"Digits: epochs to a training loss of {GOAL:g}", colours=colours)  # fmt: skip
    epoch_axes.set_xlim(-0.6, len(depths) - 0.4)
    for (name, depth), needed in epochs.items():
        if needed is None:
            place = depths.index(depth) + (0.2 if name == "sigmoid" else -0.2)
            told = f"{name}: not in {len(shown[name])}"
            epoch_axes.text(place, 0.3, told, rotation=90, ha="center", fontsize="small")
    plots.save(picture, path, dpi=80)


def main(argv=None):
    """Run both comparisons, print the tables, draw the picture, and return the figures."""
    options = parser(__file__, __doc__)
    options.add_argument("--steps", type=positive_integer, default=120, help="of the linear neuron (default: 120)")
    options.add_argument("--epochs", type=positive_integer, default=50, help="on the digits (default: 50)")
    options.add_argument("--depths", type=positive_integer, nargs="+", default=[1, 2, 3, 4], help="hidden layers")
    options.add_argument("--seeds", type=positive_integer, default=3, help="networks of each rate (default: 3)")
    chosen = options.parse_args(argv)
    descents = {name: (*descend(x, chosen.steps), x) for name, x in inputs(chosen.seed).items()}
    figures = {}
    print(f"{'inputs':16}{'condition number':>18}{f'steps to {NEAR:g} of the first cost':>34}")
    for name, (condition, _, costs, _) in descents.items():
        figures[name] = {"condition number": condition, "steps": first(costs, NEAR * costs[0])}
        print(f"{name:16}{condition:18.2f}{figures[name]['steps'] or 'never':>34}")
    keys, curves, epochs = jax.random.split(jax.random.key(chosen.seed), chosen.seeds), {}, {}
    print(f"\n{'hidden layers':16}{'activation':12}{'best rate':>12}{f'epochs to loss {GOAL:g}':>26}{'last loss':>12}")
    for depth in sorted(chosen.depths):
        for name, activation in ACTIVATIONS.items():
            network = fn.mlp([64, *[WIDTH] * depth, 10], hidden=activation)
            rate, curves[name, depth] = learn(network, keys, chosen.epochs)
            index, last = first(curves[name, depth], GOAL), float(curves[name, depth][-1])
            epochs[name, depth] = None if index is None else index + 1
            figures[f"{name}, {depth}"] = {"rate": rate, "epochs": epochs[name, depth], "loss": last}
            print(f"{depth:<16}{name:12}{rate:12g}{epochs[name, depth] or 'never':>26}{last:12.4f}")
    draw(descents, curves, epochs, chosen.picture)
    print(f"picture: {chosen.picture}")
    return figures


if __name__ == "__main__":
    main()
