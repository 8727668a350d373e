"""Local minima: plain gradient descent against restarts, annealing and genetic search, each from 100 seeds.

The problems are Rastrigin's function in 2 and 5 dimensions (11 local minima per dimension, one of them global), and a
2-2-1 network that learns XOR. A run succeeds when its cost falls to the goal: the basin of the global minimum, or four
correct outputs. All searches have about the same number of cost evaluations; descents evaluate gradients too. "One
start" is the descent of the restarts, with its falling rate, from a single start.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from example import parser

import funcnet as fn

XOR = (jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), jnp.array([[0.0], [1.0], [1.0], [0.0]]))
NETWORK = fn.mlp([2, 2, 1], hidden=fn.tanh, output=fn.sigmoid)
METHODS = ("plain descent", "one start", "restarts", "annealing", "genetic")
EDGE = 5.12


class Problem(NamedTuple):
    """A cost to minimize, and the settings of each method."""

    name: str
    dimensions: int | None  # None: the network
    goal: float
    methods: dict[str, tuple[Any, int]]  # the search and its steps


def rastrigin(x):
    """Return Σ (10 + x² − 10 cos 2πx): Rastrigin (1974); 0 at x = 0."""
    return jnp.sum(10 + x**2 - 10 * jnp.cos(2 * jnp.pi * x))


def annealing(steps, first, last, **settings):
    """Return annealing whose temperature falls from the first to the last value, and its number of steps."""
    return fn.annealing(first, (last / first) ** (1 / steps), **settings), steps


def rastrigin_problem(dimensions, steps, starts):
    """Return the problem in that many dimensions, with steps × starts evaluations for each search."""
    falling = fn.sgd(fn.schedules.cosine(0.02, steps))
    budget = steps * starts
    return Problem(
        f"Rastrigin, {dimensions} dimensions",
        dimensions,
        0.01,
        {
            "plain descent": (fn.restarts(fn.sgd(0.002), starts=1), steps),
            "one start": (fn.restarts(falling, starts=1), steps),
            "restarts": (fn.restarts(falling, starts=starts), steps),
            "annealing": annealing(
                budget, 2.0, 0.002, scale=1.0, scale_decay=0.1 ** (1 / budget), move_rate=1 / dimensions
            ),
            "genetic": (
                fn.genetic(starts * 2, scale=1.0, scale_decay=0.01 ** (2 / steps), mutation_rate=0.3),
                steps // 2,
            ),
        },
    )


def xor_problem():
    """Return XOR: at a cost of 0.03 each of the four outputs is within 0.49 of its target, and so correct."""
    return Problem(
        "XOR, 2-2-1 network",
        None,
        0.03,
        {
            "plain descent": (fn.restarts(fn.sgd(1.0), starts=1), 1000),
            "one start": (fn.restarts(fn.sgd(fn.schedules.cosine(3.0, 500)), starts=1), 500),
            "restarts": (fn.restarts(fn.sgd(fn.schedules.cosine(3.0, 500)), starts=16), 500),
            "annealing": annealing(8000, 0.003, 0.0003, scale=3.0, move_rate=0.5),
            "genetic": (fn.genetic(80, scale=2.0, scale_decay=0.97, mutation_rate=1.0), 100),
        },
    )


def solve(problem, method, keys):
    """Return the results of one method for every key, computed in one program."""
    search, steps = problem.methods[method]

    def run(key):
        if problem.dimensions is None:
            return fn.fit_by_search(
                NETWORK, fn.quadratic, search, XOR, key=key, steps=steps, goal=problem.goal, penalty=fn.l2(0.0001)
            )
        shape = (problem.dimensions,)
        return fn.search.run(
            search,
            rastrigin,
            lambda key: jax.random.uniform(key, shape, minval=-EDGE, maxval=EDGE),
            key=key,
            steps=steps,
            goal=problem.goal,
        )

    return jax.vmap(run)(keys)


def path(problem, method, key):
    """Return the best point after each step for one key, up to the goal: (steps + 1, 2)."""
    search, steps = problem.methods[method]

    def place(state):
        lowest = state.current if state.current.cost.ndim == 0 else state.best
        return lowest.params, state.best.cost

    def step(state, _):
        state = search.step(rastrigin, state)
        return state, place(state)

    state = search.init(rastrigin, lambda key: jax.random.uniform(key, (2,), minval=-EDGE, maxval=EDGE), key)
    points, costs = jax.lax.scan(step, state, None, length=steps)[1]
    points = np.concatenate([np.asarray(place(state)[0])[None], points])
    reached = np.asarray(costs) <= problem.goal
    return points[: int(reached.argmax()) + 2] if reached.any() else points


def draw(problems, rates, seeds, key, file):
    """Draw Rastrigin's surface with a path of each method, and the success rates as bars."""
    picture, axes = fn.plots.figure(1, 2, size=(12, 5.4))
    runs, bars = axes[0]
    shown = [method for method in METHODS if method != "one start"]
    title = "Rastrigin's function, darker is lower, lowest at (0, 0):\nthe best point so far, from ○, of one run each"
    for index, (place, method) in enumerate(zip(fn.plots.divided(runs, 2, 2, title=title).ravel(), shown, strict=True)):
        fn.plots.surface(
            place,
            lambda points: jax.vmap(rastrigin)(jnp.asarray(points, jnp.float32)),
            (-EDGE, EDGE),
            (-EDGE, EDGE),
            xlabel="x₁" if index > 1 else "",
            ylabel="" if index % 2 else "x₂",
            title=method,
            levels=5,
            resolution=120,
        )
        fn.plots.paths(place, {method: path(problems[0], method, key)}, colours=fn.plots.COLOURS[index + 1 :])
        place.get_legend().remove()
    fn.plots.bars(
        bars,
        [problem.name.replace(", ", ",\n") for problem in problems],
        {method: [100 * rates[problem.name, method] for problem in problems] for method in shown},
        ylabel="runs that reach the goal (%)",
        title=f"success from {seeds} seeds (higher is better)",
        colours=fn.plots.COLOURS[1:],  # like the paths
    )
    bars.set_yticks(range(0, 101, 20))
    fn.plots.save(picture, file, dpi=78)


def main(argv=None):
    """Run every method on every problem from 100 seeds, print the table and draw the picture."""
    options = parser(__file__, __doc__)
    options.add_argument("--seeds", type=int, default=100, help="runs of each method (default: 100)")
    options = options.parse_args(argv)
    problems = (rastrigin_problem(2, 300, 16), rastrigin_problem(5, 500, 64), xor_problem())
    key = jax.random.key(options.seed)
    keys = jax.random.split(key, options.seeds)
    rates = {}
    for problem in problems:
        print(f"{problem.name}: goal {problem.goal}, {options.seeds} seeds")
        print(f"  {'':14}{'success':>8}{'evaluations at most':>22}{'used, mean':>12}")
        for method in METHODS:
            results = solve(problem, method, keys)
            rates[problem.name, method] = float(np.mean(results.cost <= problem.goal))
            steps = problem.methods[method][1]
            most = (steps + 1) * results.state.current.cost[0].size
            used = float(np.mean(results.evaluations))
            print(f"  {method:14}{rates[problem.name, method]:8.0%}{most:22,}{used:12,.0f}")
    draw(problems, rates, options.seeds, key, options.picture)
    print(f"picture: {options.picture}")
    return {f"{name}: {method}": rate for (name, method), rate in rates.items()}


if __name__ == "__main__":
    main()
