"""Functions that XLA or the product rule computes with too few digits: tanh near 0, the left tails of SiLU and GELU.

XLA's float32 tanh is up to 4.4 units in the last place off, its ``erfc`` 60 in float32 and 500 in float64. What is
here has a derivative rule of its own. That of tanh is JAX's, 1 − tanh². Those of the tails are products, since the sum
that the product rule makes of σ + zσ′ or Φ + zφ loses digits near its zero. A numerical derivative does not use them:
it differentiates the polynomials.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax

# Coefficients in float32 and float64, the highest power first, that were fitted at Chebyshev points.
# P(x²) = (tanh(x)/x − 1)/x² for 0 ≤ x ≤ 0.625; error of tanh: 6e-10 and 5e-20.
_TANH32 = (
    0.002295841262758343, -0.008346980494606172, 0.021769960917308626, -0.05395940590835395,
    0.13333304277861624, -0.3333333317785046,
)  # fmt: skip
_TANH64 = (
    -2.4421253753409614e-06, 1.2217653315099703e-05, -3.708901035726057e-05, 9.604577785586771e-05,
    -0.0002388912004467259, 0.0005899822495761865, -0.0014558284713925356, 0.0035921275153735703,
    -0.008863235500337565, 0.021869488535155, -0.05396825396823636, 0.13333333333333322, -0.3333333333333333,
)  # fmt: skip
# P(2t − 1) = (1 + 51x/64) R(x), t = x/(x + 4), R the tail ratio, for 0 ≤ x ≤ 14 and 0 ≤ x ≤ 39; error 2e-9 and 2e-18.
# With 51/64, P is flat at x = 0, where 2t − 1 is rounded most.
_TAIL32 = (
    -5.717087542637047e-05, -6.310615148783671e-05, 0.0005157710969060644, -0.00010802973845296848,
    -0.0038841050542927275, 0.012570105960354232, -0.019388051155677825, 0.0082251367126709,
    0.03642048665988306, -0.11167261484623234, 0.3953445604701495,
)  # fmt: skip
_TAIL64 = (
    -1.9714344214301179e-10, -1.051177323952671e-09, -7.635152356922658e-10, 6.323439258210262e-09,
    1.3775998262389428e-08, -1.6375080957523232e-08, -8.68812228205272e-08, -6.766364693099102e-09,
    4.214294919044723e-07, 3.624855230601038e-07, -1.948309384059942e-06, -2.9028412163901844e-06,
    9.98497208925633e-06, 1.7874243225357906e-05, -6.41888679897398e-05, -8.450241650268671e-05,
    0.0005157243344890098, -9.784684574396363e-05, -0.003883171894061901, 0.012567870784500475,
    -0.019388238366372795, 0.008225347989690178, 0.03642049516181374, -0.11167262068410522, 0.3953445604519949,
)  # fmt: skip
# S(t) = (R(x) − x/√(2π)) / (x₀ − x), t and the ranges as above, x₀ the zero of the numerator; error 7e-10 and 1e-18.
# The last coefficient times x₀ is ½ exactly.
_SLOPE32 = (
    -0.008376898295396515, 0.034214445740111885, -0.03772928338210466, -0.029491078058920445,
    0.05579476331717416, 0.17155004692115214, -0.5998739903038406, 0.854389039969516, -0.7066139155154041,
    0.6650779843330383,
)  # fmt: skip
_SLOPE64 = (
    -0.0003047972871615959, 0.0030395607356306633, -0.013725745374050292, 0.037252001101327155,
    -0.06836180344667174, 0.0909966259557154, -0.09203830911873201, 0.07216455111592661, -0.04406365846067903,
    0.022227387992150443, -0.009255868049692738, 0.0005477569224535675, -0.0013114077015843665,
    0.006229566607005086, 0.008496404253056105, -0.015142550006849755, -0.04126577488863416,
    0.05960353241519127, 0.17079348642649392, -0.5997867524518298, 0.8543838740274374, -0.7066137954963717,
    0.6650779951314343,
)  # fmt: skip
# x₀ as the nearest number and what remains: with both, x₀ − x has all of its digits.
_ZERO32 = (0.7517915368080139, -1.211444945855772e-08)
_ZERO64 = (0.7517915246935645, -1.4956759177009883e-17)

SCALE = 2.0**64  # of what has the bell as a factor, so that it is not flushed to 0 where a multiple of it would not be
FAR = 40.0  # 1 + e^(−40) is 1


@jax.custom_jvp
def tanh_near_0(x: jax.Array) -> jax.Array:
    """Return tanh(x) for |x| ≤ 0.625.

    >>> tanh_near_0(jnp.array([-0.5, 0.001])) / jnp.array([-0.4621171573, 0.0009999996667])
    Array([1., 1.], dtype=float32)
    """
    square = x * x
    return x + x * (square * _polynomial(square, _TANH32, _TANH64))


@tanh_near_0.defjvp
def _tanh_derivative(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    a = tanh_near_0(*primals)
    return a, (1 - a) * (1 + a) * tangents[0]


@jax.custom_jvp
def silu_tail(x: jax.Array) -> jax.Array:
    """Return x σ(−x) = x e^(−x)/(1 + e^(−x)) for 0 ≤ x ≤ 1000. Its derivative is e^(−x) (1 − x + e^(−x))/(1 + e^(−x))².

    In the derivative 1 − x + e^(−x) is 0 where it is: at 1.278 the two terms of the product rule are ±0.218, and each
    has three roundings of its own.

    >>> [f"{t:.4f}" for t in silu_tail(jnp.array([0.0, 1.0]))], f"{jax.grad(silu_tail)(jnp.float32(1)):.4f}"
    (['0.0000', '0.2689'], '0.0723')
    """
    far = x > FAR
    e = jnp.exp(jnp.where(far, FAR, 0) - x)
    return x * e * jnp.where(far, math.exp(-FAR), 1 / (1 + e))


@silu_tail.defjvp
def _silu_tail_derivative(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    (x,) = primals
    far = x > FAR
    e = jnp.exp(jnp.where(far, FAR, 0) - x)
    small = jnp.where(far, 0, e)
    slope = e * ((1 - x) + small) / (1 + small * (2 + small)) * jnp.where(far, math.exp(-FAR), 1)
    return silu_tail(x), slope * tangents[0]


@jax.custom_jvp
def scaled_gelu_tail(x: jax.Array) -> jax.Array:
    """Return 2⁶⁴ x Φ(−x) for 0 ≤ x ≤ 64, Φ the normal distribution function. Its derivative is ``scaled_gelu_slope``.

    >>> [f"{t:.4f}" for t in scaled_gelu_tail(jnp.array([0.0, 1.0])) / SCALE]
    ['0.0000', '0.1587']
    """
    return x * tail_ratio(x) * scaled_bell(x)


@scaled_gelu_tail.defjvp
def _gelu_tail_derivative(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    return scaled_gelu_tail(*primals), scaled_gelu_slope(*primals) * tangents[0]


def scaled_gelu_slope(x: jax.Array) -> jax.Array:
    """Return 2⁶⁴ (Φ(−x) − x φ(x)) for 0 ≤ x ≤ 64, φ the normal density, as (x₀ − x) S(x) times the scaled bell.

    >>> [f"{slope:.4f}" for slope in scaled_gelu_slope(jnp.array([0.0, 0.75, 1.0])) / SCALE]
    ['0.5000', '0.0008', '-0.0833']
    """
    zero, rest = _ZERO64 if jnp.result_type(x) == jnp.float64 else _ZERO32
    return ((zero - x) + rest) * _polynomial(x / (x + 4), _SLOPE32, _SLOPE64) * scaled_bell(x)


def tail_ratio(x: jax.Array) -> jax.Array:
    """Return R(x) = Φ(−x) e^(x²/2) for x ≥ 0: Mills' ratio over √(2π), which falls slowly, from ½ as 1/(x √(2π)).

    The form is that of Schonfelder, "Chebyshev Expansions for the Error and Related Functions" (1978).

    >>> tail_ratio(jnp.array([0.0, 1.0, 64.0])).round(4)
    Array([0.5   , 0.2616, 0.0062], dtype=float32)
    """
    return _polynomial(2 * (x / (x + 4)) - 1, _TAIL32, _TAIL64) / (1 + 51 / 64 * x)


def scaled_bell(z: jax.Array) -> jax.Array:
    """Return 2⁶⁴ e^(−z²/2), which is a normal number wherever a multiple of e^(−z²/2) is one.

    The rounding of z² would make it up to 64 units in the last place wrong. With z rounded to c, which has few digits
    and so an exact square, z²/2 = c²/2 + s with s = (z − c)(z + c)/2. This holds for every c, which is constant for a
    derivative. The factor e^(−s) is a polynomial: XLA would make one exponential of a product of two.

    >>> scaled_bell(jnp.array([2.0, 9.0])) / SCALE
    Array([1.3533528e-01, 2.5767572e-18], dtype=float32)
    """
    digits = 2.0**20 if jnp.result_type(z) == jnp.float64 else 2.0**8
    c = lax.stop_gradient(lax.round(digits * z, lax.RoundingMethod.TO_NEAREST_EVEN) / digits)
    log_scale = round(64 * _LOG_2 * digits) / digits
    s = 0.5 * (z - c) * (z + c) - ((64 * _LOG_2 - log_scale) + 64 * _LOG_2_REST)
    nearly = jnp.exp(log_scale - 0.5 * c * c)
    return nearly - nearly * (s * (1 - s * (1 / 2 - s * (1 / 6 - s / 24))))


_LOG_2, _LOG_2_REST = math.log(2), 2.319046813846299e-17


def _polynomial(x: jax.Array, of_float32: tuple[float, ...], of_float64: tuple[float, ...]) -> jax.Array:
    """Return the polynomial with the coefficients that belong to the dtype of x, by Horner's rule."""
    coefficients = of_float64 if jnp.result_type(x) == jnp.float64 else of_float32
    value = jnp.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value
