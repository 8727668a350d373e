"""MNIST by depth: a linear layer alone, and one, two and three hidden layers of ReLUs, with softmax and cross-entropy.

Layer l computes a^l = σ(w^l a^(l−1) + b^l). Without a hidden layer the logits are linear in the pixels, so that a plane
separates each pair of classes; hidden layers learn the features in which the classes are separated. All networks learn
by Adam, 128 images a step, pixels in [0, 1]. LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to
Document Recognition" (1998), compare networks with no, one and two hidden layers in section III.

The picture shows that the first hidden layer increases the test accuracy most, and that further hidden layers change it
little.
"""

import images
import jax
import numpy as np

import funcnet as fn
from funcnet import plots

WIDTHS = {"0": (), "1": (256,), "2": (256, 128), "3": (256, 128, 64)}  # of the hidden layers
LOSS, OPTIMIZER, BATCH_SIZE = fn.softmax_cross_entropy, fn.adam(0.001), 128


def learn(network, data, options):
    """Return the training and the test accuracy after each epoch, for each seed: (seeds, epochs) each."""
    histories = [
        fn.fit(
            network,
            LOSS,
            OPTIMIZER,
            data.train,
            key=jax.random.key(seed),
            epochs=options.epochs,
            batch_size=BATCH_SIZE,
            validation=data.test,
            metrics=[fn.accuracy],
            progress=False,
        ).history
        for seed in range(options.seed, options.seed + options.seeds)
    ]
    return tuple(np.stack([history[name] for history in histories]) for name in ("accuracy", "val_accuracy"))


def draw(figures, curves, path):
    """Draw the test accuracy by depth with a mark for each seed, and by epoch, the mean over the seeds."""
    picture, ((left, right),) = plots.figure(1, 2, size=(11.5, 4.6))
    for place, (name, found) in enumerate(figures.items()):
        style = {"color": plots.COLOURS[place], "marker": plots.MARKERS[place]}
        accuracies = 100 * np.array(found["test accuracies"])
        left.plot(np.full(len(accuracies), place), accuracies, linestyle="", markersize=7, alpha=0.7, **style)
        left.plot(place, accuracies.mean(), "_", color="black", markersize=30)
        left.text(place + 0.2, accuracies.mean(), f"{accuracies.mean():.2f} %", va="center", fontsize="small")
        epochs = np.arange(1, curves[name].shape[1] + 1)
        right.plot(epochs, 100 * curves[name].mean(axis=0), plots.DASHES[place], label=found["sizes"], **style)
    names = [f"{name}\n{found['parameters']:,}" for name, found in figures.items()]
    left.set_xticks(range(len(names)), names, fontsize="small")
    left.set(
        xlim=(-0.4, len(names) - 0.2),
        xlabel="number of hidden layers; below it, number of parameters",
        ylabel="test accuracy (%, higher is better)",
    )
    left.set_title("After the last epoch: a mark for each seed, a line for the mean", fontsize="medium")
    right.set(xlabel="epoch", ylabel="test accuracy (%, higher is better)")
    right.set_title("By epoch, the mean over the seeds", fontsize="medium")
    right.locator_params(axis="x", integer=True)
    right.legend(fontsize="small", loc="center right")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    plots.save(picture, path)


def main(argv=None):
    """Train every network from several seeds, print the table, draw the picture, and return the figures by depth."""
    options = images.parser(__file__, __doc__, epochs=5)
    options.add_argument("--data", choices=("mnist", "digits"), default="mnist",
                         help="MNIST, or the digits that come with funcnet (default: mnist)")  # fmt: skip
    options = options.parse_args(argv)
    loaded, brightest = (fn.data.load_mnist(), 255) if options.data == "mnist" else (fn.data.load_digits(), 16)
    data = images.prepared(loaded, brightest=brightest, samples=options.samples)
    pixels = data.train[0].shape[1]
    print(f"{len(data.train[0])} training and {len(data.labels)} test images, {options.epochs} epochs, {OPTIMIZER}")
    print(f"{'network':22}{'parameters':>12}{'training accuracy':>20}{'test accuracy':>16}{'lowest':>9}{'highest':>9}")
    figures, curves = {}, {}
    for name, widths in WIDTHS.items():
        network = fn.mlp([pixels, *widths, 10])
        trained, curves[name] = learn(network, data, options)
        tested = curves[name][:, -1]
        figures[name] = {
            "sizes": "-".join(map(str, (pixels, *widths, 10))),
            "parameters": fn.summary(network, (pixels,)).parameters,
            "training accuracy": float(trained[:, -1].mean()),
            "test accuracies": tested.tolist(),
        }
        sizes, parameters, training, _ = figures[name].values()
        print(f"{sizes:22}{parameters:12,}{training:20.4f}{tested.mean():16.4f}{tested.min():9.4f}{tested.max():9.4f}",
              flush=True)  # fmt: skip
    draw(figures, curves, options.picture)
    print(f"picture: {options.picture}")
    return figures


if __name__ == "__main__":
    main()
