"""Regression of a noisy sine by a 1-16-16-1 network, with error bars over many seeds.

The samples are y = sin x + ε with ε from N(0, σ²) and x uniform in [−π, π]. Each seed s draws its own initial weights
and its own bootstrap sample: n of the n samples with replacement, so that each sample has its count as weight. The mean
of the predictions is m(x) = (1/S) Σₛ fₛ(x), and their standard deviation is d(x) = √((1/S) Σₛ (fₛ(x) − m(x))²).
Breiman, "Bagging Predictors" (1996); Lakshminarayanan, Pritzel, Blundell, "Simple and Scalable Predictive Uncertainty
Estimation using Deep Ensembles" (2017).

The picture shows a narrow band around the sine in the range of the samples, and outside this range a band that widens
as the error grows.
"""

import jax
import jax.numpy as jnp
import numpy as np
from example import parser

import funcnet as fn
from funcnet import plots
from funcnet.cli.arguments import positive_integer, positive_number

NETWORK, LOSS, OPTIMIZER = fn.mlp([1, 16, 16, 1], hidden=fn.tanh), fn.quadratic, fn.adam(0.01)
EDGE, FARTHEST = np.pi, 2 * np.pi  # the samples are in [−EDGE, EDGE], the predictions in [−FARTHEST, FARTHEST]


def samples(key, count, noise):
    """Return x and y = sin x + ε, (count, 1) each."""
    x_key, noise_key = jax.random.split(key)
    x = jax.random.uniform(x_key, (count, 1), minval=-EDGE, maxval=EDGE)
    return x, jnp.sin(x) + noise * jax.random.normal(noise_key, x.shape)


def predictions(keys, data, x, epochs):
    """Return the predictions at ``x`` of a network for each key, (keys, points): all trained in one program."""
    count = len(data[0])

    def predict(key):
        bootstrap_key, run_key = jax.random.split(key)
        counts = jnp.bincount(jax.random.randint(bootstrap_key, (count,), 0, count), length=count)
        state = fn.init_state(NETWORK, OPTIMIZER, run_key, (1,))
        weighted = *data, counts.astype(jnp.float32)
        run = fn.run_epochs(NETWORK, LOSS, OPTIMIZER, state, weighted, epochs=epochs, batch_size=None)
        return NETWORK.apply(run.state.params, x)[:, 0]

    return np.asarray(jax.jit(jax.vmap(predict))(keys))


def draw(data, x, mean, deviation, path):
    """Draw the samples with the mean and the band of the predictions, and the deviation and the error by x."""
    picture, ((left, right),) = plots.figure(1, 2, size=(11.5, 4.6))
    blue, orange, black = plots.COLOURS[0], plots.COLOURS[1], plots.COLOURS[6]
    left.fill_between(x, mean - 2 * deviation, mean + 2 * deviation, color=plots.COLOURS[5], alpha=0.4, linewidth=0,
                      label="± 2 standard deviations")  # fmt: skip
    left.plot(*np.asarray(data)[:, :, 0], "o", color=plots.COLOURS[2], markersize=4, label="samples")
    plots.curves(left, {"mean prediction": mean, "sin x, the truth": np.sin(x)}, x=x, colours=(blue, black),
                 xlabel="input x", ylabel="output y",
                 title="Mean of the predictions ± 2 standard deviations")  # fmt: skip
    left.set_ylim(-4, 4)
    left.legend(fontsize="small", loc="upper center", ncols=2)
    by_x = {"standard deviation d(x)": deviation, "error of the mean, |m(x) − sin x|": abs(mean - np.sin(x))}
    plots.curves(right, by_x, x=x, colours=(blue, orange), xlabel="input x",
                 ylabel="d(x) and |m(x) − sin x|  (lower is better)",
                 title="Deviation and error grow away from the samples")  # fmt: skip
    right.set_ylim(0, 2.4)
    right.legend(fontsize="small", loc="upper center")
    for axes, height in ((left, -3.6), (right, 0.5)):
        axes.axvspan(-EDGE, EDGE, color=black, alpha=0.06, linewidth=0, zorder=0)
        axes.text(0, height, "range of the samples", ha="center", fontsize="small")
    plots.save(picture, path)


def main(argv=None):
    """Train one network for each seed, print the figures, draw the picture, and return the figures."""
    options = parser(__file__, __doc__)
    options.add_argument("--networks", type=positive_integer, default=50, help="networks to train (default: 50)")
    options.add_argument("--epochs", type=positive_integer, default=1000, help="steps on all samples (default: 1000)")
    options.add_argument("--samples", type=positive_integer, default=60, help="training samples (default: 60)")
    options.add_argument("--noise", type=positive_number, default=0.2, help="σ of the noise (default: 0.2)")
    chosen = options.parse_args(argv)
    data_key, networks_key = jax.random.split(jax.random.key(chosen.seed))
    data = samples(data_key, chosen.samples, chosen.noise)
    x = np.linspace(-FARTHEST, FARTHEST, 401, dtype=np.float32)
    every = predictions(jax.random.split(networks_key, chosen.networks), data, jnp.asarray(x)[:, None], chosen.epochs)
    mean, deviation = every.mean(axis=0), every.std(axis=0)
    print(f"{NETWORK}, {chosen.networks} networks, {chosen.epochs} epochs")
    print(f"{chosen.samples} samples of sin x with noise of σ = {chosen.noise:g}, x in [−π, π]")
    print(f"{'':26}{'standard deviation':>20}{'error of':>14}{'error of':>14}{'sine within':>14}")
    print(f"{'(root mean squares)':26}{'of the predictions':>20}{'their mean':>14}{'one network':>14}{'the band':>14}")
    figures = {}
    is_inside = abs(x) <= EDGE
    for place, rows in {"in [−π, π]": is_inside, "outside, to ±2π": ~is_inside}.items():
        shown = {
            "deviation": deviation,
            "error of the mean": mean - np.sin(x),
            "error of one network": every - np.sin(x)[None, :],
        }
        figures[place] = {name: float(np.sqrt(np.mean(values[..., rows] ** 2))) for name, values in shown.items()}
        figures[place]["within"] = float(np.mean(abs(mean - np.sin(x))[rows] <= 2 * deviation[rows]))
        spread, of_mean, of_one, within = figures[place].values()
        print(f"{place:26}{spread:20.3f}{of_mean:14.3f}{of_one:14.3f}{within:14.0%}")
    draw(data, x, mean, deviation, chosen.picture)
    print(f"picture: {chosen.picture}")
    return figures


if __name__ == "__main__":
    main()
