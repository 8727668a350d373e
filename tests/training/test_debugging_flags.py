"""Training and searching under JAX's debugging flags: no constant of a run is NaN or infinite, and no trace leaks."""

from contextlib import ExitStack

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn

X = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
Y = np.eye(2, dtype=np.float32)[[0, 1, 1, 0, 1]]
NETWORK, KEY = fn.mlp([2, 2]), jax.random.key(0)
FLAGS = {
    "nan": [lambda: jax.debug_nans(True)],
    "infinity": [lambda: jax.debug_infs(True)],
    "leaks": [jax.checking_leaks],
}


def under(flags, function):
    """Return function() under flags."""
    with ExitStack() as stack:
        for flag in flags:
            stack.enter_context(flag())
        return function()


OPTIMIZER = fn.sgd(0.1)


def fit(optimizer=OPTIMIZER, **settings):
    settings = {"batch_size": 2, "validation": (X, Y), "metrics": [fn.accuracy], "epochs": 2, **settings}
    return fn.fit(NETWORK, fn.softmax_cross_entropy, optimizer, (X, Y), key=KEY, progress=False, **settings)


def stopped(monitor):
    """Return a run that early stopping ends after its second epoch of four."""
    return fit(epochs=4, early_stopping=fn.EarlyStopping(monitor, patience=1, min_delta=100.0))


@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS)
def test_a_run_trains_as_without_them(flags):
    chex.assert_trees_all_close(under(flags, fit)[:2], fit()[:2], rtol=1e-5)
    for monitor in ("loss", "val_loss"):
        result, expected = under(flags, lambda monitor=monitor: stopped(monitor)), stopped(monitor)
        assert (result.reason, result.best_epoch) == (expected.reason, 1) == ("stopped early", 1)
        chex.assert_trees_all_close(result[:2], expected[:2], rtol=1e-5)


def by_epochs(step):
    return 0.1 / (1.0 + step.astype(jnp.float32))


@pytest.mark.parametrize("rate", [0.1, by_epochs], ids=["a number", "a schedule"])
def test_without_compilation_a_run_is_the_same(rate):
    def fit_once():
        return fit(optimizer=fn.sgd(rate), epochs=1, metrics=[], validation=None, batch_size=3)

    chex.assert_trees_all_close(under([jax.disable_jit, *FLAGS["nan"]], fit_once)[:2], fit_once()[:2], rtol=1e-5)


@pytest.mark.parametrize("flags", [FLAGS["nan"], FLAGS["infinity"]], ids=["nan", "infinity"])
def test_rows_that_are_not_filled_stop_no_run(flags):
    def run():
        state = fn.init_state(NETWORK, fn.sgd(0.1), KEY, (2,))
        stopping = fn.EarlyStopping("loss", patience=1, min_delta=100.0)
        return fn.run_epochs(
            NETWORK, fn.softmax_cross_entropy, fn.sgd(0.1), state, (X, Y), epochs=4, early_stopping=stopping
        )

    found, expected = under(flags, run), run()
    assert found.done == expected.done == 2
    np.testing.assert_allclose(found.history["loss"][:2], expected.history["loss"][:2], rtol=1e-6)
    assert np.isnan(expected.history["loss"][2:]).all()
    np.testing.assert_array_equal(found.history["loss"][2:], 0 if flags is FLAGS["nan"] else np.nan)


@pytest.mark.parametrize("method", [fn.annealing(1.0), fn.genetic(4), fn.restarts(fn.sgd(0.1), 2)], ids=repr)
def test_a_search_without_a_goal_searches_as_without_them(method):
    def run():
        return fn.search.run(method, lambda x: (x - 1) ** 2, lambda key: jnp.float32(3), key=KEY, steps=3)

    expected = run()
    for flags in (FLAGS["nan"], FLAGS["infinity"]):
        found = under(flags, run)
        assert (found.reason, found.cost, found.params) == (expected.reason, expected.cost, expected.params)


class Undefined(fn.Loss):
    def value(self, output, target):
        return jnp.log(-1 - jnp.sum((output - target) ** 2, axis=-1))

    def gradient(self, output, target):
        return output - target


def test_a_run_that_makes_nan_is_found_by_the_flag():
    def fit_undefined():
        settings = {"key": KEY, "epochs": 2, "batch_size": None, "progress": False, "gradients": fn.backprop}
        return fn.fit(NETWORK, Undefined(), fn.sgd(0.1), (X, Y), **settings)

    with pytest.raises(FloatingPointError, match="nan"):
        under(FLAGS["nan"], fit_undefined)
