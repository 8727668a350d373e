"""How close two trees of gradients are, leaf by leaf."""

import jax
import numpy as np


def worst_error(actual, expected):
    """Return the largest difference in any leaf over the largest magnitude in that leaf."""
    leaves, others = jax.tree.leaves(actual), jax.tree.leaves(expected)
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    worst = 0.0
    for a, b in zip(leaves, others, strict=True):
        assert a.shape == b.shape
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        assert np.isfinite(a).all()
        assert np.isfinite(b).all()
        scale = np.abs(b).max(initial=0.0)
        worst = max(worst, np.abs(a - b).max(initial=0.0) / (scale or 1.0))
    return worst
