"""A linear neuron learns a line from 100 noisy points: by gradient descent, and in one step by least squares.

y = 1.477 x + 0.089 + noise of σ = 0.01, x uniform in [−10, 10]. Gradient descent on the mean squared error starts at
(0, 0) and takes 1000 steps of η = 0.01 on the full set. The slope is almost there after ten of them; the intercept, in
whose direction the cost is far flatter, needs hundreds.
"""

import jax
import jax.numpy as jnp
import numpy as np
from example import parser

import funcnet as fn
from funcnet import neurons, plots

TRUTH = fn.DenseParams(weight=jnp.array([[1.477]]), bias=jnp.array([0.089]))


def descend(x, y, steps=1000, learning_rate=0.01):
    """Return (slope, intercept) before the first step and after each, (steps + 1, 2), and print a line every 50."""
    network, optimizer = fn.Sequential(fn.Dense(1)), fn.sgd(learning_rate)
    zero = (jax.tree.map(jnp.zeros_like, TRUTH),)
    state = fn.init_state(network, optimizer, jax.random.key(0), (1,), params=zero)
    step = fn.train_step(network, fn.mean_squared_error, optimizer)
    path = [(0.0, 0.0)]
    print("step   slope     intercept   mean squared error before the step")
    for index in range(1, steps + 1):
        state, info = step(state, (x, y))
        path.append(numbers(state.params[0]))
        if index % 50 == 0:
            print(f"{index:4d}   {path[-1][0]:.6f}   {path[-1][1]:.6f}   {info['loss']:.8f}")
    return np.array(path)


def numbers(params):
    """Return the slope and the intercept of a neuron of one input."""
    return float(params.weight[0, 0]), float(params.bias[0])


def draw(x, y, path, best, where):
    """Draw the data with the line, the path over the cost surface, and the distance from the optimum by step."""
    x, y = np.asarray(x), np.asarray(y)
    figure, ((data, cost, distance),) = plots.figure(1, 3, size=(13, 3.9))
    data.plot(x, y, "o", color=plots.COLOURS[5], markersize=4, label="100 samples")
    ends = np.array([-10, 10])
    data.plot(ends, path[-1, 0] * ends + path[-1, 1], color=plots.COLOURS[1], label="line learned")
    data.set(xlabel="input x", ylabel="target y")
    data.set_title(f"y = {path[-1, 0]:.4f} x + {path[-1, 1]:.4f}", fontsize="medium")
    data.legend(fontsize="small")

    def mean_squared_error(points):
        return ((points[:, :1] * x.T + points[:, 1:] - y.T) ** 2).mean(axis=1)

    plots.surface(cost, mean_squared_error, (-0.1, 2.1), (-0.02, 0.12), log=True, levels=9,
                  xlabel="slope w", ylabel="intercept b", title="the cost is steep in w and flat in b",
                  scale="mean squared error (darker is lower)")  # fmt: skip
    plots.paths(cost, {"1000 steps from (0, 0)": path})
    away = np.maximum(abs(path - best), 2e-7)  # smaller distances are rounding errors of float32
    plots.curves(distance, {"slope": away[:, 0], "intercept": away[:, 1]}, x=np.arange(len(path)), log=True,
                 xlabel="step", ylabel="|learned − least squares|", title="distance (lower is better)")  # fmt: skip
    return plots.save(figure, where)


def main(argv=None):
    """Run the example and return its key figures."""
    options = parser(__file__, __doc__).parse_args(argv)
    x_key, noise_key = jax.random.split(jax.random.key(options.seed))
    x = jax.random.uniform(x_key, (100, 1), minval=-10, maxval=10)
    y = neurons.linear_neuron(TRUTH, x, noise=0.01, key=noise_key)
    path = descend(x, y)
    best = numbers(neurons.least_squares(x, y))
    two = numbers(neurons.from_two_points(x[:2], y[:2]))
    difference = float(abs(path[-1] - best).max())
    print(f"\n{'':24s}slope      intercept")
    for name, (slope, intercept) in {
        "the truth": numbers(TRUTH),
        "two of the points": two,
        "least squares": best,
        "gradient descent": path[-1],
    }.items():
        print(f"{name:22s}{slope:9.6f}   {intercept:9.6f}")
    print(f"gradient descent and least squares differ by {difference:.1e}")
    print(f"picture: {draw(x, y, path, best, options.picture)}")
    return {"slope": path[-1][0], "intercept": path[-1][1], "least squares": best, "difference": difference}


if __name__ == "__main__":
    main()
