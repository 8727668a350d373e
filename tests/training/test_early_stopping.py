"""Early stopping in the compiled program, beside the same decision in a plain Python loop."""

import math
import sys

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet.training.batches import random_order
from funcnet.training.step import SHUFFLE
from tests.training.test_fitting import Compilations

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(24, 6)).astype(np.float32)
Y = RANDOM.normal(size=(24, 1)).astype(np.float32)  # noise: there is nothing to learn but the samples
HELD_OUT = RANDOM.normal(size=(12, 6)).astype(np.float32), RANDOM.normal(size=(12, 1)).astype(np.float32)
NETWORK = fn.mlp([6, 12, 1], hidden=fn.tanh)


def fit(**changes):
    settings = {
        "network": NETWORK,
        "loss": fn.quadratic,
        "optimizer": fn.adam(0.01),
        "data": (X, Y),
        "key": jax.random.key(0),
        "epochs": 60,
        "batch_size": 8,
        "validation": HELD_OUT,
        "early_stopping": fn.EarlyStopping(patience=4),
        "progress": False,
    }
    return fn.fit(**{**settings, **changes})


def before_the_last_update(state, batch_size=8, data=(X, Y), metrics=(), loss=fn.quadratic):
    """Return the parameters before the last update of the epoch that begins with a state, step by step."""
    step = fn.train_step(NETWORK, loss, fn.adam(0.01))
    order = random_order(jax.random.fold_in(jax.random.fold_in(state.key, SHUFFLE), state.epoch), len(X))
    for start in range(0, len(X) - batch_size, batch_size):
        rows = np.asarray(order)[start : start + batch_size]
        state, _ = step(state, (data[0][rows], data[1][rows]))
    return state.params


def plain_loop(*, monitor, patience, min_delta, smaller, epochs=60, **changes):
    """Return epochs run, best epoch and best parameters, by one epoch a call and a Python loop."""
    state = fn.init_state(NETWORK, fn.adam(0.01), jax.random.key(0), (6,))
    best, best_epoch, best_params = math.inf if smaller else -math.inf, 0, None
    for epoch in range(1, epochs + 1):
        result = fit(early_stopping=None, epochs=1, key=None, state=state, **changes)
        value = float(result.history[monitor][0])
        if (best - value if smaller else value - best) > min_delta:
            is_validation = monitor.startswith("val_")
            best, best_epoch = value, epoch
            best_params = result.params if is_validation else before_the_last_update(state, **changes)
        state = result.state
        if epoch - best_epoch >= patience:
            break
    return epoch, best_epoch, best_params


@pytest.mark.parametrize(
    ("monitor", "patience", "min_delta"),
    [("val_loss", 1, 0.0), ("val_loss", 4, 0.0), ("val_loss", 3, 0.01), ("loss", 2, 0.02), ("loss", 1, 0.1)],
)
def test_it_picks_the_epoch_and_the_parameters_of_a_plain_loop(monitor, patience, min_delta):
    ran, best_epoch, best_params = plain_loop(monitor=monitor, patience=patience, min_delta=min_delta, smaller=True)
    result = fit(early_stopping=fn.EarlyStopping(monitor, patience, min_delta))
    assert result.reason == "stopped early"
    assert (len(result.history["loss"]), result.best_epoch) == (ran, best_epoch)
    if monitor == "val_loss":
        chex.assert_trees_all_equal(result.params, best_params)
    chex.assert_trees_all_close(result.params, best_params, rtol=1e-5)
    assert ran < 60


def test_an_accuracy_is_to_grow():
    changes = {"loss": fn.sigmoid_cross_entropy, "metrics": [fn.accuracy], "data": (X, (Y > 0).astype(np.float32))}
    changes["validation"] = HELD_OUT[0], (HELD_OUT[1] > 0).astype(np.float32)
    ran, best_epoch, best_params = plain_loop(
        monitor="val_accuracy", patience=5, min_delta=0.0, smaller=False, **changes
    )
    result = fit(early_stopping=fn.EarlyStopping("val_accuracy"), **changes)
    assert (len(result.history["loss"]), result.best_epoch) == (ran, best_epoch)
    chex.assert_trees_all_equal(result.params, best_params)
    assert result.history["val_accuracy"][best_epoch - 1] == result.history["val_accuracy"].max()


def test_every_chunking_stops_at_the_same_epoch(monkeypatch):
    whole = fit()
    monkeypatch.setattr(sys.modules["funcnet.training.fitting"], "_SECONDS_PER_CALL", 0.0)  # one epoch a call
    chex.assert_trees_all_equal(fit()[:2], whole[:2])


def test_a_run_in_parts_stops_where_the_whole_does():
    whole = fit()
    for first_part in (1, whole.best_epoch + 2):
        first = fit(epochs=first_part)
        assert first.reason == "completed"
        second = fit(key=None, state=first.state)
        assert second.reason == "stopped early"
        assert len(first.history["loss"]) + len(second.history["loss"]) == len(whole.history["loss"])
        assert second.best_epoch == whole.best_epoch
        chex.assert_trees_all_equal(second.params, whole.params)


def test_a_stopped_run_stays_stopped_until_its_patience_is_longer():
    first = fit()
    again = fit(key=None, state=first.state)
    assert again.reason == "stopped early"
    assert again.history["val_loss"].shape == (0,)
    chex.assert_trees_all_equal(again.params, first.params)
    longer = fit(key=None, state=first.state, early_stopping=fn.EarlyStopping(patience=9))
    straight = fit(early_stopping=fn.EarlyStopping(patience=9))
    assert longer.best_epoch == straight.best_epoch
    chex.assert_trees_all_equal(longer.params, straight.params)


def test_another_monitor_starts_to_watch_anew():
    first = fit()
    other = fit(key=None, state=first.state, early_stopping=fn.EarlyStopping("loss", min_delta=1.0))
    assert other.best_epoch == len(first.history["loss"]) + 1
    assert fit(key=None, state=first.state, early_stopping=None, epochs=1).state.best == ()


def test_without_restoring_the_last_parameters_are_given_back():
    kept, last = fit(), fit(early_stopping=fn.EarlyStopping(patience=4, restore_best=False))
    assert (last.best_epoch, last.reason) == (kept.best_epoch, "stopped early")
    chex.assert_trees_all_equal(last.params, kept.state.params)
    assert not np.array_equal(last.params[0].weight, kept.params[0].weight)
    assert last.state.best.params == ()


def test_a_completed_run_gives_back_its_best_parameters():
    stopped = fit()
    result = fit(epochs=len(stopped.history["loss"]) - 1)
    assert result.reason == "completed"
    chex.assert_trees_all_equal(result.params, stopped.params)


def test_a_run_that_diverges_gives_back_its_best_parameters():
    schedule = fn.schedules.piecewise([9], [0.01, 1e30])  # the fourth epoch explodes
    with pytest.warns(RuntimeWarning, match="fit: non-finite"):
        result = fit(optimizer=fn.sgd(schedule))
    assert result.reason.startswith("non-finite")
    assert result.best_epoch == 3
    chex.assert_trees_all_equal(result.params, fit(optimizer=fn.sgd(schedule), epochs=3).state.params)


def test_a_value_that_is_nan_is_never_better():
    def undefined(prediction, target):
        return jnp.full(len(prediction), jnp.nan, jnp.float32)

    stopping = fn.EarlyStopping("val_undefined", patience=2, mode="max")
    with pytest.warns(RuntimeWarning, match="fit: val_undefined was never finite: the best parameters are the initial"):
        result = fit(metrics=[undefined], early_stopping=stopping)
    assert (len(result.history["loss"]), result.best_epoch) == (2, 0)


def test_the_best_epoch_is_counted_since_the_run_began():
    first = fit(epochs=3, early_stopping=None)
    result = fit(key=None, state=first.state, epochs=2)
    assert result.best_epoch == 4 + np.argmin(result.history["val_loss"])


def test_another_patience_or_delta_compiles_nothing():
    fit()
    with Compilations() as compiled:
        fit(early_stopping=fn.EarlyStopping(patience=np.int64(2), min_delta=0.5))
    assert compiled.names == []


@pytest.mark.parametrize("batch_size", [1, 7, None])
def test_it_works_at_every_batch_size(batch_size):
    result = fit(batch_size=batch_size, epochs=200)
    values = result.history["val_loss"]
    assert result.best_epoch == 1 + int(np.argmin(values))


def test_parameters_may_be_one_bare_array():
    class Gain(fn.Layer):
        def init(self, key, input_shape, *, dtype=jnp.float32):
            return jnp.ones((), dtype), input_shape

        def forward(self, params, x, *, key=None):
            return params * x, x

        def backward(self, params, cache, dy):
            return jnp.sum(dy * cache), params * dy

    result = fit(network=Gain(), data=(X, 3 * X), validation=(X, 3 * X), epochs=200, optimizer=fn.adam(0.1))
    assert result.params == pytest.approx(3, abs=0.1)


def test_settings_that_are_none_are_named():
    for error, text, arguments in (
        (TypeError, "EarlyStopping: expected monitor to be a name of the history, got 3", {"monitor": 3}),
        (ValueError, "EarlyStopping: expected patience to be an integer of at least 1, got 0", {"patience": 0}),
        (ValueError, "EarlyStopping: expected min_delta to be finite and at least 0, got -1", {"min_delta": -1}),
        (TypeError, "EarlyStopping: expected restore_best to be True or False, got 1", {"restore_best": 1}),
        (ValueError, "EarlyStopping: expected mode to be one of auto, min, max, got 'up'", {"mode": "up"}),
    ):
        with pytest.raises(error, match=text):
            fn.EarlyStopping(**arguments)


def test_a_monitor_that_there_is_not_is_named():
    expected = r"fit: expected early_stopping.monitor to be one of loss, got 'val_loss': pass validation= to record it"
    with pytest.raises(ValueError, match=expected):
        fit(validation=None)
    with pytest.raises(ValueError, match=r"one of loss, val_loss, got 'val_accuracy': pass the metric in"):
        fit(early_stopping=fn.EarlyStopping("val_accuracy"))
    with pytest.raises(
        TypeError, match=r"fit: expected early_stopping to be None or fn.EarlyStopping\(...\), got a int"
    ):
        fit(early_stopping=3)


def error_of(prediction, target):
    return jnp.abs(prediction - target)[:, 0]


def test_whether_another_metric_is_to_grow_must_be_told():
    with pytest.raises(ValueError, match="expected mode 'min' or 'max' for monitor 'val_error_of', got 'auto'"):
        fit(metrics=[error_of], early_stopping=fn.EarlyStopping("val_error_of"))
    result = fit(metrics=[error_of], early_stopping=fn.EarlyStopping("val_error_of", mode="min"))
    assert result.best_epoch == 1 + np.argmin(result.history["val_error_of"])


def test_it_is_a_value_that_prints_as_its_call():
    stopping = fn.EarlyStopping("loss", patience=3, min_delta=0.1, restore_best=False, mode="min")
    assert eval(repr(stopping), vars(fn)) == stopping
    assert len({stopping, fn.EarlyStopping(), fn.EarlyStopping(patience=5)}) == 2


LINE = np.array([[1.0], [2.0]], np.float32)


def fit_line(rates, stopping, **changes):
    """Return the run of y = wx + b on two samples, one rate per step; it begins at w = b = 0 and ends by the last."""
    optimizer = fn.sgd(fn.schedules.piecewise(range(1, len(rates)), rates))
    params = (fn.DenseParams(jnp.zeros((1, 1)), jnp.zeros(1)),)
    settings = {"optimizer": optimizer, "params": params, "data": (LINE, LINE), "network": fn.mlp([1, 1]),
                "epochs": len(rates), "batch_size": None, "validation": None, **changes}  # fmt: skip
    return fit(early_stopping=stopping, **settings)


def negative_error(prediction, target):
    return -jnp.abs(prediction - target)[:, 0]


@pytest.mark.parametrize("last_rate", [40.0, 1e30])
@pytest.mark.parametrize("monitor", ["loss", "negative_error"])
def test_the_best_parameters_have_the_training_value_that_they_are_the_best_for(monitor, last_rate):
    mode = "min" if monitor == "loss" else "max"
    stopping = fn.EarlyStopping(monitor, mode=mode)
    result = fit_line([0.25, 0.25, last_rate], stopping, metrics=[negative_error])
    assert result.best_epoch == 3
    found = fn.evaluate(fn.mlp([1, 1]), fn.quadratic, result.params, (LINE, LINE), metrics=[negative_error])
    np.testing.assert_allclose(found[monitor], result.history[monitor][2], rtol=1e-5)
    assert found["loss"] < 0.01
    chex.assert_trees_all_close(result.params, fit_line([0.25, 0.25], None).params, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:fit. non-finite")
def test_a_last_step_that_ruins_the_parameters_is_no_part_of_the_best_ones():
    def ruining(stopping, **changes):
        optimizer = fn.sgd(lambda step: jnp.where(step == 2, jnp.inf, jnp.float32(0.25)))
        return fit_line([0.25, 0.25, 0.25], stopping, optimizer=optimizer, **changes)

    result = ruining(fn.EarlyStopping("loss"))
    assert (result.reason, result.best_epoch) == ("non-finite parameters", 3)
    chex.assert_trees_all_close(result.params, fit_line([0.25, 0.25], None).params, rtol=1e-5)
    assert ruining(fn.EarlyStopping("loss", restore_best=False)).best_epoch == 3
    assert ruining(fn.EarlyStopping(), validation=(LINE, LINE)).best_epoch == 2


def test_a_validation_value_is_that_of_the_parameters_after_the_epoch():
    result = fit_line([0.25, 0.25, 40.0], fn.EarlyStopping(), validation=(LINE, LINE))
    assert result.best_epoch == 2
    found = fn.evaluate(fn.mlp([1, 1]), fn.quadratic, result.params, (LINE, LINE))
    np.testing.assert_allclose(found["loss"], result.history["val_loss"][1], rtol=1e-5)
