"""Local derivatives of matrix products, maxima, minima and products."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .base import LocalDerivative, Rule, Site


def _matrix_product(site: Site, index: int) -> LocalDerivative:
    """V = A B, with batch axes or without: V̇ = Ȧ B + A Ḃ, Ā = V̄ Bᵀ, B̄ = Aᵀ V̄.

    Giles, "Collected Matrix Derivative Results for Forward and Reverse Mode Algorithmic Differentiation" (2008),
    section 2.2.2.
    """
    operand, other = site.inputs[index], site.inputs[1 - index]
    contracted, batch = site.params["dimension_numbers"]
    settings = {name: site.params[name] for name in ("precision", "preferred_element_type")}
    free = [_others(each.ndim, *axes) for each, *axes in zip(site.inputs, contracted, batch, strict=True)]
    # The result's axes: those of the batch, the left's free ones, the right's free ones.
    first = len(batch[0]) + (0 if index == 1 else len(free[0]))
    result_batch, result_others = range(len(batch[0])), range(first, first + len(free[1 - index]))

    def push(change: jax.Array) -> list[jax.Array]:
        return site.operation.run(change, other) if index == 0 else site.operation.run(other, change)

    def pull(derivative: jax.Array) -> jax.Array:
        numbers = (tuple(result_others), tuple(free[1 - index])), (tuple(result_batch), tuple(batch[1 - index]))
        product = lax.dot_general(derivative, other, numbers, **settings)
        # Its axes: those of the batch, the operand's free ones, and those contracted in the other operand's order.
        order = [contracted[index][at] for at in np.argsort(contracted[1 - index])]
        axes = np.argsort([*batch[index], *free[index], *order])
        return lax.transpose(product, tuple(map(int, axes))).astype(operand.dtype)

    return LocalDerivative(push, pull)


def _others(count: int, *axes: Any) -> list[int]:
    """Return those of ``count`` axes that are not given."""
    taken = {int(axis) for each in axes for axis in each}
    return [axis for axis in range(count) if axis not in taken]


def _reduction_rule(slope: Callable[[Any, jax.Array, tuple[int, ...]], jax.Array]) -> Rule:
    """Return the rule of a reduction v of x, from ∂v/∂x as a function of x, v (reduced axes kept) and the axes."""

    def rule(site: Site, index: int) -> LocalDerivative:
        (x,), (v,), axes = site.inputs, site.results, tuple(site.params["axes"])
        weights = slope(x, jnp.expand_dims(v, axes), axes)
        return LocalDerivative(
            lambda change: [jnp.sum(weights * change, axis=axes)],
            lambda derivative: weights * jnp.expand_dims(derivative, axes),
        )

    return rule


def _share_of_extreme(x: jax.Array, v: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """∂(max x)/∂xᵢ and ∂(min x)/∂xᵢ: 1 at the extreme element and 0 elsewhere; n equal ones have 1/n each."""
    extreme = jnp.asarray(x == v, x.dtype)
    return extreme / jnp.sum(extreme, axis=axes, keepdims=True)


def _product_of_others(x: jax.Array, v: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """∂(Πxⱼ)/∂xᵢ: the product of the other elements, without division by xᵢ, which may be 0."""
    last = tuple(range(x.ndim - len(axes), x.ndim))
    moved = jnp.moveaxis(x, axes, last)
    row = moved.reshape(*moved.shape[: x.ndim - len(axes)], -1)
    ones = jnp.ones_like(row[..., :1])
    before = jnp.cumprod(jnp.concatenate([ones, row[..., :-1]], axis=-1), axis=-1)
    after = lax.cumprod(jnp.concatenate([row[..., 1:], ones], axis=-1), row.ndim - 1, reverse=True)
    return jnp.moveaxis((before * after).reshape(moved.shape), last, axes)


REDUCTIONS: dict[str, Rule] = {
    "dot_general": _matrix_product,
    "reduce_max": _reduction_rule(_share_of_extreme),
    "reduce_min": _reduction_rule(_share_of_extreme),
    "reduce_prod": _reduction_rule(_product_of_others),
}
