"""Local derivatives of the operations that act element by element: multiplication by the partial derivative.

∂v/∂u is diagonal, so push and pull are the same product. The partial derivatives are those of any calculus textbook. At
a kink they are JAX's: |u| takes the branch u ≥ 0, and each of two equal operands of a maximum takes half.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .base import LocalDerivative, Rule, Site

Partial = Callable[..., Any]  # (*operands, result) -> partial derivative


def elementwise_rule(*partials: Partial) -> Rule:
    """Return the rule of an operation from its partial derivatives, one function for each operand."""

    def rule(site: Site, index: int) -> LocalDerivative:
        slope = partials[index](*site.inputs, *site.results)
        operand, result = site.inputs[index], site.results[0]

        def push(change: jax.Array) -> list[jax.Array]:
            return [jnp.broadcast_to(change * slope, result.shape).astype(result.dtype)]

        def pull(derivative: jax.Array) -> jax.Array:
            return _sum_to_shape(derivative.astype(operand.dtype) * slope, operand.shape)

        return LocalDerivative(push, pull)

    return rule


def _sum_to_shape(share: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Return the sum over the axes along which the operand was broadcast."""
    if shape == ():
        return jnp.sum(share)
    copied = tuple(axis for axis, size in enumerate(shape) if size != share.shape[axis])
    return jnp.sum(share, axis=copied, keepdims=True) if copied else share


def _power_in_base(x: Any, exponent: Any, v: Any) -> jax.Array:
    """∂(xᶜ)/∂x = c x^(c−1); for an integer c = 0 it is 0, also at x = 0."""
    if jnp.issubdtype(exponent.dtype, jnp.integer):
        lowered = lax.pow(x, exponent - jnp.ones_like(exponent))
        return jnp.where(exponent == 0, jnp.zeros_like(v), jnp.asarray(exponent, v.dtype) * lowered)
    return exponent * lax.pow(x, exponent - jnp.ones_like(exponent))


def _power_in_exponent(x: Any, exponent: Any, v: Any) -> jax.Array:
    """∂(xᶜ)/∂c = xᶜ log x; at x = 0 it is xᶜ log 1 = 0."""
    return v * jnp.log(jnp.where(x == 0, jnp.ones_like(x), x))


def _is_extreme(u: Any, other: Any, v: Any) -> jax.Array:
    """Return 1 where u is the maximum or minimum v, 0 where the other operand is, ½ where both are."""
    one, half, zero = (jnp.full_like(v, share) for share in (1, 0.5, 0))
    return jnp.where(u == v, jnp.where(other == v, half, one), zero)


def _indicator(condition: Any, v: Any) -> jax.Array:
    """Return 1 where a condition is true, else 0, in the dtype of v."""
    return jnp.asarray(condition, v.dtype)


def _integer_power(site: Site, index: int) -> LocalDerivative:
    """∂(xⁿ)/∂x = n x^(n−1)."""
    n = site.params["y"]
    slope = (lambda x, v: jnp.zeros_like(x)) if n == 0 else (lambda x, v: n * lax.integer_pow(x, n - 1))
    return elementwise_rule(slope)(site, index)


ELEMENTWISE: dict[str, Rule] = {
    "add": elementwise_rule(lambda a, b, v: 1, lambda a, b, v: 1),
    "add_any": elementwise_rule(lambda a, b, v: 1, lambda a, b, v: 1),
    "sub": elementwise_rule(lambda a, b, v: 1, lambda a, b, v: -1),
    "mul": elementwise_rule(lambda a, b, v: b, lambda a, b, v: a),
    "div": elementwise_rule(lambda a, b, v: 1 / b, lambda a, b, v: -a / (b * b)),
    "rem": elementwise_rule(lambda a, b, v: 1, lambda a, b, v: -jnp.trunc(a / b)),
    "neg": elementwise_rule(lambda x, v: -1),
    "pow": elementwise_rule(_power_in_base, _power_in_exponent),
    "integer_pow": _integer_power,
    "square": elementwise_rule(lambda x, v: 2 * x),
    "one_minus_square": elementwise_rule(lambda x, v: -2 * x),
    "sqrt": elementwise_rule(lambda x, v: 0.5 / v),
    "rsqrt": elementwise_rule(lambda x, v: -0.5 * v / x),
    "cbrt": elementwise_rule(lambda x, v: v / (3 * x)),
    "exp": elementwise_rule(lambda x, v: v),
    "exp2": elementwise_rule(lambda x, v: math.log(2) * v),
    "expm1": elementwise_rule(lambda x, v: v + 1),
    "log": elementwise_rule(lambda x, v: 1 / x),
    "log1p": elementwise_rule(lambda x, v: 1 / (1 + x)),
    "log2": elementwise_rule(lambda x, v: 1 / (math.log(2) * x)),
    "logistic": elementwise_rule(lambda x, v: v * (1 - v)),
    "sin": elementwise_rule(lambda x, v: jnp.cos(x)),
    "cos": elementwise_rule(lambda x, v: -jnp.sin(x)),
    "tan": elementwise_rule(lambda x, v: 1 + v * v),
    "asin": elementwise_rule(lambda x, v: lax.rsqrt(1 - x * x)),
    "acos": elementwise_rule(lambda x, v: -lax.rsqrt(1 - x * x)),
    "atan": elementwise_rule(lambda x, v: 1 / (1 + x * x)),
    "atan2": elementwise_rule(lambda a, b, v: b / (a * a + b * b), lambda a, b, v: -a / (a * a + b * b)),
    "sinh": elementwise_rule(lambda x, v: jnp.cosh(x)),
    "cosh": elementwise_rule(lambda x, v: jnp.sinh(x)),
    "tanh": elementwise_rule(lambda x, v: (1 + v) * (1 - v)),
    "asinh": elementwise_rule(lambda x, v: lax.rsqrt(x * x + 1)),
    "acosh": elementwise_rule(lambda x, v: lax.rsqrt((x - 1) * (x + 1))),
    "atanh": elementwise_rule(lambda x, v: 1 / ((1 + x) * (1 - x))),
    "erf": elementwise_rule(lambda x, v: 2 / math.sqrt(math.pi) * jnp.exp(-x * x)),
    "erfc": elementwise_rule(lambda x, v: -2 / math.sqrt(math.pi) * jnp.exp(-x * x)),
    "erf_inv": elementwise_rule(lambda x, v: math.sqrt(math.pi) / 2 * jnp.exp(v * v)),
    "lgamma": elementwise_rule(lambda x, v: lax.digamma(x)),
    "abs": elementwise_rule(lambda x, v: jnp.where(x >= 0, jnp.ones_like(x), -jnp.ones_like(x))),
    "max": elementwise_rule(_is_extreme, lambda a, b, v: _is_extreme(b, a, v)),
    "min": elementwise_rule(_is_extreme, lambda a, b, v: _is_extreme(b, a, v)),
    "clamp": elementwise_rule(
        lambda low, x, high, v: _indicator((low > x) & (low < high), v),
        lambda low, x, high, v: _indicator((x > low) & (x < high), v),
        lambda low, x, high, v: _indicator(high < x, v),
    ),
}
