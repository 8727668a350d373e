"""A run is the same to the last bit, however it is divided into calls; compiled as a user's programs are."""

import sys

import chex
import jax
import numpy as np
import pytest

import funcnet as fn
from funcnet.initializers import from_jax, he_normal, normal
from tests.training.small_run import fit

pytestmark = pytest.mark.fully_compiled


def test_the_same_key_gives_the_same_bits_and_another_does_not():
    first, second, other = fit(), fit(), fit(key=jax.random.key(1))
    chex.assert_trees_all_equal(first.params, second.params)
    chex.assert_trees_all_equal(first.history, second.history)
    assert not np.array_equal(first.params[0].weight, other.params[0].weight)


def test_initial_parameters_are_those_of_the_layers_one_by_one():
    first = fn.Dense(13, weight_initializer=he_normal, bias_initializer=normal(0.1))
    last = fn.Dense(3, weight_initializer=from_jax(jax.nn.initializers.lecun_normal))
    network, key = fn.Sequential(first, fn.relu, fn.Sequential(fn.Dense(7), last)), jax.random.key(2)
    state = fn.init_state(network, fn.sgd(0.1), key, (5,))
    chex.assert_trees_all_equal(state.params, network.init(key, (5,))[0])


def test_every_chunking_gives_the_same_bits(monkeypatch):
    whole = fit(epochs=12)
    fit_module = sys.modules["funcnet.training.fitting"]
    monkeypatch.setattr(fit_module, "_SECONDS_PER_CALL", 0.0)  # one epoch a call
    chex.assert_trees_all_equal(fit(epochs=12)[:2], whole[:2])
    monkeypatch.setattr(fit_module, "_SECONDS_PER_CALL", 1e9)  # all that is left in one call
    monkeypatch.setattr(fit_module, "_MAX_EPOCHS_PER_CALL", 4)
    chex.assert_trees_all_equal(fit(epochs=12)[:2], whole[:2])


def test_going_on_is_as_if_it_had_never_stopped():
    whole, first = fit(epochs=9), fit(epochs=4)
    second = fit(epochs=5, key=None, state=first.state)
    chex.assert_trees_all_equal(second.params, whole.params)
    for name, column in whole.history.items():
        assert np.array_equal(np.concatenate([first.history[name], second.history[name]]), column)
    assert int(second.state.epoch) == 9
    assert int(second.state.step) == 9 * 5


def test_a_state_survives_being_given_to_two_runs():
    first = fit(epochs=2)
    again = [fit(epochs=2, key=None, state=first.state).params for _ in range(2)]
    chex.assert_trees_all_equal(*again)
