"""MNIST with three layers: 784-256-128-10, ReLU and a linear output, squared error, SGD, 512 images a step.

The pixels are in [−1, 1]: most inputs are −1, so that the cost is steep in one direction and flat in the others. From
the start SGD bears a rate of 0.01 and not 0.02; after a slow warm-up it bears 0.1, and learns in 20 epochs.
"""

import images

import funcnet as fn

RATE = fn.schedules.warmup_cosine(0.1, warmup=4 * 118, steps=20 * 118)  # 118 steps are an epoch


def main(argv=None):
    """Train once for each seed, print the figures, draw the first run, and return the means over the runs."""
    options = images.parser(__file__, __doc__, epochs=20).parse_args(argv)
    data = images.prepared(fn.data.load_mnist(), brightest=255, pixels=(-1, 1), samples=options.samples)
    network, loss = fn.mlp([784, 256, 128, 10], hidden=fn.relu, output=fn.linear), fn.squared_error
    runs, figures = images.learn(data, network, loss, fn.sgd(RATE), 512, options)
    images.draw(data, network, loss, runs[0], f"MNIST, 784-256-128-10, seed {options.seed}", options.picture)
    print(f"picture: {options.picture}")
    return figures


if __name__ == "__main__":
    main()
