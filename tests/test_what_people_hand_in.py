"""What people hand in by mistake: the error has the right type and names the argument, what was expected and what came.

Each row is a call and the text of its error; each kind of mistake has at least two.
"""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental import sparse

import funcnet as fn
from funcnet.checks import check_data
from funcnet.drawing.layout import layout_of
from funcnet.layer import check_layer_count

RANDOM = np.random.default_rng(0)
KEY = jax.random.key(0)
X, Y = RANDOM.normal(size=(20, 3)).astype("f"), RANDOM.normal(size=(20, 2)).astype("f")
CLASSES = np.eye(2, dtype="f")[np.arange(20) % 2]
NETWORK = fn.mlp([3, 4, 2], hidden=fn.tanh)
PARAMS, _ = NETWORK.init(KEY, (3,))
STATE = fn.init_state(NETWORK, fn.sgd(0.1), KEY, (3,), params=PARAMS)
BYTES = np.arange(60, dtype=np.uint8).reshape(20, 3)
SCALED = fn.Sequential(fn.Rescaling(1 / 255), fn.Dense(2))
SGD = fn.sgd(0.1)
SPARSE = sparse.BCOO((np.ones(1, "f"), np.zeros((1, 2), np.int32)), shape=(20, 2))
INTEGERS = jax.tree.map(lambda leaf: np.ones(leaf.shape, np.int32), PARAMS)


def fit(x=X, y=Y, network=NETWORK, loss=fn.quadratic, optimizer=SGD, **settings):
    settings = {"key": KEY, "epochs": 1, "batch_size": None, "progress": False} | settings
    return fn.fit(network, loss, optimizer, (x, y), **settings)


def handed_in(loss, y, weights=None):
    """Check targets as ``fit`` and ``evaluate`` do, without compiling anything."""
    return check_data("fit", (fn.mlp([3, np.shape(y)[-1]]), loss), (X, y, weights), np.float32)


def of_rows(*rows):
    """Return 20 rows of targets, which start with these."""
    return np.array([*rows, *[rows[0]] * (20 - len(rows))])


def deleted(array):
    array = jnp.array(array)
    array.delete()
    return array


def nested(layer, times):
    inner = fn.Dense(2)
    for _ in range(times):
        inner = layer(inner)
    return inner


class Tensor:
    """An array of another library, which NumPy cannot read."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("use tensor.detach() first")


class Shared:
    """An array of another library, which is read by DLPack alone."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class Positive(fn.losses.Loss):
    """A loss of one's own that states its range."""

    def target_range(self, outputs):
        return fn.losses.TargetRange(0.0, np.inf, remedy="take its absolute value")


class Gain(fn.Layer):
    """A layer whose parameter is no weight."""

    def init(self, key, input_shape, *, dtype=jnp.float32):
        return jnp.ones((), dtype), input_shape

    def forward(self, params, x):
        return params * x, x

    def backward(self, params, cache, dy):
        return jnp.sum(dy * cache), params * dy


class Unhashable(fn.Layer):
    """A layer with a list among its settings."""

    sizes: list


def no_number(prediction, target):
    return None


def text(prediction, target):
    return "right"


def a_float(prediction, target):
    return float(prediction[0, 0])


def branching(prediction, target):
    return prediction[:, 0] if prediction[0, 0] > 0 else target[:, 0]


RANGE = r"^fit: expected y in \[0, 1\], as {} takes it, got {}"
SUMS = r"^fit: expected rows of y that sum to 1, as {} takes them, got {}: divide each row by its sum, or use fn\.sigm"
TARGETS = {
    "binary, above": (fn.binary_cross_entropy, of_rows([0.0], [2.0]), RANGE.format("binary_cross_entropy", "2 at")),
    "binary, below": (fn.binary_cross_entropy, of_rows([0.5], [-1e-3]), RANGE.format("binary_cross_.*", "-0.001 at")),
    "digits": (
        fn.sigmoid_cross_entropy,
        np.arange(20)[:, None] % 10,
        RANGE.format("sigmoid_.*", r"2 at index \(2, 0\)"),
    ),
    "bytes": (
        fn.sigmoid_cross_entropy,
        np.full((20, 2), 255, "u1"),
        RANGE.format(".*", "255 at .*divide bytes by 255"),
    ),
    "one-hot, scaled": (fn.softmax_cross_entropy, 255 * CLASSES, RANGE.format("softmax_cross_entropy", "255 at ")),
    "several classes": (
        fn.softmax_cross_entropy,
        np.ones((20, 3)),
        SUMS.format("softmax_cross_entropy", "3 at index 0"),
    ),
    "no class": (fn.SoftmaxCrossEntropy(0.1), of_rows([0, 1], [0, 0]), SUMS.format(".*", "0 at index 1")),
    "counts": (fn.categorical_cross_entropy, of_rows([0.5, 0.5], [3, 1]), RANGE.format("categorical_.*", "3 at")),
    "a share is missing": (
        fn.categorical_cross_entropy,
        of_rows([0.5, 0.5], [0.5, 0.4]),
        SUMS.format(".*", "0.9 at .* 1"),
    ),
    "negative": (
        fn.kl_divergence,
        of_rows([0.5, 0.5], [-0.5, 1.5]),
        RANGE.format("kl_divergence", r"-0.5 at index \(1, "),
    ),
    "halves": (fn.kl_divergence, np.full((20, 3), 0.5), SUMS.format("kl_divergence", "1.5 at index 0")),
    "focal": (fn.Focal(), np.ones((20, 2)), SUMS.format(r"Focal\(\)", "2 at index 0")),
    "focal, one": (fn.Focal(), of_rows([1], [7]), RANGE.format(r"Focal\(\)", "7 at")),
    "hinge, 0": (
        fn.hinge,
        of_rows([1], [0]),
        r"expected y to be -1 or 1, as hinge .*, got 0 at .*: 2 \* y - 1 for 0 and 1",
    ),
    "hinge, rows": (fn.hinge, CLASSES, r"expected y to be -1 or 1, as hinge takes it, got 0 at index \(0, 1\)"),
    "one's own": (
        Positive(),
        of_rows([1.0], [-2.0]),
        r"\[0, inf\], as Positive.* got -2 at .*: take its absolute value$",
    ),
}


@pytest.mark.parametrize(("loss", "y", "error"), TARGETS.values(), ids=TARGETS)
def test_targets_that_a_loss_cannot_mean_are_refused(loss, y, error):
    with pytest.raises(ValueError, match=error):
        handed_in(loss, y)
    with pytest.raises(ValueError, match=error.removeprefix("^fit")):
        handed_in(loss, jnp.asarray(y), np.ones(20))


def test_targets_that_a_loss_means_pass():
    soft = RANDOM.dirichlet(np.ones(100), size=20)
    for dtype in (np.float64, np.float32, np.float16, jnp.bfloat16):
        rounded = soft.astype(dtype)
        logits = jnp.asarray(RANDOM.normal(size=(20, 100)), np.float32 if dtype == np.float64 else dtype)
        normalized = np.asarray(jax.nn.softmax(logits))
        for y in (rounded, normalized, rounded.astype("f"), jnp.asarray(normalized)):
            for loss in (fn.softmax_cross_entropy, fn.categorical_cross_entropy, fn.kl_divergence, fn.Focal()):
                handed_in(loss, y)
    almost_one = np.full((20, 1), np.float32(255) * np.nextafter(np.float32(1 / 255), np.float32(1)))
    assert almost_one[0] > 1
    handed_in(fn.binary_cross_entropy, almost_one)
    handed_in(fn.softmax_cross_entropy, np.arange(20)[:, None] % 2 == [0, 1])
    handed_in(fn.hinge, (2 * CLASSES - 1).astype(int))
    weights = (np.arange(20) > 0).astype("f")
    for loss, filler in [(fn.softmax_cross_entropy, [0, 0]), (fn.hinge, [7, 7]), (fn.binary_cross_entropy, [-1, 2])]:
        y = of_rows(filler, *(2 * CLASSES[1:] - 1 if loss == fn.hinge else CLASSES[1:]))
        handed_in(loss, y, weights)
        with pytest.raises(ValueError, match=r"got .* at index (0|\(0, 0\))"):
            handed_in(loss, y)
        with pytest.raises(ValueError, match="fit: expected y to be finite in float32, got nan"):
            handed_in(loss, np.where(np.arange(20)[:, None] == 0, np.nan, y), weights)
    jax.eval_shape(lambda y: handed_in(fn.hinge, y)[1], jax.ShapeDtypeStruct((20, 1), jnp.float32))


def test_every_door_of_data_looks_at_targets():
    loss, y = fn.binary_cross_entropy, 2 * CLASSES
    error = r": expected y in \[0, 1\], as binary_cross_entropy takes it, got 2 at index \(0, 0\)"
    search = fn.restarts(fn.sgd(0.1), starts=2)
    for where, door in {
        "fit": lambda: fit(y=y, loss=loss),
        r"fit \(validation\)": lambda: fit(y=CLASSES, loss=loss, validation=(X, y)),
        "run_epochs": lambda: fn.run_epochs(NETWORK, loss, fn.sgd(0.1), STATE, (X, y), epochs=1),
        "evaluate": lambda: fn.evaluate(NETWORK, loss, PARAMS, (X, y)),
        "fit_by_search": lambda: fn.fit_by_search(NETWORK, loss, search, (X, y), key=KEY, steps=1),
    }.items():
        with pytest.raises(ValueError, match=f"^{where}{error}"):
            door()


TIMES = np.arange(1.7e9, 1.7e9 + 100, 5)
COLLAPSING = {
    "times": (TIMES[:, None] + [0, 0.5], r"float32 keeps 2 of the 20 distinct values of x\[:, 0\] and of 1 other col"),
    "two values": (
        1.7e9 + (np.arange(20) % 2)[:, None],
        r"keeps 1 of the 2 .* x\[:, 0\]: subtract the column's medi",
    ),
    "with zeros": (
        np.where(np.arange(20) < 4, 0, TIMES)[:, None],
        r"float32 keeps 3 of the 17 distinct values of x\[:",
    ),
    "large images": (TIMES.reshape(5, 2, 2) + np.zeros((5, 2, 2)), r"of x\[:, 0, 0\] and of 3 other columns"),
}


@pytest.mark.parametrize(("x", "warning"), COLLAPSING.values(), ids=COLLAPSING)
def test_inputs_that_a_cast_makes_equal_are_warned_of(x, warning):
    network = fn.Sequential(fn.Flatten(), fn.Dense(1))
    with pytest.warns(UserWarning, match=f"^predict: .*{warning}") as caught:
        fn.predict(network, network.init(KEY, x.shape[1:])[0], x)
    assert [each.filename for each in caught] == [__file__]


def test_ordinary_inputs_are_not_warned_of():
    for x in (
        RANDOM.normal(size=(5000, 3)),
        30 + 10 * RANDOM.normal(size=(500, 1)),
        RANDOM.integers(0, 255, (50, 4)) / 255,
        np.full((20, 2), 1.7e9),
        TIMES[:, None] - np.median(TIMES),
    ):
        for dtype in (np.float32, jnp.bfloat16):
            network = fn.mlp([x.shape[1], 1])
            check_data("fit", (network, fn.quadratic), (x, x[:, :1] * 0), dtype)
    y = 2_000_000_000 + np.arange(20)[:, None]
    with pytest.warns(UserWarning, match=r"fit: float32 keeps 1 of the 20 distinct values of y\[:, 0\]"):
        check_data("fit", (NETWORK, fn.quadratic), (X, y), np.float32)


IN_PLACE = {
    "bytes, then floats": (
        lambda: fit(BYTES, network=SCALED, validation=(X, Y)),
        ValueError,
        r"uint8, got dtype float32",
    ),
    "floats, then bytes": (lambda: fit(network=SCALED, validation=(BYTES, Y)), ValueError, r"float32, got dtype uint8"),
    "64 bits": (
        lambda: fit(BYTES.astype(int), network=SCALED),
        TypeError,
        "x of a floating .*int64: convert it to int32$",
    ),
    "fit of a result": (
        lambda: fit(params=STATE),
        TypeError,
        r"^fit: expected params, got a TrainState: pass its \.params",
    ),
    "check of a result": (
        lambda: fn.check_gradients(NETWORK, fn.quadratic, STATE, X, Y),
        TypeError,
        r"^check_gradients: expected params, got a TrainState: pass its \.params",
    ),
    "start of a result": (
        lambda: fn.init_state(NETWORK, fn.sgd(0.1), KEY, (3,), params=STATE),
        TypeError,
        r"^init_state: expected params, got a TrainState",
    ),
    "errors of a result": (
        lambda: fn.layer_errors(NETWORK, fn.quadratic, STATE, X, Y),
        TypeError,
        r"pass its \.params",
    ),
    "forward of a result": (
        lambda: NETWORK.apply(STATE, X),
        ValueError,
        r"Sequential: .*, got TrainState: pass its \.par",
    ),
    "penalty of a result": (lambda: fn.l1(0.1).value(STATE), TypeError, r"^l1: expected params, got a TrainState"),
    "integers": (
        lambda: fit(params=INTEGERS),
        TypeError,
        r"^fit: expected params\[0\]\.weight of a floating dtype, got int32",
    ),
    "one of them": (
        lambda: fit(params=(PARAMS[0], (), INTEGERS[2])),
        TypeError,
        r"^fit: expected params\[2\]\.weight of a floating dtype, got int32",
    ),
    "integers, predicted": (
        lambda: fn.predict(NETWORK, INTEGERS, X),
        TypeError,
        r"^predict: expected params\[0\]\.weight of",
    ),
    "a text": (lambda: fn.evaluate(NETWORK, fn.quadratic, "w", (X, Y)), TypeError, "params to be an array, got 'w'"),
    "unknown arrays": (
        lambda: fn.predict(NETWORK, (Tensor(),), X),
        TypeError,
        r"params\[0\] to be an array, got a Tensor",
    ),
    "deleted x": (
        lambda: fit(deleted(X)),
        ValueError,
        "^fit: expected x to be an array of numbers, got an array that was deleted",
    ),
    "deleted y": (
        lambda: fit(y=deleted(Y)),
        ValueError,
        "^fit: expected y to be an array of numbers, got an array that was del",
    ),
    "deleted params": (
        lambda: fn.predict(NETWORK, jax.tree.map(deleted, PARAMS), X),
        ValueError,
        r"^predict: expected params\[0\]\.weight to be an array, got an array that was deleted, or donated",
    ),
    "deleted state": (
        lambda: fit(key=None, state=STATE._replace(key=deleted(jax.random.key_data(KEY)))),
        ValueError,
        r"^fit: expected state\.key to hold values",
    ),
    "sparse x": (
        lambda: fit(SPARSE),
        TypeError,
        r"x to be .* numbers, got a sparse BCOO: pass its \.todense",
    ),
    "sparse target": (
        lambda: fn.accuracy(Y, SPARSE),
        TypeError,
        r"^accuracy: .* target .* sparse BCOO",
    ),
    "sparse labels": (
        lambda: fn.data.one_hot(SPARSE, 2),
        TypeError,
        r"^one_hot: expected labels .*sparse",
    ),
    "another library": (
        lambda: fit(Tensor()),
        TypeError,
        r"x to be .*, got a Tensor that makes none: use tensor\.detach",
    ),
    "its target": (
        lambda: fn.accuracy(Y, Tensor()),
        TypeError,
        r"^accuracy: expected target .* use tensor\.detach\(\)",
    ),
    "ragged x": (
        lambda: fit([[1.0], [2.0, 3.0]]),
        TypeError,
        r"^fit: expected x .*, got a list with rows of different lengths",
    ),
    "ragged prediction": (
        lambda: fn.accuracy([[1], [2, 3]], [0, 1]),
        TypeError,
        "prediction to .* with rows of different lengths",
    ),
    "None": (lambda: fit(y=None), TypeError, "^fit: expected y to be an array of numbers, got None"),
    "None predicted": (lambda: fn.metrics.f1.of(None, [0]), TypeError, "^f1: expected prediction to be .*, got None"),
    "a text predicted": (
        lambda: fn.metrics.r2.of([["a"]], [[1.0]]),
        TypeError,
        "^r2: expected prediction .* dtype <U1",
    ),
    "mlp(3)": (lambda: fn.mlp(3), TypeError, r"^mlp: expected sizes to be a list, such as \[784, 10\], got 3"),
    "mlp of a text": (lambda: fn.mlp("32"), TypeError, r"^mlp: expected sizes to be a list, .* got '32'"),
    "init(key, 3)": (
        lambda: NETWORK.init(KEY, 3),
        TypeError,
        r"^Sequential: expected input_shape to be a tuple .*, got 3",
    ),
    "init of floats": (
        lambda: fn.Dense(2).init(KEY, (3.0,)),
        TypeError,
        r"^Dense\(2\): expected every size of input_shape to be an integer of at least 1, got 3\.0",
    ),
    "init of LayerNorm": (
        lambda: fn.LayerNorm().init(KEY, 3),
        TypeError,
        r"^LayerNorm\(\): expected input_shape to .* 3$",
    ),
    "unhashable": (
        lambda: fit(network=Unhashable([1])),
        TypeError,
        "^fit: expected network to have hashable .* sizes of Unh",
    ),
    "unhashable inside": (
        lambda: fn.summary(fn.Sequential(fn.Dense(2), Unhashable([1])), (3,)),
        TypeError,
        "^summary: expected network to have hashable fields",
    ),
    "500 networks": (
        lambda: nested(fn.Sequential, 500),
        ValueError,
        "^a network: expected at most 100 layers one inside",
    ),
    "500 frozen": (
        lambda: nested(fn.Frozen, 500),
        ValueError,
        "^a network: expected at most 100 layers one inside the oth",
    ),
    "1,999 layers": (
        lambda: fit(network=fn.mlp([4] * 1001)),
        ValueError,
        "^fit: expected a network of at most 1000 layers, each of which is compiled, got 1999",
    ),
    "nested layers": (
        lambda: check_layer_count("fit", fn.Sequential(*[fn.Residual(fn.Dense(3), fn.relu)] * 501)),
        ValueError,
        "^fit: expected a network of at most 1000 layers, .* got 1002",
    ),
    "a large scan": (
        lambda: fn.graph.trace(lambda x: lax.scan(lambda c, _: (2 * c, None), x, None, length=10**6)[0], 1.0),
        ValueError,
        "^graph.trace: expected at most 100,000 operations, got a loop of 1,000,000 iterations",
    ),
    "many derivatives": (
        lambda: fn.check_gradients(fn.Dense(1), fn.quadratic, fn.DenseParams(np.ones((1, 10**7)), np.ones(1)), X, Y),
        ValueError,
        r"^check_gradients: expected at most 10,000,000 elements of params and x, .* got 10,000,061",
    ),
    "one of a class": (
        lambda: fn.data.split((X,), 0.2, key=KEY, stratify=[0] * 18 + [1, 2]),
        ValueError,
        "^split: expected at least two rows of every class to stratify by, got a single row of class 1",
    ),
    "a fraction": (
        lambda: fn.data.split((X,), "0.2", key=KEY),
        TypeError,
        "^split: expected fraction to be a real number",
    ),
    "a metric of None": (
        lambda: fn.evaluate(NETWORK, fn.quadratic, PARAMS, (X, Y), metrics=[no_number]),
        TypeError,
        r"^no_number: expected one number per sample: an array of shape \(batch,\), got None",
    ),
    "a metric of text": (
        lambda: fit(metrics=[text]),
        TypeError,
        "^text: expected one number per sample: .* of type str",
    ),
    "a metric of float": (
        lambda: fit(metrics=[a_float]),
        TypeError,
        r"^a_float: expected a metric that JAX can trace, of jnp",
    ),
    "a metric with if": (
        lambda: fn.evaluate(NETWORK, fn.quadratic, PARAMS, (X, Y), metrics=[branching]),
        TypeError,
        "^branching: expected a metric that JAX can trace",
    ),
}


@pytest.mark.parametrize(("call", "kind", "error"), IN_PLACE.values(), ids=IN_PLACE)
def test_what_is_handed_in_by_mistake_is_named(call, kind, error):
    with pytest.raises(kind, match=error) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_arrays_of_other_libraries_are_taken_where_they_are_clean():
    expected = fn.predict(NETWORK, PARAMS, X)
    np.testing.assert_array_equal(fn.predict(NETWORK, PARAMS, Shared(X)), expected)
    np.testing.assert_array_equal(fn.accuracy(Shared(Y), Shared(CLASSES)), fn.accuracy(Y, CLASSES))


TRACED = {
    "jit": lambda: jax.jit(lambda key: fit(key=key).params)(KEY),
    "jit, nothing given": lambda: jax.jit(lambda: fit().params)(),
    "vmap over keys": lambda: jax.vmap(lambda key: fit(key=key).params)(jax.random.split(KEY, 2)),
    "vmap over rates": lambda: jax.vmap(lambda rate: fit(optimizer=fn.sgd(rate)).params)(jnp.array([0.1, 0.2])),
    "vmap over penalties": lambda: jax.vmap(lambda s: fit(penalty=fn.l2(s)).params)(jnp.array([0.1, 0.2])),
    "state": lambda: jax.jit(lambda state: fit(key=None, state=state).params)(STATE),
}


@pytest.mark.parametrize("call", TRACED.values(), ids=TRACED)
def test_what_runs_on_the_host_says_so_in_a_traced_program(call):
    with pytest.raises(
        TypeError, match=r"^fit: expected values, got traced arrays: inside jax.jit, .* use fn\.run_epochs"
    ):
        call()


def test_predict_is_traceable_and_evaluate_and_worst_mistakes_say_that_they_are_not():
    outputs = jax.jit(lambda params: fn.predict(NETWORK, params, X))(PARAMS)
    np.testing.assert_allclose(outputs, fn.predict(NETWORK, PARAMS, X), rtol=1e-5, atol=1e-6)
    with pytest.raises(
        TypeError, match=r"^evaluate: expected values, got traced arrays: .* use the mean of loss\.value"
    ):
        jax.jit(lambda params: fn.evaluate(NETWORK, fn.quadratic, params, (X, Y)))(PARAMS)
    with pytest.raises(TypeError, match=r"^worst_mistakes: expected prediction to be values, not traced"):
        jax.jit(lambda outputs: fn.worst_mistakes(outputs, np.zeros(20, int)))(Y)


def test_a_penalty_that_finds_no_weights_is_warned_of():
    for penalty, params in [(fn.l2(1.0), {"weight": jnp.ones(3)}), (fn.l1(0.1), jnp.ones(3))]:
        for method in (penalty.value, penalty.gradient):
            with pytest.warns(
                UserWarning, match=r"^l[12]: l[12]\(.*\) finds no weights in the parameters: weights are"
            ):
                method(params)
    network = fn.Sequential(Gain())
    for penalty in (fn.l2(0.1), fn.l2(0.1) + fn.l1(0.1)):
        with pytest.warns(UserWarning, match=r"^fit: l2\(0\.1\).* finds no weights in the parameters") as caught:
            fit(X, X, network=network, penalty=penalty)
        assert len(caught) == 1
    fn.l2(1.0).value(((), ()))  # without parameters there is nothing to find
    fn.l2(1.0).value(PARAMS)


def test_integers_are_not_narrowed_in_silence():
    for number, bits in [(2**33, 34), (2**33 + 5, 40), (2**62 + 1, 63)]:
        found = np.asarray(fn.neurons.to_bits(number, bits)).tolist()
        assert found == [number >> place & 1 for place in range(bits)]
    empirical = jax.jit(lambda labels: fn.information.empirical(labels, 3))
    for labels in ([-1, 0, 1], [0, 1, 3]):
        assert np.isnan(empirical(jnp.array(labels))).all()
        assert np.isnan(empirical(jnp.array(labels, jnp.int8))).all()
    np.testing.assert_array_equal(empirical(jnp.array([0, 2, 2, 2])), [0.25, 0, 0.75])


def test_large_graphs_and_drawings_are_refused_with_the_number(monkeypatch):
    graph = fn.graph.trace(lambda x: lax.scan(lambda c, _: (c * x, None), x, None, length=100)[0], 1.0)
    with pytest.raises(
        ValueError, match=r"^layout: expected at most 10,000 nodes, and passages .*, got 10,101: Graphviz"
    ):
        graph.to_svg()  # x is multiplied in every layer, and its arrows cross those before
    assert graph.to_dot().startswith("digraph")
    with pytest.raises(ValueError, match=r"^layout: expected at most 10,000 nodes, and .*, got 10,001: Graphviz draws"):
        layout_of(dict.fromkeys(range(10_001)), [])

    def loops_in_a_loop(x):
        return lax.fori_loop(0, 60, lambda _, y: lax.fori_loop(0, 60, lambda _, z: 1.1 * z, y), x)

    monkeypatch.setattr("funcnet.graph.tracing.MOST_OPERATIONS", 1000)
    with pytest.raises(ValueError, match=r"^graph.trace: expected at most 1,000 operations, got more"):
        fn.graph.trace(loops_in_a_loop, 1.0)


PROCESS = """
import os
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
import jax, numpy as np, funcnet as fn
network, first, second = fn.mlp([3, 2]), *jax.devices()
key = jax.random.key(0)
params = jax.device_put(network.init(key, (3,))[0], first)
x, y = jax.device_put(np.ones((4, 3), "f"), second), np.ones((4, 2), "f")
settings = {"key": key, "epochs": 1, "progress": False}
fit = lambda x, **others: fn.fit(network, fn.quadratic, fn.sgd(0.1), (x, y), **settings, **others)
for call in (
    lambda: fn.predict(network, params, x),
    lambda: fit(x, params=params),
    lambda: fit(x, validation=(jax.device_put(x, first), y)),
):
    try:
        call()
    except ValueError as error:
        print(error)
if os.fork() == 0:
    for call in (lambda: fit(np.ones((4, 3))), lambda: fn.predict(network, params, y)):
        try:
            call()
        except RuntimeError as error:
            print(error)
    os._exit(0)
os.wait()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no forks")
def test_other_devices_and_forked_processes_are_named():
    """A fork of a process in which JAX has run hangs in JAX's programs."""
    done = subprocess.run(
        [sys.executable, "-u", "-W", "ignore", "-c", PROCESS], capture_output=True, text=True, check=True, timeout=120
    )
    forked = "expected a process with JAX's threads, got one that was forked after JAX ran"
    expected = [
        "predict: expected all arrays on the same devices, got x on cpu:1 and params on cpu:0: move one with",
        "fit: expected all arrays on the same devices, got x on cpu:1 and params on cpu:0",
        "fit: expected all arrays on the same devices, got x on cpu:1 and validation on cpu:0",
        f'fit: {forked}: use multiprocessing.get_context("spawn")',
        f"predict: {forked}",
    ]
    lines = done.stdout.splitlines()
    assert [line[: len(start)] for line, start in zip(lines, expected, strict=True)] == expected, done.stderr
