"""The embedded data set: 1797 handwritten digits of 8 × 8 pixels.

Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak (1998), UCI Machine Learning Repository,
https://doi.org/10.24432/C50P49, under CC BY 4.0: its 1797 test images, unchanged.
"""

import gzip
from importlib import resources

import numpy as np

Arrays = tuple[np.ndarray, np.ndarray]

CLASSES = 10
MAX_PIXEL_VALUE = 16


def load_digits() -> tuple[Arrays, Arrays]:
    """Return (x, y), (x_test, y_test): uint8 images (n, 8, 8) with values 0 to 16, and uint8 labels (n,).

    The split is fixed and stratified: every fifth image of each class, in the original order, is a test image.

    >>> (x, y), (x_test, y_test) = load_digits()
    >>> x.shape, x.dtype, y.shape, x_test.shape
    ((1442, 8, 8), dtype('uint8'), (1442,), (355, 8, 8))
    """
    packed = resources.files(__package__).joinpath("digits.csv.gz").read_bytes()
    table = np.loadtxt(gzip.decompress(packed).decode().splitlines(), delimiter=",", dtype=np.uint8)
    images, labels = table[:, :-1].reshape(-1, 8, 8), table[:, -1]
    rank = np.empty(len(labels), int)  # the index of an image within its class
    for digit in range(CLASSES):
        of_class = labels == digit
        rank[of_class] = np.arange(of_class.sum())
    held_out = rank % 5 == 4
    return (images[~held_out], labels[~held_out]), (images[held_out], labels[held_out])
