"""What every pair (init, update) keeps to, whatever its rule, and every optimizer with a learning rate."""

import copy
import inspect

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funcnet as fn
from funcnet import optimizers
from tests import registry
from tests.agreement import worst_error
from tests.optimizers import lion
from tests.optimizers.steps import run

every_optimizer = pytest.mark.parametrize("case", registry.OPTIMIZERS, ids=repr)
PAIRS = [*registry.PAIRS, lion.CASE]
every_pair = pytest.mark.parametrize(("pair", "other"), [case[:2] for case in PAIRS], ids=map(repr, PAIRS))


def second_step(pair, params, update=None):
    """Return the updates and the state of a second step, with gradients that are the parameters."""
    update = update or pair.update
    return update(params, update(params, pair.init(params), params)[1], params)


@every_pair
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32, jnp.float64])
def test_the_state_keeps_its_structure_and_dtypes(pair, other, dtype, x64):
    params = {"w": jnp.ones((3, 2), dtype), "b": (jnp.ones(3, dtype), ())}
    state = pair.init(params)
    updates, next_state = pair.update(params, state, params)
    chex.assert_trees_all_equal_shapes_and_dtypes(state, next_state)
    chex.assert_trees_all_equal_shapes_and_dtypes(updates, params)
    chex.assert_trees_all_equal_shapes_and_dtypes(optimizers.apply_updates(params, updates), params)
    numbers = jax.tree.leaves(next_state)
    floats = {leaf.dtype for leaf in numbers if jnp.issubdtype(leaf.dtype, jnp.floating)}
    assert floats == {np.dtype(np.float64 if dtype == jnp.float64 else np.float32)}
    assert {int(leaf) for leaf in numbers if leaf.dtype == np.int32} <= {1}  # the counts of steps


@every_pair
def test_eager_and_compiled_are_the_same(pair, other):
    params = {"w": jnp.linspace(-1, 1, 6).reshape(2, 3)}
    compiled = second_step(pair, params, jax.jit(pair.update))
    chex.assert_trees_all_close(compiled, second_step(pair, params), rtol=1e-5)


@every_pair
def test_mapped_over_a_leading_axis_it_is_the_same(pair, other, x64):
    several = {"w": jax.random.normal(jax.random.key(0), (3, 2, 4)), "b": jnp.arange(3.0)}
    mapped = jax.vmap(lambda params: second_step(pair, params))(several)
    for index in range(3):
        one, params = jax.tree.map(lambda leaf, index=index: leaf[index], (mapped, several))
        assert worst_error(one, second_step(pair, params)) <= 1e-14


@every_pair
def test_another_of_its_kind_or_one_built_anew_compiles_nothing(pair, other):
    chex.clear_trace_counter()

    @chex.assert_max_traces(n=1)
    def step(update, gradients, state, params):
        return update(gradients, state, params)

    compiled, params = jax.jit(step, static_argnums=0), jnp.linspace(-1, 1, 3)
    for one in (pair, other, eval(repr(pair), {**vars(fn), "lion": lion.lion}), copy.deepcopy(other)):
        state = one.init(params)
        chex.assert_trees_all_close(
            compiled(one.update, params, state, params), one.update(params, state, params), rtol=1e-5
        )


@every_pair
def test_no_two_leaves_of_a_state_share_a_buffer(pair, other):
    params = {"a": jnp.ones(3), "b": jnp.ones(3)}
    pointers = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves((pair.init(params), pair.init(params)))]
    assert len(set(pointers)) == len(pointers)


@every_pair
def test_networks_without_parameters_are_no_special_case(pair, other):
    state = pair.init(((), ()))
    updates, next_state = pair.update(((), ()), state, ((), ()))
    assert updates == ((), ())
    chex.assert_trees_all_equal_shapes_and_dtypes(state, next_state)


@every_optimizer
def test_update_is_one_plain_function(case):
    assert case.make(**case.settings).update is case.make(**{**case.settings, "learning_rate": 0.5}).update
    assert inspect.isfunction(case.make(**case.settings).update)


@every_optimizer
def test_a_sweep_of_rates_is_a_vmap(case):
    rates, params = jnp.array([0.001, 0.01, 0.1]), jnp.ones(4)

    def after_one_step(rate):
        optimizer = case.make(**{**case.settings, "learning_rate": rate})
        updates, _ = optimizer.update(params, optimizer.init(params), params)
        return optimizers.apply_updates(params, updates)

    swept = jax.vmap(after_one_step)(rates)
    for rate, theta in zip(rates, swept, strict=True):
        np.testing.assert_allclose(theta, after_one_step(float(rate)), rtol=1e-6)


@every_optimizer
@pytest.mark.parametrize(
    "schedule",
    [
        optimizers.schedules.step_decay(0.01, 0.5, 1),
        jax.tree_util.Partial(lambda rate, step: rate / (1 + step.astype(jnp.float32)), 0.01),
        lambda step: jnp.float32(0.01) / (1 + step.astype(jnp.float32)),
    ],
    ids=["schedule", "partial", "function"],
)
def test_the_learning_rate_may_be_a_schedule(case, schedule):
    optimizer, params = case.make(**{**case.settings, "learning_rate": schedule}), jnp.ones(3)
    state = optimizer.init(params)
    first, state = jax.jit(optimizer.update)(params, state, params)
    constant = case.make(**{**case.settings, "learning_rate": 0.01})
    np.testing.assert_allclose(first, constant.update(params, constant.init(params), params)[0], rtol=1e-6)
    second, _ = optimizer.update(params, state, params)
    expected, _ = constant.update(params, state._replace(learning_rate=jnp.float32(0.005)), params)
    np.testing.assert_allclose(second, expected, rtol=1e-6)


@every_optimizer
def test_a_gradient_of_zero_from_the_start_moves_nothing_but_by_weight_decay(case):
    optimizer, zero = case.make(**{**case.settings, "learning_rate": 0.5}), jnp.zeros(2)
    updates, _ = optimizer.update(zero, optimizer.init(zero), jnp.array([1.0, -2.0]))
    decay = case.settings.get("weight_decay", 0.0)
    np.testing.assert_allclose(updates, [-0.5 * decay, 0.5 * decay * 2], rtol=1e-6)


@every_optimizer
def test_a_state_of_other_parameters_is_named(case):
    optimizer, one, two = case.make(**case.settings), {"w": jnp.ones(2)}, {"w": jnp.ones(2), "b": jnp.ones(1)}
    if case.make is optimizers.sgd:  # whose state knows nothing of the parameters
        return
    with pytest.raises(ValueError, match=r"update: expected parameters and state structured as the gradients, .*'w'"):
        optimizer.update(two, optimizer.init(one), two)


def test_funcnet_and_optax_agree_where_their_rules_do(x64, standard_promotion):
    params, g = jnp.linspace(-1, 1, 5), lambda p, t: p + 0.1 * jnp.sin(1.0 * t)
    rms = {"decay": 0.9, "eps": 1e-8, "eps_in_sqrt": False}
    pairs = [
        (optimizers.sgd(0.1), optax.sgd(0.1)),
        (optimizers.momentum(0.1, 0.9), optax.sgd(0.1, momentum=0.9)),
        (optimizers.nesterov(0.1, 0.9), optax.sgd(0.1, momentum=0.9, nesterov=True)),
        # optax's ε is inside the root: the rules are the same where it is as good as 0.
        (optimizers.adagrad(0.1, 1e-14), optax.adagrad(0.1, initial_accumulator_value=0.0, eps=0.0)),
        (optimizers.rmsprop(0.01, 0.9, 1e-8), optax.rmsprop(0.01, **rms)),
        (
            optimizers.rmsprop_nesterov(0.01, 0.9, 0.8, 1e-8),
            optax.rmsprop(0.01, momentum=0.8, nesterov=True, **rms),
        ),
        (optimizers.adam(0.01, 0.9, 0.999, 1e-8), optax.adam(0.01, b1=0.9, b2=0.999, eps=1e-8)),
        (optimizers.adamw(0.01, 0.9, 0.999, 1e-8, 0.1), optax.adamw(0.01, 0.9, 0.999, eps=1e-8, weight_decay=0.1)),
    ]
    for ours, theirs in pairs:
        np.testing.assert_allclose(
            run(ours, params, g, 50)[0], run(theirs, params, g, 50)[0], rtol=1e-11, err_msg=repr(ours)
        )


def test_adamw_without_the_parameters_says_so():
    optimizer, params = optimizers.adamw(), jnp.ones(2)
    with pytest.raises(TypeError, match=r"adamw: expected params in update\(gradients, state, params\), got None"):
        optimizer.update(params, optimizer.init(params))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optimizers.sgd(-0.1), r"sgd: expected learning_rate to be finite and at least 0, got -0\.1"),
        (lambda: optimizers.sgd(float("nan")), "sgd: expected learning_rate to be finite and at least 0, got nan"),
        (lambda: optimizers.momentum(0.1, 1.0), r"momentum: expected momentum in \[0, 1\), got 1\.0"),
        (lambda: optimizers.nesterov(0.1, -0.1), r"nesterov: expected momentum in \[0, 1\), got -0\.1"),
        (lambda: optimizers.adagrad(0.1, 0.0), r"adagrad: expected epsilon to be finite and above 0, got 0\.0"),
        (lambda: optimizers.rmsprop(0.1, decay=1.5), r"rmsprop: expected decay in \[0, 1\), got 1\.5"),
        (
            lambda: optimizers.rmsprop_nesterov(0.1, momentum=2.0),
            r"rmsprop_nesterov: expected momentum in \[0, 1\), got 2\.0",
        ),
        (lambda: optimizers.adam(0.1, decay1=-0.5), r"adam: expected decay1 in \[0, 1\), got -0\.5"),
        (lambda: optimizers.adam(0.1, decay2=1.0), r"adam: expected decay2 in \[0, 1\), got 1\.0"),
        (lambda: optimizers.adam(0.1, epsilon=0.0), r"adam: expected epsilon to be finite and above 0, got 0\.0"),
        (
            lambda: optimizers.adamw(weight_decay=-1.0),
            r"adamw: expected weight_decay to be finite and at least 0, got -1\.0",
        ),
    ],
)
def test_wrong_hyperparameters_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_hyperparameters_that_are_no_numbers_are_named():
    with pytest.raises(TypeError, match="sgd: expected learning_rate to be a real number, got 'fast'"):
        optimizers.sgd("fast")
    with pytest.raises(TypeError, match="momentum: expected momentum to be a real number, got a _Constant"):
        optimizers.momentum(0.1, optimizers.schedules.constant(0.9))
