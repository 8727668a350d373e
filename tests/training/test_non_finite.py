"""Values that are not finite: located where they were planted, left out, or the end of the run."""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet.training.non_finite import locate
from funcnet.training.run import batch_at, make_plan
from tests.training.small_run import NETWORK as SMALL
from tests.training.small_run import X, Y, fit
from tests.training.unbroken import equal

NAN, INF = np.float32("nan"), np.float32("inf")
NETWORK = fn.Sequential(
    fn.Dense(4), fn.tanh, fn.Residual(fn.Dense(4), fn.LayerNorm()), fn.Frozen(fn.mlp([4, 3])), fn.Dense(2)
)
PARAMS = NETWORK.init(jax.random.key(0), (3,))[0]
LINEAR = fn.Sequential(fn.Dense(4), fn.Dense(2))
ADAM, BATCH = fn.adam(0.01), 5


class Exp(fn.Activation):
    def value(self, z):
        return jnp.exp(z)

    def derivative(self, z):
        return jnp.exp(z)


class Root(fn.Activation):
    """√z, whose derivative at 0 is infinite."""

    def value(self, z):
        return jnp.sqrt(jnp.abs(z))

    def derivative(self, z):
        return 0.5 / jnp.sqrt(jnp.abs(z))


class Log(fn.Loss):
    def value(self, output, target):
        a, y = self.check(output, target)
        return jnp.sum(y * jnp.log(a), axis=-1)

    def gradient(self, output, target):
        a, y = self.check(output, target)
        return y / a


class Steep(fn.Loss):
    """A loss with a gradient that overflows where its value does not."""

    def value(self, output, target):
        a, _ = self.check(output, target)
        return jnp.sum(0 * a, axis=-1)

    def gradient(self, output, target):
        a, _ = self.check(output, target)
        return jnp.full_like(a, jnp.inf)


class Wrong(fn.Activation):
    """An activation whose automatic derivative is nan, and the one by hand is not."""

    def value(self, z):
        return jnp.where(z > -100, z, jnp.sqrt(z + 100) * jnp.inf)

    def derivative(self, z):
        return jnp.ones_like(z)


def planned(network=NETWORK, loss=fn.softmax_cross_entropy, optimizer=ADAM, data=(X, Y), params=None, **settings):
    """Return the plan and the first state of a run."""
    settings = {
        "epochs": 1,
        "batch_size": BATCH,
        "validation": None,
        "metrics": [],
        "penalty": None,
        "early_stopping": None,
        "gradients": fn.backprop,
        "checks_state": True,
    } | settings
    plan = make_plan("fit", (network, loss, optimizer), data, jnp.float32, **settings)
    return plan, fn.init_state(network, optimizer, jax.random.key(0), (3,), params=params)


PLAN, STATE = planned()


def scaled(network, factor):
    return jax.tree.map(lambda leaf: leaf * np.float32(factor), network.init(jax.random.key(0), (3,))[0])


def changed(tree, index, value, element=0):
    """Return a tree with one element of one of its leaves changed."""
    leaves, structure = jax.tree.flatten(tree)
    leaf = np.array(leaves[index])
    leaf.reshape(-1)[element % leaf.size] = value
    return jax.tree.unflatten(structure, [*leaves[:index], jnp.asarray(leaf), *leaves[index + 1 :]])


def of_weights():
    for index, (path, _) in enumerate(jax.tree_util.tree_leaves_with_path(PARAMS)):
        layer, name = tuple(key.idx for key in path[:-1]), path[-1].name
        state = STATE._replace(params=changed(PARAMS, index, (NAN, INF)[index % 2], index))
        yield f"{name} of {layer}", PLAN, state, layer, name


def of_states():
    for index, (path, _) in enumerate(jax.tree_util.tree_leaves_with_path(STATE.optimizer_state)):
        name = path[0].name
        is_frozen = len(path) > 1 and path[1].idx == 3  # what the optimizer makes of it has no effect
        if name != "step" and not is_frozen:
            quantity = name if name in type(STATE.optimizer_state).settings else "state"
            state = STATE._replace(optimizer_state=changed(STATE.optimizer_state, index, NAN))
            yield jax.tree_util.keystr(path), PLAN, state, None, quantity


def of_data():
    for index, quantity in enumerate(("input", "target", "weights")):
        data = changed((jnp.asarray(X), jnp.asarray(Y), jnp.ones(len(X))), index, NAN, element=11)
        yield quantity, replace(PLAN, data=type(PLAN.data)(*data)), STATE, None, quantity
    yield "large input", *planned(LINEAR, data=(X * 1e38, Y), params=scaled(LINEAR, 100)), (0,), "z"


def of_layers():
    first, second = LINEAR.init(jax.random.key(0), (3,))[0]
    yield "second layer", *planned(LINEAR, params=scaled(LINEAR, 3e19)), (1,), "z"
    yield "bias", *planned(LINEAR, params=(first._replace(bias=first.bias + 3e38), second)), (1,), "z"
    for layer, network in (
        ((1,), fn.Sequential(fn.Dense(4), Exp())),
        ((1, 0), fn.Sequential(fn.Dense(2), fn.Residual(Exp()))),
    ):
        ((weight, bias), *others) = network.init(jax.random.key(0), (3,))[0]
        params = (fn.DenseParams(weight, bias + 100), *others)
        yield (
            f"exp {layer}",
            *planned(network, fn.quadratic, data=(X, np.ones((len(X), len(bias)), "f")), params=params),
            layer,
            "a",
        )
    root = fn.Sequential(fn.Dense(4), Root(), fn.Dense(2))
    dead, *others = root.init(jax.random.key(0), (3,))[0]
    yield "derivative", *planned(root, params=(jax.tree.map(jnp.zeros_like, dead), *others)), (1,), "δ"


def of_losses():
    yield "log", *planned(LINEAR, Log()), None, "loss"
    yield "steep", *planned(LINEAR, Steep()), None, "δ"
    yield "penalty", *planned(LINEAR, penalty=fn.l2(3e38), params=scaled(LINEAR, 10)), None, "penalty"
    yield "automatic", *planned(fn.Sequential(fn.Dense(2), Wrong()), gradients=fn.autodiff), (0,), "gradient"


def of_updates():
    one = fn.mlp([3, 2])
    plan, state = planned(one, optimizer=fn.sgd(fn.schedules.piecewise([3], [0.1, 0.2])))
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(state.optimizer_state)]
    second = [index for index, path in enumerate(paths) if "rates" in path][1]
    state = state._replace(optimizer_state=changed(state.optimizer_state, second, NAN))
    yield "second rate", plan, state, None, "learning_rate"
    yield "update", *planned(one, fn.quadratic, fn.sgd(1e38), data=(X, 1e3 * Y)), (0,), "update"
    yield (
        "squares",
        *planned(one, fn.hinge, fn.rmsprop(1e-3), data=(X * 1e25, 2 * Y - 1), params=scaled(one, 0)),
        None,
        "state",
    )


CASES = [*of_weights(), *of_states(), *of_data(), *of_layers(), *of_losses(), *of_updates()]


def test_there_are_enough_cases():
    assert len(CASES) >= 30


@pytest.mark.parametrize(
    ("plan", "state", "layer", "quantity"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_it_is_located_where_it_was_planted(plan, state, layer, quantity):
    found = locate(plan, state)
    assert (found.layer, found.quantity) == (layer, quantity), found.text
    assert found.epoch == 1
    assert f"epoch 1, step {found.step}: first in " in found.text


def test_the_step_is_that_of_the_batch_that_holds_it():
    plan, state, *_ = next(case[1:] for case in CASES if case[0] == "input")
    steps = [step for step in range(5) if np.isnan(batch_at(plan, state, jnp.int32(step)).x).any()]
    assert locate(plan, state).step == steps[0] + 1


def bursting(steps, number=NAN):
    """Return an optimizer whose learning rate is a number that is not finite in some steps of its count."""
    return fn.sgd(lambda step: jnp.where(jnp.isin(step, jnp.array(steps)), number, 0.1))


def test_raise_gives_the_place_and_the_result_of_the_epochs_before():
    network = fn.mlp([3, 4, 2], hidden=Exp())
    settings = {"network": network, "optimizer": fn.sgd(3.0), "on_nonfinite": "raise"}
    with pytest.raises(
        fn.NonFiniteError, match=r"fit: non-finite loss: epoch \d, step \d+: first in .* a is inf"
    ) as caught:
        fit(**settings, epochs=50)
    result, where = caught.value.result, caught.value.where
    assert isinstance(caught.value, FloatingPointError)
    assert len(result.history["loss"]) == where.epoch - 1 == int(result.state.epoch)
    assert where.layer == (1,)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves((result.params, result.state.optimizer_state)))
    before = fit(network=network, optimizer=fn.sgd(3.0), epochs=where.epoch - 1)
    assert equal(result, before)


class Counted(NamedTuple):
    step: jax.Array
    total: jax.Array
    bad: jax.Array  # the step in which the total overflows


def counted(gradients, state, params):
    total = jnp.where(state.step + 1 == state.bad, jnp.inf, state.total)
    return jax.tree.map(lambda g: -0.1 * g, gradients), state._replace(step=state.step + 1, total=total)


COUNTED = fn.Optimizer(lambda params: Counted(jnp.int32(0), jnp.float32(0), jnp.int32(0)), counted)


@pytest.mark.parametrize("bad", [1, 7, 13])
def test_a_state_that_alone_is_not_finite_is_found_inside_a_call_of_the_program(bad):
    """An accumulator overflows in some step; parameters and losses stay finite. The first epoch is a call by itself,
    and all others are run in one call."""
    state = fn.init_state(SMALL, COUNTED, jax.random.key(0), (3,))
    state = state._replace(optimizer_state=state.optimizer_state._replace(bad=jnp.int32(bad)))
    settings = {"key": None, "state": state, "batch_size": None, "validation": None, "metrics": []}
    with pytest.raises(fn.NonFiniteError, match=rf"epoch {bad}, step {bad}: first in state .* is inf") as caught:
        fit(**settings, optimizer=COUNTED, on_nonfinite="raise", epochs=13)
    result = caught.value.result
    assert len(result.history["loss"]) == bad - 1
    assert bad == 1 or equal(result, fit(**settings, optimizer=COUNTED, epochs=bad - 1))


def test_parts_without_a_gradient_by_hand_are_located_too():
    class Value(fn.Loss):
        def value(self, output, target):
            a, y = self.check(output, target)
            return jnp.sum((a - y) ** 2, axis=-1)

    with pytest.raises(fn.NonFiniteError, match=r"step 2: first in loss is inf"):
        fit(network=LINEAR, loss=Value(), optimizer=fn.sgd(1e19), on_nonfinite="raise", validation=None, metrics=[])


def test_without_such_values_nothing_changes():
    plain = fit()
    assert equal(fit(on_nonfinite="raise"), plain)
    skipping = fit(on_nonfinite="skip")
    assert skipping.history.pop("skipped").tolist() == [0] * 6
    assert equal(skipping, plain)


@pytest.mark.parametrize("batch_size", [BATCH, None])
def test_skip_leaves_out_exactly_the_bad_steps(batch_size):
    """A batch with one row that overflows is left out; a plain loop over the other batches gives the same."""
    x = np.array(X)
    x[[3, 4]] = 1e30
    network, loss, optimizer = LINEAR, fn.quadratic, fn.momentum(0.01)
    settings = {"network": network, "loss": loss, "optimizer": optimizer, "data": (x, Y), "batch_size": batch_size}
    result = fit(**settings, epochs=3, validation=None, metrics=[], on_nonfinite=fn.Skip(limit=100))
    plan, state = planned(network, loss, optimizer, (x, Y), batch_size=batch_size, gradients=fn.autodiff)
    step = fn.train_step(network, loss, optimizer)
    losses, skipped = [], []
    batches = -(-len(x) // plan.batch_size)
    for epoch in range(3):
        sums = np.zeros(2)
        for index in range(batches):
            batch = batch_at(plan, state._replace(epoch=jnp.int32(epoch)), jnp.int32(index))
            after, info = step(state, batch if batch.weights is not None else batch[:2])
            if np.isfinite(info["loss"]):
                state = after
                count = plan.batch_size if batch.weights is None else float(batch.weights.sum())
                sums += count * float(info["loss"]), count
            else:
                state = state._replace(step=after.step)
        losses.append(sums[0] / sums[1] if sums[1] else np.nan)
        skipped.append(batches * (epoch + 1) - int(state.optimizer_state.step) - sum(skipped))
    assert result.history["skipped"].tolist() == skipped
    assert min(skipped) >= 1
    np.testing.assert_allclose(result.history["loss"], losses, rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), result.params, state.params)
    assert (int(result.state.step), result.reason) == (3 * batches, "completed")


@pytest.mark.parametrize("batch_size", [BATCH, None])
def test_so_many_skipped_in_a_row_end_the_run(batch_size):
    settings = {"optimizer": bursting(range(3, 99)), "batch_size": batch_size, "epochs": 20, "validation": None}
    with pytest.warns(RuntimeWarning, match="too many skipped steps in epoch .*: training ended there"):
        result = fit(**settings, on_nonfinite=fn.Skip(limit=7))
    assert result.reason == "too many skipped steps"
    assert int(result.state.step) == 3 + 7
    assert int(result.history["skipped"].sum()) == 7
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(result.params))


def test_skipping_goes_on_from_a_checkpoint_with_its_count(tmp_path):
    settings = {"optimizer": bursting(range(3, 99)), "on_nonfinite": fn.Skip(limit=12), "epochs": 20}
    with pytest.warns(RuntimeWarning, match="too many skipped"):
        whole = fit(**settings)
    for epochs in (1, 2):
        fit(**settings | {"epochs": epochs}, checkpoint=fn.Checkpoint(tmp_path))
    with pytest.warns(RuntimeWarning, match="too many skipped"):
        resumed = fit(**settings, checkpoint=fn.Checkpoint(tmp_path))
    np.testing.assert_array_equal(resumed.history["skipped"], whole.history["skipped"])
    assert int(resumed.state.step) == int(whole.state.step)


def test_stop_writes_no_checkpoint_of_such_values_and_another_rate_goes_on(tmp_path):
    settings = {"loss": fn.quadratic, "network": LINEAR, "checkpoint": fn.Checkpoint(tmp_path), "epochs": 6}
    fit(**settings | {"epochs": 2}, optimizer=fn.sgd(0.01))
    with pytest.warns(RuntimeWarning, match="on_nonfinite='raise' names the step"):
        assert fit(**settings, optimizer=fn.sgd(1e20)).reason in ("non-finite loss", "non-finite parameters")
    assert fit(**settings, optimizer=fn.sgd(0.01)).reason == "completed"


def test_early_stopping_with_skipped_steps():
    x = np.array(X)
    x[3] = 1e30
    settings = {"early_stopping": fn.EarlyStopping("loss", patience=3), "network": LINEAR, "loss": fn.quadratic}
    result = fit(**settings, data=(x, Y), on_nonfinite="skip", epochs=4)
    assert result.history["skipped"].min() >= 1
    assert np.isfinite(result.history["val_loss"]).all()
    assert result.best_epoch == 1 + np.argmin(result.history["loss"])


@pytest.mark.parametrize(
    ("policy", "error", "expected"),
    [
        ("ignore", ValueError, r"on_nonfinite to be 'stop', 'raise', 'skip' or fn.Skip\(limit=10\), got 'ignore'"),
        (True, TypeError, r"on_nonfinite to be 'stop', .*, got a bool"),
        (fn.Skip, TypeError, r"on_nonfinite to be 'stop', .*, got a type"),
    ],
)
def test_bad_policies(policy, error, expected):
    with pytest.raises(error, match=f"fit: expected {expected}"):
        fit(on_nonfinite=policy)
    with pytest.raises(ValueError, match="Skip: expected limit to be an integer of at least 1, got 0"):
        fn.Skip(0)


def test_a_metric_may_not_have_the_name_of_the_column():
    def skipped(prediction, target):
        return prediction[:, 0]

    with pytest.raises(ValueError, match=r"metrics of other names .* than 'skipped', got skipped"):
        fit(metrics=[skipped], on_nonfinite="skip")
