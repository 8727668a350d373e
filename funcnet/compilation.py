"""Compiled programs that outlive their process."""

from os import PathLike, fspath
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

from .errors import message


def enable_compilation_cache(directory: str | PathLike[str]) -> None:
    """Keep every program that JAX compiles from now on in ``directory``, for this process and later ones.

    The directory is made if need be. A later process that compiles the same program, with the same JAX on the same kind
    of machine, reads it instead: a first ``fit`` then starts in a fraction of the time. It is JAX's persistent
    compilation cache, with its thresholds on time and size taken away, since small networks compile quickly and often;
    the setting holds for everything in the process that uses JAX. Nothing is ever removed from the directory, and a
    process runs what it finds there: let nobody else write to it. Raises ``TypeError`` for what is no path, and
    ``OSError`` for a directory that cannot be made.

    >>> import tempfile
    >>> directory = tempfile.mkdtemp()
    >>> enable_compilation_cache(directory)
    >>> jax.config.jax_compilation_cache_dir == directory
    True
    >>> jax.config.update("jax_compilation_cache_dir", None)  # off again
    """
    if not isinstance(directory, str | PathLike) or isinstance(fspath(directory), bytes) or not fspath(directory):
        expected = "directory to be the path of a directory"
        raise TypeError(message("enable_compilation_cache", expected, repr(directory)))
    Path(directory).mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", fspath(directory))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    compilation_cache.reset_cache()  # JAX looks for the directory once, when it first compiles
