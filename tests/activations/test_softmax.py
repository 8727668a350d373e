import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from tests.agreement import worst_error

GAPS = [0.0, 1.0, 10.0, 30.0, 300.0]


@jax.jit
def both_routes(z, dy, y):
    """Return softmax's backward and Jacobian and its cross-entropy's gradient, by hand and automatically."""
    _, pull = jax.vjp(fn.softmax, z)
    loss = fn.softmax_cross_entropy
    by_hand = fn.softmax.backward((), z, dy)[1], fn.softmax.derivative(z), loss.gradient(z, y)
    automatic = jax.grad(lambda z: jnp.sum(loss.value(z, y)))(z)
    return by_hand, (pull(dy)[0], jax.vmap(jax.jacobian(fn.softmax))(z), automatic)


def test_jacobian_agrees_with_automatic_differentiation(x64):
    z = jax.random.normal(jax.random.key(0), (7, 5), jnp.float64) * 10
    automatic = jax.vmap(jax.jacobian(fn.softmax))(z)
    np.testing.assert_allclose(fn.softmax.derivative(z), automatic, atol=1e-15)


def test_backward_is_the_jacobian_product(x64):
    z, dy = jax.random.normal(jax.random.key(0), (2, 7, 5), jnp.float64)
    _, cache = fn.softmax.forward((), z)
    _, dz = fn.softmax.backward((), cache, dy)
    np.testing.assert_allclose(dz, jnp.einsum("bjk,bj->bk", fn.softmax.derivative(z), dy), atol=1e-15)


@pytest.mark.parametrize("gap", GAPS)
def test_both_routes_keep_their_digits_where_one_class_has_all_of_the_probability(gap, x64):
    z, dy = jnp.array([[0.0, gap, 0.5, -1.0]]), jnp.array([[1.0, 2.0, -0.5, 0.3]])
    y = jnp.array([[0.0, 1.0, 0.0, 0.0]])
    by_hand, automatic = both_routes(z, dy, y)
    assert worst_error(by_hand, automatic) <= 1e-15
    others = np.exp(np.array([0.0, 0.5, -1.0]) - gap).sum()
    loss = fn.softmax_cross_entropy
    np.testing.assert_allclose(loss.value(z, y), np.log1p(others), rtol=1e-14)
    np.testing.assert_allclose(loss.gradient(z, y)[0, 1], -others / (1 + others), rtol=1e-14)


def test_ties_for_the_largest_share_alike(x64):
    z, y = jnp.full((2, 3), 2.0), jnp.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    automatic = jax.grad(lambda z: jnp.sum(fn.softmax_cross_entropy.value(z, y)))(z)
    np.testing.assert_allclose(fn.softmax_cross_entropy.gradient(z, y), 1 / 3 - y, atol=1e-16)
    np.testing.assert_allclose(automatic, 1 / 3 - y, atol=1e-16)


def test_it_sums_to_one_and_ignores_a_common_shift():
    z = jax.random.normal(jax.random.key(0), (100, 10)) * 30
    np.testing.assert_allclose(fn.softmax(z).sum(axis=-1), 1, rtol=1e-6)
    np.testing.assert_allclose(fn.softmax(z + 64.0), fn.softmax(z), rtol=1e-4)


def test_it_takes_any_leading_axes():
    z = jax.random.normal(jax.random.key(0), (2, 3, 4))
    rows = z.reshape(6, 4)
    np.testing.assert_array_equal(fn.softmax(z).reshape(6, 4), fn.softmax(rows))
    np.testing.assert_array_equal(fn.softmax.derivative(z).reshape(6, 4, 4), fn.softmax.derivative(rows))
