"""Metrics of a whole set in fit, run_epochs, train_step and evaluate: exact under partial batches and weights."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funcnet as fn
from tests.training.small_run import HELD_OUT, NETWORK, X, Y, fit

LABELS = Y.argmax(axis=1)
WEIGHTS = np.random.default_rng(1).choice([0.0, 0.5, 1.0, 3.0], size=len(X))
METRICS = [fn.accuracy, fn.metrics.f1, fn.metrics.F1(None), fn.metrics.auc]


def values(params, data):
    """Return the metrics of a set by their definition, from one prediction of all rows."""
    prediction = fn.softmax_cross_entropy.predict(NETWORK.apply(params, data[0]))
    return {
        metric.history_name: np.asarray(metric.of(prediction, *data[1:]))
        for metric in METRICS if isinstance(metric, fn.metrics.Metric)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("data", "batch_size"),
    [((X, Y), 4), ((X, Y), 23), ((X, LABELS, WEIGHTS), 4)],
    ids=["rows in batches", "rows at once", "labels and weights"],
)
def test_every_function_measures_the_whole_set(data, batch_size):
    result = fit(data=data, epochs=2, batch_size=batch_size, metrics=METRICS, validation=data, optimizer=fn.sgd(0.0))
    measured = fn.evaluate(
        NETWORK, fn.softmax_cross_entropy, result.params, data, metrics=METRICS, batch_size=batch_size
    )
    for name, expected in values(result.params, data).items():
        for found in (*result.history[name], *result.history[f"val_{name}"], measured[name]):
            np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert result.history["f1_by_class"].shape == (2, 2)
    assert isinstance(measured["f1"], float)


def test_metrics_do_not_change_the_run():
    plain, measured = fit(), fit(metrics=METRICS)
    chex.assert_trees_all_close(plain.params, measured.params, rtol=1e-5)
    np.testing.assert_allclose(plain.history["loss"], measured.history["loss"], rtol=1e-5)


def test_a_step_measures_its_batch():
    state = fn.init_state(NETWORK, fn.sgd(0.1), jax.random.key(0), (3,))
    step = fn.train_step(NETWORK, fn.softmax_cross_entropy, fn.sgd(0.1), metrics=METRICS)
    data = (X, LABELS, WEIGHTS.astype(np.float32))
    _, info = step(state, data)
    for name, expected in values(state.params, data).items():
        np.testing.assert_allclose(info[name], expected, rtol=1e-6)


def test_a_mapped_run_has_a_history_of_every_metric():
    def train(key):
        state = fn.init_state(NETWORK, fn.sgd(0.1), key, (3,))
        return fn.run_epochs(
            NETWORK, fn.softmax_cross_entropy, fn.sgd(0.1), state, (X, Y), epochs=3, batch_size=5, metrics=METRICS
        )

    runs = jax.jit(jax.vmap(train))(jax.random.split(jax.random.key(0), 2))
    assert (runs.history["f1"].shape, runs.history["f1_by_class"].shape) == ((2, 3), (2, 3, 2))
    np.testing.assert_allclose(runs.history["f1"], runs.history["f1_by_class"].mean(axis=2), rtol=1e-6)


class Distance(fn.metrics.Metric):
    larger_is_better = False

    def init(self, rows, outputs, dtype):
        return jnp.zeros((), dtype)

    def update(self, state, prediction, target, weights):
        return state + 1

    def value(self, state):
        return state


def test_early_stopping_knows_which_way_is_better():
    def stopped(monitor, **changes):
        stopping = fn.EarlyStopping(monitor, patience=2, **changes)
        return fit(metrics=[fn.metrics.f1, Distance()], early_stopping=stopping, optimizer=fn.sgd(0.0), epochs=9)

    assert stopped("val_f1").state.best.smaller_is_better is False
    assert stopped("val_distance").state.best.smaller_is_better is True
    assert stopped("val_distance").best_epoch == 1
    with pytest.raises(ValueError, match=r"early_stopping\.monitor to be one of"):
        stopped("val_recall")


def test_a_monitor_with_a_number_for_each_class_is_refused():
    with pytest.raises(ValueError, match="EarlyStopping: expected a monitor with one number per epoch, got 'val_f1_b"):
        fit(metrics=[fn.metrics.F1(None)], early_stopping=fn.EarlyStopping("val_f1_by_class"), validation=HELD_OUT)


@pytest.mark.parametrize("batch_size", [5, None])
def test_the_learning_rate_and_the_norm_of_the_gradients_are_recorded(batch_size):
    schedule = fn.schedules.exponential(0.2, factor=0.5, every=1)
    result = fit(
        optimizer=fn.chain(fn.clip_by_global_norm(1e-3), fn.sgd(schedule)),
        metrics=[fn.metrics.learning_rate, fn.accuracy, fn.metrics.gradient_norm],
        batch_size=batch_size,
        epochs=2,
    )
    assert list(result.history) == [
        "loss", "learning_rate", "accuracy", "gradient_norm", "val_loss", "val_accuracy"
    ]  # fmt: skip
    counts = [5, 5, 5, 5, 3] if batch_size else [23]  # samples of each step, which weigh its number
    rates = 0.2 * 0.5 ** np.arange(2 * len(counts)).reshape(2, -1)
    np.testing.assert_allclose(result.history["learning_rate"], rates @ counts / 23, rtol=1e-6)
    if batch_size is None:
        params, _ = NETWORK.init(jax.random.key(0), (3,))
        _, gradients = fn.autodiff(NETWORK, fn.softmax_cross_entropy)(params, X, Y)
        norm = np.sqrt(sum(np.sum(np.square(g)) for g in jax.tree.leaves(gradients)))
        np.testing.assert_allclose(result.history["gradient_norm"][0], norm, rtol=1e-6)


def test_an_evaluation_leaves_metrics_of_steps_out():
    params, _ = NETWORK.init(jax.random.key(0), (3,))
    metrics = [fn.metrics.gradient_norm, fn.accuracy]
    found = fn.evaluate(NETWORK, fn.softmax_cross_entropy, params, (X, Y), metrics=metrics)
    assert list(found) == ["loss", "accuracy"]


def test_a_learning_rate_that_is_not_known_is_told():
    with pytest.raises(ValueError, match=r"learning_rate: expected one learning_rate in the optimizer's state, got 0"):
        fit(optimizer=optax.sgd(0.1), metrics=[fn.metrics.learning_rate])


class Square(Distance):
    def value(self, state):
        return jnp.ones((2, 2))


class Two(fn.metrics.StepMetric):
    def of_step(self, gradients, optimizer_state):
        return jnp.ones(2)


@pytest.mark.parametrize("metric", [Square(), Two()], ids=repr)
@pytest.mark.parametrize("batch_size", [5, None])
def test_values_of_a_wrong_shape_are_named(metric, batch_size):
    with pytest.raises(fn.ShapeError, match=rf"^{type(metric).__name__}\(\): expected (a value that is|one number of)"):
        fit(metrics=[metric], batch_size=batch_size, validation=None)


def test_the_learning_rate_of_optax_is_found_beside_its_schedule():
    schedule = optax.exponential_decay(0.2, 1, 0.5)
    optimizer = optax.inject_hyperparams(optax.sgd)(learning_rate=schedule)
    result = fit(optimizer=optimizer, epochs=3, batch_size=None, metrics=[fn.metrics.learning_rate])
    np.testing.assert_allclose(result.history["learning_rate"], [0.2, 0.2, 0.1], rtol=1e-6)  # optax's state lags by one


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_norm_of_gradients_neither_overflows_nor_vanishes(scale):
    norm = fn.metrics.gradient_norm.of_step([jnp.array([3.0, 0.0]) * scale, jnp.array([-4.0]) * scale], None)
    np.testing.assert_allclose(norm, 5 * scale, rtol=1e-6)


def test_a_metric_that_cannot_be_hashed_is_named():
    class Among(fn.metrics.R2):
        classes: list

    with pytest.raises(TypeError, match=r"fit: expected metrics that are hashable, .* got .*unhashable type: 'list'"):
        fit(metrics=[Among([1, 2])])


def test_a_metric_takes_lists():
    assert fn.metrics.f1.of([[0.9], [0.2]], [[1.0], [0.0]], [1, 1]) == 1
