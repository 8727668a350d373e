"""What a network's mistakes come from: the parts that are wrong alone, declared differences, and other properties."""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from ..errors import message
from ..rulecheck.report import Verdict
from .answers import Answers, Problem
from .array_verdicts import TIE, Judging
from .code import Code
from .judgement import ArrayGradients, Judgement, Reason, Rounding
from .linear_backward import not_linear
from .network_properties import other_outputs, rules_in, wrong_under_vmap
from .parts import PARTS_CORRECT, ByParts, by_parts, parts_of, wrong_parts, wrong_shapes

WHERE = "check_gradients"
MOST_RULES = 3  # that are named
NOT_FOUND = "each part is correct alone, numerically: look at how they are put together"


def check_names(problem: Problem, expected: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` for a declaration of what is not in the network."""
    if not expected:
        return
    parts, _ = parts_of(*problem.given)
    known = [str(problem.given[0].loss), *(name for part in parts for name in (part.name, str(part.layer)))]
    for name in expected:
        if name not in known:
            listed = ", ".join(dict.fromkeys(known))
            raise ValueError(message(WHERE, f"expected= to name a layer or the loss, one of {listed}", repr(name)))


def with_declared(judging: Judging, expected: Mapping[str, Any]) -> tuple[list[Judgement], list[str]]:
    """Return the judgements with those of declared differences, and the mistakes of the parts beside them.

    Raises ``ValueError`` for a declaration that is not needed.
    """
    problem = judging.problem
    parts, _ = parts_of(*problem.given)
    reference = by_parts(problem.given, problem.statistics, expected)
    if reference is None:
        raise ValueError(message(WHERE, "a network of at most 20,000 elements for expected=", "more"))
    for name in expected:
        aliases = {part.name for part in parts if name in (part.name, str(part.layer))} | {name}
        if not any(each.startswith(tuple(aliases)) for each in reference.needed):
            words = f"expected= to name what differs, and nothing of {name!r} does"
            raise ValueError(message(WHERE, words, repr(expected[name])))
    intended = ", ".join(
        f"{name}: {each if isinstance(each, str) else 'a function'}" for name, each in expected.items()
    )
    arrays = zip(judging.judged, judging.found, reference.arrays, judging.rounding, strict=True)
    by_differences = judging.answers.by_differences
    return [_declared(*each, by_differences, intended) for each in arrays], reference.mistakes


def _declared(
    judgement: Judgement, found: ArrayGradients, right: np.ndarray, rounding: Rounding, by_differences: bool, words: str
) -> Judgement:
    """Return a judgement as declared where the gradient by hand is that of the parts with what is declared."""
    if judgement.verdict not in (Verdict.MISMATCH, Verdict.NOT_PROVED) or found.hand is None:
        return judgement
    share = 1e-8 if by_differences else 1e-12
    if not (np.abs(found.hand - right) <= share * np.abs(right).max(initial=0.0) + np.max(rounding.hand)).all():
        return judgement
    return judgement._replace(verdict=Verdict.DECLARED, reason=Reason.DECLARED, suspect=None, cause=words)


def located(problem: Problem, answers: Answers, judged: list[Judgement]) -> list[str]:
    """Return in words which parts of the network are wrong by themselves."""
    wrong = [each for each in judged if each.verdict is Verdict.MISMATCH]
    # Element by element, a part that is right may follow another convention at a tie.
    if all(each.cause == TIE for each in wrong):
        return []
    reasons = {each.reason for each in wrong}
    if answers.automatic is not None and reasons == {Reason.HAND}:  # then JAX is trusted
        return wrong_shapes(*problem.given) or wrong_parts(problem.given, problem.code) or [PARTS_CORRECT]
    reference: ByParts | None = None
    if answers.hand is not None:
        reference = by_parts(problem.given, problem.statistics, {})
    mistakes = [] if reference is None else reference.mistakes
    rules = rules_in(problem.program)
    by_jax = Reason.AUTOMATIC in reasons or (Reason.NUMERICAL in reasons and answers.automatic is not None)
    if by_jax and rules:
        follows = "JAX takes another derivative than that of the function at "
        mistakes.append(follows + "; ".join(rules[:MOST_RULES]))
    return mistakes or [NOT_FOUND]


def broken_properties(problem: Problem, *, is_right: bool) -> Iterator[str]:
    """Yield in words where ``apply`` is another function, and what else a backward pass has to be that is right."""
    yield from other_outputs(problem.given)
    if not is_right:
        return
    names = [problem.name_of(place) for place in problem.trained]
    found = list(not_linear(problem.given, problem.code, problem.statistics, names))
    if found:
        where = next(_not_linear_parts(problem), f"{problem.given[0].network}.backward")
        yield f"{where} is {found[0]}"
    yield from wrong_under_vmap(problem.given, problem.program)


def _not_linear_parts(problem: Problem) -> Iterator[str]:
    """Yield the names of the layers whose ``backward`` alone is not linear, from the last to the first."""
    for part in reversed(parts_of(*problem.given)[0]):
        fixed = tuple(place for place, is_fixed in enumerate(jax.tree.leaves(part.statistics)) if is_fixed)
        names = [""] * (len(jax.tree.leaves(part.params)) + 1 - len(fixed))
        if any(not_linear(part.given(), Code(part.layer), fixed, names)):
            yield f"{part.name}.backward"
