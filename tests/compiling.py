"""How quickly the tests' programs are compiled.

Most tests compile much, run little of it, and look at equations rather than at what the compiler makes of them: their
programs are compiled with few optimizations. Modules marked ``fully_compiled`` are compiled as a user's programs are.

XLA's fusion emitters take 8 of the 20 ms of a small program to set up a compiler of their own, and compiling its parts
side by side gains nothing where two processes test. XLA reads these flags from the environment, again for each program
where ``xla_flags_reset`` was set at the start. A flag that it does not know ends the process, so they are tried first.
"""

import os
import subprocess
import sys

import jax
import pytest

USUAL = "--xla_flags_reset=true --xla_cpu_use_fusion_emitters=true --xla_cpu_parallel_codegen_split_count=32"
QUICK = "--xla_flags_reset=true --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"


def set_usual_flags():
    """Put the usual flags in the environment, for this process and those that it starts, if XLA knows them."""
    command, environment = [sys.executable, "-c", "import jax; jax.devices()"], {**os.environ, "XLA_FLAGS": USUAL}
    if "XLA_FLAGS" not in os.environ and not subprocess.run(command, env=environment, capture_output=True).returncode:
        os.environ["XLA_FLAGS"] = USUAL


@pytest.fixture(autouse=True, scope="module")
def compilation(request):
    """Compile a module's programs quickly, unless it is marked ``fully_compiled``, and drop them after it."""
    quick = request.node.get_closest_marker("fully_compiled") is None
    with pytest.MonkeyPatch.context() as patch:
        if quick and os.environ.get("XLA_FLAGS") == USUAL:
            patch.setenv("XLA_FLAGS", QUICK)
        jax.config.update("jax_disable_most_optimizations", quick)
        yield
    jax.config.update("jax_disable_most_optimizations", False)
    jax.clear_caches()
