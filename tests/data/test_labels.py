from collections import Counter

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcnet.data import class_weights, from_one_hot, one_hot, split

DTYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


@given(labels=st.lists(st.integers(0, 11), min_size=1), more=st.integers(0, 3), dtype=st.sampled_from(DTYPES))
def test_one_hot_and_back_is_the_same(labels, more, dtype):
    classes = max(labels) + 1 + more
    rows = one_hot(np.array(labels, dtype), classes)
    assert (rows.shape, rows.dtype) == ((len(labels), classes), np.float32)
    assert rows.tolist() == [[float(column == label) for column in range(classes)] for label in labels]
    back = from_one_hot(rows)
    assert (back.tolist(), back.dtype) == (labels, np.int64)


@given(
    before=st.lists(st.integers(0, 4)),
    wrong=st.integers(5, 2**31 - 1) | st.integers(-(2**31), -1),
    after=st.lists(st.integers(-9, 9)),
)
def test_one_hot_names_the_first_label_outside(before, wrong, after):
    with pytest.raises(
        ValueError, match=rf"^one_hot: expected labels in \[0, 5\), got {wrong} at index {len(before)}$"
    ):
        one_hot([*before, wrong, *after], 5)


def test_one_hot_compares_labels_and_classes_of_any_size():
    assert one_hot(np.array([255], np.uint8), 300)[0, 255] == 1
    with pytest.raises(ValueError, match=f"got {2**64 - 1} at index 0"):
        one_hot(np.array([2**64 - 1], np.uint64), 2)


@pytest.mark.parametrize("labels", [[0.0, 1.0], [True, False], ["0", "1"]])
def test_one_hot_takes_only_integers(labels):
    with pytest.raises(TypeError, match="one_hot: expected labels to be integers, got dtype"):
        one_hot(labels, 2)


@pytest.mark.parametrize("shape", [(), (2, 1), (0,), (0, 2)])
def test_one_hot_takes_only_one_dimension_that_is_not_empty(shape):
    with pytest.raises(ValueError, match=r"one_hot: expected labels of shape \(n,\), n at least 1, got \("):
        one_hot(np.zeros(shape, int), 2)


def test_one_hot_takes_only_a_count_of_classes():
    with pytest.raises(ValueError, match="one_hot: expected classes to be an integer of at least 1, got 0"):
        one_hot([0], 0)
    for classes in (2.0, True, "2"):
        with pytest.raises(TypeError, match=f"expected classes to be an integer of at least 1, got {classes!r}"):
            one_hot([0], classes)


@given(rows=st.lists(st.lists(st.sampled_from([0.0, 1.0, -1.0, 0.5, 2.0, np.nan]), min_size=3, max_size=3), min_size=1))
def test_from_one_hot_names_the_first_row_that_is_not_one_hot(rows):
    wrong = [index for index, row in enumerate(rows) if sorted(row) != [0, 0, 1]]
    if wrong:
        with pytest.raises(ValueError, match=f"from_one_hot: expected a single 1 among 0s .* index {wrong[0]}$"):
            from_one_hot(rows)
    else:
        assert from_one_hot(rows).tolist() == [row.index(1) for row in rows]


@pytest.mark.parametrize("rows", [[0, 1], [[[1]]], 1])
def test_from_one_hot_takes_only_two_dimensions(rows):
    with pytest.raises(ValueError, match=r"from_one_hot: expected rows of shape \(n, classes\), got \("):
        from_one_hot(rows)


def test_from_one_hot_reads_integers_and_jax_arrays():
    assert from_one_hot([[0, 1], [1, 0]]).tolist() == [1, 0]
    assert from_one_hot(jax.nn.one_hot(np.array([2, 0]), 3)).tolist() == [2, 0]


KEY = jax.random.key(0)
FRACTIONS = st.floats(0.1, 0.9)
ROWS = st.sampled_from([40, 41, 64])


@given(rows=ROWS, fraction=FRACTIONS, seed=st.integers(0, 2**32 - 1))
def test_split_parts_the_rows(rows, fraction, seed):
    x = np.arange(3 * rows).reshape(rows, 3)
    (x_train, y_train), (x_held, y_held) = split((x, x[:, 0]), fraction, key=jax.random.key(seed))
    assert sorted([*y_train, *y_held]) == x[:, 0].tolist()
    assert abs(len(x_held) - fraction * rows) <= 0.5
    for part, labels in ((x_train, y_train), (x_held, y_held)):
        np.testing.assert_array_equal(part, x[labels // 3])
        assert (np.diff(labels) > 0).all()


@given(data=st.data(), rows=ROWS, fraction=FRACTIONS, seed=st.integers(0, 2**32 - 1))
def test_split_holds_out_the_fraction_of_every_class(data, rows, fraction, seed):
    labels = np.array(data.draw(st.lists(st.integers(-1, 2), min_size=rows, max_size=rows)))
    counts = Counter(labels.tolist())
    if 1 in counts.values():
        with pytest.raises(ValueError, match="split: expected at least two rows of every class to stratify by, got"):
            split((labels,), fraction, key=jax.random.key(seed), stratify=labels)
        return
    (train,), (held,) = split((labels,), fraction, key=jax.random.key(seed), stratify=labels)
    held_out = Counter(held.tolist())
    assert Counter(train.tolist()).keys() == held_out.keys() == counts.keys()
    assert Counter(train.tolist()) + held_out == counts
    assert all(abs(held_out[label] - fraction * count) <= 1 for label, count in counts.items())


def held_out(key, **options):
    return split((np.arange(64),), 0.25, key=key, **options)[1][0].tolist()


@pytest.mark.parametrize("options", [{}, {"stratify": np.arange(64) % 4}], ids=["plain", "stratified"])
def test_split_is_explained_by_its_key(options):
    assert held_out(KEY, **options) == held_out(jax.random.key(0), **options)
    assert held_out(KEY, **options) == held_out(jax.random.key_data(KEY), **options)
    assert len({tuple(held_out(jax.random.key(seed), **options)) for seed in range(10)}) == 10


def test_split_holds_out_every_row_about_equally_often():
    held = Counter(row for seed in range(400) for row in held_out(jax.random.key(seed)))
    assert all(60 < held[row] < 140 for row in range(64))


@pytest.mark.usefixtures("x64")
def test_split_is_the_same_in_64_bits():
    wide = held_out(KEY)
    with jax.enable_x64(False):
        assert held_out(KEY) == wide


def test_split_keeps_dtypes_and_leaves_its_input_alone():
    x, y = np.arange(10, dtype=np.uint8), [f"row {row}" for row in range(10)]
    (x_train, y_train), (x_held, y_held) = split((x, y), 0.3, key=KEY)
    x_train[:], x_held[:] = 0, 0
    assert x.tolist() == list(range(10))
    assert (x_train.dtype, x_held.dtype) == (np.uint8, np.uint8)
    assert sorted([*y_train, *y_held]) == y


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.1, float("nan"), float("inf")])
def test_split_takes_only_a_fraction(fraction):
    with pytest.raises(ValueError, match="split: expected fraction between 0 and 1, got"):
        split((np.arange(4),), fraction, key=KEY)


@pytest.mark.parametrize("data", [(), (np.arange(3), np.arange(4))])
def test_split_takes_only_arrays_of_one_length(data):
    with pytest.raises(ValueError, match=r"split: expected arrays with the same number of rows, got shapes \["):
        split(data, 0.5, key=KEY)


@pytest.mark.parametrize(("rows", "fraction"), [(0, 0.5), (1, 0.5), (4, 0.1), (4, 0.9)])
def test_split_refuses_to_leave_a_part_empty(rows, fraction):
    with pytest.raises(ValueError, match=f"split: expected rows in both parts, got . of {rows} held out"):
        split((np.arange(rows),), fraction, key=KEY)


@pytest.mark.parametrize("key", [0, None, np.arange(3), np.array([1, 2])])
def test_split_takes_only_a_key(key):
    with pytest.raises(TypeError, match=r"split: expected key made by jax\.random\.key\(seed\), got"):
        split((np.arange(4),), 0.5, key=key)


def test_split_takes_only_labels_of_the_rows_to_stratify_by():
    with pytest.raises(ValueError, match="split: expected 4 labels to stratify by, got 3"):
        split((np.arange(4),), 0.5, key=KEY, stratify=[0, 1, 0])
    with pytest.raises(ValueError, match=r"split: expected labels of shape \(n,\), n at least 1, got \(4, 2\)"):
        split((np.arange(4),), 0.5, key=KEY, stratify=np.eye(4, 2, dtype=int))
    with pytest.raises(TypeError, match="split: expected labels to be integers, got dtype float64"):
        split((np.arange(4),), 0.5, key=KEY, stratify=[0.0, 1.0, 0.0, 1.0])


def test_class_weights_balance_the_classes():
    labels = np.random.default_rng(0).choice([0, 2, 7], p=[0.7, 0.2, 0.1], size=500)
    weights = class_weights(labels)
    assert (weights.dtype, weights.shape) == (np.float32, (500,))
    totals = [weights[labels == each].sum() for each in (0, 2, 7)]
    np.testing.assert_allclose(totals, 500 / 3, rtol=1e-5)
    np.testing.assert_array_equal(class_weights([1, 0, 1], weights=[0.5, 2]), np.float32([2, 0.5, 2]))


@pytest.mark.parametrize(
    ("labels", "weights", "error"),
    [
        ([0, -1], None, "class_weights: expected labels of at least 0, got -1 at index 1"),
        ([0, 2], [1.0, 2.0], r"class_weights: expected labels in \[0, 2\), got 2 at index 1"),
        ([0, 1], [1.0, -2.0], "class_weights: expected weights to be finite and at least 0, got -2 at index 1"),
        ([0.0, 1.0], None, "class_weights: expected labels to be integers, got dtype float64"),
        ([0, 1], [[1.0, 2.0]], r"class_weights: expected weights of shape \(classes,\), got \(1, 2\)"),
    ],
)
def test_wrong_class_weights_are_named(labels, weights, error):
    with pytest.raises((TypeError, ValueError), match=error):
        class_weights(labels, weights)
