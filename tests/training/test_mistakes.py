"""What newcomers do wrong: each mistake is told, and its remedy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from tests.training.small_run import NETWORK, X, Y, fit

LABELS = Y.argmax(axis=1)
IMAGES = np.random.default_rng(0).integers(0, 256, (23, 4, 4)).astype(np.uint8)
OF_IMAGES = fn.mlp([16, 2])


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param(
            {"data": (X, LABELS), "loss": fn.squared_error},
            r"fit: expected y of shape \(n, outputs\), got \(23,\): use fn\.data\.one_hot for class labels",
            id="labels for a loss that needs one-hot rows",
        ),
        pytest.param(
            {"network": OF_IMAGES, "data": (IMAGES / np.float32(255), Y)},
            r"Dense\(2.*expected an input of shape \(16,\), got \(4, 4\): put fn\.Flatten\(\) before it",
            id="images that are not flattened",
        ),
        pytest.param(
            {"network": OF_IMAGES, "data": (IMAGES.reshape(23, 16), Y)},
            r"fit: expected x of a floating dtype, got uint8: convert it, or start with fn\.Rescaling\(1 / 255\)",
            id="bytes",
        ),
        pytest.param(
            {"network": fn.mlp([3, 5])},
            r"expected target of the output's shape \(5, 5\), got \(5, 2\): give the network's last layer 2 outputs",
            id="a last layer of the wrong width",
        ),
        pytest.param(
            {"key": 7}, r"fit: expected key made by .* got 7: use jax\.random\.key\(7\)", id="an integer as key"
        ),
        pytest.param(
            {"key": jax.random.split(jax.random.key(0), 3)},
            r"fit: expected key made by .* got 3 keys in an array of shape \(3,\): pass one of them",
            id="an array of keys",
        ),
        pytest.param({"data": (X.astype(str), Y)}, "fit: expected x to be an array of numbers", id="a wrong dtype"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_the_remedy(changes, error):
    with pytest.raises((TypeError, ValueError), match=error):
        fit(**{"validation": None, **changes})


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        pytest.param(
            {"network": fn.mlp([3, 2], output=fn.softmax)},
            r"fit: softmax_cross_entropy takes logits, and applies softmax itself: leave it out at the end",
            id="softmax twice",
        ),
        pytest.param(
            {"network": fn.Sequential(fn.mlp([3, 2], output=fn.sigmoid)), "loss": fn.Focal()},
            r"fit: Focal\(\) takes logits, and applies sigmoid itself",
            id="sigmoid before a loss from logits",
        ),
        pytest.param(
            {"network": OF_IMAGES, "data": (IMAGES.reshape(23, 16).astype(np.float32), Y), "validation": None},
            r"fit: x holds whole numbers up to 255, as unscaled bytes: divide it by 255, or begin with fn\.Rescaling",
            id="unscaled bytes",
        ),
        pytest.param(
            {"network": fn.mlp([3, 1]), "data": (X, Y[:, :1]), "validation": None},
            r"fit: softmax_cross_entropy of one output is of one class alone.*: use fn\.sigmoid_cross_entropy",
            id="softmax of one output",
        ),
        pytest.param({"batch_size": 24}, "fit: batch_size 24 is larger than the 23 samples", id="a batch too large"),
    ],
)
def test_what_is_likely_a_mistake_is_warned_of(changes, warning):
    with pytest.warns(UserWarning, match=warning) as caught:
        fit(epochs=1, **changes)
    assert caught[0].filename == fit.__code__.co_filename


def test_a_rate_that_is_too_high_is_told():
    with pytest.warns(RuntimeWarning, match="non-finite .* on_nonfinite='raise' names the step"):
        fit(optimizer=fn.sgd(1e10), loss=fn.quadratic, network=fn.mlp([3, 2]), validation=None)


def test_a_loss_that_grows_is_told():
    with pytest.warns(RuntimeWarning, match=r"fit: the loss rose from .* to .*: the learning rate is likely too high"):
        fit(optimizer=fn.sgd(0.1), loss=fn.quadratic, network=fn.mlp([3, 2]), data=(5 * X, Y), epochs=3)


@pytest.mark.parametrize("measure", [fn.accuracy, fn.metrics.f1.of, fn.metrics.calibration_error.of])
def test_metrics_on_logits_of_one_output_are_told(measure):
    logits, target = np.array([[-3.0], [0.4], [2.0]]), np.array([0, 1, 1])
    with pytest.warns(
        UserWarning, match=r"predictions outside \[0, 1\] are not probabilities: .*predict\(logits\)"
    ) as caught:
        measure(logits, target)
    assert caught[0].filename == __file__
    measure(np.asarray(fn.sigmoid_cross_entropy.predict(logits)), target)  # warnings are errors here


def test_accuracy_of_scores_with_targets_of_minus_one_and_one_is_not_warned_of():
    assert fn.accuracy(fn.hinge.predict(jnp.array([[-3.0], [2.0]])), jnp.array([[-1.0], [1.0]])).tolist() == [1, 1]


def test_accuracy_of_a_linear_output_is_not_warned_of():
    assert fn.accuracy(np.array([[-0.03], [1.02]]), np.array([0, 1])).tolist() == [1, 1]


def test_names_in_place_of_labels_are_told():
    with pytest.raises(TypeError, match=r"expected y to be an array of numbers, got dtype <U3: _, y = np\.unique\("):
        fit(data=(X, np.array(["cat"] * 23)), validation=None)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"batch_size": 32},
        {"batch_size": 23},
        {"batch_size": None},
        {"network": fn.Sequential(fn.Flatten(), fn.Rescaling(1 / 255), OF_IMAGES), "data": (IMAGES, Y)},
        {"network": fn.mlp([3, 2], output=fn.softmax), "loss": fn.categorical_cross_entropy},
        {
            "network": fn.Sequential(fn.Frozen(fn.Sequential(fn.Rescaling(1 / 255), fn.Dense(4))), fn.Dense(2)),
            "data": (IMAGES.reshape(23, 16).astype(np.float32), Y),
        },
    ],
)
def test_what_is_right_is_trained_without_a_word(changes):
    fit(epochs=1, **{"validation": None, **changes})  # warnings are errors here


def test_traced_data_are_not_looked_at():
    state = fn.init_state(NETWORK, fn.sgd(0.1), jax.random.key(0), (3,))
    run = jax.jit(lambda x: fn.run_epochs(NETWORK, fn.softmax_cross_entropy, fn.sgd(0.1), state, (x, Y), epochs=1))
    assert run(jnp.asarray(200 * X)).done == 1


def test_labels_as_a_column_and_a_class_of_metrics_are_told():
    with pytest.raises(fn.ShapeError, match=r"got \(5, 1\): labels have no axis for outputs, y\[:, 0\]"):
        fit(data=(X, LABELS[:, None]), validation=None)
    with pytest.raises(
        TypeError, match=r"metrics to be functions .* or of fn\.metrics such as fn\.metrics\.f1, got <class"
    ):
        fit(metrics=[fn.metrics.F1])
    with pytest.raises(ValueError, match=r"got 'val_f1': pass the metric in metrics="):
        fit(early_stopping=fn.EarlyStopping("val_f1"))


def test_a_result_in_place_of_its_parameters_is_told():
    result = fit(epochs=1)
    for door in (lambda: fn.predict(NETWORK, result, X), lambda: fn.evaluate(NETWORK, fn.quadratic, result, (X, Y))):
        with pytest.raises(TypeError, match=r"expected params, got a FitResult: pass its \.params"):
            door()
