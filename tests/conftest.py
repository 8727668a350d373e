"""Test configuration: JAX at its strictest, hypothesis without chance, and 64-bit mode on request."""

import os
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
# are compiled as a user's programs are: whole runs whose bits are compared, the README's, and counts of steps.
FULLY_COMPILED = {"test_fit.py", "test_readme.py", "test_convergence.py"}


@pytest.fixture(autouse=True)
def _compilation(request: pytest.FixtureRequest) -> Iterator[None]:
    jax.config.update("jax_disable_most_optimizations", request.path.name not in FULLY_COMPILED)
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
