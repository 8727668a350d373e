"""``check_optimizer`` on every optimizer, and on planted mistakes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funcnet as fn
from funcnet import optimizers
from funcnet.optimizers import Decay, Epsilon, LearningRate, Optimizer, Outcome, from_equation, schedules
from tests import registry

EQUATION = "the updates are those of the equation"
ALONE = "each element is updated as if it were the only parameter"
FORM = "updates and states keep structure, shapes and dtypes"
COMPILED = "compiled and uncompiled steps agree"
LOW = "steps in float32 and bfloat16 differ from those in float64 by rounding alone"


def mean_square(g, memory, decay=0.9):
    memory["r"] = decay * memory.get("r", 0.0) + (1 - decay) * g * g
    return memory["r"]


def momentum(g, theta, t, memory):
    memory["v"] = 0.9 * memory.get("v", 0.0) - 0.01 * g
    return memory["v"]


def nesterov(g, theta, t, memory):
    before = memory.get("v", 0.0)
    return 1.9 * momentum(g, theta, t, memory) - 0.9 * before


def adagrad(g, theta, t, memory):
    memory["r"] = memory.get("r", 0.0) + g * g
    return -0.01 * g / (1e-7 + np.sqrt(memory["r"]))


def rmsprop(g, theta, t, memory):
    return -0.01 * g / (1e-7 + np.sqrt(mean_square(g, memory)))


def rmsprop_nesterov(g, theta, t, memory):
    return nesterov(0.1 * g / (1e-7 + np.sqrt(mean_square(g, memory))), theta, t, memory)


def adam(g, theta, t, memory, rate=lambda t: 0.01):
    s = memory["s"] = 0.9 * memory.get("s", 0.0) + 0.1 * g
    r = memory["r"] = 0.999 * memory.get("r", 0.0) + 0.001 * g * g
    return -rate(t) * s / (1 - 0.9**t) / (1e-7 + np.sqrt(r / (1 - 0.999**t)))


def adamw(g, theta, t, memory):
    return adam(g, theta, t, memory) - 0.01 * 0.01 * theta


EQUATIONS = {
    "sgd": lambda g, theta, t, memory: -0.01 * g,
    "momentum": momentum,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "rmsprop_nesterov": rmsprop_nesterov,
    "adam": adam,
    "adamw": adamw,
}


def outcomes(report):
    return {finding.claim: finding.outcome for finding in report.findings}


def failed(report):
    return [finding.claim for finding in report.findings if finding.outcome is Outcome.FAILS]


@pytest.mark.parametrize("case", registry.OPTIMIZERS, ids=repr)
def test_every_optimizer_is_its_equation_and_not_another(case):
    names = list(EQUATIONS)
    neighbour = names[names.index(repr(case)) - 1]
    for name, expected in ((repr(case), []), (neighbour, [EQUATION])):
        assert failed(fn.check_optimizer(case.make(**case.settings), EQUATIONS[name])) == expected


def test_an_optimizer_with_its_equation_is_right_and_its_report_says_so():
    report = fn.check_optimizer(fn.adam(0.01), adam)
    assert report.ok
    assert set(outcomes(report).values()) == {Outcome.HOLDS}
    assert str(report).splitlines()[:2] == [repr(fn.adam(0.01)), f"  holds         {EQUATION}"]
    assert failed(fn.check_optimizer(fn.adamw(0.01, weight_decay=0.1), adamw)) == [EQUATION]
    report = fn.check_optimizer(fn.adam(0.02), adam)
    assert failed(report) == [EQUATION]
    assert "step 1, params" in str(report)


@from_equation(mean=0.0, mean_square=0.0)
def uncorrected(
    g, at, learning_rate: LearningRate, decay1: Decay = 0.9, decay2: Decay = 0.999, epsilon: Epsilon = 1e-7
):
    s = decay1 * at.mean + (1 - decay1) * g
    r = decay2 * at.mean_square + (1 - decay2) * g * g
    return -learning_rate * s / (epsilon + jnp.sqrt(r)), {"mean": s, "mean_square": r}


@from_equation(mean=0.0, mean_square=0.0)
def inside(g, at, learning_rate: LearningRate, decay1: Decay = 0.9, decay2: Decay = 0.999, epsilon: Epsilon = 1e-7):
    s = decay1 * at.mean + (1 - decay1) * g
    r = decay2 * at.mean_square + (1 - decay2) * g * g
    s_hat, r_hat = s / (1 - decay1**at.t), r / (1 - decay2**at.t)
    return -learning_rate * s_hat / jnp.sqrt(epsilon + r_hat), {"mean": s, "mean_square": r}


def shared(rate):
    """Adam whose two arrays of one shape share their mean square."""
    correct = fn.adam(rate)

    def update(gradients, state, params=None):
        updates, after = correct.update(gradients, state, params)
        leaves, structure = jax.tree.flatten(after.mean_square)
        leaves[2:3] = leaves[1:2]
        return updates, after._replace(mean_square=jax.tree.unflatten(structure, leaves))

    return Optimizer(correct.init, update)


def stopped(schedule):
    """Adam whose schedule is asked for the first step's rate alone."""
    correct = fn.adam(schedule)

    def update(gradients, state, params=None):
        first = state._replace(learning_rate=state.learning_rate(jnp.int32(0)))
        updates, after = correct.update(gradients, first, params)
        return updates, after._replace(learning_rate=state.learning_rate)

    return Optimizer(correct.init, update)


@pytest.mark.parametrize("wrong", [uncorrected(0.01), inside(0.01), shared(0.01)], ids=["bias", "epsilon", "shared"])
def test_planted_mistakes_are_caught(wrong):
    report = fn.check_optimizer(wrong, adam)
    assert not report.ok
    assert failed(report) == [EQUATION]


def test_a_schedule_whose_step_is_ignored_is_caught():
    schedule = schedules.step_decay(0.01, 0.5, 2)

    def scheduled(g, theta, t, memory):
        return adam(g, theta, t, memory, rate=lambda t: 0.01 * 0.5 ** ((t - 1) // 2))

    assert fn.check_optimizer(fn.adam(schedule), scheduled).ok
    report = fn.check_optimizer(stopped(schedule), scheduled)
    assert failed(report) == [EQUATION]
    assert "step 3, params" in str(report)


@pytest.mark.parametrize("case", registry.OPTIMIZERS, ids=repr)
def test_without_an_equation_elements_are_compared_and_the_report_says_what_is_not_checked(case):
    report = fn.check_optimizer(case.make(**case.settings))
    assert report.ok
    found = outcomes(report)
    assert (found.pop(EQUATION), set(found.values())) == (Outcome.NOT_CHECKED, {Outcome.HOLDS})
    assert f"not checked   {EQUATION}: no equation was given" in str(report)


def test_without_an_equation_shared_state_is_caught_and_elements_that_depend_on_each_other():
    assert failed(fn.check_optimizer(shared(0.01))) == [ALONE]
    assert failed(fn.check_optimizer(optimizers.clip_by_global_norm(1.0))) == [ALONE]
    assert fn.check_optimizer(optimizers.clip_by_value(1.0)).ok
    assert fn.check_optimizer(uncorrected(0.01)).ok  # whose equation is another one: that needs an equation


def test_optimizers_of_optax_are_checked_too(standard_promotion):
    report = fn.check_optimizer(optax.adam(0.01, eps=1e-7), adam)
    assert outcomes(report)[EQUATION] is outcomes(report)[LOW] is Outcome.HOLDS
    assert report.ok
    assert outcomes(report)["another learning rate compiles nothing"] is Outcome.NOT_CHECKED
    assert failed(fn.check_optimizer(optax.adam(0.01, eps=1e-7, eps_root=1e-7), adam)) == [EQUATION]


def rounding(where):
    """Adam in which something is kept in the parameters' dtype: a bias correction, the decays, or the mean square."""
    correct = fn.adam(0.01)

    def update(gradients, state, params=None):
        dtype = gradients["scale"].dtype
        if where == "decays":
            rounded = state._replace(decay2=state.decay2.astype(dtype).astype(state.decay2.dtype))
            updates, after = correct.update(gradients, rounded, params)
            return updates, after._replace(decay2=state.decay2)
        updates, after = correct.update(gradients, state, params)
        if where == "correction":  # 1 - decay2 ** t is 0 in bfloat16
            of_t = 1 - state.decay2.astype(dtype) ** after.step.astype(dtype)
            exact = (1 - state.decay2 ** after.step.astype(state.decay2.dtype)).astype(dtype)
            return jax.tree.map(lambda u: u * jnp.sqrt(of_t / exact), updates), after
        kept = jax.tree.map(lambda r: jnp.sqrt(r).astype(dtype).astype(r.dtype) ** 2, after.mean_square)
        return updates, after._replace(mean_square=kept)

    return Optimizer(correct.init, update)


def test_an_optimizer_that_fails_in_low_precision_alone_is_caught():
    for where in ("correction", "decays"):
        report = fn.check_optimizer(rounding(where), adam)
        assert failed(report) == [LOW]
        assert f"{LOW}: in bfloat16, step 1, params['" in str(report)
    assert fn.check_optimizer(rounding("square root of the mean square"), adam).ok  # to a last bit a step


def test_what_is_wrong_for_numbers_alone_is_caught():
    correct = fn.momentum(0.01)

    def update(gradients, state, params=None):
        updates, after = correct.update(gradients, state, params)
        return jax.tree.map(lambda u: u if u.ndim else 2 * u, updates), after

    report = fn.check_optimizer(Optimizer(correct.init, update), momentum)
    assert failed(report) == [EQUATION]
    assert "step 1, params['scale']: expected" in str(report)


def broken(update=None, init=None):
    correct = fn.momentum(0.1)
    return Optimizer(init or correct.init, update or correct.update)


def test_what_training_relies_on_is_checked():
    correct = fn.momentum(0.1)

    def widened(gradients, state, params=None):
        updates, after = correct.update(gradients, state, params)
        return jax.tree.map(lambda u: u.astype(jnp.float32), updates), after

    def dropped(gradients, state, params=None):
        updates, after = correct.update(gradients, state, params)
        return updates["layer"], after

    for update in (widened, dropped):
        report = fn.check_optimizer(broken(update))
        assert FORM in failed(report)

    def one_buffer(params):
        state = correct.init(params)
        leaves, structure = jax.tree.flatten(state.velocity)
        leaves[2:3] = leaves[1:2]
        return state._replace(velocity=jax.tree.unflatten(structure, leaves))

    assert failed(fn.check_optimizer(broken(init=one_buffer))) == ["states share no buffers"]

    def other_when_compiled(gradients, state, params=None):
        factor = 1.0 if isinstance(jax.tree.leaves(gradients)[0], jax.core.Tracer) else 2.0
        updates, after = correct.update(gradients, state, params)
        return jax.tree.map(lambda u: u * factor, updates), after

    assert COMPILED in failed(fn.check_optimizer(broken(other_when_compiled)))


def test_an_equation_may_use_the_number_as_an_array():
    def masked(g, theta, t, memory):
        u = -0.1 * g
        u[np.abs(u) > 1e9] = 0
        return u

    def sliced(g, theta, t, memory):
        return -0.1 * np.concatenate([g[..., :1], g[..., 1:]], axis=-1)

    for equation in (masked, sliced):
        assert fn.check_optimizer(fn.sgd(0.1), equation).ok


def test_an_equation_may_return_its_memory_and_change_it_in_place():
    def in_place(g, theta, t, memory):
        v = memory.setdefault("v", np.zeros_like(g))
        v *= 0.9
        v -= 0.1 * g
        return v

    assert fn.check_optimizer(fn.momentum(0.1), in_place).ok
    assert failed(fn.check_optimizer(fn.momentum(0.1, 0.8), in_place)) == [EQUATION]


def test_an_error_for_numbers_alone_is_a_finding():
    @from_equation()
    def centred(g, at, learning_rate: LearningRate):
        return -learning_rate * (g - g.mean(axis=0, keepdims=True)), {}

    report = fn.check_optimizer(centred(0.1))
    assert failed(report) == [FORM]
    assert f"{FORM}: for a number (), it raised " in str(report)

    def init(params):
        assert all(len(leaf) for leaf in jax.tree.leaves(params))
        return fn.momentum(0.1).init(params)

    report = fn.check_optimizer(broken(init=init))
    assert failed(report) == [FORM]
    assert "for a number (), it raised TypeError: " in str(report)

    @from_equation()
    def misspelt(g, at, learning_rate: LearningRate):
        return -learning_rate * g.no_such_method(), {}

    with pytest.raises(AttributeError, match="no_such_method"):
        fn.check_optimizer(misspelt(0.1))


def test_updates_that_are_not_finite_fail_the_equation_and_nothing_else():
    @from_equation()
    def root(g, at, learning_rate: LearningRate):
        return -learning_rate * jnp.sqrt(g), {}

    def same(g, theta, t, memory):
        with np.errstate(invalid="ignore"):
            return -0.1 * np.sqrt(g)

    for equation, claim in ((same, EQUATION), (None, ALONE)):
        report = fn.check_optimizer(root(0.1), equation)
        assert failed(report) == [claim]
        assert ": the update is not finite, nan" in str(report)
    report = fn.check_optimizer(root(0.1), lambda g, theta, t, memory: -0.1 * np.sqrt(np.abs(g)))
    assert failed(report) == [EQUATION]
    assert ", got nan" in str(report)


def test_wrong_arguments_are_named():
    with pytest.raises(TypeError, match=r"^check_optimizer: expected optimizer to have init and .*, got a int"):
        fn.check_optimizer(3)
    with pytest.raises(TypeError, match=r"^check_optimizer: expected equation to be a function .*, got a float"):
        fn.check_optimizer(fn.sgd(0.1), 0.1)
