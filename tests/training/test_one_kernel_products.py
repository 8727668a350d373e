"""Products at the limits of what one kernel can hold, compiled as a user's are."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcnet.training import one_kernel
from tests.agreement import worst_error
from tests.training.loops import looped

pytestmark = pytest.mark.fully_compiled


@pytest.mark.skipif(not (one_kernel.HINT_PAYS and one_kernel.on_one_cpu()), reason="no hint is given to XLA here")
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
@pytest.mark.parametrize(
    ("rows", "inner", "columns"), [*itertools.product([1, 7, 8], repeat=3), (1, 45, 45), (45, 1, 45), (45, 45, 1)]
)
def test_products_of_every_shape_compile(rows, inner, columns, dtype, x64):
    """All three products of a layer: y = xWᵀ, yW and yᵀx."""
    random = np.random.default_rng(0)
    weight, x = (jnp.asarray(random.normal(size=(n, inner)) / inner, dtype) for n in (columns, rows))

    def step(weight, x):
        y = jnp.tanh(x @ weight.T)
        return weight + jnp.mean(y @ weight, dtype=dtype) + y.T @ x / rows

    one_kernel, result = looped(step, weight, x)
    assert one_kernel == (1 in (rows, inner, columns) or max(rows, inner, columns) < 8)
    one = jax.jit(step)
    assert worst_error(result, one(one(one(weight, x), x), x)) <= 50 * jnp.finfo(dtype).eps
