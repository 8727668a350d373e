"""Local derivatives of the operations that act element by element: multiplication by the partial derivative.

∂v/∂u is diagonal, so push and pull are the same product. Partial derivatives are those of any calculus textbook;
at a kink they are JAX's: |u| and its like take u ≥ 0, and where a maximum is a tie each side takes half.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .base import LocalDerivative, Rule, Site

Partial = Callable[..., Any]  # of the operands and then the result


def elementwise_rule(*partials: Partial) -> Rule:
    """Return the rule of an operation whose i-th partial derivative, of operands and result, is ``partials[i]``."""

    def rule(site: Site, index: int) -> LocalDerivative:
        slope = partials[index](*site.inputs, *site.results)
        operand, result = site.inputs[index], site.results[0]

        def push(change: jax.Array) -> list[jax.Array]:
            return [jnp.broadcast_to(change * slope, result.shape).astype(result.dtype)]

        def pull(derivative: jax.Array) -> jax.Array:
            return _shrunk(derivative.astype(operand.dtype) * slope, operand.shape)

        return LocalDerivative(push, pull)

    return rule


def _shrunk(share: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Return the sum along every axis on which one element of the operand meets several of the result."""
    if shape == ():
        return jnp.sum(share)
    met = tuple(axis for axis, size in enumerate(shape) if size != share.shape[axis])
    return jnp.sum(share, axis=met, keepdims=True) if met else share


def _power_in_base(x: Any, exponent: Any, v: Any) -> jax.Array:
    """∂(xᶜ)/∂x = c x^(c−1), which for an integer c = 0 is 0 at x = 0 too."""
    if jnp.issubdtype(exponent.dtype, jnp.integer):
        lowered = lax.pow(x, exponent - jnp.ones_like(exponent))
        return jnp.where(exponent == 0, jnp.zeros_like(v), jnp.asarray(exponent, v.dtype) * lowered)
    return exponent * lax.pow(x, exponent - jnp.ones_like(exponent))


def _power_in_exponent(x: Any, exponent: Any, v: Any) -> jax.Array:
    """∂(xᶜ)/∂c = xᶜ log x, and 0 at x = 0, where xᶜ has no such derivative for c ≤ 0."""
    return v * jnp.log(jnp.where(x == 0, jnp.ones_like(x), x))


def _won(u: Any, other: Any, v: Any) -> jax.Array:
    """Return 1 where u is the extreme value, 0 where the other is, ½ where both are."""
    one, half, zero = (jnp.full_like(v, share) for share in (1, 0.5, 0))
    return jnp.where(u == v, jnp.where(other == v, half, one), zero)


def _where(condition: Any, v: Any) -> jax.Array:
    """Return 1 where a condition holds, else 0, of the dtype of v."""
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
    "max": elementwise_rule(_won, lambda a, b, v: _won(b, a, v)),
    "min": elementwise_rule(_won, lambda a, b, v: _won(b, a, v)),
    "clamp": elementwise_rule(
        lambda low, x, high, v: _where((low > x) & (low < high), v),
        lambda low, x, high, v: _where((x > low) & (x < high), v),
        lambda low, x, high, v: _where(high < x, v),
    ),
}
