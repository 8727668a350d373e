"""Settings are checked as the numbers that they become, where their dtype is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet import initializers

KEY = jax.random.key(0)
X, Y = np.ones((2, 3), "f"), np.ones((2, 3), "f")


def used(layer, dtype):
    """Return the shapes that a layer computes for parameters and inputs of a dtype."""

    def output(key, x):
        return layer.apply(layer.init(key, (3,), dtype=dtype)[0], x, key=key)

    return jax.eval_shape(output, KEY, jax.ShapeDtypeStruct((2, 3), dtype))


@pytest.mark.parametrize(
    ("layer", "dtype", "words"),
    [
        (fn.LayerNorm(1e-50), jnp.float32, "epsilon that float32 does not round to 0, got 1e-50"),
        (fn.LayerNorm(1e-40), jnp.bfloat16, "epsilon that float32 does not round to 0, got 1e-40"),
        (fn.LayerNorm(1e39), jnp.float16, r"epsilon to be finite as float32, got 1e\+39, which rounds to inf"),
        (fn.Dropout(0.99999), jnp.float16, r"1 / \(1 - rate\) to be finite as float16"),
        (fn.LeakyReLU(1e-50), jnp.float32, "negative_slope that float32 does not round to 0"),
        (fn.LeakyReLU(1e5), jnp.float16, "negative_slope to be finite as float16"),
        (fn.ELU(1e-50), jnp.float32, "alpha that float32 does not round to 0"),
        (fn.PReLU(1e39), jnp.float32, "initial_slope to be finite as float32"),
        (fn.Rescaling(1e-50), jnp.float32, "scale that float32 does not round to 0"),
        (fn.Rescaling(1.0, offset=1e39), jnp.float32, "offset to be finite as float32"),
    ],
)
def test_a_setting_of_a_layer_that_degenerates_is_named(layer, dtype, words, x64):
    with pytest.raises(ValueError, match=f"expected {words}"):
        used(layer, dtype)
    used(layer, jnp.float64)


def test_layernorm_is_checked_where_it_is_used_too():
    params, _ = fn.LayerNorm().init(KEY, (3,))
    with pytest.raises(ValueError, match=r"^LayerNorm\(epsilon=1e-50\): expected epsilon that float32"):
        fn.LayerNorm(1e-50).apply(params, X)


@pytest.mark.parametrize("rate", [1 - 1e-8, 1e-9, 1e-50])
def test_a_rate_of_dropout_that_its_mask_cannot_have_is_refused(rate):
    """The mask is drawn with a probability in float32, whatever the parameters' dtype."""
    with pytest.raises(
        ValueError, match=r"^Dropout: expected rate to be 0, or rate and 1 - rate to be below 1 in float32"
    ):
        fn.Dropout(rate)


@pytest.mark.parametrize(
    ("initializer", "words"),
    [
        (initializers.uniform(0, 1e39), "high to be finite as float32"),
        (initializers.uniform(-3e38, 3e38), "high - low to be finite as float32"),
        (initializers.uniform(0, 1e-50), "high that float32 does not round to 0"),
        (initializers.constant(1e-50), "value that float32 does not round to 0"),
        (initializers.normal(1e38), r"10 \* stddev to be finite as float32"),
        (initializers.normal(1e-50), "stddev that float32 does not round to 0"),
        (initializers.truncated_normal(1e39), "stddev to be finite as float32"),
    ],
)
def test_an_initializer_that_degenerates_is_named(initializer, words):
    with pytest.raises(ValueError, match=rf"^initializers\..*: expected {words}"):
        fn.Dense(2, weight_initializer=initializer).init(KEY, (3,))


def test_a_number_that_is_not_finite_is_no_number_of_an_initializer():
    for number in (float("inf"), float("nan")):
        with pytest.raises(ValueError, match=r"^uniform: expected low to be finite, got"):
            initializers.uniform(number, 1.0)
        with pytest.raises(ValueError, match=r"^constant: expected value to be finite, got"):
            initializers.constant(number)


@pytest.mark.parametrize("penalty", [fn.l2(1e-50), fn.l1(1e-50), fn.l1(0.1) + fn.l2(1e-50)], ids=str)
def test_a_penalty_that_degenerates_is_named_at_every_door(penalty):
    network, optimizer = fn.mlp([3, 3]), fn.sgd(0.1)
    params, _ = network.init(KEY, (3,))
    state = fn.init_state(network, optimizer, KEY, (3,))
    parts = network, fn.quadratic
    for door in (
        lambda: fn.fit(*parts, optimizer, (X, Y), key=KEY, epochs=1, penalty=penalty),
        lambda: fn.run_epochs(*parts, optimizer, state, (X, Y), epochs=1, penalty=penalty),
        lambda: fn.train_step(*parts, optimizer, penalty=penalty)(state, (X, Y)),
        lambda: fn.fit_by_search(*parts, fn.annealing(1.0), (X, Y), key=KEY, steps=1, penalty=penalty),
        lambda: fn.backprop(*parts)(params, X, Y, penalty=penalty),
        lambda: penalty.gradient(params),
    ):
        with pytest.raises(ValueError, match=r"expected .* that float32 does not round to 0, got 1e-50"):
            door()


@pytest.mark.parametrize(
    ("search", "words"),
    [
        (fn.annealing(1.0, cooling=0.99999999), "annealing: expected cooling that float32 does not round to 1"),
        (fn.annealing(1.0, scale=1e-50), "annealing: expected scale that float32 does not round to 0"),
        (fn.genetic(scale_decay=0.99999999), "genetic: expected scale_decay that float32 does not round to 1"),
        (fn.annealing(1e39), "annealing: expected temperature to be finite .* as float32"),
    ],
)
def test_a_setting_of_a_search_that_degenerates_is_named(search, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        search.init(jnp.square, lambda key: jnp.ones(()), KEY)


def test_numbers_of_a_run_that_become_infinite_are_named():
    for change in ({"goal": 1e39}, {"min_delta": 1e39}):
        with pytest.raises(ValueError, match=rf"^run: expected {next(iter(change))} to be finite as float32"):
            fn.search.run(fn.annealing(1.0), jnp.square, lambda key: jnp.ones(()), key=KEY, steps=1, **change)
    stopping = fn.EarlyStopping("loss", min_delta=1e39)
    with pytest.raises(ValueError, match=r"^fit: expected early_stopping\.min_delta to be finite as float32"):
        fn.fit(fn.mlp([3, 3]), fn.quadratic, fn.sgd(0.1), (X, Y), key=KEY, epochs=1, early_stopping=stopping)
    with pytest.raises(ValueError, match=r"^train_perceptron: expected learning_rate that float32 does not round to 0"):
        fn.neurons.train_perceptron(X, np.array([1, -1]), key=KEY, learning_rate=1e-50)


def test_counts_of_a_search_stay_at_the_largest_integer():
    for search in (fn.genetic(4), fn.restarts(fn.sgd(0.1), starts=4)):
        state = search.init(jnp.square, lambda key: jax.random.normal(key), KEY)
        state = state._replace(step=jnp.int32(2**31 - 2), evaluations=jnp.int32(2**31 - 5))
        step = jax.jit(lambda state, search=search: search.step(jnp.square, state))
        for _ in range(3):
            state = step(state)
        assert state.step == state.evaluations == 2**31 - 1


def test_more_rows_than_an_int32_counts_are_refused():
    many = np.broadcast_to(np.float32(0), (2**31, 3))
    with pytest.raises(ValueError, match=r"^predict: expected x with at most 2147483647 rows, got shape"):
        fn.predict(fn.mlp([3, 3]), (), many)
    with pytest.raises(ValueError, match=r"^train_perceptron: expected steps to be at most 2147483647"):
        fn.neurons.train_perceptron(X, np.array([1, -1]), key=KEY, steps=2**31)
