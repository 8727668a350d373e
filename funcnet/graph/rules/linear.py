"""Local derivatives of the linear operations, which move, copy, select and add elements.

The derivative of a linear operation is the operation itself: ``push`` runs it with zeros for the other floating
operands, and ``pull`` is its transpose, written by hand. The transpose of a copy is a sum, and that of a sum is a copy.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .base import LocalDerivative, Rule, Site

Transpose = Callable[..., jax.Array]  # (site, index, *derivatives in the results) -> derivative in the operand


def linear_rule(transpose: Transpose) -> Rule:
    """Return the rule of an operation that is linear in all its floating operands together."""

    def rule(site: Site, index: int) -> LocalDerivative:
        def push(change: jax.Array) -> list[Any]:
            return site.operation.run(*map(_zero, site.inputs[:index]), change, *map(_zero, site.inputs[index + 1 :]))

        return LocalDerivative(push, lambda *derivatives: transpose(site, index, *derivatives))

    return rule


def _zero(operand: Any) -> Any:
    """Return zeros for a floating operand; return integers, booleans and keys as they are."""
    return jnp.zeros_like(operand) if jnp.issubdtype(operand.dtype, jnp.floating) else operand


def _as_operand(site: Site, index: int, derivative: jax.Array) -> jax.Array:
    """Change of shape or dtype: the derivative in the shape and dtype of the operand."""
    return derivative.reshape(site.inputs[index].shape).astype(site.inputs[index].dtype)


def _summed(site: Site, index: int, derivative: jax.Array) -> jax.Array:
    """Broadcasting: the sum over the axes along which the operand was copied."""
    shape, axes = site.inputs[index].shape, site.params["broadcast_dimensions"]
    kept = [axis for axis, size in zip(axes, shape, strict=True) if size == derivative.shape[axis]]
    copied = tuple(axis for axis in range(derivative.ndim) if axis not in kept)
    return jnp.sum(derivative, axis=copied).reshape(shape)


def _spread(site: Site, index: int, derivative: jax.Array) -> jax.Array:
    """Sum: a copy of the derivative for every element that was added."""
    return jnp.broadcast_to(jnp.expand_dims(derivative, site.params["axes"]), site.inputs[index].shape)


def _transposed_back(site: Site, index: int, derivative: jax.Array) -> jax.Array:
    return lax.transpose(derivative, tuple(map(int, np.argsort(site.params["permutation"]))))


def _cut_out(site: Site, index: int, derivative: jax.Array) -> jax.Array:
    """Concatenation: the operand's part of the derivative."""
    axis = site.params["dimension"]
    start = sum(operand.shape[axis] for operand in site.inputs[:index])
    return lax.slice_in_dim(derivative, start, start + site.inputs[index].shape[axis], axis=axis)


def _tiles_summed(site: Site, index: int, derivative: jax.Array) -> jax.Array:
    """Tiling: the sum over all copies of the operand."""
    shape, repeats = site.inputs[0].shape, site.params["reps"]
    apart = derivative.reshape([size for pair in zip(repeats, shape, strict=True) for size in pair])
    return jnp.sum(apart, axis=tuple(range(0, 2 * len(shape), 2)))


def _padded(site: Site, index: int, derivative: jax.Array) -> jax.Array:
    """Slice: the derivative, padded with zeros for the elements outside the slice."""
    shape, start = site.inputs[index].shape, site.params["start_indices"]
    strides = site.params["strides"] or (1,) * len(shape)
    padding = [
        (low, size - low - (taken - 1) * stride - 1 if taken else size - low, stride - 1)
        for low, size, taken, stride in zip(start, shape, derivative.shape, strides, strict=True)
    ]
    return lax.pad(derivative, jnp.zeros((), derivative.dtype), padding)


def _unpadded(site: Site, index: int, derivative: jax.Array) -> jax.Array:
    """Padding: the operand's elements of the derivative, or for the padding value the sum of all others."""
    inverse = [(-low, -high, 0) for low, high, _ in site.params["padding_config"]]
    within = lax.pad(derivative, jnp.zeros((), derivative.dtype), inverse)
    strides = [interior + 1 for *_, interior in site.params["padding_config"]]
    own = lax.slice(within, (0,) * within.ndim, within.shape, strides)
    return own if index == 0 else jnp.sum(derivative) - jnp.sum(own)


def _chosen(site: Site, index: int, derivative: jax.Array) -> jax.Array:
    """Selection: the derivative where this operand was selected, else 0."""
    which, *_ = site.inputs
    selected = which == jnp.asarray(index - 1, which.dtype)
    return jnp.where(selected, derivative, jnp.zeros_like(derivative))


def _placed(site: Site, index: int, derivative: jax.Array) -> jax.Array:
    """Slice at a computed position: zeros, with the derivative at that position."""
    operand, *starts = site.inputs
    return lax.dynamic_update_slice(jnp.zeros_like(operand), derivative, starts)


def _updated_back(site: Site, index: int, derivative: jax.Array) -> jax.Array:
    """Replacement of a slice: the update takes the elements of the slice, and the operand all others."""
    _, update, *starts = site.inputs
    if index == 1:
        return lax.dynamic_slice(derivative, starts, update.shape)
    return lax.dynamic_update_slice(derivative, jnp.zeros_like(update), starts)


def _scattered(site: Site, index: int, derivative: jax.Array) -> jax.Array:
    """Gather: for every element the sum over the positions to which it was copied."""
    operand, indices = site.inputs
    gathered, params = site.params["dimension_numbers"], site.params
    places = lax.ScatterDimensionNumbers(
        update_window_dims=gathered.offset_dims,
        inserted_window_dims=gathered.collapsed_slice_dims,
        scatter_dims_to_operand_dims=gathered.start_index_map,
        operand_batching_dims=gathered.operand_batching_dims,
        scatter_indices_batching_dims=gathered.start_indices_batching_dims,
    )
    settings = {name: params[name] for name in ("indices_are_sorted", "unique_indices", "mode")}
    return lax.scatter_add(jnp.zeros_like(operand), indices, derivative, places, **settings)


def _gather(site: Site, index: int) -> LocalDerivative:
    """Gather: an index out of range gives a constant fill value, whose derivative is 0."""
    settings = {name: value for name, value in site.params.items() if name != "fill_value"}

    def push(change: jax.Array) -> list[jax.Array]:
        return [lax.gather(change, site.inputs[1], **settings, fill_value=0)]

    return LocalDerivative(push, lambda derivative: _scattered(site, index, derivative))


def _sort(site: Site, index: int) -> LocalDerivative:
    """Sorting applies a permutation, which the values determine; the transpose is the inverse permutation."""
    axis = site.params["dimension"]
    places = lax.broadcasted_iota(np.int32, site.inputs[0].shape, axis)
    order = lax.sort([*site.inputs, places], axis, site.params["is_stable"], site.params["num_keys"])[-1]

    def push(change: jax.Array) -> list[jax.Array]:
        moved = jnp.take_along_axis(change, order, axis)
        return [moved if at == index else jnp.zeros_like(each) for at, each in enumerate(site.results)]

    def pull(*derivatives: jax.Array) -> jax.Array:
        return jnp.take_along_axis(derivatives[index], jnp.argsort(order, axis), axis)

    return LocalDerivative(push, pull)


LINEAR: dict[str, Rule] = {
    "reshape": linear_rule(_as_operand),
    "squeeze": linear_rule(_as_operand),
    "copy": linear_rule(_as_operand),
    "convert_element_type": linear_rule(_as_operand),
    "reduce_precision": linear_rule(_as_operand),
    "broadcast_in_dim": linear_rule(_summed),
    "reduce_sum": linear_rule(_spread),
    "transpose": linear_rule(_transposed_back),
    "rev": linear_rule(lambda site, index, derivative: lax.rev(derivative, site.params["dimensions"])),
    "concatenate": linear_rule(_cut_out),
    "split": linear_rule(lambda site, index, *derivatives: lax.concatenate(derivatives, site.params["axis"])),
    "stack": linear_rule(lambda site, index, d: lax.index_in_dim(d, index, site.params["axis"], keepdims=False)),
    "unstack": linear_rule(lambda site, index, *derivatives: jnp.stack(derivatives, site.params["axis"])),
    "tile": linear_rule(_tiles_summed),
    "slice": linear_rule(_padded),
    "pad": linear_rule(_unpadded),
    "select_n": linear_rule(_chosen),
    "cumsum": linear_rule(
        lambda site, index, d: lax.cumsum(d, site.params["axis"], reverse=not site.params["reverse"])
    ),
    "dynamic_slice": linear_rule(_placed),
    "dynamic_update_slice": linear_rule(_updated_back),
    "gather": _gather,
    "sort": _sort,
}
