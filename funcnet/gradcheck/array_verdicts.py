"""The verdicts on a network's arrays, with as much measured of rounding as they need."""

from typing import Any

import jax
import numpy as np

from ..derivatives.numerical import richardson_gradient
from ..jaxprs import NoRuleError
from ..rulecheck.element_verdicts import LAST_BITS
from ..rulecheck.report import Verdict
from .answers import Answers, Problem, by_array
from .judgement import (
    ArrayGradients,
    Judgement,
    Reason,
    Rounding,
    Tolerances,
    judge,
    largest,
    without_comparison,
)
from .routes import Given, Measured, compiled_gradients, cost_of, gradients, input_rounding

TIE = "a tie is counted more or less than once: wrong where many elements are moved at once, though each is right alone"
TIE_SHARE = 1e-6  # of the sum of magnitudes, by which it has to be wrong there
LOW = "computed in float32 or less"  # as ``Shaken.cause`` says it


class Judging:
    """The judgements on all arrays: ``judged``, and how they came about.

    Args:
        problem: what is checked.
        answers: the three answers.
        tolerance: a user's, or None.
    """

    def __init__(self, problem: Problem, answers: Answers, tolerance: float | None) -> None:
        self.problem, self.answers, self.tolerance = problem, answers, tolerance
        self.found = by_array(problem, answers, answers.numerical)
        self.rounding = [Rounding()] * len(problem.arrays)
        self.notes: list[str] = []
        self.measured: Measured | None = None
        self.routes: list[str] = []
        judged = self._judge_all()
        if self._is_open(judged):
            self.rounding = self._from_inputs()
            judged = self._judge_all()
            if self._is_open(judged):
                self._measure()
                judged = self._with_causes(self._judge_all())
        self.judged = self._with_ties(self._with_wholes(without_comparison(self.found, judged)))

    @property
    def is_wrong(self) -> bool:
        """Whether a gradient is wrong."""
        return any(each.verdict is Verdict.MISMATCH for each in self.judged)

    def beside(self, place: int) -> float:
        """Return the smaller of the largest gradients in the nearest arrays on both sides that are not 0."""
        sizes = [
            0.0 if each.numerical is None else largest(each.numerical if each.automatic is None else each.automatic)
            for each in self.found
        ]
        return _beside(sizes, self.rounding, place)

    @staticmethod
    def _is_open(judged: list[Judgement]) -> bool:
        """Return whether more knowledge of rounding may change a verdict."""
        return any(each.reason not in (None, Reason.KINKS) for each in judged)

    def _judge_all(self, found: list[ArrayGradients] | None = None) -> list[Judgement]:
        """Return the judgement on each array."""
        judged = []
        for place, (each, moved) in enumerate(zip(found or self.found, self.rounding, strict=True)):
            tolerances = Tolerances(self.answers.by_differences, self.tolerance, self.beside(place))
            judged.append(judge(each, tolerances, moved))
        return judged

    def _from_inputs(self) -> list[Rounding]:
        """Return the rounding that follows from that of parameters and x."""
        objective, _, batch, key = self.problem.given
        found: list[Any] = []
        for route, known in (("hand", self.answers.hand), ("automatic", self.answers.automatic)):

            def run(params: Any, x: Any, route: str = route) -> list[np.ndarray]:
                given = objective, params, batch._replace(x=x), key
                return [*map(np.asarray, jax.tree.leaves(compiled_gradients(route, self.problem.code, given)[1]))]

            found.append([0.0] * len(self.problem.arrays) if known is None else input_rounding(run, self.problem.given))
        return [Rounding(*pair) for pair in zip(*found, strict=True)]

    def _measure(self) -> None:
        """Measure the rounding of every operation, and that of the cost where differences of it are taken."""
        routes = [name for name in ("hand", "automatic") if self._is_open_alone(name)] or ["hand"]

        def both(given: Given) -> list[Any]:
            return [leaf for route in routes for leaf in jax.tree.leaves(gradients(route, None, given)[1])]

        try:
            measured = Measured(tuple(routes), self.problem.code, self.problem.given, both)
            self.rounding = self._with_measured(measured.moves(), routes)
            self.measured, self.routes = measured, routes
            if self.answers.samples is not None:
                moved = Measured("cost", self.problem.code, self.problem.given, _cost_alone).moves()[0]
                again = richardson_gradient(self.answers.samples, float(moved))
                self.found = by_array(
                    self.problem, self.answers, again._replace(kinked=self.answers.numerical.kinked | again.kinked)
                )
        except NoRuleError as error:
            self.notes.append(f"no allowance for rounding: how the operation {error} rounds is not known")

    def _is_open_alone(self, route: str) -> bool:
        """Return whether more knowledge of rounding may change the verdict on the gradients by one route."""
        if (self.answers.hand if route == "hand" else self.answers.automatic) is None:
            return False
        other = "automatic" if route == "hand" else "hand"
        alone = [each._replace(**{other: None}) for each in self.found]
        return self._is_open(self._judge_all(alone))

    def _with_measured(self, moves: list[np.ndarray], routes: list[str]) -> list[Rounding]:
        """Return the rounding by array, with what is measured by the routes that there are."""
        count, result = len(self.problem.arrays), []
        for place, known in enumerate(self.rounding):
            measured = {route: moves[number * count + place] for number, route in enumerate(routes)}
            result.append(Rounding(*(np.fmax(getattr(known, name), measured.get(name, 0.0)) for name in known._fields)))
        return result

    def _with_causes(self, judged: list[Judgement]) -> list[Judgement]:
        """Return the judgements with the operation whose rounding hides the most, where nothing is proved."""
        return [self._with_cause(place, each) for place, each in enumerate(judged)]

    def _with_cause(self, place: int, judgement: Judgement) -> Judgement:
        """Return a judgement that names an operation, for float32 inside with this reason."""
        if judgement.verdict is not Verdict.NOT_PROVED or judgement.reason is Reason.KINKS or self.measured is None:
            return judgement
        results = [number * len(self.problem.arrays) + place for number in range(len(self.routes))]
        causes = [words for result in results if (words := self.measured.cause(result, judgement.place))]
        low = [words for words in causes if words.startswith(LOW)]
        cause = (low or causes or [""])[0].replace(LOW, "float32 inside")
        reason = Reason.LOW_PRECISION if low and judgement.reason is Reason.ROUNDING else judgement.reason
        return judgement._replace(reason=reason, cause=cause)

    def _with_wholes(self, judged: list[Judgement]) -> list[Judgement]:
        """Return the judgements with those of arrays that are wrong along random directions."""
        if self.problem.directions is None:
            return judged
        result = list(judged)
        for number, place in enumerate(self.problem.trained):
            if result[place].verdict is Verdict.OK:
                wrong = [
                    route
                    for route in ("hand", "automatic")
                    if getattr(self.found[place], route) is not None
                    and self._is_wrong_along(number, getattr(self.found[place], route), place)
                ]
                if wrong:
                    reason = {"hand": Reason.HAND, "automatic": Reason.AUTOMATIC}[wrong[0]]
                    reason = Reason.NUMERICAL if len(wrong) == 2 else reason
                    words = "its derivatives along random directions are others than the numerical ones"
                    result[place] = result[place]._replace(verdict=Verdict.MISMATCH, reason=reason, cause=words)
        return result

    def _is_wrong_along(self, number: int, tested: np.ndarray, place: int) -> bool:
        """Return whether a gradient in one array is wrong along a random direction of the array as a whole."""
        directions: Any = self.problem.directions
        numerical, moved = self.answers.numerical, np.maximum(*map(np.max, self.rounding[place]))
        for row, random in directions.of_array(number, tested.size):
            terms = random * tested.ravel()
            allowed = LAST_BITS * np.abs(terms).sum() + moved * np.sqrt(terms.size)
            allowed += 8 * float(numerical.error[row])
            if not abs(float(numerical.gradient[row]) - terms.sum()) <= allowed and not numerical.kinked[row]:
                return True
        return False

    def _with_ties(self, judged: list[Judgement]) -> list[Judgement]:
        """Return the judgements with those of arrays that are wrong where ties move as one."""
        if self.answers.together is None:
            return judged
        result = list(judged)
        for number, place in enumerate(self.problem.trained):
            each, found = judged[place], self.found[place]
            if each.kinks and (each.verdict is Verdict.OK or each.reason is Reason.KINKS):
                wrong = [
                    route
                    for route, tested in (("hand", found.hand), ("automatic", found.automatic))
                    if tested is not None and self._counts_ties_wrong(number, tested, found.kinked)
                ]
                if wrong:
                    reason = {"hand": Reason.HAND, "automatic": Reason.AUTOMATIC}[wrong[0]]
                    reason = Reason.NUMERICAL if len(wrong) == 2 else reason
                    result[place] = each._replace(verdict=Verdict.MISMATCH, reason=reason, cause=TIE)
        return result

    def _counts_ties_wrong(self, number: int, tested: np.ndarray, kinked: Any) -> bool:
        """Return whether a gradient in one array is wrong along a direction that moves no value off an edge.

        No convention matters there, so that every right gradient has the same derivative along it.
        """
        together: Any = self.answers.together
        for row, direction in together.directions.of_array(number, tested.size):
            terms = direction * tested.ravel()
            low, high = float(together.low[row]), float(together.high[row])
            apart = max(low - terms.sum(), terms.sum() - high)
            allowed = TIE_SHARE * np.abs(terms).sum() + 8 * (high - low) + LAST_BITS * np.abs(direction).max()
            if not together.crossed[row] and (direction * kinked.ravel()).any() and apart > allowed:
                return True
        return False


def _cost_alone(given: Given) -> list[Any]:
    """Return the cost in a list."""
    cost, leaves = cost_of(given, ())
    return [cost(*leaves)]


def _beside(sizes: list[float], rounding: list[Rounding], place: int) -> float:
    """Return the smaller of the largest gradients in the nearest arrays on both sides that are not 0 to rounding."""
    allowed = [max(float(np.max(part, initial=0.0)) for part in each) for each in rounding]
    known = [at for at, size in enumerate(sizes) if np.isfinite(size) and size > allowed[at] and at != place]
    near = [
        max((at for at in known if at < place), default=None),
        min((at for at in known if at > place), default=None),
    ]
    return min((sizes[at] for at in near if at is not None), default=0.0)
