"""Functions with a rule of their own for ``vmap`` (``custom_vmap``): where a program maps them, and if it is right.

Under ``vmap`` such a function's rule takes its place in the program. So that it is seen there, its calls are marked by
a ``jax.jit`` of a name.
"""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap

from ..derivatives.rounding import ROUNDING_FACTOR
from .element_verdicts import LAST_BITS
from .report import Verdict
from .subject import Examination, Point, as_numbers

MARK = "custom_vmap function "


class Call(NamedTuple):
    """One way in which a function is called."""

    structure: Any  # of its arguments
    shapes: list[tuple[int, ...]]  # of an example's arrays


# The calls of a program that JAX traced before stay in its caches, as long as the function lives.
_calls: WeakKeyDictionary[Any, dict[str, Call]] = WeakKeyDictionary()


class _Marking:
    """Which threads mark calls: JAX's method is replaced while one of them does."""

    def __init__(self) -> None:
        self.lock, self.count, self.original = threading.Lock(), 0, custom_vmap.__call__
        self.here = threading.local()

    def begin(self) -> None:
        """Mark the calls of this thread, once more."""
        with self.lock:
            if not self.count:
                self.original = custom_vmap.__call__
                self._set(lambda function, *args, **kwargs: self.call(function, *args, **kwargs))
            self.count += 1
        self.here.depth = getattr(self.here, "depth", 0) + 1

    def end(self) -> None:
        """Take back one ``begin``."""
        self.here.depth -= 1
        with self.lock:
            self.count -= 1
            if not self.count:
                self._set(self.original)

    @staticmethod
    def _set(method: Any) -> None:
        setattr(custom_vmap, "__call__", method)  # noqa: B010  a method, which a type checker does not let be replaced

    def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a function, by a name that marks it where this thread does."""
        original = self.original
        if not getattr(self.here, "depth", 0):
            return original(function, *args, **kwargs)
        leaves, structure = jax.tree.flatten((args, kwargs))
        shapes = [jnp.shape(leaf) for leaf in leaves]
        name = f"{MARK}{id(function)} {hash((structure, *shapes))}"
        with self.lock:
            _calls.setdefault(function, {})[name] = Call(structure, shapes)

        def inside(*args: Any, **kwargs: Any) -> Any:
            return original(function, *args, **kwargs)

        inside.__name__ = inside.__qualname__ = name
        return jax.jit(inside)(*args, **kwargs)


_marking = _Marking()


@contextmanager
def marked_calls() -> Iterator[None]:
    """Mark the calls of ``custom_vmap`` functions in the programs that this thread traces."""
    _marking.begin()
    try:
        yield
    finally:
        _marking.end()


def mapped_function(equation: Any, operands: list[Any]) -> tuple[Any, list[Any], Any] | None:
    """Return the function that a marked equation maps, the arrays of one example, and their structure; else None."""
    name = equation.params.get("name", "")
    if equation.primitive.name != "jit" or not str(name).startswith(MARK):
        return None
    found = next((each for each, calls in [*_calls.items()] if name in calls), None)
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
        if not all(_is_same(examined, row, [each[at] for each in got], alone(*row)) for at, row in enumerate(rows)):
            reason = "its vmap rule returns another output than the function, row by row"
            examined.add(Verdict.MISMATCH, "under vmap", reason)
            return
    examined.add(Verdict.OK, "under vmap")


def _is_same(examined: Examination, leaves: list[np.ndarray], got: list[Any], right: list[Any]) -> bool:
    """Return whether each element of a row is the function's, to its last bits or to the rounding that is measured."""
    found, exact = as_numbers(got), as_numbers(right)
    if found.shape != exact.shape:
        return False
    with np.errstate(invalid="ignore"):
        apart = np.where((found == exact) | (np.isnan(found) & np.isnan(exact)), 0.0, np.abs(found - exact))
    apart, size = np.where(np.isnan(apart), np.inf, apart), LAST_BITS * np.nan_to_num(np.abs(exact), posinf=0.0)
    return bool((apart <= size).all()) or bool((apart <= size + ROUNDING_FACTOR * examined.output_moves(leaves)).all())
