"""Pictures of networks and of circuits."""

import jax
import numpy as np
import pytest

import funcnet as fn
from funcnet import neurons, plots
from funcnet.jaxprs import NoRuleError

NETWORK = fn.mlp([2, 4, 1], hidden=fn.tanh, output=fn.sigmoid)


def drawn(network, params, **settings):
    _, axes = plots.figure()
    plots.network(axes[0, 0], network, params, **settings)
    return axes[0, 0]


def test_a_line_for_each_weight_as_wide_as_it_is_large():
    params, _ = NETWORK.init(jax.random.key(0), (2,))
    axes = drawn(NETWORK, params, inputs=["a", "b"], outputs=["a XOR b"])
    weights = np.concatenate([np.ravel(params[0].weight), np.ravel(params[2].weight)])
    assert len(axes.lines) == weights.size == 12
    widths = np.array([line.get_linewidth() for line in axes.lines])
    assert (np.argsort(widths) == np.argsort(abs(weights))).all()
    assert {line.get_linestyle() for line, w in zip(axes.lines, weights, strict=True) if w > 0} == {"-"}
    assert {line.get_linestyle() for line, w in zip(axes.lines, weights, strict=True) if w < 0} == {"--"}
    texts = [text.get_text() for text in axes.texts]
    assert texts.count("a XOR b") == 1
    assert {"inputs", "tanh", "sigmoid"} <= set(texts)


def test_frozen_layers_and_layers_without_parameters_are_drawn():
    network = fn.Sequential(fn.Flatten(), fn.Frozen(fn.Dense(3)), fn.relu, fn.Dropout(0.1), fn.Dense(2))
    params, _ = network.init(jax.random.key(0), (2,))
    texts = [text.get_text() for text in drawn(network, params).texts]
    assert "relu\nDropout(0.1)" in texts


@pytest.mark.parametrize(
    ("network", "names", "words"),
    [
        (fn.mlp([2, 33, 1]), {}, "layers of at most 32 units, got 33"),
        (fn.Sequential(fn.Dense(2), fn.LayerNorm()), {}, r"dense layers, and others without parameters, got LayerNorm"),
        (fn.Sequential(fn.relu), {}, "at least one dense layer"),
        (fn.mlp([2, 1]), {"inputs": ["a"]}, "2 names, one for each unit, got 1 of them"),
        (fn.mlp([2, 1]), {"outputs": ["a", "b"]}, "1 names, one for each unit, got 2 of them"),
    ],
)
def test_what_cannot_be_drawn_is_refused(network, names, words):
    params, _ = network.init(jax.random.key(0), (2,))
    with pytest.raises(ValueError, match=f"^network: expected {words}"):
        drawn(network, params, **names)


def test_a_circuit_has_a_box_for_each_nand_and_each_bit():
    _, axes = plots.figure()
    plots.circuit(axes[0, 0], neurons.full_adder, inputs=["a", "b", "carry"], outputs=["sum", "carry out"])
    texts = [text.get_text() for text in axes[0, 0].texts]
    assert texts.count("NAND") == neurons.nand_count(neurons.full_adder, 0, 0, 0) == 9
    assert {"a", "b", "carry", "sum", "carry out"} <= set(texts)
    with pytest.raises(ValueError, match="circuit: expected 2 names of outputs, got 1 of them"):
        plots.circuit(axes[0, 0], neurons.half_adder, inputs=["a", "b"], outputs=["sum"])


@pytest.mark.parametrize(
    ("function", "inputs"),
    [(neurons.not_, 1), (neurons.and_, 2), (neurons.or_, 2), (neurons.xor, 2), (neurons.half_adder, 2),
     (neurons.full_adder, 3)],
)  # fmt: skip
def test_the_wiring_computes_what_the_circuit_computes(function, inputs):
    gates, results = neurons.gates_of(function, inputs)
    bits = np.array(np.meshgrid(*[[0, 1]] * inputs)).reshape(inputs, -1)
    wires = list(bits)
    for left, right in gates:
        wires.append(1 - wires[left] * wires[right])
    expected = np.atleast_2d(np.asarray(function(*bits)))
    np.testing.assert_array_equal([wires[result] for result in results], expected)


def test_a_circuit_of_other_operations_is_refused():
    with pytest.raises(NoRuleError, match="mul"):
        neurons.gates_of(lambda a, b: a * b, 2)


def test_samples_show_labels_and_wrong_predictions():
    _, axes = plots.figure(1, 3)
    plots.samples(axes, np.zeros((3, 8, 8)), [3, 5, 7], [3, 6, 7], names=list("0123456789"))
    assert [place.get_title() for place in axes.ravel()] == ["3", "5, predicted 6", "7"]
    with pytest.raises(ValueError, match=r"samples: expected labels of shape \(3,\), one per picture, got \(2,\)"):
        plots.samples(axes, np.zeros((3, 8, 8)), [3, 5])


def test_frozen_networks_are_opened_and_wrong_parameters_named():
    network = fn.Sequential(fn.Frozen(fn.mlp([2, 3], output=fn.tanh)), fn.Residual(fn.relu), fn.Dense(1))
    params, _ = network.init(jax.random.key(0), (2,))
    axes = drawn(network, params, inputs=np.array(["a", "b"]))
    assert len(axes.lines) == 9
    bad = fn.DenseParams(np.full((1, 2), np.nan), np.zeros(1))
    for wrong, words in (((bad,), "finite DenseParams"), (((),), "finite DenseParams, got a tuple")):
        with pytest.raises(ValueError, match=words):
            drawn(fn.Sequential(fn.Dense(1)), wrong)
    pair = fn.DenseParams(np.ones((2, 2)), np.zeros(2)), fn.DenseParams(np.ones((1, 3)), np.zeros(1))
    with pytest.raises(ValueError, match=r"a weight of Dense\(1\) of shape \(1, 2\), got \(1, 3\)"):
        drawn(fn.Sequential(fn.Dense(2), fn.Dense(1)), pair)


def test_outputs_of_one_name_are_two_boxes():
    _, axes = plots.figure()
    both = lambda a, b: (neurons.nand(a, b), neurons.nand(a, a))  # noqa: E731
    plots.circuit(axes[0, 0], both, inputs=["a", "b"], outputs=["s", "s"])
    assert [text.get_text() for text in axes[0, 0].texts].count("s") == 2
    for constant in (lambda a: neurons.nand(a, 1), lambda a: 1):
        with pytest.raises(NoRuleError, match=r"gates_of: expected .* got a constant bit"):
            plots.circuit(axes[0, 0], constant, inputs=["a"], outputs=["s"])


@pytest.mark.parametrize(
    "function",
    [
        lambda p: np.where(p[:, 0] > 0, np.nan, 1 + p[:, 1] ** 2),
        lambda p: np.where(p[:, 0] > 0, np.inf, 1 + p[:, 1] ** 2),
        lambda p: 2 + 3 * (p**2).sum(axis=1),
        lambda p: 10.0 ** (20 * p[:, 0]),
    ],
)
def test_a_scale_has_some_ticks_whatever_the_values(function):
    picture, axes = plots.figure()
    plots.surface(axes[0, 0], function, (-1, 1), (-1, 1), xlabel="x", ylabel="y", log=True, scale="cost", resolution=20)
    bar = picture.axes[-1]
    assert 2 <= len(bar.get_yticks()) <= 9
    assert bar.get_ylabel() == "cost"
