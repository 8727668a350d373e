"""``Configuration``: an immutable, hashable value that prints as the call that builds it."""

from dataclasses import MISSING, dataclass, fields
from typing import ClassVar, dataclass_transform


@dataclass_transform(frozen_default=True)
class Configuration:
    """A value: immutable, hashable, equal when built alike, printed as the call that builds it.

    A subclass lists its fields as a dataclass does. So a network that is built anew compiles nothing anew.

    >>> class Scale(Configuration):
    ...     factor: float
    ...     axis: int = -1
    >>> Scale(2.0) == Scale(2.0), Scale(2.0), Scale(2.0, axis=0)
    (True, Scale(2.0), Scale(2.0, axis=0))
    """

    name: ClassVar[str]  # what a value without parameters prints as: the public name that holds it

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        dataclass(frozen=True, repr=False)(cls)

    def __repr__(self) -> str:
        callee = getattr(self, "name", type(self).__name__)
        required = [f for f in fields(self) if f.default is MISSING]  # type: ignore[arg-type]
        optional = [f for f in fields(self) if f.default is not MISSING]  # type: ignore[arg-type]
        arguments = [repr(getattr(self, f.name)) for f in required] + [
            f"{f.name}={getattr(self, f.name)!r}" for f in optional if getattr(self, f.name) != f.default
        ]
        is_constant = hasattr(self, "name") and not required and not optional
        return callee if is_constant else f"{callee}({', '.join(arguments)})"
