"""One run of ``check_gradients`` on checked data: what is computed, in which order, and the report."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ..rulecheck.element_verdicts import LAST_BITS
from ..rulecheck.likely_mistake import explain
from ..rulecheck.report import Finding, Verdict
from .answers import Answers, Problem, answers_to
from .array_verdicts import Judging
from .judgement import DIFFERENCES_TOLERANCE, Judgement, Reason
from .locating import broken_properties, check_names, located, with_declared
from .network_properties import first_not_finite, wrong_in_low_precision
from .network_report import PARTS, GradientReport, GradientRow
from .not_exercised import by_network, zero_slices
from .routes import Given, low_precision


class Settings(NamedTuple):
    """How a network is checked."""

    tolerance: float | None  # a user's
    dtype: Any  # the training dtype, None for float64 alone
    is_own: bool  # whether the data were given in that dtype
    expected: Mapping[str, Any]  # declared differences by the name of a layer or of the loss


def compare(given: Given, settings: Settings) -> GradientReport:
    """Return the report on what is given: the objective, the parameters, the data and the key, in float64."""
    problem = Problem(given)
    check_names(problem, settings.expected)
    answers = answers_to(problem)
    judging = Judging(problem, answers, settings.tolerance)
    judged, faults = judging.judged, list(answers.faults)
    if settings.expected:
        judged, mistakes = with_declared(judging, settings.expected)
        faults += mistakes
    faults = faults or located(problem, answers, judged)
    is_wrong = any(each.verdict is Verdict.MISMATCH for each in judged)
    faults += broken_properties(problem, is_right=not is_wrong and answers.hand is not None)
    rows = _rows(judging, judged)
    missed: list[str] = []
    if settings.dtype is not None and answers.hand is not None and not is_wrong:
        rows, more, missed = _in_training_dtype(judging, rows, settings)
        faults += more
    closeness = DIFFERENCES_TOLERANCE if answers.by_differences else LAST_BITS
    name = str(given[0].network)
    return GradientReport(
        name,
        (
            *(Finding(Verdict.MISMATCH, name, PARTS, "", reason=words) for words in faults),
            *(row.finding() for row in rows),
        ),
        tuple(_checked(problem, answers, settings, low=not is_wrong and answers.hand is not None and not missed)),
        tuple(dict.fromkeys([*missed, *_missed(problem, rows, int(answers.numerical.kinks))])),
        (*answers.notes, *judging.notes, *_proving_nothing(rows)),
        rows=tuple(rows),
        method="Richardson" if answers.by_differences else "complex step",
        kinks=int(answers.numerical.kinks),
        cost=float(answers.numerical.cost),
        tolerance=settings.tolerance or closeness,
    )


def _rows(judging: Judging, judged: list[Judgement]) -> list[GradientRow]:
    """Return the rows of the report."""
    objective, _, batch, _ = judging.problem.given
    rows = []
    arrays = zip(judging.problem.keys, judging.problem.arrays, judging.found, judged, strict=True)
    for keys, array, each, judgement in arrays:
        mistake = judgement.cause
        if judgement.suspect is not None:
            wrong, right, mask = judgement.suspect
            parameter = None if keys is None else array
            facts: dict[str, Any] = {"samples": len(batch.x), "parameter": parameter, "mask": mask}
            mistake = explain(wrong, right, 0.0, **facts, values=array)
        known = {name: getattr(each, name) for name in ("hand", "automatic", "numerical", "kinked")}
        shown = judgement._asdict()
        del shown["cause"]
        rows.append(GradientRow(objective.network, keys, array.shape, mistake, **shown, **known))
    return rows


def _in_training_dtype(
    judging: Judging, rows: list[GradientRow], settings: Settings
) -> tuple[list[GradientRow], list[str], list[str]]:
    """Return the rows with those wrong in the training dtype alone, the faults, and why nothing is compared."""
    problem, name = judging.problem, np.dtype(settings.dtype).name
    found, why = wrong_in_low_precision(problem.given, problem.code, settings.dtype, settings.is_own)
    if why:
        return rows, [], [why]
    result = list(rows)
    for place, mask, is_wrong, got, right in found:
        if place in problem.statistics or result[place].verdict is not Verdict.OK:
            continue
        if not is_wrong and abs(right) <= 64 * float(jnp.finfo(settings.dtype).eps) * judging.beside(place):
            continue  # it is 0 to the rounding of that dtype
        where = [int(each) for each in np.argwhere(mask)[0]]
        right_one = f"where {right:.4g} is correct ({mask.sum()} of {mask.size} elements)"
        words = f"in {name} it is {got:.4g} at {where}, {right_one}"
        verdict, reason = (Verdict.MISMATCH, Reason.TRAINING_DTYPE) if is_wrong else (Verdict.NOT_PROVED, Reason.LOST)
        result[place] = replace(result[place], verdict=verdict, reason=reason, mistake=words)
    broken = [found[at][3] for at in range(len(found)) if found[at][2]]
    part = "" if np.isfinite(broken).all() else first_not_finite(low_precision(problem.given, settings.dtype))
    wrong = [row.mistake for row in result if row.reason is Reason.TRAINING_DTYPE]
    return result, [f"{part}: not finite in {name}: {wrong[-1]}"] if part and wrong else [], []


def _checked(problem: Problem, answers: Answers, settings: Settings, *, low: bool) -> Iterator[str]:
    """Yield in words how closely gradients were compared."""
    words = "each element in float64 to 1e-14 of itself, or to its measured rounding"
    if answers.by_differences:
        words += "; with differences, to 1e-10 of the largest in its row and column or their own error"
    yield words
    if low and settings.dtype is not None:
        name = np.dtype(settings.dtype).name
        yield f"the gradients by hand in {name} against those in float64, within their measured rounding"
    if problem.directions is not None:
        total, few = sum(problem.arrays[place].size for place in problem.trained), problem.elements
        yield (
            f"numerically {few:,} of {total:,} elements, drawn at random, and {len(problem.directions.arrays)} random "
            "directions, 4 along each array; all elements by hand against automatic. A fault that both share and "
            "that is in a share s of n elements drawn escapes the sample with a probability of (1 − s)ⁿ; one whose "
            "norm is k times 1e-14 of the sum of an array's magnitudes escapes the directions with about 1/k⁴"
        )


def _missed(problem: Problem, rows: list[GradientRow], kinks: int) -> Iterator[str]:
    """Yield in words what the point does not show."""
    yield from by_network(problem.given, problem.program, problem.leaves, kinks)
    slices = [
        zero_slices(row.name, row.numerical if row.automatic is None else row.automatic)
        for row in rows
        if row.verdict is Verdict.OK and row.numerical is not None
    ]
    if found := [each for each in slices if each]:
        more = f"; {len(found) - 3} more" if len(found) > 3 else ""
        yield f"where the gradient is 0: {'; '.join(found[:3])}{more}"


def _proving_nothing(rows: list[GradientRow]) -> Iterator[str]:
    """Yield in words which gradients are 0 everywhere."""
    if zero := ", ".join(row.name for row in rows if row.verdict is Verdict.OK and not row.size):
        yield f"zero everywhere, so that nothing is proved: the gradient in {zero}"
