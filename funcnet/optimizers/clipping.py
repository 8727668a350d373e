"""Gradients kept from being too large: pairs (init, update) that stand before an optimizer in a ``chain``."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..layer import Params
from .base import Optimizer, hyperparameter, leafwise, optimizer, state_dtype


class ClipByGlobalNormState(NamedTuple):
    """The state of ``clip_by_global_norm``."""

    max_norm: jax.Array  # c: float ()


def clip_by_global_norm(max_norm: float) -> Optimizer:
    """Scale all gradients together where their norm is above a threshold: g ← c g/‖g‖ if ‖g‖ > c.

    ‖g‖ is the Euclidean norm over every entry of every leaf, in float32 at least. It overflows for no finite
    gradient. Gradients with a NaN or an infinity pass as they are, for all to see.
    Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks" (2013), algorithm 1.

    >>> import funcnet as fn
    >>> clip = fn.clip_by_global_norm(1.0)
    >>> gradients = {"w": jnp.array([3.0]), "b": jnp.array([-4.0])}
    >>> clipped, _ = clip.update(gradients, clip.init(gradients))
    >>> clipped["w"], clipped["b"]
    (Array([0.6], dtype=float32), Array([-0.8], dtype=float32))
    """
    return optimizer("clip_by_global_norm", clip_by_global_norm_init, clip_by_global_norm_update, max_norm=max_norm)


def clip_by_global_norm_init(params: Params, max_norm: float) -> ClipByGlobalNormState:
    """Return the state, which holds the threshold."""
    return ClipByGlobalNormState(hyperparameter(max_norm, params))


def clip_by_global_norm_update(
    gradients: Params, state: ClipByGlobalNormState, params: Params | None = None
) -> tuple[Params, ClipByGlobalNormState]:
    """Return c g/‖g‖ if ‖g‖ > c, else g, and the state."""
    dtype = state_dtype(gradients)
    unit, root = _norm([g.astype(dtype) for g in jax.tree.leaves(gradients)], dtype)
    max_norm = state.max_norm.astype(dtype)
    too_large = (root > max_norm * unit) & jnp.isfinite(root)
    factor = max_norm / jnp.where(too_large, root, 1)

    def clip(g: jax.Array) -> jax.Array:
        return jnp.where(too_large, (g.astype(dtype) * unit * factor).astype(g.dtype), g)

    return jax.tree.map(clip, gradients), state


@partial(jax.jit, static_argnums=1)
def _norm(leaves: list[jax.Array], dtype: np.dtype) -> tuple[jax.Array, jax.Array]:
    """Return a unit and ‖g · unit‖, which is ‖g‖ · unit: ‖g‖ itself might overflow.

    The unit is the power of two that brings the largest entry near 1, so that no square overflows and not all vanish.
    """

    def total(reduce: Callable[..., jax.Array], entries: list[jax.Array]) -> jax.Array:
        zero = jnp.zeros((), dtype)
        return reduce(jnp.stack([zero, *(reduce(entry, initial=zero) for entry in entries)]))

    _, exponent = jnp.frexp(total(jnp.max, [jnp.abs(g) for g in leaves]))
    most = -int(jnp.finfo(dtype).minexp)
    unit = jnp.ldexp(jnp.ones((), dtype), -jnp.clip(exponent, -most, most))
    return unit, jnp.sqrt(total(jnp.sum, [jnp.square(g * unit) for g in leaves]))


class ClipByValueState(NamedTuple):
    """The state of ``clip_by_value``."""

    limit: jax.Array  # c: float ()


def clip_by_value(limit: float) -> Optimizer:
    """Bring every entry of the gradients into [−c, c]: g ← min(max(g, −c), c). A NaN stays one.

    Mikolov, *Statistical Language Models Based on Neural Networks* (2012), as told by Pascanu, Mikolov, Bengio, "On
    the difficulty of training recurrent neural networks" (2013), section 3.2.

    >>> import funcnet as fn
    >>> clip, gradients = fn.clip_by_value(1.0), jnp.array([3.0, -0.5])
    >>> clip.update(gradients, clip.init(gradients))[0]
    Array([ 1. , -0.5], dtype=float32)
    """
    return optimizer("clip_by_value", clip_by_value_init, clip_by_value_update, limit=limit)


def clip_by_value_init(params: Params, limit: float) -> ClipByValueState:
    """Return the state, which holds the limit."""
    return ClipByValueState(hyperparameter(limit, params))


def clip_by_value_update(
    gradients: Params, state: ClipByValueState, params: Params | None = None
) -> tuple[Params, ClipByValueState]:
    """Return min(max(g, −c), c) and the state."""
    (clipped,) = leafwise(_clip_by_value, (gradients,), (state.limit,))
    return clipped, state


def _clip_by_value(g: jax.Array, limit: jax.Array) -> tuple[jax.Array]:
    return (jnp.minimum(jnp.maximum(g, -limit), limit),)
