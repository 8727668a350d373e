"""The verdict on each array: whether its gradients by hand, automatic and numerical agree, and which of them is wrong.

This is the one place that decides. Arrays are compared in the maximum norm, relative to the largest magnitude, because
an elementwise relative error says nothing where the terms of a gradient cancel.
"""

from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np

# A larger error, relative to the array, counts as rounding only where other arrays have far larger gradients.
ROUNDING_ERROR_LIMIT = 1e-9


class Verdict(StrEnum):
    """What is known of the gradient in one array."""

    OK = "ok"
    MISMATCH = "MISMATCH"
    NOT_PROVED = "NOT PROVED"
    NOT_TRAINED = "not trained"  # running statistics: they have no gradient
    DECLARED = "declared"  # an intended difference, of a function or a rule
    NOT_CHECKED = "not checked"  # it could not be computed


class Reason(StrEnum):
    """Why a verdict is not OK."""

    HAND = "the hand-written gradient is wrong"
    AUTOMATIC = "the automatic gradient is wrong, because of a custom derivative or a stopped gradient"
    NUMERICAL = "the numerical gradient differs from the other two, as it does where a gradient is stopped"
    ALL_DIFFER = "all three differ; the hand-written gradient compared with the numerical one"
    ROUNDING = (
        "not proved: the gradient is so ill-conditioned here that rounding explains the differences; take other "
        "parameters or targets, or a loss from logits"
    )
    KINKS = (
        "not proved: JAX cannot differentiate the network, and a numerical difference cannot choose a side of a kink; "
        "take an input or parameters that are not on a kink"
    )


class ArrayGradients(NamedTuple):
    """The gradients in one array, of its shape; None where one could not be computed."""

    hand: np.ndarray | None
    automatic: np.ndarray | None
    numerical: np.ndarray | None  # None for running statistics
    kinked: np.ndarray | None  # bool: the derivative is taken at a kink; None for running statistics


NO_GRADIENTS = ArrayGradients(None, None, None, None)  # of running statistics


class Tolerances(NamedTuple):
    """The differences that count as agreement."""

    exact: float  # relative, between the hand-written and the automatic gradient
    numerical: float  # relative, between either of them and the numerical one
    difference: float  # absolute: what the rounding of the cost does to a numerical gradient by differences
    cancelled: float  # absolute: a few last bits of the network's largest gradient
    skips_kinks: bool  # whether elements at a kink are left out of the comparisons with the numerical gradient


class Comparison(NamedTuple):
    """How two gradients in one array differ."""

    error: float = np.nan  # the largest difference over the largest magnitude of either; NaN where not finite
    difference: float = 0.0  # the largest absolute difference
    place: tuple[int, ...] = ()  # its index
    agrees: bool = True


MISSING_COMPARISON = Comparison()  # where one of the two could not be computed


class Suspect(NamedTuple):
    """A gradient that is wrong, and the one that it is compared with."""

    wrong: Any  # an array, as the other one
    right: Any
    tolerance: float  # relative, between the two


class Judgement(NamedTuple):
    """The verdict on one array, and the facts that explain it."""

    verdict: Verdict
    reason: Reason | None = None  # None where the gradients agree
    suspect: Suspect | None = None  # None unless there is a mismatch
    size: float = 0.0  # the largest magnitude of the numerical gradient
    hand_automatic: float = np.nan  # the errors, as in ``Comparison``
    hand_numerical: float = np.nan
    automatic_numerical: float = np.nan
    place: tuple[int, ...] = ()  # the index of the largest difference
    kinks: int = 0  # elements at a kink


def judge(gradients: ArrayGradients, tolerances: Tolerances, rounding: float = 0.0) -> Judgement:
    """Return the judgement on one array; ``rounding`` is the absolute difference that rounding explains.

    >>> right, wrong, smooth = np.array([1.0, 2.0]), np.array([1.0, 4.0]), np.zeros(2, bool)
    >>> tolerances = Tolerances(exact=1e-14, numerical=1e-14, difference=0.0, cancelled=0.0, skips_kinks=False)
    >>> judged = judge(ArrayGradients(wrong, right, right, smooth), tolerances)
    >>> str(judged.verdict), str(judged.reason), judged.hand_automatic, judged.place
    ('MISMATCH', 'the hand-written gradient is wrong', 0.5, (1,))
    """
    hand, automatic, numerical, kinked = gradients
    if numerical is None or kinked is None:
        return Judgement(Verdict.NOT_TRAINED)
    kinks, known = int(kinked.sum()), hand if automatic is None else automatic
    largest_derivative = largest(numerical)
    if tolerances.skips_kinks and known is not None:
        numerical = np.where(kinked, known, numerical)

    def compare(a: np.ndarray | None, b: np.ndarray | None, tolerance: float, slack: float = 0.0) -> Comparison:
        if a is None or b is None:
            return MISSING_COMPARISON
        size, difference = largest(a, b), largest(a - b)
        explained = min(rounding, max(ROUNDING_ERROR_LIMIT * size, tolerances.cancelled))
        agrees = bool(difference <= max(tolerance * size, explained, slack))
        place = np.unravel_index(np.argmax(np.abs(a - b)), a.shape) if a.size else ()
        return Comparison(difference / size if size else 0.0, difference, tuple(map(int, place)), agrees)

    exact = compare(hand, automatic, tolerances.exact)
    by_hand = compare(hand, numerical, tolerances.numerical, tolerances.difference)
    by_jax = compare(automatic, numerical, tolerances.numerical, tolerances.difference)
    present = [each for each in (exact, by_hand, by_jax) if each is not MISSING_COMPARISON]
    worst = max(present, key=lambda each: (np.isnan(each.error), each.error), default=MISSING_COMPARISON)

    verdict: Verdict = Verdict.OK
    reason: Reason | None = None
    suspect: Suspect | None = None
    if exact.agrees and by_hand.agrees and by_jax.agrees:
        if tolerances.skips_kinks and kinks and automatic is None:
            verdict, reason = Verdict.NOT_PROVED, Reason.KINKS
    elif not kinks and all(each.difference <= rounding for each in present):
        verdict, reason = Verdict.NOT_PROVED, Reason.ROUNDING
    else:
        verdict = Verdict.MISMATCH
        compared = ArrayGradients(hand, automatic, numerical, kinked)
        reason, suspect = _wrong_gradient(compared, (exact, by_hand, by_jax), tolerances)
    errors = exact.error, by_hand.error, by_jax.error
    return Judgement(verdict, reason, suspect, largest_derivative, *errors, worst.place, kinks)


def _wrong_gradient(
    gradients: ArrayGradients, comparisons: tuple[Comparison, Comparison, Comparison], tolerances: Tolerances
) -> tuple[Reason, Suspect]:
    """Return why the gradients in one array do not agree, and the one that is wrong.

    The comparisons are those of hand and automatic, of hand and numerical, and of automatic and numerical.
    """
    hand, automatic, numerical, _ = gradients
    exact, by_hand, by_jax = comparisons
    if exact is not MISSING_COMPARISON and exact.agrees:
        right = automatic if by_hand.agrees else hand
        return Reason.NUMERICAL, Suspect(numerical, right, tolerances.numerical)
    if hand is not None and by_jax.agrees:
        if automatic is None:
            return Reason.HAND, Suspect(hand, numerical, tolerances.numerical)
        return Reason.HAND, Suspect(hand, automatic, tolerances.exact)
    if by_hand.agrees:
        if hand is None:
            return Reason.AUTOMATIC, Suspect(automatic, numerical, tolerances.numerical)
        return Reason.AUTOMATIC, Suspect(automatic, hand, tolerances.exact)
    return Reason.ALL_DIFFER, Suspect(hand, numerical, tolerances.numerical)


def largest(*arrays: np.ndarray) -> float:
    """Return the largest magnitude in some arrays: 0 where all are empty, NaN where one holds NaN.

    >>> largest(np.array([1.0, -3.0]), np.zeros(0))
    3.0
    """
    return float(np.max([np.abs(array).max(initial=0.0) for array in arrays]))
