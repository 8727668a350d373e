"""All optimizers compared: on the embedded digits, in a ravine, and at a saddle.

Each uses the learning rate, among those given, with the lowest mean cost over the second half of the run; on the
surfaces, among those whose path stays in the picture.
"""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
from example import parser

import funcnet as fn
from funcnet.cli.arguments import positive_integer, positive_number
from funcnet.data.digits import MAX_PIXEL_VALUE

FAMILIES = (  # one row of the picture each
    (fn.sgd, fn.momentum, fn.nesterov, fn.adagrad),
    (fn.rmsprop, fn.rmsprop_nesterov, fn.adam, fn.adamw),
)
OPTIMIZERS = {make.__name__: make for family in FAMILIES for make in family}
RATES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
NETWORK = fn.mlp([64, 32, 10])
# One colour for each optimizer, of its curve and of its paths; they are distinct from the surface's.
FAMILY_COLOURS = (fn.plots.COLOURS[1:5], ("#000000", "#882255", "#999933", "#7B3294"))


def ravine(point):
    """Return Rosenbrock's (1 − x)² + 20(y − x²)²: a curved valley with steep walls, lowest at (1, 1) with 0."""
    x, y = point
    return (1 - x) ** 2 + 20 * (y - x**2) ** 2


def saddle(point):
    """Return x² − ½y² + ¼y⁴ + ¼: flat at (0, 0), where it is ¼, and lowest at (0, ±1) with 0."""
    x, y = point
    return x**2 - y**2 / 2 + y**4 / 4 + 0.25


SURFACES = {  # the start of the descent, its number of steps, and the ranges that are drawn
    ravine: ((-1.2, 1.0), 200, (-1.6, 1.6), (-0.5, 2.3)),
    saddle: ((-1.0, 0.01), 100, (-1.2, 0.8), (-0.8, 1.5)),
}
NEAR = 0.01  # a value below this counts as the minimum


def descend(make, surface, rates):
    """Return the best rate and its path (steps + 1, 2) down a surface: all rates in one compiled program."""
    start, steps, *ranges = SURFACES[surface]
    start = jnp.array(start)

    def path(rate):
        optimizer = make(rate)

        def step(carry, _):
            point, state = carry
            updates, state = optimizer.update(jax.grad(surface)(point), state, point)
            point = fn.apply_updates(point, updates)
            return (point, state), point

        return jnp.concatenate([start[None], jax.lax.scan(step, (start, optimizer.init(start)), length=steps)[1]])

    paths = np.asarray(jax.jit(jax.vmap(path))(jnp.array(rates)))
    low, high = np.transpose(ranges)
    inside = ((low <= paths) & (paths <= high)).all(axis=(1, 2))
    best = lowest([surface(one[steps // 2 :].T).mean() if stays else np.inf
                   for one, stays in zip(paths, inside, strict=True)])  # fmt: skip
    return rates[best], paths[best]


def learn(make, rates, train, test, options):
    """Return the best rate and its run."""
    runs = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # some rates are too high
        for rate in rates:
            runs.append(
                fn.fit(
                    NETWORK,
                    fn.softmax_cross_entropy,
                    make(rate),
                    train,
                    key=jax.random.key(options.seed),
                    epochs=options.epochs,
                    batch_size=32,
                    validation=test,
                    metrics=[fn.accuracy],
                    progress=False,
                )
            )
    best = lowest([run.history["loss"][options.epochs // 2 :].mean() for run in runs])
    return rates[best], runs[best].history


def lowest(means):
    """Return the index of the lowest finite value; too high a rate has none."""
    return int(np.argmin(np.where(np.isfinite(means), means, np.inf)))


def steps_to_arrive(surface, path):
    """Return the first step after which all values are near the minimum, 0, or None."""
    with np.errstate(over="ignore", invalid="ignore"):  # a path may diverge
        values = surface(np.asarray(path, np.float64).T)
    away = np.flatnonzero(~(values <= NEAR))
    return int(away[-1]) + 1 if away[-1] + 1 < len(path) else None


def main(argv=None):
    """Run the optimizers, print the results, draw the curves and the paths, and return the figures."""
    options = arguments().parse_args(argv)
    (x, labels), (x_test, test_labels) = fn.data.load_digits()
    train, test = (
        (images.reshape(len(images), -1).astype(np.float32) / MAX_PIXEL_VALUE, fn.data.one_hot(classes, 10))
        for images, classes in ((x[: options.samples], labels[: options.samples]), (x_test, test_labels))
    )
    print(f"{NETWORK} on {len(train[0])} digits, {options.epochs} epochs; steps to stay below {NEAR} on the surfaces")
    print(f"{'':18}{'rate':>8}{'loss':>9}{'test accuracy':>15}{'rate':>10}{'ravine':>8}{'rate':>10}{'saddle':>8}")
    figures, drawn = {}, {}
    for name in options.optimizers:
        rate, history = learn(OPTIMIZERS[name], options.rates, train, test, options)
        paths = {surface: descend(OPTIMIZERS[name], surface, options.rates) for surface in SURFACES}
        steps = {surface.__name__: steps_to_arrive(surface, path) for surface, (_, path) in paths.items()}
        figures[name] = {"loss": float(history["loss"][-1]), "accuracy": float(history["val_accuracy"][-1]), **steps}
        drawn[name] = {"learning": (rate, history["loss"])} | {s.__name__: best for s, best in paths.items()}
        print(f"{name:18}{rate:8.4g}{figures[name]['loss']:9.4f}{figures[name]['accuracy']:15.4f}", end="")
        print("".join(f"{paths[s][0]:10.4g}{steps[s.__name__] or 'never':>8}" for s in SURFACES), flush=True)
    draw(drawn, options.picture)
    print(f"picture: {options.picture}")
    return figures


def arguments():
    """Return the parser, with the options of this example besides those of every example."""
    result = parser(__file__, __doc__)
    result.add_argument("--epochs", type=positive_integer, default=20, help="on the digits (default: 20)")
    result.add_argument("--samples", type=positive_integer, help="the number of training samples (default: all)")
    known = ", ".join(OPTIMIZERS)
    result.add_argument("--optimizers", nargs="+", choices=OPTIMIZERS, default=list(OPTIMIZERS), metavar="NAME",
                        help=f"of {known} (default: all of them)")  # fmt: skip
    result.add_argument("--rates", nargs="+", type=positive_number, default=RATES, metavar="RATE",
                        help=f"to choose from (default: {' '.join(map(str, RATES))})")  # fmt: skip
    return result


def draw(drawn, path):
    """Draw a row for each family: curves of learning, and paths down both surfaces."""
    picture, axes = fn.plots.figure(len(FAMILIES), 1 + len(SURFACES), size=(13, 9.4))
    for family, row, colours in zip(FAMILIES, axes, FAMILY_COLOURS, strict=True):
        named = {make.__name__: drawn[make.__name__] for make in family if make.__name__ in drawn}
        curves = {f"{name}, η = {each['learning'][0]:g}": each["learning"][1] for name, each in named.items()}
        fn.plots.curves(row[0], curves, xlabel="epoch", ylabel="mean training loss (lower is better)", log=True,
                        colours=colours, title="learning the embedded digits")  # fmt: skip
        row[0].set_ylim(*loss_range(drawn))
        for surface, place in zip(SURFACES, row[1:], strict=True):
            start, steps, x_range, y_range = SURFACES[surface]
            fn.plots.surface(place, jax.vmap(surface), x_range, y_range, xlabel="x", ylabel="y", log=True,
                             title=f"{surface.__name__}, {steps} steps from the ★; darker is lower")  # fmt: skip
            paths = {
                f"{name}, η = {each[surface.__name__][0]:g}": each[surface.__name__][1] for name, each in named.items()
            }
            fn.plots.paths(place, paths, colours=colours)
            place.plot(*start, "k*", markersize=12, zorder=4)
            place.locator_params(nbins=5)
        for place in row:  # below the axes, where it hides no curve or path
            place.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, fontsize="small", frameon=False)
    fn.plots.save(picture, path, dpi=80)


def loss_range(drawn):
    """Return the range of all losses, so that the rows have the same axis."""
    losses = np.concatenate([each["learning"][1] for each in drawn.values()])
    return 0.8 * losses.min(), 1.2 * losses.max()


if __name__ == "__main__":
    main()
