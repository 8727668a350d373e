"""The points at which a rule is checked besides those that it meets: 0, ties, tails, infinities, extreme numbers."""

from collections.abc import Iterator, Sequence

import numpy as np

from .subject import Point

SPECIAL_VALUES = (0.0, -0.0, 1.0, -1.0, 30.0, -30.0, 1e4, -1e4, 1e30, -1e30, 1e-30, 1e300, -1e300, 1e-300)
INFINITIES = (np.inf, -np.inf)
MOST_ALONE = 3  # arrays, up to which each is also moved to a value while the others stay


def special_points(leaves: Sequence[np.ndarray], names: Sequence[str]) -> Iterator[Point]:
    """Yield the points: all arrays at one value, or with equal elements, or one array alone at a value."""
    for value in (*SPECIAL_VALUES, *INFINITIES):
        yield filled(leaves, value)
    yield Point([_tied(leaf) for leaf in leaves], "at a tie", is_special=True)
    if 1 < len(leaves) <= MOST_ALONE:
        for place, name in enumerate(names):
            for value in (*SPECIAL_VALUES, *INFINITIES):
                moved = [np.full_like(leaf, value) if at == place else leaf for at, leaf in enumerate(leaves)]
                yield Point(moved, f"with {name} = {value:g}", is_special=True)


def filled(leaves: Sequence[np.ndarray], value: float) -> Point:
    """Return the point where all arrays hold one value."""
    return Point([np.full_like(leaf, value) for leaf in leaves], f"at {value:g}", is_special=True)


def _tied(leaf: np.ndarray) -> np.ndarray:
    return np.full_like(leaf, leaf.flat[0]) if leaf.size else leaf
