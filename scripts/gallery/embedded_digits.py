"""The embedded digits, 8 × 8 pixels: 64-256-10, ReLU and softmax, Adam, 32 images a step, 40 epochs.

The test images are every fifth of each class, in the set's own order: the same ones in every run.
"""

import images

import funcnet as fn
from funcnet.data.digits import MAX_PIXEL_VALUE


def main(argv=None):
    """Train once for each seed, print the figures, draw the first run, and return the means over the runs."""
    options = images.parser(__file__, __doc__, epochs=40).parse_args(argv)
    data = images.prepared(fn.data.load_digits(), brightest=MAX_PIXEL_VALUE, samples=options.samples)
    network, loss = fn.mlp([64, 256, 10], hidden=fn.relu), fn.softmax_cross_entropy
    runs, figures = images.learn(data, network, loss, fn.adam(0.001), 32, options)
    images.draw(data, network, loss, runs[0], f"embedded digits, 64-256-10, seed {options.seed}", options.picture)
    print(f"picture: {options.picture}")
    return figures


if __name__ == "__main__":
    main()
