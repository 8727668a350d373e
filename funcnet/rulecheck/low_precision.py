"""The derivative in the training dtype, against the one in float64."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .element_findings import add_findings, because
from .element_verdicts import LOST_SHARE, ElementVerdicts, as_numerical, gross, judge_low, lost_digits
from .first_order import STEADY, add_raised, nudged, scale_of
from .report import Verdict
from .subject import NAMES, Examination, Point, as_numbers


def low_precision(examined: Examination, point: Point, dtype: Any) -> None:
    """Compare the derivative in the training dtype with the one in float64, at the arguments that it holds."""
    route = next((each for each in ("hand", "reverse", "forward") if each in examined.routes), None)
    if route is None:
        return
    low = [leaf.astype(dtype) for leaf in point.leaves]
    held = point._replace(leaves=[leaf.astype(np.float64) for leaf in low])
    if any((np.isfinite(a) != np.isfinite(b)).any() for a, b in zip(held.leaves, point.leaves, strict=True)):
        return
    derivatives, check = examined.derivatives, f"{NAMES[route]} in {dtype.name}"
    exact, _ = derivatives.run(route, held.leaves, derivatives.cotangents)
    cotangents = derivatives.cotangents.astype(np.float32)
    try:
        with jax.enable_x64(False):
            value = as_numbers(examined.low.run("value", low))
            tested = np.asarray(examined.low.run(route, low, cotangents)[0], np.float64)
    except Exception as error:  # of any kind: the rule is the user's code
        add_raised(examined, check, error)
        return
    right = as_numbers(derivatives.run("value", held.leaves))
    if not _value_is_kept(examined, value, right, check, point, dtype):
        return
    examined.low_is_checked = True
    rows = len(derivatives.forward_rows) if route == "forward" else len(derivatives.places)
    rows -= 0 if derivatives.dense is None or route != "forward" else 2
    exact, tested, info = exact[:rows], tested[:rows], jnp.finfo(dtype)
    judged = judge_low(tested, exact, info)
    if point.is_special:  # rounding is measured for gross errors alone
        judged = gross(judged, tested, as_numerical(exact), info)
    if judged.any():
        with jax.enable_x64(False):
            moved = examined.moves(route, low, cotangents)[:rows]
        judged = judge_low(tested, exact, info, moved)
    if judged.unproved.any() and point.is_given:
        judged = _with_lost(examined, judged, route, tested, exact, held, float(info.eps))
    if point.is_special:
        judged = gross(judged, tested, as_numerical(exact), info)
        if judged.wrong.any():
            judged = judged._replace(wrong=judged.wrong & _is_steady(examined, route, exact, held, float(info.eps)))
    _add(examined, check, route, judged, tested, exact, point, (low, cotangents))


def _value_is_kept(
    examined: Examination, value: np.ndarray, right: np.ndarray, check: str, point: Point, dtype: Any
) -> bool:
    """Return whether the function's own value is about the same in the training dtype; say so where it is not."""
    if not np.isfinite(right).all():
        return False
    if not np.isfinite(value).all():
        if point.is_given:
            reason = f"the function's own value is not finite in {dtype.name}, though it is in float64"
            examined.add(Verdict.NOT_PROVED, check, reason)
        # Where the value would fit, an operation overflows on the way to it: the derivative is compared.
        return point.is_given and bool((np.abs(right) < float(jnp.finfo(dtype).max) / 4).all())
    if point.is_special:
        return not (np.abs(value - right) > LOST_SHARE * np.abs(right)).any()
    if (np.abs(value - right) > LOST_SHARE * np.abs(right).max(initial=0.0)).any():
        words = "the function's own value is another one there, as where it draws random numbers"
        examined.notes.append(f"{check} of {examined.subject.name}: {words}")
        return False
    return True


def _with_lost(
    examined: Examination,
    judged: ElementVerdicts,
    route: str,
    tested: np.ndarray,
    exact: np.ndarray,
    point: Point,
    epsilon: float,
) -> ElementVerdicts:
    """Return the verdicts with those elements wrong that are lost though the derivative is well conditioned."""
    derivatives = examined.derivatives
    rows = derivatives.forward_rows if route == "forward" else slice(None)
    scale = scale_of(examined, point)[rows][: len(exact)]
    lost = judged.unproved & lost_digits(tested, exact, scale, epsilon)
    if lost.any():
        for leaves in nudged(point.leaves, epsilon):
            beside = derivatives.run(route, leaves, derivatives.cotangents)[0][: len(exact)]
            lost &= np.abs(beside - exact) <= STEADY * np.abs(exact)
    return judged._replace(wrong=judged.wrong | lost, unproved=judged.unproved & ~lost, lost=lost)


def _is_steady(examined: Examination, route: str, exact: np.ndarray, point: Point, epsilon: float) -> np.ndarray:
    """Return where the derivative is about the same for other last bits: beside an edge, another side may be taken."""
    steady = np.ones(exact.shape, bool)
    sides = [[leaf * (1 + sign * epsilon) for leaf in point.leaves] for sign in (1, -1)]
    for leaves in [*sides, *nudged(point.leaves, epsilon)]:
        beside = examined.derivatives.run(route, leaves, examined.derivatives.cotangents)[0][: len(exact)]
        with np.errstate(invalid="ignore"):
            steady &= (np.abs(beside - exact) <= STEADY * np.abs(exact)) | (beside == exact)
    return steady


def _add(
    examined: Examination,
    check: str,
    route: str,
    judged: ElementVerdicts,
    tested: Any,
    exact: Any,
    point: Point,
    given: tuple[Any, Any],
) -> None:
    before = len(examined.findings)
    add_findings(examined, check, "low " + route if route != "forward" else route, judged, tested, exact, point)
    for place in range(before, len(examined.findings)):
        found = examined.findings[place]
        is_lost = found.verdict is Verdict.MISMATCH and found.reason.startswith("rounding")
        if is_lost or found.verdict is Verdict.NOT_PROVED:
            at = tuple(int(each[0]) for each in np.nonzero(judged.lost if is_lost else judged.unproved))
            with jax.enable_x64(False):
                cause = examined.cause(route, at, *given)
            words = found.reason if is_lost else "no digit is right in this precision, as rounding explains"
            examined.findings[place] = replace(found, reason=f"{words}{because(cause)}")
