"""Functions that XLA computes with too few digits: tanh near 0, and the normal distribution's tail and density.

XLA's float32 tanh is up to 4.4 units in the last place off, its ``erfc`` 60 in float32 and 500 in float64. What is
here has the derivative rule that JAX gives to its own tanh and erfc, 1 − tanh² and the density, since differentiating
the polynomials would take twice the time of the functions. A numerical derivative differentiates the polynomials.
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
# P(t) = (1 + 51x/64) R(x), t = (x − 323/64)/(x + 323/64), R the tail ratio, for 0 ≤ x ≤ 14 and 0 ≤ x ≤ 39; error 4e-11
# and 4e-19. With 51/64, P is flat at x = 0, where t is rounded most; P(0) has few digits with 323/64.
_TAIL32 = (
    -1.9779244501147557e-05, -5.8837007237481935e-05, 0.00013228381085413023, 9.768036438461988e-05,
    -0.001445235623994109, 0.004951373818424949, -0.010449401757161659, 0.014714023218378568,
    -0.010850396255109255, -0.00911817828277531, 0.0486560703612331, -0.1016431494643361, 0.38291937135976734,
)  # fmt: skip
_TAIL64 = (
    -9.180227434465407e-11, -5.299162946203476e-10, -2.5911988493243804e-10, 4.00321122091843e-09,
    5.174993287958782e-09, -2.2469401584549467e-08, -3.6342253101401577e-08, 1.3611665156900265e-07,
    1.9728925259022254e-07, -9.531097686094139e-07, -6.927752294214214e-07, 7.223040030393762e-06,
    -3.7570212983707164e-06, -4.891510659865161e-05, 0.00012808822003500248, 9.065472662860863e-05,
    -0.001446297126012169, 0.004952868917882541, -0.010448938724552027, 0.014713892463187665,
    -0.010850446985645083, -0.00911817369113969, 0.048656072137384314, -0.1016431495148873, 0.382919371350127,
)  # fmt: skip

SCALE = 2.0**64  # of the tail and the density, so that they are not flushed to 0 where a multiple of them would not be
DENSITY_AT_0 = 1 / math.sqrt(2 * math.pi)


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
def scaled_tail(x: jax.Array) -> jax.Array:
    """Return 2⁶⁴ Φ(−x) for 0 ≤ x ≤ 64, Φ the normal distribution function: R(x) times the scaled bell.

    The derivative is minus the scaled density.

    >>> scaled_tail(jnp.array([0.0, 1.0])) / SCALE, jax.grad(scaled_tail)(jnp.float32(1)) / SCALE
    (Array([0.5       , 0.15865526], dtype=float32), Array(-0.24197073, dtype=float32))
    """
    return tail_ratio(x) * scaled_bell(x)


@scaled_tail.defjvp
def _tail_derivative(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    return scaled_tail(*primals), -DENSITY_AT_0 * scaled_bell(*primals) * tangents[0]


def tail_ratio(x: jax.Array) -> jax.Array:
    """Return R(x) = Φ(−x) e^(x²/2) for x ≥ 0: Mills' ratio over √(2π), which falls slowly, from ½ as 1/(x √(2π)).

    The form is that of Schonfelder, "Chebyshev Expansions for the Error and Related Functions" (1978).

    >>> tail_ratio(jnp.array([0.0, 1.0, 64.0])).round(4)
    Array([0.5   , 0.2616, 0.0062], dtype=float32)
    """
    t = (x - 323 / 64) / (x + 323 / 64)
    return _polynomial(t, _TAIL32, _TAIL64) / (1 + 51 / 64 * x)


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
