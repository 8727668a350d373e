"""The pure run that ``fit`` drives: the same as ``fit``, also compiled, mapped and on several devices."""

import functools
import os
import subprocess
import sys
import warnings

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from tests.agreement import worst_error

X = np.random.default_rng(0).normal(size=(22, 3)).astype(np.float32)
Y = np.stack([X[:, 0] * X[:, 1], np.tanh(X[:, 2])], axis=1)
NETWORK = fn.Sequential(fn.Dense(6), fn.tanh, fn.Dropout(0.1), fn.Dense(2))
XOR = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]], np.float32), np.array([[0.0], [1], [1], [0]], np.float32)

CASES = {
    "batches": {"batch_size": 5, "validation": (X[:7], Y[:7]), "metrics": [fn.accuracy]},
    "full set": {"batch_size": None},
    "early stopping": {"batch_size": 8, "early_stopping": fn.EarlyStopping("loss", patience=2, min_delta=0.03)},
    "by hand": {"batch_size": 5, "gradients": fn.backprop, "penalty": fn.l2(0.01)},
}


def run(key, optimizer=None, epochs=9, network=NETWORK, data=(X, Y), **settings):
    optimizer = optimizer or fn.adam(0.02)
    state = fn.init_state(network, optimizer, key, data[0].shape[1:])
    return fn.run_epochs(network, fn.quadratic, optimizer, state, data, epochs=epochs, **settings)


@functools.cache
def lone(name):
    """Return the compiled run of a case, as a function of its key."""
    return jax.jit(lambda key: run(key, **CASES[name]))


@pytest.mark.parametrize("name", CASES)
def test_it_is_the_run_of_fit(name):
    key = jax.random.key(3)
    expected = fn.fit(NETWORK, fn.quadratic, fn.adam(0.02), (X, Y), key=key, epochs=9, progress=False, **CASES[name])
    found = lone(name)(key)
    done = int(found.done)
    assert done == len(expected.history["loss"])
    assert bool(found.stopped) == (expected.reason == "stopped early")
    assert set(found.history) == set(expected.history)
    for column, values in found.history.items():
        assert np.isnan(values[done:]).all()
        np.testing.assert_allclose(values[:done], expected.history[column], rtol=1e-6)
    assert worst_error(found.state.params, expected.state.params) <= 1e-6


@pytest.mark.parametrize("name", CASES)
def test_mapped_over_keys_every_member_is_its_lone_run(name):
    keys = jax.random.split(jax.random.key(0), 3)
    mapped = jax.jit(jax.vmap(lambda key: run(key, **CASES[name])))(keys)
    for index, key in enumerate(keys):
        expected, found = lone(name)(key), jax.tree.map(lambda leaf, index=index: leaf[index], mapped)
        assert (found.done, found.stopped) == (expected.done, expected.stopped)
        for column, values in expected.history.items():
            np.testing.assert_allclose(found.history[column], values, rtol=1e-6, atol=1e-6)
        assert worst_error(found.state.params, expected.state.params) <= 1e-6


def test_a_sweep_over_rates_is_a_vmap_that_compiles_once():
    @jax.jit
    @chex.assert_max_traces(n=1)
    def losses(rates):
        return jax.vmap(lambda rate: run(jax.random.key(1), fn.sgd(rate), epochs=4).history["loss"])(rates)

    found = losses(jnp.array([0.0, 0.01, 0.1]))
    losses(jnp.array([0.0, 0.02, 0.2]))
    expected = run(jax.random.key(1), fn.sgd(0.1), epochs=4).history["loss"]
    np.testing.assert_allclose(found[2], expected, rtol=1e-5)
    assert found[0, -1] > found[1, -1] > found[2, -1]


def test_the_hyper_parameters_are_those_of_the_optimizer_that_is_given():
    """As in ``fit`` with ``state=``: also where the state was made with another rate, and mapped over rates."""
    made = fn.init_state(NETWORK, fn.sgd(0.1), jax.random.key(1), (3,))

    def losses(rate):
        return fn.run_epochs(NETWORK, fn.quadratic, fn.sgd(rate), made, (X, Y), epochs=3).history["loss"]

    found = jax.vmap(losses)(jnp.array([0.0, 0.01, 0.1]))
    assert found[0, -1] > found[1, -1] > found[2, -1]
    with pytest.raises(ValueError, match=r"run_epochs: expected the state of a run with adam"):
        fn.run_epochs(NETWORK, fn.quadratic, fn.adam(0.1), made, (X, Y), epochs=1)
    with pytest.raises(TypeError, match="run_epochs: expected state made by init_state, got a NoneType"):
        fn.run_epochs(NETWORK, fn.quadratic, fn.adam(0.1), None, (X, Y), epochs=1)


def test_small_loops_are_mapped_without_the_hint_of_one_kernel():
    """A marked loop holds no scatter, which mapping makes of an update: XLA would refuse it."""
    network, optimizer = fn.mlp([2, 2, 1], hidden=fn.tanh), fn.sgd(0.5)

    def train(key):
        return run(key, optimizer, 20, network, XOR, batch_size=None).history["loss"]

    keys = jax.random.split(jax.random.key(5), 4)
    mapped = jax.jit(jax.vmap(train))
    assert "small_call" not in mapped.lower(keys).as_text()
    np.testing.assert_allclose(mapped(keys), [train(key) for key in keys], rtol=1e-5)


def test_nothing_warns_of_donation():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jax.block_until_ready(jax.jit(lambda key: run(key, epochs=2))(jax.random.key(0)))


ON_EIGHT_DEVICES = """
import jax, numpy as np
import funcnet as fn
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
assert jax.device_count() == 8
mesh = Mesh(np.array(jax.devices()), ("data",))
x = np.random.default_rng(0).normal(size=(32, 3)).astype("f")
y = x[:, :1] * x[:, 1:2]
spread = tuple(jax.device_put(each, NamedSharding(mesh, P("data"))) for each in (x, y))
network, optimizer = fn.mlp([3, 8, 1], hidden=fn.tanh), fn.adam(0.02)
@jax.jit
def train(data):
    state = fn.init_state(network, optimizer, jax.random.key(0), (3,))
    return fn.run_epochs(network, fn.quadratic, optimizer, state, data, epochs=5, batch_size=8)
one, eight = train((x, y)), train(spread)
np.testing.assert_allclose(one.history["loss"], eight.history["loss"], rtol=1e-5)
"""


def test_on_eight_devices_it_is_the_same_run():
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-W", "error", "-c", ON_EIGHT_DEVICES], env=environment, check=True)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"epochs": 0}, ValueError, "run_epochs: expected epochs to be an integer of at least 1, got 0"),
        ({"data": (X, Y[:3])}, ValueError, "run_epochs: expected as many rows in y as in x, got 3 for 22"),
        ({"metrics": [1]}, TypeError, "run_epochs: expected metrics to be functions"),
    ],
)
def test_a_bad_argument_is_named(change, error, match):
    with pytest.raises(error, match=match):
        run(jax.random.key(0), **change)


CLOSED_OVER = """
import jax, jax.numpy as jnp, numpy as np, funcnet as fn
random = np.random.default_rng(0)
x, labels = random.random((100, 64), dtype=np.float32), random.integers(0, 10, 100)
network, optimizer = fn.mlp([64, 32, 10]), fn.sgd(0.1)
rows = jnp.asarray(x), fn.data.one_hot(labels, 10)
for data, validation in (((x, labels), None), (rows, rows)):
    def train(key):
        state = fn.init_state(network, optimizer, key, (64,))
        settings = {"epochs": 3, "validation": validation}
        return fn.run_epochs(network, fn.softmax_cross_entropy, optimizer, state, data, **settings)
    assert jnp.isfinite(jax.jit(train)(jax.random.key(0)).history["loss"]).all()
"""


def test_a_compiled_run_may_close_over_its_data():
    """In a process of its own: XLA before JAX 0.12 ends it where a hinted loop reads rows of a constant."""
    subprocess.run([sys.executable, "-c", CLOSED_OVER], check=True, capture_output=True)
