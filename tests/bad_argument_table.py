"""One good call of every public function, from which its uses with a bad argument are made."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import funcnet as fn
from tests import registry
from tests.bad_arguments import KEY, Argument, Use

NETWORK = fn.mlp([3, 2], hidden=fn.tanh)
OPTIMIZER = fn.sgd(0.1)
PARAMS = NETWORK.init(KEY, (3,))[0]
DENSE = fn.DenseParams(jnp.array([[0.5, -0.25, 1.0], [1.0, 0.5, -0.5]]), jnp.array([0.5, -1.0]))
X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
Y = np.linspace(0, 1, 8, dtype=np.float32).reshape(4, 2)
SHARES = np.array([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0], [0.125, 0.875]], np.float32)
ONE_HOT = np.eye(2, dtype=np.float32)[[0, 1, 1, 0]]
POINTS = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]], np.float32)
LABELS = np.array([0, 1, 1, 0], np.int32)
SIGNS = np.array([-1, 1, 1, -1], np.int32)
WEIGHTS = np.array([1.0, 2.0, 0.5, 1.0], np.float32)
FOLDER = Path(tempfile.mkdtemp(prefix="funcnet-arguments-"))
QUICK: dict[str, Any] = {"epochs": 1, "batch_size": None}

ANY_SHAPE = ("rank + 1", "rank - 1", "longer", "wider", "scalar", "empty", "empty list")
ANY_VALUE = ("nan", "inf")
LOST = (*ANY_SHAPE, "float16")  # a backward whose cache does not tell the shape of its output cannot refuse another
ANY_TREE = ("None", "empty", "one more", "list", "dict", "array", "result", "leaf wider", "leaf None", "leaf integers")
SOME_CLASS = ("negative", "too large", "2**32", "2**63")  # a class by its number
ANY_DTYPE = ("float16", "integers", "bytes", "bools")


def argument(kind, value, *names, valid=()):
    return Argument(value, kind, names, frozenset(valid))


array, real, labels = (partial(argument, kind) for kind in ("array", "real", "labels"))
number, count, key = (partial(argument, kind) for kind in ("number", "count", "key"))
part, params, shape, dtype = (partial(argument, kind) for kind in ("part", "params", "shape", "dtype"))
name, function, path, flag = (partial(argument, kind) for kind in ("name", "function", "path", "flag"))
data, sequence = partial(argument, "data"), partial(argument, "sequence")

A_KEY = key(KEY)
A_DTYPE = dtype(jnp.float32)
OPTIONAL_KEY = key(KEY, valid=("None",))


def uses(named, called, **arguments):
    return Use(named, called, arguments)


def part_of(value, *names, valid=()):
    """Return an argument that is a network, a loss, ...; a layer where a network is expected is right, and so on."""
    return part(value, *names, valid=valid)


A_NETWORK = part_of(NETWORK, "layer", "layer 0", "params", valid=("a layer",))
A_LOSS = part_of(fn.quadratic, valid=("a loss",))
AN_OPTIMIZER = part_of(OPTIMIZER, valid=("an optimizer",))
A_PENALTY = part_of(fn.l2(0.1), valid=("None", "a penalty"))
METRICS = sequence([fn.metrics.mean_absolute_error])


def activations():
    for each in (*registry.ACTIVATIONS, fn.PReLU()):
        shapes = ANY_SHAPE if each != fn.softmax else ("rank + 1", "rank - 1", "longer", "wider", "empty")
        z = array(X, "x", valid=(*shapes, *ANY_VALUE, "float16"))
        yield uses(f"{each}()", each, z=z)
        yield uses(f"{each}.derivative", each.derivative, z=z)
        yield from layer(each, (3,), X, free=True)


def ones(struct):
    return jnp.asarray(np.ones(struct.shape, struct.dtype))


def layer(each, input_shape, x, *, free=False):
    """Yield the uses of a layer's methods; ``free`` for one that takes any shape."""
    own = jax.tree.map(ones, jax.eval_shape(lambda key: each.init(key, input_shape)[0], KEY))
    out, cache = jax.tree.map(ones, jax.eval_shape(each.call, own, x))
    dtypes = ANY_DTYPE if isinstance(each, fn.Flatten) else ()
    if isinstance(each, fn.Rescaling | fn.Dropout):
        free, dtypes = (
            isinstance(each, fn.Rescaling | fn.Dropout),
            ("float16", *(("integers", "bytes") if isinstance(each, fn.Rescaling) else ())),
        )
    if isinstance(each, fn.Flatten):
        dtypes = (*ANY_DTYPE, "complex", *ANY_SHAPE)
    free_shapes = (*ANY_SHAPE, "float16") if free else ("longer", "empty")
    if isinstance(each, fn.LayerNorm) or "LayerNorm(), sigmoid" in str(each):
        free_shapes = (*free_shapes, "rank + 1", *(("rank - 1",) if len(input_shape) > 1 else ()))
    yield uses(
        f"{each}.init",
        each.init,
        key=A_KEY,
        input_shape=shape(
            input_shape, "input", valid=() if input_shape else ("floats", "strings", "bools", "None inside")
        ),
        dtype=A_DTYPE,
    )
    a_params = params(own, "weight", "scale", "slope", "bias", "x", valid=("empty",) if own == () else ())
    if own == ():
        a_params = argument("no params", (), valid=("empty", "numpy"))
    weights = real(np.ones(len(x), np.float32), "x", valid=("None", *ANY_VALUE))
    yield uses(f"{each}.apply", each.apply, params=a_params, x=array(x, "z", valid=(*free_shapes, *ANY_VALUE, *dtypes)),
               key=OPTIONAL_KEY)  # fmt: skip
    if isinstance(each, fn.Dense | fn.Sequential):
        yield uses(f"{each}.apply weights", partial(each.apply, own, x), weights=weights)
    is_lost = isinstance(each, fn.Rescaling) or each == fn.Dropout(0.0)  # what the shape of the output was
    lost = LOST if is_lost or cache is None else ()
    dy = array(np.ones_like(out), valid=(*ANY_VALUE, *lost))
    yield uses(f"{each}.backward", partial(each.backward, cache=cache), params=a_params, dy=dy)


def layers():
    for case in {str(case.layer): case for case in registry.LAYERS}.values():
        if case.layer in registry.ACTIVATIONS or isinstance(case.layer, fn.PReLU):
            continue
        yield from layer(case.layer, case.shape, np.ones((2, *case.shape), np.float32))
    a_layer = part(fn.Dense(3), "layer", "a layer", valid=("a layer",))
    yield uses(
        "Dense",
        fn.Dense,
        units=count(2),
        inputs=count(3, valid=("None",)),
        weight_initializer=part(fn.initializers.zeros),
        bias_initializer=part(fn.initializers.ones),
    )
    yield uses("Dropout", fn.Dropout, rate=number(0.5, valid=("zero",)))
    yield uses("LayerNorm", fn.LayerNorm, epsilon=number(1e-5, valid=("large", "1e-50", "1e50")))
    yield uses(
        "Rescaling",
        fn.Rescaling,
        scale=number(0.5, valid=("zero", "negative", "large", "1e-50", "1e50")),
        offset=number(0.5, valid=("zero", "negative", "large", "1e-50", "1e50")),
        dtype=dtype("float32"),
    )
    yield uses("Frozen", fn.Frozen, layer=a_layer)
    yield uses("Sequential", lambda layer: fn.Sequential(layer), layer=a_layer)
    yield uses("Residual", lambda layer: fn.Residual(layer), layer=a_layer)
    yield uses("mlp", fn.mlp, sizes=argument("sizes", [3, 2], "size"), hidden=part(fn.tanh), output=part(fn.tanh))
    yield uses("collapse", fn.collapse, network=part(NETWORK, "params"), params=params(PARAMS, "weight", "x"))


def settings():
    """Yield the constructors of activations, losses and metrics, which have numbers as settings."""
    finite = ("zero", "negative", "large", "1e-50", "1e50")
    yield uses("LeakyReLU", fn.LeakyReLU, negative_slope=number(0.1, valid=finite))
    yield uses("ELU", fn.ELU, alpha=number(0.5, valid=("large", "1e-50", "1e50")))
    yield uses("PReLU", fn.PReLU, initial_slope=number(0.1, valid=finite))
    yield uses("activation", fn.activation, name=name("relu", "one of", "a name"))
    yield uses("loss", fn.loss, name=name("hinge", "one of", "a name"))
    yield uses("optimizer", partial(fn.optimizer, learning_rate=0.1), name=name("sgd", "one of", "a name"))
    yield uses("Huber", fn.Huber, delta=number(0.5, valid=("large", "1e-50", "1e50")))
    yield uses("Focal", fn.Focal, gamma=number(2.0, valid=("zero", "large", "1e-50", "1e50")))
    yield uses("SoftmaxCrossEntropy", fn.SoftmaxCrossEntropy, label_smoothing=number(0.1, valid=("zero", "1e-50")))
    for each in (fn.l1, fn.l2):
        yield uses(each.__name__, each, strength=number(0.1, valid=("zero", "large", "1e-50", "1e50")))
        yield uses(f"{each.__name__}.value", each(0.1).value, params=params(DENSE, "weight", valid=ANY_TREE))
        yield uses(f"{each.__name__}.gradient", each(0.1).gradient, params=params(DENSE, "weight", valid=ANY_TREE))
    for each in (fn.metrics.Precision, fn.metrics.Recall, fn.metrics.F1):
        yield uses(each.__name__, each, average=name("micro", valid=("None",)))
    yield uses("TopK", fn.metrics.TopK, k=count(2, valid=()))
    yield uses("CalibrationError", fn.metrics.CalibrationError, bins=count(4, valid=()))
    yield uses(
        "EarlyStopping",
        fn.EarlyStopping,
        monitor=name("loss", valid=("nonsense", "empty")),
        patience=count(3),
        min_delta=number(0.5, valid=("zero", "large", "1e-50", "1e50")),
        restore_best=flag(True),
        mode=name("min"),
    )


def losses():
    for case in registry.LOSSES:
        output, target = (np.asarray(each) for each in case.example(KEY, (4, 2)))
        fits = ("rank + 1", "rank - 1", "longer", "wider", "empty")
        for method in ("value", "gradient"):
            yield uses(
                f"{case.loss}.{method}",
                getattr(case.loss, method),
                output=array(output, "target", valid=(*ANY_VALUE, "float16")),
                target=real(target, valid=(*ANY_VALUE,)),
            )
        yield uses(
            f"{case.loss}.predict",
            case.loss.predict,
            output=array(output, "z", valid=(*fits, *ANY_VALUE, "float16", "scalar", "empty list")),
        )


def optimizers():
    rates = ("zero", "large", "1e-50", "1e50", "function")
    ranges = {
        "learning_rate": rates, "momentum": ("zero", "1e-50"), "decay": ("zero", "1e-50"), "decay1": ("zero", "1e-50"),
        "decay2": ("zero", "1e-50"), "epsilon": ("large", "1e-50", "1e50"),
        "weight_decay": ("zero", "large", "1e-50", "1e50"),
    }  # fmt: skip
    gradients = jax.tree.map(jnp.ones_like, DENSE)
    for case in registry.OPTIMIZERS:
        given = {each: number(value, valid=ranges[each]) for each, value in case.settings.items()}
        yield uses(f"{case.make.__name__}", case.make, **given)
    for case in registry.PAIRS:
        pair = case.pair
        state = pair.init(DENSE)
        yield uses(f"{pair}.init", lambda params, pair=pair: pair.init(params), params=params(DENSE, valid=ANY_TREE))
        yield uses(
            f"{pair}.update",
            pair.update,
            gradients=params(gradients, "params", "updates", "parameters", valid=ANY_TREE),
            state=argument("state", state),
            params=params(DENSE, "gradients", "parameters", valid=(*ANY_TREE, "leaf complex", "int", "leaf ragged")),
        )
    thresholds = ("large", "inf", "1e-50", "1e50")
    yield uses("clip_by_global_norm", fn.clip_by_global_norm, max_norm=number(1.0, valid=thresholds))
    yield uses("clip_by_value", fn.clip_by_value, limit=number(1.0, valid=thresholds))
    yield uses(
        "chain",
        lambda optimizers: fn.chain(fn.clip_by_value(1.0), optimizers),
        optimizers=part(OPTIMIZER, "optimizer", "pair", valid=("an optimizer",)),
    )
    yield uses(
        "apply_updates",
        fn.apply_updates,
        params=params(DENSE, "updates", valid=("leaf integers", "leaf complex")),
        updates=params(DENSE, "params"),
    )
    ahead = fn.nesterov(0.1)
    yield uses(
        "without_lookahead",
        fn.without_lookahead,
        params=params(DENSE, "parameters", valid=("leaf integers",)),
        state=argument("state", ahead.init(DENSE)),
    )
    yield uses(
        "check_optimizer",
        fn.check_optimizer,
        optimizer=part(OPTIMIZER, valid=("an optimizer", "a maker")),
        equation=function(lambda theta, g, t, memory: -0.1 * g, valid=("None",)),
    )


def schedules():
    rates, s = ("zero", "large", "1e-50", "1e50"), fn.schedules
    rate, factor = number(0.1, valid=rates), number(0.5, valid=("1e-50", "large", "1e50"))
    yield uses("schedules.constant", s.constant, learning_rate=rate)
    for each in (s.step_decay, s.exponential):
        yield uses(f"schedules.{each.__name__}", each, learning_rate=rate, factor=factor, every=count(3))
    yield uses("schedules.cosine", s.cosine, learning_rate=rate, steps=count(9), final=rate)
    yield uses(
        "schedules.warmup_cosine",
        s.warmup_cosine,
        learning_rate=rate,
        warmup=count(3, valid=("zero",)),
        steps=count(9),
        final=rate,
    )
    yield uses(
        "schedules.piecewise",
        s.piecewise,
        boundaries=argument("counts", [3, 5], "boundary"),
        rates=argument("rates", [0.3, 0.2, 0.1], "rate"),
    )
    for case in registry.SCHEDULES:
        yield uses(f"{case.schedule}()", case.schedule, step=argument("step", 3))


def metrics():
    prediction = array(SHARES, "target", valid=(*ANY_VALUE, *ANY_DTYPE))
    for each in registry.METRICS:
        target = array(ONE_HOT, valid=(*ANY_VALUE, *ANY_DTYPE))
        yield uses(
            f"metrics.{each}.of",
            each.of,
            prediction=prediction._replace(names=("target", "weights")),
            target=target,
            weights=real(WEIGHTS, valid=("None", *ANY_VALUE)),
        )
    both = array(ONE_HOT, "prediction", valid=(*ANY_VALUE, *ANY_DTYPE))
    yield uses("accuracy", fn.accuracy, prediction=prediction, target=both)
    yield uses(
        "predicted_classes",
        fn.predicted_classes,
        prediction=array(SHARES, valid=(*ANY_VALUE, *ANY_DTYPE, "longer", "wider", "empty")),
    )
    yield uses(
        "confusion_matrix",
        fn.confusion_matrix,
        labels=labels(LABELS, "answers"),
        answers=labels(LABELS),
        classes=count(2),
    )
    yield uses(
        "worst_mistakes",
        fn.worst_mistakes,
        prediction=array(SHARES, "labels", valid=(*ANY_VALUE, *ANY_DTYPE, "wider")),
        labels=labels(LABELS, "prediction", valid=("negative", "too large", "2**32", "2**63")),
        most=count(2, valid=("None",)),
    )
    yield uses(
        "metrics.gradient_norm.of_step",
        partial(fn.metrics.gradient_norm.of_step, optimizer_state=None),
        gradients=params(DENSE, valid=(*ANY_TREE, "leaf complex")),
    )
    yield uses(
        "metrics.learning_rate.of_step",
        partial(fn.metrics.learning_rate.of_step, DENSE),
        optimizer_state=argument(
            "state",
            OPTIMIZER.init(DENSE),
            "state",
            valid=("another", "result", "leaf None", "leaf str", "leaf deleted"),
        ),
    )


def initializers():
    i = fn.initializers
    finite = ("zero", "negative", "large", "1e-50", "1e50")
    made = [
        i.zeros,
        i.ones,
        i.constant(0.5),
        i.normal(0.5),
        i.truncated_normal(0.5),
        i.uniform(-0.5, 0.5),
        i.glorot_normal,
        i.glorot_uniform,
        i.he_normal,
        i.he_uniform,
        i.from_jax(jax.nn.initializers.uniform, 0.5),
    ]
    for each in made:
        yield uses(f"{each}()", each, key=A_KEY, shape=shape((2, 3), valid=("zero",)), dtype=A_DTYPE)
    yield uses("initializers.constant", i.constant, value=number(0.5, valid=finite))
    yield uses("initializers.normal", i.normal, stddev=number(0.5, valid=("zero", "large", "1e-50", "1e50")))
    yield uses(
        "initializers.truncated_normal",
        i.truncated_normal,
        stddev=number(0.5, valid=("zero", "large", "1e-50", "1e50")),
    )
    yield uses(
        "initializers.uniform",
        i.uniform,
        low=number(-0.5, "high", valid=("zero", "negative", "1e-50")),
        high=number(0.5, valid=("zero", "large", "1e-50", "1e50")),
    )
    yield uses(
        "initializers.from_jax",
        lambda factory: i.from_jax(factory),
        factory=function(jax.nn.initializers.zeros, "a factory"),
    )


def data_sets():
    d = fn.data
    free = ("longer", "wider")
    yield uses("data.one_hot", d.one_hot, labels=labels(LABELS, valid=free), classes=count(2))
    yield uses("data.from_one_hot", d.from_one_hot, rows=array(ONE_HOT, "row", valid=(*ANY_DTYPE, "longer", "empty")))
    yield uses(
        "data.class_weights",
        d.class_weights,
        labels=labels(LABELS, valid=free),
        weights=real(np.ones(2, np.float32), valid=("None", "longer", "wider")),
    )
    yield uses(
        "data.split",
        partial(d.split, key=KEY),
        data=data((X, Y), "arrays", "labels", valid=("one of them", "four")),
        fraction=number(0.5, "rows in both parts"),
        stratify=labels(LABELS, "labels", valid=("None", "negative", "too large", "2**32", "2**63")),
    )
    yield uses("data.split key", partial(d.split, (X, Y), 0.5), key=A_KEY)
    yield uses("data.read_idx", d.read_idx, path=path(str(FOLDER / "no.idx")))
    yield uses("data.load_mnist", d.load_mnist, directory=argument("directory", str(FOLDER / "file")))


def information():
    n = fn.information
    free = ("rank + 1", "rank - 1", "longer", "float16")
    unit = name("nats")
    yield uses("information.entropy", n.entropy, p=array(SHARES, valid=(*free, "empty")), unit=unit)
    yield uses(
        "information.binary_entropy", n.binary_entropy, p=array(SHARES, valid=(*ANY_SHAPE, "float16")), unit=unit
    )
    for each in (n.cross_entropy, n.kl_divergence):
        yield uses(f"information.{each.__name__}", each, p=array(SHARES, "q"), q=array(SHARES), unit=unit)
    yield uses(
        "information.empirical",
        n.empirical,
        labels=labels(LABELS, valid=("longer", "wider")),
        classes=count(2),
        dtype=A_DTYPE,
    )
    yield uses(
        "information.estimated_differential_entropy",
        n.estimated_differential_entropy,
        samples=array(np.linspace(0, 1, 9, dtype=np.float32), valid=("longer", "wider", "float16", *ANY_VALUE)),
        unit=unit,
    )
    yield uses(
        "information.differential_entropy",
        partial(n.differential_entropy, nodes=20),
        density=function(n.Uniform().density),
        low=number(0.0, "integral", "density", valid=("zero", "negative", "1e-50")),
        high=number(1.0, "low", "integral", "density"),
        unit=unit,
    )
    yield uses(
        "information.differential_entropy nodes",
        partial(n.differential_entropy, n.Uniform().density, 0, 1),
        nodes=count(20),
    )
    yield uses("information.huffman", n.huffman, weights=argument("mapping", {"a": 0.5, "b": 0.5}, "weight"))
    yield uses(
        "information.HuffmanCode.encode",
        n.huffman({"a": 0.5, "b": 0.5}).encode,
        symbols=argument("symbols", "ab", "symbol", valid=("dict", "generator", "str")),
    )
    yield uses("information.HuffmanCode.decode", n.huffman({"a": 0.5, "b": 0.5}).decode, bits=argument("digits", "01"))
    finite = ("zero", "negative", "large", "1e-50", "1e50")
    yield uses(
        "information.Normal",
        n.Normal,
        mean=number(0.5, valid=finite),
        stddev=number(0.5, valid=("large", "1e-50", "1e50")),
    )
    yield uses("information.Exponential", n.Exponential, rate=number(0.5, valid=("large", "1e-50", "1e50")))
    yield uses(
        "information.Uniform",
        n.Uniform,
        low=number(0.25, "high", valid=("zero", "negative", "1e-50")),
        high=number(0.5, valid=("large", "1e50")),
    )
    for each in (n.Normal(), n.Exponential(), n.Uniform()):
        yield uses(f"information.{each}.density", each.density, x=array(X, valid=(*ANY_SHAPE, *ANY_VALUE, "float16")))
        yield uses(f"information.{each}.differential_entropy", each.differential_entropy, unit=unit)


def neurons():
    n = fn.neurons
    z = ("rank + 1", "rank - 1", "longer", "empty", *ANY_VALUE)
    params_of = params(DENSE, "weight", "bias", "x")
    yield uses("neurons.perceptron", n.perceptron, params=params_of, x=array(X, valid=z))
    yield uses(
        "neurons.linear_neuron",
        n.linear_neuron,
        params=params_of,
        x=array(X, valid=z),
        noise=number(0.5, valid=("zero", "large", "1e-50")),
        key=key(KEY),
    )
    yield uses(
        "neurons.train_perceptron",
        n.train_perceptron,
        x=array(X, "labels", valid=("float16", "wider")),
        labels=real(SIGNS),
        key=A_KEY,
        learning_rate=number(1.0, valid=("large",)),
        steps=count(5, valid=("zero",)),
    )
    one = fn.DenseParams(jnp.array([[0.5, 0.0, 1.0]]), jnp.array([0.0]))
    yield uses(
        "neurons.novikoff_bound",
        n.novikoff_bound,
        params=params(one, "weight", "bias", "x"),
        x=array(X, "labels"),
        labels=real(SIGNS),
    )
    yield uses(
        "neurons.separable_samples",
        n.separable_samples,
        key=A_KEY,
        n=count(2),
        inputs=count(2),
        margin=number(0.5, valid=("zero", "large", "1e-50")),
        dtype=A_DTYPE,
    )
    yield uses(
        "neurons.least_squares",
        n.least_squares,
        x=array(POINTS, "y", "points", valid=()),
        y=array(Y, "x", valid=("wider",)),
    )
    yield uses("neurons.from_points", n.from_points, x=array(POINTS, "y", "points"), y=array(Y, "x", valid=("wider",)))
    yield uses(
        "neurons.from_two_points", n.from_two_points, x=array(X[:2, :1], "y"), y=array(Y[:2], "x", valid=("wider",))
    )
    yield uses("neurons.neuron", n.neuron, activation=name("relu", "one of", "an activation"), units=count(2, valid=()))
    a, b = np.array([0, 1, 1]), np.array([1, 0, 1])
    for each in (n.and_, n.or_, n.xor, n.nand, n.half_adder, n.ripple_carry_adder):
        yield uses(
            f"neurons.{each.__name__}",
            lambda a, b, each=each: each(a, b),
            a=argument("bits", a, "bits", "b"),
            b=argument("bits", b, "bits"),
        )
    yield uses(
        "neurons.not_",
        lambda a: n.not_(a),
        a=argument("bits", a, "bits", valid=ANY_SHAPE),
    )
    yield uses(
        "neurons.full_adder",
        lambda a, b, carry: n.full_adder(a, b, carry),
        a=argument("bits", a, "bits"),
        b=argument("bits", b, "bits"),
        carry=argument("bits", b, "bits"),
    )
    yield uses("neurons.add", n.add, x=labels(a, "numbers", "y"), y=labels(b, "numbers", "x"), bits=count(3))
    yield uses("neurons.to_bits", n.to_bits, numbers=labels(a, valid=(*ANY_SHAPE[:-1],)), bits=count(3))
    yield uses("neurons.from_bits", n.from_bits, bits=argument("bits", a, valid=("rank + 1", "longer", "wider")))
    yield uses(
        "neurons.nand_count",
        lambda function, bits: n.nand_count(function, bits, 1),
        function=function(n.xor),
        bits=argument("bit", 1, valid=("two", "half", "objects")),
    )
    yield uses("neurons.gates_of", n.gates_of, function=function(n.xor), inputs=count(2))


def sphere(params):
    return jnp.sum(jnp.square(params))


def start(key):
    return jax.random.normal(key, (2,))


def searches():
    s = fn.search
    yield uses(
        "annealing",
        fn.annealing,
        temperature=number(1.0, valid=("zero", "large", "1e-50", "1e50")),
        cooling=number(0.9, valid=("1e-50",)),
        scale=number(0.1, valid=("large", "1e-50", "1e50")),
        scale_decay=number(0.9, valid=("1e-50",)),
        move_rate=number(0.5, valid=("zero", "1e-50")),
    )
    share, scale = number(0.5, valid=("zero", "1e-50")), number(0.1, valid=("large", "1e-50", "1e50"))
    yield uses(
        "genetic",
        fn.genetic,
        population=count(4, "elite"),
        tournament=number(2.0, valid=("large", "1e50")),
        crossover_rate=share,
        mutation_rate=share,
        scale=scale,
        scale_decay=number(0.9, valid=("1e-50",)),
        elite=count(1, valid=("zero",)),
    )
    yield uses("restarts", fn.restarts, optimizer=part(OPTIMIZER, valid=("an optimizer",)), starts=count(2))
    for each in (fn.annealing(1.0), fn.genetic(4), fn.restarts(OPTIMIZER, starts=2)):
        yield uses(
            f"{each}.init",
            lambda cost, start, key, each=each: each.init(cost, start, key),
            cost=function(sphere),
            start=function(start),
            key=A_KEY,
        )
        state = each.init(sphere, start, KEY)
        yield uses(f"{each}.step", each.step, cost=function(sphere), state=argument("state", state))
    yield uses(
        "search.run",
        partial(s.run, fn.annealing(1.0), key=KEY, steps=1),
        cost=function(sphere),
        start=function(start),
        goal=number(0.0, valid=("None", "zero", "negative", "large", "inf", "1e-50")),
        patience=count(2, valid=("None",)),
        min_delta=number(0.0, valid=("zero", "large", "1e-50")),
    )
    yield uses(
        "search.run steps",
        partial(s.run, cost=sphere, start=start),
        search=part(fn.annealing(1.0), valid=("a search",)),
        key=A_KEY,
        steps=count(1),
    )
    yield uses(
        "search.acceptance_probability",
        s.acceptance_probability,
        difference=real(np.float32(0.5), valid=(*ANY_SHAPE, *ANY_VALUE)),
        temperature=number(1.0, valid=("zero", "large", "inf", "1e-50", "1e50")),
    )
    yield uses(
        "search.tournament_ranks",
        s.tournament_ranks,
        key=A_KEY,
        size=number(2.0, valid=("large", "1e50")),
        population=count(4),
        shape=shape((2,), valid=("zero",)),
    )
    yield uses(
        "search.from_step",
        lambda state_name: s.from_step(state_name),
        state_name=name("RunState", "parentheses", valid=("None", "nonsense", "empty")),
    )


def training():
    state = fn.init_state(NETWORK, OPTIMIZER, KEY, (3,))
    parts: dict[str, Any] = {"network": A_NETWORK, "loss": A_LOSS}
    three: dict[str, Any] = {**parts, "optimizer": AN_OPTIMIZER}
    penalty, gradients = A_PENALTY, part(fn.autodiff, valid=("function", "class", "a maker"))
    stopping = part(None, valid=("None",))
    yield uses(
        "init_state",
        fn.init_state,
        network=A_NETWORK,
        optimizer=AN_OPTIMIZER,
        key=A_KEY,
        input_shape=shape((3,)),
        params=params(PARAMS, "weight", "x", valid=("None",)),
        dtype=A_DTYPE,
    )
    yield uses("train_step", fn.train_step, **three, gradients=gradients, metrics=METRICS, penalty=penalty)
    step = fn.train_step(NETWORK, fn.quadratic, OPTIMIZER)
    yield uses("train_step()", step, state=argument("state", state, "weight"), batch=data((X, Y), "target"))
    yield uses(
        "train_step() x",
        lambda x, y, weights: step(state, (x, y, weights)),
        x=array(X, "target", "weights", "one value per sample", valid=ANY_VALUE),
        y=array(Y, "target", valid=(*ANY_VALUE, *ANY_DTYPE)),
        weights=real(WEIGHTS, valid=("None",)),
    )
    run = partial(fn.run_epochs, state=state, data=(X, Y), epochs=1, batch_size=None)
    yield uses(
        "run_epochs", run, **three, metrics=METRICS, penalty=penalty, early_stopping=stopping, gradients=gradients
    )
    yield uses(
        "run_epochs state",
        partial(fn.run_epochs, NETWORK, fn.quadratic, OPTIMIZER),
        state=argument("state", state, "weight", "params[0].weight"),
        data=data((X, Y), "x", "y"),
        epochs=count(1),
        batch_size=count(4, valid=("None",)),
        validation=data((X, Y), "x", "y", valid=("None",)),
    )
    fit = partial(fn.fit, data=(X, Y), key=KEY, epochs=1, batch_size=None, progress=False)
    yield uses(
        "fit",
        fit,
        **three,
        metrics=METRICS,
        penalty=penalty,
        early_stopping=stopping,
        gradients=gradients,
        params=params(PARAMS, "weight", "x", valid=("None",)),
        callbacks=sequence([], valid=()),
    )
    fit = partial(fn.fit, NETWORK, fn.quadratic, OPTIMIZER, progress=False)
    yield uses(
        "fit data",
        fit,
        data=data((X, Y), "x", "y"),
        key=A_KEY,
        epochs=count(1),
        batch_size=count(4, valid=("None",)),
        validation=data((X, Y), "x", "y", valid=("None",)),
    )
    yield uses("fit state", partial(fit, (X, Y), **QUICK), state=argument("state", state, "weight", "params[0].weight"))
    yield uses(
        "fit x",
        lambda x, y, weights: fit((x, y, weights), key=KEY, **QUICK),
        x=array(X, "y", "an input", valid=("float16",)),
        y=array(Y, "x", "target", valid=ANY_DTYPE),
        weights=real(WEIGHTS, valid=("None",)),
    )
    evaluate = partial(fn.evaluate, data=(X, Y))
    yield uses(
        "evaluate",
        evaluate,
        **parts,
        params=params(PARAMS, "weight", "x"),
        metrics=METRICS,
        batch_size=count(4, valid=("None",)),
    )
    evaluate = partial(fn.evaluate, NETWORK, fn.quadratic, PARAMS)
    yield uses("evaluate data", evaluate, data=data((X, Y), "x", "y"))
    yield uses(
        "evaluate x",
        lambda x, y, weights: evaluate((x, y, weights)),
        x=array(X, "y", valid=("float16",)),
        y=array(Y, "x", "target", valid=ANY_DTYPE),
        weights=real(WEIGHTS, valid=("None",)),
    )
    yield uses(
        "predict",
        fn.predict,
        network=A_NETWORK,
        params=params(PARAMS, "weight", "x"),
        x=array(X, valid=("longer", "float16")),
        batch_size=count(4, valid=("None",)),
    )
    by_search = partial(fn.fit_by_search, data=(X, Y), key=KEY, steps=1)
    yield uses(
        "fit_by_search",
        by_search,
        **parts,
        search=part(fn.annealing(1.0), valid=("a search",)),
        penalty=penalty,
        dtype=A_DTYPE,
        goal=number(0.0, valid=("None", "zero", "negative", "large", "inf", "1e-50")),
        patience=count(2, valid=("None",)),
        min_delta=number(0.0, valid=("zero", "large", "1e-50")),
    )
    by_search = partial(fn.fit_by_search, NETWORK, fn.quadratic, fn.annealing(1.0))
    yield uses("fit_by_search data", by_search, data=data((X, Y), "x", "y"), key=A_KEY, steps=count(1))
    yield uses("EarlyStopping.smaller_is_better", fn.EarlyStopping("loss").smaller_is_better, metrics=METRICS)


def gradients():
    for maker in (fn.autodiff, fn.backprop):
        yield uses(maker.__name__, maker, network=A_NETWORK, loss=A_LOSS, with_output=flag(False))
        yield uses(
            f"{maker.__name__}()",
            maker(NETWORK, fn.quadratic),
            params=params(PARAMS, "weight", "x"),
            x=array(X, "target", "one value per sample", valid=ANY_VALUE),
            y=array(Y, "target", valid=(*ANY_VALUE, *ANY_DTYPE)),
            key=OPTIONAL_KEY,
            weights=real(WEIGHTS, valid=("None",)),
            penalty=part(fn.l2(0.1), valid=("None", "a penalty")),
        )
    objective = fn.Objective(NETWORK, fn.quadratic)
    yield uses("Objective", fn.Objective, network=A_NETWORK, loss=A_LOSS)
    for method in ("value", "by_hand", "automatic"):
        call = getattr(objective, method)
        yield uses(
            f"Objective.{method}",
            lambda params, x, y, call=call: call(params, fn.objective.Batch(x, y)),
            params=params(PARAMS, "weight", "x"),
            x=array(X, "target", valid=ANY_VALUE),
            y=array(Y, "target", valid=(*ANY_VALUE, *ANY_DTYPE)),
        )
    yield uses(
        "layer_errors",
        fn.layer_errors,
        network=A_NETWORK,
        loss=A_LOSS,
        params=params(PARAMS, "weight", "x"),
        x=array(X, "target", valid=ANY_VALUE),
        y=array(Y, "target", valid=(*ANY_VALUE, *ANY_DTYPE)),
    )
    yield uses(
        "check_gradients",
        fn.check_gradients,
        network=A_NETWORK,
        loss=A_LOSS,
        params=params(PARAMS, "weight", "x"),
        x=array(X, "target", valid=("float16",)),
        y=array(Y, "target", valid=ANY_DTYPE),
        key=OPTIONAL_KEY,
        weights=real(WEIGHTS, valid=("None",)),
        penalty=A_PENALTY,
        tolerance=number(1e-9, valid=("None", "large", "1e-50", "1e50")),
        dtype=dtype(jnp.float32, valid=("None",)),
    )
    yield uses(
        "summary",
        fn.summary,
        network=A_NETWORK,
        input_shape=shape((3,)),
        dtype=A_DTYPE,
        input_dtype=dtype(jnp.float32, "x", valid=("None",)),
    )


def files():
    tree = {"w": np.ones(2, np.float32)}
    saved = str(FOLDER / "tree.safetensors")
    fn.save(saved, tree)
    yield uses(
        "save",
        fn.save,
        path=path(str(FOLDER / "other.safetensors")),
        tree=argument("tree", tree, "['w']", ".init", valid=("None", "int", "list", "empty", "array")),
    )
    model = str(FOLDER / "a model.safetensors")
    fn.save_model(model, NETWORK, PARAMS)
    yield uses("load", fn.load, path=path(saved), like=argument("tree", tree, "['w']", "the tree"))
    yield uses(
        "save_model",
        fn.save_model,
        path=path(str(FOLDER / "model.safetensors")),
        network=A_NETWORK,
        params=params(PARAMS, "weight", "x"),
        loss=part_of(fn.quadratic, valid=("a loss", "None")),
    )
    yield uses("load_model", fn.load_model, path=path(model), known=sequence([], valid=()))
    yield uses("Checkpoint", fn.Checkpoint, directory=path("run"), every=count(1, valid=()), resume=flag(True))
    yield uses("Skip", fn.Skip, limit=count(10, valid=()))
    for each in (fn.CSVLog, fn.JSONLines):
        yield uses(each.__name__, each, path=path("log"), overwrite=flag(False), every=count(1, valid=()))
    yield uses("TensorBoard", fn.TensorBoard, directory=path("logs"), every=count(1, valid=()))
    yield uses("LivePlot", fn.LivePlot, every=count(1, valid=()))
    yield uses("enable_compilation_cache", fn.enable_compilation_cache, directory=path(str(FOLDER / "file" / "cache")))


def graphs():
    traced = fn.graph.trace(lambda w, x: jnp.sum(w * x), jnp.ones(2), jnp.ones(2))
    values = traced.forward(jnp.ones(2), jnp.ones(2))
    ones = np.ones(2, np.float32)
    yield uses(
        "graph.trace",
        lambda function, arguments: fn.graph.trace(function, arguments),
        function=function(jnp.sin),
        arguments=real(
            ones,
            "argument",
            "x",
            valid=(
                *ANY_SHAPE,
                *ANY_VALUE,
                "complex",
                "keys",
                "list of masked",
                "ragged list",
                "list of None",
                "dict",
                "deleted",
                "BCOO",
            ),
        ),
    )
    yield uses("graph.Graph.forward", lambda w: traced.forward(w, ones), w=array(ones, "arguments", valid=ANY_VALUE))
    for method in ("backward", "output", "tangents"):
        call = getattr(traced, method)
        if method == "tangents":
            call = partial(call, changes={"w": ones})
        yield uses(f"graph.Graph.{method}", call, values=argument("values", values, *values, valid=("unknown",)))
    yield uses(
        "graph.Graph.tangents changes",
        partial(traced.tangents, values),
        changes=argument("values", {"w": jnp.ones(2)}, "w", "inputs", "input", valid=("empty",)),
    )
    yield uses("graph.Graph.part", partial(traced.part, given=values), names=argument("names", ["w"], valid=("empty",)))
    yield uses(
        "graph.Graph.gradients",
        traced.gradients,
        derivatives=argument(
            "values", traced.backward(values), valid=("empty", "dict of None", "dict of str", "unknown", "wider")
        ),
    )
    yield uses("graph.Graph.counts", traced.counts, inputs=argument("names", ["w"], "input", valid=("None", "empty")))


def plots():
    p = fn.plots

    def axes():
        return p.figure(size=(2, 2))[1][0, 0]

    def drawn(drawing, **given):
        return partial(_on_new_axes, drawing, axes, given)

    texts = {"xlabel": "x", "ylabel": "y"}
    line = np.linspace(0, 1, 4, dtype=np.float32)
    free = ("longer", "wider", *ANY_VALUE, *ANY_DTYPE)
    yield uses("plots.figure", p.figure, rows=count(1), columns=count(1), size=argument("pair", (2.0, 2.0)))
    yield uses(
        "plots.curves",
        drawn(lambda axes, values, **k: p.curves(axes, {"values": values}, **k), **texts),
        values=array(line, valid=free),
        x=argument("array", line, "values", valid=("None", *ANY_VALUE, *ANY_DTYPE)),
    )
    yield uses("plots.curves series", drawn(p.curves, **texts), series=argument("mapping", {"a": line}, "a"))
    yield uses(
        "plots.bars",
        drawn(lambda axes, values, groups: p.bars(axes, groups, {"values": values}, ylabel="y")),
        values=array(line[:2], "groups", valid=(*ANY_VALUE, *ANY_DTYPE)),
        groups=argument("names", ["a", "b"], "values", "group"),
    )
    yield uses(
        "plots.surface",
        drawn(partial(p.surface, resolution=3, levels=2), **texts),
        function=function(lambda x: x.sum(axis=1)),
        x_range=argument("pair", (0.0, 1.0)),
        y_range=argument("pair", (0.0, 1.0)),
    )
    yield uses(
        "plots.surface resolution",
        drawn(lambda axes, **k: p.surface(axes, lambda x: x.sum(axis=1), (0, 1), (0, 1), **k, **texts)),
        levels=count(2),
        resolution=count(3),
    )
    yield uses(
        "plots.paths",
        drawn(lambda axes, points: p.paths(axes, {"points": points})),
        points=array(X[:, :2], valid=("longer", *ANY_VALUE, *ANY_DTYPE)),
    )
    yield uses(
        "plots.decision",
        drawn(p.decision),
        probability=function(lambda x: 0 * x[:, 0]),
        x=array(X[:, :2], "labels", valid=ANY_DTYPE),
        labels=labels(LABELS, valid=("bools", "floats")),
        margin=number(0.5, valid=("zero", "large", "1e-50")),
    )
    yield uses("plots.confusion", drawn(p.confusion), counts=array(np.ones((2, 2), np.int32), valid=ANY_DTYPE))
    yield uses(
        "plots.history",
        p.history,
        columns=argument("mapping", {"loss": line}),
        first=count(1, valid=("zero",)),
    )
    yield uses(
        "plots.network",
        drawn(p.network),
        network=part(NETWORK, "layer", valid=("a layer",)),
        params=params(PARAMS, "weight", "x", "names"),
        inputs=argument("names", ["a", "b", "c"], "names", valid=("empty",)),
        outputs=argument("names", ["a", "b"], "names", valid=("empty",)),
    )
    yield uses(
        "plots.circuit",
        drawn(p.circuit),
        function=function(fn.neurons.xor),
        inputs=argument("names", ["a", "b"], "input"),
        outputs=argument("names", ["c"], "output"),
    )
    pictures = np.ones((1, 2, 2), np.float32)
    yield uses(
        "plots.images",
        lambda pictures, titles: p.images(p.figure(size=(2, 2))[1], pictures, titles),
        pictures=array(pictures, "axes", valid=(*ANY_VALUE, *ANY_DTYPE, "wider")),
        titles=argument("names", ["a"], "title", valid=("empty", "unknown")),
    )
    yield uses(
        "plots.samples",
        lambda pictures, labels, predictions: p.samples(p.figure(size=(2, 2))[1], pictures, labels, predictions),
        pictures=array(pictures, "axes", "labels", valid=(*ANY_VALUE, *ANY_DTYPE, "wider")),
        labels=labels(LABELS[:1], "label", valid=SOME_CLASS),
        predictions=labels(LABELS[:1], "prediction", valid=("None", *SOME_CLASS)),
    )
    yield uses("plots.divided", drawn(p.divided), rows=count(1), columns=count(2))
    yield uses(
        "plots.diagram",
        drawn(p.diagram),
        layout=part(fn.graph.trace(jnp.sin, 1.0).layout()),
        fontsize=number(8.5, valid=("large", "1e-50", "1e50")),
    )
    picture = p.figure(size=(1, 1))[0]
    yield uses(
        "plots.save",
        p.save,
        picture=part(picture),
        path=path(str(FOLDER / "a.png")),
        dpi=argument("count", 20, valid=()),
    )


def _on_new_axes(drawing, axes, given, /, **arguments):
    drawing(axes(), **given, **arguments)


ROOMS = {
    "activations": activations, "layers": layers, "settings": settings, "losses": losses, "optimizers": optimizers,
    "schedules": schedules, "metrics": metrics, "initializers": initializers, "data": data_sets,
    "information": information, "neurons": neurons, "search": searches, "training": training, "gradients": gradients,
    "files": files, "graph": graphs, "plots": plots,
}  # fmt: skip
