"""Small loops become one kernel, and give what they give otherwise."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata

import funcnet as fn
from funcnet.objective import Batch
from funcnet.training import one_kernel
from funcnet.training.evaluation import EVALUATION_BATCH
from funcnet.training.step import make_step
from tests import registry
from tests.agreement import worst_error
from tests.training.loops import looped

pytestmark = pytest.mark.skipif(
    not (one_kernel.HINT_PAYS and one_kernel.on_one_cpu()), reason="no hint is given to XLA here"
)


def both_ways(network, loss, optimizer, x, y, gradients=fn.autodiff, penalty=None):
    """Return the state after three steps in one kernel, and as they come."""
    key = jax.random.key(0)
    state = fn.init_state(network, optimizer, key, x.shape[1:])
    pure_step = make_step("test", network, loss, optimizer, gradients=gradients, metrics=(), penalty=penalty)

    def step(state, x, y):
        return pure_step(state, Batch(x, y))[0]

    one_kernel, run = looped(step, state, x, y)
    assert one_kernel
    one = jax.jit(step)
    expected = one(one(one(state, x, y), x, y), x, y)
    return [each._replace(key=jax.random.key_data(each.key)) for each in (run(), expected)]


HIDDEN = [*{type(each): each for each in registry.ACTIVATIONS}.values(), fn.PReLU(0.3), fn.Dropout(0.3)]


@pytest.mark.parametrize("gradients", [fn.autodiff, fn.backprop])
def test_every_activation_trains_alike(gradients, monkeypatch):
    monkeypatch.setattr(one_kernel, "MAX_OPERATIONS", 2000)  # for all activations at once
    layers = [part for activation in HIDDEN[::-1] for part in (fn.Dense(6), activation)]
    network = fn.Sequential(*layers, fn.Dense(3))
    x, y = np.ones((1, 4), np.float32), np.full((1, 3), 0.5, np.float32)
    one, other = both_ways(network, fn.quadratic, fn.sgd(0.1), x, y, gradients=gradients, penalty=fn.l2(0.01))
    assert worst_error(one, other) <= 1e-5


@pytest.mark.parametrize(
    ("case", "gradients"), [*zip(registry.LOSSES, itertools.cycle([fn.autodiff, fn.backprop]), strict=False)]
)
def test_every_loss_trains_alike(case, gradients):
    network = fn.Sequential(fn.Dense(6), fn.tanh, fn.Dense(3), case.output)
    x, y = np.ones((1, 4), np.float32), case.target(jax.random.key(1), (1, 3), jnp.float32)
    one, other = both_ways(network, case.loss, fn.sgd(0.1), x, y, gradients=gradients, penalty=fn.l2(0.01))
    assert worst_error(one, other) <= 1e-5


@pytest.mark.parametrize("case", registry.OPTIMIZERS, ids=repr)
def test_every_optimizer_trains_alike(case):
    x, y = jnp.linspace(-1, 1, 12).reshape(6, 2), jnp.linspace(0, 1, 6)[:, None]
    one, other = both_ways(fn.mlp([2, 5, 1]), fn.quadratic, case.make(**case.settings), x, y)
    assert worst_error(one, other) <= 1e-5


@pytest.mark.parametrize(
    ("function", "held"),
    [
        (jnp.tanh, True),
        (lambda x: x * jax.random.uniform(jax.random.key(0)), True),
        (lambda x: x * jax.random.uniform(jax.random.key(0, impl="rbg")), False),
        (jnp.sort, False),
        (lambda x: x.at[jnp.arange(2)].add(1.0), False),
        (lambda x: lax.cond(x[0] > 0, jnp.sort, jnp.tanh, x), False),
        (lambda x: x + jnp.zeros((2**16 + 1, 1)).sum(axis=0, where=x[0] > 0), False),
    ],
    ids=["elementwise", "random", "another kind of key", "sort", "scatter", "sort in a branch", "too large"],
)
def test_only_what_a_kernel_can_hold_is_in_one(function, held):
    x = jnp.arange(4.0)
    one_kernel, run = looped(function, x)
    assert one_kernel == held
    np.testing.assert_allclose(run(), function(function(function(x))), rtol=1e-6)


def deep(x):
    for _ in range(one_kernel.MAX_OPERATIONS):
        x = jnp.tanh(x)
    return x


def test_a_program_of_many_operations_is_not_one_kernel():
    assert not looped(deep, jnp.ones(2))[0]


def test_with_several_devices_loops_run_as_they_come(monkeypatch):
    """What is spread over devices exchanges sums, which no kernel can hold, and a traced program does not tell."""
    monkeypatch.setattr(jax, "device_count", lambda: 2)
    assert not looped(jnp.tanh, jnp.ones(2))[0]


@pytest.mark.parametrize(
    ("width", "batch_size", "kernels"),
    [(5, None, 2), (50, 1, 1), (5, 6, 3), (50, 6, 0)],  # steps, validation, and where both are small the epochs
)
def test_a_fit_makes_kernels_of_its_one_kernel(width, batch_size, kernels, monkeypatch):
    marked = []

    def spy(**attributes):
        marked.append(attributes)
        return set_xla_metadata(**attributes)

    monkeypatch.setattr(one_kernel, "set_xla_metadata", spy)
    x = jnp.linspace(-1, 1, 21).reshape(7, 3)
    y = jnp.concatenate([x[:, :1], -x[:, :1]], axis=1)
    network = fn.Sequential(fn.Dense(width), fn.tanh, fn.Dense(2), fn.Rescaling(1.0625))  # that no other test compiles
    settings = {"epochs": 40, "batch_size": batch_size, "metrics": [fn.accuracy], "validation": (x, y)}
    result = fn.fit(network, fn.quadratic, fn.sgd(0.05), (x, y), key=jax.random.key(0), progress=False, **settings)
    assert marked == [one_kernel.ONE_KERNEL] * kernels
    assert result.history["loss"][-1] < result.history["loss"][0] / 2
    assert (
        result.history["val_accuracy"][-1]
        == fn.evaluate(network, fn.quadratic, result.params, (x, y), metrics=[fn.accuracy])["accuracy"]
    )


def test_a_validation_in_several_batches_stands_beside_a_small_training():
    """XLA ended the process where the training was one kernel and the validation was not (JAX 0.10.1)."""
    x = jnp.linspace(-1, 1, EVALUATION_BATCH + 76)[:, None]
    result = fn.fit(fn.mlp([1, 8, 1]), fn.quadratic, fn.adam(0.01), (x[:60], 2 * x[:60]), key=jax.random.key(0),
                    epochs=2, validation=(x, 2 * x), progress=False)  # fmt: skip
    expected = fn.evaluate(fn.mlp([1, 8, 1]), fn.quadratic, result.params, (x, 2 * x))["loss"]
    np.testing.assert_allclose(result.history["val_loss"][-1], expected, rtol=1e-6)
