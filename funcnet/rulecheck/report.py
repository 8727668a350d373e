"""What a check of derivatives found: a value, whose text begins with the verdict and where to start."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape


class Verdict(StrEnum):
    """What is known of a derivative."""

    OK = "ok"
    MISMATCH = "MISMATCH"
    NOT_PROVED = "NOT PROVED"
    NOT_TRAINED = "not trained"  # running statistics: they have no gradient
    DECLARED = "declared"  # an intended difference, of a function or a rule
    NOT_CHECKED = "not checked"  # it could not be computed


# From the worst to the best: the worst finding is the verdict of all.
SEVERITY = (Verdict.MISMATCH, Verdict.NOT_PROVED, Verdict.NOT_CHECKED, Verdict.DECLARED, Verdict.OK)


class GradientError(AssertionError):
    """A derivative is wrong or not proved; the text is the report's."""


@dataclass(frozen=True)
class Finding:
    """What one check of one function's derivative in one argument found."""

    verdict: Verdict
    function: str  # such as "softplus (losses.py:12)"
    check: str  # such as "reverse mode", "forward mode", "second order", "float32"
    argument: str  # its name, "" where the check is of all arguments
    point: str = ""  # where it is not the given point, such as "at 0"
    reason: str = ""  # why it is not ok, in words
    index: tuple[int, ...] = ()  # the element with the largest error
    got: float | None = None  # at that element
    expected: float | None = None
    elements: int = 0  # compared

    @property
    def where(self) -> str:
        """The check, the argument and the point, in words."""
        argument = f" in {self.argument}" if self.argument else ""
        return f"{self.check}{argument}{' ' * bool(self.point)}{self.point}"


@dataclass(frozen=True)
class DerivativeReport:
    """What was checked, ``ok``, and as text the verdict, where to start, and the rest."""

    function: str  # its name, or the network
    findings: tuple[Finding, ...]
    checked: tuple[str, ...] = ()  # what was compared and how closely, in words
    not_exercised: tuple[str, ...] = ()  # what the arguments do not show, such as a branch that is not taken
    notes: tuple[str, ...] = ()  # what else is worth knowing, such as why there is no complex step

    @property
    def verdict(self) -> Verdict:
        """The worst of the findings' verdicts."""
        met = {finding.verdict for finding in self.findings}
        return next((each for each in SEVERITY[:3] if each in met), Verdict.OK if met else Verdict.NOT_CHECKED)

    @property
    def ok(self) -> bool:
        """Whether all derivatives are proved, or declared."""
        return self.verdict is Verdict.OK

    def of(self, verdict: Verdict) -> list[Finding]:
        """Return the findings of a verdict."""
        return [finding for finding in self.findings if finding.verdict is verdict]

    def require(self) -> None:
        """Raise ``GradientError`` with the report's text unless all derivatives are proved, or declared."""
        if not self.ok:
            raise GradientError(str(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.function}: {self.verdict}, findings={len(self.findings)})"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    def __str__(self) -> str:
        lines = [f"{self.verdict}: {self._headline()}", *self._start(), *self._details()]
        lines += [f"note: {each}" for each in self.notes]
        lines += [f"checked: {each}" for each in self.checked]
        lines += [f"not exercised: {each}" for each in self.not_exercised]
        return "\n".join(lines)

    def _start(self) -> list[str]:
        """Return the lines that say where to start, and fold what follows from it."""
        lines = self._of_wrong(self.of(Verdict.MISMATCH), "start here")
        return lines + self._of_wrong(self.of(Verdict.NOT_PROVED), "not proved" if lines else "start here")

    def _details(self) -> list[str]:
        """Return the lines on what was not checked, what is declared, and what is proved with a reservation."""
        lines: list[str] = []
        for verdict in (Verdict.NOT_CHECKED, Verdict.DECLARED):
            found = self.of(verdict)
            lines += [f"{verdict}: {each.function}, {each.where}: {each.reason}" for each in found]
        lines += [f"note: {each.where}: {each.reason}" for each in self.of(Verdict.OK) if each.reason]
        return list(dict.fromkeys(lines))

    def _headline(self) -> str:
        if wrong := self.of(Verdict.MISMATCH):
            return f"wrong: the derivative of {_listed([each.function for each in wrong])}"
        if unproved := self.of(Verdict.NOT_PROVED):
            return f"nothing is wrong, but not everything is proved of {_listed([each.function for each in unproved])}"
        if self.verdict is Verdict.NOT_CHECKED and self.of(Verdict.OK):
            unchecked = [each.function for each in self.of(Verdict.NOT_CHECKED)]
            return f"nothing is wrong, but not everything could be checked of {_listed(unchecked)}"
        if self.verdict is Verdict.NOT_CHECKED:
            return f"nothing could be checked of {self.function}"
        declared = _listed([each.function for each in self.of(Verdict.DECLARED)])
        return f"the derivatives of {self.function} are proved" + (f", or declared: {declared}" if declared else "")

    def _of_wrong(self, findings: Sequence[Finding], head: str) -> list[str]:
        """Return the lines on findings that are not ok: the first of each function in full, what follows folded."""
        lines: list[str] = []
        for function in dict.fromkeys(each.function for each in findings):
            first, *rest = (each for each in findings if each.function == function)
            lines.append(f"{head if not lines else 'and'}: {function}, {first.where}: {first.reason}")
            if first.got is not None and first.expected is not None:
                place = f" at {list(first.index)}" if first.index else ""
                got, expected = _told_apart(first.got, first.expected)
                known = f", where {expected} is correct" if first.expected == first.expected else ""
                lines.append(f"  it is {got}{place}{known or '; there is no numerical answer'}")
            follows = dict.fromkeys(each.where for each in rest)
            if follows:
                shown = "; ".join(list(follows)[:4]) + (f"; {len(follows) - 4} more" if len(follows) > 4 else "")
                lines.append(f"  also, which may follow from it: {shown}")
        return lines


def _told_apart(one: float, other: float) -> tuple[str, str]:
    """Return two numbers with 6 digits, or as many more as tell them apart.

    >>> _told_apart(2.0, 3.0), _told_apart(0.123456789, 0.123456788)
    (('2', '3'), ('0.123456789', '0.123456788'))
    """
    written = ((f"{one:.{digits}g}", f"{other:.{digits}g}") for digits in range(6, 18))
    return next((each for each in written if each[0] != each[1]), (f"{one:.6g}", f"{other:.6g}"))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(names))
