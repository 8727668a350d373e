"""Slow learning: one sigmoid neuron learns the output 0 for the input 1, from a good and from a bad start.

The gradient of the quadratic loss, (a − y) σ′(z) x, has the factor σ′(z), which is almost 0 where the neuron is
saturated: the worse the start, the slower it learns. The gradient of the cross-entropy, (σ(z) − y) x, is largest there.
Nielsen (2015), chapter 3.
"""

import jax
import jax.numpy as jnp
import numpy as np
from example import parser

import funcnet as fn
from funcnet import plots

NETWORK = fn.mlp([1, 1], output=fn.sigmoid)
LOSSES = {"quadratic": fn.quadratic, "cross-entropy": fn.binary_cross_entropy}
STARTS = {"good start (w 0.6, b 0.9)": (0.6, 0.9), "bad start (w 2, b 2)": (2.0, 2.0)}
X, Y = jnp.ones((1, 1)), jnp.zeros((1, 1))


def learn(loss, start, learning_rate, epochs):
    """Return the output and ∂C/∂w before each epoch and after the last: (epochs + 1,) each."""
    optimizer = fn.sgd(learning_rate)
    w, b = start
    params = (fn.DenseParams(weight=jnp.array([[w]]), bias=jnp.array([b])), ())

    def step(carry, _):
        params, state = carry
        _, gradients = fn.backprop(NETWORK, loss)(params, X, Y)
        updates, state = optimizer.update(gradients, state, params)
        met = NETWORK.apply(params, X)[0, 0], gradients[0].weight[0, 0]
        return (fn.apply_updates(params, updates), state), met

    _, met = jax.lax.scan(step, (params, optimizer.init(params)), length=epochs + 1)
    return map(np.asarray, met)


def draw(outputs, slopes, epochs, path):
    """Draw outputs and gradients by epoch, and both gradients by z."""
    picture, ((left, middle, right),) = plots.figure(1, 3, size=(14, 4.4))
    x = np.arange(epochs + 1)
    plots.curves(left, outputs, x=x, xlabel="epoch", ylabel="output a (target 0)", title="Outputs")
    plots.curves(middle, slopes, x=x, xlabel="epoch", ylabel="∂C/∂w", title="Gradients on the way", log=True)
    for axes in (left, middle):
        axes.get_legend().remove()
    left.set_ylim(0, 1)
    left.get_figure().legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize="small")
    z = np.linspace(-6, 6, 241, dtype=np.float32)
    a = fn.sigmoid(z)
    by_z = {"quadratic: (a − y) σ′(z)": a * fn.sigmoid.derivative(z), "cross-entropy: σ(z) − y": a}
    plots.curves(right, by_z, x=z, xlabel="weighted input z = w + b (target y = 0)", ylabel="∂C/∂z",
                 title="Why: the gradient by how wrong the neuron is")  # fmt: skip
    for name, start in zip(("good", "bad"), STARTS.values(), strict=True):
        right.axvline(sum(start), color="black", linewidth=0.8, linestyle=":")
        right.text(sum(start) + 0.1, 0.42, f"{name} start", rotation=90, fontsize="small", ha="left", va="center")
    plots.save(picture, path)


def main(argv=None):
    """Train four times, print the table, draw the picture, and return the outputs and gradients."""
    options = parser(__file__, __doc__)
    options.add_argument("--epochs", type=int, default=300, help="steps of gradient descent (default: 300)")
    options.add_argument("--learning-rate", type=float, default=0.15, help="η (default: 0.15)")
    chosen = options.parse_args(argv)
    print(f"one sigmoid neuron, input 1, target 0, η = {chosen.learning_rate}, {chosen.epochs} epochs")
    print(f"{'':43}{'a before':>9}{'a after':>9}{'first ∂C/∂w':>13}   below a half")
    outputs, slopes = {}, {}
    for start_name, start in STARTS.items():
        for loss_name, loss in LOSSES.items():
            name = f"{loss_name}, {start_name}"
            outputs[name], slopes[name] = learn(loss, start, chosen.learning_rate, chosen.epochs)
            below = np.flatnonzero(outputs[name] < 0.5)
            when = f"after {below[0]} epochs" if below.size else "never"
            a = outputs[name]
            print(f"{name:43}{a[0]:9.4f}{a[-1]:9.4f}{slopes[name][0]:13.5f}   {when}")
    draw(outputs, slopes, chosen.epochs, chosen.picture)
    print(f"picture: {chosen.picture}")
    return {"outputs": outputs, "gradients": slopes}


if __name__ == "__main__":
    main()
