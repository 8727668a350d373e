"""Models in files: the network that is read equals the one that was written, or there is a typed error."""

import json
import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet.checks import expected_params
from funcnet.storage import safetensors_file
from tests import registry
from tests.layers.statistics import Centring
from tests.storage.test_configurations import Initial, Power, Square
from tests.storage.test_files import forged


class Gain(fn.Layer):
    start: float = 1.0

    def init(self, key, input_shape, *, dtype=jnp.float32):
        return jnp.asarray(self.start, dtype), input_shape

    def forward(self, params, x):
        return params * x, x

    def backward(self, params, cache, dy):
        return jnp.sum(dy * cache), params * dy


class FourthPower(fn.Loss):
    def value(self, output, target):
        return jnp.sum((output - target) ** 4, axis=-1)


NETWORK = fn.Sequential(fn.Rescaling(0.5), fn.Dense(3), Gain(2.0), fn.Dense(1))
CASES = [
    *((case.layer, case.shape, []) for case in registry.LAYERS),
    (NETWORK, (4,), [Gain]),
    (fn.Sequential(Centring(0.5), fn.Frozen(fn.Sequential(Gain(), Square())), Power()), (2,), [Centring, Gain, Square(),
                                                                                              Power]),
    (fn.Dense(2, weight_initializer=Initial(0.1)), (3,), [Initial]),
]  # fmt: skip


def params_of(network, shape, dtype=np.float32):
    """Return parameters of different numbers, without a compilation."""
    struct = expected_params(network, shape)
    return jax.tree.map(lambda leaf: np.arange(leaf.size).reshape(leaf.shape).astype(dtype), struct)


def test_every_layer_and_loss_is_read_as_it_was_written(tmp_path):
    losses = [None, *(case.loss for case in registry.LOSSES)]
    for index, (network, shape, known) in enumerate(CASES):
        params, loss = params_of(network, shape), losses[index % len(losses)]
        fn.save_model(tmp_path / "model", network, params, loss=loss, input_shape=shape)
        model = fn.load_model(tmp_path / "model", known=known)
        assert (model.network, hash(model.network), model.loss) == (network, hash(network), loss)
        assert model.input_shape == shape
        chex.assert_trees_all_equal(model.params, params, strict=False)
        assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(model.params))
    assert len(CASES) > len(losses)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_parameters_keep_their_dtype(tmp_path, dtype):
    network = fn.mlp([2, 3])
    fn.save_model(tmp_path / "model", network, params_of(network, (2,), jnp.dtype(dtype)))
    if dtype == "float64":
        with pytest.raises(
            ValueError, match=r"load_model: expected dtype .*64-bit mode is off: call jax.config.update"
        ):
            fn.load_model(tmp_path / "model")
    with jax.enable_x64(dtype == "float64"):
        assert fn.load_model(tmp_path / "model").params[0].weight.dtype == dtype


def test_the_shape_of_one_input_is_told_by_a_first_dense_layer(tmp_path):
    path = tmp_path / "model"
    for network in (fn.mlp([5, 2]), fn.Sequential(fn.Rescaling(2.0), fn.Frozen(fn.Sequential(fn.tanh, fn.Dense(2))))):
        fn.save_model(path, network, params_of(network, (5,)))
        assert fn.load_model(path).input_shape == (5,)
    for network in (fn.Sequential(fn.Flatten(), fn.Dense(2)), fn.LayerNorm(), fn.relu, fn.Residual(fn.Dense(6))):
        with pytest.raises(ValueError, match=r"save_model: expected input_shape, the shape of one input .*, got none"):
            fn.save_model(path, network, params_of(network, (6,)))


def test_a_loaded_model_predicts_the_same(tmp_path):
    network, x = fn.mlp([3, 4, 2]), np.ones((2, 3), np.float32)
    params, _ = network.init(jax.random.key(0), (3,))
    fn.save_model(tmp_path / "model", network, params)
    model = fn.load_model(tmp_path / "model")
    np.testing.assert_array_equal(fn.predict(network, params, x), fn.predict(model.network, model.params, x))


NORMAL = jax.nn.initializers.normal()
DENSE, WEIGHT = fn.Dense(2), np.zeros((2, 3), np.float32)
GOOD_PARAMS = fn.DenseParams(WEIGHT, np.zeros(2, np.float32))
BAD_ARGUMENTS = [
    (("Dense(2)", GOOD_PARAMS), {}, TypeError, "expected network to be a layer, .*got 'Dense"),
    ((DENSE, fn.Model(DENSE, GOOD_PARAMS, None, (3,))), {}, TypeError, "got a Model: pass its .params"),
    ((DENSE, GOOD_PARAMS), {"loss": "quadratic"}, TypeError, "expected loss to be a loss"),
    ((DENSE, GOOD_PARAMS), {"input_shape": 3}, TypeError, "expected input_shape to be a tuple"),
    ((DENSE, GOOD_PARAMS), {"input_shape": (4,)}, ValueError, r"params.weight of shape \(2, 4\), .*got \(2, 3"),
    ((DENSE, GOOD_PARAMS), {"input_shape": (32, 3)}, ValueError, r"without the batch axis, \(3,\), got \(32, 3\)"),
    ((DENSE, (GOOD_PARAMS,)), {"input_shape": (3,)}, ValueError, "expected params as Dense"),
    ((DENSE, GOOD_PARAMS._replace(bias=np.zeros(3))), {}, ValueError, r"expected params.bias of shape \(2,\)"),
    ((DENSE, GOOD_PARAMS._replace(bias=np.zeros(2, int))), {}, TypeError, "params.bias of a floating dtype, got int"),
    ((Gain(), 1.0), {"input_shape": (3,)}, TypeError, "params to be an array, got 1.0"),
    ((fn.Sequential(fn.Dense(2, weight_initializer=fn.initializers.from_jax(lambda: NORMAL))), (GOOD_PARAMS,)), {},
     TypeError, "every part to print as the call that builds it, got <function <lambda>"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "options", "kind", "words"), BAD_ARGUMENTS, ids=range(len(BAD_ARGUMENTS)))
def test_what_cannot_be_saved_is_named_and_the_file_before_stays(tmp_path, arguments, options, kind, words):
    path = tmp_path / "model"
    fn.save_model(path, DENSE, GOOD_PARAMS)
    before = path.read_bytes()
    with pytest.raises(kind, match=f"^save_model: .*{words}"):
        fn.save_model(path, *arguments, **options)
    assert path.read_bytes() == before


def test_a_file_of_the_other_kind_is_told(tmp_path):
    fn.save(tmp_path / "tree", GOOD_PARAMS)
    fn.save_model(tmp_path / "model", DENSE, GOOD_PARAMS)
    with pytest.raises(fn.StorageError, match=r"tree: expected a file of a model, got a file of a tree: fn.load reads"):
        fn.load_model(tmp_path / "tree")
    with pytest.raises(fn.StorageError, match=r"model: expected a file of a tree, got .*: fn.load_model reads it"):
        fn.load(tmp_path / "model", like=GOOD_PARAMS)


def test_a_class_that_is_missing_is_named(tmp_path):
    params = params_of(NETWORK, (4,))
    fn.save_model(tmp_path / "model", NETWORK, params, loss=FourthPower())
    with pytest.raises(fn.StorageError, match=r"model: network: expected names .* got 'Gain': .* as known=\[Gain\]"):
        fn.load_model(tmp_path / "model", known=[FourthPower])
    with pytest.raises(fn.StorageError, match=r"model: loss: expected names .*, got 'FourthPower'"):
        fn.load_model(tmp_path / "model", known=[Gain])
    assert fn.load_model(tmp_path / "model", known=[Gain, FourthPower]).loss == FourthPower()

    def init(self, key, input_shape, *, dtype=None):
        raise RuntimeError("no")

    other = type("Gain", (Gain,), {"init": init})
    with pytest.raises(fn.StorageError, match="a network that takes inputs of the stored shape, got RuntimeError: no"):
        fn.load_model(tmp_path / "model", known=[other, FourthPower])


GOOD_HEADER = {
    "version": 1,
    "network": "Dense(2)",
    "loss": None,
    "input_shape": [3],
    "preparation": {},
    "tree": {
        "nodes": [["", "DenseParams"]],
        "leaves": [{"path": ".weight", "kind": "array"}, {"path": ".bias", "kind": "array"}],
    },
}
HOSTILE = {
    "a future version": ({"version": 2}, "version 1, got 2"),
    "an unknown field": ({"hue": 1}, "a file of input_shape, .*got hue"),
    "a preparation": ({"preparation": {"mean": [0.0]}}, "no preparation of the inputs"),
    "a preparation of another kind": ({"preparation": []}, "no preparation of the inputs"),
    "a network that is a number": ({"network": 3}, "network: expected the text of a configuration, got a int"),
    "a network that is a loss": ({"network": "quadratic"}, "network: expected to be a layer, .* got Quadratic"),
    "a loss that is a network": ({"loss": "relu"}, "loss: expected to be a loss, .* got ReLU"),
    "a network of 10**6 characters": ({"network": "x" * 10**6}, "at most 100,000 characters"),
    "deep nesting": ({"network": "(" * 50_000}, "SyntaxError"),
    "an import": ({"network": "__import__('os')"}, "got '__import__'"),
    "more units than the file has": ({"network": f"Dense({10**9})"}, r"\.weight of shape \(1000000000, 3\), got"),
    "more units in a hidden layer": (
        {"network": f"Sequential(Dense({10**9}), Dense(2))"}, "the tree to be a tuple|a tree of",
    ),
    "the most units of the most inputs": (
        {"network": f"Dense({2**31 - 1})", "input_shape": [2**31 - 1]},
        r"\.weight of shape \(2147483647, 2147483647\)|a network that takes inputs",
    ),
    "another input": ({"input_shape": [4]}, r"\.weight of shape \(2, 4\), got \(2, 3\)"),
    "two axes": ({"input_shape": [3, 3]}, "a network that takes inputs of the stored shape"),
    "a negative size": ({"input_shape": [-3]}, "a network that takes inputs of the stored shape"),
    "a size that is a text": ({"input_shape": ["3"]}, "a network that takes inputs of the stored shape"),
    "a size that is a fraction": ({"input_shape": [3.0]}, "a network that takes inputs of the stored shape"),
    "a huge size": ({"input_shape": [10**30]}, r"\.weight of shape \(2, 10{30}\), got \(2, 3\)|a network that takes"),
    "many sizes": ({"input_shape": [1] * 1000}, "an input shape of at most 32 sizes"),
    "a shape that is a number": ({"input_shape": 3}, "an input shape of at most 32 sizes, got int"),
    "no shape": ({"input_shape": None}, "an input shape of at most 32 sizes"),
    "another network": ({"network": "LayerNorm()"}, "the tree to be a LayerNormParams"),
    "a tree that is a text": ({"tree": "x"}, "a description of nodes and leaves"),
    "many layers": ({"network": f"Sequential({'relu, ' * 1000}relu)"}, "a network of at most 1000 layers"),
    "a number in place of an array": (
        {"tree": {**GOOD_HEADER["tree"], "leaves": [{"path": ".weight", "kind": "float", "value": "0x1p0"},
                                                    {"path": ".bias", "kind": "array"}]}}, "the number",
    ),
}  # fmt: skip


def write_header(path, changes, weight="F32"):
    description = GOOD_HEADER | changes
    bits = 2 if weight in ("F16", "BF16") else 4
    tensors = {
        ".weight": {"dtype": weight, "shape": [2, 3], "data_offsets": [0, 6 * bits]},
        ".bias": {"dtype": "F32", "shape": [2], "data_offsets": [6 * bits, 6 * bits + 8]},
    }
    metadata = {"funcnet": json.dumps(description), "sha256": "0" * 64}
    forged(path, {"__metadata__": metadata, **tensors}, bytes(6 * bits + 8))


@pytest.mark.parametrize(("changes", "words"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_a_typed_error(tmp_path, changes, words):
    write_header(tmp_path / "model", changes)
    with pytest.raises(fn.StorageError, match=words):
        fn.load_model(tmp_path / "model")


def test_the_forger_makes_models_that_are_read(tmp_path):
    write_header(tmp_path / "model", {})
    assert fn.load_model(tmp_path / "model").network == fn.Dense(2)
    write_header(tmp_path / "model", {"loss": "Huber(delta=2.0)"}, weight="BF16")
    assert (
        repr(fn.load_model(tmp_path / "model")) == "Model(Dense(2), 8 parameters, loss Huber(delta=2.0), inputs (3,))"
    )
    write_header(tmp_path / "model", {}, weight="I32")
    with pytest.raises(fn.StorageError, match=r"\.weight of dtype float32, got int32"):
        fn.load_model(tmp_path / "model")
    for field in GOOD_HEADER:
        header = {name: value for name, value in GOOD_HEADER.items() if name != field}
        text = json.dumps({"__metadata__": {"funcnet": json.dumps(header), "sha256": "0" * 64}}, separators=(",", ":"))
        forged(tmp_path / "model", text.encode())
        with pytest.raises(fn.StorageError, match="model: expected"):
            fn.load_model(tmp_path / "model")


def test_a_network_that_could_not_be_read_is_not_written(tmp_path):
    network = fn.Sequential(*[fn.relu] * 1001)
    with pytest.raises(ValueError, match=r"save_model: expected a network of at most 1000 layers, .* got 1001"):
        fn.save_model(tmp_path / "model", network, params_of(network, (4,)), input_shape=(4,))


def test_the_file_is_plain_data(tmp_path):
    fn.save_model(tmp_path / "model", NETWORK, params_of(NETWORK, (4,)), loss=fn.quadratic)
    _, header = safetensors_file.read(tmp_path / "model")
    assert header["network"] == repr(NETWORK)
    assert (header["loss"], header["input_shape"], header["preparation"]) == ("quadratic", [4], {})
    assert re.search(rb'"sha256":"[0-9a-f]{64}"', (tmp_path / "model").read_bytes())
