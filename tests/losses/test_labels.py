"""Labels in place of one-hot rows, label smoothing, and the focal loss where it is nearly or wholly certain."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from tests.agreement import worst_error

TAKE_LABELS = [
    (fn.softmax_cross_entropy, 5),
    (fn.SoftmaxCrossEntropy(label_smoothing=0.2), 3),
    (fn.sigmoid_cross_entropy, 1),
    (fn.Focal(), 4),
    (fn.Focal(0.5), 1),
]


def logits_and_labels(outputs, samples=300):
    generator = np.random.default_rng(outputs)
    logits = generator.normal(size=(samples, outputs)) * generator.choice([0.1, 3, 40], size=(samples, 1))
    return logits, generator.integers(0, max(outputs, 2), samples)


def rows_of(labels, outputs):
    return labels[:, None].astype(float) if outputs == 1 else np.eye(outputs)[labels]


def routes(loss, z, y):
    return loss.value(z, y), loss.gradient(z, y), jax.grad(lambda z: jnp.sum(loss.value(z, y)))(z)


@pytest.mark.parametrize(("loss", "outputs"), TAKE_LABELS, ids=repr)
@pytest.mark.parametrize("dtype", [np.int64, np.uint8], ids=lambda dtype: np.dtype(dtype).name)
def test_labels_are_their_one_hot_rows(loss, outputs, dtype, x64):
    z, labels = logits_and_labels(outputs)
    assert loss.label_count(outputs) == max(outputs, 2)
    by_label, by_row = (jax.jit(routes, static_argnums=0)(loss, z, y) for y in (labels.astype(dtype),
                        rows_of(labels, outputs)))  # fmt: skip
    for found, expected in zip(by_label, by_row, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-15, atol=0)
    assert worst_error(by_label[1], by_label[2]) <= 4e-15


def test_bool_labels_are_zero_and_one():
    z, labels = jnp.array([[0.3], [-2.0]]), jnp.array([True, False])
    np.testing.assert_array_equal(
        fn.sigmoid_cross_entropy.value(z, labels), fn.sigmoid_cross_entropy.value(z, jnp.array([1, 0]))
    )


@pytest.mark.parametrize(("loss", "outputs"), TAKE_LABELS, ids=repr)
def test_a_label_of_no_class_makes_nan(loss, outputs):
    z, labels = jnp.ones((3, outputs)), jnp.array([-1, max(outputs, 2), 0])
    for value in (loss.value, jax.jit(loss.value), jax.jit(lambda z, y: loss.gradient(z, y).sum(axis=1))):
        np.testing.assert_array_equal(jnp.isnan(value(z, labels)), [True, True, False])


@pytest.mark.parametrize("label", [2**32 + 1, -(2**32), 2**63 - 1])
def test_a_wide_label_does_not_wrap(label):
    z = jnp.ones((1, 3))
    assert jnp.isnan(fn.softmax_cross_entropy.value(z, np.array([label])))[0]
    with jax.enable_x64(True):
        assert jnp.isnan(jax.jit(fn.softmax_cross_entropy.value)(z, jnp.array([label])))[0]


def test_smoothing_mixes_the_target_with_the_uniform_one(x64):
    z, labels = logits_and_labels(4)
    mixed = 0.9 * np.eye(4)[labels] + 0.1 / 4
    smooth = fn.SoftmaxCrossEntropy(label_smoothing=0.1)
    for name in ("value", "gradient"):
        np.testing.assert_allclose(
            getattr(smooth, name)(z, labels), getattr(fn.softmax_cross_entropy, name)(z, mixed), rtol=1e-13, atol=1e-15
        )
    assert fn.SoftmaxCrossEntropy() == fn.softmax_cross_entropy != smooth
    assert (repr(smooth), repr(fn.SoftmaxCrossEntropy())) == (
        "SoftmaxCrossEntropy(label_smoothing=0.1)",
        "softmax_cross_entropy",
    )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("outputs", [1, 3])
def test_focal_is_finite_at_every_probability(gamma, outputs, x64):
    certain = np.array([0.0, 1.0, 30.0, 40.0, 800.0, 1e30])
    z = np.concatenate([certain, -certain])[:, None] * np.eye(outputs)[:1]
    labels = np.zeros(len(z), int)
    value, by_hand, automatic = jax.jit(routes, static_argnums=0)(fn.Focal(gamma), z, labels)
    for each in (value, by_hand, automatic):
        assert np.isfinite(each).all()
    assert worst_error(by_hand, automatic) <= 1e-14
    if gamma == 0:
        loss = fn.sigmoid_cross_entropy if outputs == 1 else fn.softmax_cross_entropy
        np.testing.assert_allclose(value, loss.value(z, labels), rtol=1e-15)
        np.testing.assert_allclose(by_hand, loss.gradient(z, labels), rtol=1e-15, atol=1e-15)


def test_focal_is_the_formula_of_its_paper(x64):
    z = np.linspace(-5, 5, 50)[:, None]
    labels = np.arange(50) % 2
    p = 1 / (1 + np.exp(-z[:, 0]))
    p_t = np.where(labels == 1, p, 1 - p)
    np.testing.assert_allclose(fn.Focal(2.0).value(z, labels), -((1 - p_t) ** 2) * np.log(p_t), rtol=1e-9)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: fn.SoftmaxCrossEntropy(label_smoothing=1.0), "SoftmaxCrossEntropy: expected label_smoothing in"),
        (lambda: fn.Focal(-1.0), "Focal: expected gamma to be finite and at least 0, got -1.0"),
        (lambda: fn.Focal(float("inf")), "Focal: expected gamma to be finite"),
        (lambda: fn.Huber(0.0), "Huber: expected delta above 0, got 0.0"),
    ],
)
def test_settings_out_of_range_are_named(make, error):
    with pytest.raises(ValueError, match=error):
        make()
