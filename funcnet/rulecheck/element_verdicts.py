"""The verdict on each element of a derivative, by its own rounding, and where in an array the wrong elements are.

This is the one place that decides on the derivatives of functions and rules. An element is proved where it agrees with
the numerical derivative to a few last bits, or to the measured rounding where that is far smaller than the element.
Where rounding explains a difference that is larger, nothing is proved.
"""

import math
from typing import NamedTuple

import numpy as np

from ..derivatives.matrix import VANISHING, Numerical
from ..derivatives.rounding import ROUNDING_FACTOR

EPSILON = 2.0**-52
LAST_BITS = 64 * EPSILON  # relative; what composed elementary functions differ by
PROOF_SHARE = 1e-9  # an element is proved where what rounding explains is a smaller part of it
DIFFERENCES_SHARE = 1e-6  # the same by differences, which are less precise
ERROR_FACTOR = 8  # of the estimated error of an extrapolation
SIDES_SHARE = 1e-6  # the two sides of a kink are taken at a distance
GROSS_SHARE = 1e-6  # what is wrong at a point of the check's own choosing is a larger part of the derivative
LOST_SHARE = 0.25  # an element in a lower precision of which less than two bits are right is lost


class ElementVerdicts(NamedTuple):
    """What is known of each element, as masks (directions, cotangents)."""

    wrong: np.ndarray
    unproved: np.ndarray
    compared: np.ndarray  # False where the numerical derivative is not finite
    kinked: np.ndarray  # the two sides differ, so that the derivative is a convention
    lost: np.ndarray  # wrong by rounding, without a right digit, though the derivative itself is well conditioned

    def any(self) -> bool:
        """Return whether an element is not proved."""
        return bool(self.wrong.any() or self.unproved.any())


def judge_elements(tested: np.ndarray, numerical: Numerical, moved: np.ndarray | None = None) -> ElementVerdicts:
    """Return the verdicts on a derivative (directions, cotangents); ``moved`` is the measured change by rounding.

    >>> right = np.array([[1.0], [1e-20]])
    >>> numerical = Numerical(right, 0 * right, right, right, "complex step", "")
    >>> judge_elements(right * [[1.0], [1 + 1e-12]], numerical).wrong.ravel().tolist()
    [False, True]
    >>> judge_elements(right * [[1.0], [2.0]], numerical, moved=np.full((2, 1), 1e-19)).unproved.ravel().tolist()
    [False, True]
    """
    exact, low, high = numerical.matrix, numerical.low, numerical.high
    by_differences = numerical.method == "Richardson"
    with np.errstate(invalid="ignore", over="ignore"):
        outside = np.maximum(np.maximum(low - tested, tested - high), 0.0)
        outside = np.where((tested == exact) | (outside <= 0), 0.0, np.where(np.isnan(outside), np.inf, outside))
        kinked = (high - low) > SIDES_SHARE * np.maximum(np.abs(low), np.abs(high))
        allowed = ERROR_FACTOR * numerical.error + (0.0 if moved is None else ROUNDING_FACTOR * moved)
        allowed = allowed + np.where(high > low, SIDES_SHARE * (np.abs(low) + np.abs(high)), 0.0)
        allowed = np.where(np.isnan(allowed), np.inf, allowed)
        size = np.abs(exact)
        if by_differences:  # they cannot see the smallest elements beside large ones
            size = np.maximum(size, 1e-3 * np.nanmax(np.where(np.isfinite(size), size, 0.0), axis=0, initial=0.0))
        fine = outside <= LAST_BITS * np.abs(exact) + VANISHING
        explained = outside <= allowed
        determined = allowed <= (DIFFERENCES_SHARE if by_differences else PROOF_SHARE) * size + VANISHING
    compared = np.isfinite(exact)
    is_nan = np.isnan(tested) & compared
    wrong = compared & ~fine & (~explained | is_nan)
    unproved = compared & ~fine & explained & ~is_nan & ~determined & ~(high > low)
    return ElementVerdicts(wrong, unproved, compared, kinked & compared, np.zeros_like(wrong))


def gross(judged: ElementVerdicts, tested: np.ndarray, numerical: Numerical, info: np.finfo) -> ElementVerdicts:
    """Return the verdicts at a point of the check's own choosing, where a gross error is wrong and nothing unproved.

    There a function may be an approximation, whose derivative has fewer digits than the rule, and at extreme numbers a
    square on the way to a tiny or huge derivative may be 0 or infinite. Differences have to be precise to tell.
    """
    exact, size = numerical.matrix, np.abs(numerical.matrix)
    with np.errstate(invalid="ignore", over="ignore"):
        small = np.abs(tested - exact) <= GROSS_SHARE * size
        small |= (np.abs(tested) <= float(info.tiny)) & (size <= math.sqrt(float(info.tiny)))
        overflows = ~(np.abs(tested) <= float(info.max) / 4) & (size >= math.sqrt(float(info.max)))
        largest = np.max(np.where(np.isfinite(size), size, 0.0), axis=0, keepdims=True, initial=0.0)
        vague = ERROR_FACTOR * numerical.error > 1e-3 * np.maximum(size, 1e-3 * largest)
    known = is_known(judged._replace(compared=judged.compared & ~overflows & ~vague))
    return judged._replace(wrong=judged.wrong & known & ~small, unproved=np.zeros_like(judged.wrong))


def as_numerical(exact: np.ndarray) -> Numerical:
    """Return an exact derivative as ``Numerical``."""
    return Numerical(exact, np.zeros_like(exact), exact, exact, "", "")


def is_known(judged: ElementVerdicts) -> np.ndarray:
    """Return which elements are compared, and with them their row and column.

    Where a result is not differentiable in one argument, 0 times its infinite derivative is NaN in the others.
    """
    return np.all(judged.compared, axis=0, keepdims=True) & np.all(judged.compared, axis=1, keepdims=True)


def lost_digits(tested: np.ndarray, exact: np.ndarray, scale: np.ndarray, epsilon: float) -> np.ndarray:
    """Return which elements have no right digit and are off by far more than last bits of the column or the scale.

    ``scale`` is the magnitude of the function over that of its argument: a derivative that is far smaller, as in a
    tail, is lost in last bits by its nature.
    """
    size, off = np.abs(exact), np.abs(tested - exact)
    largest = np.max(np.where(np.isfinite(size), size, 0.0), axis=0, keepdims=True, initial=0.0)
    return (size > 0) & (off > LOST_SHARE * size) & (off > 1e3 * epsilon * np.maximum(scale, largest))


def judge_low(
    tested: np.ndarray, exact: np.ndarray, info: np.finfo, moved: np.ndarray | None = None
) -> ElementVerdicts:
    """Return the verdicts on a derivative in a lower precision against the one in float64, of the same arguments.

    The bound is measured: a factor times the change that last bits of that precision make. An element that the
    precision cannot hold is not compared.
    """
    epsilon, largest = float(info.eps), float(info.max)
    # Below it, what is on the way to the result may have been flushed to 0; float16 is computed with subnormals.
    vanishing = 1e6 * float(info.tiny) if info.maxexp > 100 else 16 * float(info.smallest_subnormal)
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(tested - exact)
        difference = np.where(np.isnan(difference), np.inf, difference)
        units = 4 * epsilon * np.abs(exact) + vanishing
        bound = units + (0.0 if moved is None else ROUNDING_FACTOR * np.nan_to_num(moved, nan=np.inf, posinf=np.inf))
        compared = np.isfinite(exact) & (np.abs(exact) < largest / 4)
        noise = 64 * epsilon * np.max(np.where(compared, np.abs(exact), 0.0), axis=0, initial=0.0)
        lost = (difference > LOST_SHARE * np.abs(exact)) & (np.abs(exact) > noise) & (np.abs(exact) > vanishing)
        wrong = compared & ((difference > bound) | ~np.isfinite(tested))
    nothing = np.zeros_like(compared)
    return ElementVerdicts(wrong, compared & ~wrong & lost, compared, nothing, nothing)


def describe(mask: np.ndarray, values: np.ndarray) -> str:
    """Return in words which elements of an argument a mask marks.

    >>> describe(np.array([[True, False], [True, False]]), np.ones((2, 2)))
    'all of column 0 of 2'
    >>> describe(np.array([True, False, False]), np.array([-1.0, 0.0, 2.0]))
    'where it is negative'
    """
    if mask.all():
        return "everywhere" if mask.size > 1 else "in its only element"
    for axis in range(mask.ndim if mask.ndim > 1 else 0):
        others = tuple(each for each in range(mask.ndim) if each != axis)
        full, touched = mask.all(axis=others), mask.any(axis=others)
        if (full == touched).all() and touched.sum() == 1:
            kind = ("row", "column")[axis] if mask.ndim == 2 else f"axis {axis}, index"
            return f"all of {kind} {int(touched.argmax())} of {mask.shape[axis]}"
    with np.errstate(invalid="ignore"):
        size, ordered = np.abs(values), np.sort(values.ravel())
        patterns = {
            "it is negative": values < 0, "it is positive": values > 0, "it is 0": values == 0,
            "it is at most 0": values <= 0, "it is at least 0": values >= 0,
            "it is largest": values == ordered[-1], "it is smallest": values == ordered[0],
        }  # fmt: skip
        if mask.sum() > 1 and size[mask].min() > size[~mask].max():
            patterns[f"its magnitude is above {size[~mask].max():.4g}"] = mask
        if mask.sum() > 1 and size[mask].max() < size[~mask].min():
            patterns[f"its magnitude is below {size[~mask].min():.4g}"] = mask
    for words, pattern in patterns.items():
        if (pattern == mask).all():
            return f"where {words}"
    first = [int(each) for each in np.argwhere(mask)[0]]
    return f"at {first}" if mask.sum() == 1 else f"in {mask.sum()} of {mask.size} elements, first at {first}"
