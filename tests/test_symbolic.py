"""Every hand-written derivative against the one that SymPy derives from the definition of the value.

The symbolic derivative is evaluated with 50 digits at random float64 points, and the worst error of the hand-written
one is measured against its largest magnitude.
"""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import sympy as sp

from funcnet.activations import PReLU, PReLUParams, softmax
from tests import registry
from tests.agreement import worst_error

TOLERANCE = 1e-14
OUTPUTS = 3
z, slope, alpha = sp.symbols("z negative_slope alpha", real=True)
a = sp.symbols(f"a:{OUTPUTS}", real=True)
y = sp.symbols(f"y:{OUTPUTS}", real=True)

BRANCHES = {  # of σ(z): for z < 0, and for z ≥ 0
    "linear": (z, z),
    "sigmoid": (1 / (1 + sp.exp(-z)),) * 2,
    "tanh": (sp.sinh(z) / sp.cosh(z),) * 2,
    "softplus": (sp.log(1 + sp.exp(z)),) * 2,
    "silu": (z / (1 + sp.exp(-z)),) * 2,
    "gelu": (z * (1 + sp.erf(z / sp.sqrt(2))) / 2,) * 2,
    "relu": (sp.Integer(0), z),
    "leaky_relu": (slope * z, z),
    "elu": (alpha * (sp.exp(z) - 1), z),
    "step": (sp.Integer(0), sp.Integer(1)),
    "sign": (sp.Integer(-1), sp.Integer(1)),
}


def sigmoid_of(each):
    return 1 / (1 + sp.exp(-each))


def softmax_of(each):
    return sp.exp(each) / sum(map(sp.exp, a))


def hinge_of(each, target):
    return sp.Piecewise((1 - target * each, 1 - target * each >= 0), (0, True))


def binary(p, t):
    return -(t * sp.log(p) + (1 - t) * sp.log(1 - p))


TERMS = {  # of a loss: one output's share of its value
    "quadratic": lambda p, t: (t - p) ** 2 / 2,
    "squared_error": lambda p, t: (t - p) ** 2,
    "mean_squared_error": lambda p, t: (t - p) ** 2 / OUTPUTS,
    "binary_cross_entropy": binary,
    "categorical_cross_entropy": lambda p, t: -t * sp.log(p),
    "kl_divergence": lambda p, t: t * sp.log(t / p),
    "sigmoid_cross_entropy": lambda p, t: binary(sigmoid_of(p), t),
    "softmax_cross_entropy": lambda p, t: -t * sp.log(softmax_of(p)),
    "hinge": hinge_of,
    "Huber": lambda p, t: huber_of(p - t, sp.Rational(0.7)),
    "Focal": lambda p, t: -t * (1 - softmax_of(p)) ** 2 * sp.log(softmax_of(p)),
}


def huber_of(d, delta):
    return sp.Piecewise((d**2 / 2, sp.Abs(d) <= delta), (delta * (sp.Abs(d) - delta / 2), True))


def value_of(loss):
    """Return a loss of outputs a and targets y, by symbols."""
    s = sp.Rational(getattr(loss, "label_smoothing", 0))
    term = TERMS[getattr(loss, "name", type(loss).__name__)]
    return sum(term(p, (1 - s) * t + s / OUTPUTS) for p, t in zip(a, y, strict=True))


def evaluated(symbols, expression, points):
    """Return an expression's value at each row of points, worked out with 50 digits and rounded to float64."""
    function = sp.lambdify(symbols, expression, modules="mpmath")
    with mpmath.workdps(50):
        rows = [[mpmath.mpf(float(each)) for each in row] for row in points]
        return np.array([np.array(function(*row), dtype=np.float64) for row in rows])


def random_points(scale):
    return scale * np.asarray(jax.random.normal(jax.random.key(0), (60,), jnp.float64))


@pytest.mark.parametrize("scale", [1.0, 10.0])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("activation", registry.ELEMENTWISE, ids=repr)
def test_every_branch_of_every_activation(activation, side, scale, x64):
    branch = BRANCHES[activation.name][side == "right"]
    branch = branch.subs({each: sp.Rational(getattr(activation, each.name, 0)) for each in (slope, alpha)})
    points = np.abs(random_points(scale)) * (1 if side == "right" else -1)
    value = evaluated([z], branch, points[:, None])
    derivative = evaluated([z], sp.diff(branch, z), points[:, None])
    assert worst_error(activation(points), value) <= TOLERANCE
    assert worst_error(activation.derivative(points), derivative) <= TOLERANCE


@pytest.mark.parametrize("branch", [slope * z, z], ids=["left", "right"])
def test_both_derivatives_of_prelu(branch, x64):
    points = np.abs(random_points(10.0)) * (1 if branch == z else -1)
    rows = [[each, 0.3] for each in points]
    params, layer = PReLUParams(jnp.float64(0.3)), PReLU()
    assert worst_error(layer.apply(params, points), evaluated([z, slope], branch, rows)) <= TOLERANCE
    for symbol, by_hand in ((z, layer.z_derivative), (slope, layer.slope_derivative)):
        expected = evaluated([z, slope], sp.diff(branch, symbol), rows)
        assert worst_error(by_hand(params, points), expected) <= TOLERANCE


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_the_jacobian_of_softmax(scale, x64):
    points = scale * np.asarray(jax.random.normal(jax.random.key(0), (40, OUTPUTS), jnp.float64))
    value = [softmax_of(each) for each in a]
    jacobian = [[sp.diff(each, other) for other in a] for each in value]
    by_hand = softmax.derivative(points)
    assert worst_error(softmax(points), evaluated(a, value, points)) <= TOLERANCE
    for ours, expected in zip(by_hand, evaluated(a, jacobian, points), strict=True):
        assert worst_error(ours, expected) <= TOLERANCE  # sample by sample, however sure it is of its class


@pytest.mark.parametrize("case", registry.LOSSES, ids=repr)
def test_the_gradient_of_every_loss(case, x64):
    output, target = case.example(jax.random.key(0), (40, OUTPUTS), jnp.float64)
    rows = np.concatenate([output, target], axis=1)
    value = value_of(case.loss)
    gradient = [sp.diff(value, each) for each in a]
    assert worst_error(case.loss.value(output, target), evaluated([*a, *y], value, rows)) <= TOLERANCE
    assert worst_error(case.loss.gradient(output, target), evaluated([*a, *y], gradient, rows)) <= TOLERANCE


@pytest.mark.parametrize("case", [case for case in registry.LOSSES if case.bounded], ids=repr)
def test_the_gradient_of_a_loss_whose_output_is_nearly_certain(case, x64):
    output = 10 * jax.random.normal(jax.random.key(0), (40, OUTPUTS), jnp.float64)
    target = jnp.where(output == jnp.max(output, axis=1, keepdims=True), 1.0, 0.0)
    value = value_of(case.loss)
    gradient = [sp.diff(value, each) for each in a]
    expected = evaluated([*a, *y], gradient, np.concatenate([output, target], axis=1))
    for ours, exact in zip(case.loss.gradient(output, target), expected, strict=True):
        assert worst_error(ours, exact) <= TOLERANCE  # sample by sample: a small gradient is as right as a large one
