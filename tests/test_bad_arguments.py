"""Every public function against bad arguments, one at a time: an error that names the argument, or the right answer."""

import types
import zlib
from functools import cache

import pytest

import funcnet as fn
from tests import bad_argument_table as table
from tests.bad_argument_remains import remaining
from tests.bad_arguments import KINDS, call, must_be_refused, tried, uses_of

# One use in so many is tried here, and all of them by ``python -m tests.campaigns arguments``. An answer may have to be
# compiled, an error is raised before.
SHARES = {True: 11, False: 250}

# Public names that are not called with arguments of a person's own, and why.
NOT_CALLED = {
    "a contract, of which subclasses are made; those of funcnet are called": {
        *("Activation", "Callback", "Layer", "Loss", "Penalty", "information.Density", "initializers.Initializer"),
        *("metrics.Metric", "metrics.StepMetric", "metrics.SampleMetric", "schedules.Schedule"),
    },
    "a result, or a state, which funcnet makes": {
        *("AccuracyReport", "DerivativeReport", "FitResult", "GradientReport", "GradientRow", "LayerError"),
        *("LayerSummary", "Model", "NonFinite", "Progress", "Run", "RunStart"),
        *("Summary", "TrainState", "graph.Counts", "graph.Graph", "graph.Layout", "graph.Operation", "graph.Variable"),
        *("information.HuffmanCode", "neurons.PerceptronResult", "search.AnnealingState", "search.GeneticState"),
        *("search.Point", "search.RestartsState", "search.SearchResult", "search.StepInput", "search.StepResult"),
    },
    "a plain tuple, whose contents are checked where they are used": {
        *("DenseParams", "LayerNormParams", "PReLUParams", "Optimizer", "search.Search"),
    },
    "an exception, or a name for why a run ended": {
        *("DtypeError", "Ending", "GradientError", "Interrupted", "NonFiniteError", "ShapeError", "StorageError"),
        *("data.IDXError", "graph.NoRuleError", "neurons.SingularError"),
    },
    "a function of any function: the tests of gradcheck and of numerics have its arguments": {
        *("check_accuracy", "check_function", "check_rules", "plots.accuracy"),
    },
    "without arguments": {
        *("data.load_digits", "Flatten", "metrics.AUC", "metrics.R2", "metrics.MeanAbsoluteError"),
        *("metrics.GradientNorm", "metrics.LearningRate"),
    },
    "no function": {
        *("plots.COLOURS", "plots.DASHES", "plots.DIVERGING", "plots.MARKERS", "search.Factor", "search.NaturalNumber"),
        *("search.Points", "search.Scale", "search.Share", "search.Temperature", "search.TournamentSize"),
    },
}


def public_names(module=fn, prefix=""):
    """Yield every public name of funcnet and its public modules, with what it stands for."""
    for name in getattr(module, "__all__", [name for name in vars(module) if is_schedule(module, name)]):
        value = getattr(module, name)
        if isinstance(value, types.ModuleType):
            yield from public_names(value, f"{name}.")
        else:
            yield prefix + name, value


def is_schedule(module, name):
    return getattr(vars(module)[name], "__module__", None) == module.__name__ and not name.startswith("_")


@cache
def uses_in(room):
    return list(table.ROOMS[room]())


def all_uses():
    return [use for room in table.ROOMS for use in uses_in(room)]


def is_entry(name, value, uses):
    """Whether one of the uses is of this public name: by the name, or as the value that it stands for."""
    shown = name if callable(value) and not hasattr(value, "described_as") else repr(value)
    words = {name, name.removeprefix("metrics."), name.removeprefix("search."), shown}
    return any(use.name.split("(")[0].split(".of")[0] in words or use.name.startswith(f"{shown}.") for use in uses)


def test_every_public_function_has_an_entry():
    uses, excepted = all_uses(), set().union(*NOT_CALLED.values())
    names = dict(public_names())
    assert excepted <= set(names)
    assert [name for name, value in names.items() if not is_entry(name, value, uses) and name not in excepted] == []


def sample(use):
    """Return the (argument, label) of a use that are tried here: a share of them, the same in every run."""
    return [
        (name, label)
        for name, label in uses_of(use)
        if zlib.crc32(f"{use.name} {name} {label}".encode()) % SHARES[must_be_refused(use, name, label)] == 0
    ]


def faults_of(use, chosen):
    """Return what came of those uses that ended in neither an error that names the argument nor the right answer."""
    good, faults = None, {}
    for name, label in chosen:
        if good is None and not must_be_refused(use, name, label):
            good = call(use)
        verdict = tried(use, name, label, good)
        if not verdict.right:
            faults[use.name, name, label] = f"{verdict.kind}: {verdict.text}"
    return faults


@pytest.mark.parametrize("room", table.ROOMS)
def test_a_bad_argument_is_named_or_gives_what_a_good_one_does(room):
    """What remains is listed, and what is listed and works must be struck off the list."""
    uses = uses_in(room)
    chosen = {use.name: sample(use) for use in uses}
    assert len(chosen) == len(uses)  # each has a name of its own
    faults, known = {}, remaining(uses)
    for use in uses:
        faults |= faults_of(use, chosen[use.name])
    tried_here = {(use, *each) for use, pairs in chosen.items() for each in pairs}
    assert {key: text for key, text in faults.items() if key not in known} == {}
    assert (known & tried_here) - set(faults) == set()


def test_enough_uses_are_tried():
    uses = all_uses()
    assert len(uses) >= 350  # functions and methods
    assert sum(len({*refused, *same}) for refused, same in KINDS.values()) >= 300
    assert sum(len(list(uses_of(use))) for use in uses) >= 15_000
    assert sum(len(sample(use)) for use in uses) >= 1_500
