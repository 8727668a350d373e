"""What a wrong gradient looks like, in words."""

from collections.abc import Iterator

import numpy as np

LOOSE = 1e-3  # what is left of a difference where a pattern explains it


def error_of(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference over the largest magnitude of either: 0 where both are zero, NaN where not finite.

    >>> error_of(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    0.5
    """
    scale = max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0))
    return float(np.abs(a - b).max(initial=0.0) / scale) if scale else 0.0


def place_of(a: np.ndarray, b: np.ndarray) -> tuple[int, ...]:
    """Return the index of the largest difference.

    >>> place_of(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.0], [3.5, 4.0]]))
    (1, 0)
    """
    return tuple(int(i) for i in np.unravel_index(np.argmax(np.abs(a - b)), a.shape)) if a.size else ()


def explain(
    wrong: np.ndarray, right: np.ndarray, *, tolerance: float, counts: dict[str, float], parameter: np.ndarray | None
) -> str:
    """Return in words how a gradient differs from the right one, of the same shape.

    ``counts`` are the numbers that a forgotten mean leaves behind, by name; ``parameter`` is what the gradient is of.

    >>> right = np.array([1.0, -2.0, 3.0])
    >>> explain(8 * right, right, tolerance=1e-13, counts={"the batch size": 8}, parameter=None)
    '8 times the right one everywhere: a mean over the batch size, 8, is missing'
    """
    patterns = (
        _not_finite(wrong, right),
        _zero(wrong, right),
        _factor(wrong, right, counts),
        _transposed(wrong, right),
        _proportional(wrong - right, parameter),
        _shifted(wrong - right),
        _somewhere(wrong, right, tolerance),
    )
    return next(words for pattern in patterns for words in pattern)


def _not_finite(wrong: np.ndarray, right: np.ndarray) -> Iterator[str]:
    for array, words in ((right, "the right one is not finite"), (wrong, "it is not finite")):
        places = np.argwhere(~np.isfinite(array))
        if len(places):
            yield f"{words} in {len(places)} of {array.size} elements, first at {_index(places[0])}"


def _zero(wrong: np.ndarray, right: np.ndarray) -> Iterator[str]:
    if not wrong.any():
        yield "zero everywhere: a term is missing, or nothing is passed on"
    if not right.any():
        yield "the right one is zero everywhere: there is a term too many"


def _factor(wrong: np.ndarray, right: np.ndarray, counts: dict[str, float]) -> Iterator[str]:
    factor = float(np.vdot(right, wrong) / np.vdot(right, right))
    left, size = np.abs(wrong - factor * right).max(), np.abs(right).max()
    if np.count_nonzero(right) > 1 and left <= LOOSE * abs(factor - 1) * size:
        yield f"{factor:.15g} times the right one everywhere{_cause(factor, counts)}"
    elif right.size == 1 and left <= LOOSE * abs(factor - 1) * size:
        yield f"{factor:.15g} times the right one{_cause(factor, counts)}"


def _cause(factor: float, counts: dict[str, float]) -> str:
    """Return what gives such a factor, ``""`` where nothing well known does."""
    causes = [(2.0, "the ½ of a square is missing"), (0.5, "the 2 of a square's derivative is missing")]
    for name, count in counts.items():
        causes += [(count, f"a mean over {name}, {count:g}, is missing")]
        causes += [(1 / count, f"a mean over {name}, {count:g}, is taken once too often")]
    likely = [words for value, words in causes if value != 1 and abs(abs(factor) - value) <= 1e-6 * value]
    sign = ["a wrong sign"] if factor < 0 else []
    parts = sign + [" or ".join(likely)] * bool(likely)
    return f": {', and '.join(parts)}" if parts else ""


def _transposed(wrong: np.ndarray, right: np.ndarray) -> Iterator[str]:
    if right.ndim < 2 or np.abs(right).max() == 0:
        return
    flipped = np.swapaxes(right, -1, -2)
    if np.abs(wrong.ravel() - flipped.ravel()).max() <= 1e-6 * np.abs(right).max():
        yield "the transposed of the right one" + ("" if flipped.shape == right.shape else ", put into its shape")


def _proportional(difference: np.ndarray, parameter: np.ndarray | None) -> Iterator[str]:
    """Recognize a penalty's term: ½ s Σ w² leaves s w, and s Σ |w| leaves s sign(w)."""
    if parameter is None or difference.size < 2:
        return
    for multiple, name in ((parameter, "the parameter itself"), (np.sign(parameter), "the parameter's sign")):
        if not multiple.any():
            continue
        factor = float(np.vdot(multiple, difference) / np.vdot(multiple, multiple))
        if np.abs(difference - factor * multiple).max() <= LOOSE * np.abs(difference).max():
            excess = "a penalty's term is missing" if factor < 0 else "a penalty's term too many"
            yield f"off by {factor:.6g} times {name}: {excess}"


def _shifted(difference: np.ndarray) -> Iterator[str]:
    mean = float(difference.mean())
    if difference.size > 1 and np.abs(difference - mean).max() <= LOOSE * abs(mean):
        yield f"off by the constant {mean:.6g} everywhere: a constant term too many or missing"


def _somewhere(wrong: np.ndarray, right: np.ndarray, tolerance: float) -> Iterator[str]:
    difference = np.abs(wrong - right)
    worth_naming = max(tolerance * np.abs(right).max(), difference.max() / 100)
    places = np.argwhere(difference > min(worth_naming, 0.99 * difference.max()))
    first = tuple(places[0])
    if right[first]:
        ratio = f"{wrong[first] / right[first]:.15g} times the right one"
    else:
        ratio = f"{wrong[first]:.6g} instead of 0"
    if len(places) <= max(1, right.size // 2):
        yield f"wrong in {len(places)} of {right.size} elements, first at {_index(places[0])}: {ratio} there"
    else:
        yield (
            f"wrong in {len(places)} of {right.size} elements without a pattern: a term is missing or another "
            f"function's derivative is taken; {ratio} at {_index(places[0])}"
        )


def _index(place: np.ndarray) -> str:
    return f"[{', '.join(map(str, place.tolist()))}]"
