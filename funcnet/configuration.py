"""``Configuration``: an immutable, hashable value that prints as the call that builds it. Documented fields."""

import inspect
import re
from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields, is_dataclass
from functools import cached_property
from numbers import Number
from typing import Any, ClassVar, NoReturn, TypeVar, dataclass_transform

import numpy as np

from .errors import message

T = TypeVar("T")


def document_fields(cls: type[T]) -> type[T]:
    """Give each field of a NamedTuple the text that "Attributes:" in the class's docstring has for it, for ``help``.

    >>> from typing import NamedTuple
    >>> class Pair(NamedTuple):
    ...     first: float
    ...     second: float
    >>> Pair.__doc__ = "Two numbers.\\n\\nAttributes:\\n    first: the smaller.\\n    second: the larger."
    >>> document_fields(Pair).second.__doc__
    'the larger.'
    """
    entries = inspect.cleandoc(cls.__doc__ or "").partition("Attributes:\n")[2]
    for name, text in re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)", entries, re.MULTILINE):
        getattr(cls, name).__doc__ = " ".join(text.split())
    return cls


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Configuration:
    """A value: immutable, hashable, equal exactly when built alike, printed as the call that builds it.

    A subclass lists its fields as a dataclass does. So a network that is built anew compiles nothing anew. Two values
    are alike if they have one class and the same attributes, of the same types: 1, 1.0 and True differ, and so do 0.0
    and −0.0.

    >>> class Scale(Configuration):
    ...     factor: float
    ...     axis: int = -1
    >>> Scale(2.0) == Scale(2.0), Scale(2.0) == Scale(2), Scale(2.0), Scale(2.0, axis=0)
    (True, False, Scale(2.0), Scale(2.0, axis=0))

    Raises ``TypeError`` at the definition of a class with an ``__init__`` of its own, or with an attribute that is
    neither annotated nor a method:

    >>> class Shift(Configuration):
    ...     amount = 1.0
    Traceback (most recent call last):
    TypeError: Shift: expected an annotation of amount, such as amount: float, which makes it a field, got none

    Its values must be hashable: ``hash`` raises ``TypeError`` for a field that is a list or an array.
    """

    name: ClassVar[str]  # the public name: of the value where the class has no fields, else of the class
    _sets_fields: ClassVar[bool] = False  # whether the class, or a base of it, has an __init__ that sets the fields

    def __init_subclass__(cls, *, init: bool = True) -> None:
        """Make the class a frozen dataclass; with ``init=False`` it, and each subclass, has its own ``__init__``."""
        super().__init_subclass__()
        cls._sets_fields = cls._sets_fields or not init
        _check_definition(cls)
        dataclass(frozen=True, eq=False, repr=False, init=not cls._sets_fields)(cls)
        del cls.__setattr__, cls.__delattr__  # the inherited ones say more
        _check_annotations(cls)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        where = type(self).__name__
        if name in {field.name for field in fields(self)}:  # type: ignore[arg-type]
            raise FrozenInstanceError(f"{where}: cannot assign to field {name!r}: build another {where}")
        hint = f"annotate it in the class, {name}: {type(value).__name__}, and pass its value to {where}(...)"
        raise FrozenInstanceError(f"{where}: cannot assign to {name!r}, which is not a field: {hint}")

    def __delattr__(self, name: str) -> NoReturn:
        raise FrozenInstanceError(f"{type(self).__name__}: cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return self is other or self._identity == other._identity

    def __hash__(self) -> int:
        return self._hash

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes, without those that are computed from others."""
        return {
            name: value
            for name, value in vars(self).items()
            if not isinstance(getattr(type(self), name, None), cached_property)
        }

    @cached_property
    def _identity(self) -> tuple[Any, ...]:
        """What distinguishes this value from others of its class."""
        identity = []
        for name, value in sorted(self.__getstate__().items()):
            try:
                identity.append((name, _exactly(value)))
            except TypeError as error:
                hint = "use numbers, strings, tuples and other values that are hashable"
                raise TypeError(f"{error}, the field {name} of {type(self).__name__}: {hint}") from None
        return tuple(identity)

    @cached_property
    def _hash(self) -> int:
        return hash((type(self), self._identity))

    def __repr__(self) -> str:
        if hasattr(self, "name") and not fields(self):  # type: ignore[arg-type]
            return self.name
        return f"{getattr(self, 'name', type(self).__name__)}({self.arguments()})"

    def arguments(self) -> str:
        """Return the arguments of the call that builds this value, as text; those left at their default are omitted."""
        required = [f for f in fields(self) if f.default is MISSING]  # type: ignore[arg-type]
        optional = [f for f in fields(self) if f.default is not MISSING]  # type: ignore[arg-type]
        arguments = [repr(getattr(self, f.name)) for f in required] + [
            f"{f.name}={getattr(self, f.name)!r}" for f in optional if not _alike(getattr(self, f.name), f.default)
        ]
        return ", ".join(arguments)


def name_or_call(value: Configuration) -> str:
    """Return a value's public name where all its fields are at their defaults, else the call that builds it.

    It is the ``__repr__`` of classes whose value with the defaults has a name of its own.
    """
    arguments = value.arguments()
    return value.name if hasattr(value, "name") and not arguments else f"{type(value).__name__}({arguments})"


def _exactly(value: Any) -> Any:
    """Return what is equal for two values only if they are alike; ``TypeError`` for one that is not hashable."""
    kind = type(value)
    if isinstance(value, Configuration):
        return value
    if isinstance(value, tuple | frozenset):
        parts = map(_exactly, value)
        return kind, (tuple(parts) if isinstance(value, tuple) else frozenset(parts))
    if isinstance(value, Number | np.generic) and not isinstance(value, int):
        return kind, repr(value)  # which tells −0.0 from 0.0, and is the same for every NaN
    if is_dataclass(value) and not isinstance(value, type) and value.__dataclass_params__.eq:  # type: ignore[attr-defined]
        hash(value)
        return kind, tuple(_exactly(getattr(value, field.name)) for field in fields(value))
    hash(value)
    return kind, value


def _alike(value: Any, other: Any) -> bool:
    try:
        return bool(_exactly(value) == _exactly(other))
    except TypeError:  # an array or a tracer
        return False


def _check_definition(cls: type[Configuration]) -> None:
    """Raise ``TypeError`` for a class that defines how its values are built or compared."""
    own = [name for name in ("__init__", "__slots__") if name in vars(cls) and not cls._sets_fields]
    own += [name for name in ("__new__", "__eq__", "__hash__", "__setattr__", "__getstate__")
            if getattr(cls, name) is not getattr(Configuration, name)]  # fmt: skip
    if own:
        expected = "annotated fields, such as k: float = 1.0, which make __init__, == and hash"
        raise TypeError(message(cls.__name__, expected, f"{own[0]} of its own"))


def _check_annotations(cls: type[Configuration]) -> None:
    """Raise ``TypeError`` for an attribute of the class that is neither annotated nor a method."""
    declared: dict[str, Any] = cls.__dataclass_fields__  # type: ignore[attr-defined]
    settings = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    for name, value in vars(cls).items():
        inherited = [getattr(base, "__dataclass_fields__", {}).get(name) for base in cls.__mro__[1:]]
        is_annotated = name in declared and (declared[name] not in inherited or name not in settings)
        is_method = hasattr(type(value), "__get__") or isinstance(value, type)
        is_own = name in Configuration.__annotations__ or name.startswith(("__", "_abc_"))
        if not (is_annotated or is_method or is_own):
            expected = f"an annotation of {name}, such as {name}: {type(value).__name__}, which makes it a field"
            raise TypeError(message(cls.__name__, expected, "none"))
