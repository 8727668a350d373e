"""The contract of a layer: which keywords reach it, and running statistics that are learned without a gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funcnet as fn
from funcnet.objective import Batch, Objective
from tests.agreement import worst_error
from tests.layers.statistics import Centring

X = np.random.default_rng(0).normal(1.0, 2.0, (12, 3)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=(12, 2)).astype(np.float32)
KEY = jax.random.key(0)


class Doubling(fn.Layer):
    """A layer that needs no keyword."""

    def init(self, key, input_shape, *, dtype=jnp.float32):
        return (), input_shape

    def forward(self, params, x):
        return 2 * x, None

    def backward(self, params, cache, dy):
        return (), 2 * dy


def test_a_layer_without_keywords_stands_beside_one_with_them():
    network = fn.Sequential(Doubling(), fn.Dropout(0.5), Doubling())
    assert network.needed_keywords == {"key"}
    params, _ = network.init(KEY, (3,))
    np.testing.assert_array_equal(network.apply(params, X), 4 * X)
    dropped, _ = network.forward(params, X, key=KEY, weights=None)
    assert set(np.unique(np.round(dropped / X))) == {0, 8}


@pytest.mark.parametrize("keyword", ["keys", "rng", "training"])
def test_a_misspelled_keyword_is_refused_when_the_class_is_defined(keyword):
    namespace = {}
    exec(f"def forward(self, params, x, *, {keyword}=None): return x, None", namespace)
    with pytest.raises(TypeError, match=rf"Misspelled: .*keywords among key, weights, got forward.*{keyword}=None"):
        type("Misspelled", (fn.Layer,), {"forward": namespace["forward"], "__annotations__": {}})


class Wrapper(fn.Layer):
    """A layer around another, whose forward hands on no key."""

    layer: fn.Layer

    def init(self, key, input_shape, *, dtype=jnp.float32):
        return self.layer.init(key, input_shape, dtype=dtype)

    def forward(self, params, x):
        return self.layer.call(params, x)

    def backward(self, params, cache, dy):
        return self.layer.backward(params, cache, dy)


class KeyedWrapper(Wrapper):
    def forward(self, params, x, *, key=None):
        return self.layer.call(params, x, key=key)


@pytest.mark.parametrize("inner", [fn.Dropout(0.5), fn.Sequential(fn.Dense(3), fn.Dropout(0.5))], ids=repr)
def test_a_wrapper_that_hides_what_its_layer_needs_is_refused_when_the_chain_is_built(inner):
    with pytest.raises(
        TypeError, match=r"Wrapper\(.*\): expected forward to declare key=None, which .* needs, got none"
    ):
        fn.Sequential(fn.Dense(3), Wrapper(inner))
    with pytest.raises(TypeError, match="declare key=None"):
        fn.Residual(KeyedWrapper(Wrapper(inner)))
    fn.Sequential(fn.Dense(3), KeyedWrapper(inner), Wrapper(fn.Dense(2)))
    with pytest.raises(TypeError, match="declare weights=None"):
        fn.Sequential(KeyedWrapper(Centring()))


class Held(Wrapper):
    """A layer around another that hands on all keywords, but learns nothing."""

    def forward(self, params, x, *, key=None, weights=None):
        return self.layer.call(params, x, key=key, weights=weights)


class Learning(Held):
    def learn(self, params, cache):
        return self.layer.learn(params, cache)


class Nested(fn.Layer):
    branches: tuple

    def forward(self, params, x):
        return self.branches[0][0].call((), x)


def test_a_wrapper_that_loses_running_statistics_is_refused():
    with pytest.raises(
        TypeError, match=r"Held\(.*\): expected learn\(params, cache\) to return the running statistics"
    ):
        fn.Sequential(Held(Centring()), fn.Dense(2))
    network = fn.Sequential(Learning(Centring()), fn.Dense(2))
    mean = trained_state(fn.sgd(0.0), network, steps=5).params[0].mean
    np.testing.assert_allclose(mean, (1 - 0.9**5) * X.mean(axis=0), rtol=1e-5)


@pytest.mark.parametrize("network", [Wrapper(fn.Dropout(0.5)), Nested(((fn.Dropout(0.5),),))], ids=repr)
def test_a_network_that_is_such_a_wrapper_is_refused_before_it_trains(network):
    calls = {
        "fit": lambda: fn.fit(network, fn.quadratic, fn.sgd(0.1), (X, X), key=KEY, epochs=1),
        "step": lambda: fn.train_step(network, fn.quadratic, fn.sgd(0.1)),
        "check": lambda: fn.check_gradients(network, fn.quadratic, (), X, X),
        "search": lambda: fn.fit_by_search(network, fn.quadratic, fn.genetic(), (X, X), key=KEY, steps=1),
    }
    for call in calls.values():
        with pytest.raises(TypeError, match="expected forward to declare key=None, which Dropout"):
            call()


@pytest.mark.parametrize(
    ("arguments", "got"),
    [
        ("self, x", "x"),
        ("self, *arguments", "arguments"),
        ("self, params, x, key=None, /", "key"),
        ("self, p, x, **kw", "kw"),
    ],
)
def test_a_forward_that_cannot_be_called_is_refused_when_the_class_is_defined(arguments, got):
    namespace = {}
    exec(f"def forward({arguments}): return x, None", namespace)
    with pytest.raises(TypeError, match=rf"Odd: expected forward\(self, params, x\) .*, got forward\(self.*{got}"):
        type("Odd", (fn.Layer,), {"forward": namespace["forward"], "__annotations__": {}})


def test_an_overridden_forward_may_not_drop_a_keyword():
    with pytest.raises(TypeError, match="Deaf: expected forward to declare key=None, as the forward of Dropout does"):

        class Deaf(fn.Dropout):
            def forward(self, params, x):
                return super().forward(params, x)


NETWORK = fn.Sequential(Centring(), fn.Dense(4), fn.tanh, fn.Residual(Centring(0.5), fn.Dense(4)), fn.Dense(2))


def trained_state(optimizer, network=NETWORK, steps=5, **settings):
    state = fn.init_state(network, optimizer, KEY, (3,))
    step = fn.train_step(network, fn.quadratic, optimizer, **settings)
    for _ in range(steps):
        state, _ = step(state, (X, Y))
    return state


def means_of(params):
    return [np.asarray(params[0].mean), np.asarray(params[3][0].mean)]


def test_the_statistics_follow_their_formula():
    network = fn.Sequential(Centring(), fn.Dense(2))
    mean = trained_state(fn.sgd(0.0), network, steps=5).params[0].mean
    np.testing.assert_allclose(mean, (1 - 0.9**5) * X.mean(axis=0), rtol=1e-5)


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("gradients", [fn.autodiff, fn.backprop])
def test_no_optimizer_changes_the_statistics(gradients):
    """Decay, momentum and clipping act on what is trained alone."""

    class OnlyStatistics(Centring):
        def backward(self, params, cache, dy):
            gradients, dx = super().backward(params, cache, dy)
            return gradients._replace(shift=jnp.zeros_like(gradients.shift)), dx

    network = fn.Sequential(OnlyStatistics(), fn.Sequential(OnlyStatistics(0.5), fn.Dropout(0.3)))
    y = np.zeros_like(X)
    means = []
    for optimizer in (fn.sgd(0.0), fn.adamw(0.1), fn.momentum(0.1), optax.adamw(0.1, weight_decay=0.5)):
        state = fn.init_state(network, optimizer, KEY, (3,))
        step = fn.train_step(network, fn.quadratic, optimizer, gradients=gradients)
        for _ in range(3):
            state, _ = step(state, (X, y))
        means.append(state.params[0].mean)
    for mean in means[1:]:
        np.testing.assert_array_equal(mean, means[0])


@pytest.mark.parametrize("key", [None, KEY], ids=["evaluation", "training"])
def test_the_statistics_have_no_gradient(key, x64):
    objective = Objective(NETWORK, fn.quadratic, fn.l2(0.1))
    params, _ = NETWORK.init(KEY, (3,), dtype=jnp.float64)
    params = jax.tree.map(lambda leaf: leaf + 0.3, params)
    batch = Batch(jnp.asarray(X, float), jnp.asarray(Y, float), jnp.linspace(0, 1, 12))
    found = objective.statistics(params, batch)
    assert found[0] == type(params[0])(mean=True, shift=False)
    assert sum(jax.tree.leaves(found)) == 2

    @jax.jit
    def both(params):
        return objective.by_hand(params, batch, key), objective.automatic(params, batch, key, in_x=True)

    ((cost, _), (by_hand, dx)), ((same, _), (automatic, automatic_dx)) = both(params)
    assert cost == same
    assert worst_error((by_hand, dx), (automatic, automatic_dx)) <= 1e-14
    for gradients in (by_hand, automatic):
        assert not any(np.any(mean) for mean in means_of(gradients))
        assert np.any(gradients[0].shift) == (key is not None) or key is None


def test_training_learns_the_statistics_and_evaluation_uses_them():
    result = fn.fit(NETWORK, fn.quadratic, fn.adam(0.02), (X, Y), key=KEY, epochs=60, batch_size=5, progress=False)
    assert all(np.abs(mean).max() > 0.1 for mean in means_of(result.params))
    np.testing.assert_allclose(result.params[0].mean, X.mean(axis=0), atol=0.5)
    loss = fn.evaluate(NETWORK, fn.quadratic, result.params, (X, Y))["loss"]
    assert loss < 0.6 * fn.evaluate(NETWORK, fn.quadratic, NETWORK.init(KEY, (3,))[0], (X, Y))["loss"]


class Counting(fn.Layer):
    """A layer that counts its steps, in a field that a penalty would take for weights."""

    dtype: str

    def init(self, key, input_shape, *, dtype=jnp.float32):
        return fn.DenseParams(jnp.zeros((), self.dtype), jnp.ones((), dtype)), input_shape

    def forward(self, params, x):
        return params.bias * x, (params.weight + jnp.ones_like(params.weight), x)

    def backward(self, params, cache, dy):
        return fn.DenseParams(jnp.zeros_like(params.weight), jnp.sum(dy * cache[1])), params.bias * dy

    def learn(self, params, cache):
        return params._replace(weight=cache[0])


@pytest.mark.parametrize("gradients", [fn.autodiff, fn.backprop])
def test_a_statistic_may_be_an_integer(gradients):
    network = fn.Sequential(Counting("int32"), fn.Dense(2))
    count = trained_state(fn.adam(0.1), network, steps=7, gradients=gradients).params[0].weight
    assert (count, count.dtype) == (7, jnp.int32)


@pytest.mark.parametrize("gradients", [fn.autodiff, fn.backprop])
def test_a_statistic_is_not_penalized(gradients):
    network = fn.Sequential(Counting("float32"), fn.Dense(2))
    state = trained_state(fn.adam(0.1), network, steps=7, gradients=gradients, penalty=fn.l2(0.1))
    assert state.params[0].weight == 7
    plain = fn.DenseParams(jnp.float32(0), state.params[0].bias), state.params[1]
    batch = Batch(jnp.asarray(X), jnp.asarray(Y))
    objective = Objective(network, fn.quadratic, fn.l2(1.0))
    assert objective.value(state.params, batch)[0] == objective.value(plain, batch)[0]


def test_a_learn_that_returns_another_structure_is_named():
    class Wrong(Counting):
        def learn(self, params, cache):
            return (params, cache)

    network = fn.Sequential(Wrong("int32"), fn.Dense(2))
    params, _ = network.init(KEY, (3,))
    with pytest.raises(TypeError, match="expected learn to return params like"):
        Objective(network, fn.quadratic).by_hand(params, Batch(jnp.asarray(X), jnp.asarray(Y)))


def test_samples_of_weight_0_fill_a_batch_and_change_nothing(x64):
    params, _ = NETWORK.init(KEY, (3,), dtype=jnp.float64)
    x, y = jnp.asarray(X, float), jnp.asarray(Y, float)
    padded = Batch(jnp.concatenate([x, 100 + x]), jnp.concatenate([y, y]), jnp.repeat(jnp.array([1.0, 0.0]), 12))
    objective = Objective(NETWORK, fn.quadratic)
    (cost, (_, cache)), gradients = objective.by_hand(params, Batch(x, y), KEY)
    (padded_cost, (_, padded_cache)), padded_gradients = objective.by_hand(params, padded, KEY)
    assert worst_error((cost, gradients[0]), (padded_cost, padded_gradients[0])) <= 1e-14
    assert worst_error(NETWORK.learn(params, cache), NETWORK.learn(params, padded_cache)) <= 1e-14


def test_what_cannot_learn_statistics_refuses_them():
    with pytest.raises(TypeError, match="fit_by_search: expected a network without running statistics"):
        fn.fit_by_search(NETWORK, fn.quadratic, fn.genetic(), (X, Y), key=KEY, steps=3)

    def mine(network, loss, *, with_output=False):
        return fn.autodiff(network, loss, with_output=with_output)

    with pytest.raises(
        TypeError,
        match=r"gradients to be fn\.autodiff or fn\.backprop .* running statistics or frozen layers, got mine",
    ):
        fn.train_step(NETWORK, fn.quadratic, fn.sgd(0.1), gradients=mine)
