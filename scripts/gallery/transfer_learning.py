"""Transfer: a network that learned the ten digits, and is frozen, is the first layer of one that tells even from odd.

Half of the training images and their ten labels train the first network. A new output layer on top of it then learns
whether a digit is even, from few other images. Yosinski, Clune, Bengio, Lipson, "How transferable are features in
deep neural networks?" (2014). The picture shows the test accuracy by the number of images: with few of them the
frozen network is far ahead of a new one.
"""

import jax
import jax.numpy as jnp
import numpy as np
from example import parser

import funcnet as fn
from funcnet import plots

LOSS = fn.softmax_cross_entropy
OF_TEN = fn.mlp([64, 64, 10], output=fn.softmax)
OF_TWO = fn.Sequential(OF_TEN, fn.Dense(2))
FROZEN = fn.Sequential(fn.Frozen(OF_TEN), fn.Dense(2))
WAYS = {  # the network, and whether its first part is the learned one
    "from ten digits, frozen": (FROZEN, True),
    "from ten digits, all trained further": (OF_TWO, True),
    "random weights, all trained": (OF_TWO, False),
    "random weights, frozen": (FROZEN, False),
}


def digits():
    """Return the two halves of the training data, and the test data: images (n, 64) in [0, 1] and labels 0 to 9."""
    (x, labels), test = ((x.reshape(len(x), -1).astype(np.float32) / 16, labels.astype(np.int32))
                         for x, labels in fn.data.load_digits())  # fmt: skip
    return (x[::2], labels[::2]), (x[1::2], labels[1::2]), test


def accuracies(way, learned, data, test, keys, epochs):
    """Return the test accuracy for each key; all of them train in one program."""
    network, is_learned = WAYS[way]
    optimizer = fn.adam(0.01)

    @jax.jit
    @jax.vmap
    def train(key, x, y):
        init_key, key = jax.random.split(key)
        params, _ = network.init(init_key, x.shape[1:])
        params = (learned, *params[1:]) if is_learned else params
        state = fn.init_state(network, optimizer, key, x.shape[1:], params=params)
        run = fn.run_epochs(network, LOSS, optimizer, state, (x, y), epochs=epochs, batch_size=None)
        return jnp.mean(fn.accuracy(network.apply(run.state.params, test[0]), test[1] % 2))

    return np.asarray(train(keys, *data))


def main(argv=None):
    """Train all, print the table, draw the picture, and return the accuracies."""
    options = parser(__file__, __doc__)
    options.add_argument("--images", type=int, nargs="+", default=[5, 10, 30, 100], help="training images")
    options.add_argument("--runs", type=int, default=20, help="runs, each with its own images (default: 20)")
    options.add_argument("--epochs", type=int, default=150, help="steps with all images (default: 150)")
    chosen = options.parse_args(argv)
    first_half, (x, labels), test = digits()
    key, random = jax.random.key(chosen.seed), np.random.default_rng(chosen.seed)
    source = (first_half[0], fn.data.one_hot(first_half[1], 10))
    learned = fn.fit(
        OF_TEN, fn.categorical_cross_entropy, fn.adam(0.003), source, key=key, epochs=30, progress=False
    ).params
    keys = jax.random.split(key, chosen.runs)
    found = {way: [] for way in WAYS}
    for images in chosen.images:
        places = np.stack([random.choice(len(x), images, replace=False) for _ in range(chosen.runs)])
        data = x[places], labels[places] % 2
        for way in WAYS:
            found[way].append(accuracies(way, learned, data, test, keys, chosen.epochs))
    found = {way: np.array(values) for way, values in found.items()}  # (images, runs)
    print(f"even or odd: test accuracy, mean of {chosen.runs} runs, by the number of training images")
    print(f"{'first part of the network':40}" + "".join(f"{images:8}" for images in chosen.images))
    for way, values in found.items():
        print(f"{way:40}" + "".join(f"{value:8.3f}" for value in values.mean(axis=1)))
    draw(found, chosen.images, chosen.picture)
    print(f"picture: {chosen.picture}")
    return found


def draw(found, images, path):
    """Draw the mean accuracy of each way by the number of images, with its standard error."""
    picture, ((axes,),) = plots.figure(1, 1, size=(6.6, 4.6))
    means = {way: values.mean(axis=1) for way, values in found.items()}
    plots.curves(axes, means, x=images, xlabel="training images (log scale)",
                 ylabel="test accuracy (higher is better)",
                 title="Even or odd from few images: mean and standard error")  # fmt: skip
    for line, marker, values in zip(axes.lines, plots.MARKERS, found.values(), strict=False):
        line.set(marker=marker, markersize=5)
        error = values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
        axes.fill_between(
            images, values.mean(axis=1) - error, values.mean(axis=1) + error, color=line.get_color(), alpha=0.15
        )
    axes.set(xscale="log", ylim=(0.45, 1.2))
    axes.set_xticks(images, images)
    axes.set_yticks(np.arange(5, 11) / 10)
    axes.minorticks_off()
    axes.legend(fontsize="small", loc="upper left")
    plots.save(picture, path)


if __name__ == "__main__":
    main()
