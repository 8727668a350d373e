import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn

NETWORK = fn.mlp([3, 5, 2], hidden=fn.tanh)
PARAMS, _ = NETWORK.init(jax.random.key(0), (3,))
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(23, 3)).astype(np.float32)
Y = np.eye(2, dtype=np.float32)[RANDOM.integers(0, 2, 23)]


@pytest.mark.parametrize("batch_size", [1, 5, 23, 1000, None])
def test_the_means_are_over_all_samples_whatever_the_batches(batch_size):
    means = fn.evaluate(NETWORK, fn.quadratic, PARAMS, (X, Y), metrics=[fn.accuracy], batch_size=batch_size)
    output = np.asarray(NETWORK.apply(PARAMS, X), np.float64)
    assert list(means) == ["loss", "accuracy"]
    np.testing.assert_allclose(means["loss"], 0.5 * ((output - Y) ** 2).sum(axis=1).mean(), rtol=1e-6)
    np.testing.assert_allclose(means["accuracy"], (output.argmax(axis=1) == Y.argmax(axis=1)).mean(), rtol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 5, 23, 1000, None])
def test_predictions_are_the_outputs_of_all_rows_in_order(batch_size):
    outputs = fn.predict(NETWORK, PARAMS, X, batch_size=batch_size)
    np.testing.assert_allclose(outputs, NETWORK.apply(PARAMS, X), rtol=1e-5, atol=1e-6)


def test_a_second_evaluation_compiles_nothing():
    traced = chex.assert_max_traces(lambda prediction, target: fn.accuracy(prediction, target), n=1)
    for _ in range(2):
        network = fn.mlp([3, 5, 2], hidden=fn.tanh)
        fn.evaluate(network, fn.quadratic, PARAMS, (X, Y), metrics=[traced], batch_size=4)


def test_metrics_see_predictions_and_not_logits():
    seen = []

    def largest(prediction, target):
        seen.append(prediction)
        return prediction.max(axis=1)

    means = fn.evaluate(NETWORK, fn.softmax_cross_entropy, PARAMS, (X, Y), metrics=[largest])
    assert 0.5 <= means["largest"] <= 1.0


def test_accuracy_of_one_output_is_by_the_half():
    prediction, target = jnp.array([[0.5], [0.49], [0.9]]), jnp.array([[1.0], [0.0], [0.0]])
    assert fn.accuracy(prediction, target).tolist() == [1.0, 1.0, 0.0]


def test_accuracy_of_binary_logits_is_by_their_sign():
    params = (fn.DenseParams(jnp.ones((1, 1)), jnp.zeros(1)),)
    x, y = np.array([[0.2], [-0.2], [3.0]], np.float32), np.array([[1], [0], [0]])
    means = fn.evaluate(fn.mlp([1, 1]), fn.sigmoid_cross_entropy, params, (x, y), metrics=[fn.accuracy])
    assert means["accuracy"] == pytest.approx(2 / 3)


def test_accuracy_refuses_shapes_that_do_not_match():
    with pytest.raises(
        fn.ShapeError, match=r"accuracy: expected prediction and target of one shape .* \(3, 2\) and \(3,\)"
    ):
        fn.accuracy(jnp.ones((3, 2)), jnp.ones(3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fn.predict(NETWORK, PARAMS, X.astype(np.uint8)), TypeError, "predict: expected x of a floating dtype"),
        (lambda: fn.predict(NETWORK, PARAMS, X[:0]), ValueError, "predict: expected x with at least one row"),
        (lambda: fn.predict(NETWORK, PARAMS, X[:, :2]), ValueError, r"\(layer 0\): expected x of shape \(batch, 3\)"),
        (lambda: fn.predict(NETWORK, PARAMS, X, batch_size=0), ValueError, "expected batch_size to be an integer"),
        (
            lambda: fn.evaluate(NETWORK, fn.quadratic, PARAMS, (X, Y[:3])),
            ValueError,
            "evaluate: expected as many rows in y as in x, got 3 for 23",
        ),
    ],
)
def test_what_cannot_be_evaluated_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
