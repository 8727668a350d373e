import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet.losses import batch_mean

ON_ANY_OUTPUT = [fn.quadratic, fn.squared_error, fn.mean_squared_error]
FROM_LOGITS = [fn.sigmoid_cross_entropy, fn.softmax_cross_entropy]
LOSSES = [*ON_ANY_OUTPUT, *FROM_LOGITS, fn.cross_entropy]
EXTREMES = [0.0, 1e-30, -1e-30, 88.0, -88.0, 1e4, -1e4, 1e30, -1e30]


def example(loss, dtype, samples=6, outputs=4):
    """Return an output that the loss can meet and a one-hot target."""
    output = jax.random.normal(jax.random.key(0), (samples, outputs), dtype)
    output = fn.sigmoid(output) if loss == fn.cross_entropy else output
    return output, jnp.eye(outputs, dtype=dtype)[jnp.arange(samples) % outputs]


def plain_value(loss, a, y):
    """Return the loss of one sample by its definition, in plain Python floats."""
    sigmoid = [1 / (1 + np.exp(-each)) for each in a]
    softmax = np.exp(a) / np.sum(np.exp(a))
    squares = sum((each - target) ** 2 for each, target in zip(a, y, strict=True))

    def binary(p):
        return -sum(t * np.log(q) + (1 - t) * np.log(1 - q) for q, t in zip(p, y, strict=True))

    return {
        fn.quadratic: squares / 2,
        fn.squared_error: squares,
        fn.mean_squared_error: squares / len(a),
        fn.cross_entropy: binary(a) if loss == fn.cross_entropy else None,
        fn.sigmoid_cross_entropy: binary(sigmoid),
        fn.softmax_cross_entropy: -sum(t * np.log(p) for p, t in zip(softmax, y, strict=True)),
    }[loss]


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_value_is_the_definition_in_plain_loops(loss, x64):
    output, target = example(loss, jnp.float64)
    expected = [plain_value(loss, a, y) for a, y in zip(np.asarray(output), np.asarray(target), strict=True)]
    np.testing.assert_allclose(loss.value(output, target), expected, rtol=1e-13)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_gradient_agrees_with_automatic_differentiation(loss, x64):
    output, target = example(loss, jnp.float64)
    target = 0.7 * target + 0.1  # nothing depends on targets that are 0 or 1, or that sum to 1
    automatic = jax.grad(lambda output: jnp.sum(loss.value(output, target)))(output)
    np.testing.assert_allclose(loss.gradient(output, target), automatic, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_gradient_agrees_with_central_differences(loss, x64):
    output, target = example(loss, jnp.float64)
    h = 1e-6
    for j in range(output.shape[1]):
        shift = h * jnp.eye(output.shape[1])[j][None, :]
        numerical = (loss.value(output + shift, target) - loss.value(output - shift, target)) / (2 * h)
        np.testing.assert_allclose(loss.gradient(output, target)[:, j], numerical, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16], ids=lambda d: np.dtype(d).name)
def test_shape_and_dtype_are_kept(loss, dtype):
    output, target = example(loss, dtype)
    assert loss.value(output, target).shape == (6,)
    assert loss.value(output, target).dtype == dtype
    assert loss.gradient(output, target).shape == output.shape
    assert loss.gradient(output, target).dtype == dtype
    assert loss.predict(output).dtype == dtype


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_eager_compiled_and_vectorized_are_the_same(loss):
    output, target = example(loss, jnp.float32)
    for f in (loss.value, loss.gradient):
        np.testing.assert_allclose(jax.jit(f)(output, target), f(output, target), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(jax.vmap(f)(output, target), f(output, target), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", FROM_LOGITS, ids=repr)
def test_no_nan_or_infinity_from_extreme_logits(loss):
    grid = jnp.stack(jnp.meshgrid(jnp.array(EXTREMES), jnp.array(EXTREMES)), axis=-1).reshape(-1, 2)
    for target in ([1.0, 0.0], [0.0, 1.0]):
        y = jnp.broadcast_to(jnp.array(target), grid.shape)
        assert np.isfinite(loss.value(grid, y)).all()
        assert np.isfinite(loss.gradient(grid, y)).all()
        assert np.isfinite(jax.grad(lambda z, y=y: jnp.sum(loss.value(z, y)))(grid)).all()


def test_cross_entropy_takes_zero_times_log_zero_as_zero_by_both_routes():
    a, y = jnp.array([[0.0, 1.0]]), jnp.array([[0.0, 1.0]])
    automatic = jax.grad(lambda a: jnp.sum(fn.cross_entropy.value(a, y)))(a)
    assert fn.cross_entropy.value(a, y) == 0
    assert fn.cross_entropy.gradient(a, y).tolist() == automatic.tolist() == [[1.0, -1.0]]


def test_losses_from_logits_equal_those_on_activations(x64):
    z, y = example(fn.sigmoid_cross_entropy, jnp.float64)
    np.testing.assert_allclose(
        fn.sigmoid_cross_entropy.value(z, y), fn.cross_entropy.value(fn.sigmoid(z), y), rtol=1e-13
    )


def test_gradient_from_logits_is_prediction_minus_target():
    for loss in FROM_LOGITS:
        z, y = example(loss, jnp.float32)
        np.testing.assert_allclose(loss.gradient(z, y), loss.predict(z) - y, atol=1e-7)


def test_batch_mean_counts_each_sample_by_its_weight():
    values = jnp.array([1.0, 3.0, 100.0])
    assert batch_mean(values, jnp.array([1.0, 3.0, 0.0])) == 2.5


def test_batch_mean_sums_in_float32_at_least():
    ones = jnp.ones(1000, jnp.bfloat16)
    assert batch_mean(ones).dtype == jnp.float32
    assert batch_mean(ones * jnp.bfloat16(70000)) == jnp.float32(jnp.bfloat16(70000))


def test_losses_are_values():
    assert fn.quadratic == type(fn.quadratic)()
    assert fn.quadratic != fn.squared_error
    assert [repr(loss) for loss in LOSSES][:2] == ["quadratic", "squared_error"]


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_shapes_that_would_broadcast_are_refused(loss):
    with pytest.raises(fn.ShapeError, match=rf"{loss}: expected target of the output's shape \(4, 1\), got \(4,\)"):
        loss.value(jnp.ones((4, 1)), jnp.ones(4))
    with pytest.raises(fn.ShapeError, match="expected target of the output's shape"):
        loss.gradient(jnp.ones((4, 2)), jnp.ones((4, 1)))


def test_class_labels_are_refused_with_a_hint():
    with pytest.raises(fn.ShapeError, match=r"got \(4,\): class labels become rows by funcnet\.data\.one_hot"):
        fn.softmax_cross_entropy.value(jnp.ones((4, 3)), jnp.array([0, 1, 2, 0]))


def test_integer_output_is_refused():
    with pytest.raises(fn.DtypeError, match="quadratic: expected output of a floating dtype, got int32"):
        fn.quadratic.value(jnp.ones((4, 3), jnp.int32), jnp.ones((4, 3)))


def test_scalar_output_and_complex_target_are_refused():
    with pytest.raises(fn.ShapeError, match=r"expected output of shape \(batch, outputs\), got \(\)"):
        fn.quadratic.value(jnp.float32(1), jnp.float32(1))
    with pytest.raises(fn.DtypeError, match="expected target of a real dtype, got complex64"):
        fn.quadratic.value(jnp.ones((1, 1)), jnp.ones((1, 1), jnp.complex64))
