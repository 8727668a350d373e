"""The IDX file format of the MNIST files, read strictly.

Four bytes of magic number (two zeros, a code for the dtype, the rank), the size of each dimension as a big-endian
uint32, then exactly that many big-endian numbers: http://yann.lecun.com/exdb/mnist/.
"""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..checks import check_path
from .regular_files import open_regular

DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_DIMENSIONS = 8
MAX_BYTES = 2**31  # MNIST's largest file is 47 MB
CHUNK_BYTES = 2**20


class IDXError(ValueError):
    """A file is not a valid IDX file: the message names the file and what is wrong."""


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Return the array in an IDX file, in the machine's byte order; a file whose name ends in .gz is decompressed.

    At most the data that the header declares is read, and at most 2 GiB; memory grows with the data that are there.
    Raises ``IDXError`` for a file that is damaged, too short, too long, of another format or not a regular file, and
    ``OSError`` for a file that cannot be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "labels-idx1-ubyte"
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    check_path("read_idx", "path", path)
    path = Path(path)
    file = open_regular(path)
    if file is None:
        raise IDXError(f"{path}: expected a regular file, got a folder, a pipe or a device")
    try:
        with file:
            return _read(gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file, path)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise IDXError(f"{path}: damaged gzip data: {error}") from error


def _read(file: BinaryIO | gzip.GzipFile, path: Path) -> np.ndarray:
    """Return the array; the declared size is checked before memory is allocated."""
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in DTYPES:
        raise IDXError(f"{path}: expected an IDX file, whose first bytes are 0, 0 and a dtype code, got {magic!r}")
    dtype, rank = np.dtype(DTYPES[magic[2]]), magic[3]
    if not 1 <= rank <= MAX_DIMENSIONS:
        raise IDXError(f"{path}: expected 1 to {MAX_DIMENSIONS} dimensions, got {rank}")
    sizes = file.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise IDXError(f"{path}: expected the sizes of {rank} dimensions, got the end of the file")
    shape = struct.unpack(f">{rank}I", sizes)
    if math.prod(max(size, 1) for size in shape) * dtype.itemsize > MAX_BYTES:
        raise IDXError(f"{path}: expected at most {MAX_BYTES} bytes of data, got a header that declares shape {shape}")
    declared = math.prod(shape) * dtype.itemsize
    data = bytearray()
    while len(data) <= declared and (chunk := file.read(min(CHUNK_BYTES, declared + 1 - len(data)))):
        data += chunk
    if len(data) != declared:
        got = "more" if len(data) > declared else f"{len(data)}"
        raise IDXError(f"{path}: expected {declared} bytes of data for shape {shape}, got {got}")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
