"""XOR with a 2-2-1 network: a single start may end in a local minimum; the best of 16 starts learns all four cases.

Twenty runs, one for each seed, of 16 starts each; all of them in one compiled program.
"""

import jax
import jax.numpy as jnp
import numpy as np
from example import parser

import funcnet as fn

X = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = jnp.array([[0.0], [1.0], [1.0], [0.0]])
NETWORK = fn.mlp([2, 2, 1], hidden=fn.tanh, output=fn.sigmoid)
STARTS, STEPS, RATE, SHOWN = 16, 1000, 1.0, 8


def is_right(params):
    """Return whether all four outputs are correct."""
    return jnp.all((NETWORK.apply(params, X) > 0.5) == (Y > 0.5))


def train(key, starts):
    """Return the best of that many starts of gradient descent on the full set."""
    search = fn.restarts(fn.sgd(RATE), starts=starts)
    return fn.fit_by_search(NETWORK, fn.quadratic, search, (X, Y), key=key, steps=STEPS)


def draw(best, losses, file):
    """Draw the output of the network over the plane, and the losses of several single starts."""
    picture, axes = fn.plots.figure(1, 2, size=(11, 4.6))
    fn.plots.decision(
        axes[0, 0],
        lambda points: NETWORK.apply(best, jnp.asarray(points, jnp.float32))[:, 0],
        X,
        Y[:, 0],
        title=f"2-2-1 network, the best of {STARTS} starts",
    )
    series = {
        f"start {index + 1}, {'learned' if loss[-1] < 0.03 else 'stuck'}": loss for index, loss in enumerate(losses)
    }
    fn.plots.curves(
        axes[0, 1],
        series,
        xlabel="step",
        ylabel="loss, mean of ½ (a − y)² (lower is better)",
        title="single starts",
        log=True,
    )
    fn.plots.save(picture, file)


def main(argv=None):
    """Run twenty seeds with restarts, count single starts that learn, and draw the picture."""
    options = parser(__file__, __doc__)
    options.add_argument("--runs", type=int, default=20, help="seeds with restarts (default: 20)")
    options = options.parse_args(argv)
    keys = jax.random.split(jax.random.key(options.seed), options.runs)
    results = jax.vmap(lambda key: train(key, STARTS))(keys)
    right = np.asarray(jax.vmap(is_right)(results.params))
    every = np.asarray(jax.vmap(jax.vmap(is_right))(results.state.current.params))
    single = float(every.mean())
    print(f"best of {STARTS} starts: all four right in {right.sum()} of {options.runs} runs")
    print(f"a single start: all four right in {single:.1%} of {every.size} starts")
    print(f"largest loss of a run: {results.cost.max():.4f}")
    alone = jax.vmap(lambda key: train(key, 1))(jax.random.split(jax.random.key(options.seed), SHOWN))
    draw(jax.tree.map(lambda leaf: leaf[0], results.params), np.asarray(alone.history), options.picture)
    print(f"picture: {options.picture}")
    return {"right": int(right.sum()), "runs": options.runs, "single start": single}


if __name__ == "__main__":
    main()
