"""Functions with a rule of their own for ``vmap`` (``custom_vmap``): where a program maps them, and if it is right.

Under ``vmap`` such a function's rule takes its place in the program. So that it is seen there, its calls are marked by
a ``jax.jit`` of a name.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap

from .judgement import Verdict
from .subject import Examination, Point

MARK = "custom_vmap function "
SAME = 1e-12  # relative; what the last bits of a function under ``vmap`` may differ by


class Call(NamedTuple):
    """One way in which a function is called."""

    structure: Any  # of its arguments
    shapes: list[tuple[int, ...]]  # of an example's arrays


# The calls of a program that JAX traced before stay in its caches, as long as the function lives.
_calls: WeakKeyDictionary[Any, dict[str, Call]] = WeakKeyDictionary()


@contextmanager
def marked_calls() -> Iterator[None]:
    """Mark the calls of ``custom_vmap`` functions in the programs that are traced."""
    original = custom_vmap.__call__

    def call(function: Any, *args: Any, **kwargs: Any) -> Any:
        leaves, structure = jax.tree.flatten((args, kwargs))
        shapes = [jnp.shape(leaf) for leaf in leaves]
        name = f"{MARK}{id(function)} {hash((structure, *shapes))}"
        _calls.setdefault(function, {})[name] = Call(structure, shapes)

        def inside(*args: Any, **kwargs: Any) -> Any:
            return original(function, *args, **kwargs)

        inside.__name__ = inside.__qualname__ = name
        return jax.jit(inside)(*args, **kwargs)

    setattr(custom_vmap, "__call__", call)  # noqa: B010  a method, which a type checker does not let be replaced
    try:
        yield
    finally:
        setattr(custom_vmap, "__call__", original)  # noqa: B010


def mapped_function(equation: Any, operands: list[Any]) -> tuple[Any, list[Any], Any] | None:
    """Return the function that a marked equation maps, the arrays of one example, and their structure; else None."""
    name = equation.params.get("name", "")
    if equation.primitive.name != "jit" or not str(name).startswith(MARK):
        return None
    found = next((each for each, calls in _calls.items() if name in calls), None)
    if found is None:
        return None
    call = _calls[found][name]
    given = operands[len(operands) - len(call.shapes) :]
    if all(jnp.shape(each) == shape for each, shape in zip(given, call.shapes, strict=True)):
        return None  # it is not mapped here: the call itself is met within
    return found, [_example(each, shape) for each, shape in zip(given, call.shapes, strict=True)], call.structure


def _example(mapped: Any, shape: tuple[int, ...]) -> Any:
    """Return one example of a mapped array: along the first axes without which it has the shape."""
    for axes in itertools.combinations(range(jnp.ndim(mapped)), jnp.ndim(mapped) - len(shape)):
        if tuple(np.delete(jnp.shape(mapped), axes)) == shape:
            return mapped[tuple(0 if axis in axes else slice(None) for axis in range(jnp.ndim(mapped)))]
    return jnp.zeros(shape, mapped.dtype)


def check_mapping(examined: Examination, mapped: Callable[..., Any], alone: Callable[..., Any], point: Point) -> None:
    """Compare a function under ``vmap`` with the function itself, row by row: all arrays mapped, and each alone."""
    other = [0.75 * np.flip(leaf) + 0.5 for leaf in point.leaves]
    stacked = [np.stack(pair) for pair in zip(point.leaves, other, strict=True)]
    cases = [[0] * len(stacked)] + [
        [0 if at == place else None for at in range(len(stacked))] for place in range(len(stacked))
    ]
    for axes in cases if len(stacked) > 1 else cases[:1]:
        given = [leaf if axis is None else pair for leaf, pair, axis in zip(point.leaves, stacked, axes, strict=True)]
        try:
            got = jax.vmap(mapped, in_axes=tuple(axes))(*given)
        except Exception as error:  # of any kind: the rule is the user's code
            examined.add(Verdict.MISMATCH, "under vmap", f"its rule raises {type(error).__name__}: {str(error)[:160]}")
            return
        rows = [[pair[row] if axis == 0 else pair for pair, axis in zip(given, axes, strict=True)] for row in (0, 1)]
        right = [np.stack(each) for each in zip(*(alone(*row) for row in rows), strict=True)]
        if not all(np.allclose(a, b, rtol=SAME, atol=SAME / 10) for a, b in zip(got, right, strict=True)):
            reason = "its vmap rule returns another output than the function, row by row"
            examined.add(Verdict.MISMATCH, "under vmap", reason)
            return
    examined.add(Verdict.OK, "under vmap")
