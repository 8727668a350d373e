"""How programs are compiled: quickly where they run once, and once where they are kept on disk."""

from collections.abc import Callable
from functools import wraps
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache

from .errors import message


def enable_compilation_cache(directory: str | PathLike[str]) -> None:
    """Store every program that JAX compiles from now on in ``directory``, for this process and later ones.

    The directory is created if it does not exist. A later process that needs the same program, with the same JAX on the
    same kind of machine, reads it instead of compiling it, so that its first ``fit`` starts in a fraction of the time.
    This is JAX's persistent compilation cache without its thresholds on time and size, since small networks compile
    quickly and often. The setting applies to all uses of JAX in the process. Nothing is ever removed from the
    directory, and a process executes the programs in it: nobody else must be able to write to it. Raises ``TypeError``
    unless ``directory`` is a path, and ``OSError`` where it cannot be created.

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
    compilation_cache.reset_cache()  # otherwise JAX reads the setting only once, at its first compilation


# XLA's options on a CPU for a program that runs once: few optimizations, and operations computed as they are written,
# so that the results are those of the same operations one by one. Without the fusion emitters, which XLA has as an
# option in JAX 0.10 only, compiling takes half the time.
QUICK = {
    "xla_backend_optimization_level": 1,  # at 0 the rounding would differ
    "xla_llvm_disable_expensive_passes": True,
    "xla_disable_hlo_passes": "algsimp",  # which changes the order of products
} | ({"xla_cpu_use_fusion_emitters": False} if jax.__version_info__ < (0, 11) else {})


def compiled_quickly(function: Callable[..., Any], **settings: Any) -> Callable[..., Any]:
    """Return ``jax.jit(function, **settings)``, compiled quickly on a CPU: for a large program that runs once.

    It cannot be called while another program is traced.

    >>> compiled_quickly(lambda x: 2 * x)(jax.numpy.ones(2))
    Array([2., 2.], dtype=float32)
    """
    quick, full = jax.jit(function, compiler_options=QUICK, **settings), jax.jit(function, **settings)

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        is_quick = jax.default_backend() == "cpu" and not jax.config.read("jax_disable_most_optimizations")
        return (quick if is_quick else full)(*args, **kwargs)

    return run
