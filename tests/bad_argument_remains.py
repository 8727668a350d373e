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


LOSSES = "to be mended: losses convert a target, and the output that they predict from, without a check of what it is"
TRAINING = "to be mended: a check of the state, the batch or a setting of training"
FILES = "to be mended: a check of the path, and of the leaves of a tree in a file"
PENALTIES = "to be mended: a check of the leaves of the parameters"
ITERATORS = "JAX itself refuses None and iterators where it traces a function of arrays"

REMAINING = [
    Remaining(("data.load_mnist",), "directory", "bytes, dict, float, function, int, list", FILES),
    Remaining(("load",), "like", "deleted, generator, masked", FILES),
    Remaining(("load",), "path", "None, bytes, dict, empty, float, function, int, list, nul", FILES),
    Remaining(
        (
            "data.read_idx",
            "save",
        ),
        "path",
        "None, bytes, dict, float, function, int, list, nul",
        FILES,
    ),
    Remaining(("save",), "tree", "deleted, generator, masked", FILES),
    Remaining(("graph.trace",), "arguments", "None, generator", ITERATORS),
    Remaining(("graph.Graph.forward",), "w", "generator", ITERATORS),
    Remaining(
        ("hinge.predict",),
        "output",
        "BCOO, None, attached tensor, bools, bytes, class, complex, dates, deleted, dict, durations, empty list, frame, frame of objects, frame with a mask, function, generator, integers, keys, list, list of None, list of masked, masked, memoryview, objects, ragged list, records, scipy.sparse, set, str, strings, tensor, tuple",
        LOSSES,
    ),
    Remaining(
        (
            "quadratic.predict",
            "squared_error.predict",
            "mean_squared_error.predict",
            "binary_cross_entropy.predict",
            "categorical_cross_entropy.predict",
            "kl_divergence.predict",
            "Huber(delta=0.7).predict",
        ),
        "output",
        "BCOO, None, attached tensor, bools, bytes, class, complex, dates, deleted, dict, durations, frame, frame of objects, frame with a mask, function, generator, integers, keys, list, list of None, list of masked, masked, memoryview, objects, ragged list, records, scipy.sparse, set, str, strings, tensor, tuple",
        LOSSES,
    ),
    Remaining(
        ("Focal().predict",),
        "output",
        "None, class, dict, empty list, function, generator, list, list of None, list of masked, ragged list, scalar, set, str, tuple",
        LOSSES,
    ),
    Remaining(
        (
            "quadratic.value",
            "quadratic.gradient",
            "squared_error.value",
            "squared_error.gradient",
            "mean_squared_error.value",
            "mean_squared_error.gradient",
            "binary_cross_entropy.value",
            "binary_cross_entropy.gradient",
            "categorical_cross_entropy.value",
            "categorical_cross_entropy.gradient",
            "kl_divergence.value",
            "kl_divergence.gradient",
            "sigmoid_cross_entropy.value",
            "sigmoid_cross_entropy.gradient",
            "softmax_cross_entropy.value",
            "softmax_cross_entropy.gradient",
            "hinge.value",
            "hinge.gradient",
            "Huber(delta=0.7).value",
            "Huber(delta=0.7).gradient",
            "SoftmaxCrossEntropy(label_smoothing=0.1).value",
            "SoftmaxCrossEntropy(label_smoothing=0.1).gradient",
            "Focal().value",
            "Focal().gradient",
        ),
        "target",
        "BCOO, None, attached tensor, class, dates, deleted, dict, durations, frame of objects, function, generator, keys, list of None, objects, ragged list, records, scipy.sparse, set, str, strings",
        LOSSES,
    ),
    Remaining(
        (
            "Objective.value",
            "Objective.by_hand",
            "Objective.automatic",
        ),
        "y",
        "BCOO, None, attached tensor, class, dates, deleted, dict, durations, frame of objects, function, generator, keys, list of None, objects, ragged list, records, scipy.sparse, set, str, strings",
        LOSSES,
    ),
    Remaining(
        (
            "l1.value",
            "l2.value",
        ),
        "params",
        "function, int, leaf objects, leaf ragged, str",
        PENALTIES,
    ),
    Remaining(
        (
            "l1.gradient",
            "l2.gradient",
        ),
        "params",
        "function, int, leaf ragged, str",
        PENALTIES,
    ),
    Remaining(
        (
            "run_epochs state",
            "fit data",
        ),
        "batch_size",
        "array, function, list, str, traced",
        TRAINING,
    ),
    Remaining(
        ("init_state",),
        "dtype",
        "None, array, bool, complex64, float, float64, function, int, int32, list, nonsense, np.float64, object, torch",
        TRAINING,
    ),
    Remaining(("fit data",), "key", "None, traced", TRAINING),
    Remaining(
        ("EarlyStopping.smaller_is_better",),
        "metrics",
        "None, dict, function, generator, int, list of None, str",
        TRAINING,
    ),
    Remaining(
        ("init_state",),
        "params",
        "array, dict, empty, function, int, leaf None, leaf deleted, leaf integers, leaf masked, leaf objects, leaf ragged, leaf sparse, leaf str, leaf wider, list, one more, result, str",
        TRAINING,
    ),
    Remaining(("fit",), "params", "leaf objects, traced", TRAINING),
    Remaining(
        ("fit state",),
        "state",
        "None, an optimizer, another, array, class, dict, empty, function, int, leaf None, list, result, str",
        TRAINING,
    ),
    Remaining(("run_epochs state",), "state", "leaf deleted", TRAINING),
    Remaining(("train_step()",), "state", "leaf deleted, leaf str", TRAINING),
    Remaining(("train_step() x",), "weights", "frame, memoryview, tensor", TRAINING),
    Remaining(("fit x",), "weights", "traced", TRAINING),
    Remaining(
        ("train_step() x",),
        "x",
        "attached tensor, class, dates, deleted, durations, frame, frame of objects, frame with a mask, function, generator, list of masked, masked, memoryview, objects, ragged list, records, scipy.sparse, set, str, strings, tensor",
        TRAINING,
    ),
    Remaining(("fit x",), "x", "traced", TRAINING),
    Remaining(
        ("train_step() x",),
        "y",
        "BCOO, None, attached tensor, class, dates, deleted, dict, durations, frame, frame of objects, frame with a mask, function, generator, keys, list of None, list of masked, masked, memoryview, objects, ragged list, records, scipy.sparse, set, str, strings, tensor",
        TRAINING,
    ),
    Remaining(("fit x",), "y", "traced", TRAINING),
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
