import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from funcnet import data


@pytest.fixture(scope="module")
def lines():
    packed = Path(data.__file__).with_name("digits.csv.gz")
    with gzip.open(packed, "rt", encoding="ascii", newline="") as file:
        return [tuple(map(int, line)) for line in csv.reader(file)]


def places(part, lines):
    """Return the lines of the file that hold a part's images and labels."""
    at = {line: place for place, line in enumerate(lines)}
    return [at[(*image.ravel().tolist(), int(label))] for image, label in zip(*part, strict=True)]


def test_shapes_and_dtypes_are_fixed():
    for (x, y), rows in zip(data.load_digits(), (1442, 355), strict=True):
        assert (x.shape, x.dtype) == ((rows, 8, 8), np.uint8)
        assert (y.shape, y.dtype) == ((rows,), np.uint8)


def test_pixels_run_to_16_and_labels_to_9():
    for x, y in data.load_digits():
        assert (x.min(), x.max()) == (0, 16)
        assert set(y.tolist()) == set(range(10))


def test_both_parts_together_are_the_file(lines):
    train, test = data.load_digits()
    assert len(set(lines)) == len(lines) == 1797
    np.testing.assert_array_equal(sorted(places(train, lines) + places(test, lines)), range(1797))


def test_every_fifth_image_of_each_class_is_held_out(lines):
    train, test = data.load_digits()
    of_class = [[place for place, line in enumerate(lines) if line[-1] == digit] for digit in range(10)]
    expected = sorted(place for members in of_class for place in members[4::5])
    np.testing.assert_array_equal(places(test, lines), expected)
    assert (np.diff(places(train, lines)) > 0).all()


def test_every_class_has_about_a_fifth_in_test():
    (_, y), (_, y_test) = data.load_digits()
    for train, test in zip(np.bincount(y), np.bincount(y_test), strict=True):
        assert abs(test - (train + test) / 5) < 1


def test_every_load_is_the_same_and_its_own():
    (x, y), (x_test, y_test) = data.load_digits()
    first = [array.copy() for array in (x, y, x_test, y_test)]
    for array in (x, y, x_test, y_test):
        array[:] = 99
    again = [array for part in data.load_digits() for array in part]
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
