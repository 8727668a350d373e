"""Callbacks that write the history of a run to a file: as CSV, or one JSON object per line."""

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..checks import check_flag, check_path
from ..errors import message
from .base import Callback, Follower, Progress, RunStart, file_errors_as_warnings


class _FileLog(Callback):
    """A file with one line per epoch. It is opened with the first line, so that a run that fails before leaves none."""

    owns_path = True

    path: str | os.PathLike[str]
    overwrite: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        where = type(self).__name__
        check_path(where, "path", self.path)
        check_flag(where, "overwrite", self.overwrite)

    @contextmanager
    def follow(self, run: RunStart) -> Iterator[Follower]:
        """Give the function that writes the epochs that it has not written yet."""
        if os.path.isdir(self.path):
            raise IsADirectoryError(message(type(self).__name__, "path of a file", f"the folder {str(self.path)!r}"))
        path, head, is_resumed = Path(self.path), self._head(run.names), run.epoch > 0
        if run.kept and path.exists():
            is_resumed = True
            self._cut(path, run.epoch)
        has_lines = path.exists() and path.stat().st_size > 0
        if path.exists() and not is_resumed and not self.overwrite:
            got = f"an existing file {str(path)!r}: overwrite=True replaces it"
            raise FileExistsError(message(type(self).__name__, "a path without a file for a new run", got))
        appends = is_resumed and has_lines
        if appends:
            self._check_head(path, head)
        mode = "a" if is_resumed else "w" if self.overwrite else "x"
        file: IO[str] | None = None
        unwritten: list[str] = []

        def write(progress: Progress) -> None:
            nonlocal file
            for epoch, *values in zip(progress.epochs_of_rows, *progress.rows.values(), strict=True):
                unwritten.append(self._line(dict(zip(run.names, values, strict=True)), epoch))
            with file_errors_as_warnings(self):
                if file is None:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    file = open(path, mode, encoding="utf-8", newline="")  # noqa: SIM115
                    unwritten.insert(0, _missing_line_end(path) if appends else head)
                text = "".join(unwritten)
                unwritten.clear()  # a text that cannot be flushed stays in the file's buffer
                file.write(text)
                file.flush()

        try:
            yield write
        finally:
            if file is not None:
                with file_errors_as_warnings(self):
                    file.close()

    def _cut(self, path: Path, epoch: int) -> None:
        """Remove the lines of later epochs, and of one that was not written whole: the run tells them again."""
        kept = 0
        with open(path, "rb") as file:
            for line in file:
                found = self._epoch_of(line.decode(errors="replace")) if line.endswith(b"\n") else None
                if (found is not None and found > epoch) or not line.endswith(b"\n"):
                    break
                kept += len(line)
        os.truncate(path, kept)

    def _epoch_of(self, line: str) -> int | None:
        """Return the epoch of a line, None for one without."""
        raise NotImplementedError

    def _head(self, names: tuple[str, ...]) -> str:
        return ""

    def _check_head(self, path: Path, head: str) -> None:
        """Raise ``ValueError`` where an existing file does not start with this line."""
        with open(path, encoding="utf-8", newline="") as file:
            first = file.read(len(head))
        if first != head:
            got = repr(first.splitlines()[0])
            raise ValueError(message(type(self).__name__, f"{str(path)!r} to start with {head.strip()!r}", got))

    def _line(self, row: dict[str, Any], epoch: int) -> str:
        raise NotImplementedError


class CSVLog(_FileLog):
    """Write the history to a CSV file: a line of names, "epoch" first, then one line per epoch.

    Every epoch is written, also those between two calls. The numbers are the shortest decimals that read back as the
    same values. A new run refuses to start where the file exists, unless ``overwrite``; a run that goes on from an
    earlier one (``fit(..., state=...)``) appends to the file, whatever epochs it holds; one with a ``checkpoint`` first
    removes the lines of epochs that it runs again. Missing folders are made. A file that cannot be written, as on a
    full disk, is warned of, and the run goes on.

    Args:
        path: the file.
        overwrite: whether a new run replaces an existing file.
        every: the number of epochs from one write to the next.

    Raises:
        TypeError, ValueError: a setting has the wrong type or is out of range.

    ``fit`` raises ``FileExistsError`` for a new run and an existing file, and ``ValueError`` where the existing file of
    a resumed run has other names.

    >>> import funcnet as fn, jax, jax.numpy as jnp, tempfile
    >>> x = jnp.ones((4, 1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = fn.CSVLog(f"{folder}/log.csv", every=10)
    ...     _ = fn.fit(fn.mlp([1, 1]), fn.quadratic, fn.sgd(0.0), (x, 0 * x), key=jax.random.key(0), epochs=3,
    ...                callbacks=[log], progress=False)
    ...     names, *lines = Path(log.path).read_text().splitlines()
    >>> names, len(lines)
    ('epoch,loss', 3)
    """

    def _epoch_of(self, line: str) -> int | None:
        first = line.partition(",")[0]
        return int(first) if first.isdecimal() else None

    def _head(self, names: tuple[str, ...]) -> str:
        return _csv_line(["epoch", *names])

    def _line(self, row: dict[str, Any], epoch: int) -> str:
        return _csv_line([str(epoch), *map(str, row.values())])


class JSONLines(_FileLog):
    """Write the history to a file with one JSON object per line and epoch: ``{"epoch": 1, "loss": 0.5}``.

    The numbers are the shortest decimals that read back as the same values; since JSON has no others, those that are
    not finite are the strings "NaN", "Infinity" and "-Infinity", which ``float`` reads. When it is written, and which
    file is refused or appended to, is as for ``CSVLog``.

    Args:
        path: the file.
        overwrite: whether a new run replaces an existing file.
        every: the number of epochs from one write to the next.

    Raises:
        TypeError, ValueError: a setting has the wrong type or is out of range.

    >>> JSONLines("log.jsonl", every=5)
    JSONLines('log.jsonl', every=5)
    """

    def _epoch_of(self, line: str) -> int | None:
        match = re.match(r'\{"epoch": (\d+)', line)
        return int(match[1]) if match else None

    def _line(self, row: dict[str, Any], epoch: int) -> str:
        return json.dumps({"epoch": epoch, **{name: _json_number(value) for name, value in row.items()}}) + "\n"


def _csv_line(cells: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _json_number(value: np.floating) -> float | str:
    """Return a number as JSON can hold it.

    >>> _json_number(np.float32(0.1)), _json_number(np.float32(-np.inf))
    (0.1, '-Infinity')
    """
    number = float(str(value))  # the shortest decimal of its dtype
    return number if math.isfinite(number) else json.dumps(number)


def _missing_line_end(path: Path) -> str:
    """Return what is to be written before a new line: a line's end where the last one was cut off."""
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return "" if file.read() == b"\n" else "\n"
