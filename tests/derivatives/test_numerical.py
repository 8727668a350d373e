import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from funcnet.derivatives.complex_rules import Complex
from funcnet.derivatives.numerical import complex_step_gradient, evaluate, map_in_chunks, richardson_gradient, sample
from funcnet.jaxprs import NoRuleError

# name: (function, its derivative in NumPy's functions, where)
SMOOTH = {
    "exp": (jnp.exp, np.exp, 0.7),
    "exp2": (jnp.exp2, lambda z: math.log(2) * 2**z, 0.7),
    "expm1": (jnp.expm1, np.exp, -30.0),
    "log": (jnp.log, lambda z: 1 / z, 0.3),
    "log1p": (jnp.log1p, lambda z: 1 / (1 + z), 1e-3),
    "sqrt": (jnp.sqrt, lambda z: 0.5 / np.sqrt(z), 0.6),
    "rsqrt": (lax.rsqrt, lambda z: -0.5 * z**-1.5, 0.6),
    "cbrt": (jnp.cbrt, lambda z: 1 / (3 * np.cbrt(z) ** 2), -2.0),
    "sin": (jnp.sin, np.cos, 2.0),
    "cos": (jnp.cos, lambda z: -np.sin(z), 2.0),
    "tan": (jnp.tan, lambda z: 1 / np.cos(z) ** 2, 0.4),
    "asin": (jnp.arcsin, lambda z: 1 / np.sqrt(1 - z * z), 0.3),
    "acos": (jnp.arccos, lambda z: -1 / np.sqrt(1 - z * z), 0.3),
    "atan": (jnp.arctan, lambda z: 1 / (1 + z * z), -1.2),
    "sinh": (jnp.sinh, np.cosh, 1.3),
    "cosh": (jnp.cosh, np.sinh, 1e-3),
    "tanh": (jnp.tanh, lambda z: 1 / np.cosh(z) ** 2, -0.8),
    "asinh": (jnp.arcsinh, lambda z: 1 / np.sqrt(1 + z * z), 0.9),
    "atanh": (jnp.arctanh, lambda z: 1 / (1 - z * z), 0.4),
    "logistic": (lax.logistic, lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2, 0.5),
    "erf": (lax.erf, lambda z: 2 / math.sqrt(math.pi) * np.exp(-z * z), 0.5),
    "erfc": (lax.erfc, lambda z: -2 / math.sqrt(math.pi) * np.exp(-z * z), 0.5),
    "square": (jnp.square, lambda z: 2 * z, -3.0),
    "integer_pow": (lambda z: z**-3, lambda z: -3 * z**-4, -1.5),
    "pow": (lambda z: z**2.5, lambda z: 2.5 * z**1.5, 1.5),
    "power of the exponent": (lambda z: jnp.power(2.0, z), lambda z: math.log(2) * 2**z, 1.5),
    "power of both": (lambda z: jnp.power(z, z), lambda z: z**z * (np.log(z) + 1), 1.5),
    "div": (lambda z: (1 + z) / (2 - z), lambda z: 3 / (2 - z) ** 2, 0.5),
    "logaddexp": (lambda z: jnp.logaddexp(z, 1.0), lambda z: 1 / (1 + np.exp(1 - z)), 0.5),
    "logaddexp at its tie": (lambda z: jnp.logaddexp(z, 1.0), lambda z: 0.5, 1.0),
    "softplus at 0": (lambda z: jnp.maximum(z, 0) + jnp.log1p(jnp.exp(-jnp.abs(z))), lambda z: 0.5, 0.0),
    "gelu": (
        lambda z: jax.nn.gelu(z, approximate=False),
        lambda z: 0.5 * (1 + math.erf(z / math.sqrt(2))) + z * np.exp(-z * z / 2) / math.sqrt(2 * math.pi),
        0.3,
    ),
    "checkpoint": (jax.checkpoint(lambda z: jnp.sin(z) * z), lambda z: np.cos(z) * z + np.sin(z), 0.3),
    "complex exponential": (
        lambda z: jnp.real(jnp.exp(lax.complex(0 * z, z))) + jnp.imag(jnp.exp(lax.complex(0 * z, 2 * z))),
        lambda z: 2 * np.cos(2 * z) - np.sin(z),
        0.3,
    ),
    "complex magnitude": (
        lambda z: jnp.abs(lax.complex(z, z * z)),
        lambda z: (1 + 2 * z * z) / np.sqrt(1 + z * z),
        0.3,
    ),
    "conjugate": (lambda z: jnp.imag(jnp.conj(lax.complex(z, -z * z))), lambda z: 2 * z, 0.3),
    "fft": (lambda z: jnp.sum(jnp.abs(jnp.fft.fft(jnp.stack([z, z * z]))) ** 2), lambda z: 4 * z + 8 * z**3, 0.3),
    "tiny scale": (lambda z: 1e150 * jnp.sqrt(1e-300 * (1 + z * z)), lambda z: z / np.sqrt(1 + z * z), 0.3),
    "tiny argument": (lambda z: 1e300 * jnp.sin(1e-300 * z), lambda z: 1.0, 0.3),
    "while": (
        lambda z: lax.while_loop(lambda c: c[0] < 2, lambda c: (c[0] + 1, c[1] ** 2), (0, z))[1],
        lambda z: 4 * z**3,
        1.3,
    ),
    "stop_gradient": (lambda z: lax.stop_gradient(z) * z, lambda z: 2 * z, 0.3),
}
PIECEWISE = {
    "abs": (jnp.abs, -1.0, -2.0),
    "sign": (jnp.sign, 0.0, -2.0),
    "floor": (jnp.floor, 0.0, 2.5),
    "round": (lambda z: z - jnp.round(z), 1.0, 2.6),
    "max": (lambda z: jnp.maximum(z, 1.0), 1.0, 2.0),
    "min": (lambda z: jnp.minimum(z, 1.0), 0.0, 2.0),
    "clip inside": (lambda z: jnp.clip(z, 0.0, 1.0), 1.0, 0.5),
    "clip outside": (lambda z: lax.clamp(0.0, z, 1.0), 0.0, 1.5),
    "clamp of a moving bound": (lambda z: lax.clamp(z, 0.0, 10.0), 1.0, 1.5),
    "where": (lambda z: jnp.where(z > 1, 3 * z, z), 3.0, 1.5),
    "reduce_max": (lambda z: jnp.max(jnp.stack([z, 2 * z, 1.0 - z])), 2.0, 1.5),
    "reduce_max of equals": (lambda z: jnp.max(jnp.stack([z, 2 * z - 1.5, 0.0 * z])), 1.5, 1.5),
    "reduce_min": (lambda z: jnp.min(jnp.stack([z, 2 * z, 1.0 - z])), -1.0, 1.5),
    "argmax": (lambda z: z * jnp.argmax(jnp.stack([z, 2 * z])).astype(z.dtype), 1.0, 1.5),
    "through float32 and back": (lambda z: z.astype(jnp.float32).astype(jnp.float64) ** 2, 3.0, 1.5),
    "through an integer": (lambda z: z * z.astype(int).astype(z.dtype), 1.0, 1.5),
}


def sum_of(functions):
    """Return Σ fⱼ(xⱼ) as a function of all xⱼ: one program whose gradient is every derivative."""
    return lambda *values: sum(f(value) for f, value in zip(functions, values, strict=True))


@pytest.fixture(scope="module")
def all_derivatives():
    """The derivative of every function above, by name, all compiled as one."""
    cases = SMOOTH | PIECEWISE
    with jax.enable_x64(True):
        points = [jnp.asarray(case[2], jnp.float64) for case in cases.values()]
        function = sum_of([case[0] for case in cases.values()])
        found = jax.jit(lambda *leaves: complex_step_gradient(function, leaves))(*points)
        return dict(zip(cases, np.asarray(found.gradient), strict=True))


@pytest.mark.parametrize("name", SMOOTH)
def test_a_complex_step_is_exact_to_rounding(name, all_derivatives):
    _, derivative, point = SMOOTH[name]
    assert all_derivatives[name] == pytest.approx(float(derivative(point)), rel=1e-15, abs=0)


@pytest.mark.parametrize("name", PIECEWISE)
def test_a_complex_step_takes_the_side_that_the_code_takes(name, all_derivatives):
    assert all_derivatives[name] == PIECEWISE[name][1]


def test_array_operations(x64):
    random = np.random.default_rng(0)
    a, b = random.normal(size=(3, 4)), random.normal(size=(4, 3))
    constant = jnp.asarray(random.normal(size=(3, 3)))
    image, kernel = random.normal(size=(1, 1, 5, 5)), random.normal(size=(1, 1, 2, 2))

    def function(a, b, image, kernel):
        product = a @ b
        turned = jnp.concatenate([product.T, constant @ product], axis=1)[::-1, 1:5]
        padded = jnp.pad(turned, 1)[jnp.array([0, 2, 2]), :]
        scattered = jnp.zeros((3, 3)).at[jnp.array([0, 0]), 1].add(product[:2, 0] * product[1, :2])
        start = jnp.argmax(constant[0])
        moved = lax.dynamic_update_slice(product, scattered[:1], (start * 0, start * 0))
        convolved = lax.conv(image, kernel, (1, 1), "SAME")
        parts = jnp.split(jnp.cumsum(padded, axis=1), 2, axis=1)
        means = jnp.mean(parts[0] * parts[1]) + jnp.einsum("ij,ij->", moved, jnp.tanh(moved))
        return means + jnp.sum(convolved**2) + jnp.sum(lax.dynamic_slice(product, (start, 0), (1, 2)) ** 3)

    leaves = a, b, image, kernel
    found = jax.jit(lambda *leaves: complex_step_gradient(function, leaves))(*leaves)
    cost, gradients = jax.jit(jax.value_and_grad(function, argnums=(0, 1, 2, 3)))(*leaves)
    expected = np.concatenate([np.ravel(gradient) for gradient in gradients])
    np.testing.assert_allclose(found.cost, cost, rtol=1e-15)
    assert np.abs(found.gradient - expected).max() <= 1e-15 * np.abs(expected).max()


def test_real_parts_are_the_program_to_the_last_bit(x64):
    def function(x):
        return jnp.sum(jax.nn.log_softmax(jnp.tanh(x) / (1 + jnp.exp(x)) + jnp.sqrt(jnp.abs(x))) ** 2)

    x = jnp.asarray(np.random.default_rng(1).normal(size=(4, 5)))
    program = jax.make_jaxpr(function)(x)
    (alone,), _ = evaluate(program, [x])
    assert alone == jax.core.eval_jaxpr(program.jaxpr, program.consts, x)[0]
    cost = jax.jit(lambda x: complex_step_gradient(function, [x]).cost)(x)
    assert float(cost) == pytest.approx(float(alone), rel=1e-15)


def test_a_primitive_without_a_rule_is_named(x64):
    with pytest.raises(NoRuleError, match=r"^cummax"):
        complex_step_gradient(lambda x: lax.cummax(x)[0], [jnp.arange(3.0)])


def test_richardson_of_smooth_functions(x64):
    cases = [case for name, case in SMOOTH.items() if name not in ("expm1", "stop_gradient")]  # e^−30 − 1 has no digits
    points = [jnp.asarray(case[2], float) for case in cases]
    expected = [case[1](case[2]) for case in cases]
    # Each on its own, since a sum's rounding would be that of its largest term.
    sampled = jax.jit(lambda points: [sample(case[0], [point]) for case, point in zip(cases, points, strict=True)])
    found = [richardson_gradient(samples) for samples in sampled(points)]
    assert np.abs(np.concatenate([each.gradient for each in found]) / expected - 1).max() <= 1e-12
    assert not any(each.kinked.any() for each in found)


def test_richardson_of_functions_that_change_fast_and_slowly(x64):
    def function(x):
        return jnp.sin(30 * x[0]) + jnp.exp(0.01 * x[1]) + jnp.log(x[2]) + 1e-12 * x[3] ** 2

    x = np.array([0.3, 5.0, 1e-2, 1e6])
    expected = np.array([30 * np.cos(9), 0.01 * np.exp(0.05), 1e2, 2e-6])
    found = richardson_gradient(jax.jit(lambda x: sample(function, [x]))(x))
    assert np.abs(found.gradient / expected - 1).max() <= 1e-8


def test_richardson_sees_kinks_at_the_point_alone(x64):
    x = np.array([0.0, 0.3, -2.0])
    found = richardson_gradient(jax.jit(lambda x: sample(lambda x: jnp.sum(jnp.abs(x) + x**2), [x]))(x))
    assert found.kinked.tolist() == [True, False, False]
    assert int(found.kinks) == 1
    np.testing.assert_allclose(found.gradient[1:], [1.6, -5.0], rtol=1e-11)


@pytest.mark.parametrize("width", [1, 2**22, 2**40])
def test_chunks_give_every_element_once_whatever_their_size(width):
    squares, shared = map_in_chunks(lambda i: (i * i, jnp.asarray(7)), 11, width, out_axes=(0, None))
    assert squares.tolist() == [i * i for i in range(11)]
    assert shared == 7


@pytest.mark.parametrize(("a", "along_base", "along_exponent"), [(-2.0, -4.0, np.nan), (0.0, 0.0, 0.0)])
def test_a_power_of_a_negative_number_has_no_derivative_along_its_exponent(x64, a, along_base, along_exponent):
    program = jax.make_jaxpr(jnp.power)(a, 2.0)
    for steps, right in (((1.0, 0.0), along_base), ((0.0, 1.0), along_exponent)):
        operands = [Complex(jnp.float64(x), jnp.float64(step)) for x, step in zip((a, 2.0), steps, strict=True)]
        (result,), _ = evaluate(program, operands)
        np.testing.assert_equal(float(result.im), right)
