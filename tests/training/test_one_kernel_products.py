"""Products at the limits of what one kernel can hold, compiled as a user's are."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from funcnet.training import one_kernel
from tests.agreement import worst_error
from tests.training.loops import looped

pytestmark = pytest.mark.fully_compiled
DTYPES = ["float32", "float64", "bfloat16", "float16"]


@pytest.mark.skipif(not (one_kernel.HINT_PAYS and one_kernel.on_one_cpu()), reason="no hint is given to XLA here")
@pytest.mark.parametrize(
    ("rows", "inner", "columns"), [*itertools.product([1, 7, 8], repeat=3), (1, 45, 45), (45, 1, 45), (45, 45, 1)]
)
def test_products_of_every_shape_compile(rows, inner, columns, x64):
    """All three products of a layer in each dtype: y = xWᵀ, yW and yᵀx. One loop computes those of all dtypes."""
    random = np.random.default_rng(0)
    weight, x = (random.normal(size=(n, inner)) / inner for n in (columns, rows))
    weights, xs = ({dtype: each.astype(dtype) for dtype in DTYPES} for each in (weight, x))

    def step(weight, x, np=jnp):
        y = np.tanh(x @ weight.T)
        return weight + np.mean(y @ weight, dtype=weight.dtype) + y.T @ x / rows

    def steps(weights, xs):
        return {dtype: step(weights[dtype], xs[dtype]) for dtype in DTYPES}

    one_kernel, run = looped(steps, weights, xs)
    assert one_kernel == (1 in (rows, inner, columns) or max(rows, inner, columns) < 8)
    if one_kernel:
        for dtype, result in run().items():
            exact = x.astype(dtype).astype("float64")
            expected = weight.astype(dtype).astype("float64")
            for _ in range(3):
                expected = step(expected, exact, np)
            assert worst_error(result, expected) <= 50 * jnp.finfo(dtype).eps, dtype
