"""Data sets and what turns them into arrays to train on: NumPy arrays on the host."""

from .digits import load_digits as load_digits
from .idx import IDXError as IDXError
from .idx import read_idx as read_idx
from .labels import from_one_hot as from_one_hot
from .labels import one_hot as one_hot
from .labels import split as split
from .mnist import load_mnist as load_mnist
