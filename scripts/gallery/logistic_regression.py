"""Logistic regression: one sigmoid neuron on two classes in the plane, and the likelihood that it maximizes.

The output is the probability of class 1, p = σ(w·x + b). The likelihood of n labels is Πᵢ pᵢ^yᵢ (1 − pᵢ)^(1 − yᵢ), and
its logarithm is −n C, where C is the mean cross-entropy. So gradient descent on C, θ ← θ − η ∇C, increases the
log-likelihood. Newton's method, θ ← θ − H⁻¹ ∇C with the matrix H of the second derivatives of C, does so in few steps.
The classes are normal with the means ±m and the covariance s² I; then the true parameters are w = 2m/s² and b = 0.
Cox, "The Regression Analysis of Binary Sequences" (1958); Bishop, *Pattern Recognition and Machine Learning* (2006),
sections 4.2.1 and 4.3.

The picture shows the probability of class 1 over the plane with the separating line, and the log-likelihood by step:
all runs approach the same maximum, Newton's method in six steps and gradient descent in hundreds.
"""

import jax
import jax.numpy as jnp
import numpy as np
from example import parser
from jax.flatten_util import ravel_pytree

import funcnet as fn
from funcnet import plots
from funcnet.cli.arguments import positive_integer

NETWORK, LOSS = fn.Sequential(fn.Dense(1, weight_initializer=fn.initializers.zeros)), fn.sigmoid_cross_entropy
MEAN, DEVIATION = np.array([1.0, 0.5]), 1.0  # of class 1; class 0 has the mean −MEAN
RATES, NEWTON_STEPS = (0.1, 1.0), 7
TRUTH = (fn.DenseParams(weight=2 * MEAN[None, :] / DEVIATION**2, bias=np.zeros(1)),)


def samples(seed, count):
    """Return inputs (count, 2) and labels (count,) of both classes."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    return random.normal((2 * labels[:, None] - 1) * MEAN, DEVIATION), labels


def descend(rate, x, labels, steps):
    """Return the parameters after the last step of gradient descent, and the cost before each step (steps,)."""
    optimizer = fn.sgd(rate)
    state = fn.init_state(NETWORK, optimizer, jax.random.key(0), (2,), dtype=x.dtype)
    run = fn.run_epochs(NETWORK, LOSS, optimizer, state, (x, labels), epochs=steps, batch_size=None)
    return run.state.params, run.history["loss"]


def newton(x, labels, steps):
    """Return the parameters after the last of Newton's steps, and the cost before each step (steps,)."""
    start, restore = ravel_pytree(NETWORK.init(jax.random.key(0), (2,), dtype=x.dtype)[0])

    def cost(theta):
        return jnp.mean(LOSS.value(NETWORK.apply(restore(theta), x), labels))

    def step(theta, _):
        return theta - jnp.linalg.solve(jax.hessian(cost)(theta), jax.grad(cost)(theta)), cost(theta)

    theta, costs = jax.lax.scan(step, start, length=steps)
    return restore(theta), costs


def fits(x, labels, steps):
    """Return the parameters and the costs of gradient descent at each rate, computed in one program, and of Newton."""
    params, costs = jax.jit(jax.vmap(lambda rate: descend(rate, x, labels, steps)))(jnp.array(RATES))
    runs = {}
    for index, rate in enumerate(RATES):
        runs[f"gradient descent, η = {rate:g}"] = jax.tree.map(lambda leaf, i=index: leaf[i], params), costs[index]
    return runs | {"Newton's method": newton(x, labels, NEWTON_STEPS)}


def row(name, params, x, labels):
    """Print and return the parameters, the log-likelihood and the accuracy."""
    z = NETWORK.apply(params, x)
    likelihood = -float(jnp.sum(LOSS.value(z, labels)))
    accuracy = float(jnp.mean(fn.accuracy(LOSS.predict(z), labels)))
    (w1, w2), b = params[0].weight[0], params[0].bias[0]
    print(f"{name:28}{w1:9.4f}{w2:9.4f}{b:9.4f}{likelihood:17.6f}{accuracy:11.3f}")
    return {"parameters": np.array([w1, w2, b]), "log-likelihood": likelihood, "accuracy": accuracy}


def draw(x, labels, params, likelihoods, path):
    """Draw the probabilities over the plane, the log-likelihood by step, and what is missing to its maximum."""
    picture, ((plane, rising, missing),) = plots.figure(1, 3, size=(15, 4.6))
    plots.decision(
        plane,
        lambda points: LOSS.predict(fn.predict(NETWORK, params, points))[:, 0],
        x,
        labels,
        title="Probability of class 1; black line: p = ½",
    )
    maximum = max(values.max() for values in likelihoods.values())
    for (name, values), colour, marker in zip(likelihoods.items(), plots.COLOURS, plots.MARKERS, strict=False):
        style = {"color": colour, "marker": marker, "markersize": 5, "markevery": 0.08, "label": name}
        steps = np.arange(len(values))
        rising.plot(steps, values, **style)
        missing.plot(steps, maximum - values, **style)
    rising.axhline(maximum, color="black", linestyle=":", label="maximum")
    for axes in (rising, missing):
        axes.set_xscale("symlog", linthresh=1)
        axes.set(xlabel="step", xlim=(0, None))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.grid(alpha=0.3)
    rising.set_ylabel("log-likelihood = −n C, in nats (higher is better)")
    rising.set_title("The log-likelihood rises", fontsize="medium")
    rising.legend(fontsize="small")
    missing.set(yscale="log", ylim=(1e-9, 1e3))
    missing.set_ylabel("maximum − log-likelihood, in nats (lower is better)")
    missing.set_title("Distance from the maximum", fontsize="medium")
    plots.save(picture, path)


def main(argv=None):
    """Fit the neuron by both methods, print the table, draw the picture, and return the figures by method."""
    options = parser(__file__, __doc__)
    options.add_argument("--samples", type=positive_integer, default=200, help="of both classes (default: 200)")
    options.add_argument("--steps", type=positive_integer, default=1000, help="of gradient descent (default: 1000)")
    chosen = options.parse_args(argv)
    count, steps = chosen.samples, chosen.steps
    print(f"{count} samples of two classes, {steps} steps of gradient descent, {NEWTON_STEPS} of Newton's method")
    print(f"{'':28}{'w₁':>9}{'w₂':>9}{'b':>9}{'log-likelihood':>17}{'accuracy':>11}")
    with jax.enable_x64(True):
        x, labels = map(jnp.asarray, samples(chosen.seed, count))
        runs = fits(x, labels, steps)
        figures = {name: row(name, params, x, labels) for name, (params, _) in runs.items()}
        row("the true parameters", TRUTH, x, labels)
        likelihoods = {name: -count * np.asarray(costs) for name, (_, costs) in runs.items()}
        draw(x, labels, runs["Newton's method"][0], likelihoods, chosen.picture)
    print(f"picture: {chosen.picture}")
    return figures


if __name__ == "__main__":
    main()
