"""Test configuration: JAX at its strictest, hypothesis without chance, and 64-bit mode on request."""

import os
import subprocess
import sys
from collections.abc import Iterator

import hypothesis
import jax
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")

# Most tests compile much, run little of it, and look at equations rather than at what the compiler makes of them. These
# are compiled as a user's programs are: whole runs whose bits are compared, what one kernel can hold, the README's, and
# counts of steps.
FULLY_COMPILED = {
    "test_fitting.py",
    "test_one_kernel_products.py",
    "test_readme.py",
    "test_convergence.py",
    "test_jax.py",
}

# Of the 20 ms that a small program takes, XLA's fusion emitters take 8 to set up a compiler of their own; and parts
# compiled side by side gain nothing where two processes test. These flags let a program do without. A jaxlib that knows
# one of them no more would end the process, so they are tried first.
USUAL = "--xla_flags_reset=true --xla_cpu_use_fusion_emitters=true --xla_cpu_parallel_codegen_split_count=32"
QUICK = "--xla_flags_reset=true --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"


def _are_known(flags: str) -> bool:
    command, environment = [sys.executable, "-c", "import jax; jax.devices()"], {**os.environ, "XLA_FLAGS": flags}
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0


if "XLA_FLAGS" not in os.environ and _are_known(USUAL):
    os.environ["XLA_FLAGS"] = USUAL  # and the processes that run the tests inherit it


compiled = {"quickly": False}  # how what JAX has in its caches was


@pytest.fixture(autouse=True)
def _compilation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    quickly = request.path.name not in FULLY_COMPILED
    if compiled["quickly"] != quickly:
        jax.clear_caches()
        compiled["quickly"] = quickly
    if quickly and os.environ.get("XLA_FLAGS") == USUAL:
        monkeypatch.setenv("XLA_FLAGS", QUICK)
    jax.config.update("jax_disable_most_optimizations", quickly)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture
def standard_promotion() -> Iterator[None]:
    """Run a test of another library's code, which mixes dtypes, with JAX's usual promotion."""
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture
def x64() -> Iterator[None]:
    """Run a test with JAX's 64-bit mode on."""
    with jax.enable_x64(True):
        yield
