"""Every schedule beside its closed form in NumPy, and as a pytree and a part of an optimizer's state."""

import copy

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from funcnet import optimizers
from funcnet.optimizers import schedules
from tests import registry

every_schedule = pytest.mark.parametrize(
    ("schedule", "other", "closed_form"), registry.SCHEDULES, ids=map(repr, registry.SCHEDULES)
)
STEPS = np.arange(60)


@every_schedule
def test_a_schedule_follows_its_closed_form(schedule, other, closed_form, x64):
    expected = np.array([closed_form(int(t)) for t in STEPS])
    for curve in (schedule, jax.jit(schedule), jax.vmap(schedule)):
        np.testing.assert_allclose(curve(jnp.asarray(STEPS)), expected, rtol=1e-14, atol=1e-17)
    with jax.enable_x64(False):
        rates = schedule(jnp.asarray(STEPS, jnp.int32))
        assert rates.dtype == np.float32
        np.testing.assert_allclose(rates, expected, rtol=3e-6, atol=1e-8)
        assert schedule(3) == rates[3]
        assert schedule(3).shape == ()


@every_schedule
def test_a_schedule_is_a_pytree_of_its_numbers(schedule, other, closed_form):
    assert jax.tree.structure(schedule) == jax.tree.structure(other)
    assert all(isinstance(leaf, int | float) for leaf in jax.tree.leaves(schedule))
    assert jax.tree.map(lambda leaf: leaf, schedule) == schedule
    hollow = jax.tree.map(lambda leaf: object(), schedule)  # placeholders of transformations are no errors
    assert type(hollow) is type(schedule)
    assert repr(hollow)
    assert repr(jax.tree.map(lambda leaf: np.full(2, leaf), schedule))


@every_schedule
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32, jnp.float64])
def test_its_numbers_are_arrays_in_the_state(schedule, other, closed_form, dtype, x64):
    params = jnp.ones(2, dtype)
    optimizer = optimizers.sgd(schedule)
    state = optimizer.init(params)
    wide = np.dtype(np.float64 if dtype == jnp.float64 else np.float32)
    for number, leaf in zip(jax.tree.leaves(schedule), jax.tree.leaves(state.learning_rate), strict=True):
        assert leaf.dtype == (np.int32 if isinstance(number, int) else wide)
    chex.assert_trees_all_equal_shapes_and_dtypes(state, optimizer.update(params, state, params)[1])
    pointers = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves((state, optimizer.init(params)))]
    assert len(set(pointers)) == len(pointers)


@every_schedule
def test_another_schedule_of_its_kind_or_one_built_anew_compiles_nothing(schedule, other, closed_form):
    chex.clear_trace_counter()
    update = jax.jit(chex.assert_max_traces(optimizers.sgd(schedule).update, n=1))
    params = jnp.ones(3)
    for one in (schedule, other, copy.deepcopy(schedule)):
        state = optimizers.sgd(one).init(params)
        for t in range(12):
            updates, state = update(params, state, params)
            np.testing.assert_allclose(updates, np.full(3, -one(t)), rtol=3e-6)


@every_schedule
def test_a_sweep_of_schedules_is_a_vmap(schedule, other, closed_form):
    swept = jax.tree.map(lambda a, b: jnp.stack([jnp.asarray(a), jnp.asarray(b)]), schedule, other)
    curves = jax.vmap(lambda one: one(jnp.arange(60)))(swept)
    for one, curve in zip((schedule, other), curves, strict=True):
        np.testing.assert_allclose(curve, one(jnp.arange(60)), rtol=1e-6, atol=1e-8)


def test_a_schedule_may_be_built_inside_a_transformation():
    def rates(rate, every):
        schedule = schedules.step_decay(rate, 0.5, every)
        assert repr(schedule)
        state = optimizers.sgd(schedule).init(jnp.ones(1))
        return state.learning_rate(jnp.arange(6)), schedules.cosine(rate, every, final=rate)(2)

    curves, flat = jax.vmap(rates)(jnp.array([0.1, 0.4]), jnp.array([2, 3]))
    np.testing.assert_allclose(curves[0], [0.1, 0.1, 0.05, 0.05, 0.025, 0.025], rtol=1e-6)
    np.testing.assert_allclose(curves[1], [0.4, 0.4, 0.4, 0.2, 0.2, 0.2], rtol=1e-6)
    np.testing.assert_allclose(flat, [0.1, 0.4], rtol=1e-6)


@pytest.mark.parametrize("wide", [False, True], ids=["float32", "float64"])
@pytest.mark.parametrize("steps", [1, 3, 7, 1000, 12345])
def test_the_ends_are_met_exactly(steps, wide):
    """For rates whose sums and differences round."""
    with jax.enable_x64(wide):
        rate, final = jnp.asarray(0.3), jnp.asarray(0.1)
        cosine = schedules.cosine(0.3, steps, 0.1)
        assert cosine(0) == rate
        assert cosine(steps) == cosine(steps + 1) == cosine(2**31 - 1) == final
        assert schedules.cosine(0.3, steps)(steps) == 0
        for warmup in {0, min(1, steps - 1), steps - 1}:
            warm = schedules.warmup_cosine(0.3, warmup, steps, 0.1)
            if warmup:
                np.testing.assert_allclose(warm(0), rate / warmup, rtol=1e-6)
                assert warm(warmup - 1) == rate
            assert warm(warmup) == rate
            assert warm(steps) == warm(steps + 1) == warm(2**31 - 1) == final
        for decay in (schedules.step_decay(0.3, 0.5, steps), schedules.exponential(0.3, 0.5, steps)):
            assert decay(0) == rate
            np.testing.assert_allclose(decay(steps), rate / 2, rtol=1e-6)
        assert schedules.step_decay(0.3, 0.5, steps)(steps - 1) == rate


def test_warmup_of_no_steps_is_a_cosine():
    steps = jnp.arange(30)
    np.testing.assert_array_equal(
        schedules.warmup_cosine(0.3, 0, 20, 0.1)(steps), schedules.cosine(0.3, 20, 0.1)(steps)
    )


def test_funcnet_and_optax_agree_on_schedules(x64, standard_promotion):
    steps = jnp.arange(60)
    pairs = [
        (schedules.cosine(0.3, 40, 0.03), optax.cosine_decay_schedule(0.3, 40, alpha=0.1)),
        (schedules.exponential(0.3, 0.5, 10), optax.exponential_decay(0.3, 10, 0.5)),
        (schedules.step_decay(0.3, 0.5, 10), optax.exponential_decay(0.3, 10, 0.5, staircase=True)),
        (schedules.piecewise([5, 20], [0.4, 0.2, 0.1]), optax.piecewise_constant_schedule(0.4, {5: 0.5, 20: 0.5})),
    ]
    for ours, theirs in pairs:
        expected = jax.jit(jax.vmap(theirs))(steps)
        np.testing.assert_allclose(jax.jit(ours)(steps), expected, rtol=1e-12, atol=1e-16, err_msg=repr(ours))


def test_a_schedule_of_optax_drives_an_optimizer(standard_promotion):
    params, optimizer = jnp.ones(2), optimizers.sgd(optax.cosine_decay_schedule(0.3, 4))
    state, update = optimizer.init(params), jax.jit(optimizer.update)
    for t in range(5):
        updates, state = update(params, state, params)
        np.testing.assert_allclose(-updates[0], schedules.cosine(0.3, 4)(t), rtol=1e-5, atol=1e-8)


def test_integers_among_the_rates_are_real_numbers():
    assert repr(schedules.cosine(1, 10)) == "schedules.cosine(1.0, 10)"
    state = optimizers.sgd(schedules.piecewise([5], [1, np.int64(0)])).init(jnp.ones(1))
    assert [leaf.dtype for leaf in state.learning_rate.rates] == [np.float32, np.float32]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: schedules.constant(-1.0),
            ValueError,
            r"constant: expected learning_rate to be finite and at least 0, got -1\.0",
        ),
        (
            lambda: schedules.constant("0.1"),
            TypeError,
            r"constant: expected learning_rate to be a real number, got '0\.1'",
        ),
        (
            lambda: schedules.constant(schedules.constant(0.1)),
            TypeError,
            "constant: expected learning_rate to be a real number, got a _Constant",
        ),
        (
            lambda: schedules.step_decay(0.1, 0.0, 10),
            ValueError,
            r"step_decay: expected factor to be finite and above 0, got 0\.0",
        ),
        (
            lambda: schedules.step_decay(0.1, 0.5, 0),
            ValueError,
            r"step_decay: expected every to be an integer in \[1, 2147483648\), got 0",
        ),
        (
            lambda: schedules.exponential(0.1, 0.5, 10.0),
            TypeError,
            r"exponential: expected every to be an integer in \[1, 2147483648\), got 10\.0",
        ),
        (
            lambda: schedules.exponential(0.1, float("inf"), 10),
            ValueError,
            "exponential: expected factor to be finite and above 0, got inf",
        ),
        (
            lambda: schedules.cosine(0.1, 2**31),
            ValueError,
            r"cosine: expected steps to be an integer in \[1, 2147483648\), got 2147483648",
        ),
        (
            lambda: schedules.cosine(0.1, True),
            TypeError,
            r"cosine: expected steps to be an integer in \[1, 2147483648\), got True",
        ),
        (
            lambda: schedules.cosine(0.1, np.array([1, 2])),
            TypeError,
            r"cosine: expected steps to be an integer in \[1, 2147483648\), got an array of shape",
        ),
        (
            lambda: schedules.cosine(0.1, 10, final=float("nan")),
            ValueError,
            "cosine: expected final to be finite and at least 0, got nan",
        ),
        (
            lambda: schedules.warmup_cosine(0.1, 10, 10),
            ValueError,
            "warmup_cosine: expected warmup below steps, 10, got 10",
        ),
        (
            lambda: schedules.warmup_cosine(0.1, -1, 10),
            ValueError,
            r"warmup_cosine: expected warmup to be an integer in \[0, 2147483648\), got -1",
        ),
        (
            lambda: schedules.piecewise([10], [0.1]),
            ValueError,
            "piecewise: expected 2 rates, one more than boundaries, got 1",
        ),
        (
            lambda: schedules.piecewise([10, 10], [0.3, 0.2, 0.1]),
            ValueError,
            r"piecewise: expected boundaries\[1\] above the one before, 10, got 10",
        ),
        (
            lambda: schedules.piecewise([0], [0.2, 0.1]),
            ValueError,
            r"piecewise: expected boundaries\[0\] to be an integer in \[1, 2147483648\), got 0",
        ),
        (
            lambda: schedules.piecewise([10], [0.2, -0.1]),
            ValueError,
            r"piecewise: expected rates\[1\] to be finite and at least 0, got -0\.1",
        ),
        (
            lambda: schedules.piecewise(10, [0.2, 0.1]),
            TypeError,
            "piecewise: expected boundaries to be a list or a tuple, got a int",
        ),
    ],
)
def test_wrong_schedules_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_schedule_without_a_call_is_named():
    class Nothing(schedules.Schedule):
        pass

    with pytest.raises(NotImplementedError, match="Nothing has no __call__"):
        Nothing()(0)
