"""Public names: each is listed once, help() shows it, and no function hides a module of its package."""

import importlib
import pkgutil
import pydoc
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import funcnet as fn
from funcnet import (
    activations,
    callbacks,
    data,
    gradcheck,
    graph,
    information,
    initializers,
    layers,
    losses,
    metrics,
    neurons,
    optimizers,
    plots,
    rulecheck,
    search,
    training,
)

ROOT = Path(__file__).parent.parent
ROOMS = [
    activations, callbacks, data, gradcheck, graph, information, initializers, layers, losses, metrics, neurons,
    optimizers, plots, rulecheck, search, training,
]  # fmt: skip
PACKAGES = sorted(path.parent.name for path in (ROOT / "funcnet").glob("*/__init__.py"))


def names(module):
    return [name for name in vars(module) if not name.startswith("_")]


@pytest.mark.parametrize("module", [fn, *ROOMS], ids=lambda module: module.__name__)
def test_every_public_name_is_listed_once_and_exists(module):
    assert len(set(module.__all__)) == len(module.__all__)
    assert set(module.__all__) <= set(names(module))


def test_whatever_funcnet_holds_is_public_private_or_a_module():
    others = set(names(fn)) - set(fn.__all__)
    assert {name for name in others if not isinstance(getattr(fn, name), ModuleType)} == set()
    modules = {name for name in fn.__all__ if isinstance(getattr(fn, name), ModuleType)}
    assert modules == {
        *("data", "graph", "information", "initializers", "metrics", "neurons", "plots", "schedules", "search"),
    }


@pytest.mark.parametrize("module", [fn, *ROOMS], ids=lambda module: module.__name__)
def test_help_shows_every_public_name(module):
    shown = pydoc.plain(pydoc.render_doc(module))
    assert [name for name in module.__all__ if name not in shown] == []


@pytest.mark.parametrize("name", ["", *PACKAGES])
def test_no_function_hides_a_module_of_its_package(name):
    package = importlib.import_module(f"funcnet.{name}".rstrip("."))
    for each in pkgutil.iter_modules(package.__path__):
        if each.name != "__main__":
            importlib.import_module(f"{package.__name__}.{each.name}")
            assert isinstance(getattr(package, each.name), ModuleType), each.name


def test_the_version_is_that_of_the_package():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == fn.__version__


def test_type_checkers_are_told_that_funcnet_is_typed():
    assert (ROOT / "funcnet" / "py.typed").exists()


@pytest.mark.parametrize("module", [fn, *ROOMS], ids=lambda module: module.__name__)
def test_help_describes_the_fields_of_public_tuples(module):
    shown = [getattr(module, name) for name in module.__all__]
    tuples = [each for each in shown if isinstance(each, type) and issubclass(each, tuple)]
    bare = [
        f"{each.__name__}.{name}"
        for each in tuples
        for name in each._fields
        if getattr(each, name).__doc__.startswith("Alias for field number")
    ]
    assert bare == []
