"""Checkpoints: the files from which a run that was ended goes on, in a folder that one run at a time writes to."""

import os
import re
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..checks import check_count, check_number, check_path
from ..configuration import Configuration
from ..errors import message
from .safetensors_file import FORMAT_VERSION, StorageError, VersionError, read, write
from .trees import described, rebuilt

_NAME = re.compile(r"checkpoint-(\d{10})\.safetensors")
_LOCK = ".checkpoints.lock"
_PARTS = {"version", "epoch", "reason", "run", "tree"}


class Checkpoint(Configuration):
    """Keep the state of a run of ``fit`` in files, from which the same call goes on after whatever ended the run.

    ``fit(..., epochs=100, checkpoint=fn.Checkpoint("run"))`` starts where the folder has no checkpoint. Where it has
    one, the run goes on from the newest to epoch 100, and its result is that of the unbroken run to the last bit. A run
    that was finished returns its result. A file holds the whole state: the parameters, the optimizer's state, the
    random key, the counts, the best epoch of early stopping, the history, and the settings as text. The settings and
    the data must be those of the file, except for the optimizer's and the early stopping's numbers, which may change.

    A file is written by another thread while the next epochs run. It is written beside its place and then moved, so
    that a process that is killed leaves whole files. A damaged file is refused, with a warning, and the one before is
    taken. Where a file cannot be written, as on a full disk, a warning says so, the files before stay, and the run goes
    on. Other files in the folder are left alone.

    Args:
        directory: the folder; it is made where it is missing.
        every: the number of epochs from one checkpoint to the next. One is also written when the run ends.
        keep: how many of the newest checkpoints are kept.
        resume: whether the run goes on from the folder's newest checkpoint. If False, the folder must have none.
        every_seconds: the seconds from one checkpoint to the next at least, for epochs that take less time than a file
            takes; None for no such limit.

    Raises:
        TypeError, ValueError: a setting has the wrong type or is out of range.

    >>> import funcnet as fn, jax, jax.numpy as jnp, tempfile
    >>> x = jnp.linspace(-1, 1, 30)[:, None]
    >>> def train(epochs, checkpoint=None):
    ...     return fn.fit(fn.mlp([1, 1]), fn.quadratic, fn.sgd(0.5), (x, 2 * x), key=jax.random.key(0), epochs=epochs,
    ...                   checkpoint=checkpoint, progress=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first = train(3, fn.Checkpoint(folder))
    ...     both = train(5, fn.Checkpoint(folder))  # epochs 4 and 5
    >>> len(first.history["loss"]), bool((both.history["loss"] == train(5).history["loss"]).all())
    (3, True)
    """

    described_as: ClassVar[str] = "None or fn.Checkpoint(...)"

    directory: str | os.PathLike[str]
    every: int = 1
    keep: int = 3
    resume: bool = True
    every_seconds: float | None = None

    def __post_init__(self) -> None:
        check_path("Checkpoint", "directory", self.directory)
        check_count("Checkpoint", "every", self.every)
        check_count("Checkpoint", "keep", self.keep)
        if not isinstance(self.resume, bool):
            raise TypeError(message("Checkpoint", "resume to be True or False", repr(self.resume)))
        if callable(self.every_seconds):
            raise TypeError(message("Checkpoint", "every_seconds to be a real number", repr(self.every_seconds)))
        if self.every_seconds is not None:
            valid = "to be finite and above 0"
            check_number("Checkpoint", "every_seconds", self.every_seconds, lambda s: 0 < s < np.inf, valid)


class Stored(NamedTuple):
    """What a checkpoint's file holds, as plain data."""

    path: Path
    epoch: int  # epochs finished
    reason: str | None  # why the run had ended there, None if it went on
    run: dict[str, str]  # the settings of the run as text, by their names
    arrays: dict[str, np.ndarray]
    tree: Any  # the description of the tree whose arrays these are

    def like(self, tree: Any) -> Any:
        """Return the stored tree, which must have the structure, shapes and dtypes of ``tree``."""
        return rebuilt(self.arrays, self.tree, tree, str(self.path))


class Folder:
    """A folder of checkpoints that this run alone writes to, as ``opened`` gives it."""

    def __init__(self, path: Path, keep: int, worker: ThreadPoolExecutor) -> None:
        self._path, self._keep, self._worker = path, keep, worker
        self._good: list[int] = []  # the epochs of the files that are known to be whole, and of older ones
        self._pending: Future[None] | None = None
        self.written: int | None = None  # the epoch of the newest file

    def newest(self) -> Stored | None:
        """Return what the newest whole file holds, None without one; a warning names the damaged ones after it.

        A file of a later version, or one that the system does not read now, is no damaged one: its error is raised.
        """
        epochs = sorted(self._epochs())
        while epochs:
            epoch = epochs.pop()
            try:
                stored = _stored(self._file(epoch), epoch)
            except VersionError:
                raise
            except StorageError as error:
                left = f"the checkpoint of epoch {epochs[-1]} is taken" if epochs else "the run starts anew"
                warnings.warn(f"fit: {error}: {left}", RuntimeWarning, stacklevel=4)
            else:
                self._good, self.written = [*epochs, epoch], epoch
                return stored
        return None

    def in_background(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Return the future of a call in the thread that writes."""
        return self._worker.submit(function, *arguments)

    def write(self, epoch: int, reason: str | None, run: Callable[[], dict[str, str]], tree: Any) -> None:
        """Write a checkpoint in the background, after the one before.

        Args:
            epoch: epochs finished.
            reason: why the run has ended, None if it goes on.
            run: a function that returns the settings as text; the thread that writes calls it.
            tree: what is stored; it is copied before this returns.
        """
        self.wait()
        arrays, structure = described(tree, "fit: checkpoint")
        copies = {name: np.array(array) for name, array in arrays.items()}  # the next epoch overwrites the arrays
        self._pending = self._worker.submit(self._write, epoch, reason, run, copies, structure)

    def wait(self) -> None:
        """Wait until the last checkpoint is on the disk; a warning says why one is not."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        try:
            pending.result()
        except Exception as error:  # whatever it is, the run goes on
            kept = "none is there" if self.written is None else f"that of epoch {self.written} stays"
            text = f"fit: a checkpoint could not be written: {error}: {kept}, and the run goes on"
            warnings.warn(text, RuntimeWarning, stacklevel=4)

    def _write(self, epoch: int, reason: str | None, run: Any, arrays: dict[str, np.ndarray], structure: Any) -> None:
        parts = {"version": FORMAT_VERSION, "epoch": epoch, "reason": reason, "run": run(), "tree": structure}
        write(self._file(epoch), arrays, parts)
        self._good, self.written = [each for each in self._good if each != epoch] + [epoch], epoch
        for old in self._good[: -self._keep]:
            with suppress(OSError):
                self._file(old).unlink()
        self._good = self._good[-self._keep :]

    def _file(self, epoch: int) -> Path:
        return self._path / f"checkpoint-{epoch:010d}.safetensors"

    def _epochs(self) -> list[int]:
        return [int(match[1]) for each in self._path.iterdir() if (match := _NAME.fullmatch(each.name))]


def _stored(path: Path, epoch: int) -> Stored:
    """Return what a checkpoint's file holds; ``StorageError`` for a file that is none, or of another epoch."""
    arrays, parts = read(path)
    if set(parts) != _PARTS:
        raise StorageError(message(path, "a checkpoint", f"a file with {', '.join(sorted(parts))}"))
    run, reason = parts["run"], parts["reason"]
    are_texts = isinstance(run, dict) and all(isinstance(text, str) for text in run.values())
    if parts["epoch"] != epoch or not are_texts or not isinstance(reason, str | None):
        raise StorageError(message(path, f"the checkpoint of epoch {epoch}", f"one of epoch {parts['epoch']!r}"))
    return Stored(path, epoch, reason, run, arrays, parts["tree"])


@contextmanager
def opened(settings: Checkpoint) -> Iterator[Folder]:
    """Give the folder of checkpoints, under a lock; files that were being written when a process ended are removed.

    Raises ``FileExistsError`` where it has checkpoints and the settings do not resume, ``StorageError`` where another
    run writes to it, and ``OSError`` where it cannot be made or written to.
    """
    from filelock import FileLock, Timeout  # imported where it is used, so that importing funcnet stays quick

    path = Path(settings.directory).absolute()  # a callback may change the current folder
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / _LOCK).acquire(timeout=0)
    except Timeout:
        expected = "a folder of checkpoints that no other run writes to"
        raise StorageError(message(settings, expected, f"{str(path)!r}, which another run has locked")) from None
    except (OSError, NotImplementedError) as error:  # the latter where the file system has no locks
        raise OSError(message(settings, "a folder in which files can be made and locked", error)) from error
    with lock, ThreadPoolExecutor(1, "funcnet-checkpoint") as worker:
        for left in path.glob(".checkpoint-*.tmp"):
            with suppress(OSError):
                left.unlink()
        folder = Folder(path, settings.keep, worker)
        if not settings.resume and (epochs := folder._epochs()):
            got = f"{str(path)!r} with {len(epochs)} of them: remove them, or pass resume=True"
            raise FileExistsError(message(settings, "a folder without checkpoints for resume=False", got))
        try:
            yield folder
        finally:
            folder.wait()
