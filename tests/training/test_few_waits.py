"""The form of a run's loop for a GPU gives the bits of the other form.

Both are compiled with few optimizations: with more XLA makes other kernels of the CPU's loop, which round otherwise.
"""

import sys
from functools import partial

import chex
import jax
import numpy as np
import pytest

import funcnet as fn
from funcnet.training import one_kernel
from funcnet.training.one_kernel import few_waits

run_module = sys.modules["funcnet.training.run"]

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(22, 3)).astype(np.float32)
Y = np.stack([X[:, 0] * X[:, 1], np.tanh(X[:, 2])], axis=1)
NETWORK = fn.Sequential(fn.Dense(6), fn.tanh, fn.Dropout(0.1), fn.Dense(2))


def runs(rates, epochs=(40,), start=0, **settings):
    """Return one run per rate, mapped where there are several, in parts of so many epochs: each goes on from the last.

    The number of epochs is traced, as in ``fit``.
    """
    settings = {"batch_size": None, **settings}

    def train(rate):
        optimizer = fn.adam(rate)
        state, parts = fn.init_state(NETWORK, optimizer, jax.random.key(start), (3,)), []
        for count in epochs:
            parts.append(fn.run_epochs(NETWORK, fn.quadratic, optimizer, state, (X, Y), epochs=count, **settings))
            state = parts[-1].state
        return parts

    function = jax.vmap(train) if np.ndim(rates) else train
    return jax.tree.map(_numbers, jax.jit(function)(rates))


def _numbers(leaf):
    return np.asarray(jax.random.key_data(leaf) if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)


@pytest.fixture
def both_forms(monkeypatch):
    """Return a function that returns what ``runs`` returns in either form, after it saw that the second is a GPU's."""
    monkeypatch.setattr(one_kernel, "HINT_PAYS", False)  # a kernel's own rounding is no part of the form
    turned = []

    def spy(function, *rest, **sizes):
        result = few_waits(function, *rest, **sizes)
        turned.append(result is not function)
        return result

    def both(*arguments, **settings):
        one = runs(*arguments, **settings)
        with monkeypatch.context() as patch:
            patch.setattr(jax, "default_backend", lambda: "gpu")
            patch.setattr(run_module, "few_waits", spy)
            other = runs(*arguments, **settings)
        assert turned == [True] * len(settings.get("epochs", (40,)))
        return one, other

    return both


RATE = np.float32(0.02)
CASES = {
    "full set": (RATE, {}),
    "resumed": (RATE, {"epochs": (13, 40)}),
    "partial batches": (RATE, {"batch_size": 8}),
    "validation and metrics": (RATE, {"validation": (X[:7], Y[:7]), "metrics": [fn.accuracy]}),
    "early stopping": (RATE, {"early_stopping": fn.EarlyStopping("loss", patience=2, min_delta=0.02)}),
    "non-finite": (np.float32(1e38), {}),
    "mapped": (np.array([0.001, 0.02, 1e38], np.float32), {"early_stopping": fn.EarlyStopping("loss", patience=3)}),
}


@pytest.mark.parametrize("name", CASES)
def test_both_forms_give_the_same_bits(name, both_forms):
    rates, settings = CASES[name]
    one, other = both_forms(rates, **settings)
    chex.assert_trees_all_equal(one, other)
    last = one[-1]
    ended = last.stopped if "early_stopping" in settings else ~last.finite
    assert np.any(last.done < 40) == np.any(ended)
    assert np.any(ended) == (name in ("early stopping", "non-finite", "mapped"))


def test_only_small_bodies_are_applied_several_times():
    def body(x):
        return x + 1

    def turns(steps, products):
        found = few_waits(body, lambda x: x < 1000, steps, products)
        return 1 if found is body else int(found(np.int32(0)))

    assert [turns(1, 9), turns(5, 9), turns(33, 9), turns(1, 3 * 2**24), turns(1, 2**30)] == [32, 6, 1, 8, 1]


def test_the_form_is_that_of_the_default_backend(monkeypatch):
    def loops():
        state = fn.init_state(fn.mlp([3, 2]), fn.sgd(0.1), jax.random.key(0), (3,))
        settings = {"epochs": 40, "batch_size": None}
        run = partial(fn.run_epochs, fn.mlp([3, 2]), fn.quadratic, fn.sgd(0.1), data=(X, Y), **settings)
        return str(jax.make_jaxpr(run)(state)).count("length=32")

    assert loops() == 0
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert loops() == 1
