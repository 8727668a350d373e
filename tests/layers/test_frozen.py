"""Frozen layers: training changes nothing in them, whatever trains, and everything else as before."""

import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funcnet as fn
from tests import registry
from tests.layers.statistics import Centring
from tests.training.small_run import HELD_OUT, X, Y, fit
from tests.training.test_fitting import Compilations

FIRST = fn.Sequential(fn.Dense(5), fn.tanh)
NETWORK = fn.Sequential(fn.Frozen(FIRST), fn.Dense(4), fn.relu, fn.Dense(2))
FREE = fn.Sequential(FIRST, fn.Dense(4), fn.relu, fn.Dense(2))
LOSS = fn.softmax_cross_entropy
OPTIMIZERS = [
    *(case.make(**case.settings) for case in registry.OPTIMIZERS),
    fn.chain(fn.clip_by_global_norm(0.1), fn.adamw(0.1)),
]


def parameters():
    return NETWORK.init(jax.random.key(1), (3,))[0]


ROUTES = itertools.cycle([fn.autodiff, fn.backprop])  # what an optimizer does with gradients does not depend on it


def name_of(part):
    return getattr(part, "name", getattr(part, "__name__", type(part).__name__))


@pytest.mark.parametrize(("optimizer", "route"), list(zip(OPTIMIZERS, ROUTES, strict=False)), ids=name_of)
def test_a_hundred_steps_leave_every_bit(optimizer, route):
    params = parameters()
    result = fit(
        network=NETWORK,
        optimizer=optimizer,
        params=params,
        gradients=route,
        epochs=20,  # of 5 steps
        penalty=fn.l2(0.01) + fn.l1(0.01),
        early_stopping=fn.EarlyStopping("val_loss", patience=100),
    )
    for trained in (result.params, result.state.params):
        chex.assert_trees_all_equal(trained[0], params[0])
    assert not np.array_equal(result.state.params[1].weight, params[1].weight)


@pytest.mark.usefixtures("standard_promotion")  # which optax needs
def test_the_decay_of_an_optimizer_of_optax_does_not_act():
    params = parameters()
    result = fit(network=NETWORK, optimizer=optax.adamw(0.1, weight_decay=0.1), params=params)
    chex.assert_trees_all_equal(result.params[0], params[0])
    assert not np.array_equal(result.params[1].weight, params[1].weight)


@pytest.mark.parametrize("route", [fn.autodiff, fn.backprop])
def test_the_gradients_of_the_rest_are_those_without_freezing(route):
    params = parameters()
    penalty = fn.l2(0.1)
    cost, gradients = route(NETWORK, LOSS)(params, X, Y, penalty=penalty)
    _, free = route(FREE, LOSS)(params, X, Y, penalty=penalty)
    chex.assert_trees_all_equal(gradients[1:], free[1:])
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradients[0]))
    weights = [params[index].weight for index in (1, 3)]
    unpenalized, _ = route(NETWORK, LOSS)(params, X, Y)
    np.testing.assert_allclose(cost - unpenalized, 0.05 * sum(np.sum(w**2) for w in weights), rtol=1e-5)


def test_the_gradient_in_the_input_is_the_layer_s():
    params, batch = parameters(), fn.objective.Batch(X, Y)
    (_, (_, dx)), (_, (_, automatic)) = (
        fn.Objective(NETWORK, LOSS).by_hand(params, batch),
        fn.Objective(NETWORK, LOSS).automatic(params, batch, in_x=True),
    )
    _, (_, free) = fn.Objective(FREE, LOSS).by_hand(params, batch)
    chex.assert_trees_all_equal(dx, free)
    chex.assert_trees_all_close(automatic, dx, rtol=1e-5, atol=1e-8)


def test_frozen_parameters_count_in_no_norm():
    norm = {}
    for network in (NETWORK, FREE):
        _, gradients = fn.backprop(network, LOSS)(parameters(), X, Y)
        norm[network] = fn.metrics.gradient_norm.of_step(gradients, None), gradients
    others = jax.tree.leaves(norm[FREE][1][1:])
    np.testing.assert_allclose(norm[NETWORK][0], np.sqrt(sum(np.sum(np.square(g)) for g in others)), rtol=1e-6)
    assert norm[NETWORK][0] < norm[FREE][0]


def test_the_check_of_gradients_lists_them_and_proves_the_rest():
    report = fn.check_gradients(NETWORK, LOSS, parameters(), X[:4], Y[:4])
    assert report.ok
    verdicts = {row.name: str(row.verdict) for row in report.rows}
    assert [name for name, verdict in verdicts.items() if "not trained" in verdict] == [
        name for name in verdicts if "layer 0" in name
    ]
    assert "x" in " ".join(verdicts)


def test_a_frozen_layer_computes_as_in_evaluation():
    layer = fn.Frozen(fn.Sequential(fn.Dropout(0.5), Centring()))
    assert layer.needed_keywords <= {"weights"}
    params, _ = layer.init(jax.random.key(0), (3,))
    np.testing.assert_array_equal(layer.apply(params, X, key=jax.random.key(1)), layer.apply(params, X))
    network = fn.Sequential(layer, fn.Dense(2))
    params, _ = network.init(jax.random.key(0), (3,))
    result = fit(network=network, params=params)
    chex.assert_trees_all_equal(result.params[0], params[0])


def test_a_frozen_network_is_summarized_as_not_trained():
    found = fn.summary(NETWORK, (3,))
    assert found.statistics == 20
    assert "20 of them not trained" in str(found)
    assert found.activation_bytes == fn.summary(FREE, (3,)).activation_bytes


def test_a_second_fit_with_other_parameters_compiles_nothing():
    first = fit(network=NETWORK, params=parameters())
    other = jax.tree.map(lambda leaf: leaf + 1, parameters())
    with Compilations() as compiled:
        second = fit(network=fn.Sequential(fn.Frozen(FIRST), fn.Dense(4), fn.relu, fn.Dense(2)), params=other)
    assert compiled.names == []
    chex.assert_trees_all_equal(second.params[0], other[0])
    assert not np.array_equal(first.params[0][0].weight, second.params[0][0].weight)


def test_what_is_not_a_layer_is_refused_and_searches_too():
    with pytest.raises(TypeError, match=r"^Frozen: expected layer to be a layer, .* got quadratic"):
        fn.Frozen(fn.quadratic)
    with pytest.raises(TypeError, match=r"fit_by_search: expected a network without .* frozen layers"):
        fn.fit_by_search(NETWORK, LOSS, fn.annealing(1.0), (X, Y), key=jax.random.key(0), steps=1)
    assert jnp.shape(HELD_OUT[0]) == (7, 3)


def test_it_prints_and_compares_as_it_is_built():
    assert repr(fn.Frozen(fn.Dense(3))) == "Frozen(Dense(3))"
    assert fn.Frozen(fn.Dense(3)) == fn.Frozen(fn.Dense(3)) != fn.Frozen(fn.Dense(4))
