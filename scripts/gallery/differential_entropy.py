"""Information further on: differential entropy three ways, Huffman's code and powers of ½, and a loss in bits and nats.

h = −∫ p log p of a density p, in closed form, by quadrature and estimated from samples. It is negative where the
density is narrow: the uniform density of width 1 has h = 0. Huffman's mean length equals the entropy H only where
all probabilities are powers of ½. Shannon (1948), sections 9 and 20; Vasicek (1976); Huffman (1952).

In the picture, h falls below 0 where the width is below 1, and the estimates lie on the lines of the closed forms.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from example import parser

import funcnet as fn
from funcnet import information, plots
from funcnet.information import differential_entropy, estimated_differential_entropy

WIDTHS = np.geomspace(0.1, 10, 21)  # of the uniform density; the standard deviation of the others
FAMILIES = {
    "normal, standard deviation s": lambda s: information.Normal(stddev=s),
    "uniform, width s": lambda s: information.Uniform(0.0, s),
    "exponential, mean s": lambda s: information.Exponential(rate=1 / s),
}
SOURCES = {
    "½, ¼, ⅛, ⅛": [1 / 2, 1 / 4, 1 / 8, 1 / 8],
    "¼, ¼, ¼, ¼": [1 / 4] * 4,
    "⅓, ⅓, ⅓": [1 / 3] * 3,
    "0.9, 0.1": [0.9, 0.1],
}


def drawn(density, key, samples):
    """Return samples of a density."""
    if isinstance(density, information.Normal):
        return density.mean + density.stddev * jax.random.normal(key, (samples,))
    if isinstance(density, information.Uniform):
        return jax.random.uniform(key, (samples,), minval=density.low, maxval=density.high)
    return jax.random.exponential(key, (samples,)) / density.rate


def three_ways(density, key, samples):
    """Return h in bits in closed form, by quadrature, and estimated from samples."""
    closed = density.differential_entropy()
    quadrature = differential_entropy(density.density, *density.interval)
    return closed, quadrature, float(estimated_differential_entropy(drawn(density, key, samples)))


def codes():
    """Return for each source its entropy and the mean length of its Huffman code, in bits."""
    found = {}
    for name, probabilities in SOURCES.items():
        code = information.huffman(dict(enumerate(probabilities)))
        found[name] = float(information.entropy(jnp.asarray(probabilities, jnp.float32))), code.mean_length
    return found


def loss_in_units():
    """Return the mean cross-entropy of predictions of ten digits, in nats, as the loss has it, and in bits."""
    uniform = jnp.full((1, 10), 0.1)
    nats = float(fn.categorical_cross_entropy.value(uniform, jnp.eye(10)[:1])[0])
    bits = float(information.cross_entropy(jnp.eye(10)[0], uniform[0]))
    return nats, bits


def draw(found, found_codes, path):
    """Draw the differential entropies by width, and the codes' lengths beside the entropies."""
    picture, ((left, right),) = plots.figure(1, 2, size=(12, 4.8))
    closed = {name: values[:, 0] for name, values in found.items()}
    plots.curves(left, closed, x=WIDTHS, xlabel="s (log scale)", ylabel="differential entropy in bits",
                 title="Lines: closed form; markers: estimated from samples")  # fmt: skip
    for line, marker, values in zip(left.lines[:3], plots.MARKERS, found.values(), strict=False):
        left.plot(WIDTHS, values[:, 2], marker, color=line.get_color(), markersize=5)
    left.set_xscale("log")
    left.set_xticks([0.1, 1, 10], ["0.1", "1", "10"])
    left.axhline(0, color="black", linewidth=0.8)
    entropies, lengths = zip(*found_codes.values(), strict=True)
    series = {"entropy H": entropies, "mean length of Huffman's code": lengths}
    plots.bars(right, list(found_codes), series, ylabel="bits", xlabel="probabilities",
               title="The code is as short as H only for powers of ½")  # fmt: skip
    plots.save(picture, path)


def main(argv=None):
    """Compute all, print the tables, draw the picture, and return the figures."""
    options = parser(__file__, __doc__)
    options.add_argument("--samples", type=int, default=20_000, help="samples of each density (default: 20000)")
    chosen = options.parse_args(argv)
    key = jax.random.key(chosen.seed)
    print(f"differential entropy in bits, {chosen.samples} samples")
    print(f"{'density':34}{'closed form':>12}{'quadrature':>12}{'estimated':>11}")
    found = {}
    for name, make in FAMILIES.items():
        found[name] = np.array([three_ways(make(float(s)), key, chosen.samples) for s in WIDTHS])
        for at in (0, 10, 20):
            values = "".join(f"{value:{width}.4f}" for value, width in zip(found[name][at], (12, 12, 11), strict=True))
            print(f"{name + f' = {WIDTHS[at]:g}':34}{values}")
    found_codes = codes()
    print(f"\n{'source':34}{'entropy H':>12}{'mean length of Huffman code':>29}")
    for name, (entropy, length) in found_codes.items():
        print(f"{name:34}{entropy:12.4f}{length:29.4f}")
    nats, bits = loss_in_units()
    print(
        f"\nten equal outcomes: the loss is {nats:.4f} nats = {bits:.4f} bits; log 2 = {math.log(2):.4f} nats are 1 bit"
    )
    draw(found, found_codes, chosen.picture)
    print(f"picture: {chosen.picture}")
    return {"entropies": found, "codes": found_codes, "loss": (nats, bits)}


if __name__ == "__main__":
    main()
