"""What a network's parameters and data do not show, in words: no key, a batch of 1, no ties, zeros, branches."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..jaxprs import walk
from ..rulecheck.not_exercised import INDEXED, by_program
from .routes import Given

TIES = {"max", "min", "clamp", "reduce_max", "reduce_min", "sort", "top_k", "argmax", "argmin", "reduce_window_max"}
MOST_NAMED = 4


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
