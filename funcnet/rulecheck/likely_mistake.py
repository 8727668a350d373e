"""The likely mistake behind a wrong gradient: what its numbers look like, in words."""

import math
from collections.abc import Iterator

import numpy as np

from .element_verdicts import describe

# A pattern explains a difference where it leaves at most this part of it unexplained.
UNEXPLAINED_SHARE = 1e-3
MOST_ROOT = 1024  # up to which a factor is looked for among the roots of integers, as of a layer's width


def explain(
    wrong: np.ndarray,
    right: np.ndarray,
    tolerance: float,
    *,
    samples: int,
    parameter: np.ndarray | None,
    mask: np.ndarray | None = None,
    values: np.ndarray | None = None,
) -> str:
    """Return in words how a gradient differs from the correct one, of the same shape.

    Args:
        wrong: the wrong gradient.
        right: the correct gradient.
        tolerance: relative; smaller differences are not counted among the wrong elements.
        samples: how many samples the batch has, which is the factor that a forgotten mean leaves behind.
        parameter: what the gradient is of, None for the gradient of an output or an input.
        mask: which elements are wrong, None where the tolerance decides.
        values: what the gradient is of in every case, to say where it is wrong; None where that is not known.

    >>> right = np.array([1.0, -2.0, 3.0])
    >>> explain(8 * right, right, 1e-13, samples=8, parameter=None)
    '8 times the correct gradient everywhere: a mean over the batch, 8, is missing'
    """
    counts = {"the batch": samples} | {f"its axis {axis}": size for axis, size in enumerate(right.shape)}
    patterns = (
        _not_finite(wrong, right),
        _zero(wrong, right),
        _factor(wrong, right, counts),
        _transposed(wrong, right),
        _penalty(wrong - right, parameter),
        _shifted(wrong - right),
        _somewhere(wrong, right, tolerance, mask, values),
    )
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        return next(words for pattern in patterns for words in pattern)


def _not_finite(wrong: np.ndarray, right: np.ndarray) -> Iterator[str]:
    for array, words in ((right, "the correct gradient is not finite"), (wrong, "it is not finite")):
        places = np.argwhere(~np.isfinite(array))
        if len(places):
            yield f"{words} in {len(places)} of {array.size} elements, first at {places[0].tolist()}"


def _zero(wrong: np.ndarray, right: np.ndarray) -> Iterator[str]:
    if not wrong.any():
        yield "zero everywhere: a term is missing, or nothing is passed on"
    if not right.any():
        yield "the correct gradient is zero everywhere: there is an extra term"


def _factor(wrong: np.ndarray, right: np.ndarray, counts: dict[str, int]) -> Iterator[str]:
    factor = float(np.vdot(right, wrong) / np.vdot(right, right))
    left = np.abs(wrong - factor * right).max()
    if left <= UNEXPLAINED_SHARE * abs(factor - 1) * np.abs(right).max():
        if right.size == 1:
            yield f"{_digits(factor)} times the correct gradient{_cause(factor, counts)}"
        elif np.count_nonzero(right) > 1:
            yield f"{_digits(factor)} times the correct gradient everywhere{_cause(factor, counts)}"


def _digits(ratio: float) -> str:
    """Return a ratio with four digits, of one close to 1 as many as show how it differs.

    >>> _digits(-2.34795387260344), _digits(1 + 1e-12)
    ('-2.348', '1.000000000001')
    """
    apart = abs(abs(ratio) - 1)
    extra = -math.floor(math.log10(apart)) if 0 < apart < 1 else 0
    return f"{ratio:.{max(4, min(extra + 3, 15))}g}"


def _cause(factor: float, counts: dict[str, int]) -> str:
    """Return the well-known mistakes that give such a factor, ``""`` where there are none.

    Where several give the same one, none of them is said to be it.
    """
    size = abs(factor)
    causes = [(2.0, "the ½ of a square is missing"), (0.5, "the 2 of a square's derivative is missing")]
    for name, count in counts.items():
        causes += [(count, f"a mean over {name}, {count}, is missing")]
        causes += [(1 / count, f"a mean over {name}, {count}, is taken twice")]
    likely = [words for value, words in causes if value != 1 and abs(size - value) <= 1e-6 * value]
    square = max(size, 1 / size) ** 2 if size else 0.0
    is_root = abs(square - round(square)) <= 1e-6 * square and 2 <= round(square) <= MOST_ROOT
    # A mean over as many as that is a better guess than a root.
    is_whole = math.isqrt(round(square)) ** 2 == round(square) if is_root else False
    if is_root and (round(square) == 4 if is_whole else not likely):
        likely.append(f"a scale of √{round(square)} is {'missing' if size > 1 else 'taken twice'}")
    hedge = "perhaps " if len(likely) > 1 or (likely and "√" in likely[0]) else ""
    parts = ["a wrong sign"] * (factor < 0) + [hedge + " or ".join(likely)] * bool(likely)
    return f": {', and '.join(parts)}" if parts else ""


def _transposed(wrong: np.ndarray, right: np.ndarray) -> Iterator[str]:
    if right.ndim > 1:
        flipped = np.swapaxes(right, -1, -2)
        if np.abs(wrong.ravel() - flipped.ravel()).max() <= 1e-6 * np.abs(right).max():
            yield "the transpose of the correct gradient" + ("" if flipped.shape == right.shape else ", in its shape")


def _penalty(difference: np.ndarray, parameter: np.ndarray | None) -> Iterator[str]:
    """Recognize a penalty: the gradient of ½ s Σ w² is s w, and that of s Σ |w| is s sign(w)."""
    if parameter is None or difference.size < 2:
        return
    for multiple, name in ((parameter, "the parameter itself"), (np.sign(parameter), "the parameter's sign")):
        if not multiple.any():
            continue
        factor = float(np.vdot(multiple, difference) / np.vdot(multiple, multiple))
        if np.abs(difference - factor * multiple).max() <= UNEXPLAINED_SHARE * np.abs(difference).max():
            excess = "a penalty term is missing" if factor < 0 else "there is an extra penalty term"
            yield f"off by {factor:.6g} times {name}: {excess}"


def _shifted(difference: np.ndarray) -> Iterator[str]:
    mean = float(difference.mean())
    if difference.size > 1 and np.abs(difference - mean).max() <= UNEXPLAINED_SHARE * abs(mean):
        yield f"off by the constant {mean:.6g} everywhere: a constant term is missing, or there is an extra one"


def _somewhere(
    wrong: np.ndarray, right: np.ndarray, tolerance: float, mask: np.ndarray | None, values: np.ndarray | None
) -> Iterator[str]:
    difference = np.abs(wrong - right)
    if mask is None:
        worth_naming = max(tolerance * np.abs(right).max(), difference.max() / 100)
        mask = difference > min(worth_naming, 0.99 * difference.max())
    places = np.argwhere(mask)
    first, where = tuple(places[0]), places[0].tolist()
    got, expected = wrong[first], right[first]
    ratio = f"{_digits(got / expected)} times the correct value" if expected else f"{got:.4g} instead of 0"
    elements = f"wrong in {len(places)} of {right.size} elements"
    place = "" if values is None else describe(mask, values)
    if place.startswith(("all of", "where")):
        elements += f", {place}"
    elif len(places) > max(1, right.size // 2):
        cause = "a term is missing or another function's derivative is taken"
        yield f"{elements} without a pattern: {cause}; {ratio} at {where}"
    yield f"{elements}, first at {where}: {ratio} there"
