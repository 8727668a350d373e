"""What every accepted version of JAX must compute right, compiled as a user's programs are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytestmark = pytest.mark.fully_compiled


@pytest.mark.parametrize(("dtype", "rows"), [("float32", 40_000), ("float64", 20_000)])
def test_a_mapped_product_that_is_summed_is_right_in_every_row(dtype, rows, x64):
    """JAX 0.10.2 is wrong in the last rows on a CPU: jax-ml/jax#39103."""
    rng = np.random.default_rng(0)
    matrix, x = rng.normal(size=(3, 3)).astype(dtype), rng.normal(size=(rows, 3)).astype(dtype)
    found = jax.jit(jax.vmap(lambda row: jnp.sum((matrix @ row) ** 2)))(x)
    np.testing.assert_allclose(found, np.sum((x @ matrix.T) ** 2, axis=1), rtol=1e-4)
