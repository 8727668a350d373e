"""The verdict on each array: whether its gradients by hand, automatic and numerical agree, and which of them is wrong.

This is the one place that decides. Each element is held against its own last bits. Where a gradient is what is left of
terms that cancel, a difference is allowed up to the rounding that was measured for this element; if that is not small
beside the element, or beside the others of its row and column, nothing is proved.
"""

from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np

from ..rulecheck.element_verdicts import LAST_BITS
from ..rulecheck.report import Verdict

NEGLIGIBLE = 2.0**-200  # relative to the largest of the array: as of a unit that is saturated through and through
PROOF_SHARE = 1e-9  # an element is proved where what rounding explains is a smaller part of it,
LOCAL_SHARE = 1e-12  # or a smaller part of the largest element in its row and column
DIFFERENCES_TOLERANCE = 1e-10  # of differences, relative to the largest element in the row and column
DIFFERENCES_SHARE = 1e-6  # the same as PROOF_SHARE by differences, which are less precise
DIFFERENCES_LOCAL_SHARE = 1e-9
ERROR_FACTOR = 8  # of the estimated error of an extrapolation
SIDES_SHARE = 1e-6  # the two sides of a kink are taken at a distance


class Reason(StrEnum):
    """Why a verdict is not OK."""

    HAND = "the hand-written gradient is wrong"
    AUTOMATIC = "the automatic gradient is wrong, because of a custom derivative or a stopped gradient"
    NUMERICAL = "the numerical gradient differs from the other two, as it does where a gradient is stopped"
    ALL_DIFFER = "all three differ; the hand-written gradient compared with the numerical one"
    TRAINING_DTYPE = "the hand-written gradient is right in float64, but wrong in the training dtype"
    ROUNDING = "not proved: the gradient is so ill-conditioned here that rounding explains the differences"
    LOW_PRECISION = "not proved: float32 inside, or less, whose rounding explains the differences"
    DIFFERENCES = "not proved: numerical differences of the cost are not precise enough for some elements"
    LOST = "not proved: in the training dtype no digit of some elements is right, as its rounding explains"
    KINKS = (
        "not proved: every element lies on a kink, so that nothing was compared but the two sides of it; "
        "take an input or parameters that are not on a kink"
    )
    ZERO = "not proved: every gradient is 0 here, so that a factor or a term that is missing would not show"
    DECLARED = "declared as intended"


ADVICE = {  # what to do where nothing is wrong
    Reason.ROUNDING: "take other parameters or targets, or a loss from logits",
    Reason.ZERO: "take other parameters, inputs or targets",
    Reason.DIFFERENCES: "take other parameters or targets, so that the cost is not large beside these elements",
}


class ArrayGradients(NamedTuple):
    """The gradients in one array, of its shape; None where one could not be computed."""

    hand: np.ndarray | None
    automatic: np.ndarray | None
    numerical: np.ndarray | None  # None for running statistics
    kinked: np.ndarray | None  # bool: the derivative is taken at a kink; None for running statistics
    low: np.ndarray | None = None  # the smaller derivative of the two sides of a kink; None for the numerical one
    high: np.ndarray | None = None  # the larger one
    error: np.ndarray | None = None  # of the numerical gradient; None for 0
    compared: np.ndarray | None = None  # bool: the elements with a numerical gradient; None for all


NO_GRADIENTS = ArrayGradients(None, None, None, None)  # of running statistics


class Tolerances(NamedTuple):
    """The differences that count as agreement, besides those by the last bits of each element."""

    by_differences: bool = False  # whether the numerical gradient is by differences
    largest: float | None = None  # a user's tolerance, relative to the largest magnitude in the array
    beside: float = 0.0  # the largest gradient in the arrays beside it, for an array that may be 0


class Rounding(NamedTuple):
    """How far rounding may move each element, in absolute terms, of one array."""

    hand: Any = 0.0
    automatic: Any = 0.0


class Comparison(NamedTuple):
    """How two gradients in one array differ."""

    error: float = np.nan  # the largest difference over the largest magnitude of either; NaN where not finite
    place: tuple[int, ...] = ()  # the index of the largest difference
    wrong: Any = False  # bool of the array's shape: rounding does not explain the difference
    unproved: Any = False  # bool: rounding explains it, and too much else


MISSING_COMPARISON = Comparison()  # where one of the two could not be computed


class Suspect(NamedTuple):
    """A gradient that is wrong, and the one that it is compared with."""

    wrong: Any  # an array, as the other one
    right: Any
    mask: Any  # bool: the elements that are wrong


class Judgement(NamedTuple):
    """The verdict on one array, and the facts that explain it."""

    verdict: Verdict
    reason: Reason | None = None  # None where the gradients agree
    suspect: Suspect | None = None  # None unless there is a mismatch
    size: float = 0.0  # the largest magnitude of the numerical gradient
    hand_automatic: float = np.nan  # the errors, as in ``Comparison``
    hand_numerical: float = np.nan
    automatic_numerical: float = np.nan
    place: tuple[int, ...] = ()  # the index of the largest difference, or of an element that is not proved
    kinks: int = 0  # elements at a kink
    cause: str = ""  # what hides a difference, or what is wrong, in words; "" where ``suspect`` shows it


STRICT, EXACT = Tolerances(), Rounding()


def judge(gradients: ArrayGradients, tolerances: Tolerances = STRICT, rounding: Rounding = EXACT) -> Judgement:
    """Return the judgement on one array.

    >>> right, wrong, smooth = np.array([1.0, 2.0]), np.array([1.0, 4.0]), np.zeros(2, bool)
    >>> judged = judge(ArrayGradients(wrong, right, right, smooth))
    >>> str(judged.verdict), str(judged.reason), judged.hand_automatic, judged.place
    ('MISMATCH', 'the hand-written gradient is wrong', 0.5, (1,))
    """
    if gradients.numerical is None or gradients.kinked is None:
        return Judgement(Verdict.NOT_TRAINED)
    with np.errstate(invalid="ignore", over="ignore"):
        comparisons = _comparisons(gradients, tolerances, rounding)
    exact, by_hand, by_jax = comparisons
    present = [each for each in comparisons if each is not MISSING_COMPARISON]
    worst = max(present, key=lambda each: (np.isnan(each.error), each.error), default=MISSING_COMPARISON)
    place, kinks = worst.place, int(gradients.kinked.sum())
    verdict, reason, suspect = Verdict.OK, None, None
    if any(np.any(each.wrong) for each in present):
        verdict = Verdict.MISMATCH
        reason, suspect = _wrong_gradient(gradients, comparisons)
    elif unproved := [each for each in present if np.any(each.unproved)]:
        by_differences = tolerances.by_differences and not np.any(exact.unproved)
        verdict, reason = Verdict.NOT_PROVED, Reason.DIFFERENCES if by_differences else Reason.ROUNDING
        place = tuple(int(each) for each in np.argwhere(unproved[0].unproved)[0])
    errors = exact.error, by_hand.error, by_jax.error
    return Judgement(verdict, reason, suspect, largest(_known(gradients)), *errors, place, kinks)


def without_comparison(gradients: list[ArrayGradients], judged: list[Judgement]) -> list[Judgement]:
    """Return the judgements on all arrays, not proved where every derivative in them is 0 or lies on a kink."""
    pairs = [(each.numerical, each.kinked) for each in gradients if each.numerical is not None]
    if not all(np.all(kinked | (of == 0)) for of, kinked in pairs):
        return judged
    reason = Reason.KINKS if any(np.any(kinked) for _, kinked in pairs) else Reason.ZERO
    return [
        each._replace(verdict=Verdict.NOT_PROVED, reason=reason)
        if each.verdict is Verdict.OK and (each.kinks or reason is Reason.ZERO)
        else each
        for each in judged
    ]


def _comparisons(
    gradients: ArrayGradients, tolerances: Tolerances, rounding: Rounding
) -> tuple[Comparison, Comparison, Comparison]:
    """Return the comparisons of hand and automatic, of hand and numerical, and of automatic and numerical."""
    hand, automatic = gradients.hand, gradients.automatic
    own = np.maximum(rounding.hand, rounding.automatic)  # the numerical one rounds as they do

    def with_numerical(tested: np.ndarray | None, moved: Any) -> Comparison:
        if tested is None:
            return MISSING_COMPARISON
        error: Any = 0.0 if gradients.error is None else gradients.error
        return _compare(tested, gradients, moved + own + ERROR_FACTOR * error, tolerances)

    by_hand, by_jax = with_numerical(hand, rounding.hand), with_numerical(automatic, rounding.automatic)
    if hand is None or automatic is None:
        return MISSING_COMPARISON, by_hand, by_jax
    # At a kink each may follow a convention of its own, which the comparison with the two sides decides.
    kinked: Any = gradients.kinked
    other = ArrayGradients(None, None, np.where(kinked, hand, automatic), kinked)
    exactly = tolerances._replace(by_differences=False)
    return _compare(hand, other, rounding.hand + rounding.automatic, exactly), by_hand, by_jax


def _compare(tested: np.ndarray, gradients: ArrayGradients, allowed: Any, tolerances: Tolerances) -> Comparison:
    """Compare a gradient with the numerical one; ``allowed`` is what rounding explains, absolute."""
    exact, kinked = _known(gradients), np.asarray(gradients.kinked)
    low, high = (exact if side is None else side for side in (gradients.low, gradients.high))
    compared = np.ones(exact.shape, bool) if gradients.compared is None else gradients.compared
    apart = np.maximum(np.maximum(low - tested, tested - high), 0.0)
    apart = np.where(high > low, np.maximum(apart - SIDES_SHARE * (np.abs(low) + np.abs(high)), 0.0), apart)
    apart = np.where(tested == exact, 0.0, np.where(np.isnan(apart), np.inf, apart))
    apart = np.where(compared, apart, 0.0)
    size, local = np.abs(exact), local_size(exact)
    fine = apart <= np.maximum(LAST_BITS * size, NEGLIGIBLE * largest(exact))
    if tolerances.largest is not None:
        fine |= apart <= tolerances.largest * largest(tested, exact)
    share, local_share = PROOF_SHARE, LOCAL_SHARE
    if tolerances.by_differences:
        share, local_share = DIFFERENCES_SHARE, DIFFERENCES_LOCAL_SHARE
        fine |= apart <= DIFFERENCES_TOLERANCE * local
    allowed = np.broadcast_to(np.where(np.isnan(allowed), np.inf, allowed), exact.shape)
    own = largest(exact)
    beside = own if own > allowed.max(initial=0.0) else tolerances.beside
    is_zero = (np.maximum(size, np.abs(tested)) <= allowed) & (allowed <= local_share * beside)
    determined = (allowed <= share * size) | (allowed <= local_share * local) | is_zero
    wrong = ~fine & ~(apart <= allowed)
    unproved = ~fine & ~wrong & ~determined
    if tolerances.by_differences:  # what agrees within a large error is not proved either
        unproved |= compared & ~kinked & ~wrong & ~determined & (allowed > DIFFERENCES_TOLERANCE * local)
    place = np.unravel_index(int(np.argmax(apart)), apart.shape) if apart.size else ()
    return Comparison(_error(tested, exact, apart, beside), tuple(map(int, place)), wrong, unproved)


def _error(tested: np.ndarray, exact: np.ndarray, apart: np.ndarray, beside: float) -> float:
    """Return the largest difference over the largest magnitude; of an array that is 0 to rounding, of those beside."""
    size, difference = largest(tested, exact), float(apart.max(initial=0.0))
    if not np.isfinite(size) or not np.isfinite(difference):
        return np.nan
    if size <= LOCAL_SHARE * beside:
        size = beside
    return difference / size if size else 0.0


def _known(gradients: ArrayGradients) -> np.ndarray:
    """Return the numerical gradient, where there is none of an element the automatic or the hand-written one."""
    numerical: Any = gradients.numerical
    if gradients.compared is None:
        return numerical
    other = gradients.automatic if gradients.automatic is not None else gradients.hand
    return np.where(gradients.compared, numerical, 0.0 if other is None else other)


def _wrong_gradient(
    gradients: ArrayGradients, comparisons: tuple[Comparison, Comparison, Comparison]
) -> tuple[Reason, Suspect]:
    """Return why the gradients in one array do not agree, and the one that is wrong."""
    hand, automatic, numerical = gradients.hand, gradients.automatic, _known(gradients)
    exact, by_hand, by_jax = comparisons
    wrong_by_hand, wrong_by_jax = np.any(by_hand.wrong), np.any(by_jax.wrong)
    if wrong_by_hand and wrong_by_jax:
        if not np.any(exact.wrong):
            return Reason.NUMERICAL, Suspect(numerical, hand, by_hand.wrong)
        return Reason.ALL_DIFFER, Suspect(hand, numerical, by_hand.wrong)
    if wrong_by_jax:
        return Reason.AUTOMATIC, Suspect(automatic, numerical if hand is None else hand, by_jax.wrong)
    if automatic is None:
        return Reason.HAND, Suspect(hand, numerical, by_hand.wrong)
    return Reason.HAND, Suspect(hand, automatic, exact.wrong if np.any(exact.wrong) else by_hand.wrong)


def local_size(array: np.ndarray) -> np.ndarray:
    """Return, for each element, the smaller of the largest magnitudes in its row and in its column.

    >>> local_size(np.array([[1.0, 20.0], [3.0, 4.0]])).tolist()
    [[3.0, 20.0], [3.0, 4.0]]
    """
    size = np.abs(array)
    if array.ndim < 2:
        return np.broadcast_to(size.max(initial=0.0), array.shape)
    every = range(array.ndim)
    along = [size.max(axis=tuple(each for each in every if each != axis), keepdims=True, initial=0.0) for axis in every]
    return np.broadcast_to(np.minimum.reduce(np.broadcast_arrays(*along)), array.shape)


def largest(*arrays: np.ndarray) -> float:
    """Return the largest magnitude in some arrays: 0 where all are empty, NaN where one holds NaN.

    >>> largest(np.array([1.0, -3.0]), np.zeros(0))
    3.0
    """
    return float(np.max([np.abs(array).max(initial=0.0) for array in arrays]))
