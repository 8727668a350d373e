"""The findings on a derivative whose elements are judged: one for each argument, with the wrong part described."""

from typing import Any

import numpy as np

from .element_verdicts import ElementVerdicts, describe
from .likely_mistake import explain
from .report import Verdict
from .subject import NAMES, Examination, Point


def add_findings(
    examined: Examination,
    check: str,
    route: str,
    judged: ElementVerdicts,
    tested: np.ndarray,
    exact: np.ndarray,
    point: Point,
) -> None:
    """Add a finding for each argument.

    Args:
        examined: where they are added.
        check: the check in words, such as "reverse mode".
        route: the derivative's name, such as "reverse".
        judged: the verdicts on the elements (directions, cotangents).
        tested: the derivative that is judged.
        exact: the derivative that it is compared with.
        point: where.
    """
    derivatives, places = examined.derivatives, examined.derivatives.places
    if route == "forward":
        places = places[derivatives.forward_rows[derivatives.forward_rows < len(places)]]
    known = False
    for name, start, end, leaf in zip(
        examined.subject.names, derivatives.ends, derivatives.ends[1:], point.leaves, strict=False
    ):
        rows = np.flatnonzero((places >= start) & (places < end))
        if not len(rows):
            continue
        facts: dict[str, Any] = {"argument": name, "point": point.words, "elements": int(judged.compared[rows].sum())}
        if judged.wrong[rows].any():
            known = True
            found, at = _bad(judged.wrong, rows, places - start, leaf, tested, exact)
            if judged.lost[at]:
                where = describe_in(judged.lost, rows, places - start, leaf)
                arguments = point.leaves, derivatives.cotangents
                cause = because(examined.cause(route, at, *arguments)) if route in NAMES else ""
                found["reason"] = f"rounding loses all digits {where}{cause}"
            else:
                found["reason"] = _with_mistake(found["reason"], rows, leaf, tested, exact)
            examined.add(Verdict.MISMATCH, check, **found, **facts)
        elif judged.unproved[rows].any():
            known = True
            if not point.is_special:
                found, at = _bad(judged.unproved, rows, places - start, leaf, tested, exact)
                found["reason"] = _why_unproved(examined, route, found["reason"], at, tested, exact, point)
                examined.add(Verdict.NOT_PROVED, check, **found, **facts)
        elif judged.compared[rows].any() or not point.is_special:
            kinks = int(judged.kinked[rows].any(axis=1).sum())
            words = f"{kinks} of {len(rows)} elements lie on a kink, where a derivative is a convention"
            examined.add(Verdict.OK, check, words if kinks and point.is_given else "", **facts)
    if judged.wrong[len(places) :].any() and not known:
        _add_dense(examined, check, judged, tested, exact, point, len(places))


def _add_dense(
    examined: Examination, check: str, judged: ElementVerdicts, tested: Any, exact: Any, point: Point, start: int
) -> None:
    """Add what is wrong only where all elements move at once, as at a tie that is counted twice."""
    row, column = (int(each[0]) for each in np.nonzero(judged.wrong[start:]))
    reason = (
        "wrong where all elements are moved at once, though each alone is within a convention: a tie is counted more "
        "or less than once"
    )
    values = {"got": float(tested[start + row, column]), "expected": float(exact[start + row, column])}
    examined.add(Verdict.MISMATCH, check, reason, point=point.words, **values)


def _bad(
    mask: Any, rows: Any, places: Any, leaf: np.ndarray, tested: Any, exact: Any
) -> tuple[dict[str, Any], tuple[int, int]]:
    """Return the facts on an argument's elements that a mask marks, and the row and column of the worst."""
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.nan_to_num(np.abs(exact[rows]))
        apart = np.nan_to_num(np.abs(tested[rows] - exact[rows]), nan=np.inf)
        apart = np.where(mask[rows], np.where(np.isinf(apart), 1e300 * (1 + size / (1 + size)), apart), -1.0)
    row, column = np.unravel_index(int(apart.argmax()), apart.shape)
    at = int(rows[row]), int(column)
    index = tuple(int(each) for each in np.unravel_index(int(places[at[0]]), leaf.shape))
    reason = describe_in(mask, rows, places, leaf)
    return {"reason": reason, "index": index, "got": float(tested[at]), "expected": float(exact[at])}, at


def describe_in(mask: Any, rows: Any, places: Any, leaf: np.ndarray) -> str:
    """Return in words which elements of an array a mask marks in some rows."""
    elements = np.zeros(leaf.size, bool)
    elements[places[rows]] = mask[rows].any(axis=1)
    return describe(elements.reshape(leaf.shape), leaf)


def _with_mistake(where: str, rows: Any, leaf: np.ndarray, tested: Any, exact: Any) -> str:
    """Return where an array is wrong and the likely mistake, without saying twice where."""
    if len(rows) != leaf.size:
        return where
    wrong, right = (each[rows].sum(axis=1).reshape(leaf.shape) for each in (tested, exact))
    with np.errstate(all="ignore"):
        mistake = explain(wrong, right, 1e-9, samples=leaf.shape[0] if leaf.ndim else 1, parameter=None)
    if where == "everywhere" and "everywhere" in mistake:
        return mistake
    if mistake.startswith("wrong in "):
        mistake = mistake.partition(": ")[2]
    return f"{where}: {mistake}"


def _why_unproved(
    examined: Examination,
    route: str,
    where: str,
    at: tuple[int, int],
    tested: np.ndarray,
    exact: np.ndarray,
    point: Point,
) -> str:
    if not np.isfinite(exact[at]) or np.isnan(tested[at]):
        return f"the derivative is infinite or does not exist, or no numerical answer is reliable, {where}"
    cause = examined.cause(route, at, point.leaves, examined.derivatives.cotangents) if route in NAMES else ""
    if not cause and examined.method == "Richardson":
        return f"differences are not precise enough {where}"
    return f"rounding explains the difference {where}{because(cause)}"


def because(cause: str) -> str:
    """Return a cause in parentheses, nothing where none is known."""
    return f" ({cause})" if cause else ""
