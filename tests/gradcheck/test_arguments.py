import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn

NETWORK = fn.mlp([4, 3])
PARAMS = (fn.DenseParams(np.ones((3, 4)), np.zeros(3)),)
X, Y = np.ones((5, 4)), np.zeros((5, 3))


def refused(error, text, network=NETWORK, loss=fn.quadratic, params=PARAMS, x=X, y=Y, **keywords):
    with pytest.raises(error, match=f"^check_gradients: expected {text}"):
        fn.check_gradients(network, loss, params, x, y, **keywords)


def test_the_network_and_the_loss_are_what_they_should_be():
    refused(TypeError, r"network to be a layer, such as fn.mlp\(\[784, 10\]\), got the class Dense$", network=fn.Dense)
    refused(
        TypeError,
        "loss to be a loss, such as fn.quadratic or a subclass of fn.Loss, got 'quadratic'$",
        loss="quadratic",
    )
    refused(TypeError, "penalty to be None or a penalty", penalty=0.1)

    class Unhashable(fn.Dense):
        table: object = None

    refused(TypeError, "network to have hashable fields, got unhashable type", Unhashable(3, table=[1]))


def test_parameters_are_floating_and_finite():
    integers = (fn.DenseParams(np.ones((3, 4), int), np.zeros(3)),)
    refused(TypeError, r"params\[0\].weight of a floating dtype, got int64$", params=integers)
    infinite = (fn.DenseParams(np.ones((3, 4)), np.array([0, np.inf, 0])),)
    refused(ValueError, r"params\[0\].bias to be finite, got inf at index 1$", params=infinite)


def test_data_have_rows_dtypes_and_values_that_fit():
    refused(TypeError, "x of a floating dtype, got uint8$", x=np.ones((5, 4), np.uint8))
    refused(TypeError, "x of a real dtype, got complex128$", x=X + 1j)
    refused(TypeError, "x to be an array of numbers, got dtype object$", x=np.array([None]))
    refused(ValueError, r"x of shape \(batch, ...\) with at least one row, got \(0, 4\)$", x=X[:0], y=Y[:0])
    refused(ValueError, r"x of shape \(batch, ...\) with at least one row, got \(\)$", x=np.float64(1))
    infinite = X.copy()
    infinite[2, 1] = np.inf
    refused(ValueError, r"x to be finite, got inf at index \(2, 1\)$", x=infinite)
    refused(ValueError, r"y with as many rows as x, 5, got shape \(4, 3\)$", y=Y[:4])
    refused(ValueError, r"weights of shape \(5,\), got \(3,\)$", weights=np.ones(3))
    refused(
        ValueError, "weights to be at least 0, and one of them above 0, got values from 0 to 0$", weights=np.zeros(5)
    )
    negative = np.array([-1.0, 1, 1, 1, 1])
    refused(ValueError, "weights to be at least 0, and one of them above 0, got values from -1 to 1$", weights=negative)
    refused(ValueError, "tolerance above 0, got 0$", tolerance=0)
    for expected in (["Round()"], {"Round()": 3}, {3: "why"}):
        refused(TypeError, "expected to be a dict of names, each with a reason in words or a f", expected=expected)
    refused(TypeError, r"key made by jax.random.key\(seed\), got 3: use", key=3)


def test_a_traced_call_is_refused():
    def traced(x):
        return fn.check_gradients(NETWORK, fn.quadratic, PARAMS, x, Y).worst

    with pytest.raises(
        TypeError, match=r"^check_gradients: expected x to be values, not traced: call it outside jax.jit"
    ):
        jax.jit(traced)(jnp.ones((5, 4)))


def test_shapes_are_told_by_the_layer_and_the_loss():
    with pytest.raises(fn.ShapeError, match=r"^Dense\(3, inputs=4\) \(layer 0\): expected x of shape \(batch, 4\)"):
        fn.check_gradients(NETWORK, fn.quadratic, PARAMS, X[:, :3], Y)
    with pytest.raises(fn.ShapeError, match=r"^quadratic: expected target of the output's shape \(5, 3\), got"):
        fn.check_gradients(NETWORK, fn.quadratic, PARAMS, X, Y[:, :2])


def test_a_cost_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match=r"finite cost: does the output suit binary_cross_entropy\?, got (nan|inf)$"):
        fn.check_gradients(NETWORK, fn.binary_cross_entropy, PARAMS, X, Y + 0.5)


def test_nested_lists_are_arrays():
    assert fn.check_gradients(NETWORK, fn.quadratic, PARAMS, X.tolist(), Y.tolist(), weights=[1.0] * 5).ok
