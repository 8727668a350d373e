"""The command line's compiled programs, kept on disk for its next run."""

import os
from pathlib import Path

import jax

from ..compilation import enable_compilation_cache
from ..data.mnist import cache_home

MAX_BYTES = 100 * 2**20  # of all programs: those that were used least recently are removed first


def keep_programs() -> None:
    """Keep the programs that are compiled from now on in the user's cache folder, unless JAX keeps them already.

    Where no folder can be made that only the user can write to, nothing is kept.
    """
    folder = _private_folder()
    if folder is None or jax.config.values["jax_compilation_cache_dir"]:
        return
    jax.config.update("jax_compilation_cache_max_size", MAX_BYTES)
    enable_compilation_cache(folder)
    if jax.default_backend() == "cpu":
        # Reading a program, JAX 0.10 logs errors about processors with AVX-512 that do not prevent its use.
        jax.config.update("jax_logging_level", "CRITICAL")


def _private_folder() -> Path | None:
    """Return the folder for programs, which nobody else can write to, or None: a process executes what is in it."""
    try:
        folder = cache_home() / "programs"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except (OSError, RuntimeError):
        return None
    is_own = not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o022)
    return folder if is_own and os.access(folder, os.W_OK) else None
