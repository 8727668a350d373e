"""Nothing public of a kind is left out of the registry, and every entry is a value with an example."""

import copy
import inspect
import typing

import pytest

import funcnet as fn
from funcnet import activations, layers, losses, metrics, optimizers, search
from funcnet.optimizers import schedules
from tests import registry

ROOMS = [fn, activations, losses, layers, metrics, optimizers, schedules, search]
CONTRACTS = [fn.Activation, fn.Layer, fn.Loss, metrics.Metric, fn.Optimizer, schedules.Schedule, search.Search]
PRINTS_AS_ANOTHER = {
    "mlp",
    "activation",
    "loss",
    "optimizer",
    "AUC",
    "MeanAbsoluteError",
    "R2",
}  # as the value that it returns


def makes(value, kind):
    """Whether a public value is of that kind, a class of it or a function that returns one."""
    if any(value is contract for contract in CONTRACTS):
        return False
    if inspect.isfunction(value):
        value = typing.get_type_hints(value).get("return")
    return issubclass(value if isinstance(value, type) else type(value), kind)


def public(kind):
    """Return every public name of that kind with what it stands for."""
    names = {name: value for room in ROOMS for name, value in vars(room).items() if name[0] != "_"}
    return {name: value for name, value in names.items() if makes(value, kind)}


def name_of(value):
    return repr(value).split("(")[0].removeprefix("schedules.")


KINDS = {
    "activation": (fn.Activation, [*registry.ACTIVATIONS, fn.PReLU()]),
    "loss": (fn.Loss, [case.loss for case in registry.LOSSES]),
    "layer": (fn.Layer, [case.layer for case in registry.LAYERS]),
    "metric": (metrics.Metric, registry.METRICS),
    "optimizer": (fn.Optimizer, [case.pair for case in registry.PAIRS]),
    "search": (search.Search, registry.SEARCHES),
    "schedule": (schedules.Schedule, [case.schedule for case in registry.SCHEDULES]),
}
every_kind = pytest.mark.parametrize(("kind", "entries"), KINDS.values(), ids=KINDS)


@every_kind
def test_the_registry_holds_everything_public(kind, entries):
    assert {name_of(value) for value in entries} == set(public(kind)) - PRINTS_AS_ANOTHER


def test_every_optimizer_with_a_learning_rate_has_its_recurrence():
    with_rate = {
        name for name, make in public(fn.Optimizer).items() if "learning_rate" in inspect.signature(make).parameters
    }
    assert {case.make.__name__ for case in registry.OPTIMIZERS} == with_rate


@every_kind
def test_everything_public_has_an_example(kind, entries):
    """Which runs as a doctest with the others."""
    for name, value in public(kind).items():
        described = value if inspect.isfunction(value) or isinstance(value, type) else type(value)
        assert ">>> " in (described.__doc__ or ""), name


@pytest.mark.parametrize("value", registry.VALUES, ids=repr)
def test_every_entry_is_a_value_that_prints_as_its_call(value):
    for again in (eval(repr(value), {**vars(metrics), **vars(fn)}), copy.deepcopy(value)):
        assert (again, hash(again), repr(again)) == (value, hash(value), repr(value))
    assert [other for other in registry.VALUES if other == value] == [value]


@pytest.mark.parametrize("case", [*registry.PAIRS, *registry.SCHEDULES], ids=repr)
def test_other_numbers_are_another_value(case):
    assert case[0] != case[1]
