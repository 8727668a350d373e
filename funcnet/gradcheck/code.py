"""What decides which program a network makes: its methods, and all that they refer to, as a key for compiled programs.

In a notebook a class or a function is written anew under its old name, or a method of a class is replaced. A
configuration is equal to itself after that, so that the program that was compiled before would be found again.
"""

import functools
import hashlib
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from ..configuration import Configuration

# Their functions are not looked into: they change only if another one takes their place.
TRUSTED = sys.stdlib_module_names | {"builtins", "jax", "jaxlib", "numpy", "funcnet"}
OPAQUE = TRUSTED - {"argparse", "types"}  # whose objects count as themselves; a namespace by what it holds
MOST_PARTS = 20_000  # beyond which a program is compiled anew each time
VALUES = (int, float, complex, str, bytes, type(None), type(Ellipsis))


class Code:
    """The functions that some configurations use, found from their methods, and what these refer to, by identity.

    Two of them are equal where all is the same object; a list, a dictionary or an array counts by what it holds.

    >>> import funcnet as fn
    >>> class Gain(fn.Layer):
    ...     def backward(self, params, cache, dy):
    ...         return (), dy
    >>> before = Code(fn.Sequential(fn.Dense(3), Gain()))
    >>> before == Code(fn.Sequential(fn.Dense(3), Gain()))
    True
    >>> Gain.backward = lambda self, params, cache, dy: ((), 2 * dy)
    >>> before == Code(fn.Sequential(fn.Dense(3), Gain()))
    False
    """

    def __init__(self, *values: Any) -> None:
        self.parts: list[Any] = []
        self._seen: dict[int, Any] = {}  # kept alive, so that no identity is used twice
        pending = list(values)
        while pending:
            value = pending.pop()
            if len(self.parts) > MOST_PARTS:
                self.parts.append(object())  # which no other Code holds
                break
            if isinstance(value, VALUES):
                self.parts.append(value)
            elif id(value) not in self._seen:
                self._seen[id(value)] = value
                self.parts.append(value)
                pending.extend(self._within(value))
        self._seen.clear()
        self._hash = hash(tuple(map(_identity, self.parts)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Code):
            return NotImplemented
        return [*map(_identity, self.parts)] == [*map(_identity, other.parts)]

    def __hash__(self) -> int:
        return self._hash

    def _within(self, value: Any) -> Iterator[Any]:
        """Yield what a value refers to."""
        if isinstance(value, Configuration):
            self.parts[-1] = type(value)  # two that are built alike are equal
            yield type(value)
            yield from (each for each in value.__getstate__().values() if not isinstance(each, VALUES))
        elif isinstance(value, np.ndarray | bytearray):
            self.parts[-1] = f"{type(value)} {getattr(value, 'dtype', '')} {np.shape(value)} {_digest(bytes(value))}"
        elif isinstance(value, tuple | list | set | frozenset | dict):
            self.parts[-1] = f"{type(value)} of {len(value)}"  # what it holds now: it may be changed in place
            yield from (value.items() if isinstance(value, dict) else value)
        elif isinstance(value, type):
            if _package(value) not in TRUSTED - {"funcnet"}:
                for base in value.__mro__[:-1]:
                    found = ((name, _function_of(each)) for name, each in vars(base).items())
                    yield from (each for name, each in found if callable(each) or not name.startswith("__"))
        elif isinstance(value, FunctionType):
            yield value.__code__
            if _package(value) not in TRUSTED:
                yield from _referred(value)
        elif isinstance(value, MethodType):
            yield from (value.__func__, value.__self__)
        elif isinstance(value, functools.partial):
            yield from (value.func, *value.args, *value.keywords.values())
        elif not isinstance(value, ModuleType | CodeType) and callable(value):
            yield getattr(value, "__wrapped__", None)
            held = getattr(value, "__dict__", {})  # a rule of ``jax.custom_vjp`` among it
            yield from (each for name, each in held.items() if not name.startswith("__"))
        elif not isinstance(value, ModuleType | CodeType) and _package(type(value)) not in OPAQUE:
            self.parts[-1] = type(value)  # an object of the user's counts by what it holds
            yield type(value)
            yield from getattr(value, "__dict__", {}).items()
            yield from (getattr(value, name, None) for name in getattr(type(value), "__slots__", ()))


def _package(value: Any) -> str:
    """Return the name of the package that a class or a function is written in."""
    return str(value.__module__ or "").partition(".")[0]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _identity(part: Any) -> Any:
    return (type(part), repr(part)) if isinstance(part, VALUES) else id(part)


def _function_of(attribute: Any) -> Any:
    """Return the function behind an attribute of a class, the attribute itself where there is none."""
    for name in ("__func__", "fget", "func", "__wrapped__"):
        attribute = getattr(attribute, name, attribute)
    return attribute


def _referred(function: FunctionType) -> Iterator[Any]:
    """Yield the defaults of a function, the variables around it and the global names that it uses."""
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # it is not assigned yet
            continue
    names = set(_names(function.__code__))
    for name in sorted(names & function.__globals__.keys()):
        value = function.__globals__[name]
        if not isinstance(value, ModuleType):
            yield value
        elif value.__name__.partition(".")[0] not in TRUSTED:
            yield from (getattr(value, each) for each in sorted(names) if hasattr(value, each))


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names that a function's code uses, and the functions within it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
