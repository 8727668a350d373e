"""Files that are read: regular ones only, since a pipe may block, and a device may never end."""

import os
import stat
from typing import BinaryIO

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: str | os.PathLike[str]) -> BinaryIO | None:
    """Return a regular file opened for reading, or None for a folder, a pipe, a device or the like; never wait.

    Raises ``OSError`` for a file that cannot be opened.

    >>> open_regular("/dev") is None
    True
    """
    handle = os.open(path, _FLAGS)  # a pipe without a writer would block, were it opened otherwise
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    return None
