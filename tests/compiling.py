"""How quickly the tests' programs are compiled.

Most tests compile much, run little of it, and look at equations rather than at what the compiler makes of them: their
programs are compiled with few optimizations. Modules marked ``fully_compiled`` are compiled as a user's programs are.
A program that both processes need is compiled once: JAX keeps what it compiles in a folder, which is empty when the
tests start and removed when they end. In its process a program serves the following modules too, as long as they are
compiled in the same way, which the order of the modules favours, and as long as the process is small.

XLA's fusion emitters take most of the time of compiling a program with few optimizations, and compiling its parts side
by side gains nothing where two processes test. XLA reads these flags from the environment, again for each program where
``xla_flags_reset`` was set at the start. A flag that it does not know ends the process, so they are tried first.
"""

import atexit
import ctypes
import gc
import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import jax
import pytest
from jax._src.interpreters import mlir
from jax.experimental.compilation_cache import compilation_cache

USUAL = "--xla_flags_reset=true --xla_cpu_use_fusion_emitters=true --xla_cpu_parallel_codegen_split_count=32"
QUICK = "--xla_flags_reset=true --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
MOST_MEMORY = 1e9  # bytes of a process, from which on programs are dropped after every module
KEPT = []  # whether the programs of the module before were compiled quickly
FOLDER = "FUNCNET_TESTS_PROGRAMS"  # the variable that names it; programs that the tests start compile their own


def pytest_configure():
    set_usual_flags()
    share_compiled_programs()
    reuse_contexts()


def set_usual_flags():
    """Put the usual flags in the environment, for this process and those that it starts, if XLA knows them."""
    command, environment = [sys.executable, "-c", "import jax; jax.devices()"], {**os.environ, "XLA_FLAGS": USUAL}
    if "XLA_FLAGS" not in os.environ and not subprocess.run(command, env=environment, capture_output=True).returncode:
        os.environ["XLA_FLAGS"] = USUAL


def share_compiled_programs():
    """Keep compiled programs of every size in one folder, for this process and the test processes that it starts."""
    if FOLDER not in os.environ:
        os.environ[FOLDER] = tempfile.mkdtemp(prefix="funcnet-tests-")
        atexit.register(shutil.rmtree, os.environ[FOLDER], ignore_errors=True)
    jax.config.update("jax_compilation_cache_dir", os.environ[FOLDER])
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


def reuse_contexts():
    """Write ten programs in one context of MLIR, as JAX does by itself from 0.12 on: making one takes 3 ms."""
    if hasattr(mlir, "_create_ir_context"):
        return
    made, kept = mlir.make_ir_context, threading.local()

    def make_ir_context():
        if not getattr(kept, "left", 0):
            kept.context, kept.left = made(), 10
        kept.left -= 1
        return kept.context

    mlir.make_ir_context = make_ir_context


def pytest_collection_finish():
    """Collect garbage less often than Python does by itself: a tenth of the time was spent on it."""
    gc.set_threshold(50_000, 20, 50)


def is_quick(node):
    return node.get_closest_marker("fully_compiled") is None


def resident_bytes():
    """Return the memory that this process uses now; infinity where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return math.inf


def return_free_memory():
    """Return to the system what the process no longer uses: glibc keeps half a gigabyte by itself, and the programs of
    every following module would be dropped."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def pytest_collection_modifyitems(items):
    items.sort(key=is_quick, reverse=True)


@pytest.fixture(autouse=True, scope="module")
def compilation(request):
    """Compile a module's programs quickly, unless it is marked ``fully_compiled``."""
    quick = is_quick(request.node)
    if [quick] != KEPT or resident_bytes() > MOST_MEMORY:
        jax.clear_caches()
        gc.collect()
        return_free_memory()
    KEPT[:] = [quick]
    jax.config.update("jax_compilation_cache_dir", os.environ[FOLDER])
    compilation_cache.reset_cache()  # otherwise JAX goes on with the folder of a test that set another
    with pytest.MonkeyPatch.context() as patch:
        if quick:
            patch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # for the processes that the module starts
        if quick and os.environ.get("XLA_FLAGS") == USUAL:
            patch.setenv("XLA_FLAGS", QUICK)
        jax.config.update("jax_disable_most_optimizations", quick)
        yield
    jax.config.update("jax_disable_most_optimizations", False)
