"""Data sets and their preparation for training, as NumPy arrays.

- Data sets: ``load_digits``, ``load_mnist``; ``read_idx`` reads one IDX file.
- Labels: ``one_hot``, ``from_one_hot``; ``class_weights`` makes samples' weights of them.
- ``split`` divides a data set in two.
"""

from .digits import load_digits
from .idx import IDXError, read_idx
from .labels import class_weights, from_one_hot, one_hot, split
from .mnist import load_mnist

__all__ = [
    "IDXError",
    "class_weights",
    "from_one_hot",
    "load_digits",
    "load_mnist",
    "one_hot",
    "read_idx",
    "split",
]
