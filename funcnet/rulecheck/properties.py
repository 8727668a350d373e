"""Properties of a backward pass: the same under ``vmap``, without ``jit``, and each time; no side effects."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..derivatives.matrix import VANISHING
from ..derivatives.rounding import ROUNDING_FACTOR
from ..jaxprs import place_of, walk
from .first_order import add_raised
from .report import Verdict
from .subject import NAMES, Examination, Point, as_numbers

EFFECTS = {"io_callback", "debug_callback", "debug_print"}


def consistency(examined: Examination, point: Point) -> None:
    """Compare the backward pass under ``vmap``, without ``jit`` and a second time with the compiled one."""
    route = next((each for each in ("hand", "reverse", "forward") if each in examined.routes), None)
    if route is None:
        return
    derivatives, c = examined.derivatives, examined.derivatives.cotangents
    points = [point.leaves, [0.75 * np.flip(leaf) for leaf in point.leaves]]
    alone = [derivatives.run(route, leaves, c) for leaves in points]
    moves = [examined.moves(route, leaves, c) for leaves in points]
    ways = {
        "vmap": (_mapped, points),
        "no jit": (_eager, points),
        "no jit, a second time": (_eager, points[:1]),
        "jit, a second time": (lambda method, points, c: [derivatives.run(route, points[0], c)], points[:1]),
    }
    for words, (compute, given) in ways.items():
        check = f"{NAMES[route]} under {words}"
        try:
            found = list(compute(getattr(derivatives, route), given, c))
        except Exception as error:  # of any kind: the rule is the user's code
            if add_raised(examined, check, error):
                return
            continue
        if wrong := _first_difference(found, alone, moves):
            examined.add(Verdict.MISMATCH, check, f"{wrong} is another one than under jit")
            return
        examined.add(Verdict.OK, check)


def _first_difference(found: list[Any], alone: list[Any], moves: list[np.ndarray]) -> str:
    """Return in words what differs, ``""`` where nothing does."""
    for (got, results), (expected, outputs), moved in zip(found, alone, moves, strict=False):
        if np.isfinite(expected).all():
            allowed = 1e-12 * np.abs(expected) + ROUNDING_FACTOR * moved + 1e-14 * np.abs(expected).max(initial=0)
            if not (np.abs(np.asarray(got) - expected) <= allowed + VANISHING).all():
                return "the derivative"
        a, b = as_numbers(results), as_numbers(outputs)
        if np.isfinite(b).all() and not (np.abs(a - b) <= 1e-9 * np.abs(b).max(initial=0) + VANISHING).all():
            return "the forward pass's output"
    return ""


def _mapped(method: Any, points: list[list[np.ndarray]], c: np.ndarray) -> Iterator[Any]:
    stacked = [np.stack(each) for each in zip(*points, strict=True)]
    found = jax.jit(jax.vmap(method, in_axes=(0, None)))(stacked, c)
    for row in range(len(points)):
        yield jax.tree.map(lambda each, row=row: each[row], found)


def _eager(method: Any, points: list[list[np.ndarray]], c: np.ndarray) -> Iterator[Any]:
    for leaves in points:
        yield method([jnp.asarray(leaf) for leaf in leaves], c)


def side_effects(examined: Examination, point: Point) -> None:
    """Note the callbacks of a derivative that the function itself does not have."""
    for route in examined.routes:
        method = getattr(examined.derivatives, route)
        program = jax.make_jaxpr(method)(point.leaves, examined.derivatives.cotangents)
        for equation, _ in walk(program):
            if equation.primitive.name in EFFECTS:
                words = f"{equation.primitive.name} in {place_of(equation)}".removesuffix(" in ")
                examined.notes.append(f"side effects of {examined.subject.name} in {NAMES[route]}: {words}")
