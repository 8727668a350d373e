import copy
import re
from dataclasses import fields

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet.losses import batch_mean, categorical_cross_entropy, hinge, kl_divergence
from tests import registry
from tests.agreement import worst_error

BOUNDED = [case for case in registry.LOSSES if case.bounded]
FROM_LOGITS = [fn.sigmoid_cross_entropy, fn.softmax_cross_entropy]
EXTREMES = [0.0, -0.0, *(s * size for size in (1e-30, 88.0, 1e4, 1e30) for s in (1, -1))]


def both_routes(loss):
    """Return the value and both gradients, the hand-written and the automatic one, as one compiled function."""
    automatic = jax.vmap(jax.grad(loss.value))
    return jax.jit(lambda output, y: (loss.value(output, y), loss.gradient(output, y), automatic(output, y)))


def plain_value(loss, a, y):
    """Return the loss of one sample by its definition, in plain Python floats."""
    sigmoid = [1 / (1 + np.exp(-each)) for each in a]
    softmax = np.exp(a) / np.sum(np.exp(a))
    squares = sum((each - target) ** 2 for each, target in zip(a, y, strict=True))

    def binary(p):
        return -sum(t * np.log(q) + (1 - t) * np.log(1 - q) for q, t in zip(p, y, strict=True))

    def categorical(p):
        return -sum(t * np.log(q) for q, t in zip(p, y, strict=True))

    return {
        fn.quadratic: lambda: squares / 2,
        fn.squared_error: lambda: squares,
        fn.mean_squared_error: lambda: squares / len(a),
        fn.binary_cross_entropy: lambda: binary(a),
        categorical_cross_entropy: lambda: categorical(a),
        kl_divergence: lambda: sum(t * np.log(t / q) for q, t in zip(a, y, strict=True)),
        fn.sigmoid_cross_entropy: lambda: binary(sigmoid),
        fn.softmax_cross_entropy: lambda: categorical(softmax),
        hinge: lambda: sum(max(0, 1 - t * z) for z, t in zip(a, y, strict=True)),
        fn.Huber(0.7): lambda: sum(d * d / 2 if d <= 0.7 else 0.7 * (d - 0.35) for d in np.abs(np.subtract(a, y))),
        fn.SoftmaxCrossEntropy(0.1): lambda: -np.dot(0.9 * np.asarray(y) + 0.1 / len(y), np.log(softmax)),
        fn.Focal(2.0): lambda: -sum(t * (1 - q) ** 2 * np.log(q) for q, t in zip(softmax, y, strict=True)),
    }[loss]()


@pytest.mark.parametrize("case", registry.LOSSES, ids=repr)
def test_value_is_the_definition_in_plain_loops(case, x64):
    output, target = case.example(jax.random.key(0), dtype=jnp.float64)
    expected = [plain_value(case.loss, a, y) for a, y in zip(np.asarray(output), np.asarray(target), strict=True)]
    np.testing.assert_allclose(case.loss.value(output, target), expected, rtol=1e-13)


@pytest.mark.parametrize("case", registry.LOSSES, ids=repr)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 2e-15)])
def test_gradient_agrees_with_automatic_differentiation(case, dtype, tolerance, x64):
    output, target = case.example(jax.random.key(0), (1000, 5), dtype)
    _, by_hand, automatic = both_routes(case.loss)(output, target)
    assert worst_error(by_hand, automatic) <= tolerance


@pytest.mark.parametrize("case", registry.LOSSES, ids=repr)
def test_gradient_agrees_with_central_differences(case, x64):
    loss, (output, target) = case.loss, case.example(jax.random.key(0), dtype=jnp.float64)
    h = 1e-6
    for j in range(output.shape[1]):
        shift = h * jnp.eye(output.shape[1])[j][None, :]
        numerical = (loss.value(output + shift, target) - loss.value(output - shift, target)) / (2 * h)
        np.testing.assert_allclose(loss.gradient(output, target)[:, j], numerical, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("case", registry.LOSSES, ids=repr)
@pytest.mark.parametrize("dtype", [jnp.float64, jnp.float32, jnp.bfloat16], ids=lambda d: np.dtype(d).name)
def test_shape_and_dtype_are_kept(case, dtype, x64):
    def results(output, target):
        return case.loss.value(output, target), case.loss.gradient(output, target), case.loss.predict(output)

    one = jax.ShapeDtypeStruct((6, 4), dtype)
    value, gradient, prediction = jax.eval_shape(results, one, one)
    assert (value.shape, gradient.shape, prediction.shape) == ((6,), (6, 4), (6, 4))
    assert value.dtype == gradient.dtype == prediction.dtype == dtype


@pytest.mark.parametrize("case", registry.LOSSES, ids=repr)
def test_eager_compiled_and_vectorized_are_the_same(case):
    def value_and_gradient(output, target):
        return case.loss.value(output, target), case.loss.gradient(output, target)

    example = case.example(jax.random.key(0))
    eager = value_and_gradient(*example)
    chex.assert_trees_all_close(jax.jit(value_and_gradient)(*example), eager, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(jax.vmap(value_and_gradient)(*example), eager, rtol=1e-5, atol=1e-6)


def vars_of(loss):
    return {field.name: getattr(loss, field.name) for field in fields(loss)}


@pytest.mark.parametrize("case", registry.LOSSES, ids=repr)
def test_a_loss_built_anew_compiles_nothing(case):
    chex.clear_trace_counter()

    @chex.assert_max_traces(n=1)
    def results(loss, output, target):
        return loss.value(output, target), loss.gradient(output, target), loss.predict(output)

    compiled = jax.jit(results, static_argnums=0)
    for seed, loss in enumerate((case.loss, type(case.loss)(**vars_of(case.loss)), copy.deepcopy(case.loss))):
        compiled(loss, *case.example(jax.random.key(seed)))


@pytest.mark.parametrize("case", BOUNDED, ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_nan_or_infinity_from_extreme_outputs(case, dtype, x64):
    extremes = [*EXTREMES, np.finfo(dtype).tiny, -np.finfo(dtype).tiny]
    axes = np.meshgrid(extremes, extremes, [0.0, 1.0, -1.0], [0.0, 1.0, -1.0])
    z1, z2, y1, y2 = (jnp.asarray(axis.ravel(), dtype) for axis in axes)
    z, y = jnp.stack([z1, z2], axis=1), jnp.stack([y1, y2], axis=1)
    value, by_hand, automatic = both_routes(case.loss)(z, y)
    assert np.isfinite(value).all()
    assert worst_error(by_hand, automatic) <= {"float32": 1e-6, "float64": 1e-15}[dtype]


@pytest.mark.parametrize(
    ("loss", "gradient"),
    [(fn.binary_cross_entropy, [1.0, -1.0]), (categorical_cross_entropy, [0.0, -1.0]), (kl_divergence, [0.0, -1.0])],
    ids=repr,
)
def test_zero_times_log_zero_is_zero_by_both_routes(loss, gradient):
    a, y = jnp.array([[0.0, 1.0]]), jnp.array([[0.0, 1.0]])
    automatic = jax.grad(lambda a: jnp.sum(loss.value(a, y)))(a)
    assert loss.value(a, y) == 0
    assert loss.gradient(a, y).tolist() == automatic.tolist() == [gradient]


@pytest.mark.parametrize("loss", [fn.binary_cross_entropy, categorical_cross_entropy, kl_divergence], ids=repr)
def test_a_probability_of_1e_minus_30_has_a_finite_gradient_by_both_routes(loss):
    a, y = jnp.array([[1e-30, 1.0]]), jnp.array([[0.5, 1.0]])
    automatic = jax.grad(lambda a: jnp.sum(loss.value(a, y)))(a)
    assert worst_error(loss.gradient(a, y), automatic) <= 1e-6


def test_losses_from_logits_equal_those_on_activations(x64):
    z, y = registry.LOSSES[0].example(jax.random.key(0), dtype=jnp.float64)
    sigmoid_pair = fn.sigmoid_cross_entropy.value(z, y), fn.binary_cross_entropy.value(fn.sigmoid(z), y)
    softmax_pair = fn.softmax_cross_entropy.value(z, y), categorical_cross_entropy.value(fn.softmax(z), y)
    for from_logits, on_activations in (sigmoid_pair, softmax_pair):
        np.testing.assert_allclose(from_logits, on_activations, rtol=1e-13)


def test_kl_divergence_is_the_cross_entropy_less_the_entropy_and_zero_at_the_target(x64):
    case = next(case for case in registry.LOSSES if case.loss == kl_divergence)
    a, y = case.example(jax.random.key(0), dtype=jnp.float64)
    entropy = -jnp.sum(y * jnp.log(y), axis=-1)
    np.testing.assert_allclose(kl_divergence.value(a, y), categorical_cross_entropy.value(a, y) - entropy, rtol=1e-13)
    assert kl_divergence.value(y, y).tolist() == [0] * len(y)
    assert (kl_divergence.value(a, y) > 0).all()


@pytest.mark.parametrize("loss", FROM_LOGITS, ids=repr)
def test_gradient_from_logits_is_prediction_minus_target(loss):
    z = jax.random.normal(jax.random.key(0), (6, 4))
    y = jnp.eye(4)[jnp.arange(6) % 4]
    np.testing.assert_allclose(loss.gradient(z, y), loss.predict(z) - y, atol=2e-7)


@pytest.mark.parametrize(("z", "y"), [(30.0, 1.0), (-30.0, 0.0)])
def test_sigmoid_cross_entropy_keeps_the_digits_of_a_small_gradient(z, y, x64):
    z, y = jnp.array([z]), jnp.array([y])
    expected = np.exp(-30) / (1 + np.exp(-30)) * np.sign(-float(z[0]))
    np.testing.assert_allclose(fn.sigmoid_cross_entropy.gradient(z, y)[0], expected, rtol=1e-14)
    np.testing.assert_allclose(jax.grad(fn.sigmoid_cross_entropy.value)(z, y)[0], expected, rtol=1e-14)


def test_accuracy_of_hinge_predictions_is_right_for_signs():
    scores = jnp.array([[-3.0], [-0.1], [0.0], [0.1], [3.0]])
    signs = jnp.array([[-1.0], [1.0], [1.0], [1.0], [-1.0]])
    assert fn.accuracy(hinge.predict(scores), signs).tolist() == [1, 0, 1, 1, 0]
    one_against_the_rest = 2 * jnp.eye(3)[jnp.array([0, 1, 2])] - 1
    scores = jnp.array([[-1.0, -2.0, -3.0], [5.0, 4.0, 3.0], [-0.2, 0.1, 0.3]])
    assert fn.accuracy(hinge.predict(scores), one_against_the_rest).tolist() == [1, 0, 1]


def test_batch_mean_counts_each_sample_by_its_weight():
    values = jnp.array([1.0, 3.0, 100.0])
    assert batch_mean(values, jnp.array([1.0, 3.0, 0.0])) == 2.5


def test_batch_mean_sums_in_float32_at_least():
    ones = jnp.ones(1000, jnp.bfloat16)
    assert batch_mean(ones).dtype == jnp.float32
    assert batch_mean(ones * jnp.bfloat16(70000)) == jnp.float32(jnp.bfloat16(70000))


@pytest.mark.parametrize("case", registry.LOSSES, ids=repr)
def test_shapes_that_would_broadcast_are_refused(case):
    loss, name = case.loss, re.escape(str(case.loss))
    with pytest.raises(fn.ShapeError, match=rf"{name}: expected target of the output's shape \(4, 1\), got \(4,\)"):
        loss.value(jnp.ones((4, 1)), jnp.ones(4))
    with pytest.raises(fn.ShapeError, match="expected target of the output's shape"):
        loss.gradient(jnp.ones((4, 2)), jnp.ones((4, 1)))


@pytest.mark.parametrize(("loss", "outputs"), [(fn.quadratic, 3), (fn.sigmoid_cross_entropy, 2)], ids=repr)
def test_class_labels_are_refused_with_a_hint(loss, outputs):
    with pytest.raises(fn.ShapeError, match=r"got \(4,\): use fn\.data\.one_hot for class labels"):
        loss.value(jnp.ones((4, outputs)), jnp.array([0, 1, 1, 0]))


@pytest.mark.parametrize("case", registry.LOSSES, ids=repr)
def test_integer_output_is_refused(case):
    with pytest.raises(
        fn.DtypeError, match=rf"{re.escape(str(case.loss))}: expected output of a floating dtype, got int32"
    ):
        case.loss.value(jnp.ones((4, 3), jnp.int32), jnp.ones((4, 3)))


def test_scalar_output_and_complex_target_are_refused():
    with pytest.raises(fn.ShapeError, match=r"expected output of shape \(batch, outputs\), got \(\)"):
        fn.quadratic.value(jnp.float32(1), jnp.float32(1))
    with pytest.raises(fn.DtypeError, match="expected target of a real dtype, got complex64"):
        fn.quadratic.value(jnp.ones((1, 1)), jnp.ones((1, 1), jnp.complex64))
