"""One safetensors file: arrays by name, and our description of them in its header, under a digest of the whole file."""

import hashlib
import json
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..errors import message

FORMAT_VERSION = 1
MOST_HEADER_BYTES = 100_000_000  # what safetensors itself accepts
_BLANK = "0" * 64
_DIGEST = re.compile(rb'"sha256":"([0-9a-f]{64})"')
_DTYPES = {
    **{f"F{bits}": np.dtype(f"float{bits}") for bits in (16, 32, 64)},
    **{f"I{bits}": np.dtype(f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"U{bits}": np.dtype(f"uint{bits}") for bits in (8, 16, 32, 64)},
    "BOOL": np.dtype(bool),
    "BF16": np.dtype(jnp.bfloat16),
}
KNOWN_DTYPES = frozenset(_DTYPES.values())


class StorageError(ValueError):
    """A file is damaged, of another format, or holds something else than what is asked for."""


class VersionError(StorageError):
    """A file is whole, and of a version of the format that this one does not read."""


def write(path: str | os.PathLike[str], arrays: dict[str, np.ndarray], description: dict[str, Any]) -> None:
    """Write arrays and their description to a file, atomically.

    The file is written beside its place, synchronized with the disk and then moved, so that at any time there is the
    file before or the new one, whole. Files that ended processes left beside it are removed.
    """
    from safetensors.numpy import save  # imported where it is used, so that importing funcnet stays quick

    path = Path(path)
    text = json.dumps(description, allow_nan=False, sort_keys=True, ensure_ascii=True)
    data = memoryview(save(arrays, {"funcnet": text, "sha256": _BLANK}))  # parts of it are no copies
    (place,) = _digest_places(data, path)
    digest = _digest(data, place).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    temporary = path.parent / f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            for part in (data[:place], digest, data[place + len(_BLANK) :]):
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    _synchronize(path.parent)


def read(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays of a file and their description.

    Raises ``FileNotFoundError`` and other ``OSError``, and ``StorageError`` for a file that is damaged, of a later
    version, or not written by funcnet.
    """
    from safetensors import SafetensorError, deserialize

    path = Path(path)
    if path.exists() and not path.is_file():
        raise StorageError(message(path, "a regular file", "another kind of file"))
    with open(path, "rb", buffering=0) as file:  # a buffer would copy all bytes once more
        beginning = file.read(8)
        beginning += file.read(min(int.from_bytes(beginning, "little"), MOST_HEADER_BYTES))
        places = _digest_places(beginning, path)  # before the arrays are read, which another file has without end
        if len(places) != 1:
            raise StorageError(message(path, "a file that funcnet wrote, with one digest", f"{len(places)} digests"))
        file.seek(0)
        data = file.read()
    found = bytes(data[places[0] : places[0] + len(_BLANK)]).decode()
    if found != _digest(data, places[0]):
        raise StorageError(message(path, "the file as it was written", "other bytes than those of its digest"))
    try:
        metadata = _parsed(_header(data, path).decode())["__metadata__"]
        if set(metadata) != {"funcnet", "sha256"}:
            raise ValueError(f"metadata {', '.join(sorted(metadata))}")
        description = _parsed(metadata["funcnet"])
        entries = deserialize(data)
        arrays = {name: _array(entry) for name, entry in entries}
    except (KeyError, TypeError, ValueError, RecursionError, OverflowError, SafetensorError) as error:
        got = f"{type(error).__name__}: {error}"
        raise StorageError(message(path, "a safetensors file that funcnet wrote", got)) from error
    version = description.get("version") if isinstance(description, dict) else None
    if version != FORMAT_VERSION:
        raise VersionError(message(path, f"the format's version {FORMAT_VERSION}", repr(version)))
    return arrays, description


def _array(entry: dict[str, Any]) -> np.ndarray:
    if entry["dtype"] not in _DTYPES:
        raise ValueError(f"the dtype {entry['dtype']!r} is not known")
    dtype, shape = _DTYPES[entry["dtype"]], tuple(entry["shape"])
    data = entry["data"]
    if not isinstance(data, bytearray):  # whose arrays could not be written to
        data = bytearray(data)
    return np.frombuffer(data, dtype).reshape(shape)


def _parsed(text: str) -> Any:
    """Return what a JSON text holds; ``ValueError`` for a name that comes twice and for NaN and infinities."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) < len(pairs):
            raise ValueError("a name comes twice")
        return found

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not a number of JSON")

    return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)


def _header(data: bytes | memoryview, path: Path) -> bytes:
    """Return the JSON text at the beginning of a file; ``StorageError`` where there is none."""
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > min(len(data) - 8, MOST_HEADER_BYTES):
        raise StorageError(message(path, "a safetensors file", f"{len(data)} bytes without a whole header"))
    return bytes(data[8 : 8 + size])


def _digest_places(data: bytes | memoryview, path: Path) -> list[int]:
    """Return where in a file its digests stand, of which there should be one."""
    return [8 + match.start(1) for match in _DIGEST.finditer(_header(data, path))]


def _digest(data: bytes | memoryview, place: int) -> str:
    """Return the SHA-256 of a file, with its own digest blanked."""
    view, digest = memoryview(data), hashlib.sha256()
    for part in (view[:place], _BLANK.encode(), view[place + len(_BLANK) :]):
        digest.update(part)
    return digest.hexdigest()


def _sweep(path: Path) -> None:
    """Remove the temporary files that processes which no longer run left for this file."""
    for left in path.parent.glob(f".{path.name}.*.tmp"):
        process = left.name.removeprefix(f".{path.name}.").split(".")[0]
        if process.isdecimal() and not _runs(int(process)):
            with suppress(OSError):
                left.unlink()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _synchronize(folder: Path) -> None:
    """Make the move of a file durable, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
