"""Vanishing gradients: the size of the error δ by layer, for networks of 2 to 12 hidden layers before training.

Each backward step multiplies δ by wᵀ and by σ′ (BP2). Where that product shrinks, the first layers hardly learn.
Initial weights that fit the activation, or layer normalization in their place, and residual connections keep δ alive;
nothing makes up for σ′ ≤ ¼. Hochreiter (1991); Glorot, Bengio (2010); He et al. (2015, 2016); Ba, Kiros, Hinton (2016).
"""

import jax
import jax.numpy as jnp
import numpy as np
from example import parser

import funcnet as fn
from funcnet import plots
from funcnet.initializers import glorot_normal, he_normal

UNITS, IMAGES, LOSS = 64, 200, fn.softmax_cross_entropy


def dense(initializer):
    """Return a hidden layer with those initial weights."""
    return fn.Dense(UNITS, weight_initializer=initializer)


# What stands for one hidden layer, by name.
BLOCKS = {
    "sigmoid, Glorot": (dense(glorot_normal), fn.sigmoid),
    "tanh, Glorot": (dense(glorot_normal), fn.tanh),
    "ReLU, Glorot": (dense(glorot_normal), fn.relu),
    "ReLU, He": (dense(he_normal), fn.relu),
    "ReLU, Glorot, LayerNorm": (dense(glorot_normal), fn.LayerNorm(), fn.relu),
    "sigmoid, LayerNorm": (dense(glorot_normal), fn.LayerNorm(), fn.sigmoid),
    "sigmoid, Residual": (fn.Residual(dense(glorot_normal), fn.sigmoid),),
}


def batch():
    """Return images (n, 64) with pixels in [−1, 1] and one-hot targets (n, 10)."""
    (x, labels), _ = fn.data.load_digits()
    return jnp.asarray(x[:IMAGES].reshape(IMAGES, -1) / np.float32(8) - 1), fn.data.one_hot(labels[:IMAGES], 10)


def norms(block, depth, keys):
    """Return ‖δ^l‖ by layer, (depth + 1,): root mean square over samples and keys; the output layer is last."""
    network = fn.Sequential(*(block * depth), fn.Dense(10, weight_initializer=glorot_normal))
    x, y = batch()

    def mean_squares(key):
        params, _ = network.init(key, x.shape[1:])
        errors = fn.layer_errors(network, LOSS, params, x, y)
        return jnp.stack([jnp.mean(jnp.sum(error.delta**2, axis=1)) for error in errors])

    return np.sqrt(np.mean(jax.vmap(mean_squares)(keys), axis=0))


def draw(by_layer, ratios, depths, path):
    """Draw ‖δ‖ by layer in the deepest network, and its ratio of the first to the last layer by depth."""
    picture, ((left, right),) = plots.figure(1, 2, size=(11, 4.6))
    plots.curves(left, by_layer, xlabel="layer, from the input (1) to the output",
                 ylabel="‖δ‖ at initialization", log=True,
                 title=f"The error by layer, {depths[-1]} hidden layers")  # fmt: skip
    left.get_legend().remove()
    plots.curves(right, ratios, x=depths, xlabel="hidden layers", ylabel="‖δ‖ of the first layer / of the output layer",
                 log=True, title="What reaches the first layer")  # fmt: skip
    right.get_legend().remove()
    for axes in (left, right):
        for line, marker in zip(axes.lines, plots.MARKERS, strict=False):
            line.set(marker=marker, markersize=5)
    picture.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize="small")
    plots.save(picture, path)


def main(argv=None):
    """Measure, print the tables, draw the picture, and return the norms by layer and the ratios by depth."""
    options = parser(__file__, __doc__)
    options.add_argument("--depths", type=int, nargs="+", default=[2, 4, 6, 8, 10, 12], help="hidden layers")
    options.add_argument("--networks", type=int, default=10, help="initial networks to average over (default: 10)")
    chosen = options.parse_args(argv)
    keys, depths = jax.random.split(jax.random.key(chosen.seed), chosen.networks), sorted(chosen.depths)
    every = {name: [norms(block, depth, keys) for depth in depths] for name, block in BLOCKS.items()}
    by_layer = {name: of_depth[-1] for name, of_depth in every.items()}
    ratios = {name: np.array([norm[0] / norm[-1] for norm in of_depth]) for name, of_depth in every.items()}
    print(f"{UNITS} units a layer, {IMAGES} images, {chosen.networks} initial networks")
    print("‖δ‖ of the first layer as a share of the output layer's, by hidden layers")
    print(f"{'':25}" + "".join(f"{depth:>10}" for depth in depths))
    for name, values in ratios.items():
        print(f"{name:25}" + "".join(f"{value:10.1e}" for value in values))
    print(f"\n‖δ‖ by layer with {depths[-1]} hidden layers, from the input on")
    for name, values in by_layer.items():
        print(f"{name:25}" + " ".join(f"{value:.0e}" for value in values))
    draw(by_layer, ratios, depths, chosen.picture)
    print(f"picture: {chosen.picture}")
    return {"norms by layer": by_layer, "ratios": ratios, "depths": depths}


if __name__ == "__main__":
    main()
