"""How each JAX primitive acts on complex numbers whose imaginary part is a vanishing step.

A rule gets the operands of one primitive, of which at least one is ``Complex``, and returns its results. Real parts
are taken as the real program takes them: what a step of 1e-30 adds to them, its square, is far below their
rounding. So every comparison goes the way that the code goes, and the real part is computed once for all steps.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ..jaxprs import NoRuleError


class Complex(NamedTuple):
    """The complex array re + i im; both parts are float64 and of one shape."""

    re: jax.Array
    im: jax.Array


class Edge(NamedTuple):
    """A comparison with values on its edge."""

    met: jax.Array  # where values are on the edge, or how many are
    crossed: jax.Array  # where the step moves them off it, or whether it moves one


Rule = Callable[[Any, dict[str, Any], list[Any], list[Edge]], Any]  # (bind, params, operands, edges) -> result or list


def real_of(operand: Any) -> Any:
    """Return the real part of an operand, in float64 where it is floating; integers, booleans and keys as they are."""
    if isinstance(operand, Complex):
        return operand.re
    floating = jnp.issubdtype(jnp.result_type(operand), jnp.floating)
    return jnp.asarray(operand, jnp.float64) if floating else operand


def imaginary_of(operand: Any) -> Any:
    """Return the imaginary part of an operand, 0 where it is real; integers, booleans and keys as they are."""
    if isinstance(operand, Complex):
        return operand.im
    real = real_of(operand)
    return jnp.zeros_like(real) if jnp.issubdtype(jnp.result_type(real), jnp.floating) else real


def as_complex(operand: Any) -> Any:
    """Return a floating operand as ``Complex``; integers, booleans and keys as they are."""
    floating = isinstance(operand, Complex) or jnp.issubdtype(jnp.result_type(operand), jnp.floating)
    return Complex(real_of(operand), imaginary_of(operand)) if floating else operand


def _linear(bind: Any, params: dict[str, Any], operands: list[Any], edges: list[Edge]) -> Any:
    """f(a + ib) = f(a) + i f(b), for a function that is linear in its floating operands together."""
    re, im = bind(*map(real_of, operands), **params), bind(*map(imaginary_of, operands), **params)
    if isinstance(re, list | tuple):
        return [Complex(*parts) for parts in zip(re, im, strict=True)]
    return Complex(re, im)


def _bilinear(bind: Any, params: dict[str, Any], operands: list[Any], edges: list[Edge]) -> Complex:
    """f(a + ib, c + id) = f(a, c) + i (f(a, d) + f(b, c)): products, matrix products, convolutions."""
    of_float64 = {"preferred_element_type", "out_dtype"}.intersection(params)
    params = params | {name: jnp.dtype(jnp.float64) for name in of_float64 if params[name] is not None}
    f = partial(bind, **params)
    left, right = operands
    a, c = real_of(left), real_of(right)
    parts = [f(left.im, c)] if isinstance(left, Complex) else []
    parts += [f(a, right.im)] if isinstance(right, Complex) else []
    return Complex(f(a, c), sum(parts[1:], parts[0]))


def _gather(bind: Any, params: dict[str, Any], operands: list[Any], edges: list[Edge]) -> Complex:
    """Gathering is linear, but for what an index past the end takes: a constant, whose step is 0."""
    re = bind(*map(real_of, operands), **params)
    return Complex(re, bind(*map(imaginary_of, operands), **params | {"fill_value": 0}))


def _analytic(bind: Any, params: dict[str, Any], operands: list[Any], edges: list[Edge]) -> Complex:
    """f(z) by the primitive's own complex form."""
    z = [lax.complex(real_of(operand), imaginary_of(operand)) for operand in operands]
    return Complex(bind(*map(real_of, operands), **params), lax.imag(bind(*z, **params)))


def _textbook(derivative: Callable[[jax.Array, jax.Array], jax.Array]) -> Rule:
    """f(a + ib) = f(a) + i f′(a) b, with f′ given as a function of a and f(a).

    It is for functions that have no complex form, or one that is not exact to rounding everywhere.
    """

    def rule(bind: Any, params: dict[str, Any], operands: list[Any], edges: list[Edge]) -> Complex:
        (z,) = operands
        value = bind(z.re, **params)
        return Complex(value, derivative(z.re, value) * z.im)

    return rule


def _power(bind: Any, params: dict[str, Any], operands: list[Any], edges: list[Edge]) -> Complex:
    """d(aᶜ) = c a^(c−1) da + aᶜ log a dc, where 0ᶜ has no log."""
    base, exponent = operands
    a, c = real_of(base), real_of(exponent)
    value = bind(a, c, **params)
    im = jnp.zeros_like(value)
    if isinstance(base, Complex):
        power = jnp.asarray(c, value.dtype)
        slope = jnp.where(power == 0, jnp.zeros_like(value), power * lax.pow(a, c - jnp.ones_like(c)))
        im += slope * base.im
    if isinstance(exponent, Complex):
        im += value * jnp.log(jnp.where(a > 0, a, jnp.ones_like(a))) * exponent.im
    return Complex(value, im)


def _on_edge(edges: list[Edge], left: Any, right: Any) -> jax.Array:
    """Record where two real parts are equal, and return it."""
    met = real_of(left) == real_of(right)
    edges.append(Edge(met, met & (imaginary_of(left) != imaginary_of(right))))
    return met


def _comparison(bind: Any, params: dict[str, Any], operands: list[Any], edges: list[Edge]) -> jax.Array:
    """Compare by the real parts, and record the values on the edge."""
    _on_edge(edges, *operands)
    return bind(*map(real_of, operands), **params)


def _by_real_part(bind: Any, params: dict[str, Any], operands: list[Any], edges: list[Edge]) -> Any:
    """Return what depends on the real parts alone: integers, booleans, steps."""
    return bind(*map(real_of, operands), **params)


def _sign(bind: Any, params: dict[str, Any], operands: list[Any], edges: list[Edge]) -> jax.Array:
    """Return the sign of the real part, and record the zeros, at which it jumps."""
    _on_edge(edges, operands[0], jnp.zeros_like(operands[0].re))
    return bind(operands[0].re, **params)


def _absolute(bind: Any, params: dict[str, Any], operands: list[Any], edges: list[Edge]) -> Complex:
    """|z| = z sign(re z); at 0 the mean of both sides, 0."""
    (z,) = operands
    _on_edge(edges, z, jnp.zeros_like(z.re))
    return Complex(bind(z.re, **params), z.im * jnp.sign(z.re))


def _extreme(left_wins: Callable[[jax.Array, jax.Array], jax.Array], left: Any, right: Any, edges: list[Edge]) -> Any:
    """Return the operand that wins by its real part; at a tie the mean of both.

    The mean of the two sides is exact where kinks cancel, as in max(x, 0) + log(1 + e^(−|x|)), which is smooth.
    """
    tie, wins = _on_edge(edges, left, right), left_wins(real_of(left), real_of(right))
    im, other = imaginary_of(left), imaginary_of(right)
    decided = jnp.where(tie, 0.5 * (im + other), jnp.where(wins, im, other))
    return Complex(jnp.where(wins, real_of(left), real_of(right)), decided)


def _maximum(wins: Any, bind: Any, params: dict[str, Any], operands: list[Any], edges: list[Edge]) -> Complex:
    """Return max(a, b) where ``wins`` is ``jnp.greater``, and min(a, b) where it is ``jnp.less``."""
    left, right = operands
    chosen = _extreme(wins, left, right, edges)
    return Complex(bind(*map(real_of, operands), **params), chosen.im)  # NaN as the primitive has it


def _clamp(bind: Any, params: dict[str, Any], operands: list[Any], edges: list[Edge]) -> Complex:
    """Return min(max(z, low), high)."""
    shape = jnp.shape(real_of(operands[1]))
    low, z, high = (
        Complex(*(jnp.broadcast_to(part, shape) for part in (real_of(each), imaginary_of(each)))) for each in operands
    )
    chosen = _extreme(jnp.less, _extreme(jnp.greater, z, low, edges), high, edges)
    return Complex(bind(*map(real_of, operands), **params), chosen.im)


def _reduced_extreme(bind: Any, params: dict[str, Any], operands: list[Any], edges: list[Edge]) -> Complex:
    """Return the extreme over some axes by the real part; the mean of those that share it."""
    (z,) = operands
    value = bind(z.re, **params)
    chosen = (z.re == jnp.expand_dims(value, params["axes"])).astype(jnp.float64)
    return Complex(value, jnp.sum(chosen * z.im, params["axes"]) / jnp.sum(chosen, params["axes"]))


def _converted(bind: Any, params: dict[str, Any], operands: list[Any], edges: list[Edge]) -> Any:
    """Return the operand unchanged for a floating dtype, complex and exact; convert its real part to an integer."""
    (z,) = operands
    if jnp.issubdtype(params["new_dtype"], jnp.complexfloating):
        raise NoRuleError("convert_element_type to a complex dtype")
    return z if jnp.issubdtype(params["new_dtype"], jnp.floating) else bind(z.re, **params)


def _unchanged(bind: Any, params: dict[str, Any], operands: list[Any], edges: list[Edge]) -> Any:
    return operands[0]


LINEAR_OPERATIONS = (
    "add add_any sub neg reshape transpose broadcast_in_dim squeeze slice "
    "dynamic_slice dynamic_update_slice concatenate stack unstack pad rev scatter-add scatter split select_n "
    "reduce_sum cumsum reduce_window_sum copy device_put optimization_barrier sharding_constraint tile"
)
BILINEAR_OPERATIONS = "mul dot_general conv_general_dilated"
ANALYTIC_OPERATIONS = (
    "div exp exp2 log log1p log2 sqrt rsqrt sin cos tan asin acos atan asinh acosh atanh integer_pow square"
)
OPERATIONS_ON_REAL_PARTS = "eq ne argmax argmin floor ceil round is_finite"

RULES: dict[str, Rule] = {
    **dict.fromkeys(LINEAR_OPERATIONS.split(), _linear),
    **dict.fromkeys(BILINEAR_OPERATIONS.split(), _bilinear),
    **dict.fromkeys(ANALYTIC_OPERATIONS.split(), _analytic),
    **dict.fromkeys(OPERATIONS_ON_REAL_PARTS.split(), _by_real_part),
    **dict.fromkeys(("lt", "le", "gt", "ge"), _comparison),
    **dict.fromkeys(("reduce_max", "reduce_min"), _reduced_extreme),
    **dict.fromkeys(("stop_gradient", "reduce_precision"), _unchanged),  # the function's derivative, stopped or not
    "convert_element_type": _converted,
    "gather": _gather,
    "max": partial(_maximum, jnp.greater),
    "min": partial(_maximum, jnp.less),
    "clamp": _clamp,
    "abs": _absolute,
    "sign": _sign,
    "pow": _power,
    # In the value, as the functions are used: a form in z would differ where the value rounds to 1.
    "logistic": _textbook(lambda z, s: s * (1 - s)),
    "tanh": _textbook(lambda z, t: (1 - t) * (1 + t)),
    "one_minus_square": _textbook(lambda z, v: -2 * z),
    "expm1": _textbook(lambda z, e: jnp.exp(z)),
    "sinh": _textbook(lambda z, s: jnp.cosh(z)),
    "cosh": _textbook(lambda z, c: jnp.sinh(z)),
    "cbrt": _textbook(lambda z, r: 1 / (3 * r * r)),
    "erf": _textbook(lambda z, e: 2 / math.sqrt(math.pi) * jnp.exp(-z * z)),
    "erfc": _textbook(lambda z, e: -2 / math.sqrt(math.pi) * jnp.exp(-z * z)),
    "erf_inv": _textbook(lambda y, z: math.sqrt(math.pi) / 2 * jnp.exp(z * z)),
}
