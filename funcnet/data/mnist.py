"""The MNIST handwritten digits (LeCun, Cortes, Burges): read from disk, or downloaded once and checked.

Modules that only ``download`` needs are imported in it, so that importing funcnet stays fast.
"""

import hashlib
import os
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..checks import check_path
from ..errors import message
from .idx import IDXError, read_idx

Arrays = tuple[np.ndarray, np.ndarray]

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

# The size in bytes and the SHA-256 of each decompressed file.
FILES = {
    "train-images-idx3-ubyte": (47040016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "train-labels-idx1-ubyte": (60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "t10k-images-idx3-ubyte": (7840016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "t10k-labels-idx1-ubyte": (10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}

TIMEOUT_SECONDS = 30  # without a byte
LONGEST_SECONDS = 3600  # for a whole file
CHUNK_BYTES = 2**16


def load_mnist(
    directory: str | os.PathLike[str] | None = None, *, mirrors: Sequence[str] = MIRRORS
) -> tuple[Arrays, Arrays]:
    """Return (x, y), (x_test, y_test): uint8 images (60000, 28, 28) and (10000, 28, 28), uint8 labels (n,).

    ``directory`` holds the four IDX files, compressed (.gz) or not; another data set in four files of these names, such
    as Fashion-MNIST, can be read too. By default they are read from ``$FUNCNET_DATA/mnist``, or from the user's cache
    if that variable is not set; a file that is missing there is downloaded from the first of the ``mirrors`` that has
    it, checked by SHA-256, and kept. Raises ``FileNotFoundError`` for a directory without one of the files,
    ``ConnectionError`` if no mirror can be reached, with the file and the folder for a manual download, and
    ``IDXError`` for damaged files.
    """
    if isinstance(mirrors, str):
        raise TypeError(f"load_mnist: expected mirrors to be a sequence of addresses, got {mirrors!r}")
    if directory is not None:
        check_path("load_mnist", "directory", directory)
    folder = data_home() / "mnist" if directory is None else Path(directory)
    arrays = {}
    for name in FILES:
        path = _find(folder, name)
        if path is None and directory is not None:
            raise FileNotFoundError(f"load_mnist: expected the four IDX files in {folder}, got no {name} or {name}.gz")
        arrays[name] = read_idx(path or download(name, folder, mirrors))
    train, test = _pair(arrays, "train", folder), _pair(arrays, "t10k", folder)
    if train[0].shape[1:] != test[0].shape[1:]:
        got = f"{train[0].shape[1:]} and {test[0].shape[1:]}"
        raise IDXError(f"{folder}: expected training and test images of one size, got {got}")
    return train, test


def data_home() -> Path:
    """Return the folder above ``mnist/``: $FUNCNET_DATA, or ``funcnet`` in the user's cache folder.

    Raises ``FileNotFoundError`` where $FUNCNET_DATA is no folder.
    """
    named = os.environ.get("FUNCNET_DATA")
    if named and not Path(named).is_dir():
        raise FileNotFoundError(message("load_mnist", "FUNCNET_DATA to be a folder that exists", repr(named)))
    return Path(named) if named else cache_home()


def cache_home() -> Path:
    """Return ``funcnet`` in the user's cache folder. Raises ``RuntimeError`` where the user has no home."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "funcnet"


def _find(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _pair(arrays: dict[str, np.ndarray], part: str, folder: Path) -> Arrays:
    """Return (images, labels) of one part; raise ``IDXError`` unless their shapes and dtypes match."""
    images, labels = arrays[f"{part}-images-idx3-ubyte"], arrays[f"{part}-labels-idx1-ubyte"]
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels) or len(images) == 0:
        got = f"shapes {images.shape} and {labels.shape}"
        raise IDXError(f"{folder}: expected {part} images (n, height, width) and as many labels (n,), got {got}")
    if images.dtype != np.uint8 or labels.dtype != np.uint8:
        raise IDXError(f"{folder}: expected {part} files of uint8, got {images.dtype} and {labels.dtype}")
    return images, labels


def download(name: str, folder: Path, mirrors: Sequence[str] = MIRRORS) -> Path:
    """Download one compressed file into ``folder`` and return its path; its content must have the known SHA-256.

    The file is renamed when it is complete. A lock makes a second process wait while a first one downloads.
    """
    from http.client import HTTPException
    from urllib.error import HTTPError

    path, failures = folder / f"{name}.gz", []
    with _locked(folder, name):
        if path.is_file():
            return path
        for mirror in mirrors:
            url = f"{mirror.rstrip('/')}/{name}.gz"
            try:
                _fetch(url, path, *FILES[name])
            except (OSError, HTTPException, ValueError, zlib.error) as error:
                failures.append(f"  {url}: {error}")
                if isinstance(error, HTTPError):
                    error.close()
            else:
                return path
    tried = "\n".join(failures)
    raise ConnectionError(
        f"load_mnist: {name} is not on this machine and could not be downloaded.\n{tried}\n"
        f"Download {name}.gz from one of these addresses by other means and put it in {folder.resolve()}."
    )


def _locked(folder: Path, name: str) -> Any:
    """Return the context in which this process alone downloads a file; ``OSError`` where the folder cannot hold it."""
    from filelock import FileLock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f".{name}.lock").acquire()
    except (OSError, NotImplementedError) as error:  # the second where the file system has no locks
        hint = "set FUNCNET_DATA to a folder that can be written to"
        text = f"load_mnist: {name} is not on this machine, and {folder} cannot hold it: {error}: {hint}"
        raise OSError(text) from error


def _fetch(url: str, path: Path, size: int, sha256: str) -> None:
    """Download one compressed file beside ``path``, check its decompressed content, and then rename it to ``path``.

    Args:
        url: the address of the file.
        path: the final path of the file.
        size: the size of the decompressed content in bytes.
        sha256: the SHA-256 of the decompressed content.
    """
    from urllib.request import urlopen

    part = path.with_suffix(".part")  # what a killed process left there is overwritten
    try:
        with urlopen(url, timeout=TIMEOUT_SECONDS) as answer, part.open("wb") as file:
            found = _copied(answer, file, size)
            if found != sha256:
                raise ValueError(f"expected SHA-256 {sha256}, got {found}")
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _copied(answer: Any, file: BinaryIO, size: int) -> str:
    """Copy a compressed file in small pieces, and return the SHA-256 of its content, which has ``size`` bytes.

    Raises ``ValueError`` or ``zlib.error`` for another file, and ``TimeoutError`` for one that comes too slowly.
    """
    different = f"expected a gzip file of {size} decompressed bytes, got a different file"
    unpacker, digest, packed, unpacked = zlib.decompressobj(wbits=31), hashlib.sha256(), 0, 0
    end = time.monotonic() + LONGEST_SECONDS
    while piece := answer.read1(CHUNK_BYTES):  # what has come; ``read`` would wait for all of the piece
        packed += len(piece)
        if unpacker.eof:
            raise ValueError(different)
        if time.monotonic() > end:
            raise TimeoutError(f"expected the file within {LONGEST_SECONDS} s, got {packed} bytes of it")
        file.write(piece)
        while piece and not unpacker.eof:
            content = unpacker.decompress(piece, CHUNK_BYTES)
            digest.update(content)
            unpacked += len(content)
            if max(packed, unpacked) > size:  # a compressed file is smaller than its content
                raise ValueError(different)
            piece = unpacker.unconsumed_tail
    if unpacked != size or not unpacker.eof or unpacker.unused_data:
        raise ValueError(different)
    return digest.hexdigest()
