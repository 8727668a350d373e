"""MNIST's digits 0 and 1: 784-25-15-1, all sigmoid, binary cross-entropy, Adam, 32 images a step, 100 epochs."""

import images

import funcnet as fn


def zeros_and_ones(x, labels):
    """Return the images and labels of those two classes."""
    chosen = labels < 2
    return x[chosen], labels[chosen]


def main(argv=None):
    """Train once for each seed, print the figures, draw the first run, and return the means over the runs."""
    options = images.parser(__file__, __doc__, epochs=100).parse_args(argv)
    train, test = fn.data.load_mnist()
    both = zeros_and_ones(*train), zeros_and_ones(*test)
    data = images.prepared(both, brightest=255, samples=options.samples, classes=2)
    network = fn.mlp([784, 25, 15, 1], hidden=fn.sigmoid)
    loss = fn.sigmoid_cross_entropy  # of the logit z: the sigmoid is part of the loss, where it cannot saturate
    runs, figures = images.learn(data, network, loss, fn.adam(0.001), 32, options)
    images.draw(data, network, loss, runs[0], f"MNIST's 0 and 1, 784-25-15-1, seed {options.seed}", options.picture)
    print(f"picture: {options.picture}")
    return figures


if __name__ == "__main__":
    main()
