"""The cache of compiled programs on disk, XLA's options for programs that are compiled quickly, forked processes."""

import os
from collections.abc import Callable
from functools import wraps
from os import PathLike, fspath
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import jax
from jax._src import xla_bridge
from jax.experimental.compilation_cache import compilation_cache

from .checks import check_path, is_tracing
from .errors import message

P = ParamSpec("P")
R = TypeVar("R")


def enable_compilation_cache(directory: str | PathLike[str]) -> None:
    """Store every program that JAX compiles from now on in ``directory``, for this process and later ones.

    The directory is created if it does not exist. A later process that needs the same program, with the same JAX on the
    same kind of machine, reads it instead of compiling it, so that its first ``fit`` starts in a fraction of the time.
    This is JAX's persistent compilation cache without its thresholds on time and size, since small networks compile
    quickly and often. The setting applies to all uses of JAX in the process. Nothing is ever removed from the
    directory unless ``jax_compilation_cache_max_size`` is set, and a process executes the programs in it: nobody else
    must be able to write to it. On some processors with AVX-512, JAX 0.10 logs that a program was compiled for another
    machine; it is used all the same. Raises ``TypeError`` unless ``directory`` is a path, and ``OSError`` where it
    cannot be created.

    >>> import tempfile
    >>> directory = tempfile.mkdtemp()
    >>> enable_compilation_cache(directory)
    >>> jax.config.jax_compilation_cache_dir == directory
    True
    >>> jax.config.update("jax_compilation_cache_dir", None)  # off again
    """
    check_path("enable_compilation_cache", "directory", directory)
    Path(directory).mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", fspath(directory))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    compilation_cache.reset_cache()  # otherwise JAX reads the setting only once, at its first compilation


_processes: dict[str, bool] = {"forked": False}  # whether this process is a fork of one in which JAX had started


def _note_fork() -> None:
    """Note in a new process that JAX had started before the fork: its threads are missing in this process."""
    has_started = getattr(xla_bridge, "backends_are_initialized", None)  # which JAX tells in no public way
    _processes["forked"] |= has_started is not None and has_started()


if hasattr(os, "register_at_fork"):  # Windows has no forks
    os.register_at_fork(after_in_child=_note_fork)


def check_not_forked(where: str) -> None:
    """Raise ``RuntimeError`` in a process that was forked after JAX had started, where JAX's programs never end.

    >>> check_not_forked("fit")
    """
    if _processes["forked"]:
        hint = 'use multiprocessing.get_context("spawn"), or fork before the first use of JAX'
        raise RuntimeError(message(where, "a process with JAX's threads", f"one that was forked after JAX ran: {hint}"))


# Without the fusion emitters, compiling takes two thirds of the time; JAX 0.12 has no such option.
_NO_EMITTERS = {"xla_cpu_use_fusion_emitters": False} if jax.__version_info__ < (0, 11) else {}

# XLA's options on a CPU for a large program that runs once: few optimizations, and operations computed as they are
# written, so that the results are those of the same operations one by one.
QUICK: dict[str, Any] = {
    "xla_backend_optimization_level": 1,  # at 0 the rounding would differ
    "xla_llvm_disable_expensive_passes": True,
    "xla_disable_hlo_passes": "algsimp",  # which changes the order of products
} | _NO_EMITTERS

# XLA's options on a CPU for a program that runs once or a few times, whatever its size and to the last bit: it compiles
# in a fifth to a third of the time, one part after the other and each operation as it stands.
RUN_ONCE: dict[str, Any] = {
    "xla_backend_optimization_level": 0,
    "xla_cpu_parallel_codegen_split_count": 1,
} | _NO_EMITTERS

# The options for a loop over batches: it compiles in 0.8 to 0.9 of the time that XLA's own level 3 takes and runs as
# fast; loops of very small steps run up to a fifth faster.
LOOP: dict[str, Any] = {"xla_backend_optimization_level": 1}


def jit_for_cpu(options: dict[str, Any], **jit_arguments: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return the decorator ``jax.jit`` with XLA's options where the backend is a CPU.

    JAX takes such options only for a program that is not part of another one, so they are left out inside ``jax.jit``.
    They give way to the setting ``jax_disable_most_optimizations``.

    Args:
        options: XLA's options, such as ``LOOP``.
        jit_arguments: the arguments of ``jax.jit``.

    >>> jit_for_cpu(LOOP, static_argnames="n")(lambda x, n: x * n)(3.0, n=2)
    Array(6., dtype=float32, weak_type=True)
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        plain = jax.jit(function, **jit_arguments)
        with_options = jax.jit(function, compiler_options=options, **jit_arguments)

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            is_plain = (
                is_tracing() or jax.default_backend() != "cpu" or jax.config.read("jax_disable_most_optimizations")
            )
            return (plain if is_plain else with_options)(*args, **kwargs)

        return call

    return decorate
