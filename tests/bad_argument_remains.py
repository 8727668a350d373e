"""Uses with a bad argument whose end is not right yet, or cannot be, and why: a test asserts that the list is exact."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple

from tests.bad_arguments import Use, uses_of


class Remaining(NamedTuple):
    """Uses of functions whose names match one of the patterns, with these values of an argument."""

    functions: tuple[str, ...]
    argument: str
    labels: str  # separated by ", "
    reason: str


HOT = "train_step looks at no array of its state on the host, which would take time in every step: JAX's error says it"
TRACED = "several arguments may be traced, and the error says what to use in their place"
LIKE = "only shapes and dtypes of like are read"
ITERATORS = "JAX itself refuses None and iterators where it takes a tree of arrays"

REMAINING = [
    Remaining(("train_step()",), "state", "leaf deleted, leaf str", HOT),
    Remaining(("train_step() x",), "x", "deleted", HOT),
    Remaining(("train_step() x",), "y", "deleted", HOT),
    Remaining(("fit",), "params", "traced", TRACED),
    Remaining(("fit data",), "key", "traced", TRACED),
    Remaining(("fit x",), "x", "traced", TRACED),
    Remaining(("fit x",), "y", "traced", TRACED),
    Remaining(("fit x",), "weights", "traced", TRACED),
    Remaining(("load",), "like", "deleted, masked", LIKE),
    Remaining(("load",), "like", "generator", ITERATORS),
    Remaining(("save",), "tree", "generator", ITERATORS),
    Remaining(("graph.trace",), "arguments", "None, generator", ITERATORS),
    Remaining(("graph.Graph.forward",), "w", "generator", ITERATORS),
    Remaining(("fit",), "params", "leaf objects", "an array of objects is refused by JAX while the data are placed"),
    Remaining(
        ("fit state",), "state", "leaf None", "None in a tree is no leaf: the error names the parameters' structure"
    ),
    Remaining(
        ("adamw(*).update", "chain(*).update"),
        "params",
        "leaf complex",
        "NumPy warns of it: an optimizer takes any params",
    ),
]


def remaining(uses: Iterable[Use]) -> set[tuple[str, str, str]]:
    """Return the (function, argument, label) that the list holds of these functions."""
    known = set()
    for use in uses:
        for each in REMAINING:
            if any(fnmatchcase(use.name, pattern) for pattern in each.functions):
                known |= {
                    (use.name, *pair)
                    for pair in uses_of(use)
                    if pair[0] == each.argument and pair[1] in each.labels.split(", ")
                }
    return known
