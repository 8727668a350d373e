import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funcnet as fn

NETWORK = fn.mlp([3, 4, 2], hidden=fn.tanh)
X = jax.random.normal(jax.random.key(1), (8, 3))
Y = jax.random.uniform(jax.random.key(2), (8, 2))


def start(optimizer, seed=0):
    return fn.init_state(NETWORK, optimizer, jax.random.key(seed), (3,))


@pytest.mark.parametrize("gradients", [fn.autodiff, fn.backprop])
def test_a_step_is_gradient_update_addition(gradients):
    optimizer = fn.momentum(0.1)
    state = start(optimizer)
    next_state, info = fn.train_step(NETWORK, fn.quadratic, optimizer, gradients=gradients)(state, (X, Y))
    cost, grads = jax.jit(fn.autodiff(NETWORK, fn.quadratic))(state.params, X, Y)
    updates, _ = jax.jit(optimizer.update)(grads, state.optimizer_state, state.params)
    chex.assert_trees_all_close(next_state.params, fn.apply_updates(state.params, updates), rtol=1e-5)
    np.testing.assert_allclose(info["loss"], cost, rtol=1e-6)
    assert int(next_state.step) == 1
    assert int(next_state.epoch) == 0


def test_the_old_state_stays_as_it_was():
    optimizer = fn.sgd(0.1)
    state = start(optimizer)
    before = jax.tree.map(np.array, state.params)
    fn.train_step(NETWORK, fn.quadratic, optimizer)(state, (X, Y))
    chex.assert_trees_all_equal(before, jax.tree.map(np.array, state.params))


def test_metrics_are_named_means():
    step = fn.train_step(NETWORK, fn.softmax_cross_entropy, fn.sgd(0.1), metrics=[fn.accuracy])
    state = start(fn.sgd(0.1))
    _, info = step(state, (X, Y))
    right = NETWORK.apply(state.params, X).argmax(axis=1) == Y.argmax(axis=1)
    assert set(info) == {"loss", "accuracy"}
    np.testing.assert_allclose(info["accuracy"], right.mean(), rtol=1e-6)


def test_samples_of_weight_zero_count_for_nothing():
    optimizer = fn.sgd(0.1)
    step = fn.train_step(NETWORK, fn.quadratic, optimizer, metrics=[fn.accuracy])
    weighted = step(start(optimizer), (X, Y, jnp.array([1.0] * 5 + [0.0] * 3)))
    alone = step(start(optimizer), (X[:5], Y[:5]))
    chex.assert_trees_all_close(weighted[0].params, alone[0].params, rtol=1e-5)
    chex.assert_trees_all_close(weighted[1], alone[1], rtol=1e-6)


def test_equal_steps_compile_once():
    traced = chex.assert_max_traces(fn.autodiff, n=1)
    for rate in (0.1, 0.01):
        optimizer = fn.adam(rate)
        network = fn.mlp([3, 4, 2], hidden=fn.tanh)
        step = fn.train_step(network, fn.quadratic, optimizer, gradients=traced)
        state = start(optimizer)
        for _ in range(3):
            state, _ = step(state, (X, Y))


def test_optax_optimizers_train_here_and_ours_train_there(standard_promotion):
    step = fn.train_step(NETWORK, fn.quadratic, optax.adam(0.01, eps=1e-7))
    theirs = start(optax.adam(0.01, eps=1e-7))
    ours = fn.adam(0.01)
    params = start(ours).params
    opt_state = ours.init(params)

    @jax.jit
    def loop_of_theirs(params, opt_state):
        grads = jax.grad(lambda p: fn.quadratic.value(NETWORK.apply(p, X), Y).mean())(params)
        updates, opt_state = ours.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    for _ in range(20):
        theirs, _ = step(theirs, (X, Y))
        params, opt_state = loop_of_theirs(params, opt_state)
    chex.assert_trees_all_close(theirs.params, params, rtol=1e-4, atol=1e-6)


def test_a_wrong_batch_is_named():
    step = fn.train_step(NETWORK, fn.quadratic, fn.sgd(0.1))
    with pytest.raises(TypeError, match=r"train_step: expected a batch \(x, y\) or \(x, y, weights\), got a "):
        step(start(fn.sgd(0.1)), X)
    for weights in (jnp.ones((8, 1)), jnp.ones(1), jnp.ones(4), jnp.float32(1)):
        with pytest.raises(fn.ShapeError, match=r"quadratic: expected weights of shape \(8,\), one per sample, got"):
            step(start(fn.sgd(0.1)), (X, Y, weights))
    with pytest.raises(fn.ShapeError, match=r"quadratic: expected one value per sample: .* batch at least 1, got"):
        step(start(fn.sgd(0.1)), (X[:0], Y[:0]))


def test_a_wrong_state_is_named():
    step = fn.train_step(NETWORK, fn.quadratic, fn.sgd(0.1))
    with pytest.raises(TypeError, match="train_step: expected state made by init_state, got a tuple"):
        step(start(fn.sgd(0.1)).params, (X, Y))


def test_wrong_parts_are_named():
    with pytest.raises(TypeError, match="train_step: expected optimizer to have init and update"):
        fn.train_step(NETWORK, fn.quadratic, fn.adam)
    with pytest.raises(TypeError, match=r"train_step: expected network to be a layer, .* got quadratic"):
        fn.train_step(fn.quadratic, NETWORK, fn.adam(0.1))
    with pytest.raises(TypeError, match="init_state: expected optimizer to have init and update"):
        fn.init_state(NETWORK, fn.adam, jax.random.key(0), (3,))


def test_weights_may_be_a_list():
    step = fn.train_step(NETWORK, fn.quadratic, fn.sgd(0.1))
    listed, none = (step(start(fn.sgd(0.1)), batch)[0].params for batch in ((X, Y, [1.0] * 8), (X, Y)))
    chex.assert_trees_all_close(listed, none, rtol=1e-5)


def test_a_wrong_key_is_named():
    with pytest.raises(TypeError, match=r"init_state: expected key made by jax\.random\.key\(seed\), got 0"):
        fn.init_state(NETWORK, fn.sgd(0.1), 0, (3,))


def step_with(optimizer, batch=(X, Y), **settings):
    return fn.train_step(NETWORK, fn.quadratic, optimizer, **settings), batch


PAIRS = {
    "sgd": fn.sgd,
    "a chain": lambda rate: fn.chain(fn.clip_by_value(1.0), fn.adam(rate)),
    "a schedule": lambda rate: fn.sgd(fn.schedules.cosine(rate, 100)),
    "injected": lambda rate: optax.inject_hyperparams(optax.sgd)(learning_rate=rate),
    "injected, in a dict": lambda rate: optax.multi_transform(
        {"all": optax.inject_hyperparams(optax.sgd)(learning_rate=rate)}, "all"
    ),
    "funcnet's in one of optax": lambda rate: optax.chain(optax.clip(1.0), fn.sgd(rate)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_step_goes_on_with_the_numbers_of_its_optimizer(name, standard_promotion):
    """Also where the state holds others, and inside a compiled program."""
    state = start(PAIRS[name](0.1))
    before = jax.tree.map(np.array, state.params)
    step = fn.train_step(NETWORK, fn.quadratic, PAIRS[name](0.0))
    inside = jax.jit(lambda state: step(state, (X, Y))[0])(state)
    after, _ = step(state, (X, Y))
    chex.assert_trees_all_equal(jax.tree.map(np.array, after.params), before)
    chex.assert_trees_all_equal(jax.tree.map(np.array, inside.params), before)


def test_another_rate_of_a_step_compiles_nothing_and_may_be_mapped():
    traced = chex.assert_max_traces(fn.autodiff, n=2)  # one more for the map
    state = start(fn.sgd(0.1))

    def weights_after(rate):
        step = fn.train_step(NETWORK, fn.quadratic, fn.sgd(rate), gradients=traced)
        return step(state, (X, Y))[0].params[0].weight

    apart = [weights_after(rate) for rate in (0.1, 0.2, 1, np.float32(0.5))]
    np.testing.assert_allclose(jax.vmap(weights_after)(jnp.array([0.1, 0.2])), apart[:2], rtol=1e-6)
    assert not np.allclose(apart[0], apart[1])


@pytest.mark.parametrize(
    ("made", "given", "got"),
    [
        (fn.adam(0.1), fn.momentum(0.1), "a run with momentum, got an optimizer_state AdamState"),
        (optax.adam(0.1), optax.sgd(0.1, momentum=0.9), "got an optimizer_state tuple of the structure .*ScaleByAdam"),
        (optax.adam(0.1, mu_dtype="bfloat16"), optax.adam(0.1), r"optimizer_state\[0\].mu.* of dtype float32, got bfl"),
    ],
)
def test_a_step_refuses_the_state_of_another_optimizer(made, given, got):
    step, batch = step_with(given)
    for state in (start(made), jax.eval_shape(lambda: start(made))):  # known and traced
        with pytest.raises((ValueError, TypeError), match=rf"^train_step: expected .*{got}"):
            jax.eval_shape(step, state, batch)


def test_the_numbers_of_a_step_are_checked_in_the_dtype_of_its_state():
    for dtype in (jnp.float32, jnp.float16, jnp.bfloat16):
        state = fn.init_state(NETWORK, fn.adam(), jax.random.key(0), (3,), dtype=dtype)
        for run in (
            lambda state=state: fn.train_step(NETWORK, fn.quadratic, fn.adam(decay2=0.99999999))(state, (X, Y)),
            lambda state=state: fn.run_epochs(
                NETWORK, fn.quadratic, fn.adam(decay2=0.99999999), state, (np.asarray(X), np.asarray(Y)), epochs=1
            ),
        ):
            with pytest.raises(ValueError, match=r"^adam: expected decay2 in \[0, 1\) as float32, got 0.99999999"):
                run()
    with pytest.raises(ValueError, match=r"^train_step: expected the numbers of l2.* float32 does not round to 0"):
        fn.train_step(NETWORK, fn.quadratic, fn.adam(), penalty=fn.l2(1e-50))(start(fn.adam()), (X, Y))


def test_a_batch_without_weight_changes_nothing_but_the_count_of_steps():
    step, _ = step_with(fn.adamw(0.1, weight_decay=0.1), metrics=[fn.accuracy], penalty=fn.l2(0.1))
    state, _ = step(start(fn.adamw(0.1)), (X, Y))
    after, info = step(state, (X, Y, np.zeros(8, int)))
    chex.assert_trees_all_equal(after.params, state.params)
    chex.assert_trees_all_equal(after.optimizer_state, state.optimizer_state)
    assert (int(after.step), int(after.optimizer_state.step)) == (2, 1)
    assert {name: float(value) for name, value in info.items()} == {"loss": 0.0, "accuracy": 0.0}
    moved, _ = step(after, (X, Y, np.array([1, 0, 0, 0, 0, 0, 0, 0])))
    assert int(moved.optimizer_state.step) == 2


@pytest.mark.parametrize(
    ("weight", "got"), [(-1.0, "-1 at index 7"), (np.nan, "nan at index 7"), (1e39, r"1e\+39 at index 7")]
)
def test_weights_that_are_none_are_named(weight, got):
    step, _ = step_with(fn.sgd(0.1))
    weights = np.array([1.0] * 7 + [weight])
    with pytest.raises(
        ValueError, match=rf"^train_step: expected weights to be at least 0 and finite in .*, got {got}$"
    ):
        step(start(fn.sgd(0.1)), (X, Y, weights))


def test_counts_stay_at_the_largest_integer():
    state = start(fn.adam(0.1))
    last = jnp.int32(2**31 - 1)
    state = state._replace(step=last - 1, epoch=last - 1, optimizer_state=state.optimizer_state._replace(step=last - 1))
    step, batch = step_with(fn.adam(0.1))
    for _ in range(3):
        before, (state, _) = state.params, step(state, batch)
    assert state.step == state.optimizer_state.step == last
    assert not np.allclose(state.params[0].weight, before[0].weight)
    for change, counted in (
        ({"step": last - 3}, "steps in a run, got 2147483648"),
        ({}, "epochs in a run, got 2147483649"),
    ):
        beginning = state._replace(step=jnp.int32(0), epoch=jnp.int32(0))._replace(**(change or {"epoch": last - 2}))
        data, epochs = (np.asarray(X), np.asarray(Y)), 4
        for run in (fn.fit, lambda *parts, state, **rest: fn.run_epochs(*parts[:3], state, *parts[3:], **rest)):
            with pytest.raises(ValueError, match=f"expected at most 2147483647 {counted}: start a new run from"):
                run(NETWORK, fn.quadratic, fn.adam(0.1), data, state=beginning, epochs=epochs)


def own_gradients(change):
    """Return a function like ``fn.autodiff`` whose result is changed."""

    def mine(network, loss, *, with_output):
        def cost_and_gradients(*args, **keywords):
            return change(*fn.autodiff(network, loss, with_output=with_output)(*args, **keywords))

        return cost_and_gradients

    return mine


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c, g: (c, jax.tree.map(jnp.mean, g)), r"gradients\[0\].weight of shape \(4, 3\), got \(\)"),
        (
            lambda c, g: (c, jax.tree.map(lambda each: each.astype("int32"), g)),
            r"gradients\[0\].weight of dtype float32, got",
        ),
        (lambda c, g: (c, [*g]), "gradients of the structure"),
        (lambda c, g: ((c[0][None], c[1]), g), r"a cost of shape \(\) and a floating dtype, got shape \(1,\)"),
    ],
)
def test_ones_own_gradients_are_compared_with_the_parameters(change, words):
    step, batch = step_with(fn.sgd(0.1), gradients=own_gradients(change))
    with pytest.raises((ValueError, TypeError), match=f"^mine: expected {words}"):
        jax.eval_shape(step, start(fn.sgd(0.1)), batch)


def test_an_optimizer_is_needed():
    for pair in (fn.clip_by_global_norm(1.0), fn.chain(fn.clip_by_value(1.0), fn.chain(fn.clip_by_value(2.0)))):
        for where, make in (
            ("train_step", lambda pair=pair: step_with(pair)),
            ("init_state", lambda pair=pair: start(pair)),
            ("fit", lambda pair=pair: fn.fit(NETWORK, fn.quadratic, pair, (X, Y), key=jax.random.key(0), epochs=1)),
            ("restarts", lambda pair=pair: fn.restarts(pair)),
        ):
            with pytest.raises(
                ValueError, match=rf"^{where}: expected an optimizer: one after it in a fn\.chain, got only"
            ):
                make()


def test_a_metric_of_another_length_is_named():
    def short(prediction, target):
        return jnp.ones(1)

    step, batch = step_with(fn.sgd(0.1), metrics=[short])
    with pytest.raises(fn.ShapeError, match=r"^short: expected one value per sample: shape \(8,\), got \(1,\)"):
        step(start(fn.sgd(0.1)), batch)
