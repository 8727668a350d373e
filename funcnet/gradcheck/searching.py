"""Parameters and data that exercise what the given ones do not: a key, more rows, weights, ties, branches."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from ..jaxprs import NoRuleError
from ..jaxprs.coverage import Coverage
from ..objective import Batch
from .answers import Problem
from .routes import Given, gradients

MOST_POINTS = 16  # of those that reach other cases; each is checked like the given one


def searched(given: Given) -> tuple[list[tuple[Given, str]], list[str]]:
    """Return what to check besides, each with what it exercises in words, and in words what nothing was found for."""
    objective, params, batch, key = given
    found = [((objective, params, changed, key), words) for changed, words in _other_data(given)]
    if key is None and "key" in objective.network.needed_keywords:
        found.append(((objective, params, batch, jax.random.key(0)), "training, with a random key"))
    points, left = _other_cases(given)
    return found + points, left


def _other_data(given: Given) -> Iterator[tuple[Batch, str]]:
    """Yield data that differ in what a backward pass may depend on: the number of rows, weights, zeros, equal rows."""
    objective, _, batch, _ = given
    random, weights = np.random.default_rng(5), batch.weights
    x: Any = np.asarray(batch.x)
    y: Any = np.asarray(batch.y)
    if len(x) == 1:
        near = x * (1 + 0.5 * random.normal(size=x.shape))
        more: list[Any] = [np.repeat(y, 2, axis=0), None if weights is None else np.repeat(np.asarray(weights), 2)]
        joined: Any = np.concatenate([x, near])
        yield Batch(joined, *more), "a batch of 2"
        return
    if weights is None and "weights" in objective.network.needed_keywords:
        unequal: Any = random.uniform(0.5, 2, len(x))
        yield batch._replace(weights=unequal), "unequal weights of the samples"
    elif weights is not None and not np.all(weights):
        yield batch._replace(weights=None), "samples without weights"
    columns = x.reshape(len(x), -1)
    if (dead := ~columns.any(axis=0)).any():
        filled: Any = np.where(dead, random.normal(size=columns.shape), columns).reshape(x.shape)
        yield batch._replace(x=filled), "columns of x that are not 0"
    if len(np.unique(x)) == x.size:
        equal = x.copy()
        equal[1] = equal[0]
        yield batch._replace(x=equal), "equal rows of x"


def _other_cases(given: Given) -> tuple[list[tuple[Given, str]], list[str]]:
    """Return parameters and inputs at which cases of comparisons and branches are met that are not at the given."""
    objective, params, batch, key = given
    leaves, structure = jax.tree.flatten((params, batch.x))
    fixed = Problem(given).statistics
    places = [place for place in range(len(leaves)) if place not in fixed]

    def with_arrays(arrays: Any) -> Given:
        mixed = dict(enumerate(leaves)) | dict(zip(places, arrays, strict=True))
        params, x = jax.tree.unflatten(structure, [*mixed.values()])
        return objective, params, batch._replace(x=x), key

    def program(*arrays: Any) -> list[jax.Array]:
        cost, by_hand = gradients("hand", None, with_arrays(arrays))
        return [cost, *jax.tree.leaves(by_hand)]

    start = [np.asarray(leaves[place]) for place in places]
    try:
        found, left = Coverage(program, start).search([start])
    except NoRuleError as error:
        return [], [f"other cases, since the program cannot be followed: {error}"]
    points = [(with_arrays(arrays), words) for arrays, words in found]
    return points[:MOST_POINTS], [
        *left,
        *(f"{words}, of which too many were found" for _, words in points[MOST_POINTS:]),
    ]
