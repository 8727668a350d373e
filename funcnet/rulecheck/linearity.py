"""A backward pass is linear in the cotangent: pull(s·a + t·b) = s·pull(a) + t·pull(b), also for huge s and for 0."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..derivatives.matrix import VANISHING
from ..derivatives.rounding import ROUNDING_FACTOR
from .element_verdicts import LAST_BITS
from .report import Verdict
from .subject import NAMES, Examination, Point

HUGE = 2.0**100  # about 1e30; a power of two does not round
COMBINATIONS = {  # the factors s and t
    "for a cotangent of 0": (0.0, 0.0),
    "for a huge cotangent": (HUGE, 0.0),
    "for a small cotangent": (1 / HUGE, 0.0),
    "for a negated cotangent": (-1.0, 0.0),
    "for a sum of cotangents": (2.0, 3.0),
}


def combined(a: np.ndarray, b: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the cotangents a and b, and their linear combinations in the order of ``COMBINATIONS``."""
    yield from (a, b)
    yield from (s * a + t * b for s, t in COMBINATIONS.values())


def departures(pulled: Iterable[Any]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield for each combination its words, how far the pulled one is from linear, and the magnitude of its terms.

    Both are divided by the larger one of s and t. ``pulled`` is what becomes of the cotangents of ``combined``.
    """
    a, b, *others = (np.asarray(each, np.float64) for each in pulled)
    for (words, (s, t)), got in zip(COMBINATIONS.items(), others, strict=True):
        scale = max(abs(s), abs(t)) or 1.0
        with np.errstate(invalid="ignore", over="ignore"):
            # A term with a factor of 0 is left out, since 0 · ∞ is NaN.
            terms = [factor / scale * each for factor, each in ((s, a), (t, b)) if factor]
            apart = np.abs(got / scale - sum(terms, np.zeros_like(got)))
            size = sum(map(np.abs, terms), np.zeros_like(got))
        yield words, np.where(np.isnan(apart), np.inf, apart), np.where(np.isfinite(size), size, np.inf)


def explained(moved: Iterable[Any]) -> Iterator[Any]:
    """Yield what rounding explains of each departure, from how far it moves what becomes of each cotangent."""
    a, b, *others = moved
    for (s, t), own in zip(COMBINATIONS.values(), others, strict=True):
        scale = max(abs(s), abs(t)) or 1.0
        yield (abs(s) * a + abs(t) * b + own) / scale


def linearity(examined: Examination, point: Point) -> None:
    """Compare what each derivative of a function makes of combined cotangents with the combined results.

    In forward mode they are tangents; where there is a reverse mode, JAX made sure that it is linear in them.
    """
    derivatives = examined.derivatives
    for route in examined.routes:
        if route != "forward":
            check = f"linear in the cotangent ({NAMES[route]})"
            _is_linear(examined, point, route, check, derivatives.cotangents, "cotangent")
        elif "reverse" not in examined.routes:
            check = f"linear in the tangent ({NAMES[route]})"
            _is_linear(examined, point, "pushed", check, derivatives.directions(), "tangent")


def _is_linear(examined: Examination, point: Point, method: str, check: str, c: np.ndarray, what: str) -> None:
    """Compare what a method of ``Derivatives`` makes of combined rows of c; in its results they are columns."""

    def of(rows: np.ndarray) -> np.ndarray:
        found = examined.derivatives.run(method, point.leaves, rows)
        return found.T if what == "tangent" else found[0]

    if not c.size or not np.isfinite(of(c)).all():
        return
    pulled = [of(each) for each in combined(c, np.roll(c, 1, axis=0))]
    moved: Any = None
    for at, (words, apart, size) in enumerate(departures(pulled)):
        if (apart <= LAST_BITS * size + VANISHING).all():
            continue
        if moved is None:
            one = ROUNDING_FACTOR * examined.moves(method, point.leaves, c)
            one = one.T if what == "tangent" else one
            moved = list(explained([one, np.roll(one, 1, axis=1), *[0.0] * len(COMBINATIONS)]))
        if not (apart <= LAST_BITS * size + moved[at]).all():
            words = words.replace("cotangent", what)
            reason = f"it is not 0 for a {what} of 0" if words.endswith(" 0") else f"it is not linear {words}"
            examined.add(Verdict.MISMATCH, check, reason, point=point.words)
            return
    examined.add(Verdict.OK, check)
