"""Second derivatives along pairs of directions, by JAX in both modes, against numerical ones.

The numerical one is the derivative, by differences at halved distances, of the first derivative by complex steps, or
where an operation has no complex form, of the first derivative by JAX, which is proved before.
"""

from typing import Any

import jax
import numpy as np

from ..derivatives.matrix import LEVELS, random_numbers
from ..derivatives.numerical import contradicted, limits
from ..derivatives.rounding import ROUNDING_FACTOR
from ..jaxprs import walk
from .element_verdicts import DIFFERENCES_SHARE, ERROR_FACTOR
from .first_order import is_unavailable
from .report import Verdict
from .subject import Examination, Point

PAIRS = 2
DISTANCES = (0.25, 2.0**-10, 2.0**-18)  # the largest one of each series
RULES = {"custom_jvp_call", "custom_vjp_call"}
CHECKS = {"reverse": "second order", "forward": "second order in forward mode"}


def second_order(examined: Examination, point: Point) -> None:
    """Compare second derivatives along two pairs of directions, in each mode that there is."""
    if not _has_first(examined, point, examined.routes[0]):
        examined.notes.append(f"second order of {examined.subject.name}: its first derivative is not finite here")
        return
    random = np.random.default_rng(1)
    pairs = [random_numbers(random, (2, examined.derivatives.size)) for _ in range(PAIRS)]
    try:
        numerical = [_numerical(examined, point, pair) for pair in pairs]
    except Exception as error:
        numerical = []
        reason = f"no numerical one, {type(error).__name__}: {' '.join(str(error).split())[:160]}"
        examined.notes.append(f"second order of {examined.subject.name}: {reason}")
    if any(kinked for *_, kinked in numerical):
        examined.notes.append(f"second order of {examined.subject.name}: the point is on a kink")
        return
    for route, check in CHECKS.items():
        if route in examined.routes:
            _compare(examined, f"second_{route}", check, point, pairs, numerical)


def _has_first(examined: Examination, point: Point, route: str) -> bool:
    """Return whether the first derivative by a route is finite."""
    found = examined.derivatives.run(route, point.leaves, examined.derivatives.cotangents)[0]
    return bool(np.isfinite(found).all())


def _numerical(examined: Examination, point: Point, pair: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return the second derivatives (cotangents,) along a pair, their estimated error, and whether a kink is met.

    A function may vary within a distance that is small beside 1, as log does near 0. Where the extrapolation
    contradicts what the smallest distances give, it is repeated closer to the point; the error is infinite where it
    does so at all of ``DISTANCES``.
    """
    limit, off, kinked = _extrapolated(examined, point, pair, DISTANCES[0])
    for distance in DISTANCES[1:]:
        if np.isfinite(off).all() or kinked:
            break
        nearer, off_nearer, _ = _extrapolated(examined, point, pair, distance)
        better = ~np.isfinite(off) & np.isfinite(off_nearer)
        limit, off = np.where(better, nearer, limit), np.where(better, off_nearer, off)
    return limit, off, kinked


def _extrapolated(
    examined: Examination, point: Point, pair: np.ndarray, distance: float
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return what ``_numerical`` returns, from one series of distances."""
    if examined.method == "complex step":
        above, below, kinked = examined.derivatives.run("second_numerical", point.leaves, pair, distance)
    else:
        route = "reverse" if "reverse" in examined.routes else "forward"
        above, below = examined.derivatives.run(f"first_{route}_beside", point.leaves, pair, distance)
        kinked = False
    steps = np.broadcast_to(distance * 0.5 ** np.arange(LEVELS), above.T.shape)
    rounding = 4 * np.finfo(float).eps * np.nanmax(np.abs(above.T), axis=1, initial=0.0)[:, None] / steps
    differences = (above - below).T / (2 * steps)
    limit, off = limits(differences, rounding, 4.0)
    return limit, np.where(contradicted(differences, rounding, limit), np.inf, off), bool(kinked)


def _compare(
    examined: Examination, name: str, check: str, point: Point, pairs: list[np.ndarray], numerical: list[Any]
) -> None:
    """Compare the second derivative by one mode."""
    for place, pair in enumerate(pairs):
        try:
            found = examined.derivatives.run(name, point.leaves, pair)
        except Exception as error:  # of any kind: the rule is the user's code
            _failed(examined, name, check, point, error)
            return
        if not numerical:
            continue
        limit, off, _ = numerical[place]
        apart, allowed = np.abs(found - limit), ERROR_FACTOR * off + DIFFERENCES_SHARE * np.abs(limit)
        bad = np.isfinite(limit) & np.isfinite(off) & ~(apart <= allowed)
        if not (np.isfinite(limit) & np.isfinite(off)).all():
            bad &= ~np.isnan(found)  # 0 times an infinite derivative is NaN in the other results too
        if not bad.any():
            continue
        bad &= ~(apart <= allowed + ROUNDING_FACTOR * examined.moves(name, point.leaves, pair))
        if not bad.any():
            examined.add(Verdict.NOT_PROVED, check, "rounding explains the difference")
            return
        first = int(np.argmax(np.where(bad, np.nan_to_num(apart, nan=np.inf), -1)))
        reason = "the derivative of the derivative is wrong, along a direction in which all arguments move"
        examined.add(Verdict.MISMATCH, check, reason, got=float(found[first]), expected=float(limit[first]))
        return
    if numerical:
        known = all(np.isfinite(limit).all() and np.isfinite(off).all() for limit, off, _ in numerical)
        if known:
            examined.add(Verdict.OK, check)
        else:
            examined.notes.append(f"{check} of {examined.subject.name}: its numerical answer is not finite here")


def _failed(examined: Examination, name: str, check: str, point: Point, error: Exception) -> None:
    """Report that a second derivative raises an error: it is wrong in a program with custom derivatives."""
    text = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
    if is_unavailable(error) or (name == "second_forward" and "reverse" in examined.routes):
        examined.notes.append(f"{check} of {examined.subject.name}: it cannot be computed: {text}")
        return
    program = jax.make_jaxpr(examined.subject.function)(*point.leaves)
    reason = f"the first derivative has no derivative: it raises {text}"
    if any(equation.primitive.name in RULES for equation, _ in walk(program)):
        examined.add(Verdict.MISMATCH, check, reason)
    elif "reverse" in examined.routes:
        examined.add(Verdict.NOT_PROVED, check, reason)
    else:  # an operation of JAX that is differentiated once alone, as a kernel
        examined.notes.append(f"{check} of {examined.subject.name}: {reason}")
