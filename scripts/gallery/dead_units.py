"""Dead and saturated units and their cures, on the embedded digits: networks of three hidden layers.

A unit learns by its error δ = (wᵀ δ of the next layer) ⊙ σ′(z) (BP2). A ReLU is dead where z < 0, and so σ′(z) = 0, at
every sample. A sigmoid or tanh is saturated at a sample where σ′(z) is below 1 % of its largest value. Initial weights
that are several times those of He or Glorot make z and δ too large, and steps that are too large kill ReLUs. Glorot,
Bengio, "Understanding the Difficulty of Training Deep Feedforward Networks" (2010); He et al., "Delving Deep into
Rectifiers" (2015); Ba, Kiros, Hinton, "Layer Normalization" (2016).

The picture shows the share of dead or saturated units before and after training, and the sizes of a and δ by layer:
LayerNorm and the initial weights of He and Glorot keep most units alive and a and δ small.
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

UNITS, DEPTH, LOSS = 64, 3, fn.softmax_cross_entropy


class Case(NamedTuple):
    """An activation, the factor on its initial weights, and what trains the network."""

    activation: fn.Activation
    factor: float  # 1 for the initial weights of He (ReLU and its relatives) or Glorot (sigmoid and tanh)
    optimizer: Any
    style: int  # of the colour and the marker in the picture
    normalized: bool = False  # whether LayerNorm is applied before each activation

    @property
    def network(self):
        """The network with initial weights of factor 1."""
        bounded = self.activation in (fn.sigmoid, fn.tanh)
        initializer = fn.initializers.glorot_normal if bounded else fn.initializers.he_normal
        norm = (fn.LayerNorm(),) if self.normalized else ()
        block = (fn.Dense(UNITS, weight_initializer=initializer), *norm, self.activation)
        return fn.Sequential(*(block * DEPTH), fn.Dense(10, weight_initializer=fn.initializers.glorot_normal))

    def start(self, key):
        """Return initial parameters in which the weights of the hidden layers are multiplied by the factor."""
        *hidden, output = self.network.init(key, (64,))[0]
        factor = jnp.float32(self.factor)
        scaled = [p._replace(weight=factor * p.weight) if isinstance(p, fn.DenseParams) else p for p in hidden]
        return *scaled, output


SGD, FASTER, FASTEST = fn.sgd(0.1), fn.sgd(0.3), fn.sgd(1.0)
CLIPPED = fn.chain(fn.clip_by_global_norm(10.0), SGD)
TOO_LARGE, FITTING, NORMALIZED = 0, 3, 6  # styles: initial weights that are too large, those of He or Glorot, LayerNorm
RECTIFIERS = {
    "ReLU, 4 × He": Case(fn.relu, 4, SGD, TOO_LARGE),
    "leaky ReLU, 4 × He": Case(fn.LeakyReLU(0.1), 4, SGD, 1),
    "ELU, 4 × He": Case(fn.elu, 4, SGD, 2),
    "ReLU, 4 × He, AdaGrad": Case(fn.relu, 4, fn.adagrad(0.01), 4),
    "ReLU, 4 × He, clipped gradients": Case(fn.relu, 4, CLIPPED, 5),
    "ReLU, He": Case(fn.relu, 1, SGD, FITTING),
    "ReLU, 4 × He, LayerNorm": Case(fn.relu, 4, SGD, NORMALIZED, normalized=True),
}
SIGMOIDS = {
    "tanh, 30 × Glorot": Case(fn.tanh, 30, FASTER, TOO_LARGE),
    "tanh, Glorot": Case(fn.tanh, 1, FASTER, FITTING),
    "tanh, 30 × Glorot, LayerNorm": Case(fn.tanh, 30, FASTER, NORMALIZED, normalized=True),
    "sigmoid, 30 × Glorot": Case(fn.sigmoid, 30, FASTEST, TOO_LARGE),
    "sigmoid, Glorot": Case(fn.sigmoid, 1, FASTEST, FITTING),
    "sigmoid, 30 × Glorot, LayerNorm": Case(fn.sigmoid, 30, FASTEST, NORMALIZED, normalized=True),
}


class Measured(NamedTuple):
    """What is measured of one network.

    Attributes:
        dead: the share of the hidden units whose σ′ is below 1 % of its largest value at every sample.
        saturated: the share of such values of σ′, over hidden units and samples.
        activations: (hidden layers,): the root mean square of a.
        errors: (layers,): the root mean square of δ.
    """

    dead: jax.Array
    saturated: jax.Array
    activations: jax.Array
    errors: jax.Array


def size(values):
    """Return the root mean square."""
    return jnp.sqrt(jnp.mean(values**2))


@partial(jax.jit, static_argnames=("network", "activation"))
def measure(params, x, y, *, network, activation):
    """Return what is measured of a network for each of several parameters, on those samples."""
    largest = activation.derivative(jnp.zeros(())) if activation in (fn.sigmoid, fn.tanh) else jnp.ones(())

    def measure_one(params):
        flat, activations, a = [], [], x
        for layer, layer_params in zip(network.layers, params, strict=True):
            if layer == activation:
                flat.append(jnp.abs(layer.derivative(a)) < 0.01 * largest)
            a = layer.apply(layer_params, a)
            if layer == activation:
                activations.append(size(a))
        is_flat = jnp.stack(flat)  # (hidden layers, samples, units)
        errors = jnp.stack([size(error.delta) for error in fn.layer_errors(network, LOSS, params, x, y)])
        return Measured(jnp.mean(jnp.all(is_flat, axis=1)), jnp.mean(is_flat), jnp.stack(activations), errors)

    return jax.vmap(measure_one)(params)


@partial(jax.jit, static_argnames=("network", "optimizer", "epochs"))
def train(keys, params, data, test, *, network, optimizer, epochs):
    """Return the parameters after the last epoch and the test accuracy, for each key."""

    def run(key, params):
        state = fn.init_state(network, optimizer, key, (64,), params=params)
        params = fn.run_epochs(network, LOSS, optimizer, state, data, epochs=epochs).state.params
        return params, jnp.mean(fn.accuracy(network.apply(params, test[0]), test[1]))

    return jax.vmap(run)(keys, params)


def study(case, keys, data, test, epochs):
    """Return the means over the seeds before and after training, the test accuracy, and the share that diverged.

    The means after training are NaN where a run diverged.
    """
    params = jax.vmap(case.start)(keys)
    network = case.network
    trained, accuracies = train(keys, params, data, test, network=network, optimizer=case.optimizer, epochs=epochs)
    before, after = (measure(each, *data, network=network, activation=case.activation) for each in (params, trained))
    has_diverged = ~np.isfinite(after.errors).all(axis=1)
    after = after._replace(dead=np.where(has_diverged, np.nan, after.dead))
    after = after._replace(saturated=np.where(has_diverged, np.nan, after.saturated))
    return {
        "before": Measured(*(np.mean(values, axis=0) for values in before)),
        "after": Measured(*(np.mean(values, axis=0) for values in after)),
        "accuracy": np.nan if has_diverged.any() else float(np.mean(accuracies)),
        "diverged": float(np.mean(has_diverged)),
    }


def prepared(images, labels):
    """Return pixels in [0, 1] (n, 64) and labels (n,)."""
    return jnp.asarray(images.reshape(len(images), -1) / np.float32(16)), jnp.asarray(labels, jnp.int32)


def numbers(values):
    """Return the numbers as text in columns."""
    return "".join(f"{value:9.2g}" for value in values)


def print_table(results):
    """Print a line before and a line after training for each case."""
    print(f"\n{'':39}{'dead':>7}{'saturated':>11}   {'size of a by layer':>27}   {'size of δ by layer':>36}   accuracy")
    for name, result in results.items():
        for when in ("before", "after"):
            dead, saturated, activations, errors = result[when]
            start = f"{name if when == 'before' else '':32}{when:>7}"
            if np.isnan(dead):
                print(f"{start}   {result['diverged']:.0%} of the runs diverged")
                continue
            accuracy = f"{result['accuracy']:11.3f}" if when == "after" else ""
            print(f"{start}{dead:7.1%}{saturated:11.1%}   {numbers(activations)}   {numbers(errors)}{accuracy}")


def draw(families, path):
    """Draw for each family the shares before and after training, and the sizes of a and δ by layer before training."""
    picture, axes = plots.figure(2, 3, size=(15, 8))
    shares = {
        "dead": "dead units (% of units, lower is better)",
        "saturated": "saturated outputs (% over units and samples, lower is better)",
    }
    for (share, xlabel), results, row in zip(shares.items(), families, axes, strict=True):
        left, *panels = row
        for place, (name, result) in enumerate(results.items()):
            case = (RECTIFIERS | SIGMOIDS)[name]
            marker = "s" if case.activation == fn.sigmoid else plots.MARKERS[case.style]
            style = {"color": plots.COLOURS[case.style], "marker": marker, "markersize": 10}
            before, after = (100 * getattr(result[when], share) for when in ("before", "after"))
            left.plot([before, after], [place, place], "-", color=style["color"], linewidth=1)
            left.plot(before, place, fillstyle="none", **style)
            left.plot(after, place, **style)
            diverged = f"{result['diverged']:.0%} diverged"
            accuracy = diverged if result["diverged"] else f"{result['accuracy']:.3f}"
            left.text(1.02, place, accuracy, transform=left.get_yaxis_transform(), va="center", fontsize="small")
            if case.style in (TOO_LARGE, FITTING, NORMALIZED):
                dash = "--" if case.activation == fn.sigmoid else "-"
                for panel, values in zip(panels, result["before"][2:], strict=True):
                    panel.plot(np.arange(1, len(values) + 1), values, dash, linewidth=1.4, **style)
        left.set(yticks=range(len(results)), yticklabels=results, ylim=(len(results) - 0.5, -0.6))
        left.set(xlabel=xlabel, xlim=(-3, 103))
        left.text(1.02, 1.03, "test accuracy", transform=left.transAxes, fontsize="small")
        left.set_title("hollow: before training; filled: after", fontsize="medium")
        left.grid(axis="x", alpha=0.3)
        for panel, name in zip(panels, ("activations a", "errors δ"), strict=True):
            panel.set(xlabel="layer, from the input on", ylabel=f"root mean square of the {name}", yscale="log")
            panel.set_title(f"{name} before training (marks as on the left)", fontsize="medium")
            panel.locator_params(axis="x", integer=True)
            panel.grid(alpha=0.3)
    axes[1, 1].set(yscale="linear", ylim=(0, 1.05))
    plots.save(picture, path, dpi=85)


def main(argv=None):
    """Train every case from several seeds, print the tables, draw the picture, and return the figures by case."""
    options = parser(__file__, __doc__)
    options.add_argument("--seeds", type=positive_integer, default=5, help="networks of each case (default: 5)")
    options.add_argument("--epochs", type=positive_integer, default=20, help="of every run (default: 20)")
    options.add_argument("--cases", nargs="+", choices=[*RECTIFIERS, *SIGMOIDS], metavar="NAME", help="default: all")
    chosen = options.parse_args(argv)
    data, test = (prepared(*part) for part in fn.data.load_digits())
    keys = jax.random.split(jax.random.key(chosen.seed), chosen.seeds)
    print(f"{DEPTH} hidden layers of {UNITS} units, {chosen.seeds} seeds, {chosen.epochs} epochs, batches of 32")
    families = []
    for cases in (RECTIFIERS, SIGMOIDS):
        shown = {name: case for name, case in cases.items() if name in (chosen.cases or cases)}
        families.append({name: study(case, keys, data, test, chosen.epochs) for name, case in shown.items()})
        print_table(families[-1])
    draw(families, chosen.picture)
    print(f"picture: {chosen.picture}")
    return families[0] | families[1]


if __name__ == "__main__":
    main()
