"""How each JAX primitive acts on complex numbers whose imaginary part is a vanishing step.

A rule gets the operands of one primitive, of which at least one is ``Complex``, and returns its results. Real parts
are taken as the real program takes them: what a step of 1e-30 adds to them, its square, is far below their
rounding. So every comparison goes the way that the code goes, and the real part is computed once for all steps.

Imaginary parts are kept in units of the step, so that they neither underflow nor overflow before the derivative does:
an operation that is evaluated at a complex number takes the step ``STEP``, and divides by it.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ..jaxprs import NoRuleError

STEP = 2.0**-100  # about 1e-30: its square is below all rounding


class Complex(NamedTuple):
    """The array re + i h im for a vanishing step h; both parts are float64, or complex128, and of one shape."""

    re: jax.Array
    im: jax.Array


class Edge(NamedTuple):
    """A comparison with values on its edge."""

    met: jax.Array  # where values are on the edge, or how many are
    crossed: jax.Array  # where the step moves them off it, or whether it moves one
    ordered: Any = False  # whether it moves one of equal numbers that a sort leaves in their order


class Convention(NamedTuple):
    """What decides where a step moves a value off the edge: each 0 for the mean, or what the program says.

    1 is as if the left operand were the larger one, −1 as if it were the smaller one.
    """

    of_pairs: Any = 0.0  # max, min, clamp, and the comparisons lt, le, gt, ge
    of_reductions: Any = 0.0  # 1 is for the first of a tie, −1 for the last
    of_magnitudes: Any = 0.0  # abs, whose right operand is 0


class Edges(list[Edge]):
    """The edges that a program meets, and the convention that decides there."""

    def __init__(self, convention: Convention) -> None:
        super().__init__()
        self.convention = convention


# The conventions that programs follow at a kink, where several are met at once: slope 0, slope 1, the first of a tie.
CONVENTIONS = tuple(
    Convention(pairs, reductions, magnitudes)
    for pairs in (-1.0, 1.0)
    for reductions in (-1.0, 1.0)
    for magnitudes in (0.0, pairs)
)

Rule = Callable[[Any, dict[str, Any], list[Any], Edges], Any]  # (bind, params, operands, edges) -> result or list


def real_of(operand: Any) -> Any:
    """Return the part of an operand without the step, in float64 if it is floating; integers and keys as they are."""
    if isinstance(operand, Complex):
        return operand.re
    dtype = jnp.result_type(operand)
    if jnp.issubdtype(dtype, jnp.complexfloating):
        return jnp.asarray(operand, jnp.complex128)
    return jnp.asarray(operand, jnp.float64) if jnp.issubdtype(dtype, jnp.floating) else operand


def imaginary_of(operand: Any) -> Any:
    """Return what the step multiplies, 0 where an operand has none; integers, booleans and keys as they are."""
    if isinstance(operand, Complex):
        return operand.im
    real = real_of(operand)
    return jnp.zeros_like(real) if jnp.issubdtype(jnp.result_type(real), jnp.inexact) else real


def as_complex(operand: Any) -> Any:
    """Return a floating operand as ``Complex``; integers, booleans and keys as they are."""
    inexact = isinstance(operand, Complex) or jnp.issubdtype(jnp.result_type(operand), jnp.inexact)
    return Complex(real_of(operand), imaginary_of(operand)) if inexact else operand


def _linear(bind: Any, params: dict[str, Any], operands: list[Any], edges: Edges) -> Any:
    """f(a + ib) = f(a) + i f(b), for a function that is linear in its floating operands together."""
    re, im = bind(*map(real_of, operands), **params), bind(*map(imaginary_of, operands), **params)
    if isinstance(re, list | tuple):
        return [Complex(*parts) for parts in zip(re, im, strict=True)]
    return Complex(re, im)


def _bilinear(bind: Any, params: dict[str, Any], operands: list[Any], edges: Edges) -> Complex:
    """f(a + ib, c + id) = f(a, c) + i (f(a, d) + f(b, c)): products, matrix products, convolutions."""
    left, right = operands
    a, c = real_of(left), real_of(right)
    wide = {"preferred_element_type", "out_dtype"}.intersection(params)
    params = params | {name: jnp.result_type(a, c) for name in wide if params[name] is not None}
    f = partial(bind, **params)
    parts = [f(left.im, c)] if isinstance(left, Complex) else []
    parts += [f(a, right.im)] if isinstance(right, Complex) else []
    return Complex(f(a, c), sum(parts[1:], parts[0]))


def _gather(bind: Any, params: dict[str, Any], operands: list[Any], edges: Edges) -> Complex:
    """Gathering is linear, but for what an index past the end takes: a constant, whose step is 0."""
    re = bind(*map(real_of, operands), **params)
    return Complex(re, bind(*map(imaginary_of, operands), **params | {"fill_value": 0}))


def _analytic(bind: Any, params: dict[str, Any], operands: list[Any], edges: Edges) -> Complex:
    """f(z) by the primitive's own complex form, for a function whose argument has a scale of its own, such as sin.

    It takes one step, whatever the imaginary part is, so that it is evaluated once for all directions.
    """
    (z,) = operands
    if jnp.iscomplexobj(z.re):
        raise NoRuleError("a function of a complex number")
    at = lax.complex(z.re, jnp.full_like(z.re, STEP))
    return Complex(bind(z.re, **params), lax.imag(bind(at, **params)) / STEP * z.im)


def _quotient(bind: Any, params: dict[str, Any], operands: list[Any], edges: Edges) -> Complex:
    """d(a/c) = (da − (a/c) dc)/c."""
    above, below = operands
    a, c = real_of(above), real_of(below)
    value = bind(a, c, **params)
    im = above.im if isinstance(above, Complex) else jnp.zeros_like(value)
    if isinstance(below, Complex):
        im = im - value * below.im
    return Complex(value, im / c)


def _textbook(derivative: Callable[[jax.Array, jax.Array], jax.Array]) -> Rule:
    """f(a + ib) = f(a) + i f′(a) b, with f′ given as a function of a and f(a).

    It is for functions that have no complex form, or one that is not exact to rounding everywhere.
    """

    def rule(bind: Any, params: dict[str, Any], operands: list[Any], edges: Edges) -> Complex:
        (z,) = operands
        value = bind(z.re, **params)
        return Complex(value, derivative(z.re, value) * z.im)

    return rule


def _integer_power(bind: Any, params: dict[str, Any], operands: list[Any], edges: Edges) -> Complex:
    """d(zⁿ) = n z^(n−1) dz."""
    (z,), n = operands, params["y"]
    slope = n * lax.integer_pow(z.re, n - 1) if n else jnp.zeros_like(z.re)
    return Complex(bind(z.re, **params), slope * z.im)


def _power(bind: Any, params: dict[str, Any], operands: list[Any], edges: Edges) -> Complex:
    """d(aᶜ) = c a^(c−1) da + aᶜ log a dc, of which 0ᶜ has no log; a negative a has no derivative along c."""
    base, exponent = operands
    a, c = real_of(base), real_of(exponent)
    value = bind(a, c, **params)
    im = jnp.zeros_like(value)
    if isinstance(base, Complex):
        power = jnp.asarray(c, value.dtype)
        slope = jnp.where(power == 0, jnp.zeros_like(value), power * lax.pow(a, c - jnp.ones_like(c)))
        im += slope * base.im
    if isinstance(exponent, Complex):
        slope = value * jnp.log(jnp.where(a == 0, jnp.ones_like(a), a))
        im += jnp.where(exponent.im == 0, jnp.zeros_like(value), slope * exponent.im)
    return Complex(value, im)


def _on_edge(edges: Edges, left: Any, right: Any) -> jax.Array:
    """Record where two real parts are equal, and return it."""
    met = real_of(left) == real_of(right)
    edges.append(Edge(met, met & (imaginary_of(left) != imaginary_of(right))))
    return met


def _comparison(is_greater: bool, bind: Any, params: dict[str, Any], operands: list[Any], edges: Edges) -> jax.Array:
    """Compare by the real parts, or at a tie that the step breaks by the convention; record the values on the edge."""
    _on_edge(edges, *operands)
    result, convention = bind(*map(real_of, operands), **params), edges.convention.of_pairs
    if isinstance(convention, float) and not convention:
        return result  # it does not depend on the step
    return jnp.where(edges[-1].crossed & (convention != 0), (convention > 0) == is_greater, result)


def _by_real_part(bind: Any, params: dict[str, Any], operands: list[Any], edges: Edges) -> Any:
    """Return what depends on the real parts alone: integers, booleans, steps."""
    return bind(*map(real_of, operands), **params)


def _sign(bind: Any, params: dict[str, Any], operands: list[Any], edges: Edges) -> jax.Array:
    """Return the sign of the real part, and record the zeros, at which it jumps."""
    _on_edge(edges, operands[0], jnp.zeros_like(operands[0].re))
    return bind(operands[0].re, **params)


def _absolute(bind: Any, params: dict[str, Any], operands: list[Any], edges: Edges) -> Complex:
    """|z| = z sign(re z); at 0 the mean of both sides, 0. Of a complex number, d|z| = Re(z̄ dz)/|z|."""
    (z,) = operands
    if jnp.iscomplexobj(z.re):
        value = bind(z.re, **params)
        return Complex(value, jnp.real(jnp.conj(z.re) * z.im) / value)
    met = _on_edge(edges, z, jnp.zeros_like(z.re))
    return Complex(bind(z.re, **params), z.im * jnp.where(met, edges.convention.of_magnitudes, jnp.sign(z.re)))


def _extreme(left_wins: Callable[[jax.Array, jax.Array], jax.Array], left: Any, right: Any, edges: Edges) -> Any:
    """Return the operand that wins by its real part; at a tie the mean of both, or the one that the convention says.

    The mean of the two sides is exact where kinks cancel, as in max(x, 0) + log(1 + e^(−|x|)), which is smooth.
    """
    tie, wins = _on_edge(edges, left, right), left_wins(real_of(left), real_of(right))
    im, other = imaginary_of(left), imaginary_of(right)
    share = 0.5 + 0.5 * edges.convention.of_pairs * (1 if left_wins is jnp.greater else -1)
    decided = jnp.where(tie, share * im + (1 - share) * other, jnp.where(wins, im, other))
    return Complex(jnp.where(wins, real_of(left), real_of(right)), decided)


def _maximum(wins: Any, bind: Any, params: dict[str, Any], operands: list[Any], edges: Edges) -> Complex:
    """Return max(a, b) where ``wins`` is ``jnp.greater``, and min(a, b) where it is ``jnp.less``."""
    left, right = operands
    chosen = _extreme(wins, left, right, edges)
    return Complex(bind(*map(real_of, operands), **params), chosen.im)  # NaN as the primitive has it


def _clamp(bind: Any, params: dict[str, Any], operands: list[Any], edges: Edges) -> Complex:
    """Return min(max(z, low), high)."""
    shape = jnp.shape(real_of(operands[1]))
    low, z, high = (
        Complex(*(jnp.broadcast_to(part, shape) for part in (real_of(each), imaginary_of(each)))) for each in operands
    )
    chosen = _extreme(jnp.less, _extreme(jnp.greater, z, low, edges), high, edges)
    return Complex(bind(*map(real_of, operands), **params), chosen.im)


def _reduced_extreme(bind: Any, params: dict[str, Any], operands: list[Any], edges: Edges) -> Complex:
    """Return the extreme over some axes by the real part; of those that share it the mean, the first or the last."""
    (z,), axes = operands, params["axes"]
    value = bind(z.re, **params)
    chosen = z.re == jnp.expand_dims(value, axes)
    shared = jnp.sum(chosen, axes).astype(jnp.float64)
    mean = jnp.sum(jnp.where(chosen, z.im, 0), axes) / shared
    apart = chosen & (z.im != jnp.expand_dims(mean, axes))
    edges.append(Edge(shared > 1, (shared > 1) & jnp.any(apart, axes)))
    places = jnp.arange(z.re.size).reshape(z.re.shape)
    first, last = (
        jnp.sum(jnp.where(places == jnp.expand_dims(of, axes), z.im, 0), axes)
        for of in (jnp.min(jnp.where(chosen, places, z.re.size), axes), jnp.max(jnp.where(chosen, places, -1), axes))
    )
    convention = edges.convention.of_reductions
    return Complex(value, jnp.where(convention > 0, first, jnp.where(convention < 0, last, mean)))


def _converted(bind: Any, params: dict[str, Any], operands: list[Any], edges: Edges) -> Any:
    """Return the operand unchanged for a floating dtype, exact; convert its real part to an integer."""
    (z,) = operands
    if jnp.issubdtype(params["new_dtype"], jnp.complexfloating):
        return Complex(z.re.astype(jnp.complex128), z.im.astype(jnp.complex128))
    return z if jnp.issubdtype(params["new_dtype"], jnp.floating) else bind(z.re, **params)


def _parts(bind: Any, params: dict[str, Any], operands: list[Any], edges: Edges) -> Complex:
    """Take or join the real and the imaginary part of a complex value: linear over the real numbers."""
    re = bind(*map(real_of, operands), **params)
    return Complex(re, bind(*map(imaginary_of, operands), **params))


def _product(bind: Any, params: dict[str, Any], operands: list[Any], edges: Edges) -> Complex:
    """Return the product over some axes, or along one, by the products before and after each element."""
    (z,) = operands
    value = bind(z.re, **params)
    if "axes" in params:
        axes = params["axes"]
        kept = [axis for axis in range(z.re.ndim) if axis not in axes]
        re, im = (jnp.transpose(part, (*kept, *axes)) for part in z)
        re, im = (part.reshape(*(z.re.shape[axis] for axis in kept), -1) for part in (re, im))
        return Complex(value, jnp.sum(im * _others(re), axis=-1))
    axis, reverse = params["axis"], params["reverse"]

    def step(carry: Any, row: Any) -> Any:
        (re, im), (a, b) = carry, row
        carry = re * a, re * b + im * a
        return carry, carry[1]

    rows = tuple(jnp.moveaxis(part, axis, 0) for part in z)
    _, im = lax.scan(step, (jnp.ones_like(rows[0][0]), jnp.zeros_like(rows[0][0])), rows, reverse=reverse)
    return Complex(value, jnp.moveaxis(im, 0, axis))


def _others(values: jax.Array) -> jax.Array:
    """Return, for each element along the last axis, the product of the others."""
    one = jnp.ones_like(values[..., :1])
    before = jnp.cumprod(jnp.concatenate([one, values[..., :-1]], axis=-1), axis=-1)
    return before * jnp.flip(jnp.cumprod(jnp.flip(jnp.concatenate([values[..., 1:], one], axis=-1), -1), axis=-1), -1)


def _sorted(bind: Any, params: dict[str, Any], operands: list[Any], edges: Edges) -> list[Any]:
    """Sort by the real parts; equal neighbours with different steps are an edge."""
    if params["num_keys"] != 1:
        raise NoRuleError("sort by several keys")
    axis = params["dimension"]
    places = lax.broadcasted_iota(jnp.int32, real_of(operands[0]).shape, axis)
    *results, order = bind(*map(real_of, operands), places, **params)
    found = [
        Complex(re, jnp.take_along_axis(operand.im, order, axis)) if isinstance(operand, Complex) else re
        for re, operand in zip(results, operands, strict=True)
    ]
    _ties_along(found[0], axis, edges)
    return found


def _ties_along(values: Any, axis: int, edges: Edges) -> None:
    """Record where neighbours along an axis are equal."""
    if isinstance(values, Complex):
        one, next_one = (
            Complex(*(lax.slice_in_dim(part, start, part.shape[axis] - 1 + start, axis=axis) for part in values))
            for start in (0, 1)
        )
        _on_edge(edges, one, next_one)
        edges.append(Edge(jnp.zeros((), bool), jnp.zeros((), bool), jnp.any(edges[-1].crossed)))


def _top(bind: Any, params: dict[str, Any], operands: list[Any], edges: Edges) -> list[Any]:
    """Return the largest by the real parts; equal neighbours with different steps are an edge."""
    (z,), axis = operands, params["axis"]
    values, places = bind(z.re, **params)
    found = Complex(values, jnp.take_along_axis(z.im, places, axis))
    _ties_along(found, axis, edges)
    return [found, places]


def _arc_tangent(bind: Any, params: dict[str, Any], operands: list[Any], edges: Edges) -> Complex:
    """d atan2(y, x) = (x dy − y dx)/(x² + y²), by a scale that does not overflow."""
    y, x = map(real_of, operands)
    scale = jnp.maximum(jnp.abs(y), jnp.abs(x))
    sine, cosine = y / scale, x / scale
    along = cosine * imaginary_of(operands[0]) - sine * imaginary_of(operands[1])
    return Complex(bind(y, x, **params), along / scale / (sine * sine + cosine * cosine))


def _remainder(bind: Any, params: dict[str, Any], operands: list[Any], edges: Edges) -> Complex:
    """d rem(a, c) = da − trunc(a/c) dc."""
    a, c = map(real_of, operands)
    value = bind(a, c, **params)
    turns = jnp.round((a - value) / c)
    edges.append(Edge(value == 0, value == 0))
    return Complex(value, imaginary_of(operands[0]) - turns * imaginary_of(operands[1]))


def _unchanged(bind: Any, params: dict[str, Any], operands: list[Any], edges: Edges) -> Any:
    return operands[0]


LINEAR_OPERATIONS = (
    "add add_any sub neg reshape transpose broadcast_in_dim squeeze slice "
    "dynamic_slice dynamic_update_slice concatenate stack unstack pad rev scatter-add scatter split select_n "
    "reduce_sum cumsum reduce_window_sum copy device_put optimization_barrier sharding_constraint tile fft"
)
BILINEAR_OPERATIONS = "mul dot_general conv_general_dilated"
ANALYTIC_OPERATIONS = "exp2 log1p sin cos tan asin acos atan asinh acosh atanh"
OPERATIONS_ON_REAL_PARTS = "eq ne argmax argmin floor ceil round is_finite"

RULES: dict[str, Rule] = {
    **dict.fromkeys(LINEAR_OPERATIONS.split(), _linear),
    **dict.fromkeys(BILINEAR_OPERATIONS.split(), _bilinear),
    **dict.fromkeys(ANALYTIC_OPERATIONS.split(), _analytic),
    **dict.fromkeys(OPERATIONS_ON_REAL_PARTS.split(), _by_real_part),
    **dict.fromkeys(("lt", "le"), partial(_comparison, False)),
    **dict.fromkeys(("gt", "ge"), partial(_comparison, True)),
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
    "div": _quotient,
    "integer_pow": _integer_power,
    **dict.fromkeys(("real", "imag", "complex", "conj"), _parts),
    **dict.fromkeys(("reduce_prod", "cumprod"), _product),
    "sort": _sorted,
    "top_k": _top,
    "atan2": _arc_tangent,
    "rem": _remainder,
    # Of any scale: a complex step has to be small beside the argument.
    "exp": _textbook(lambda z, e: e),
    "sqrt": _textbook(lambda z, r: 0.5 / r),
    "rsqrt": _textbook(lambda z, r: -0.5 * r / z),
    "log": _textbook(lambda z, v: 1 / z),
    "log2": _textbook(lambda z, v: 1 / (math.log(2) * z)),
    "square": _textbook(lambda z, v: 2 * z),
    # Not s (1 − s), which has no digits where s rounds to 1.
    "logistic": _textbook(lambda z, s: jnp.exp(-jnp.abs(z)) / (1 + jnp.exp(-jnp.abs(z))) ** 2),
    # In the value, as tanh is used: as functions approach a limit, what remains is 0 to rounding beside the limit.
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
