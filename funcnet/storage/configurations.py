"""Configurations as text: the call that builds one, as it prints, read without executing anything.

A layer, a loss or an optimizer prints as the call that builds it. ``from_text`` reads such a text with Python's
``ast``, and builds what it says out of a list of names: those of funcnet, written out below, and those that the caller
hands in. No name is imported or looked up anywhere else, and the text's size is limited.
"""

import ast
import math
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from .. import activations, initializers, layers, losses, metrics, optimizers, penalties, search
from ..configuration import Configuration
from ..errors import message
from ..optimizers import schedules
from .safetensors_file import StorageError

MOST_CHARACTERS = 100_000  # of a text: a network of 2,000 layers has half of it
MOST_NODES = 20_000  # of its syntax tree
MOST_DEPTH = 100  # of calls within calls

_MOST_SHOWN = 200  # characters of an error that a text of the file may make long


def _by_name(prefix: str, *parts: Any) -> dict[str, Any]:
    return {f"{prefix}{each.__name__}": each for each in parts}


def _as_printed(*parts: Any) -> dict[str, Any]:
    return {repr(each): each for each in parts}


# What prints as a name alone.
VALUES: dict[str, Any] = {
    **_as_printed(activations.linear, activations.sigmoid, activations.tanh, activations.softplus, activations.silu),
    **_as_printed(activations.gelu, activations.relu, activations.leaky_relu, activations.elu, activations.step),
    **_as_printed(activations.sign, activations.softmax),
    **_as_printed(initializers.zeros, initializers.ones, initializers.glorot_normal, initializers.glorot_uniform),
    **_as_printed(initializers.he_normal, initializers.he_uniform),
    **_as_printed(losses.quadratic, losses.squared_error, losses.mean_squared_error, losses.binary_cross_entropy),
    **_as_printed(losses.sigmoid_cross_entropy, losses.categorical_cross_entropy, losses.softmax_cross_entropy),
    **_as_printed(losses.kl_divergence, losses.hinge),
    **_as_printed(metrics.precision, metrics.recall, metrics.f1, metrics.top_5, metrics.auc),
    **_as_printed(metrics.calibration_error, metrics.mean_absolute_error, metrics.r2),
    **_as_printed(metrics.learning_rate, metrics.gradient_norm),
    **_by_name(  # for initializers.from_jax
        "jax.nn.initializers.",
        *(jax.nn.initializers.constant, jax.nn.initializers.delta_orthogonal, jax.nn.initializers.glorot_normal),
        *(jax.nn.initializers.glorot_uniform, jax.nn.initializers.he_normal, jax.nn.initializers.he_uniform),
        *(jax.nn.initializers.lecun_normal, jax.nn.initializers.lecun_uniform, jax.nn.initializers.normal),
        *(jax.nn.initializers.orthogonal, jax.nn.initializers.truncated_normal, jax.nn.initializers.uniform),
        jax.nn.initializers.variance_scaling,
    ),
    "inf": math.inf,
    "nan": math.nan,
}

# What prints as a call.
CALLS: dict[str, Any] = {
    **_by_name("", layers.Dense, layers.Dropout, layers.Flatten, layers.Frozen, layers.LayerNorm, layers.Rescaling),
    **_by_name("", layers.Residual, layers.Sequential, activations.ELU, activations.LeakyReLU, activations.PReLU),
    **_by_name("", losses.Focal, losses.Huber, losses.SoftmaxCrossEntropy, penalties.l1, penalties.l2),
    **_by_name("", metrics.CalibrationError, metrics.F1, metrics.Precision, metrics.Recall, metrics.TopK),
    **_by_name("", optimizers.sgd, optimizers.momentum, optimizers.nesterov, optimizers.adagrad, optimizers.rmsprop),
    **_by_name("", optimizers.rmsprop_nesterov, optimizers.adam, optimizers.adamw, optimizers.chain),
    **_by_name("", optimizers.clip_by_global_norm, optimizers.clip_by_value),
    **_by_name("", search.annealing, search.genetic, search.restarts),
    **_by_name("initializers.", initializers.constant, initializers.normal, initializers.truncated_normal),
    **_by_name("initializers.", initializers.uniform, initializers.from_jax),
    **_by_name("schedules.", schedules.constant, schedules.step_decay, schedules.exponential, schedules.cosine),
    **_by_name("schedules.", schedules.warmup_cosine, schedules.piecewise),
    **_by_name("np.", np.float16, np.float32, np.float64, np.int8, np.int16, np.int32, np.int64),  # in fields
    **_by_name("np.", np.uint8, np.uint16, np.uint32, np.uint64),
}


class _TooLargeError(StorageError):
    """A text is beyond the limits."""


class _Names(NamedTuple):
    """The names that a text may use, and who reads it."""

    where: str
    values: dict[str, Any]
    calls: dict[str, Any]


def from_text(text: str, known: Iterable[Any] = (), *, where: str = "from_text") -> Any:
    """Return the configuration that prints as a text, such as "Sequential(Dense(10), relu)".

    The text consists of calls of known names with positional and keyword arguments, known names, numbers, strings,
    True, False, None, tuples and lists of these, and sums of penalties.

    Args:
        text: at most 100,000 characters.
        known: the caller's own classes, configurations and functions that return one, which funcnet does not know.
        where: the name of the public function, for errors.

    Raises:
        StorageError: the text is too long, holds something else, or a name that is not known; the error says which.
        ValueError: two things of ``known`` have one name, or one has a name of funcnet's.
        TypeError: ``known`` holds something else.

    >>> from_text("Sequential(Dense(3, inputs=4), tanh, Dropout(0.5))")
    Sequential(Dense(3, inputs=4), tanh, Dropout(0.5))
    >>> from_text("__import__('os').system('ls')")
    Traceback (most recent call last):
    funcnet.storage.safetensors_file.StorageError: from_text: expected names and calls of names, got a Call in the
        place of a name
    """
    return _built(_parsed(text, where), _names(known, where))


def to_text(value: Any, known: Iterable[Any] = (), *, where: str = "to_text") -> str:
    """Return the text that ``from_text`` reads as an equal value, with the value's own classes and ``known``.

    Raises ``TypeError`` where there is none, which names the part of the value that does not print as such a text, as a
    function does not, and ``StorageError`` for a text beyond the limits.

    >>> to_text(initializers.from_jax(lambda: initializers.zeros))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    TypeError: to_text: expected every part to print as the call that builds it, got
        <function <lambda> at ..., a function
    """
    known = [*known]
    _names(known, where)  # its errors are the caller's
    if not _is_rebuilt(value, known, where):
        part = _first_without_text(value, known)
        expected = "every part to print as the call that builds it"
        raise TypeError(message(where, expected, f"{_shortly(part)}, a {type(part).__name__}"))
    return repr(value)


def _is_rebuilt(value: Any, known: list[Any], where: str) -> bool:
    """Return whether a value's text builds an equal one."""
    try:
        return bool(from_text(repr(value), [*known, *_own_classes(value, known)], where=where) == value)
    except _TooLargeError:
        raise
    except (TypeError, ValueError):
        return False


def _first_without_text(value: Any, known: list[Any]) -> Any:
    """Return the innermost part of a value, itself one, that has no text."""
    if isinstance(value, Configuration):
        inner = [*value.__getstate__().values()]
    else:
        inner = [*value] if type(value) is tuple else []
    named = {id(part) for part in (*VALUES.values(), *known)}
    for part in inner:
        if id(part) not in named and not _is_rebuilt(part, known, ""):
            return _first_without_text(part, known)
    return value


def _own_classes(value: Any, known: list[Any]) -> list[Any]:
    """Return the classes of the parts of a value whose names are neither funcnet's nor known, in a fixed order."""
    names = _names(known, "to_text")
    own: dict[type, None] = {}
    for part in _parts(value):
        name = re.match(r"[^\W\d][\w.]*", repr(part))
        if name and not (name[0] in names.values or name[0] in names.calls):
            own[type(part)] = None
    return [*own]


def _parts(value: Any) -> Iterator[Any]:
    """Yield the configurations, named tuples and dataclasses in a value."""
    inner: Iterable[Any] = ()
    if isinstance(value, Configuration):
        inner = value.__getstate__().values()
    elif isinstance(value, tuple | list):
        inner = value
    elif is_dataclass(value) and not isinstance(value, type):
        inner = [getattr(value, field.name) for field in fields(value)]
    for part in inner:
        yield from _parts(part)
    if isinstance(value, Configuration) or (inner and type(value) not in (tuple, list)):
        yield value


def _names(known: Iterable[Any], where: str) -> _Names:
    """Return funcnet's names and those of ``known``."""
    values, calls = dict(VALUES), dict(CALLS)

    def add(table: dict[str, Any], name: str, each: Any) -> None:
        for present in (values, calls):
            if name in present and (present is not table or present[name] is not each):
                whose = "a name of funcnet's" if name in VALUES or name in CALLS else "the name of two"
                raise ValueError(message(where, "known to hold things of different names", f"{name}, {whose}"))
        table[name] = each

    for each in known:
        if isinstance(each, type) or (callable(each) and hasattr(each, "__name__")):
            add(calls, each.__name__, each)
            if isinstance(own := vars(each).get("name"), str) and own != each.__name__:
                add(calls, own, each)
        elif isinstance(each, Configuration):
            add(calls, type(each).__name__, type(each))
            if repr(each).isidentifier():
                add(values, repr(each), each)
        else:
            expected = "known to hold classes, configurations and functions"
            raise TypeError(message(where, expected, f"a {type(each).__name__}"))
    return _Names(where, values, calls)


def _parsed(text: Any, where: str) -> ast.expr:
    """Return the syntax tree of a text, whose size is in its limits."""
    if not isinstance(text, str):
        raise StorageError(message(where, "the text of a configuration", f"a {type(text).__name__}"))
    if len(text) > MOST_CHARACTERS:
        raise _TooLargeError(message(where, f"a text of at most {MOST_CHARACTERS:,} characters", f"{len(text):,}"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what Python warns of is no text that a configuration prints
            tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # the last is of Python's own limits
        got = f"{type(error).__name__}: {_shortly(str(error), text=True)}"
        raise StorageError(message(where, "the text of a configuration", got)) from None
    level: list[ast.AST] = [tree]
    count = 0
    for _ in range(MOST_DEPTH):
        count += len(level)
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if count > MOST_NODES:
            raise _TooLargeError(message(where, f"a text of at most {MOST_NODES:,} parts", "more"))
        if not level:
            return tree
    raise _TooLargeError(message(where, f"a text of at most {MOST_DEPTH} levels", "more"))


def _built(node: ast.AST, names: _Names) -> Any:
    """Return what a syntax tree stands for; its depth is limited."""
    if isinstance(node, ast.Constant) and type(node.value) in (bool, int, float, str, type(None)):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = _built(node.operand, names)
        if type(number) in (int, float):
            return -number
        raise StorageError(message(names.where, "a number after a minus", f"a {type(number).__name__}"))
    if isinstance(node, ast.Tuple | ast.List):
        parts = [_built(part, names) for part in node.elts]
        return parts if isinstance(node, ast.List) else tuple(parts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        terms = _built(node.left, names), _built(node.right, names)
        if all(isinstance(term, penalties.Penalty) for term in terms):
            return terms[0] + terms[1]
        raise StorageError(message(names.where, "a sum of penalties", f"{_shortly(terms[0])} + {_shortly(terms[1])}"))
    if isinstance(node, ast.Call):
        return _called(_dotted(node.func, names), node.args, node.keywords, names)
    name = _dotted(node, names)
    if name in names.values:
        return names.values[name]
    if isinstance(own := names.calls.get(name), type) and vars(own).get("name") == name and name not in CALLS:
        return _called(name, [], [], names)  # a class of the caller's, whose default prints as its name
    raise _unknown(name, names)


def _called(name: str, args: list[ast.expr], named: list[ast.keyword], names: _Names) -> Any:
    """Return what a call makes."""
    if name not in names.calls:
        raise _unknown(name, names)
    arguments = [_built(argument, names) for argument in args]
    keywords: dict[str, Any] = {}
    for keyword in named:
        if keyword.arg is None or keyword.arg in keywords:
            raise StorageError(message(names.where, "every argument once, by its name", f"{name} with others"))
        keywords[keyword.arg] = _built(keyword.value, names)
    try:
        return names.calls[name](*arguments, **keywords)
    except Exception as error:  # the arguments come from the file: whatever does not fit is an error of the file's
        got = f"{name}: {type(error).__name__}: {_shortly(str(error), text=True)}"
        raise StorageError(message(names.where, "a configuration that can be built", got)) from error


def _dotted(node: ast.AST, names: _Names) -> str:
    """Return a name, such as "relu" or "schedules.cosine"."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        got = f"a {type(node).__name__} in the place of a name"
        raise StorageError(message(names.where, "names and calls of names", got))
    return ".".join([node.id, *reversed(parts)])


def _unknown(name: str, names: _Names) -> StorageError:
    shown = _shortly(name, text=True)
    if name in names.values:
        return StorageError(message(names.where, f"{shown} by its name alone", "a call of it"))
    if name in names.calls:
        return StorageError(message(names.where, f"a call of {shown}", "its name alone"))
    remedy = f"a class or a value of your own is handed in, in Python, as known=[{shown.rpartition('.')[2]}]"
    return StorageError(message(names.where, "names that funcnet knows", f"{shown!r}: {remedy}"))


def _shortly(value: Any, *, text: bool = False) -> str:
    shown = value if text else repr(value)
    return shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]}…"
