"""MNIST with two layers: 784-512-10, ReLU and softmax, RMSProp, 128 images a step, 5 epochs, pixels in [0, 1]."""

import images

import funcnet as fn


def main(argv=None):
    """Train once for each seed, print the figures, draw the first run, and return the means over the runs."""
    options = images.parser(__file__, __doc__, epochs=5).parse_args(argv)
    data = images.prepared(fn.data.load_mnist(), brightest=255, samples=options.samples)
    network, loss = fn.mlp([784, 512, 10], hidden=fn.relu), fn.softmax_cross_entropy
    runs, figures = images.learn(data, network, loss, fn.rmsprop(0.001), 128, options)
    images.draw(data, network, loss, runs[0], f"MNIST, 784-512-10, seed {options.seed}", options.picture)
    print(f"picture: {options.picture}")
    return figures


if __name__ == "__main__":
    main()
