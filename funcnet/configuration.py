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

    name: ClassVar[str]  # the public name: of the value where the class has no fields, else of the class

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        dataclass(frozen=True, repr=False)(cls)

    def __repr__(self) -> str:
        if hasattr(self, "name") and not fields(self):  # type: ignore[arg-type]
            return self.name
        return f"{getattr(self, 'name', type(self).__name__)}({self.arguments()})"

    def arguments(self) -> str:
        """Return the arguments of the call that builds this value, as text; those left at their default are omitted."""
        required = [f for f in fields(self) if f.default is MISSING]  # type: ignore[arg-type]
        optional = [f for f in fields(self) if f.default is not MISSING]  # type: ignore[arg-type]
        arguments = [repr(getattr(self, f.name)) for f in required] + [
            f"{f.name}={getattr(self, f.name)!r}" for f in optional if getattr(self, f.name) != f.default
        ]
        return ", ".join(arguments)
