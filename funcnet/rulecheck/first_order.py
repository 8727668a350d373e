"""The first derivative by every route, against the numerical one."""

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ..derivatives.matrix import VANISHING, Numerical, RuleError
from ..derivatives.rounding import ROUNDING_FACTOR
from ..jaxprs import NoRuleError
from .element_findings import add_findings
from .element_verdicts import LAST_BITS, ElementVerdicts, gross, is_known, judge_elements, lost_digits
from .report import Verdict
from .subject import NAMES, Examination, Point, as_numbers

# What JAX says where a derivative does not exist by its nature, as that of a loop in reverse mode.
UNAVAILABLE = ("forward-mode", "everse-mode", "Linearization failed", "not implemented", "not support", "pallas")
FLOAT64 = np.finfo(np.float64)
STEADY = 0.05  # a derivative is well conditioned if last bits of its arguments change it by less
LIBRARIES = (Path(jax.__file__).parent, Path(__file__).parent.parent)
OF_RULES = ("ustom VJP", "ustom JVP", "custom_vjp", "custom_jvp", "JVP rule")


def first_order(examined: Examination, point: Point) -> None:
    """Compare the derivative by every route with the numerical one."""
    derivatives = examined.derivatives
    value = as_numbers(derivatives.run("value", point.leaves))
    if not np.isfinite(value).all():
        if point.is_given:
            examined.add(Verdict.NOT_CHECKED, "the function", "its value is not finite at the given arguments")
        if not np.isnan(value).any():
            zero_cotangent(examined, point)
        return
    numerical = examined.numerical(point.leaves, is_measured=not point.is_special)
    for route in ("hand", "reverse", "forward"):
        if route == "forward" and not point.is_given and "reverse" in examined.routes:
            continue
        _compare(examined, route, point, numerical)


def zero_cotangent(examined: Examination, point: Point) -> None:
    """Report where a backward pass makes NaN of a cotangent of 0: behind a mask it spoils all gradients.

    Where the derivative grows without bound, as that of x³ at infinity, 0 · ∞ is NaN by its nature.
    """
    for route in ("reverse",) if point.is_given else examined.routes:
        if route == "forward" or not any(np.isinf(leaf).any() for leaf in point.leaves):
            continue
        run, cotangents = examined.derivatives.run, examined.derivatives.cotangents
        near = [np.where(np.isinf(leaf), np.sign(leaf) * 1e30, leaf) for leaf in point.leaves]
        try:
            zero, bounded = (
                run(route, leaves, c)[0] for leaves, c in ((point.leaves, 0 * cotangents), (near, cotangents))
            )
        except Exception:  # it has no reverse mode
            continue
        if np.isnan(zero).any() and (np.abs(bounded) < 1e10).all():
            words = "NaN for a cotangent of 0, which spoils gradients behind a mask"
            verdict = Verdict.MISMATCH if point.is_given else Verdict.OK
            examined.add(verdict, NAMES[route], words, point=point.words)


def _compare(examined: Examination, route: str, point: Point, numerical: Numerical) -> None:
    """Compare the derivative by one route with the numerical one."""
    derivatives = examined.derivatives
    if route == "hand" and examined.subject.backward is None:
        return
    if not point.is_given and route not in examined.routes:
        return
    try:
        tested, results = derivatives.run(route, point.leaves, derivatives.cotangents)
    except Exception as error:  # of any kind: the rule is the user's code
        failed(examined, route, error)
        return
    if route not in examined.routes:
        examined.routes.append(route)
    if results:
        compare_outputs(examined, route, point, as_numbers(results))
    numerical = _in_rows(numerical, derivatives.forward_rows if route == "forward" else slice(None))
    judged = judge_elements(tested, numerical)
    if point.is_special:  # rounding is measured for gross errors alone
        judged = gross(judged, tested, numerical, FLOAT64)
    if judged.any():
        judged = _with_rounding(examined, route, point, tested, numerical)
    if point.is_given:
        unknown = (~judged.compared & (tested != numerical.matrix)) | (np.isnan(tested) & ~is_known(judged))
        judged = judged._replace(wrong=judged.wrong & ~unknown, unproved=judged.unproved | unknown)
    add_findings(examined, NAMES[route], route, judged, tested, numerical.matrix, point)


def _in_rows(numerical: Numerical, rows: Any) -> Numerical:
    matrix, error, low, high = (each[rows] for each in numerical[:4])
    return Numerical(matrix, error, low, high, numerical.method, numerical.why)


def _with_rounding(
    examined: Examination, route: str, point: Point, tested: np.ndarray, numerical: Numerical
) -> ElementVerdicts:
    """Return the verdicts with the measured rounding of the derivative and of the numerical one."""
    derivatives = examined.derivatives
    rows = derivatives.forward_rows if route == "forward" else slice(None)
    if numerical.why and point.is_special:
        numerical = _in_rows(examined.numerical(point.leaves), rows)
    moved = examined.moves(route, point.leaves, derivatives.cotangents)
    judged = judge_elements(tested, numerical, moved)
    if judged.wrong.any() and not numerical.why:
        moved = moved + examined.moves("complex_steps_here", point.leaves)[rows]
        judged = judge_elements(tested, numerical, moved)
    if judged.wrong.any() and not numerical.why:
        judged = _confirmed(examined, judged, tested, numerical, point, rows)
    if judged.unproved.any() and point.is_given:
        lost = judged.unproved & lost_digits(tested, numerical.matrix, scale_of(examined, point)[rows], 2.0**-52)
        if lost.any():
            for leaves in nudged(point.leaves, 2.0**-52):
                beside = _in_rows(examined.numerical(leaves), rows)
                lost &= np.abs(beside.matrix - numerical.matrix) + beside.error <= STEADY * np.abs(numerical.matrix)
            judged = judged._replace(wrong=judged.wrong | lost, unproved=judged.unproved & ~lost, lost=lost)
    return gross(judged, tested, numerical, FLOAT64) if point.is_special else judged


def scale_of(examined: Examination, point: Point) -> np.ndarray:
    """Return the function's magnitude over its arguments' (directions, cotangents), with 1 for smaller arguments."""
    derivatives = examined.derivatives
    sizes = np.ones(len(derivatives.places) + (0 if derivatives.dense is None else 2))
    vector = np.concatenate([leaf.ravel() for leaf in point.leaves])
    sizes[: len(derivatives.places)] = np.maximum(1.0, np.abs(vector[derivatives.places]))
    return np.abs(derivatives.run("weighted_reference", point.leaves)) / sizes[:, None]


def nudged(leaves: list[np.ndarray], epsilon: float) -> Iterator[list[np.ndarray]]:
    """Yield the arrays twice with last bits changed at random: how the derivative itself depends on them."""
    random = np.random.default_rng(2)
    for _ in range(2):
        yield [leaf * (1 + epsilon * random.choice([-1, 1], leaf.shape)) for leaf in leaves]


def _confirmed(
    examined: Examination, judged: ElementVerdicts, tested: np.ndarray, numerical: Numerical, point: Point, rows: Any
) -> ElementVerdicts:
    """Return the verdicts with those elements wrong only that differences do not find right.

    A complex step may underflow or overflow. At points of the check's own choosing, where differences do not work
    either, as at infinity, NaN alone is wrong.
    """
    other = _in_rows(examined.derivatives.by_differences(point.leaves, None, ""), rows)
    again = judge_elements(tested, other)
    known = again.compared & np.isfinite(other.error)
    if point.is_given:
        with np.errstate(invalid="ignore"):
            apart = np.abs(other.matrix - numerical.matrix)
            contradicts = known & ~again.wrong & (apart > 8 * other.error + 1e-6 * np.abs(other.matrix))
        return judged._replace(wrong=judged.wrong & ~contradicts, unproved=judged.unproved | judged.wrong & contradicts)
    return judged._replace(wrong=judged.wrong & np.where(known, again.wrong, np.isnan(tested)))


def failed(examined: Examination, route: str, error: Exception) -> None:
    """Note that a route is not available, or report what its rule raised."""
    text = " ".join(str(error).split())
    first = f"{type(error).__name__}: {text[:200]}"
    if isinstance(error, RuleError):
        examined.add(Verdict.MISMATCH, NAMES[route], text)
    elif route == "hand" or is_of_rule(examined, error):
        examined.add(Verdict.MISMATCH, NAMES[route], f"it raises {first}")
    elif "custom_vjp function" not in text:  # which has no forward mode by its nature
        examined.notes.append(f"{NAMES[route]} of {examined.subject.name}: {first}")


def add_raised(examined: Examination, check: str, error: Exception) -> bool:
    """Add what a check raised: a finding where a rule of the user's did, which is returned, and else a note."""
    text = f"{type(error).__name__}: {str(error)[:160]}"
    if is_of_rule(examined, error):
        examined.add(Verdict.MISMATCH, check, f"it raises {text}")
        return True
    examined.notes.append(f"{check} of {examined.subject.name}: {text}")
    return False


def is_of_rule(examined: Examination, error: Exception) -> bool:
    """Return whether an error is raised by a rule of the user's, not by JAX for what it does not support."""
    frames = [each for each in traceback.extract_tb(error.__traceback__) if not _is_library(each.filename)]
    if frames and str(frames[-1].line).startswith(("raise", "assert")):  # in a function of the user's
        return examined.has_rules()
    if is_unavailable(error):
        return False
    return any(word in str(error) for word in OF_RULES) or (bool(frames) and examined.has_rules())


def _is_library(filename: str) -> bool:
    """Return whether a file is one of JAX or of this package, or code that is made."""
    return filename.startswith("<") or any(Path(filename).is_relative_to(folder) for folder in LIBRARIES)


def is_unavailable(error: Exception) -> bool:
    """Return whether an error says that a derivative does not exist by its nature, or not outside of the program.

    A rule that closes over a value which the program computes cannot be run alone.
    """
    kinds = NotImplementedError | NoRuleError | jax.errors.UnexpectedTracerError
    return isinstance(error, kinds) or any(word in str(error) for word in UNAVAILABLE)


def compare_outputs(examined: Examination, route: str, point: Point, found: np.ndarray) -> None:
    """Compare the output of the differentiated function with the function's own."""
    value = as_numbers(examined.derivatives.run("value", point.leaves))
    check = f"the output in {NAMES[route]}"
    apart = np.where(found == value, 0.0, np.abs(found - value))
    if not (apart <= LAST_BITS * np.abs(value) + VANISHING).all():
        moved = examined.output_moves(point.leaves)
        if not (apart <= LAST_BITS * np.abs(value) + ROUNDING_FACTOR * moved).all():
            at = int(np.argmax(np.nan_to_num(apart, nan=np.inf)))
            reason = "the rule's forward pass returns another output than the function"
            facts = {"got": float(found[at]), "expected": float(value[at])}
            examined.add(Verdict.MISMATCH, check, reason, point=point.words, **facts)
            return
    examined.add(Verdict.OK, check, point=point.words)
