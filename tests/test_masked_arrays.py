"""Arrays whose values do not all count, or are no real numbers, are refused wherever data enter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn

X = np.linspace(0, 1, 8, dtype=np.float32).reshape(4, 2)
Y = np.eye(2, dtype=np.float32)[[0, 1, 1, 0]]
LABELS = np.array([0, 1, 1, 0])
SIGNS = 2 * LABELS - 1
KEY = jax.random.key(0)
NETWORK = fn.mlp([2, 2])
PARAMS = NETWORK.init(KEY, (2,))[0]


def masked(array):
    return np.ma.array(array, mask=np.arange(array.size).reshape(array.shape) % 2 == 1)


class Frame:
    """What makes an array of itself, as tables of other libraries do."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


def fit(x=X, y=Y, **settings):
    settings = {"key": KEY, "epochs": 1, "progress": False, **settings}
    return fn.fit(NETWORK, fn.quadratic, fn.sgd(0.1), (x, y), **settings)


DOORS = {
    "fit x": (X, lambda x: fit(x)),
    "fit y": (Y, lambda y: fit(y=y)),
    "fit validation x": (X, lambda x: fit(validation=(x, Y))),
    "fit validation y": (Y, lambda y: fit(validation=(X, y))),
    "run_epochs x": (X, lambda x: fn.run_epochs(
        NETWORK, fn.quadratic, fn.sgd(0.1), fn.init_state(NETWORK, fn.sgd(0.1), KEY, (2,)), (x, Y), epochs=1)),
    "evaluate x": (X, lambda x: fn.evaluate(NETWORK, fn.quadratic, PARAMS, (x, Y))),
    "evaluate y": (Y, lambda y: fn.evaluate(NETWORK, fn.quadratic, PARAMS, (X, y))),
    "predict": (X, lambda x: fn.predict(NETWORK, PARAMS, x)),
    "fit_by_search x": (X, lambda x: fn.fit_by_search(
        NETWORK, fn.quadratic, fn.genetic(4), (x, Y), key=KEY, steps=1)),
    "check_gradients x": (X, lambda x: fn.check_gradients(NETWORK, fn.quadratic, PARAMS, x, Y)),
    "check_gradients y": (Y, lambda y: fn.check_gradients(NETWORK, fn.quadratic, PARAMS, X, y)),
    "loss output": (Y, lambda a: fn.quadratic.value(a, Y)),
    "loss target": (Y, lambda y: fn.quadratic.gradient(Y, y)),
    "activation": (X, fn.relu),
    "accuracy prediction": (Y, lambda a: fn.accuracy(a, Y)),
    "accuracy target": (Y, lambda y: fn.accuracy(Y, y)),
    "predicted_classes": (Y, fn.predicted_classes),
    "f1 prediction": (Y, lambda a: fn.metrics.f1.of(a, LABELS)),
    "f1 target": (LABELS, lambda labels: fn.metrics.f1.of(Y, labels)),
    "f1 weights": (LABELS, lambda weights: fn.metrics.f1.of(Y, LABELS, weights)),
    "r2 target": (Y, lambda y: fn.metrics.r2.of(Y, y)),
    "worst_mistakes": (Y, lambda a: fn.worst_mistakes(a, LABELS)),
    "worst_mistakes labels": (LABELS, lambda labels: fn.worst_mistakes(Y, labels)),
    "confusion_matrix": (LABELS, lambda labels: fn.confusion_matrix(labels, LABELS, 2)),
    "one_hot": (LABELS, lambda labels: fn.data.one_hot(labels, 2)),
    "from_one_hot": (Y, fn.data.from_one_hot),
    "split x": (X, lambda x: fn.data.split((x, Y), 0.5, key=KEY)),
    "split stratify": (LABELS, lambda labels: fn.data.split((X, Y), 0.5, key=KEY, stratify=labels)),
    "entropy": (Y, fn.information.entropy),
    "cross_entropy": (Y, lambda q: fn.information.cross_entropy(Y, q)),
    "binary_entropy": (Y, fn.information.binary_entropy),
    "empirical": (LABELS, lambda labels: fn.information.empirical(labels, 2)),
    "train_perceptron x": (X, lambda x: fn.neurons.train_perceptron(x, SIGNS, key=KEY)),
    "train_perceptron labels": (SIGNS, lambda labels: fn.neurons.train_perceptron(X, labels, key=KEY)),
    "least_squares x": (X, lambda x: fn.neurons.least_squares(x, Y)),
    "least_squares y": (Y, lambda y: fn.neurons.least_squares(X, y)),
    "nand": (LABELS, lambda bits: fn.neurons.nand(bits, LABELS)),
    "to_bits": (LABELS, lambda numbers: fn.neurons.to_bits(numbers, 3)),
}  # fmt: skip


@pytest.mark.parametrize(("array", "door"), DOORS.values(), ids=DOORS)
def test_a_masked_array_is_refused_at_every_door(array, door):
    forms = [masked(array), list(masked(array)), Frame(masked(array)), np.ma.array(array)]
    for form in forms if array.ndim == 2 else forms[::2]:
        with pytest.raises(
            TypeError, match=r"without a mask, got a masked array: leave out what is masked, or fill it$"
        ):
            door(form)


ODD = {
    "objects": (np.full((4, 2), 1.0, object), "dtype object"),
    "records": (np.zeros((4, 2), [("a", "f4")]), r"dtype \[\('a', '<f4'\)\]"),
    "durations": (np.zeros((4, 2), "m8[s]"), r"dtype timedelta64\[s\]"),
    "dates": (np.zeros((4, 2), "M8[s]"), r"dtype datetime64\[s\]"),
    "text": (np.full((4, 2), "1"), "dtype <U1"),
    "another kind": (object(), "a object"),
}


@pytest.mark.parametrize(("array", "got"), ODD.values(), ids=ODD)
def test_what_is_no_number_is_refused(array, got):
    for name, door in [("x", lambda x: fn.predict(NETWORK, PARAMS, x)), ("y", lambda y: fit(y=y))]:
        with pytest.raises(TypeError, match=f"expected {name} to be an array of numbers, got {got}$"):
            door(array)
    with pytest.raises(TypeError, match=r"expected x of a real dtype, got complex64$"):
        fn.predict(NETWORK, PARAMS, X + np.complex64(1j))
    with pytest.raises(TypeError, match=r"^one_hot: expected labels to be integers, got dtype timedelta64\[s\]$"):
        fn.data.one_hot(np.zeros(3, "m8[s]"), 2)
    with pytest.raises(
        TypeError, match=r"^empirical: expected labels to be an array of numbers, got dtype timedelta64\[s\]$"
    ):
        fn.information.empirical(np.zeros(3, "m8[s]"), 2)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_what_holds_the_same_numbers_gives_the_same():
    expected = fn.predict(NETWORK, PARAMS, X)
    for form in (X.tolist(), Frame(X), np.matrix(X), memoryview(X), jnp.asarray(X)):
        np.testing.assert_array_equal(fn.predict(NETWORK, PARAMS, form), expected)
