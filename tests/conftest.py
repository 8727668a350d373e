"""Test configuration: JAX at its strictest, hypothesis without deadlines, and fixtures for JAX's modes."""

import os
import sys

import hypothesis
import jax
import pytest

pytest_plugins = ["tests.compiling"]  # how programs are compiled, in the docstrings' examples too

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
hypothesis.settings.register_profile("tests", deadline=None, database=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("tests")


@pytest.fixture
def standard_promotion():
    """Run a test of another library's code, which mixes dtypes, with JAX's usual promotion."""
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture
def x64():
    """Run a test with JAX's 64-bit mode on."""
    with jax.enable_x64(True):
        yield


# The tests of the examples, the benchmarks' scripts, the notebook and the campaigns take a sixth of the time, so they
# run on the oldest Python alone, unless FUNCNET_EVERYTHING is set. ``python -m tests.campaigns gallery`` runs the
# examples whole, on any Python.
ONCE = {"gallery", "benchmarks", "notebook", "campaigns"}


def pytest_collection_modifyitems(items):
    if sys.version_info < (3, 12) or "FUNCNET_EVERYTHING" in os.environ:
        return
    once = pytest.mark.skip(reason="run on Python 3.11 alone: FUNCNET_EVERYTHING=1 runs it here too")
    for item in items:
        if ONCE & set(item.path.relative_to(item.config.rootpath).parts[:2]):
            item.add_marker(once)
