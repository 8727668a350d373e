import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet.gradcheck.routes import compiled_gradients, compiled_numerically
from funcnet.rulecheck.report import Verdict
from tests.gradcheck.examples import CumulativeRelu, Gamma, Looped, Mistaken, Swish, problem
from tests.registry import ACTIVATIONS, JUMP, LOSSES


class OffByRounding(fn.Loss):
    """The cross-entropy, whose hand-written gradient is taken at an output that is one last bit off."""

    def value(self, output, target):
        return fn.binary_cross_entropy.value(output, target)

    def gradient(self, output, target):
        return fn.binary_cross_entropy.gradient(output * (1 - 2.0**-52), target)


# Every activation once and every loss once, each activation with another loss.
PAIRS = list(zip([*ACTIVATIONS, fn.PReLU()], itertools.cycle(LOSSES), strict=False))


@pytest.mark.parametrize(("activation", "case"), PAIRS, ids=lambda value: repr(value))
def test_the_three_agree_on_every_activation_and_loss(activation, case):
    layers = fn.Dense(6), activation, fn.Dense(3), case.output
    network = fn.Sequential(*layers)
    params, x, _ = problem(network)
    y = case.target(jax.random.key(1), (5, 3), jnp.float32)
    report = fn.check_gradients(network, case.loss, params, x, y)
    assert report.ok, str(report)
    assert report.method == "complex step"
    assert report.kinks == 0
    assert report.worst <= 1e-14
    assert all(row.size > 0 for row in report.rows) == (activation not in JUMP)


def test_they_agree_on_all_layers_together_with_key_weights_and_penalty():
    branch = fn.Residual(fn.Dense(6), Swish(), fn.Dropout(0.5), fn.Dense(6))
    network = fn.Sequential(
        fn.Flatten(), fn.Dense(6), fn.LayerNorm(), branch, fn.Sequential(fn.PReLU(0.2), fn.Dense(3))
    )
    params, x, y = problem(network)
    keywords = {"weights": np.linspace(0, 2, 5), "penalty": fn.l2(0.1) + fn.l1(0.02)}
    report = fn.check_gradients(network, fn.quadratic, params, x, y, key=jax.random.key(3), **keywords)
    assert report.ok, str(report)
    assert report.worst <= 1e-14
    assert [(row.layer, row.parameter) for row in report.rows[2:9]] == [
        ("LayerNorm() (layer 2)", "scale"),
        ("LayerNorm() (layer 2)", "shift"),
        ("Dense(6) (layer 3.0)", "weight"),
        ("Dense(6) (layer 3.0)", "bias"),
        ("Swish() (layer 3.1)", "beta"),
        ("Dense(6) (layer 3.3)", "weight"),
        ("Dense(6) (layer 3.3)", "bias"),
    ]
    with jax.enable_x64(True):
        route = partial(fn.backprop(network, fn.quadratic), penalty=keywords.pop("penalty"))
        cost, gradients = jax.jit(route)(params, x, y, key=jax.random.key(3), **keywords)
        assert report.cost == pytest.approx(float(cost), rel=1e-14)
        for row, expected in zip(report.rows, jax.tree.leaves(gradients), strict=False):
            np.testing.assert_allclose(row.hand, expected, rtol=1e-12, atol=1e-14)


def test_a_network_that_is_one_layer_and_one_parameter():
    params = np.asarray([1.5])

    class Gain(fn.Layer):
        def forward(self, params, x, *, key=None):
            return params * x, x

        def backward(self, params, cache, dy):
            return jnp.sum(dy * cache)[None], params * dy

    with jax.numpy_rank_promotion("allow"):
        report = fn.check_gradients(Gain(), fn.quadratic, params, np.ones((3, 2)), np.zeros((3, 2)))
    assert report.ok, str(report)
    assert [row.name for row in report.rows] == ["parameter of Gain()", "the input x"]
    np.testing.assert_allclose(report.rows[0].numerical, [3.0], rtol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_training_dtype_is_computed_in_float64_and_left_alone(dtype):
    network = fn.mlp([4, 6, 3], hidden=fn.sigmoid)
    params, _ = network.init(jax.random.key(0), (4,), dtype=dtype)
    x, y = jnp.linspace(-1, 1, 20, dtype=dtype).reshape(5, 4), jnp.ones((5, 3), dtype)
    before, configuration = jax.tree.map(np.array, (params, x, y)), dict(jax.config.values)
    report = fn.check_gradients(network, fn.quadratic, params, x, y)
    assert report.ok
    assert report.worst <= 1e-14
    assert dict(jax.config.values) == configuration
    assert jnp.zeros(1, float).dtype == jnp.float32
    jax.tree.map(np.testing.assert_array_equal, before, (params, x, y))
    assert all(leaf.dtype == dtype for leaf in jax.tree.leaves((params, x, y)))
    for row in report.rows:
        for array in (row.hand, row.automatic, row.numerical):
            assert type(array) is np.ndarray
            assert array.dtype == np.float64
        assert type(row.hand_numerical) is float
    assert type(report.kinks) is int


def test_the_configuration_is_left_alone_when_an_error_is_raised():
    network = fn.mlp([4, 3])
    params, x, y = problem(network)
    configuration = dict(jax.config.values)
    with pytest.raises(fn.ShapeError, match=r"Dense\(3, inputs=4\) \(layer 0\): expected x of shape \(batch, 4\), got"):
        fn.check_gradients(network, fn.quadratic, params, x[:, :2], y)
    assert dict(jax.config.values) == configuration


def test_a_second_check_of_a_network_built_anew_compiles_nothing():
    def sizes():
        return compiled_gradients._cache_size(), compiled_numerically._cache_size()

    params, x, y = problem(fn.mlp([4, 2, 3]))
    fn.check_gradients(fn.mlp([4, 2, 3]), fn.quadratic, params, x, y, penalty=fn.l2(0.1))
    compiled = sizes()
    assert fn.check_gradients(fn.mlp([4, 2, 3]), fn.quadratic, params, -x, 2 * y, penalty=fn.l2(0.3)).ok
    assert sizes() == compiled


def test_an_operation_without_a_complex_form_is_differenced():
    network = fn.Sequential(fn.Dense(6), Gamma(), fn.Dense(3))
    report = fn.check_gradients(network, fn.quadratic, *problem(network))
    assert report.ok, str(report)
    assert report.method == "Richardson"
    assert report.notes == ("no complex step: the operation igamma has no complex form",)
    assert 1e-16 < report.worst <= 1e-11
    assert max(row.hand_automatic for row in report.rows) <= 1e-14


def test_a_loop_that_jax_cannot_differentiate_is_still_checked():
    network = fn.Sequential(fn.Dense(6), Looped(), fn.Dense(3))
    report = fn.check_gradients(network, fn.quadratic, *problem(network))
    assert report.ok, str(report)
    assert all(row.automatic is None for row in report.rows)
    assert report.method == "complex step"
    assert report.notes[0].startswith("no automatic gradient: Reverse-mode differentiation does not work for")
    assert report.worst <= 1e-14
    assert "  -  " in str(report)


def test_kinks_that_differences_meet_are_told_and_left_out():
    network = fn.Sequential(fn.Dense(3), CumulativeRelu())
    params, x, y = problem(network)
    bias = params[0].bias.copy()
    bias[1] -= (x @ params[0].weight.T + bias)[2, 1]  # the second unit's weighted input is 0 for the third sample
    params = (fn.DenseParams(params[0].weight, bias), ())
    z = np.asarray(x @ params[0].weight.T + bias)
    assert np.abs(z[2, 1]) < 1e-15
    report = fn.check_gradients(network, fn.quadratic, params, x, y)
    assert report.method == "Richardson"
    weight, bias, inputs = report.rows
    assert report.ok, str(report)
    assert (weight.kinks, bias.kinks, inputs.kinks) == (4, 1, 4)
    assert report.kinks == 9
    assert abs(weight.numerical - weight.hand)[1].max() > 1e-3 * weight.size


def test_complex_steps_take_the_branch_that_the_code_takes_and_count_the_edges():
    network = fn.Sequential(fn.Dense(3), fn.relu)
    params, x, y = problem(network)
    weight, bias = params[0]
    x[2], bias = 0.0, np.array([0.0, 1.0, -1.0])
    report = fn.check_gradients(network, fn.quadratic, (fn.DenseParams(weight, bias), ()), x, y)
    assert report.ok, str(report)
    assert report.worst <= 1e-14
    assert report.kinks == 1
    assert [row.kinks for row in report.rows] == [
        0,
        1,
        4,
    ]  # the bias moves off the edge, and so do that sample's inputs


@pytest.mark.parametrize("factor", [0.0, 1.0, 1.01])
def test_the_derivative_at_a_kink_is_a_convention_between_both_sides(factor):
    class Rectifier(fn.Layer):
        scale: float

        def init(self, key, input_shape, *, dtype=jnp.float32):
            return (), input_shape

        def forward(self, params, x, *, key=None):
            return jnp.maximum(x, 0), x

        def backward(self, params, cache, dy):
            slope = jnp.where(cache == 0, self.scale, (cache > 0).astype(dy.dtype))
            return (), dy * slope

    network = fn.Sequential(fn.Dense(3), Rectifier(factor))
    params, x, y = problem(network)
    x[2], params = 0.0, (fn.DenseParams(params[0].weight, np.zeros(3)), ())
    report = fn.check_gradients(network, fn.quadratic, params, x, y)
    assert report.kinks == 3
    assert report.ok == (factor <= 1), str(report)
    if report.ok:
        assert "\na convention at a kink, between the derivatives of its two sides: 3 of 3 elements of bias" in str(
            report
        )
    else:
        assert report.rows[1].meaning.endswith(
            "(3 of its 3 elements lie on a kink, where a derivative is a convention)"
        )


def test_a_row_of_zeros_at_biases_of_zero_lies_on_the_kinks_of_all_units():
    network = fn.mlp([4, 6, 3], hidden=fn.relu)
    params, x, y = problem(network)
    x[2] = 0
    params = (params[0]._replace(bias=np.zeros(6)), *params[1:])
    report = fn.check_gradients(network, fn.quadratic, params, x, y)
    assert report.ok, str(report)
    assert report.rows[1].kinks == 6
    for relu in (fn.relu, jax.nn.relu):
        report = fn.check_function(lambda x, relu=relu: jnp.sum((relu(x @ params[0].weight.T) - 1) ** 2), x, order=1)
        assert report.ok, str(report)


def test_a_gradient_that_rounding_drowns_is_not_proved_rather_than_wrong():
    network = fn.Sequential(fn.Dense(3), fn.sigmoid)
    params, x, _ = problem(network)
    params = (fn.DenseParams(params[0].weight, np.array([34.0, 0.0, 0.0])), ())  # 1 − σ(34) is about 2e-15
    report = fn.check_gradients(network, OffByRounding(), params, x, np.full((5, 3), 0.5))
    assert not report.ok
    assert report.rows[0].verdict is Verdict.NOT_PROVED
    meaning = report.rows[0].meaning
    assert meaning.startswith("not proved: the gradient is so ill-conditioned here that rounding explains the differ")
    assert "cancellation: " in meaning
    assert meaning.endswith("; take other parameters or targets, or a loss from logits")
    assert "  NOT PROVED" in str(report)
    assert str(report).startswith("NOT PROVED: nothing is wrong in 35 derivatives")
    assert report.faults == ()


def test_tolerance_is_the_users_to_set():
    network = fn.Sequential(fn.Dense(6), Gamma(), fn.Dense(3))
    data = problem(network)
    strict = fn.check_gradients(network, fn.quadratic, *data)
    assert (strict.tolerance, strict.ok) == (1e-10, True)
    assert fn.check_gradients(network, fn.quadratic, *data, tolerance=0.5).tolerance == 0.5


def test_a_gradient_that_has_all_but_vanished_is_checked_as_well():
    """Five sigmoids on, the first layer's gradient is below the rounding of the last one's."""
    network = fn.Sequential(Mistaken(4, mistake="all"), fn.sigmoid, *[fn.Dense(4), fn.sigmoid] * 4)
    params = jax.tree.map(lambda leaf: 0.001 * leaf, network.init(jax.random.key(0), (4,))[0])  # to vanish sooner
    x, y = np.random.default_rng(0).normal(size=(3, 4)), np.zeros((3, 4))
    right = fn.check_gradients(fn.Sequential(fn.Dense(4), *network.layers[1:]), fn.quadratic, params, x, y)
    assert right.ok, str(right)
    assert right.rows[0].size < 1e-14 * right.rows[-2].size
    report = fn.check_gradients(network, fn.quadratic, params, x, y)
    assert [row.verdict for row in report.rows[:2]] == [Verdict.MISMATCH] * 2


@pytest.mark.parametrize(("factor", "verdict"), [(0.6, Verdict.NOT_PROVED), (-777, Verdict.MISMATCH)])
def test_where_every_element_is_on_a_kink_nothing_is_proved(factor, verdict):
    class Bent(Looped):
        factor: float

        def forward(self, params, x, *, key=None):
            y, _ = super().forward(params, x)
            return jnp.where(y < 0, 0.3 * y, y), x

        def backward(self, params, cache, dy):
            return (), self.factor * dy

    report = fn.check_gradients(Bent(factor), fn.quadratic, (), np.zeros((2, 3)), np.ones((2, 3)))
    assert not report.ok
    assert report.rows[0].verdict is verdict
    assert ("nothing was compared but the two sides of it; take an input" in str(report)) == (factor == 0.6)


def test_a_gradient_that_is_zero_everywhere_is_said_to_prove_nothing():
    network = fn.Sequential(fn.Dense(3), fn.step, fn.Dense(3))
    report = fn.check_gradients(network, fn.quadratic, *problem(network))
    assert report.ok
    assert report.notes[-1].startswith("zero everywhere, so that nothing is proved: the gradient in weight of Dense(3)")


class RunningCentre(fn.Layer):
    """A layer that subtracts a gain times the batch's weighted mean in training, and times a running mean after it."""

    def forward(self, params, x, *, key=None, weights=None):
        share = jnp.full(len(x), 1 / len(x), x.dtype) if weights is None else weights / jnp.sum(weights)
        mean = params["mean"] if key is None else share @ x
        new = 0.9 * params["mean"] + 0.1 * (share @ x)
        return x - params["gain"] * mean[None], (mean, share, key is None, new)

    def backward(self, params, cache, dy):
        mean, share, is_evaluation, _ = cache
        total = jnp.sum(dy, axis=0)
        dx = dy if is_evaluation else dy - params["gain"] * share[:, None] * total[None]
        return {"gain": -total @ mean, "mean": jnp.zeros_like(mean)}, dx

    def learn(self, params, cache):
        return {"gain": params["gain"], "mean": cache[-1]}


class Unweighted(RunningCentre):
    """The same, whose ``backward`` forgets the weights."""

    def backward(self, params, cache, dy):
        mean, share, is_evaluation, new = cache
        return super().backward(params, (mean, jnp.full_like(share, 1 / len(share)), is_evaluation, new), dy)


def running(layer):
    """Return a network around a layer with running statistics, its parameters and data."""
    random = np.random.default_rng(0)
    params = fn.DenseParams(random.normal(size=(3, 4)), random.normal(size=3))
    network = fn.Sequential(fn.Dense(3), fn.Sequential(layer, fn.sigmoid))
    centre = {"gain": np.asarray(0.7), "mean": random.normal(size=3)}
    return network, (params, (centre, ())), random.normal(size=(5, 4)), random.normal(size=(5, 3))


@pytest.mark.parametrize("seed", [None, 0], ids=["evaluation", "training"])
def test_running_statistics_are_listed_as_not_trained_and_neither_compared_nor_called_wrong(seed):
    key = None if seed is None else jax.random.key(seed)
    network, params, x, y = running(RunningCentre())
    report = fn.check_gradients(network, fn.quadratic, params, x, y, key=key, weights=np.arange(5.0))
    assert report.ok, str(report)
    assert report.worst <= 1e-14
    assert [row.name for row in report.rows if row.verdict is Verdict.NOT_TRAINED] == [
        "mean of RunningCentre() (layer 1.0)"
    ]
    statistic = report.rows[3]
    assert (statistic.hand, statistic.automatic, statistic.numerical) == (None, None, None)
    assert str(report).splitlines()[0].startswith("ok: 36 derivatives")  # 12 + 3 + 1 + 20
    assert str(report).splitlines()[5].split()[-7:] == ["-", "-", "-", "[]", "0", "not", "trained"]
    assert report.notes == ()


def test_weights_and_keys_reach_the_layers_when_each_part_is_checked_alone():
    network, params, x, y = running(Unweighted())
    report = fn.check_gradients(network, fn.quadratic, params, x, y, key=jax.random.key(0), weights=np.arange(5.0))
    assert [row.verdict for row in report.rows] == [
        Verdict.MISMATCH,
        Verdict.OK,  # a bias gets the sum over the batch, which the weights do not change
        Verdict.OK,
        Verdict.NOT_TRAINED,
        Verdict.MISMATCH,
    ]
    (fault,) = report.faults
    assert fault.startswith("Unweighted() (layer 1.0).backward, dx: ")


def test_a_dropped_unit_is_the_same_one_when_each_part_is_checked_alone():
    inner = fn.Sequential(fn.Dropout(0.5), Mistaken(3, mistake="wrong sign"))
    network = fn.Sequential(fn.Dense(3), fn.Sequential(fn.sigmoid, inner, fn.Dropout(0.3)))
    report = fn.check_gradients(network, fn.quadratic, *problem(network), key=jax.random.key(5))
    (fault,) = report.faults
    assert fault.startswith("Mistaken(3, mistake='wrong sign') (layer 1.1.1).backward, gradient in weight: -1 times")


def test_a_backward_that_keeps_arrays_of_another_shape_between_layers_is_found_by_the_part():
    class Summed(fn.Layer):
        """An identity, whose dx has lost an axis that broadcasting may bring back."""

        def forward(self, params, x):
            return x, None

        def backward(self, params, cache, dy):
            return (), jnp.sum(dy, axis=0, keepdims=True)

    network = fn.Sequential(fn.Dense(3), fn.sigmoid, Summed(), fn.Dense(3))
    params, x, y = problem(fn.Sequential(fn.Dense(3), fn.sigmoid, fn.sigmoid, fn.Dense(3)))
    with jax.numpy_rank_promotion("allow"):
        report = fn.check_gradients(network, fn.quadratic, params, x, y)
    assert not report.ok
    assert report.faults[0] == "Summed() (layer 2).backward: dx: expected shape (5, 3), got (1, 3)"
