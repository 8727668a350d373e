"""NumPy's ``.npy`` files of numbers, read strictly."""

import math
import os

import numpy as np

from ..errors import message
from .regular_files import open_regular

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_npy(path: str | os.PathLike[str]) -> np.ndarray:
    """Return the array in a ``.npy`` file, in the machine's byte order; its dtype is an integer, floating or boolean.

    The declared size must be that of the file, before memory is allocated, and nothing in it is unpickled. Raises
    ``ValueError`` for a file that is damaged, of another format or dtype, or not a regular file, and ``OSError`` for
    one that cannot be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/labels.npy", np.array([7, 2, 1]))
    ...     read_npy(f"{folder}/labels.npy")
    array([7, 2, 1])
    """
    file = open_regular(path)
    if file is None:
        raise ValueError(message(path, "a regular file", "a folder, a pipe or a device"))
    with file:
        try:
            version = np.lib.format.read_magic(file)
            shape, is_fortran, dtype = _HEADERS[version](file)
        except Exception as error:  # NumPy's readers raise errors of many kinds for a damaged header
            got = f"{type(error).__name__}: {str(error)[:200]}"
            raise ValueError(message(path, "a .npy file of version 1 or 2", got)) from error
        if dtype.kind not in "biuf":
            raise ValueError(message(path, "integers, floating numbers or booleans", f"dtype {str(dtype)[:200]}"))
        count, left = math.prod(shape), os.fstat(file.fileno()).st_size - file.tell()
        if min(shape, default=0) < 0 or count * dtype.itemsize != left:
            expected = f"{count * dtype.itemsize} bytes of data for shape {str(shape)[:200]}"
            raise ValueError(message(path, expected, f"{left}"))
        numbers = np.fromfile(file, dtype, count)
    if numbers.size != count:
        raise ValueError(message(path, f"{count} numbers", f"{numbers.size}: the file has changed"))
    array = numbers.reshape(shape, order="F" if is_fortran else "C")
    return array.astype(dtype.newbyteorder("="), copy=False)
