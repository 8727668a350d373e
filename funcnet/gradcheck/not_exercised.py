"""What the given arguments do not show, in words: branches that are not taken, no ties, no key, zeros, a batch of 1."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..jaxprs import NoRuleError, visit, walk
from .routes import Given

TIES = {"max", "min", "clamp", "reduce_max", "reduce_min", "sort", "top_k", "argmax", "argmin", "reduce_window_max"}
INDEXED = {"gather", "scatter", "scatter-add"}
MOST_NAMED = 4


def by_function(program: Any, leaves: Sequence[np.ndarray], names: Sequence[str]) -> Iterator[str]:
    """Yield what a function's arguments do not show."""
    for name, leaf in zip(names, leaves, strict=True):
        if leaf.size > 1 and not leaf.any():
            yield f"{name} is 0 everywhere"
        elif leaf.ndim > 1 and leaf.shape[0] == 1:
            yield f"{name} has a batch of 1"
        elif leaf.size > 1 and len(np.unique(leaf)) == leaf.size:
            yield f"{name} has no ties"
    yield from by_program(program, leaves)


def by_network(given: Given, program: Any, leaves: list[Any], kinks: int) -> Iterator[str]:
    """Yield what a network's parameters and data do not show."""
    objective, _, batch, key = given
    needed = objective.network.needed_keywords
    if key is None and "key" in needed:
        yield "training: no key is given, so that the network is checked in evaluation"
    if len(batch.x) == 1:
        yield "a batch of more than 1"
    if batch.weights is None and "weights" in needed:
        yield "unequal weights of the samples"
    elif batch.weights is not None and not np.all(batch.weights):
        few, of = int(np.sum(np.asarray(batch.weights) == 0)), len(batch.weights)
        yield f"the loss of {few} of {of} samples, whose weight is 0"
    met = {equation.primitive.name for equation, _ in walk(program)}
    if not kinks and met & TIES:
        yield f"ties and kinks of {', '.join(sorted(met & TIES))}"
    x = np.asarray(batch.x)
    if met & INDEXED and len(np.unique(x)) == x.size:
        yield "equal values in x, as repeated rows of an embedding"
    if x.ndim > 1 and len(x) > 1:
        columns = x.reshape(len(x), -1)
        if dead := [int(each) for each in np.flatnonzero(~columns.any(axis=0))]:
            yield f"columns of x that are 0 everywhere: {_few(dead)}"
    yield from by_program(program, leaves)


def by_program(program: Any, leaves: Sequence[Any]) -> Iterator[str]:
    """Yield the branches of a program that are not taken, and its side effects; a loop alone has no branches."""
    if any(equation.primitive.name == "cond" for equation, _ in walk(program)):
        try:
            yield from visit(program, [*map(jnp.asarray, leaves)], lambda visited: None)[1]
        except NoRuleError as error:
            yield f"branches, since the program cannot be followed: {error}"
    yield from effects_of(program)


def effects_of(program: Any) -> Iterator[str]:
    """Yield the side effects of a program."""
    if effects := ", ".join(sorted(map(str, program.effects))):
        yield f"side effects: {effects}"


def zero_slices(name: str, gradient: np.ndarray) -> str:
    """Return in words which rows or columns of a gradient are 0, so that they prove nothing; ``""`` for none.

    >>> zero_slices("weight", np.array([[1.0, 2.0], [0.0, 0.0]]))
    'row 1 of weight'
    """
    if gradient.ndim < 2 or not gradient.any():
        return ""
    for axis, kind in ((0, "row"), (1, "column")):
        others = tuple(each for each in range(gradient.ndim) if each != axis)
        if len(dead := np.flatnonzero(~gradient.any(axis=others))):
            return f"{kind}{'s' * (len(dead) > 1)} {_few([*map(int, dead)])} of {name}"
    return ""


def _few(numbers: list[int]) -> str:
    more = f" and {len(numbers) - MOST_NAMED} more" if len(numbers) > MOST_NAMED else ""
    return ", ".join(map(str, numbers[:MOST_NAMED])) + more
