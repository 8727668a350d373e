"""The report on a network's gradients, which adds a table of its arrays to what every report says."""

from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from ..layer import Layer
from ..layers.chain import Chain
from ..rulecheck.report import DerivativeReport, Finding, Verdict
from .judgement import ADVICE, Reason, Suspect

MOST_NAMED = 4  # rows that follow from a mistake
PARTS = "parts"  # the check of each part of a backward pass alone


@dataclass(frozen=True)
class GradientRow:
    """How the three gradients in one parameter, or in the input, agree.

    The errors are the largest difference over the largest magnitude in the array, or over that of the arrays beside it
    where it is 0 to rounding; NaN where one of the two is not finite, or could not be computed. Running statistics, and
    parameters of frozen layers, have a row too, without gradients.
    """

    network: Layer = field(repr=False)
    keys: tuple[Any, ...] | None  # the place among the network's parameters, None for the input
    shape: tuple[int, ...]
    mistake: str  # the likely mistake behind a mismatch, or the operation that rounds, in words; "" where there is none
    verdict: Verdict
    reason: Reason | None  # why the verdict is not OK
    suspect: Suspect | None = field(repr=False, compare=False)  # the gradient that is wrong, where there is a mismatch
    size: float  # the largest magnitude of the gradient
    hand_automatic: float
    hand_numerical: float
    automatic_numerical: float
    place: tuple[int, ...]  # where the largest of these errors is
    kinks: int  # elements whose derivative is taken on the edge of a comparison
    hand: np.ndarray | None = field(repr=False, compare=False)  # None where it has another structure or shape
    automatic: np.ndarray | None = field(repr=False, compare=False)  # None where JAX cannot differentiate
    numerical: np.ndarray | None = field(repr=False, compare=False)  # None for running statistics
    kinked: np.ndarray | None = field(repr=False, compare=False)  # bool: the elements that are counted in ``kinks``

    @property
    def ok(self) -> bool:
        """Whether the gradients agree; running statistics have none, and are ok."""
        return self.verdict in (Verdict.OK, Verdict.NOT_TRAINED, Verdict.DECLARED)

    @property
    def layer(self) -> str:
        """The layer that the parameter belongs to, such as ``"Dense(10) (layer 2)"``; ``""`` for the input."""
        return "" if self.keys is None else layer_name(*owner_of(self.network, self.keys)[:2])

    @property
    def parameter(self) -> str:
        """The parameter's name in its layer, such as ``"weight"``; ``"x"`` for the input."""
        return "x" if self.keys is None else owner_of(self.network, self.keys)[2]

    @property
    def name(self) -> str:
        """The parameter and the layer that it belongs to."""
        return f"{self.parameter} of {self.layer}" if self.layer else f"the input {self.parameter}"

    @property
    def meaning(self) -> str:
        """What the verdict means, in words; ``""`` where the row is ok."""
        if self.reason is None:
            return ""
        words = f"{self.reason}: {self.mistake}" if self.mistake else str(self.reason)
        if advice := ADVICE.get(self.reason):
            words = f"{words}; {advice}"
        if self.verdict is Verdict.MISMATCH and self.kinks:
            elements = int(np.prod(self.shape))
            words += f" ({self.kinks} of its {elements} elements lie on a kink, where a derivative is a convention)"
        return words

    def errors(self) -> tuple[float | None, float | None, float | None]:
        """Return the three errors, None where one of the two gradients is missing."""
        return (
            None if self.hand is None or self.automatic is None else self.hand_automatic,
            None if self.hand is None or self.numerical is None else self.hand_numerical,
            None if self.automatic is None or self.numerical is None else self.automatic_numerical,
        )

    def finding(self) -> Finding:
        """Return what was found in this array, as every report holds it."""
        facts: dict[str, Any] = {}
        if self.suspect is not None:
            wrong, right, _ = self.suspect
            facts = {"got": float(wrong[self.place]), "expected": float(right[self.place])}
        function = self.layer or str(self.network)
        count = 0 if self.numerical is None else int(np.prod(self.shape))
        check = "by hand, automatic and numerical"
        return Finding(
            self.verdict, function, check, self.parameter, "", self.meaning or self.mistake, self.place, **facts,
            elements=count,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class GradientReport(DerivativeReport):
    """What ``check_gradients`` found: ``ok``, and as text a table with the reasons above it."""

    rows: tuple[GradientRow, ...]  # the parameters in the network's order, then the input
    method: str  # "complex step" or "Richardson"
    kinks: int  # values on the edge of a comparison; for Richardson, elements whose two sides differ
    cost: float
    tolerance: float  # of the errors with the numerical gradient

    @property
    def faults(self) -> tuple[str, ...]:
        """The parts of the backward pass that are wrong by themselves, in words."""
        return tuple(finding.reason for finding in self.findings if finding.check == PARTS)

    @property
    def worst(self) -> float:
        """The largest error of any two in any array; NaN where one is not finite."""
        errors = [error for row in self.rows for error in row.errors() if error is not None]
        return float(np.max(errors, initial=0.0))

    def __repr__(self) -> str:
        rows, worst = len(self.rows), f"{self.worst:.1e}"
        return f"GradientReport(ok={self.ok}, worst={worst}, method={self.method!r}, rows={rows})"

    def _details(self) -> list[str]:
        lines = [*self._table(), f"kinks met: {self.kinks}"]
        lines += [f"declared: {row.name}: {row.mistake}" for row in self.rows if row.verdict is Verdict.DECLARED]
        on_kinks = [row for row in self.rows if row.verdict is Verdict.OK and row.kinks]
        if on_kinks:
            named = ", ".join(f"{row.kinks} of {int(np.prod(row.shape))} elements of {row.name}" for row in on_kinks)
            lines.append(f"a convention at a kink, between the derivatives of its two sides: {named}")
        return lines

    def _headline(self) -> str:
        count = sum(row.numerical.size for row in self.rows if row.numerical is not None)
        ways = [each for each in ("hand", "automatic") if any(getattr(row, each) is not None for row in self.rows)]
        named = ", ".join("by hand" if each == "hand" else each for each in ways)
        of = f"{count} derivatives, {named}{' and ' * bool(ways)}numerical ({self.method})"
        if self.ok:
            return f"{of}, agree" + (
                " or are declared" if any(r.verdict is Verdict.DECLARED for r in self.rows) else ""
            )
        wrong = [row for row in self.rows if row.verdict is self.verdict]
        if self.verdict is Verdict.NOT_PROVED:
            return f"nothing is wrong in {of}, but {len(wrong)} of {len(self.rows)} arrays are not proved"
        if not wrong:
            agree = ", agree" if ways else ""
            return f"{of}{agree}, but a part of the backward pass is wrong"
        return f"{of}, DO NOT AGREE in {len(wrong)} of {len(self.rows)} arrays"

    def _start(self) -> list[str]:
        """Return the lines that say where to start, and fold what follows from it."""
        wrong = [row for row in self.rows if row.verdict in (Verdict.MISMATCH, Verdict.NOT_PROVED)]
        wrong.sort(key=lambda row: row.verdict is not Verdict.MISMATCH)
        if self.faults:
            lines, follow = [f"start here: {self.faults[0]}", *(f"and: {each}" for each in self.faults[1:])], wrong
        elif wrong:
            lines, follow = [f"start here: {wrong[0].name}: {wrong[0].meaning}"], wrong[1:]
        else:
            return []
        by_meaning: dict[str, list[str]] = {}
        for row in follow:
            words = row.meaning if row.verdict is Verdict.NOT_PROVED else str(row.reason)
            by_meaning.setdefault(words, []).append(row.name)
        for words, names in by_meaning.items():
            more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
            lines.append(f"  also, which may follow from it: {', '.join(names[:MOST_NAMED])}{more}: {words}")
        return lines

    def _table(self) -> list[str]:
        """Return the table's lines, with columns as wide as they need to be."""
        head = "layer parameter shape largest hand-automatic hand-numerical automatic-numerical worst-at kinks verdict"
        cells = [head.split()]
        for row in self.rows:
            size = "-" if row.numerical is None else f"{row.size:.1e}"
            errors = ["-" if error is None else f"{error:.1e}" for error in row.errors()]
            place = str(list(row.place))
            named = row.layer or "(input)", row.parameter, str(row.shape)
            cells.append([*named, size, *errors, place, str(row.kinks), row.verdict])
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
        return [line.rstrip() for line in lines]


def owner_of(network: Layer, keys: tuple[Any, ...]) -> tuple[Layer, tuple[int, ...], str]:
    """Return the layer that a leaf of a network's parameters belongs to, the layer's place, and the leaf's name."""
    layer = network
    path: list[int] = []
    while isinstance(layer, Chain):
        path.append(keys[len(path)].idx)
        layer = layer.layers[path[-1]]
    return layer, tuple(path), parameter_name(keys[len(path) :])


def layer_name(layer: object, path: tuple[int, ...]) -> str:
    """Return the name of a layer in messages.

    >>> layer_name("relu", (1,))
    'relu (layer 1)'
    """
    return f"{layer} (layer {'.'.join(map(str, path))})" if path else f"{layer}"


def parameter_name(keys: tuple[Any, ...]) -> str:
    """Return the name of a leaf of a layer's parameters: its fields and positions.

    >>> parameter_name((jax.tree_util.SequenceKey(0), jax.tree_util.GetAttrKey("weight")))
    '0.weight'
    """
    return jax.tree_util.keystr(keys, simple=True, separator=".") or "parameter"
