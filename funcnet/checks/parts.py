"""Checks of the parts that a network is trained with: by class, by name, by what they must have."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from os import PathLike, fspath
from typing import Any

import jax

from ..errors import message
from .arrays import brief


def named(where: str, table: Mapping[str, Any], name: Any) -> Any:
    """Return a table's entry of that name; ``ValueError`` for an unknown name gives the nearest one and all of them.

    What is not a text is a ``TypeError``.

    >>> named("loss", {"quadratic": 1, "hinge": 2}, "quadratik")
    Traceback (most recent call last):
    ValueError: loss: expected one of quadratic, hinge, got 'quadratik': 'quadratic' is the nearest
    """
    if not isinstance(name, str):
        raise TypeError(message(where, "a name, such as " + repr(next(iter(table))), f"a {type(name).__name__}"))
    if name in table:
        return table[name]
    nearest = get_close_matches(name.lower(), table, n=1)
    hint = f": {nearest[0]!r} is the nearest" if nearest else ""
    raise ValueError(message(where, f"one of {', '.join(table)}", f"{name!r}{hint}"))


def check_settings_named(where: str, settings: Iterable[str], known: Iterable[str]) -> None:
    """Raise ``TypeError`` for a setting by a name that is not known.

    >>> check_settings_named("optimizer sgd", ["lr"], ["learning_rate"])
    Traceback (most recent call last):
    TypeError: optimizer sgd: expected settings among learning_rate, got lr
    """
    known = list(known)
    if unknown := [name for name in settings if name not in known]:
        raise TypeError(message(where, f"settings among {', '.join(known) or 'none'}", ", ".join(unknown)))


def check_path(where: str, name: str, path: Any) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless a value is a path that a file can have.

    >>> check_path("CSVLog", "path", 3)
    Traceback (most recent call last):
    TypeError: CSVLog: expected path to be a str or a path, got 3
    """
    if not isinstance(path, str | PathLike) or isinstance(fspath(path), bytes):
        raise TypeError(message(where, f"{name} to be a str or a path", brief(path)))
    if not fspath(path) or "\0" in fspath(path):
        raise ValueError(message(where, f"{name} to be the path of a file or folder", repr(fspath(path))))


def check_part(where: str, name: str, value: Any, kind: type, *, optional: bool = False) -> None:
    """Raise ``TypeError`` unless an argument is of a class that describes itself by ``described_as``, or None.

    Its fields must be hashable, unless it is a pytree: compiled programs are found by them.

    Args:
        where: what the error names first, such as the public function.
        name: the argument's name.
        value: the argument.
        kind: the class.
        optional: whether None is allowed.

    >>> import funcnet as fn
    >>> check_part("fit", "network", fn.quadratic, fn.Layer)
    Traceback (most recent call last):
    TypeError: fit: expected network to be a layer, such as fn.mlp([784, 10]), got quadratic
    """
    if not isinstance(value, kind) and not (optional and value is None):
        raise TypeError(message(where, f"{name} to be {kind.described_as}", shortly(value)))  # type: ignore[attr-defined]
    if jax.tree_util.all_leaves([value]):
        try:
            hash(value)
        except TypeError as error:
            raise TypeError(message(where, f"{name} to have hashable fields", error)) from None


def shortly(value: Any) -> str:
    """Return what a value is, without the contents of arrays."""
    described = value is None or isinstance(value, str | type) or hasattr(type(value), "described_as")
    return brief(value) if described else f"a {type(value).__name__}"


def check_update_pair(where: str, optimizer: Any, *, name: str = "optimizer", descends: bool = True) -> None:
    """Raise ``TypeError`` unless this is an (init, update) pair, funcnet's or optax's.

    With ``descends``, ``ValueError`` for a pair that is known not to go down the gradient: funcnet's transformations of
    gradients, such as clipping, without an optimizer after them. What a pair of another library does is not known.

    Args:
        where: what the error names first, such as the public function.
        optimizer: the argument.
        name: the argument's name.
        descends: whether it has to go down the gradient.

    >>> import funcnet as fn
    >>> check_update_pair("fit", fn.adam)
    Traceback (most recent call last):
    TypeError: fit: expected optimizer to have init and update, as fn.adam(0.001) has, got a function
    >>> check_update_pair("fit", fn.clip_by_value(1.0))
    Traceback (most recent call last):
    ValueError: fit: expected an optimizer: one after it in a fn.chain, got only clip_by_value(limit=1.0)
    """
    is_pair = hasattr(optimizer, "init") and hasattr(optimizer, "update")
    if not is_pair or isinstance(optimizer, type) or hasattr(optimizer, "history_name"):  # a metric has both, too
        expected = f"{name} to have init and update, as fn.adam(0.001) has"
        raise TypeError(message(where, expected, f"a {type(optimizer).__name__}"))
    if descends and not getattr(optimizer.init, "descends", True):
        raise ValueError(message(where, "an optimizer: one after it in a fn.chain", f"only {optimizer}"))


def check_is_no_result(where: str, params: Any) -> None:
    """Raise ``TypeError`` for a result or a state in place of its parameters."""
    if hasattr(params, "params"):
        kind = type(params).__name__
        raise TypeError(message(where, "params", f"a {kind}: pass its .params"))


def check_metrics(where: str, metrics: Any) -> None:
    """Raise an error unless these are metrics: functions, or values with a ``history_name``, of different names."""
    if not isinstance(metrics, tuple | list):
        raise TypeError(message(where, "metrics to be a list of functions or of fn.metrics", repr(metrics)))
    names = ["loss"]
    for metric in metrics:
        if isinstance(metric, type) or not (callable(metric) or hasattr(metric, "history_name")):
            expected = "metrics to be functions of (prediction, target), or of fn.metrics such as fn.metrics.f1"
            raise TypeError(message(where, expected, repr(metric)))
        try:
            hash(metric)
        except TypeError as error:
            expected = "metrics that are hashable, whose settings are numbers, strings or tuples"
            raise TypeError(message(where, expected, f"{metric!r}: {error}")) from error
        names.append(getattr(metric, "history_name", getattr(metric, "__name__", repr(metric))))
        if not isinstance(names[-1], str):
            raise TypeError(message(where, "metrics whose __name__ is a str", repr(names[-1])))
    if len(set(names)) < len(names):
        raise ValueError(message(where, "metrics of different names, none of them 'loss'", names[1:]))


def check_gradient_function(where: str, network: Any, gradients: Any, own: tuple[Any, ...]) -> None:
    """Raise ``TypeError`` unless this can compute a network's gradients.

    For a network that keeps running statistics it must be one of ``own``, fn.autodiff or fn.backprop: a person's own
    function returns no cache, which ``learn`` needs.

    Args:
        where: what the error names first, such as the public function.
        network: the network, whose layers may keep running statistics.
        gradients: the argument.
        own: funcnet's own gradient functions.
    """
    if not callable(gradients):
        raise TypeError(
            message(
                where, "gradients to be fn.autodiff, fn.backprop or a function with the same signature", repr(gradients)
            )
        )
    if network.keeps_statistics and gradients not in own:
        expected = "gradients to be fn.autodiff or fn.backprop for a network with running statistics or frozen layers"
        raise TypeError(message(where, expected, getattr(gradients, "__name__", repr(gradients))))
