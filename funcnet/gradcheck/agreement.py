"""Whether three gradients of one array agree, and what it means where they do not."""

from typing import NamedTuple

import numpy as np

from .meaning import error_of, explain, place_of
from .report import GradientRow

ILL_CONDITIONED = 1e-9  # more than this part of an array is put down to rounding only next to far larger gradients

NOT_PROVED = (
    "not proved: it is so ill-conditioned here that the last bits of the values explain the differences; take other "
    "parameters or targets, or a loss from logits"
)

KINKS_ALONE = (
    "not proved: JAX cannot differentiate the network, and at a kink differences cannot tell which side is meant; take "
    "an input or parameters away from the kinks"
)


class Answers(NamedTuple):
    """The gradients in one array, of its shape; by hand or automatic they may be missing."""

    hand: np.ndarray | None
    automatic: np.ndarray | None
    numerical: np.ndarray
    kinked: np.ndarray  # bool: where the derivative is taken at a kink


class Limits(NamedTuple):
    """What counts as agreement: errors up to a tolerance, or differences of an absolute size that rounding explains."""

    exact: float  # between the hand-written and the automatic gradient
    numerical: float  # between either and the numerical one
    rounding: float  # absolute: what changed last bits on the way do to this gradient, several times over
    cancelled: float  # absolute: a few last bits of the network's largest gradient
    difference: float  # absolute: what the rounding of the cost does to a numerical gradient by differences


def make_row(
    layer: str,
    name: str,
    parameter: np.ndarray,
    answers: Answers,
    limits: Limits,
    *,
    counts: dict[str, float],
    masked: bool,
) -> GradientRow:
    """Return the row of one parameter, or of the input; ``masked`` leaves kinks out of the numerical comparisons."""
    hand, automatic, numerical, kinked = answers
    visible = [each for each in (hand, automatic) if each is not None]
    spared = numerical
    if masked and visible:
        spared = np.where(kinked, visible[-1], numerical)
    pairs = ((hand, automatic), (hand, spared), (automatic, spared))
    errors = [np.nan if a is None or b is None else error_of(a, b) for a, b in pairs]
    present = [(a, b, error) for (a, b), error in zip(pairs, errors, strict=True) if a is not None and b is not None]
    worst = max(present, key=lambda each: (np.isnan(each[2]), each[2]), default=(numerical, numerical, 0.0))
    meaning = _meaning(hand, automatic, spared, limits, counts=counts, parameter=parameter)
    kinks = int(kinked.sum())
    differences = [np.abs(a - b).max(initial=0.0) for a, b, _ in present]
    if not meaning and masked and kinks and automatic is None:
        meaning = KINKS_ALONE
    elif meaning and not kinks and max(differences, default=np.inf) <= limits.rounding:
        meaning = NOT_PROVED
    elif meaning and kinks:
        meaning += f" ({kinks} of its {kinked.size} elements lie on a kink, where a derivative is a convention)"
    return GradientRow(
        layer=layer,
        parameter=name,
        shape=parameter.shape,
        size=float(np.abs(numerical).max(initial=0.0)),
        hand_automatic=errors[0],
        hand_numerical=errors[1],
        automatic_numerical=errors[2],
        place=place_of(*worst[:2]),
        kinks=kinks,
        meaning=meaning,
        hand=hand,
        automatic=automatic,
        numerical=numerical,
    )


def agree(a: np.ndarray, b: np.ndarray, limits: Limits, *, tolerance: float, slack: float = 0.0) -> bool:
    """Return whether two gradients agree in the maximum norm, but for what rounding explains."""
    size = max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0))
    difference = np.abs(a - b).max(initial=0.0)
    explained = min(limits.rounding, max(ILL_CONDITIONED * size, limits.cancelled))
    allowed = max(tolerance * size, explained, slack)
    return bool(difference <= allowed)


def _meaning(
    hand: np.ndarray | None,
    automatic: np.ndarray | None,
    numerical: np.ndarray,
    limits: Limits,
    *,
    counts: dict[str, float],
    parameter: np.ndarray,
) -> str:
    """Return ``""`` where the gradients agree, else which of them is wrong, and how."""

    def words(wrong: np.ndarray, right: np.ndarray, tolerance: float) -> str:
        return explain(wrong, right, tolerance=tolerance, counts=counts, parameter=parameter)

    def numerically(gradient: np.ndarray) -> bool:
        return agree(gradient, numerical, limits, tolerance=limits.numerical, slack=limits.difference)

    if automatic is None:
        if hand is None or numerically(hand):
            return ""
        return f"the hand-written gradient is wrong: {words(hand, numerical, limits.numerical)}"
    if hand is None:
        if numerically(automatic):
            return ""
        return f"the automatic gradient is wrong: {words(automatic, numerical, limits.numerical)}"
    same = agree(hand, automatic, limits, tolerance=limits.exact)
    if same and numerically(hand) and numerically(automatic):
        return ""
    if same:
        wrong = words(numerical, automatic if numerically(hand) else hand, limits.numerical)
        return f"the numerical gradient differs from the other two, as where a gradient is stopped: {wrong}"
    if numerically(automatic):
        return f"the hand-written gradient is wrong: {words(hand, automatic, limits.exact)}"
    if numerically(hand):
        wrong = words(automatic, hand, limits.exact)
        return f"the automatic gradient is wrong, as by a custom derivative or a stopped gradient: {wrong}"
    return f"all three differ; the hand-written from the numerical one: {words(hand, numerical, limits.numerical)}"
