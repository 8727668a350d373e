"""Pictures of networks: a gate as a unit, an adder as gates, a trained network, and samples with their predictions.

A line of a network is the wider, the larger its weight is: blue and solid above 0, orange and dashed below 0. The
number in a unit is its bias. In the picture the trained 2-4-1 network computes XOR, which no single unit can.
"""

import jax
import jax.numpy as jnp
import numpy as np
from example import parser

import funcnet as fn
from funcnet import neurons, plots

NAND = fn.Sequential(fn.Dense(1), fn.step), (fn.DenseParams(jnp.array([[-2.0, -2.0]]), jnp.array([3.0])), ())
XOR_NETWORK = fn.mlp([2, 4, 1], hidden=fn.tanh, output=fn.sigmoid)
XOR = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), jnp.array([[0.0], [1.0], [1.0], [0.0]])
ROWS, COLUMNS = 2, 5


def learned_xor(seed):
    """Return the parameters of the 2-4-1 network after training, and its outputs for the four inputs."""
    result = fn.fit(XOR_NETWORK, fn.binary_cross_entropy, fn.adam(0.1), XOR, key=jax.random.key(seed), epochs=300,
                    batch_size=None, progress=False)  # fmt: skip
    return result.params, np.asarray(XOR_NETWORK.apply(result.params, XOR[0]))[:, 0]


def digits(seed, epochs):
    """Return test images, their labels and the predictions of a small network: all wrong ones, then right ones."""
    (x, labels), (x_test, test_labels) = fn.data.load_digits()
    network = fn.Sequential(fn.Flatten(), fn.Rescaling(1 / 16), fn.Dense(32), fn.relu, fn.Dense(10))
    result = fn.fit(network, fn.softmax_cross_entropy, fn.adam(0.003), (x, labels), key=jax.random.key(seed),
                    epochs=epochs, progress=False)  # fmt: skip
    answers = np.asarray(fn.predicted_classes(fn.predict(network, result.params, x_test)))
    order = np.argsort(answers == test_labels, kind="stable")
    return x_test[order], test_labels[order], answers[order]


def draw(params, images, labels, answers, path):
    """Draw the gate, the adder, the network and the samples."""
    picture, axes = plots.figure(2, 2, size=(11, 9))
    (gate, adder), (xor, samples) = axes
    plots.network(gate, *NAND, inputs=["a", "b"], outputs=["a NAND b"], title="NAND: a unit with a step")
    plots.circuit(adder, neurons.full_adder, inputs=["a", "b", "carry in"], outputs=["sum", "carry out"],
                  title="a full adder: nine NANDs")  # fmt: skip
    plots.network(xor, XOR_NETWORK, params, inputs=["a", "b"], outputs=["a XOR b"], title="XOR: a trained 2-4-1")
    wrong = int(np.sum(labels != answers))
    title = f"{len(labels)} test digits: {wrong} predictions are wrong, such as the orange ones"
    places = plots.divided(samples, ROWS, COLUMNS, title=title)
    shown = np.linspace(0, 2 * wrong, ROWS * COLUMNS, endpoint=False).astype(int)
    plots.samples(places, images[shown], labels[shown], answers[shown])
    plots.save(picture, path, dpi=80)


def main(argv=None):
    """Train, print the figures, draw the picture, and return the figures."""
    options = parser(__file__, __doc__)
    options.add_argument("--epochs", type=int, default=30, help="of learning the digits (default: 30)")
    chosen = options.parse_args(argv)
    params, outputs = learned_xor(chosen.seed)
    gates, results = neurons.gates_of(neurons.full_adder, 3)
    print("full adder: wires 0, 1 and 2 are a, b and the carry")
    for wire, (left, right) in enumerate(gates, start=3):
        print(f"  wire {wire:2} = wire {left} NAND wire {right}")
    print(f"  sum: wire {results[0]}, carry out: wire {results[1]}\n")
    print("XOR by the 2-4-1 network: " + ", ".join(
        f"{a:.0f} XOR {b:.0f} = {out:.3f}" for (a, b), out in zip(XOR[0], outputs, strict=True)))  # fmt: skip
    images, labels, answers = digits(chosen.seed, chosen.epochs)
    right = float(np.mean(labels == answers))
    print(f"digits: {right:.4f} of {len(labels)} test images are predicted correctly")
    draw(params, images, labels, answers, chosen.picture)
    print(f"picture: {chosen.picture}")
    return {"gates": gates, "results": results, "xor": outputs, "accuracy": right}


if __name__ == "__main__":
    main()
