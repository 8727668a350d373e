"""Gradients kept from being too large: pairs (init, update) that stand before an optimizer in a ``chain``."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import accumulator_dtype
from .rule import Params, Threshold, from_transformation


@from_transformation("ClipByGlobalNormState")
def clip_by_global_norm(gradients: Params, max_norm: Threshold) -> Params:
    """Scale all gradients together where their norm is above a threshold: g ← c g/‖g‖ if ‖g‖ > c.

    ‖g‖ is the Euclidean norm over every entry of every leaf, in float32 at least. It does not overflow for
    finite gradients. Gradients with a NaN or an infinity are returned unchanged.
    Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks" (2013), algorithm 1.

    >>> import funcnet as fn
    >>> clip = fn.clip_by_global_norm(1.0)
    >>> gradients = {"w": jnp.array([3.0]), "b": jnp.array([-4.0])}
    >>> clipped, _ = clip.update(gradients, clip.init(gradients))
    >>> clipped["w"], clipped["b"]
    (Array([0.6], dtype=float32), Array([-0.8], dtype=float32))
    """
    leaves = jax.tree.leaves(gradients)
    dtype = np.result_type(np.float32, *(accumulator_dtype(g.dtype) for g in leaves))
    unit, root = _norm([g.astype(dtype) for g in leaves], dtype)
    c = jnp.asarray(max_norm, dtype)
    too_large = (root > c * unit) & jnp.isfinite(root)
    factor = c / jnp.where(too_large, root, 1)

    def clip(g: jax.Array) -> jax.Array:
        return jnp.where(too_large, (g.astype(dtype) * unit * factor).astype(g.dtype), g)

    return jax.tree.map(clip, gradients)


@partial(jax.jit, static_argnums=1)
def _norm(leaves: list[jax.Array], dtype: np.dtype) -> tuple[jax.Array, jax.Array]:
    """Return a unit and ‖g · unit‖, which is ‖g‖ · unit: ‖g‖ itself might overflow.

    The unit is the power of two that brings the largest entry near 1, so that no square overflows and at
    least one is not 0.
    """

    def total(reduce: Callable[..., jax.Array], entries: list[jax.Array]) -> jax.Array:
        zero = jnp.zeros((), dtype)
        return reduce(jnp.stack([zero, *(reduce(entry, initial=zero) for entry in entries)]))

    _, exponent = jnp.frexp(total(jnp.max, [jnp.abs(g) for g in leaves]))
    largest_exponent = -int(jnp.finfo(dtype).minexp)
    unit = jnp.ldexp(jnp.ones((), dtype), -jnp.clip(exponent, -largest_exponent, largest_exponent))
    return unit, jnp.sqrt(total(jnp.sum, [jnp.square(g * unit) for g in leaves]))


@from_transformation("ClipByValueState")
def clip_by_value(gradients: Params, limit: Threshold) -> Params:
    """Bring every entry of the gradients into [−c, c]: g ← min(max(g, −c), c). A NaN stays one.

    Mikolov, *Statistical Language Models Based on Neural Networks* (2012), as reported by Pascanu, Mikolov, Bengio, "On
    the difficulty of training recurrent neural networks" (2013), section 3.2.

    >>> import funcnet as fn
    >>> clip, gradients = fn.clip_by_value(1.0), jnp.array([3.0, -0.5])
    >>> clip.update(gradients, clip.init(gradients))[0]
    Array([ 1. , -0.5], dtype=float32)
    """

    def clip(g: jax.Array) -> jax.Array:
        dtype = accumulator_dtype(g.dtype)
        c = jnp.asarray(limit, dtype)
        return jnp.minimum(jnp.maximum(g.astype(dtype), -c), c).astype(g.dtype)

    return jax.tree.map(clip, gradients)


ClipByGlobalNormState, ClipByValueState = clip_by_global_norm.State, clip_by_value.State
