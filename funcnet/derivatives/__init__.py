"""Numerical derivatives of functions that JAX can trace, and how far rounding moves each of their elements."""
