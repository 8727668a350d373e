"""What the given arguments do not show, in words: branches that are not taken, no ties, no key, zeros, a batch of 1."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..jaxprs import NoRuleError, visit, walk

INDEXED = {"gather", "scatter", "scatter-add"}


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


def by_indices(program: Any, integers: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Yield the integer arguments, by name, that may be indices, and in which none occurs twice."""
    if any(equation.primitive.name in INDEXED for equation, _ in walk(program)):
        for name, array in integers.items():
            if array.size > 1 and len(np.unique(array)) == array.size:
                yield f"equal values in {name}, as repeated indices"


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
