"""Summaries of networks against counts by plain formulas and against PyTorch's, where it is installed."""

import re
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import funcnet as fn
from funcnet.cli import main
from funcnet.jaxprs import NoRuleError, multiply_adds, operations
from tests.layers.statistics import Centring

FLOAT = 4  # bytes


class Convolution(fn.Layer):
    """A layer of one's own: a convolution with a kernel of 3 x 3 over images of shape (height, width, channels)."""

    channels: int
    groups: int = 1

    def init(self, key, input_shape, *, dtype=jnp.float32):
        *size, channels = input_shape
        return jnp.zeros((3, 3, channels // self.groups, self.channels), dtype), (*size, self.channels)

    def forward(self, params, x):
        numbers, groups = ("NHWC", "HWIO", "NHWC"), self.groups
        y = lax.conv_general_dilated(x, params, (1, 1), "SAME", dimension_numbers=numbers, feature_group_count=groups)
        return y, (params, x)  # its parameters are no activations


class Repeated(fn.Layer):
    """A layer of one's own: three times x ← x + tanh(x w), in a loop, in a branch, in a compiled function."""

    def init(self, key, input_shape, *, dtype=jnp.float32):
        return jnp.zeros((*input_shape, *input_shape), dtype), input_shape

    def forward(self, params, x):
        @jax.jit
        def once(x, _):
            y = lax.cond(x[0, 0] > 0, lambda x: x @ params, lambda x: x, x)
            return x + jnp.tanh(y), x

        y, each = lax.scan(once, x, None, length=3)
        return y, {"each": each, "x": x, "again": x, "name": "repeated"}


class Endless(Repeated):
    """A layer whose number of products depends on the data."""

    def forward(self, params, x):
        return lax.while_loop(lambda x: x[0, 0] < 1, lambda x: x @ params, x), x


def dense(inputs, units):
    """Return the parameters, the multiply-adds and the kept bytes of a dense layer."""
    return units * inputs + units, units * inputs, FLOAT * inputs


NETWORKS = {
    "a perceptron": (
        fn.mlp([784, 512, 10], hidden=fn.relu),
        (784,),
        [
            ("Dense(512, inputs=784)", (512,), *dense(784, 512)),
            ("relu", (512,), 0, 0, FLOAT * 512),
            ("Dense(10)", (10,), *dense(512, 10)),
        ],
    ),
    "every kind of layer": (
        fn.Sequential(fn.Flatten(), fn.Dense(6), fn.PReLU(), fn.Dropout(0.2), fn.LayerNorm(), fn.Dense(3), fn.softmax),
        (2, 2),
        [
            ("Flatten()", (4,), 0, 0, FLOAT * 4),
            ("Dense(6)", (6,), *dense(4, 6)),
            ("PReLU(0.25)", (6,), 1, 0, FLOAT * 6),
            ("Dropout(0.2)", (6,), 0, 0, 6),  # a mask
            ("LayerNorm()", (6,), 12, 0, FLOAT * (6 + 1)),
            ("Dense(3)", (3,), *dense(6, 3)),
            ("softmax", (3,), 0, 0, FLOAT * 3),
        ],
    ),
    "nested": (
        fn.Sequential(
            fn.Dense(8), fn.Residual(fn.Sequential(fn.tanh, fn.Dense(8)), fn.Residual(fn.Dense(8))), fn.Dense(2)
        ),
        (5,),
        [
            ("Dense(8)", (8,), *dense(5, 8)),
            ("Residual", (8,), 0, 0, 0),
            ("Sequential", (8,), 0, 0, 0),
            ("tanh", (8,), 0, 0, FLOAT * 8),
            ("Dense(8)", (8,), *dense(8, 8)),
            ("Residual", (8,), 0, 0, 0),
            ("Dense(8)", (8,), *dense(8, 8)),
            ("Dense(2)", (2,), *dense(8, 2)),
        ],
    ),
    "layers of one's own": (
        fn.Sequential(Convolution(4), Convolution(6, groups=2), fn.Flatten(), Repeated(), Centring(), fn.Dense(1)),
        (5, 7, 3),
        [
            ("Convolution(4)", (5, 7, 4), 9 * 3 * 4, 35 * 9 * 3 * 4, FLOAT * 35 * 3),
            ("Convolution(6, groups=2)", (5, 7, 6), 9 * 2 * 6, 35 * 9 * 2 * 6, FLOAT * 35 * 4),
            ("Flatten()", (210,), 0, 0, FLOAT * 210),
            ("Repeated()", (210,), 210**2, 3 * 210**2, FLOAT * (3 + 1) * 210),
            ("Centring()", (210,), 2 * 210, 210, FLOAT * (1 + 210)),
            ("Dense(1)", (1,), *dense(210, 1)),
        ],
    ),
    "a linear layer keeps what the next one keeps": (
        fn.Sequential(fn.Dense(4), fn.linear, fn.Dense(4), fn.Dropout(0.0)),
        (3,),
        [
            ("Dense(4)", (4,), *dense(3, 4)),
            ("linear", (4,), 0, 0, FLOAT * 4),
            ("Dense(4)", (4,), 20, 16, 0),
            ("Dropout(0.0)", (4,), 0, 0, 4),
        ],
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_counts_are_those_of_plain_formulas(name):
    network, shape, expected = NETWORKS[name]
    found = fn.summary(network, shape)
    assert len(found.rows) == len(expected)
    for row, (layer, output, parameters, products, kept) in zip(found.rows, expected, strict=True):
        assert str(row.layer).startswith(layer)
        assert row[2:] == (output, parameters, row.statistics, FLOAT * parameters, products, kept), layer
    assert found.parameters == sum(parameters for _, _, parameters, _, _ in expected)
    assert found.parameter_bytes == FLOAT * found.parameters
    assert found.multiply_adds == sum(products for _, _, _, products, _ in expected)
    assert found.activation_bytes == sum(row.activation_bytes for row in found.rows)
    assert found.statistics == (210 if "own" in name else 0)


def test_the_parameters_are_those_of_init():
    for network, shape, _ in NETWORKS.values():
        params, _ = network.init(jax.random.key(0), shape)
        assert fn.summary(network, shape).parameters == sum(leaf.size for leaf in jax.tree.leaves(params))


def test_pytorch_counts_the_same():
    torch = pytest.importorskip("torch")
    sizes, shapes = [784, 512, 256, 10], []
    layers = [torch.nn.Linear(*pair) for pair in pairwise(sizes)]
    network = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
    for layer in network:
        layer.register_forward_hook(lambda layer, given, output: shapes.append((given[0].shape[1], output.shape[1])))
    network(torch.zeros(1, 784))
    found = fn.summary(fn.mlp(sizes, hidden=fn.relu), (784,))
    assert [row.output_shape for row in found.rows] == [(output,) for _, output in shapes]
    counts = [sum(each.numel() for each in layer.parameters()) for layer in network]
    assert [row.parameters for row in found.rows] == counts
    assert [row.multiply_adds for row in found.rows if row.parameters] == [a * b for a, b in shapes[::2]]
    assert [row.activation_bytes for row in found.rows] == [FLOAT * given for given, _ in shapes]


def test_images_as_bytes_and_other_dtypes():
    network = fn.Sequential(fn.Rescaling(1 / 255), fn.Flatten(), fn.Dense(10))
    found = fn.summary(network, (28, 28), input_dtype=jnp.uint8)
    assert [row.activation_bytes for row in found.rows] == [0, FLOAT * 784, FLOAT * 784]
    half = fn.summary(fn.Sequential(fn.Dense(10)), (784,), dtype=jnp.bfloat16)
    assert (half.parameter_bytes, half.activation_bytes) == (2 * 7850, 2 * 784)


def test_the_text_is_lined_up_and_nested_layers_are_indented():
    network = fn.Sequential(fn.Dense(1000), fn.Residual(fn.Sequential(fn.relu, fn.Dense(1000))), Centring())
    assert str(fn.summary(network, (2000,))) == repr(fn.summary(network, (2000,)))
    assert str(fn.summary(network, (2000,))).splitlines() == [
        "layer                  output   parameters  multiply-adds  activations (bytes)",
        "0 Dense(1000)          (1000,)   2,001,000      2,000,000                8,000",
        "1 Residual             (1000,)",
        "  1.0 Sequential       (1000,)",
        "    1.0.0 relu         (1000,)           0              0                4,000",
        "    1.0.1 Dense(1000)  (1000,)   1,001,000      1,000,000                4,000",
        "2 Centring()           (1000,)       2,000          1,000                4,004",
        "",
        "parameters     3,004,000 (11.5 MiB), 1,000 of them not trained",
        "multiply-adds  3,001,000 per sample in the forward pass",
        "activations    19.5 KiB per sample, kept for the backward pass",
    ]


def test_one_layer_is_a_network():
    assert str(fn.summary(fn.Dense(3), (2,))).splitlines()[1].split("  ")[:2] == ["Dense(3)", "(3,)"]
    lines = str(fn.summary(fn.Residual(fn.Dense(2)), (2,))).splitlines()
    assert [line.split("  (2,)")[0].rstrip() for line in lines[1:3]] == ["Residual", "  0 Dense(2)"]


def test_the_html_is_a_table_of_the_same_cells():
    class Named(fn.Activation):
        word: str

        def value(self, z):
            return z

    text = fn.summary(fn.Sequential(fn.Dense(3), Named("<b>")), (2,))._repr_html_()
    rows = [re.findall("<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in re.findall("<tr>.*?</tr>", text)]
    assert rows == [
        ["layer", "output", "parameters", "multiply-adds", "activations (bytes)"],
        ["0 Dense(3)", "(3,)", "9", "6", "8"],
        ["1 Named(&#x27;&lt;b&gt;&#x27;)", "(3,)", "0", "0", "12"],
    ]
    assert "<p>parameters: 9 (36 B)<br>multiply-adds: 6 per sample" in text


def test_nothing_is_computed():
    before = jax.live_arrays()
    found = fn.summary(fn.mlp([10**6, 10**6, 10]), (10**6,))
    assert found.parameters == 10**12 + 10**6 + 10 * 10**6 + 10
    assert len(jax.live_arrays()) <= len(before)


@pytest.mark.parametrize(
    ("network", "shape", "options", "error", "message"),
    [
        (
            fn.mlp([784, 10]),
            (28,),
            {},
            ValueError,
            r"Dense\(10, inputs=784\) \(layer 0\): expected an input of shape \(784,\), got \(28,\)",
        ),
        (
            fn.Sequential(fn.Dense(8), fn.Residual(fn.relu, fn.Dense(3))),
            (4,),
            {},
            ValueError,
            r"\(layer 1\): expected layers that keep the input's shape \(8,\), got \(3,\)",
        ),
        (
            fn.mlp([784, 10]),
            (784,),
            {"input_dtype": np.uint8},
            TypeError,
            r"Dense\(10, inputs=784\) \(layer 0\): expected x of dtype float32 as the weight, got uint8",
        ),
        (fn.mlp([784, 10]), 784, {}, TypeError, r"summary: expected input_shape to be a tuple .*\(784,\), got 784"),
        (
            fn.mlp([784, 10]),
            (32, 784),
            {},
            ValueError,
            r"summary: expected .* without the batch axis, \(784,\), got \(32",
        ),
        (fn.mlp([784, 10]), (0,), {}, ValueError, "summary: expected every size of input_shape to be .* 1, got 0"),
        (fn.quadratic, (784,), {}, TypeError, "summary: expected network to be a layer, .* got quadratic"),
        (fn.mlp([3, 1]), (3,), {"dtype": int}, TypeError, "summary: expected dtype to be floating, got int64"),
        (
            fn.Sequential(fn.Residual(Endless())),
            (3,),
            {},
            NoRuleError,
            r"Endless\(\) \(layer 0\.0\): expected operations whose multiply-adds are known, got while",
        ),
    ],
    ids=["size", "nested", "dtype", "no tuple", "batch axis", "no size", "no layer", "integers", "unknown count"],
)
def test_what_does_not_fit_is_named(network, shape, options, error, message):
    with pytest.raises(error, match=message):
        fn.summary(network, shape, **options)


def test_a_loop_without_products_and_a_loop_of_none_count_0():
    def loops(x):
        x = lax.while_loop(lambda x: x[0] < 1, lambda x: 2 * x, x)
        return lax.scan(lambda x, _: (jnp.outer(x, x) @ x, None), x, None, length=0)[0]

    assert multiply_adds(jax.make_jaxpr(loops)(jnp.ones(3))) == 0


def test_a_product_with_unknown_parameters_is_refused():
    program = jax.make_jaxpr(jnp.dot)(jnp.ones(3), jnp.ones(3))
    (equation,) = operations(program)
    changed = equation.replace(params=equation.params | {"hue": 3})

    class Program:
        eqns = (changed,)

    with pytest.raises(NoRuleError, match=r"dot_general with the parameters .*hue"):
        multiply_adds(Program)


def test_the_command_prints_the_same(capsys):
    assert main(["summary", "--layers", "20,30,5", "--activation", "tanh", "--output", "softmax"]) == 0
    expected = fn.summary(fn.mlp([20, 30, 5], hidden=fn.tanh, output=fn.softmax), (20,))
    assert capsys.readouterr() == (f"{expected}\n", "")


def test_the_command_names_what_is_wrong(capsys, monkeypatch):
    for arguments, code, words in (
        (
            ["--layers", "3"],
            "^2$",
            "--layers: expected the sizes of the input and of the output, such as 8,6,4, got '3'",
        ),
        (["--layers", "3,x"], "^2$", "expected an integer of at least 1, got 'x'"),
        (["--seed", "1"], "^2$", "unrecognized arguments: --seed 1"),
        (["--help"], "^0$", "example: funcnet summary --layers 784,512,256,10"),
    ):
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit, match=code):
            main(["summary", *arguments])
        assert words in "".join(capsys.readouterr())
