from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import funcnet as fn

CLASSES, SAMPLES = 4, 30
LABELS = st.lists(st.integers(0, CLASSES - 1), min_size=SAMPLES, max_size=SAMPLES)
# Few different values, so that ties are met.
ROWS = st.lists(st.lists(st.integers(-2, 3), min_size=CLASSES, max_size=CLASSES), min_size=SAMPLES, max_size=SAMPLES)


def plain_class(row):
    return max(range(len(row)), key=lambda j: (row[j], -j))


@settings(max_examples=20)
@given(rows=ROWS)
def test_the_class_is_that_of_the_first_largest_output(rows):
    classes = fn.predicted_classes(jnp.array(rows, jnp.float32))
    assert (classes.tolist(), classes.dtype) == ([plain_class(row) for row in rows], jnp.int32)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "int32", "bool"])
def test_the_class_of_one_output_is_by_the_half(dtype):
    below, above = (0, 1) if dtype in ("int32", "bool") else (0.498, 0.5)
    assert fn.predicted_classes(jnp.array([[below], [above], [1]], dtype)).tolist() == [0, 1, 1]


def test_accuracy_is_the_share_on_the_diagonal():
    random = np.random.default_rng(0)
    for outputs in (1, 3):
        prediction = jnp.asarray(random.uniform(size=(50, outputs)), jnp.float32)
        target = jnp.asarray(random.uniform(size=(50, outputs)), jnp.float32)
        counts = fn.confusion_matrix(fn.predicted_classes(target), fn.predicted_classes(prediction), max(outputs, 2))
        assert int(fn.accuracy(prediction, target).sum()) == np.trace(counts)


@settings(max_examples=20)
@given(labels=LABELS, answers=LABELS, dtype=st.sampled_from(["uint8", "int32", "int64"]))
def test_the_confusion_matrix_counts_every_pair(labels, answers, dtype):
    counts = fn.confusion_matrix(np.array(labels, dtype), np.array(answers, dtype), CLASSES)
    pairs = Counter(zip(labels, answers, strict=True))
    assert counts.tolist() == [[pairs[i, j] for j in range(CLASSES)] for i in range(CLASSES)]
    assert counts.dtype == jnp.int32


def test_the_confusion_matrix_is_traced_and_mapped():
    labels = jnp.asarray(np.random.default_rng(0).integers(0, CLASSES, (2, 5, SAMPLES)), jnp.int32)
    mapped = jax.jit(jax.vmap(lambda y, a: fn.confusion_matrix(y, a, CLASSES)))(*labels)
    for counts, y, a in zip(mapped, *labels, strict=True):
        np.testing.assert_array_equal(counts, fn.confusion_matrix(y, a, CLASSES))


def test_a_traced_pair_outside_is_not_counted():
    labels, answers = jnp.array([0, 1, -1, 1, 2]), jnp.array([0, 2, 1, -2, 0])
    counts = jax.jit(lambda y, a: fn.confusion_matrix(y, a, 2))(labels, answers)
    assert counts.tolist() == [[1, 0], [0, 0]]


@pytest.mark.parametrize("place", ["labels", "answers"])
def test_the_confusion_matrix_names_the_first_one_outside(place):
    for wrong in (-1, 3, 2**40):
        values = {"labels": [0, 1, 2], "answers": [0, 1, 2]} | {place: np.array([0, wrong, 9])}
        with pytest.raises(ValueError, match=rf"^confusion_matrix: expected {place} in \[0, 3\), got {wrong} at index"):
            fn.confusion_matrix(**values, classes=3)


def test_the_confusion_matrix_refuses_what_cannot_be_counted():
    with pytest.raises(fn.ShapeError, match=r"expected answers of the labels' shape \(2,\), got \(3,\)"):
        fn.confusion_matrix([0, 1], [0, 1, 1], 2)
    with pytest.raises(fn.ShapeError, match=r"expected labels of shape \(n,\), got \(2, 2\)"):
        fn.confusion_matrix(np.eye(2, dtype=int), [0, 1], 2)
    with pytest.raises(fn.DtypeError, match="expected answers of an integer dtype, got float32"):
        fn.confusion_matrix([0, 1], np.zeros(2, np.float32), 2)
    with pytest.raises(ValueError, match="expected classes to be an integer of at least 1, got 0"):
        fn.confusion_matrix([0], [0], 0)


@settings(max_examples=20)
@given(rows=ROWS, labels=LABELS, most=st.none() | st.integers(1, SAMPLES + 1))
def test_the_worst_mistakes_are_the_surest_ones(rows, labels, most):
    wrong = [index for index, row in enumerate(rows) if plain_class(row) != labels[index]]
    expected = sorted(wrong, key=lambda index: (-max(rows[index]), index))[:most]
    assert fn.worst_mistakes(jnp.array(rows, jnp.float32), labels, most).tolist() == expected


def test_the_worst_mistakes_of_one_output_are_those_farthest_from_the_half():
    prediction = jnp.array([[0.9], [0.2], [0.6], [0.01], [0.99]])
    assert fn.worst_mistakes(prediction, [0, 1, 0, 1, 1]).tolist() == [3, 0, 1, 2]


def test_what_has_no_mistakes_is_refused():
    prediction = jnp.ones((3, 2))
    with pytest.raises(fn.ShapeError, match=r"worst_mistakes: expected labels of shape \(3,\), one a row, got \(2,\)"):
        fn.worst_mistakes(prediction, [0, 1])
    with pytest.raises(fn.DtypeError, match="worst_mistakes: expected labels of an integer dtype, got float64"):
        fn.worst_mistakes(prediction, [0.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="worst_mistakes: expected most to be an integer of at least 1, got 0"):
        fn.worst_mistakes(prediction, [0, 1, 1], 0)
    for shape in [(3,), (3, 0), (3, 2, 2)]:
        with pytest.raises(fn.ShapeError, match=r"predicted_classes: expected prediction of shape \(batch, outputs\)"):
            fn.predicted_classes(jnp.ones(shape))
    with pytest.raises(fn.DtypeError, match="predicted_classes: expected prediction of a real dtype, got complex64"):
        fn.predicted_classes(jnp.ones((3, 2), jnp.complex64))


def test_the_surest_mistakes_of_bytes_and_of_bools():
    outputs = np.array([[200, 100], [10, 5], [0, 0]], np.uint8)
    assert fn.worst_mistakes(outputs, [1, 1, 1]).tolist() == [0, 1, 2]
    assert fn.worst_mistakes(np.array([[True, False], [False, True]]), [1, 0]).tolist() == [0, 1]


NAN = np.nan
ROWS_OF_NO_CLASS = [[NAN, 0.0, 1.0], [0.0, NAN, 1.0], [0.2, 0.1, NAN], [NAN, NAN, NAN]]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_nan_names_no_class(dtype):
    prediction = jnp.asarray(np.array([*ROWS_OF_NO_CLASS, [0.0, np.inf, -np.inf], [0.0, 0.0, 0.0]]), dtype)
    assert fn.predicted_classes(prediction).tolist() == [-1, -1, -1, -1, 1, 0]
    assert fn.predicted_classes(jnp.array([[NAN], [0.7], [-np.inf], [np.inf]], dtype)).tolist() == [-1, 1, 0, 1]
    with pytest.raises(ValueError, match=r"^confusion_matrix: expected answers in \[0, 3\), got -1 at index 0$"):
        fn.confusion_matrix([0] * 6, fn.predicted_classes(prediction), 3)
    assert fn.worst_mistakes(prediction[1:], [0, 0, 0, 0, 0]).tolist() == [3, 0, 1, 2]


def test_nan_is_never_right():
    """Whichever class the other row of a pair names, if any."""
    classes = [[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], *ROWS_OF_NO_CLASS]
    pairs = [(a, b) for a in classes for b in classes]
    prediction, target = (np.array(each, np.float32) for each in zip(*pairs, strict=True))
    right = [a == b for a, b in pairs]  # NaN is not equal to itself, but lists compare by identity first
    right = [is_equal and not np.isnan(a).any() for is_equal, (a, b) in zip(right, pairs, strict=True)]
    assert fn.accuracy(prediction, target).tolist() == right
    one = np.array([[NAN, 1], [NAN, 0], [1, NAN], [0, NAN], [NAN, NAN], [1, 1], [0, 0], [1, 0]], np.float32)
    assert fn.accuracy(one[:, :1], one[:, 1:]).tolist() == [0, 0, 0, 0, 0, 1, 1, 0]


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
def test_a_target_of_equal_outputs_names_no_class(dtype):
    target = np.array([[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 0, 1]], dtype)
    for answer, right in ((0, [0, 0, 1, 0]), (1, [0, 0, 0, 0]), (2, [0, 0, 0, 1])):
        prediction = np.eye(3, dtype=np.float32)[[answer] * 4]
        assert fn.accuracy(prediction, target).tolist() == right
    assert fn.accuracy(np.zeros((2, 2)), np.array([[1.0, 0], [0, 1]])).tolist() == [1, 0]  # of equal answers the first


def test_a_run_that_makes_nan_is_right_nowhere():
    params = (fn.DenseParams(jnp.full((3, 2), NAN), jnp.zeros(3)),)
    data = np.ones((4, 2), np.float32), np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    means = fn.evaluate(fn.mlp([2, 3]), fn.softmax_cross_entropy, params, data, metrics=[fn.accuracy])
    assert (means["accuracy"], np.isnan(means["loss"])) == (0.0, True)


def named(name):
    def metric(prediction, target):
        return prediction[:, 0]

    metric.__name__ = name
    return metric


def test_names_that_would_overwrite_each_other_are_refused_at_the_door():
    data, network = (np.ones((2, 1), np.float32),) * 2, fn.mlp([1, 1])

    def fit(metrics, validation=data):
        return fn.fit(network, fn.quadratic, fn.sgd(0.1), data, key=jax.random.key(0), epochs=1, progress=False,
                      metrics=metrics, validation=validation)  # fmt: skip

    taken = (
        "^fit: expected metrics of other names than those of the validation data, 'val_' first, and than 'skipped', got"
    )
    for names, repeated in [
        (["a", "val_a"], "val_a"),
        (["val_loss"], "val_loss"),
        (["b", "val_b", "val_val_b"], "val_b"),
    ]:
        with pytest.raises(ValueError, match=f"{taken} {repeated}$"):
            fit([named(name) for name in names])
    for names in (["a", "a"], ["loss"], ["b", "a", "b"]):
        metrics = [named(name) for name in names]
        for door in (fit, lambda metrics: fn.train_step(network, fn.quadratic, fn.sgd(0.1), metrics=metrics)):
            with pytest.raises(ValueError, match="expected metrics of different names, none of them 'loss', got"):
                door(metrics)
    odd = jax.tree_util.Partial(named("a"))
    odd.__name__ = 3
    with pytest.raises(TypeError, match=r"^evaluate: expected metrics whose __name__ is a str, got 3$"):
        fn.evaluate(network, fn.quadratic, (), data, metrics=[odd])
    assert set(fit([named("val_a")], validation=None).history) == {"loss", "val_a"}


def test_integer_labels_are_targets_and_those_outside_are_never_right():
    prediction = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 2]]
    for dtype in ("int8", "uint8", "int32", "uint32", "int64", "uint64"):
        outside = {"int8": -1, "uint8": 255}.get(dtype, 2**31 if dtype == "uint32" else 2**32 if "64" in dtype else -3)
        labels = np.array([0, 2, 2, outside, 3], dtype)
        assert fn.accuracy(prediction, labels).tolist() == [1, 0, 1, 0, 0]
    assert fn.accuracy(np.ones((2, 300)) * np.arange(300), np.array([43, 255], "uint8")).tolist() == [0, 0]
    assert fn.accuracy(jnp.array([[0.7], [0.2], [0.7], [0.2]]), jnp.array([1, 0, 2, -1])).tolist() == [1, 1, 0, 0]
    assert fn.accuracy(jnp.array([[0.7], [0.2]]), np.array([True, True])).tolist() == [1, 0]


@pytest.mark.parametrize("labels", [np.zeros(3), np.zeros(2, int)], ids=str)
def test_labels_of_another_shape_or_kind_are_refused(labels):
    expected = r"^accuracy: expected .* or integer labels of shape \(batch,\) as target, got \(3, 2\) and \([23],\)"
    with pytest.raises(fn.ShapeError, match=expected):
        fn.accuracy(np.ones((3, 2)), labels)
    with pytest.raises(TypeError, match=r"^accuracy: expected target to be an array of numbers, got dtype timedelta64"):
        fn.accuracy(np.ones((3, 2)), np.zeros(3, "m8[s]"))
