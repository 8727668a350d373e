"""An optimizer made from its equation: what people see of it, what it refuses, and one that a user writes."""

import doctest
import inspect
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funcnet as fn
from funcnet import optimizers
from funcnet.optimizers import (
    LearningRate,
    adaptive,
    from_equation,
    from_transformation,
    gradient_descent,
    nesterov_momentum,
    schedules,
)
from tests import registry
from tests.optimizers.lion import lion
from tests.optimizers.steps import run

every_optimizer = pytest.mark.parametrize("case", registry.OPTIMIZERS, ids=repr)


def test_an_optimizer_of_ones_own_is_like_the_others(x64, standard_promotion):
    params, g = jnp.linspace(-1, 1, 5), lambda p, t: p + 0.1 * jnp.sin(1.0 * t)
    np.testing.assert_allclose(run(lion(0.01), params, g, 50)[0], run(optax.lion(0.01), params, g, 50)[0], rtol=1e-11)
    assert repr(lion(0.01)) == "lion(learning_rate=0.01, decay1=0.9, decay2=0.99, weight_decay=0.001)"
    assert lion(0.01) == lion(0.01) != lion(0.02)
    assert lion(0.01).update is lion(schedules.constant(0.01)).update
    assert type(lion(0.01).init(params)).__name__ == "LionState"
    assert fn.check_optimizer(lion(0.01)).ok
    with pytest.raises(ValueError, match=r"^lion: expected decay1 in \[0, 1\), got 1\.0$"):
        lion(decay1=1.0)
    with pytest.raises(TypeError, match=r"^lion: expected params in update\(gradients, state, params\), got None$"):
        lion().update(params, lion().init(params))


FIELDS = {
    "sgd": "step learning_rate",
    "momentum": "step learning_rate momentum velocity",
    "nesterov": "step learning_rate momentum velocity",
    "adagrad": "step learning_rate epsilon sum_of_squares",
    "rmsprop": "step learning_rate decay epsilon mean_square",
    "rmsprop_nesterov": "step learning_rate decay momentum epsilon mean_square velocity",
    "adam": "step learning_rate decay1 decay2 epsilon mean mean_square",
    "adamw": "step learning_rate decay1 decay2 epsilon weight_decay mean mean_square",
}
STATES = [
    optimizers.SGDState, optimizers.MomentumState, optimizers.NesterovState, optimizers.AdaGradState,
    optimizers.RMSPropState, optimizers.RMSPropNesterovState, optimizers.AdamState, optimizers.AdamWState,
]  # fmt: skip


@pytest.mark.parametrize(("case", "state_type"), [*zip(registry.OPTIMIZERS, STATES, strict=True)], ids=repr)
def test_the_state_is_a_public_named_tuple_whose_fields_stay(case, state_type):
    state = case.make(**case.settings).init(jnp.ones(2))
    assert type(state) is state_type is getattr(optimizers, state_type.__name__)
    assert " ".join(state._fields) == FIELDS[repr(case)]
    assert all(f"    {field}: " in state_type.__doc__ for field in state._fields)


@every_optimizer
def test_people_see_names_defaults_ranges_and_the_docstring(case):
    signature = inspect.signature(case.make)
    assert set(signature.parameters) == set(case.settings)
    assert signature.return_annotation is optimizers.Optimizer
    assert "Annotated" in str(signature)
    with pytest.raises(TypeError, match=rf"^{case}\(\) got an unexpected keyword argument 'rate'$"):
        case.make(0.1, rate=1)
    assert repr(case.make(0.1)).startswith(f"{case}(learning_rate=0.1")


def test_the_examples_of_all_optimizers_run_as_doctests():
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = {
        test.name.rpartition(".")[2]
        for module in (adaptive, gradient_descent, nesterov_momentum)
        for test in finder.find(module)
        if test.examples
    }
    assert {repr(case) for case in registry.OPTIMIZERS} <= found


@pytest.mark.parametrize("pair", [*registry.PAIRS[:-1], *registry.SEARCHES], ids=repr)
def test_pairs_and_their_states_can_be_pickled(pair):
    pair = getattr(pair, "pair", pair)
    assert pickle.loads(pickle.dumps(pair)) == pair
    if isinstance(pair, optimizers.Optimizer):
        state = pair.init(jnp.ones(2))
        assert type(pickle.loads(pickle.dumps(state))) is type(state)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: fn.adam(1e-3, decay2=0.99999999), r"adam: .*decay2 in \[0, 1\) as float32, got 0.99999999, .* to 1.0"),
        (lambda: fn.rmsprop(1e-3, decay=0.99999999), r"rmsprop: .*decay in \[0, 1\) as float32"),
        (lambda: fn.momentum(1e-3, 0.99999999), r"momentum: .*momentum in \[0, 1\) as float32"),
        (lambda: fn.sgd(1e-50), "sgd: expected learning_rate that float32 does not round to 0, got 1e-50"),
        (lambda: fn.sgd(1e39), "sgd: expected learning_rate to be finite and at least 0 as float32, got 1e.39"),
        (lambda: fn.sgd(schedules.cosine(1e-50, 10)), "sgd: expected learning_rate that float32 does not round to 0"),
        (lambda: fn.adam(epsilon=1e-40), "adam: expected epsilon that float32 does not round to 0, got 1e-40"),
        (lambda: fn.adamw(weight_decay=1e-60), "adamw: expected weight_decay that float32 does not round to 0"),
        (lambda: fn.clip_by_value(1e-60), "clip_by_value: expected limit that float32 does not round to 0"),
    ],
)
def test_hyperparameters_are_checked_as_the_numbers_that_they_become(make, expected, x64):
    optimizer = make()
    optimizer.init(jnp.ones(2, jnp.float64))
    for params in (jnp.ones(2, jnp.bfloat16), (jnp.ones(2, jnp.float64), jnp.ones(2, jnp.float32)), ()):
        with pytest.raises(ValueError, match=f"^{expected}"):
            optimizer.init(params)
    with pytest.raises(ValueError, match=f"^{expected}"):
        jax.eval_shape(optimizer.init, jnp.ones(2, jnp.float32))


def test_numbers_that_mean_to_be_at_the_edge_of_their_range_pass():
    params = jnp.ones(2)
    for optimizer in (fn.sgd(0.0), fn.momentum(0.1, 0.0), fn.adamw(weight_decay=0.0), fn.clip_by_value(float("inf"))):
        optimizer.init(params)
    fn.sgd(lambda step: 0.1).init(params)


def test_an_accumulator_starts_as_the_rule_says():
    @from_equation(sum_of_squares=0.1, slow=lambda theta: theta / 2)
    def rule(g, at, learning_rate: LearningRate):
        return -learning_rate * g, {"sum_of_squares": at.sum_of_squares + g * g, "slow": at.slow}

    params = {"w": jnp.array([1.0, 2.0], jnp.bfloat16)}
    state = rule(0.1).init(params)
    np.testing.assert_array_equal(state.sum_of_squares["w"], np.float32([0.1, 0.1]))
    np.testing.assert_array_equal(state.slow["w"], np.float32([0.5, 1.0]))
    assert state.slow["w"].dtype == jnp.float32
    assert fn.check_optimizer(rule(0.1)).ok


def test_an_equation_that_cannot_become_an_optimizer_is_refused_where_it_is_defined():
    with pytest.raises(TypeError, match=r"^rule: expected rate annotated with its range, .*, got None"):

        @from_equation()
        def rule(g, at, rate): ...

    for name in ("t", "theta", "step", "settings", "rate"):
        in_use = "names in use: step, t, theta, settings, rate"
        with pytest.raises(ValueError, match=rf"^rule: the accumulator name '{name}' is in use; {in_use}$"):

            @from_equation(mean=0.0, **{name: 0.0})
            def rule(g, at, rate: LearningRate): ...

    with pytest.raises(ValueError, match=r"^rule: the accumulator name '_hidden' begins with an underscore$"):

        @from_equation(mean=0.0, _hidden=0.0)
        def rule(g, at, rate: LearningRate): ...

    def named(name):
        exec(f"def rule(g, at, {name}: LearningRate): ...", {"LearningRate": LearningRate}, made := {})
        return made["rule"]

    for name in ("step", "params", "settings"):
        in_use = "names in use: step, params, settings"
        with pytest.raises(ValueError, match=rf"^rule: the parameter name '{name}' is in use; {in_use}$"):
            from_equation()(named(name))
    with pytest.raises(ValueError, match=r"^rule: the parameter name '_rate' begins with an underscore$"):
        from_equation()(named("_rate"))
    with pytest.raises(ValueError, match=r"^scaled: the parameter name 'params' is in use; .*: params, settings$"):

        @from_transformation()
        def scaled(gradients, params: LearningRate): ...

    for decorator in (from_equation, from_transformation):
        name = decorator.__name__
        expected = rf"^{name}: expected @{name}\(\) with parentheses, got @{name} on the function rule$"
        with pytest.raises(TypeError, match=expected):

            @decorator
            def rule(g, at, rate: LearningRate): ...

        with pytest.raises(TypeError, match=rf"^{name}: expected state_name to be a str, got 3$"):
            decorator(3)


TUPLE = r"the tuple \(update, \{accumulator: new value\}\) of arrays from the equation"


def returning(result):
    @from_equation(mean=0.0)
    def rule(g, at, rate: LearningRate):
        return result(g, at)

    return rule(0.1)


@pytest.mark.parametrize(
    ("result", "error", "words"),
    [
        (lambda g, at: -g, TypeError, rf"{TUPLE}, got an array$"),
        (lambda g, at: None, TypeError, rf"{TUPLE}, got None$"),
        (lambda g, at: (), TypeError, rf"{TUPLE}, got a tuple$"),
        (lambda g, at: [g, {"mean": g}], TypeError, rf"{TUPLE}, got a list$"),
        (lambda g, at: (g, at.mean), TypeError, rf"{TUPLE}, got a tuple of an array, an array$"),
        (lambda g, at: (g, {}, 1), TypeError, rf"{TUPLE}, got a tuple of an array, a dict, an int$"),
        (lambda g, at: (0.0, {"mean": g}), TypeError, rf"{TUPLE}, got a tuple of a float, a dict$"),
        (lambda g, at: (g, {"mean": 0.0}), TypeError, r"the new mean from the equation to be an array, got a float$"),
        (lambda g, at: (g, {"means": at.mean}), ValueError, r"the accumulators \['mean'\] .*, got \['means'\]$"),
        (lambda g, at: (g, {}), ValueError, r"the accumulators \['mean'\] from the equation, got \[\]$"),
    ],
)
def test_what_an_equation_returns_is_checked(result, error, words):
    optimizer = returning(result)
    with pytest.raises(error, match=f"^rule: expected {words}"):
        optimizer.update(jnp.ones(2), optimizer.init(jnp.ones(2)))


def test_a_schedule_that_does_not_return_a_real_number_is_named():
    for rate, got in (("fast", "'fast'"), (None, "None"), (1j, "complex128")):
        optimizer = fn.sgd(lambda step, rate=rate: rate)
        with pytest.raises(TypeError, match=rf"^sgd: expected the result of the schedule learning_rate .*, got {got}$"):
            optimizer.update(jnp.ones(2), optimizer.init(jnp.ones(2)))


@pytest.mark.parametrize("number", [2, 2.0, 10**10, np.float64(2), np.float32(2), jnp.float32(2), jnp.int32(2)])
def test_every_number_becomes_an_array_with_its_own_buffer(number):
    states = [fn.sgd(number).init(jnp.ones(2)) for _ in range(2)]
    forms = {(str(state.learning_rate.dtype), state.learning_rate.weak_type) for state in states}
    assert forms == {("float32", False)}
    assert float(states[0].learning_rate) == float(number)
    arrays = [state.learning_rate for state in states] + [number] * isinstance(number, jax.Array)
    assert len({array.unsafe_buffer_pointer() for array in arrays}) == len(arrays)


def test_a_missing_hyperparameter_is_named():
    with pytest.raises(TypeError, match=r"^sgd\(\) missing a required argument: 'learning_rate'"):
        fn.sgd()


def test_a_function_that_makes_optimizers_is_not_a_pair():
    with pytest.raises(TypeError, match=r"expected optimizer to have init and update, .*, got a function"):
        fn.check_optimizer(fn.adam)


def test_the_parameters_may_have_another_structure_where_the_rule_does_not_read_them():
    optimizer, gradients = fn.adam(), [jnp.ones(2)]
    state = optimizer.init(gradients)
    optimizer.update(gradients, state, (jnp.ones(2),))
    with pytest.raises(ValueError, match="update: expected parameters and state structured as the gradients"):
        fn.adamw().update(gradients, fn.adamw().init(gradients), (jnp.ones(2),))


@pytest.mark.parametrize("make", [fn.sgd, fn.adam, fn.clip_by_value, fn.clip_by_global_norm])
def test_gradients_that_are_not_floating_are_refused(make):
    optimizer, params = make(0.1), jnp.ones(2)
    for given in (None, params):
        for gradients in (jnp.array([1, 2]), jnp.array([True, False]), jnp.array([1j, 2])):
            with pytest.raises(fn.DtypeError, match=r"^[a-z_]+: expected gradients of a floating dtype, got"):
                optimizer.update(gradients, optimizer.init(params), given)


def test_an_integer_parameter_is_not_trained():
    params = {"count": jnp.array([7, 8]), "w": jnp.ones(2)}
    optimizer = fn.adamw(1.0, weight_decay=1.0)
    updates, _ = optimizer.update(params, optimizer.init(params), params)
    np.testing.assert_array_equal(fn.apply_updates(params, updates)["count"], [7, 8])


@pytest.mark.parametrize("make", [fn.momentum, fn.adam, fn.adamw])
def test_gradients_of_another_shape_than_the_parameters_are_refused(make):
    optimizer, params = make(0.1), {"w": jnp.ones(2)}
    for shape in ((5, 2), (1,), ()):
        with pytest.raises(
            fn.ShapeError, match=r"^update: expected gradients\['w'\] of shape \(2,\), as the parameters"
        ):
            optimizer.update({"w": jnp.ones(shape)}, optimizer.init(params), params)


@pytest.mark.parametrize(
    ("updates", "words"),
    [
        ({"w": np.ones((5, 2), "f")}, r"updates\['w'\] of shape \(2,\), got \(5, 2\)"),
        ({"w": np.float32(1)}, r"updates\['w'\] of shape \(2,\), got \(\)"),
        ({"w": np.ones(2, int)}, r"updates\['w'\] of a floating dtype, got int"),
        ({"w": np.ones(2, "F")}, r"updates\['w'\] of a floating dtype, got complex64"),
        ([np.ones(2, "f")], "updates of the structure"),
    ],
)
def test_updates_are_compared_with_the_parameters(updates, words):
    with pytest.raises((ValueError, TypeError), match=f"^apply_updates: expected {words}"):
        fn.apply_updates({"w": jnp.ones(2)}, updates)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (lambda g, at: (jnp.sum(g), {"mean": g}), r"the update from the equation of shape \(2,\), got \(\)"),
        (lambda g, at: (g, {"mean": jnp.sum(g)}), r"the new mean from the equation of shape \(2,\), got \(\)"),
        (lambda g, at: (g.astype("int32"), {"mean": g}), "the update from the equation of a floating dtype, got int32"),
    ],
)
def test_what_an_equation_returns_has_the_gradients_form(result, words):
    optimizer = returning(result)
    with pytest.raises((ValueError, TypeError), match=f"^rule: expected {words}"):
        optimizer.update(jnp.ones(2), optimizer.init(jnp.ones(2)))

    @from_transformation()
    def total(gradients, limit: LearningRate):
        return jnp.sum(gradients)

    with pytest.raises(fn.ShapeError, match=r"^total: expected result of shape \(2,\), got \(\)"):
        total(0.1).update(jnp.ones(2), total(0.1).init(jnp.ones(2)))


@pytest.mark.parametrize("case", registry.OPTIMIZERS, ids=repr)
def test_the_count_of_steps_stays_at_the_largest_integer(case):
    schedule = schedules.cosine(0.1, 2**31 - 1, final=0.01)
    optimizer, params = case.make(**{**case.settings, "learning_rate": schedule}), jnp.ones(2)
    state, update = optimizer.init(params)._replace(step=jnp.int32(2**31 - 2)), jax.jit(optimizer.update)
    for _ in range(3):
        updates, state = update(params, state, params)
        assert np.all(updates < 0)
    assert state.step == 2**31 - 1


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (lambda step: -0.1, r"to be finite and at least 0, got -0\.1"),
        (lambda step: float("nan"), "to be finite and at least 0, got nan"),
        (lambda step: 1e-50, "learning_rate that float32 does not round to 0, got 1e-50"),
        (lambda step: jnp.ones(2), r"of shape \(\), got \(2,\)"),
        (lambda step: np.ones((1, 1)), r"of shape \(\), got \(1, 1\)"),
    ],
)
def test_a_schedule_that_is_none_is_named_while_a_program_is_traced(schedule, words):
    optimizer, params = fn.sgd(schedule), jnp.ones(2)
    with pytest.raises(ValueError, match=f"^sgd: expected .*{words}"):
        jax.eval_shape(optimizer.update, params, optimizer.init(params))


def test_a_rate_that_becomes_negative_makes_the_step_not_a_number():
    optimizer, params = fn.sgd(lambda step: 0.1 - 0.06 * step.astype(jnp.float32)), jnp.ones(2)
    state, update, found = optimizer.init(params), jax.jit(optimizer.update), []
    for _ in range(3):
        updates, state = update(params, state)
        found.append(float(updates[0]))
    np.testing.assert_allclose(found, [-0.1, -0.04, np.nan], rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: fn.sgd(schedules.constant(1e39)), "learning_rate to be finite as float32"),
        (lambda: fn.sgd(schedules.step_decay(0.1, 0.99999999, 1)), "learning_rate that float32 does not round to 1"),
        (lambda: fn.clip_by_global_norm(1e39), "max_norm to be finite as float32"),
    ],
)
def test_numbers_that_float32_makes_others_are_refused(make, words):
    with pytest.raises(ValueError, match=f"^[a-z_]+: expected {words}"):
        make().init(jnp.ones(2))
