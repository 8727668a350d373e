"""The report on a network's gradients: a value, whose text is a table."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class GradientRow:
    """How the three gradients in one parameter, or in the input, agree.

    The errors are the largest difference over the largest magnitude in the array; NaN where one of the two is not
    finite, or could not be had.
    """

    layer: str  # "Dense(10) (layer 2)", "" for the input
    parameter: str  # "weight", "x" for the input
    shape: tuple[int, ...]
    size: float  # the largest magnitude of the gradient
    hand_automatic: float
    hand_numerical: float
    automatic_numerical: float
    place: tuple[int, ...]  # where the largest of these errors is
    kinks: int  # elements whose derivative is taken on the edge of a comparison
    meaning: str  # what the mismatch means, "" where the three agree
    hand: np.ndarray | None = field(repr=False, compare=False)  # None where it has another structure or shape
    automatic: np.ndarray | None = field(repr=False, compare=False)  # None where JAX cannot differentiate
    numerical: np.ndarray = field(repr=False, compare=False)

    @property
    def ok(self) -> bool:
        """Whether the gradients agree."""
        return not self.meaning

    @property
    def verdict(self) -> str:
        """``"ok"``, ``"MISMATCH"``, or ``"NOT PROVED"`` where rounding alone explains what differs."""
        if self.ok:
            return "ok"
        return "NOT PROVED" if self.meaning.startswith("not proved") else "MISMATCH"

    @property
    def name(self) -> str:
        """The parameter and the layer that it belongs to."""
        return f"{self.parameter} of {self.layer}" if self.layer else f"the input {self.parameter}"


@dataclass(frozen=True)
class GradientReport:
    """What ``check_gradients`` found: ``ok``, and as text a table with the reasons below it."""

    rows: tuple[GradientRow, ...]  # the parameters in the network's order, then the input
    method: str  # "complex step" or "Richardson"
    kinks: int  # values on the edge of a comparison; for Richardson, elements whose two sides differ
    cost: float
    tolerance: float  # of the errors with the numerical gradient
    faults: tuple[str, ...]  # the parts of the backward pass that are wrong by themselves
    notes: tuple[str, ...]  # what else is worth knowing, such as why there is no complex step

    @property
    def ok(self) -> bool:
        """Whether all gradients agree."""
        return not self.faults and all(row.ok for row in self.rows)

    @property
    def worst(self) -> float:
        """The largest error of any two in any array; NaN where one is not finite."""
        errors = [
            error
            for row in self.rows
            for error, pair in (
                (row.hand_automatic, (row.hand, row.automatic)),
                (row.hand_numerical, (row.hand, row.numerical)),
                (row.automatic_numerical, (row.automatic, row.numerical)),
            )
            if not any(array is None for array in pair)
        ]
        return float(np.max(errors, initial=0.0))

    def __str__(self) -> str:
        elements = sum(int(np.prod(row.shape)) for row in self.rows)
        lines = [f"{elements} derivatives in float64: by hand, automatic and numerical ({self.method})", *self._table()]
        lines += [f"kinks met: {self.kinks}", *self.notes]
        wrong = [f"  {row.name}: {row.meaning}" for row in self.rows if not row.ok]
        lines += ["what the mismatches mean:", *wrong] if wrong else []
        lines += ["where they come from, each part checked alone:"] if self.faults else []
        lines += [f"  {fault}" for fault in self.faults]
        where = f"in {len(wrong)} of {len(self.rows)} arrays" if wrong else "as the parts above say"
        answer = "agree" if self.ok else f"DO NOT AGREE {where}"
        return "\n".join([*lines, f"the gradients {answer}"])

    def _table(self) -> list[str]:
        """Return the table's lines, with columns as wide as they need to be."""
        head = "layer parameter shape largest hand-automatic hand-numerical automatic-numerical worst-at kinks verdict"
        cells = [head.split()]
        for row in self.rows:
            pairs = [
                "-" if first is None or second is None else f"{error:.1e}"
                for error, first, second in (
                    (row.hand_automatic, row.hand, row.automatic),
                    (row.hand_numerical, row.hand, row.numerical),
                    (row.automatic_numerical, row.automatic, row.numerical),
                )
            ]
            layer = row.layer or "(input)"
            size, place = f"{row.size:.1e}", str(list(row.place))
            cells.append([layer, row.parameter, str(row.shape), size, *pairs, place, str(row.kinks), row.verdict])
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
        return [line.rstrip() for line in lines]
