"""Labels in place of one-hot rows and samples' weights, wherever data are handed in."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet.training.batches import random_order
from tests.training.small_run import HELD_OUT, NETWORK, X, Y, fit

LABELS = Y.argmax(axis=1).astype(np.uint8)
WEIGHTS = np.random.default_rng(1).choice([0.0, 0.5, 1.0, 3.0], size=len(X))


def certainty(prediction, target):
    return jnp.max(prediction, axis=-1)


def doubles(weights):
    """Return data in float64 with weights, and without them but with rows repeated as often as they weigh."""
    x, y = X.astype(np.float64), Y.astype(np.float64)
    return (x, y, weights), (np.repeat(x, weights, axis=0), np.repeat(y, weights, axis=0))


@pytest.mark.parametrize("batch_size", [5, None])
def test_a_fit_by_labels_is_the_fit_by_their_rows(batch_size):
    def results(targets, held_out):
        given = {"data": (X, targets, WEIGHTS), "validation": (HELD_OUT[0], held_out), "batch_size": batch_size}
        return fit(**given)[:2]

    chex.assert_trees_all_close(results(LABELS, LABELS[:7]), results(Y, Y[:7]), rtol=1e-5, atol=1e-7)


def test_every_function_takes_labels_and_weights():
    params, _ = NETWORK.init(jax.random.key(0), (3,))
    state, step = fn.init_state(NETWORK, fn.sgd(0.1), jax.random.key(0), (3,)), fn.train_step(
        NETWORK, fn.softmax_cross_entropy, fn.sgd(0.1), metrics=[fn.accuracy])  # fmt: skip
    found = {}
    for name, targets in (("labels", LABELS.astype(np.int32)), ("rows", Y)):
        loss, data = fn.softmax_cross_entropy, (X, targets, WEIGHTS.astype(np.float32))
        stepped = step(state, data)
        run = fn.run_epochs(NETWORK, loss, fn.sgd(0.1), state, data, epochs=2, batch_size=5)
        found[name] = (
            fn.evaluate(NETWORK, loss, params, data, metrics=[fn.accuracy], batch_size=5),
            (stepped[0].params, stepped[1]),
            (run.state.params, run.history),
            fn.backprop(NETWORK, loss)(params, X, targets, weights=data[2]),
            fn.autodiff(NETWORK, loss)(params, X, targets, weights=data[2]),
        )
    report = fn.check_gradients(NETWORK, loss, params, X[:4], LABELS[:4].astype(np.int32), weights=data[2][:4])
    assert report.ok, report
    assert report.worst < 1e-14
    chex.assert_trees_all_close(found["labels"], found["rows"], rtol=1e-6)


@pytest.mark.parametrize("gradients", [fn.autodiff, fn.backprop], ids=["automatic", "by hand"])
def test_a_weight_of_three_is_the_sample_three_times_and_a_weight_of_zero_none(gradients, x64):
    weighted, repeated = doubles(np.random.default_rng(2).integers(0, 4, len(X)))
    params, _ = NETWORK.init(jax.random.key(0), (3,), dtype=jnp.float64)

    def results(data):
        settings = {"batch_size": None, "validation": data, "metrics": [fn.accuracy, certainty], "params": params}
        result = fit(data=data, gradients=gradients, penalty=fn.l2(0.01), **settings)
        measured = fn.evaluate(NETWORK, fn.softmax_cross_entropy, params, data, metrics=[fn.accuracy], batch_size=4)
        return result.params, result.history, measured

    chex.assert_trees_all_close(results(weighted), results(repeated), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("batch_size", [1, 5, 23])
def test_means_are_weighted_whatever_the_batches(batch_size, x64):
    """With a rate of 0 the history holds what the initial parameters give."""
    data = (X.astype(np.float64), LABELS, WEIGHTS)
    params, _ = NETWORK.init(jax.random.key(0), (3,), dtype=jnp.float64)
    output = NETWORK.apply(params, data[0])
    shares = WEIGHTS / WEIGHTS.sum()
    expected = {
        "loss": shares @ np.asarray(fn.softmax_cross_entropy.value(output, Y)),
        "accuracy": shares @ (np.asarray(output).argmax(axis=1) == LABELS),
    }
    result = fit(data=data, optimizer=fn.sgd(0.0), epochs=1, batch_size=batch_size, params=params, validation=data)
    for name, value in expected.items():
        np.testing.assert_allclose([result.history[name], result.history[f"val_{name}"]], value, rtol=1e-14)


def test_a_batch_whose_weights_are_all_zero_changes_the_count_of_steps_only():
    """The run equals a plain loop that leaves such batches out."""
    weights, optimizer, key = np.where(np.arange(23) < 8, 2.0, 0.0), fn.momentum(0.1), jax.random.key(3)
    result = fit(data=(X, Y, weights), optimizer=optimizer, key=key, epochs=1, batch_size=2, penalty=fn.l2(0.1))
    state = fn.init_state(NETWORK, optimizer, key, (3,))
    step = fn.train_step(NETWORK, fn.softmax_cross_entropy, optimizer, penalty=fn.l2(0.1))
    order = np.asarray(random_order(jax.random.fold_in(jax.random.fold_in(key, 2**31), 0), 23))
    met = 0
    for start in range(0, 23, 2):
        rows = order[start : start + 2]
        if weights[rows].any():
            met += 1
            state, _ = step(state, (X[rows], Y[rows], weights[rows].astype(np.float32)))
    assert met < 12 == result.state.step
    assert result.state.optimizer_state.step == met
    chex.assert_trees_all_close(result.params, state.params, rtol=1e-5, atol=1e-7)


def test_very_large_weights_do_not_overflow():
    largest = fit(data=(X, Y, np.full(23, 3e38)), validation=(*HELD_OUT, np.full(7, 3e38)))
    chex.assert_trees_all_close(largest[:2], fit()[:2], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("repeats", [1, 100])
def test_weights_count_relative_to_each_other(repeats):
    scaled = fit(data=(X, Y, WEIGHTS * 2.0**repeats)).params
    chex.assert_trees_all_close(scaled, fit(data=(X, Y, WEIGHTS)).params, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"data": (X, LABELS + 1)}, r"fit: expected labels y in \[0, 2\), .* got 2 at index"),
        (
            {"data": (X, LABELS.astype(float))},
            r"fit: expected y of shape \(n, outputs\), got \(23,\): use integers for",
        ),
        ({"data": (X, LABELS), "loss": fn.quadratic}, r"got \(23,\): use fn\.data\.one_hot for class labels"),
        ({"data": (X, Y, WEIGHTS[:5])}, r"fit: expected weights of shape \(23,\), one per sample, got \(5,\)"),
        ({"data": (X, Y, -WEIGHTS)}, r"fit: expected weights to be at least 0 and finite in float32, got -"),
        ({"data": (X, Y, 0 * WEIGHTS)}, "fit: expected weights of which one is above 0, got all of them 0"),
        ({"data": (X, Y, WEIGHTS, 1)}, r"fit: expected data \(x, y\) or \(x, y, weights\), got 4 of them"),
        ({"validation": (*HELD_OUT, WEIGHTS)}, r"fit \(validation\): expected weights of shape \(7,\)"),
    ],
)
def test_wrong_labels_and_weights_are_named(changes, error):
    with pytest.raises((TypeError, ValueError), match=error):
        fit(**changes)


def test_weights_of_none_are_no_weights():
    plain, none = fit(data=(X, Y), validation=None), fit(data=(X, Y, None), validation=None)
    np.testing.assert_array_equal(plain.history["loss"], none.history["loss"])
    step = fn.train_step(NETWORK, fn.softmax_cross_entropy, fn.sgd(0.1))
    state = fn.init_state(NETWORK, fn.sgd(0.1), jax.random.key(0), (3,))
    assert step(state, (X, Y))[1]["loss"] == step(state, (X, Y, None))[1]["loss"]
