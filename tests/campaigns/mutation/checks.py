"""The checks that a mutant must not pass: ``python -m tests.campaigns.mutation.checks`` exits 0 only if all of them do.

They are the test suite's own comparisons in small: by hand against automatic differentiation for every layer,
activation, loss and penalty, both against backpropagation in plain loops, and every optimizer, alone and inside
the training step, against its recurrence in NumPy.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

import funcnet as fn
from funcnet.losses import sample_shares
from funcnet.optimizers import without_lookahead
from tests import oracles, registry
from tests.agreement import worst_error
from tests.layers.statistics import Centring
from tests.optimizers.steps import run

TOLERANCE = 1e-13
WEIGHTS = jnp.array([0.5, 2.0, 1.0, 0.25, 1.5, 1.0])


def networks():
    """Yield (name, network, loss case, input shape, penalty): every public part in a network of its own."""
    quadratic = registry.LOSSES[0]
    for activation in [*registry.ACTIVATIONS, fn.PReLU(0.3)]:
        yield f"{activation}", fn.Sequential(fn.Dense(5), activation, fn.Dense(4)), quadratic, (3,), None
    for case in registry.LOSSES:
        yield f"{case}", fn.Sequential(fn.Dense(5), fn.tanh, fn.Dense(4), case.output), case, (3,), None
    for layer in (fn.LayerNorm(), fn.Dropout(0.4), fn.Residual(fn.Dense(5), fn.tanh)):
        yield f"{layer}", fn.Sequential(fn.Dense(5), layer, fn.Dense(4)), quadratic, (3,), None
    yield "Flatten", fn.Sequential(fn.Flatten(), fn.Dense(4)), quadratic, (3, 2), None
    for penalty in (fn.l1(0.1), fn.l2(0.3), fn.l1(0.1) + fn.l2(0.3)):
        yield f"{penalty}", fn.Sequential(fn.Dense(5), fn.LayerNorm(), fn.Dense(4)), quadratic, (3,), penalty


def by_hand_is_automatic():
    """Compare cost, parameter gradients and input gradients, with weights, penalty and dropout."""
    for name, network, case, shape, penalty in networks():
        params, x = problem(network, shape)
        y = case.target(jax.random.key(1), (6, 4), jnp.float64).astype(jnp.float64)

        def both(params, x, y, key, network=network, case=case, penalty=penalty):
            keywords = {"key": key, "weights": WEIGHTS.astype(x.dtype), "penalty": penalty}
            routes = [g(network, case.loss)(params, x, y, **keywords) for g in (fn.backprop, fn.autodiff)]
            output, cache = network.call(params, x, key=key)
            dy = case.loss.gradient(output, y)
            _, dx = network.backward(params, cache, dy)
            automatic_dy = jax.grad(lambda output: jnp.sum(case.loss.value(output, y)))(output)
            automatic_dx = jax.vjp(lambda x: network.apply(params, x, key=key), x)[1](dy)[0]
            return (routes[0], dy, dx), (routes[1], automatic_dy, automatic_dx)

        error = worst_error(*jax.jit(both)(params, x, y, jax.random.key(2)))
        expect(error <= TOLERANCE, f"{name}: by hand and automatic differ by {error:.1e}")


def problem(network, shape):
    """Return random parameters, none of which is 0, and x, in NumPy: nothing to compile."""
    random = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda key: network.init(key, shape, dtype=jnp.float64)[0], jax.random.key(0))
    params = jax.tree.map(lambda leaf: np.asarray(random.normal(0.1, 0.5, leaf.shape)), shapes)
    return params, random.normal(size=(6, *shape))


def both_are_the_index_form():
    """Compare both routes with plain loops."""
    network = fn.mlp([4, 5, 3, 2], hidden=fn.sigmoid, output=fn.sigmoid)
    params, _ = network.init(jax.random.key(0), (4,), dtype=jnp.float64)
    x, y = (np.random.default_rng(1).uniform(0.1, 0.9, (6, n)) for n in (4, 2))
    dense = params[::2]
    expected = oracles.index_form_backprop([np.array(p.weight) for p in dense], [np.array(p.bias) for p in dense], x, y)
    for route in (fn.backprop, fn.autodiff):
        cost, gradients = jax.jit(route(network, fn.quadratic))(params, jnp.asarray(x), jnp.asarray(y))
        actual = cost, [g.weight for g in gradients[::2]], [g.bias for g in gradients[::2]]
        error = worst_error(actual, expected)
        expect(error <= TOLERANCE, f"{route.__name__} and plain loops differ by {error:.1e}")


def means_are_weighted():
    """Compare the samples' shares of a mean with their formula, which both routes use."""
    weights = np.asarray(WEIGHTS, np.float64)
    shares = sample_shares(weights, len(weights), jnp.float64, "checks")
    error = np.abs(np.asarray(shares) - weights / weights.sum()).max()
    expect(error <= TOLERANCE, f"the samples' shares of a mean are off by {error:.1e}")


def optimizers_follow_their_recurrences():
    """Compare every optimizer with NumPy, alone, and as the training step calls it."""
    theta = np.array([1.0, -0.5, 2.0])
    slopes = np.array([3.0, -2.0, 0.5])
    network, x = fn.mlp([3, 1]), jnp.asarray(slopes)[None, :]

    def oracle_gradient(theta, t):
        return theta * slopes**2 + 0.1

    for case in registry.OPTIMIZERS:
        optimizer, expected = case.make(**case.settings), case.oracle(theta, oracle_gradient, 30, **case.settings)
        params, state = run(optimizer, jnp.asarray(theta), lambda p, t: p * jnp.asarray(slopes) ** 2 + 0.1, 30)
        actual = without_lookahead(params, state) if case.looks_ahead else params
        error = np.abs(np.asarray(actual) - expected).max()
        expect(error <= TOLERANCE, f"{case} and its recurrence differ by {error:.1e}")

        params = (fn.DenseParams(jnp.asarray(theta)[None, :], jnp.zeros(1)),)
        train = fn.init_state(network, optimizer, jax.random.key(0), (3,), params=params)
        step = fn.train_step(network, fn.quadratic, optimizer, gradients=fn.backprop)
        for _ in range(5):
            train, _ = step(train, (x, jnp.ones((1, 1))))
        stacked = case.oracle(np.append(theta, 0.0), lambda p, t: neuron_gradient(p, slopes), 5, **case.settings)
        params = without_lookahead(train.params, train.optimizer_state) if case.looks_ahead else train.params
        error = np.abs(np.append(params[0].weight[0], params[0].bias) - stacked).max()
        expect(error <= TOLERANCE, f"{case} in the training step and its recurrence differ by {error:.1e}")
        expect(int(train.step) == 5, f"{case}: the training step counts {int(train.step)} of 5 steps")


def neuron_gradient(p, x):
    """Return the gradient of half the squared error of one linear neuron, whose target is 1."""
    return (p[:3] @ x + p[3] - 1) * np.append(x, 1.0)


def gradients_are_clipped():
    """Compare the two ways of clipping with their definitions."""
    g = {"a": jnp.array([3.0, -4.0]), "b": jnp.array([12.0])}
    expected = {"norm": {"a": [3 / 13, -4 / 13], "b": [12 / 13]}, "value": {"a": [1.0, -1.0], "b": [1.0]}}
    for name, clip in (("norm", fn.clip_by_global_norm(1.0)), ("value", fn.clip_by_value(1.0))):
        clipped, _ = clip.update(g, clip.init(g), g)
        error = worst_error(clipped, jax.tree.map(np.asarray, expected[name], is_leaf=lambda v: isinstance(v, list)))
        expect(error <= TOLERANCE, f"clipping by {name} is off by {error:.1e}")


def schedules_are_their_formulas():
    """Compare schedules with closed forms."""
    steps = np.arange(0, 25)
    cosine = np.where(steps < 20, 0.01 + (0.1 - 0.01) * 0.5 * (1 + np.cos(np.pi * np.minimum(steps, 20) / 20)), 0.01)
    expected = {
        fn.schedules.step_decay(0.1, 0.5, 10): 0.1 * 0.5 ** (steps // 10),
        fn.schedules.exponential(0.1, 0.5, 10): 0.1 * 0.5 ** (steps / 10),
        fn.schedules.cosine(0.1, 20, 0.01): cosine,
    }
    for schedule, rates in expected.items():
        actual = np.array([float(schedule(jnp.int32(step))) for step in steps])
        expect(np.abs(actual - rates).max() <= 1e-7, f"{schedule} is not its formula")


def statistics_are_learned():
    """Compare a running mean with its formula, and its gradient with 0; samples of weight 0 do not count."""
    network, optimizer = fn.Sequential(Centring(0.9), fn.Dense(2)), fn.sgd(0.1)
    x = np.random.default_rng(2).normal(1.0, 1.0, (6, 3))
    batch = jnp.asarray(x), jnp.zeros((6, 2)), jnp.array([1.0, 1, 1, 0, 0, 0])
    state = fn.init_state(network, optimizer, jax.random.key(0), (3,), dtype=jnp.float64)
    step = fn.train_step(network, fn.quadratic, optimizer)
    for _ in range(2):
        state, _ = step(state, batch)
    error = np.abs(np.asarray(state.params[0].mean) - (1 - 0.9**2) * x[:3].mean(axis=0)).max()
    expect(error <= TOLERANCE, f"a running mean is off by {error:.1e}")
    for route in (fn.backprop, fn.autodiff):
        _, gradients = jax.jit(route(network, fn.quadratic))(state.params, *batch[:2])
        expect(not np.any(gradients[0].mean), f"{route.__name__} gives a running mean a gradient")
        expect(np.any(gradients[0].shift), f"{route.__name__} gives what is trained no gradient")


def expect(condition, message):
    if not condition:
        sys.exit(message)


def main():
    with jax.enable_x64(True):
        by_hand_is_automatic()
        both_are_the_index_form()
        means_are_weighted()
        optimizers_follow_their_recurrences()
        gradients_are_clipped()
        statistics_are_learned()
    schedules_are_their_formulas()


if __name__ == "__main__":
    main()
