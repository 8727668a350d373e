"""Every activation and its hand-written derivative, dead ReLUs, and the saturation of the sigmoid.

A ReLU that outputs 0 for every sample has the gradient 0 for every sample: it cannot learn any more. A large learning
rate makes large steps and so many dead ReLUs. A sigmoid far from 0 has a derivative of almost 0.
"""

import jax
import numpy as np
from example import parser

import funcnet as fn
from funcnet import plots

Z = np.linspace(-4, 4, 801, dtype=np.float32)  # contains 0
ELEMENTWISE = [
    fn.step, fn.sign, fn.linear, fn.sigmoid, fn.tanh, fn.relu,
    fn.LeakyReLU(0.1), fn.PReLU(0.25), fn.elu, fn.softplus, fn.silu, fn.gelu,
]  # fmt: skip
JUMPS = (fn.step, fn.sign)
RATES = (0.0, 0.03, 0.1, 0.3, 1.0, 2.0, 3.0)
SATURATED = (0.0, 2.0, 5.0, 10.0)


def curves():
    """Return the values and the derivatives of every activation at ``Z``: by name, (n,) each."""
    found = {repr(each): (np.asarray(each(Z)), np.asarray(each.derivative(Z))) for each in ELEMENTWISE}
    rows = np.stack([Z, np.zeros_like(Z), np.zeros_like(Z)], axis=1)
    jacobian = np.asarray(fn.softmax.derivative(rows))
    found["softmax of (z, 0, 0), first output"] = np.asarray(fn.softmax(rows))[:, 0], jacobian[:, 0, 0]
    return found


def dead_share(learning_rate, seed, epochs):
    """Return the share of 128 ReLUs that have the derivative 0 at every training image after training at that rate."""
    (x, labels), _ = fn.data.load_digits()
    train = x.reshape(len(x), -1).astype(np.float32) / 16, fn.data.one_hot(labels, 10)
    network = fn.mlp([64, 128, 10], hidden=fn.relu)
    settings = {"key": jax.random.key(seed), "epochs": epochs, "batch_size": 32, "progress": False}
    params = fn.fit(network, fn.softmax_cross_entropy, fn.sgd(learning_rate), train, **settings).params
    z = network.layers[0].apply(params[0], train[0])
    return float(np.mean(np.all(np.asarray(fn.relu.derivative(z)) == 0, axis=0)))


def draw(found, dead, path):
    """Draw a panel for each activation, one for dead ReLUs and one for the saturation."""
    picture, axes = plots.figure(3, 5, size=(13, 7.4))
    for place, (name, (value, derivative)) in zip(axes.ravel(), found.items(), strict=False):
        broken = np.where(Z == 0, np.nan, value) if name in map(repr, JUMPS) else value  # no line across a jump
        place.plot(Z, broken, color=plots.COLOURS[0], label="σ(z)")
        bent = np.abs(np.diff(derivative)).max() > 0.1
        shown = (
            np.where(np.append(np.abs(np.diff(derivative)) > 0.1, False), np.nan, derivative) if bent else derivative
        )
        place.plot(Z, shown, "--", color=plots.COLOURS[1], label="σ′(z)")
        if bent or name in map(repr, JUMPS):  # where the right-hand branch is taken
            zero = len(Z) // 2
            place.plot(0, value[zero], "o", color=plots.COLOURS[0], markersize=5)
            place.plot(0, derivative[zero], "D", color=plots.COLOURS[1], markersize=5)
        place.set(ylim=(-1.6, 2.6), xlim=(-4, 4))
        place.set_title(name, fontsize="small")
        place.grid(alpha=0.3)
    axes[0, 0].legend(fontsize="small", loc="upper left")
    for place in axes[-1]:
        place.set_xlabel("z")
    left, right = axes[-1, -2:]
    left.bar([f"{rate:g}" for rate in dead], [100 * share for share in dead.values()], color=plots.COLOURS[2])
    left.set(xlabel="learning rate of SGD (0: untrained)", ylabel="% of 128 units")
    left.set_title("ReLUs that have died", fontsize="small")
    left.tick_params(axis="x", labelsize="x-small", rotation=45)
    z = np.linspace(0, 12, 121, dtype=np.float32)
    right.semilogy(z, fn.sigmoid.derivative(z), color=plots.COLOURS[1])
    right.set_title("the sigmoid's σ′(z), saturating", fontsize="small")
    right.set_xlabel("z")
    right.grid(alpha=0.3)
    plots.save(picture, path)


def main(argv=None):
    """Print the figures, draw the picture, and return the figures."""
    options = parser(__file__, __doc__)
    options.add_argument("--epochs", type=int, default=20, help="before dead ReLUs are counted (default: 20)")
    chosen = options.parse_args(argv)
    found = curves()
    at = {-2.0: len(Z) // 4, 0.0: len(Z) // 2, 2.0: 3 * len(Z) // 4}
    print("values σ(z) and derivatives σ′(z); at a kink or a jump the right-hand branch is taken")
    print(f"{'':36}" + "".join(f"{f'σ({z:g})':>9}{f'σ′({z:g})':>9}" for z in at))
    for name, (value, derivative) in found.items():
        print(f"{name:36}" + "".join(f"{value[i]:9.4f}{derivative[i]:9.4f}" for i in at.values()))
    dead = {rate: dead_share(rate, chosen.seed, chosen.epochs) for rate in RATES}
    print(f"\nReLUs that answer 0 to all training images after {chosen.epochs} epochs of SGD, by rate (0: untrained)")
    print("  ".join(f"{rate:g}: {share:.1%}" for rate, share in dead.items()))
    saturation = {z: float(fn.sigmoid.derivative(np.float32(z))) for z in SATURATED}
    print("\nderivative of the sigmoid: " + ", ".join(f"σ′({z:g}) = {slope:.2e}" for z, slope in saturation.items()))
    draw(found, dead, chosen.picture)
    print(f"picture: {chosen.picture}")
    return {"curves": found, "dead": dead, "saturation": saturation}


if __name__ == "__main__":
    main()
