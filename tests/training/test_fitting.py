import warnings

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funcnet as fn
from funcnet.training.batches import random_order
from tests.training.small_run import HELD_OUT, NETWORK, X, Y, fit


class Compilations:
    """Counts the programs that XLA compiles while it is listening."""

    def __enter__(self):
        self.names = []
        self.listener = lambda event, duration_secs, **kwargs: (
            self.names.append(kwargs.get("fun_name")) if event.endswith("backend_compile_duration") else None
        )
        jax.monitoring.register_event_duration_secs_listener(self.listener)
        return self

    def __exit__(self, *_):
        jax.monitoring.unregister_event_duration_listener(self.listener)


def test_it_learns():
    result = fit(epochs=100, optimizer=fn.adam(0.05))
    assert result.history["accuracy"][-1] == 1.0
    assert result.history["loss"][-1] < 0.1 * result.history["loss"][0]
    assert result.reason == "completed"


def test_a_run_goes_on_with_the_hyperparameters_it_is_given_now():
    first = fit(epochs=3)
    still = fit(epochs=3, key=None, state=first.state, optimizer=fn.adam(0.0))
    chex.assert_trees_all_equal(still.params, first.params)
    assert int(still.state.step) == 30


def test_a_chain_goes_on_with_the_hyperparameters_it_is_given_now():
    first = fit(epochs=3, optimizer=fn.optimizers.chain(fn.optimizers.clip_by_global_norm(1.0), fn.adam(0.1)))
    slow = fn.optimizers.chain(fn.optimizers.clip_by_global_norm(1.0), fn.adam(0.0))
    still = fit(epochs=3, key=None, state=first.state, optimizer=slow)
    chex.assert_trees_all_equal(still.params, first.params)


@pytest.mark.parametrize("other", [fn.sgd(0.1), fn.rmsprop(0.1), fn.momentum(0.1)], ids=repr)
def test_a_run_does_not_go_on_with_another_optimizer(other):
    state = fit(epochs=1).state
    with pytest.raises(
        ValueError, match=r"fit: expected the state of a run with \w+\(.*, got an optimizer_state AdamState"
    ):
        fit(key=None, state=state, optimizer=other)


def test_a_run_does_not_go_on_with_another_network():
    state, wide, deep = fit(epochs=1).state, fn.mlp([3, 6, 2], hidden=fn.tanh), fn.mlp([3, 5, 5, 2])
    with pytest.raises(ValueError, match=r"fit: expected params\[0\]\.weight of shape \(6, 3\), as .*, got \(5, 3\)"):
        fit(key=None, state=state, network=wide)
    with pytest.raises(ValueError, match=r"fit: expected params as Sequential\(.*\) has them, got the tree"):
        fit(key=None, state=state, network=deep)
    with pytest.raises(ValueError, match=r"fit: expected params\[0\]\.weight of shape \(6, 3\)"):
        fit(params=state.params, network=wide)


def test_given_parameters_are_where_it_starts_and_stay_as_they_were():
    params, _ = NETWORK.init(jax.random.key(0), (3,))
    before = jax.tree.map(np.array, params)
    from_params, from_key = fit(params=params), fit()
    chex.assert_trees_all_equal(from_params.params, from_key.params)
    chex.assert_trees_all_equal(before, jax.tree.map(np.array, params))


@pytest.mark.filterwarnings("ignore:fit. batch_size 100 is larger than the 23 samples:UserWarning")
@pytest.mark.parametrize("batch_size", [1, 4, 5, 22, 23, 32, 100, None])
def test_the_loss_of_an_epoch_is_the_mean_over_all_samples(batch_size):
    result = fit(optimizer=fn.sgd(0.0), batch_size=batch_size, epochs=2)
    weight, bias = (np.asarray(result.params[0][i], np.float64) for i in (0, 1))
    hidden = np.tanh(X @ weight.T + bias)
    logits = hidden @ np.asarray(result.params[2].weight, np.float64).T + np.asarray(result.params[2].bias, np.float64)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(result.history["loss"], -(Y * log_p).sum(axis=1).mean(), rtol=1e-6)
    np.testing.assert_allclose(
        result.history["accuracy"], (logits.argmax(axis=1) == Y.argmax(axis=1)).mean(), rtol=1e-6
    )


def test_an_epoch_of_many_small_batches_is_as_exact_as_one_of_few():
    x = np.linspace(-1, 1, 100_001, dtype=np.float32)[:, None]
    y = np.full_like(x, 3.1)
    params = (fn.DenseParams(jnp.zeros((1, 1)), jnp.zeros(1)),)
    result = fn.fit(fn.mlp([1, 1]), fn.quadratic, fn.sgd(0.0), (x, y), key=jax.random.key(0), epochs=1,
                    batch_size=1, params=params, progress=False)  # fmt: skip
    np.testing.assert_allclose(result.history["loss"], 0.5 * np.float64(np.float32(3.1)) ** 2, rtol=1e-6)


@pytest.mark.parametrize("batch_size", [4, 5, 23])
def test_every_sample_is_met_once_an_epoch_in_another_order(batch_size):
    """With sgd on a linear loss the parameters after an epoch count the samples that were met."""

    class Sum(fn.Loss):
        def value(self, output, target):
            return jnp.sum(output * target, axis=-1)

        def gradient(self, output, target):
            return target

    x, y = np.eye(23, dtype=np.float32), np.ones((23, 1), np.float32)
    params = (fn.DenseParams(jnp.zeros((1, 23)), jnp.zeros(1)),)
    result = fn.fit(fn.mlp([23, 1]), Sum(), fn.sgd(1.0), (x, y), key=jax.random.key(0), epochs=1,
                    batch_size=batch_size, params=params, progress=False)  # fmt: skip
    met = -np.asarray(result.params[0].weight[0])  # each sample's share of its batch's mean
    partial = 23 % batch_size
    shares = [1 / batch_size] * (23 - partial) + [1 / (partial or 1)] * partial
    np.testing.assert_allclose(sorted(met), sorted(shares), rtol=1e-6)
    if partial and batch_size > 4:
        assert set(np.flatnonzero(met > 1.5 / batch_size)) != set(range(23 - partial, 23))


def test_a_partial_last_batch_is_weighted_right():
    """The run equals a plain loop over the same batches with the partial batch as it is."""
    rate, state = 0.5, fn.init_state(NETWORK, fn.sgd(0.5), jax.random.key(3), (3,))
    result = fit(optimizer=fn.sgd(rate), key=jax.random.key(3), epochs=2, batch_size=5)
    params, gradients = state.params, jax.jit(fn.autodiff(NETWORK, fn.softmax_cross_entropy))
    for epoch in range(2):
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(3), 2**31), epoch)
        order = np.asarray(random_order(key, 23))
        for start in range(0, 23, 5):
            rows = order[start : start + 5]
            _, grads = gradients(params, jnp.asarray(X[rows]), jnp.asarray(Y[rows]))
            params = jax.tree.map(lambda p, g: p - rate * g, params, grads)
    chex.assert_trees_all_close(result.params, params, rtol=1e-5, atol=1e-6)


def test_a_second_fit_compiles_nothing():
    fit()
    with Compilations() as compiled:
        fit(optimizer=fn.adam(0.02), network=fn.mlp([3, 5, 2], hidden=fn.tanh), epochs=3, key=jax.random.key(5))
    assert compiled.names == []


@pytest.mark.parametrize("epochs", [np.int64(3), np.int32(3), 3])
def test_the_type_of_a_count_compiles_nothing(epochs):
    fit()
    with Compilations() as compiled:
        fit(epochs=epochs)
    assert compiled.names == []


def test_weakly_typed_parameters_compile_once():
    class Gain(fn.Layer):
        def init(self, key, input_shape, *, dtype=jnp.float32):
            return jnp.asarray(1.0), input_shape

        def forward(self, params, x, *, key=None):
            return params * x, x

        def backward(self, params, cache, dy):
            return jnp.sum(dy * cache), params * dy

    with Compilations() as compiled:
        fit(network=fn.Sequential(fn.Dense(2), Gain()), epochs=40)
    assert compiled.names.count("jit(_compiled_epochs)") == 1


def test_a_partial_last_batch_costs_no_second_compilation():
    with Compilations() as compiled:
        fit(network=fn.mlp([3, 6, 2]), batch_size=5)  # four full batches, and three samples
    assert compiled.names.count("jit(_compiled_epochs)") == 1
    assert compiled.names.count("jit(_compiled_step)") == 0


def test_the_gradients_are_traced_once_whatever_the_batches():
    traced = chex.assert_max_traces(fn.autodiff, n=1)
    fit(gradients=traced, epochs=3)
    fit(gradients=traced, epochs=7)


def test_both_routes_of_gradients_train_alike():
    by_hand, automatic = fit(gradients=fn.backprop), fit(gradients=fn.autodiff)
    chex.assert_trees_all_close(by_hand.params, automatic.params, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(by_hand.history["loss"], automatic.history["loss"], rtol=1e-5)


def test_an_optax_optimizer_trains(standard_promotion):
    result = fit(optimizer=optax.adam(0.05), epochs=100)
    assert result.history["accuracy"][-1] == 1.0


def test_our_adam_in_a_loop_of_optax_gives_what_fit_gives():
    optimizer = fn.adam(0.01)
    params, _ = NETWORK.init(jax.random.key(0), (3,))
    state = optimizer.init(params)

    @jax.jit
    def step(params, state):
        grads = jax.grad(lambda p: fn.softmax_cross_entropy.value(NETWORK.apply(p, X), Y).mean())(params)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    for _ in range(10):
        params, state = step(params, state)
    chex.assert_trees_all_close(fit(batch_size=None, epochs=10).params, params, rtol=1e-5, atol=1e-6)


def test_validation_is_of_the_parameters_that_the_epoch_ended_on():
    result = fit()
    means = fn.evaluate(NETWORK, fn.softmax_cross_entropy, result.params, HELD_OUT, metrics=[fn.accuracy])
    np.testing.assert_allclose(result.history["val_loss"][-1], means["loss"], rtol=1e-6)
    np.testing.assert_allclose(result.history["val_accuracy"][-1], means["accuracy"], rtol=1e-6)


def test_the_history_is_complete_and_in_order():
    assert list(fit().history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert list(fit(metrics=[], validation=None).history) == ["loss"]
    assert all(column.shape == (6,) for column in fit().history.values())


def test_more_epochs_than_one_call_holds():
    result = fit(epochs=2500, batch_size=None, validation=None, metrics=[])
    assert result.history["loss"].shape == (2500,)
    assert np.isfinite(result.history["loss"]).all()
    assert int(result.state.step) == 2500


def test_a_diverging_run_ends_with_a_named_reason():
    with pytest.warns(RuntimeWarning, match=r"fit: non-finite loss in epoch \d+: training ended"):
        result = fit(loss=fn.quadratic, optimizer=fn.sgd(1e20), epochs=50)
    assert result.reason == "non-finite loss"
    losses = result.history["loss"]
    assert len(losses) < 50
    assert np.isfinite(losses[:-1]).all()
    assert not np.isfinite(losses[-1])


def test_parameters_that_diverge_in_the_last_step_are_noticed():
    with pytest.warns(RuntimeWarning, match="fit: non-finite parameters in epoch 1: training ended there"):
        result = fit(
            network=fn.mlp([3, 2]),
            loss=fn.quadratic,
            optimizer=fn.sgd(1e38),
            data=(1e3 * X, Y),
            epochs=1,
            batch_size=None,
            validation=None,
        )
    assert np.isfinite(result.history["loss"]).all()
    assert result.reason == "non-finite parameters"


def test_the_epoch_of_a_reason_is_that_of_the_whole_run():
    state = fit(epochs=5, loss=fn.quadratic, optimizer=fn.sgd(0.0)).state
    with pytest.warns(RuntimeWarning, match=r"fit: non-finite loss in epoch 6: training ended there"):
        fit(loss=fn.quadratic, optimizer=fn.sgd(1e30), key=None, state=state, network=NETWORK)


def test_a_run_can_end_on_its_last_epoch_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit(epochs=1).reason == "completed"


@pytest.mark.parametrize("dtype", ["bfloat16", "float64"])
def test_the_dtype_of_the_parameters_is_kept(dtype, x64):
    params, _ = NETWORK.init(jax.random.key(0), (3,), dtype=dtype)
    result = fit(params=params)
    chex.assert_trees_all_equal_shapes_and_dtypes(result.params, params)
    assert result.history["loss"].dtype == {"bfloat16": np.float32, "float64": np.float64}[dtype]


def test_float64_data_trains_a_float32_network():
    chex.assert_trees_all_equal(fit(data=(X.astype(np.float64), Y.astype(np.int64))).params, fit().params)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"data": (X[:0], Y[:0])}, ValueError, r"fit: expected x with at least one row, got shape \(0, 3\)"),
        ({"data": (X, Y[:5])}, ValueError, "fit: expected as many rows in y as in x, got 5 for 23"),
        ({"data": (X.astype(np.uint8), Y)}, TypeError, "fit: expected x of a floating dtype, got uint8: convert"),
        ({"data": (X * np.nan, Y)}, ValueError, r"fit: expected x to be finite in float32, got nan at index \(0, 0\)"),
        ({"data": (X, Y + np.inf)}, ValueError, "fit: expected y to be finite in float32, got"),
        ({"data": (X.astype(np.float64) * 1e300, Y)}, ValueError, "expected x to be finite in float32"),
        (
            {"data": (X, Y.argmax(axis=1)), "loss": fn.quadratic},
            ValueError,
            r"expected y of shape \(n, outputs\), got \(23,\): use fn\.data\.one_hot",
        ),
        ({"data": (X, Y[:, :1])}, ValueError, r"expected target of the output's shape \(5, 2\), got \(5, 1\)"),
        ({"data": X}, TypeError, r"fit: expected data \(x, y\) or \(x, y, weights\), got ndarray"),
        ({"data": (X.astype(object), Y)}, TypeError, "fit: expected x to be an array of numbers, got dtype object"),
        ({"data": (X.astype(complex), Y)}, TypeError, "fit: expected x of a real dtype, got complex128"),
        (
            {"data": (X[:, :2], Y), "validation": None},
            ValueError,
            r"\(layer 0\): expected an input of shape \(3,\), got \(2,\)",
        ),
        ({"validation": (X[:, :2], Y)}, ValueError, r"fit \(validation\): expected x of shape \(n, 3\), got \(23, 2\)"),
        ({"validation": (X, Y[:2])}, ValueError, r"fit \(validation\): expected as many rows in y as in x"),
        ({"epochs": 0}, ValueError, "fit: expected epochs to be an integer of at least 1, got 0"),
        ({"epochs": 1.5}, TypeError, r"fit: expected epochs to be an integer of at least 1, got 1\.5"),
        ({"batch_size": 0}, ValueError, "expected batch_size to be an integer of at least 1, got 0"),
        ({"key": 0}, TypeError, r"fit: expected key made by jax\.random\.key\(seed\), got 0"),
        ({"key": None}, ValueError, r"fit: expected key= \(and optionally params=\), or state= alone"),
        ({"network": "mlp"}, TypeError, "fit: expected network to be a layer, .* got 'mlp'"),
        ({"loss": "mse"}, TypeError, "fit: expected loss to be a loss, such as .* got 'mse'"),
        ({"optimizer": fn.adam}, TypeError, "fit: expected optimizer to have init and update"),
        ({"metrics": ["accuracy"]}, TypeError, "fit: expected metrics to be functions .* got 'accuracy'"),
        ({"metrics": fn.accuracy}, TypeError, "fit: expected metrics to be a list of functions .*, got <function"),
        ({"metrics": [lambda p, t: p - t]}, ValueError, r"<lambda>: expected one value per sample.* got \(5, 2\)"),
        ({"metrics": [lambda p, t: jnp.mean(p)]}, ValueError, r"<lambda>: expected one value per sample.* got \(\)"),
        ({"gradients": "backprop"}, TypeError, r"fit: expected gradients to be fn\.autodiff, .* got 'backprop'"),
        ({"state": "a", "key": None}, ValueError, r"or state= alone, the \.state of an earlier result"),
        ({"params": [1, 2]}, ValueError, "fit: expected params as Sequential"),
        ({"data": (X, Y, Y)}, ValueError, r"fit: expected weights of shape \(23,\), one per sample, got \(23, 2\)"),
        ({"metrics": [fn.accuracy] * 2}, ValueError, "fit: expected metrics of different names"),
    ],
)
def test_what_cannot_be_trained_is_named(changes, error, message):
    with pytest.raises(error, match=message):
        fit(**changes)
