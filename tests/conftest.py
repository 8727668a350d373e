"""Test configuration: JAX at its strictest, hypothesis without deadlines, and fixtures for JAX's modes."""

import os

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
