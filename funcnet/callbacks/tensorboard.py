"""A callback that writes the history of a run for TensorBoard."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from ..checks import check_path
from .base import Callback, Follower, Progress, RunStart, file_errors_as_warnings


class TensorBoard(Callback):
    """Write the history for TensorBoard, one scalar per name and epoch: ``tensorboard --logdir DIRECTORY`` shows it.

    Every epoch is written, also those between two calls. Each call of ``fit`` adds a file to the directory, so nothing
    is overwritten, and a run that goes on from an earlier one continues its curves. It needs tensorboardX, which does
    not need TensorFlow: ``pip install 'funcnet[tensorboard]'``, or in a clone ``pip install -e '.[tensorboard]'``.

    Args:
        directory: the folder of the run; it is made where it is missing.
        every: the number of epochs from one write to the next.

    Raises:
        TypeError, ValueError: a setting has the wrong type or is out of range.

    ``fit`` raises ``ImportError`` where tensorboardX is not installed.

    >>> TensorBoard("runs/first", every=10)
    TensorBoard('runs/first', every=10)
    """

    directory: str | os.PathLike[str]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_path("TensorBoard", "directory", self.directory)

    @contextmanager
    def follow(self, run: RunStart) -> Iterator[Follower]:
        """Give the function that writes the epochs that it has not written yet."""
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            hint = "pip install 'funcnet[tensorboard]', in a clone pip install -e '.[tensorboard]'"
            raise ImportError(f"TensorBoard needs tensorboardX: {hint}") from error
        # The names of two runs that start in one second would be the same. TensorBoard reads files in their order.
        suffix = f".{run.epoch:010}.{secrets.token_hex(4)}"
        writer = SummaryWriter(logdir=os.fspath(self.directory), filename_suffix=suffix)

        def write(progress: Progress) -> None:
            with file_errors_as_warnings(self):
                for name, column in progress.rows.items():
                    for epoch, value in zip(progress.epochs_of_rows, column, strict=True):
                        writer.add_scalar(name, float(value), epoch)
                writer.flush()

        try:
            yield write
        finally:
            with file_errors_as_warnings(self):
                writer.close()
