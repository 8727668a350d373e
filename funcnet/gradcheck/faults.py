"""Where a wrong gradient comes from: each part of the backward pass looked at alone, given what is right."""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..layer import Layer, Params
from ..layers import Sequential
from ..layers.chain import Chain
from ..losses import batch_mean
from .problem import Data, Problem


class Part(NamedTuple):
    """One layer that is no ``Sequential``, with what its ``forward`` is given."""

    layer: Layer
    path: tuple[int, ...]  # its place in the network, () for the network itself
    params: Params
    x: jax.Array
    key: jax.Array | None


class Comparison(NamedTuple):
    """One array that is written by hand, beside the right one."""

    name: str
    hand: Any
    right: Any
    parameter: Any = None  # what it is the gradient of, None for an output or an input


def layer_name(layer: object, path: tuple[int, ...]) -> str:
    """Return how a layer is named in messages.

    >>> layer_name("relu", (1,))
    'relu (layer 1)'
    """
    return f"{layer} (layer {'.'.join(map(str, path))})" if path else f"{layer}"


def parameter_name(keys: tuple[Any, ...]) -> str:
    """Return the name of a leaf of a layer's parameters: its fields and positions.

    >>> parameter_name((jax.tree_util.SequenceKey(0), jax.tree_util.GetAttrKey("weight")))
    '0.weight'
    """
    return jax.tree_util.keystr(keys, simple=True, separator=".") or "parameter"


def split_path(network: Layer, keys: tuple[Any, ...]) -> tuple[Layer, tuple[int, ...], str]:
    """Return the layer that a leaf of the network's parameters belongs to, its place, and the leaf's name in it."""
    layer = network
    path: list[int] = []
    while isinstance(layer, Chain):
        path.append(keys[len(path)].idx)
        layer = layer.layers[path[-1]]
    return layer, tuple(path), parameter_name(keys[len(path) :])


def misshapen(problem: Problem, params: Params, x: jax.Array, data: Data) -> list[str]:
    """Return in words which hand-written gradients are not of the structure, shape and dtype that they should be.

    Every layer's ``backward`` is traced with an output's gradient that is right in all three.
    """
    faults: list[str] = []

    def trace(params: Params, x: jax.Array, data: Data) -> None:
        parts, output = _parts(problem.network, params, x, data.key, ())
        where = f"{problem.loss}.gradient"
        faults.extend(f"{where}: {words}" for words in _unlike(problem.loss.gradient(output, data.y), output))
        for part in reversed(parts):
            y, cache = part.layer.call(part.params, part.x, key=part.key)
            returned = part.layer.backward(part.params, cache, jnp.zeros_like(y))
            name = f"{layer_name(part.layer, part.path)}.backward"
            faults.extend(f"{name}: {words}" for words in _wrong_return(returned, part))

    jax.eval_shape(trace, params, x, data)
    return faults


def compare_parts(problem: Problem, params: Params, x: jax.Array, data: Data) -> list[Comparison]:
    """Return every part of the hand-written gradients beside what automatic differentiation of that part alone gives.

    A part is given what the right gradients pass to it, so that one fault shows in one part and not in all below.
    """
    names: list[str] = []

    @jax.jit
    def both(params: Params, x: jax.Array, data: Data) -> list[tuple[Any, Any, Any]]:
        found = list(_compared(problem, params, x, data))
        names.extend(each.name for each in found)
        return [tuple(each[1:]) for each in found]

    arrays = jax.tree.map(np.asarray, both(params, x, data))
    return [Comparison(name, *each) for name, each in zip(names, arrays, strict=True)]


def _compared(problem: Problem, params: Params, x: jax.Array, data: Data) -> Iterator[Comparison]:
    """Yield the comparisons from the cost down: the penalty, the loss, then the layers from the last to the first."""
    network, loss, penalty = problem.network, problem.loss, problem.penalty
    if penalty is not None:
        by_hand, right = penalty.gradient(params), jax.grad(penalty.value)(params)
        for (keys, hand), other, leaf in zip(*_leaves(by_hand, right, params), strict=True):
            layer, path, name = split_path(network, keys)
            yield Comparison(f"{penalty}.gradient, {name} of {layer_name(layer, path)}", hand, other, leaf)
    parts, output = _parts(network, params, x, data.key, ())
    right = jax.grad(lambda output: jnp.sum(loss.value(output, data.y)))(output)
    yield Comparison(f"{loss}.gradient", loss.gradient(output, data.y), right)
    dy = jax.grad(lambda output: batch_mean(loss.value(output, data.y), data.weights, where=loss))(output)
    for part in reversed(parts):
        name = layer_name(part.layer, part.path)
        by_hand, dx = part.layer.backward(part.params, part.layer.call(part.params, part.x, key=part.key)[1], dy)
        _, pull = jax.vjp(partial(part.layer.apply, key=part.key), part.params, part.x)
        right, dy = pull(dy)
        for (keys, hand), other, leaf in zip(*_leaves(by_hand, right, part.params), strict=True):
            yield Comparison(f"{name}.backward, gradient in {parameter_name(keys)}", hand, other, leaf)
        yield Comparison(f"{name}.backward, dx", dx, dy)


def _leaves(tree: Any, *others: Any) -> tuple[list[Any], ...]:
    return jax.tree_util.tree_leaves_with_path(tree), *map(jax.tree.leaves, others)


def _parts(
    layer: Layer, params: Params, x: jax.Array, key: jax.Array | None, path: tuple[int, ...]
) -> tuple[list[Part], jax.Array]:
    """Return the layers that a network consists of, in order, and its output."""
    if not isinstance(layer, Sequential):
        return [Part(layer, path, params, x, key)], layer.apply(params, x, key=key)
    parts: list[Part] = []
    for index, (inner, inner_params) in enumerate(zip(layer.layers, params, strict=True)):
        inner_key = None if key is None else jax.random.fold_in(key, index)  # as Sequential does
        found, x = _parts(inner, inner_params, x, inner_key, (*path, index))
        parts += found
    return parts, x


def _wrong_return(returned: Any, part: Part) -> Iterator[str]:
    """Yield what is wrong with what a ``backward`` returned."""
    if not isinstance(returned, tuple) or len(returned) != 2:
        got = f"a tuple of {len(returned)}" if isinstance(returned, tuple) else type(returned).__name__
        yield f"expected the pair (gradients, dx), got {got}"
        return
    gradients, dx = returned
    structure: Any = jax.tree.structure(gradients)
    expected: Any = jax.tree.structure(part.params)
    if structure != expected:
        yield f"expected gradients of the parameters' structure {_plain(expected)}, got {_plain(structure)}"
    else:
        for (keys, gradient), leaf in zip(*_leaves(gradients, part.params), strict=True):
            yield from (f"gradient in {parameter_name(keys)}: {words}" for words in _unlike(gradient, leaf))
    yield from (f"dx: {words}" for words in _unlike(dx, part.x))


def _unlike(array: Any, like: jax.Array) -> Iterator[str]:
    if jnp.shape(array) != like.shape:
        flipped = ", its transposed" if len(like.shape) > 1 and jnp.shape(array) == like.shape[::-1] else ""
        yield f"expected shape {like.shape}, got {jnp.shape(array)}{flipped}"
    elif jnp.result_type(array) != like.dtype:
        yield f"expected dtype {like.dtype}, got {jnp.result_type(array)}"


def _plain(structure: Any) -> str:
    return str(structure).removeprefix("PyTreeDef(").removesuffix(")")
