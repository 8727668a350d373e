import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import funcnet as fn
from tests.agreement import worst_error


def random_params(network, shape, dtype=jnp.float64, seed=0):
    random = np.random.default_rng(seed)
    params = jax.eval_shape(lambda: network.init(jax.random.key(0), shape, dtype=dtype)[0])
    return jax.tree.map(lambda leaf: jnp.asarray(random.normal(size=leaf.shape), dtype), params)


@settings(max_examples=20)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=2, max_size=7), nesting=st.integers(0, 2), seed=st.integers(0, 2**31)
)
def test_a_stack_of_linear_layers_is_one(sizes, nesting, seed):
    inputs, *units = sizes
    layers = [layer for width in units for layer in (fn.Dense(width), fn.linear)]
    network = fn.Sequential(*layers)
    for _ in range(nesting):
        network = fn.Sequential(fn.linear, network, fn.Flatten())
    with jax.enable_x64(True):
        params = random_params(network, (inputs,), seed=seed)
        x = jnp.asarray(np.random.default_rng(seed).normal(size=(9, inputs)))

        def both(params, x):
            one, one_params = fn.collapse(network, params)
            assert one == fn.Sequential(fn.Dense(units[-1], inputs=inputs))
            assert isinstance(one_params[0], fn.DenseParams)
            return one.apply(one_params, x), network.apply(params, x)

        assert worst_error(*jax.jit(both)(params, x)) <= 1e-12


def test_the_weight_is_the_product_and_the_bias_what_is_left_at_zero(x64):
    network = fn.mlp([3, 5, 4, 2], hidden=fn.linear)
    params = random_params(network, (3,))
    (w1, b1), (w2, b2), (w3, b3) = (tuple(map(np.asarray, p)) for p in params[::2])
    _, (one,) = fn.collapse(network, params)
    np.testing.assert_allclose(one.weight, w3 @ w2 @ w1, rtol=1e-13)
    np.testing.assert_allclose(one.bias, w3 @ (w2 @ b1 + b2) + b3, rtol=1e-13)


def test_one_dense_layer_is_itself(x64):
    params = random_params(fn.Dense(4), (3,))
    for network, its_params in ((fn.Dense(4), params), (fn.Sequential(fn.Dense(4)), (params,))):
        one, one_params = fn.collapse(network, its_params)
        assert one == fn.Sequential(fn.Dense(4, inputs=3))
        assert worst_error(one_params, (params,)) == 0.0


def test_what_is_laid_out_first_stays_so(x64):
    network = fn.Sequential(fn.Sequential(fn.linear, fn.Flatten()), fn.Dense(5), fn.Dense(2))
    params, x = random_params(network, (4, 3)), jnp.asarray(np.random.default_rng(1).normal(size=(6, 4, 3)))
    one, one_params = fn.collapse(network, params)
    assert one == fn.Sequential(fn.Flatten(), fn.Dense(2, inputs=12))
    assert worst_error(one.apply(one_params, x), network.apply(params, x)) <= 1e-14


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_the_dtype_is_kept_and_the_products_are_not_rounded_on_the_way(dtype):
    network = fn.mlp([4, 6, 6, 6, 2], hidden=fn.linear)
    params = random_params(network, (4,), dtype)
    _, one_params = fn.collapse(network, params)
    exact = [np.asarray(p.weight, np.float64) for p in params[::2]]
    assert one_params[0].weight.dtype == dtype
    assert worst_error(one_params[0].weight, np.linalg.multi_dot(exact[::-1])) <= jnp.finfo(dtype).eps


def test_it_is_traced_like_any_function(x64):
    network = fn.mlp([3, 5, 2], hidden=fn.linear)
    params = random_params(network, (3,))
    compiled = jax.jit(lambda params: fn.collapse(network, params)[1])(params)
    assert worst_error(compiled, fn.collapse(network, params)[1]) <= 1e-14


def test_the_first_layer_that_is_not_linear_is_named():
    network = fn.Sequential(fn.Dense(3), fn.Sequential(fn.linear, fn.relu), fn.tanh)
    params, _ = network.init(jax.random.key(0), (3,))
    message = r"^collapse: expected only Dense, linear, Flatten and Sequential layers, got relu \(layer 1\.1\)$"
    with pytest.raises(ValueError, match=message):
        fn.collapse(network, params)
    with pytest.raises(ValueError, match=r"got relu$"):
        fn.collapse(fn.relu, ())


def test_a_network_without_a_dense_layer_is_named():
    with pytest.raises(ValueError, match=r"collapse: expected at least one Dense layer, got Sequential\(linear\)"):
        fn.collapse(fn.Sequential(fn.linear), ((),))


def test_wrong_parameters_are_named():
    with pytest.raises(
        ValueError, match="Sequential: expected params to be a tuple of 1, one entry per layer, got list"
    ):
        fn.collapse(fn.Sequential(fn.Dense(3)), [])
