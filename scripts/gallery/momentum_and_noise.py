"""Two ways out of a local minimum, momentum and the noise of small batches, and the terminal speed of momentum.

The cost f(x) = (x² − 1)² + 0.3x has its minimum near x = −1.04 and a local one, which is worse, near 0.96. Momentum is
v ← αv − ηg; x ← x + v: Polyak, "Some methods of speeding up the convergence of iteration methods" (1964). Under a
constant gradient g its velocity is −ηg(1 − αᵗ)/(1 − α) after t steps, and tends to −ηg/(1 − α). For the noise, f is the
mean of the costs f(x) + sᵢx of samples with Σ sᵢ = 0: Robbins, Monro, "A Stochastic Approximation Method" (1951).
The picture shows that plain descent stays in the local minimum, while momentum and small batches leave it, and that the
speed of momentum tends to its limit.
"""

import jax
import jax.numpy as jnp
import numpy as np
from example import parser

import funcnet as fn
from funcnet import plots
from funcnet.cli.arguments import positive_integer

LEARNING_RATE, START, PATH_STEPS = 0.01, 1.8, 150
NOISY_RATE, SAMPLES, STEEPEST = 0.03, 256, 15.0  # η of the batches; the slopes sᵢ are evenly spaced, at most 15
MOMENTA, SPEED_STEPS, CONSTANT_GRADIENT = (0.5, 0.9, 0.99), 500, 1.0
METHODS = {"plain descent": fn.sgd(LEARNING_RATE), "momentum, α = 0.9": fn.momentum(LEARNING_RATE, 0.9)}


def f(x):
    """Return (x² − 1)² + 0.3x."""
    return (x**2 - 1) ** 2 + 0.3 * x


def slope(x):
    """Return f′(x) = 4x(x² − 1) + 0.3."""
    return 4 * x * (x**2 - 1) + 0.3


def flat_points():
    """Return where f′(x) = 4x³ − 4x + 0.3 is 0: the minimum, the hill between, and the local minimum."""
    return np.sort(np.roots([4, 0, -4, 0.3]).real)


class Tilted(fn.Layer):
    """The costs f(x) + sᵢx of samples by their slopes sᵢ (batch, 1); the parameter is x."""

    start: float

    def init(self, key, input_shape, *, dtype=jnp.float32):
        """Return x at the start."""
        return jnp.asarray(self.start, dtype), input_shape

    def forward(self, params, x):
        """Return each sample's cost."""
        return f(params) + params * x, x

    def backward(self, params, cache, dy):
        """Return the derivatives by hand: (f′(x) + sᵢ) of each sample, and x."""
        return jnp.sum((slope(params) + cache) * dy), params * dy


class Output(fn.Loss):
    """The output itself as the loss: the layer computes the cost."""

    def value(self, output, target):
        """Return the output of each sample."""
        return self.check(output, target)[0][:, 0]

    def gradient(self, output, target):
        """Return 1."""
        return jnp.ones_like(self.check(output, target)[0])


def walk(optimizer, gradient, start, steps):
    """Return x before each step of an optimizer and after the last: (steps + 1,)."""
    start = jnp.float32(start)

    def step(carry, _):
        x, state = carry
        updates, state = optimizer.update(gradient(x), state, x)
        x = fn.apply_updates(x, updates)
        return (x, state), x

    _, points = jax.lax.scan(step, (start, optimizer.init(start)), length=steps)
    return np.concatenate([[start], points])


def ends(batch_size, keys, steps):
    """Return x after that many steps with batches of that size, for every key, in one program: (keys,)."""
    network, optimizer = Tilted(START), fn.sgd(NOISY_RATE)
    slopes = jnp.linspace(-STEEPEST, STEEPEST, SAMPLES)[:, None]
    settings = {"epochs": steps * batch_size // SAMPLES, "batch_size": batch_size}

    def run(key):
        state = fn.init_state(network, optimizer, key, (1,))
        data = slopes, jnp.zeros_like(slopes)
        return fn.run_epochs(network, Output(), optimizer, state, data, **settings).state.params

    return np.asarray(jax.jit(jax.vmap(run))(keys))


def speeds():
    """Return the speed |v| of momentum after each step under a constant gradient, by α: (SPEED_STEPS,) each."""
    found = {}
    for alpha in MOMENTA:
        points = walk(fn.momentum(LEARNING_RATE, alpha), lambda x: jnp.full_like(x, CONSTANT_GRADIENT), 0, SPEED_STEPS)
        found[alpha] = np.abs(np.diff(points))
    return found


def limit(alpha):
    """Return the terminal speed ηg/(1 − α)."""
    return LEARNING_RATE * CONSTANT_GRADIENT / (1 - alpha)


def draw_paths(curve, by_step, paths):
    """Draw the points of both paths on the curve of f, and x by step."""
    minimum, hill, local = flat_points()
    x = np.linspace(-1.9, 1.9, 201)
    curve.plot(x, f(x), color="#777777", linewidth=1.2)
    for (name, points), colour, marker in zip(paths.items(), plots.COLOURS, plots.MARKERS, strict=False):
        curve.plot(points, f(points), marker, color=colour, markersize=4, alpha=0.7, label=name)
        curve.plot(points[-1], f(points[-1]), marker, color=colour, markersize=11, markeredgecolor="black")
    curve.plot(START, f(START), "o", color="black", markersize=7)
    curve.annotate("start", (START, f(START)), xytext=(-8, -4), textcoords="offset points", ha="right")
    curve.set(xlabel="x", ylabel="cost f(x) (lower is better)", ylim=(-1, 6))
    curve.set_title("Plain descent stays, momentum leaves (large: the last step)", fontsize="medium")
    curve.legend(fontsize="small", loc="upper center")
    curve.grid(alpha=0.3)
    plots.curves(by_step, paths, x=np.arange(PATH_STEPS + 1), xlabel="step", ylabel="x",
                 title="Momentum carries x over the hill")  # fmt: skip
    for at, text in ((minimum, "minimum"), (hill, "hill"), (local, "local minimum")):
        by_step.axhline(at, color="#777777", linewidth=0.9, linestyle=":")
        by_step.text(PATH_STEPS, at + 0.04, text, ha="right", fontsize="small")


def draw(paths, shares, runs, found, path):
    """Draw the paths, the shares of runs by batch size, and the speeds by step."""
    picture, ((curve, by_step), (bars, speed)) = plots.figure(2, 2, size=(11, 8))
    draw_paths(curve, by_step, paths)
    names = [str(size) if size < SAMPLES else f"{size} (all)" for size in shares]
    plots.bars(bars, names, {"plain descent": [100 * share for share in shares.values()]}, xlabel="batch size",
               ylabel="runs that end in the better minimum (%)",
               title=f"Plain descent with the noise of batches: {runs} runs for each size")  # fmt: skip
    bars.get_legend().remove()
    bars.set_ylim(0, 110)
    colours = plots.COLOURS[2], plots.COLOURS[1], plots.COLOURS[3]  # α = 0.9 as in the paths
    steps = np.arange(1, SPEED_STEPS + 1)
    for (alpha, values), colour in zip(found.items(), colours, strict=True):
        speed.plot(steps, values, color=colour, label=f"α = {alpha:g}", linewidth=1.8)
        speed.axhline(limit(alpha), color=colour, linestyle="--", linewidth=1)
        text = f"ηg/(1 − {alpha:g}) = {limit(alpha):.2g}"
        speed.text(SPEED_STEPS, limit(alpha) * 1.1, text, color=colour, ha="right", fontsize="small")
    title = f"Speed of momentum, η = {LEARNING_RATE:g}, gradient g = {CONSTANT_GRADIENT:g}; dashed: limit"
    speed.set(xlabel="step", ylabel="speed |v|, the distance of a step", xscale="log", yscale="log", ylim=(0.005, 2))
    speed.set_title(title, fontsize="medium")
    speed.legend(fontsize="small", loc="lower right")
    speed.grid(alpha=0.3)
    plots.save(picture, path)


def main(argv=None):
    """Run the descents, print the figures, draw the picture, and return the figures."""
    options = parser(__file__, __doc__)
    options.add_argument("--runs", type=positive_integer, default=500, help="runs of each batch size (default: 500)")
    options.add_argument("--steps", type=positive_integer, default=2048,
                         help=f"of each run with batches, a multiple of {SAMPLES} (default: 2048)")  # fmt: skip
    options.add_argument("--batch-sizes", type=positive_integer, nargs="+", default=[1, 2, 4, 8, 16, SAMPLES],
                         help=f"divisors of {SAMPLES} (default: 1 2 4 8 16 {SAMPLES})")  # fmt: skip
    chosen = options.parse_args(argv)
    minimum, hill, local = flat_points()
    print(f"f(x) = (x² − 1)² + 0.3x: minimum at {minimum:.4f}, hill at {hill:.4f}, local minimum at {local:.4f}")
    paths = {name: walk(optimizer, jax.grad(f), START, PATH_STEPS) for name, optimizer in METHODS.items()}
    for name, points in paths.items():
        print(f"{name:18} from {START} after {PATH_STEPS} steps of η = {LEARNING_RATE}: x = {points[-1]:.4f}")
    keys = jax.random.split(jax.random.key(chosen.seed), chosen.runs)
    shares = {size: float(np.mean(ends(size, keys, chosen.steps) < hill)) for size in chosen.batch_sizes}
    print(f"\n{SAMPLES} samples, η = {NOISY_RATE}, {chosen.runs} runs of {chosen.steps} steps from x = {START}")
    for size, share in shares.items():
        print(f"batches of {size:3}: {share:6.1%} of the runs end in the better minimum")
    found = speeds()
    print(f"\nmomentum with a constant gradient of {CONSTANT_GRADIENT}, η = {LEARNING_RATE}")
    for alpha, values in found.items():
        print(f"α = {alpha:4}: speed {values[-1]:.5f} after {SPEED_STEPS} steps, limit {limit(alpha):.5f}")
    draw(paths, shares, chosen.runs, found, chosen.picture)
    print(f"picture: {chosen.picture}")
    return {"paths": paths, "shares": shares, "speeds": found}


if __name__ == "__main__":
    main()
