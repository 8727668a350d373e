"""A function to check, the points where, and what its checks share: derivatives, measured rounding, findings."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..derivatives.matrix import Derivatives, Numerical
from ..derivatives.rounding import Shaken
from ..jaxprs import is_rule, walk
from .report import Finding, Verdict

HAND = "the backward pass by hand"
NAMES = {"reverse": "reverse mode", "forward": "forward mode", "hand": HAND}


class Subject(NamedTuple):
    """A function to check, of arrays to a list of arrays."""

    name: str  # such as "softplus (losses.py:12)"
    function: Callable[..., list[jax.Array]]  # differentiated by JAX
    reference: Callable[..., list[jax.Array]]  # differentiated numerically
    names: tuple[str, ...]  # of its arrays
    backward: Callable[..., list[jax.Array]] | None  # a hand-written backward pass
    low: Callable[..., list[jax.Array]] | None  # what is run in the training dtype, None for the function itself


class Point(NamedTuple):
    """Where a function is checked."""

    leaves: list[np.ndarray]  # in float64
    words: str  # such as "at 0", "" where the arguments themselves are meant
    is_given: bool = False  # whether everything is checked here, not the first derivative alone
    is_special: bool = False  # of the check's own choosing: what rounding explains there is not told


class Examination:
    """The checks of a subject; they add to ``findings`` and to ``notes``."""

    def __init__(self, subject: Subject, leaves: list[np.ndarray]) -> None:
        self.subject = subject
        self.derivatives = Derivatives(subject.function, subject.reference, leaves, subject.backward)
        self.low = self.derivatives
        if subject.low is not None:
            self.low = Derivatives(subject.low, subject.low, leaves)
        self.shaken: dict[Any, Shaken] = {}
        self.method = ""
        self.restart()

    def restart(self) -> None:
        """Forget what is found; what is compiled stays."""
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self.routes: list[str] = []
        self.searched: list[Point] = []  # the points that the check looked for
        self.low_is_checked = False

    def add(self, verdict: Verdict, check: str, reason: str = "", **facts: Any) -> None:
        """Add a finding."""
        facts = {"argument": "", **facts}
        self.findings.append(Finding(verdict, self.subject.name, check, reason=reason, **facts))

    def has_rules(self) -> bool:
        """Return whether the function calls one with a rule of its own."""
        shapes = [jax.ShapeDtypeStruct(shape, np.float64) for shape in self.derivatives.shapes]
        return any(is_rule(equation) for equation, _ in walk(jax.make_jaxpr(self.subject.function)(*shapes)))

    def moves(self, name: str, *arguments: Any) -> np.ndarray:
        """Return how far rounding moves the result of a method of ``Derivatives``, element by element."""
        return self._shaken(name, arguments).moves(*jax.tree.leaves(arguments))[0]

    def cause(self, name: str, index: Any, *arguments: Any) -> str:
        """Return the operation that moves an element of a method's result the most."""
        return self._shaken(name, arguments).cause(*jax.tree.leaves(arguments), result=0, index=index)

    def _shaken(self, name: str, arguments: tuple[Any, ...]) -> Shaken:
        structure = jax.tree.structure(arguments)
        arrays = jax.tree.leaves(arguments)

        def flat(*arrays: Any) -> list[Any]:
            return jax.tree.leaves(getattr(owner, name)(*jax.tree.unflatten(structure, arrays)))

        key = name, str(jnp.result_type(arrays[0]))
        owner = self.low if jnp.finfo(key[1]).bits < 64 else self.derivatives
        if key not in self.shaken:
            self.shaken[key] = Shaken(flat, *arrays)
        return self.shaken[key]

    def numerical(self, leaves: list[np.ndarray], *, is_measured: bool = True) -> Numerical:
        """Return the numerical derivative; where it is by differences, with their measured or their least rounding."""
        numerical = self.derivatives.numerical(leaves)
        if numerical.why and is_measured:
            moved = self.moves("weighted_reference", leaves)
            numerical = self.derivatives.numerical(leaves, moved)
        self.method = numerical.method
        return numerical

    def output_moves(self, leaves: list[np.ndarray]) -> np.ndarray:
        """Return how far rounding moves each number of the function's results."""
        return as_numbers(self._shaken("value", (leaves,)).moves(*leaves))


def as_numbers(results: Any) -> np.ndarray:
    """Return arrays as one float64 vector."""
    return np.concatenate([np.asarray(each, np.float64).ravel() for each in results] or [np.zeros(0)])
