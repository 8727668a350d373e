import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn

X = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = jnp.array([[0.0], [1.0], [1.0], [0.0]])
METHODS = [fn.restarts(fn.sgd(1.0), starts=3), fn.annealing(0.1, scale=0.5), fn.genetic(6, scale=1.0)]


def network():
    return fn.mlp([2, 2, 1], hidden=fn.tanh, output=fn.sigmoid)


def fit(method, **changes):
    settings = {
        "network": network(),
        "loss": fn.quadratic,
        "search": method,
        "data": (X, Y),
        "key": jax.random.key(0),
        "steps": 5,
    }
    return fn.fit_by_search(**{**settings, **changes})


@pytest.mark.parametrize(("method", "penalty"), [(METHODS[0], None), (METHODS[1], fn.l2(0.1))])
def test_the_cost_is_the_mean_loss_and_the_penalty(method, penalty):
    result = fit(method, penalty=penalty)
    expected = fn.evaluate(network(), fn.quadratic, result.params, (X, Y))["loss"]
    expected += 0.0 if penalty is None else float(penalty.value(result.params))
    np.testing.assert_allclose(result.cost, expected, rtol=1e-5)
    assert result.history.shape == (5,)
    assert result.history[-1] <= result.history[0]


def test_one_start_of_restarts_is_what_a_loop_of_steps_does():
    """From the same initial parameters, full batches: the same parameters."""
    result = fit(fn.restarts(fn.sgd(0.5), starts=1), steps=20)
    start = fn.restarts(fn.sgd(0.5), starts=1).init(
        lambda p: jnp.float32(0) * p[0].bias.sum(), lambda key: network().init(key, (2,))[0], jax.random.key(0)
    )
    params = jax.tree.map(lambda leaf: leaf[0], start.current.params)
    fitted = fn.fit(
        network(), fn.quadratic, fn.sgd(0.5), (X, Y), key=jax.random.key(0), params=params, epochs=20, batch_size=None,
        progress=False,
    )  # fmt: skip
    chex.assert_trees_all_close(
        jax.tree.map(lambda leaf: leaf[0], result.state.current.params), fitted.params, rtol=1e-4, atol=1e-6
    )


def test_a_network_built_anew_and_other_data_compile_nothing():
    traces = []

    class Traced(fn.Layer):
        def init(self, key, input_shape, *, dtype=jnp.float32):
            return (), input_shape

        def forward(self, params, x, *, key=None):
            traces.append(x)
            return x, ()

    def one(scale, data, strength):
        method = fn.annealing(0.1 * scale, scale=scale)
        return fit(method, network=fn.Sequential(fn.Dense(1), Traced()), data=data, penalty=fn.l2(strength))

    one(0.5, (X, Y), 0.1)
    first = len(traces)
    one(0.25, (X, 1 - Y), 0.2)
    assert len(traces) == first > 0


def test_keys_are_mapped_over():
    results = jax.vmap(lambda key: fit(METHODS[1], key=key))(jax.random.split(jax.random.key(0), 3))
    assert results.params[0].weight.shape == (3, 2, 2)
    assert len(set(np.asarray(results.cost).tolist())) == 3


def test_the_dtype_is_the_parameters(x64):
    for dtype in ("float16", "float32", "float64"):
        params = jax.eval_shape(
            lambda key, dtype=dtype: fit(METHODS[1], dtype=dtype, key=key), jax.random.key(0)
        ).params
        assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {np.dtype(dtype)}


@pytest.mark.parametrize(
    ("changes", "error", "expected"),
    [
        ({"network": "mlp"}, TypeError, "network to be a layer"),
        ({"loss": fn.relu}, TypeError, "loss to be a loss"),
        ({"data": (X, Y[:3])}, ValueError, "as many rows in y as in x, got 3 for 4"),
        ({"data": (X.at[0, 0].set(jnp.nan), Y)}, ValueError, "x to be finite in float32"),
        ({"penalty": 0.1}, TypeError, "penalty to be None or a penalty"),
        ({"key": 3}, TypeError, r"key made by jax.random.key\(seed\), got 3"),
        ({"dtype": "int32"}, TypeError, "dtype to be floating, got int32"),
    ],
)
def test_wrong_arguments_are_named(changes, error, expected):
    with pytest.raises(error, match=f"^fit_by_search: expected {expected}"):
        fit(METHODS[1], **changes)
