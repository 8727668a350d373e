"""One run of ``check_gradients`` on checked data: what is computed, in which order, and what becomes of the answers."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..derivatives.numerical import (
    NumericalGradient,
    complex_step_gradient,
    richardson_gradient,
    sample,
    with_sides,
)
from ..errors import message
from ..jaxprs import NoRuleError
from .code import Code
from .judgement import (
    DIFFERENCES_TOLERANCE,
    LAST_BITS,
    NO_GRADIENTS,
    ArrayGradients,
    Judgement,
    Reason,
    Rounding,
    Tolerances,
    Verdict,
    judge,
    largest,
    without_comparison,
)
from .likely_mistake import explain
from .linearity import not_linear
from .network_properties import first_not_finite, other_outputs, rules_in, wrong_in_low_precision, wrong_under_vmap
from .network_report import PARTS, GradientReport, GradientRow, layer_name, owner_of
from .not_exercised import by_network, zero_slices
from .parts import ByParts, by_parts, parts_of, wrong_parts, wrong_shapes
from .report import Finding
from .routes import (
    Given,
    Measured,
    chosen_directions,
    compiled_gradients,
    compiled_numerically,
    compiled_on_a_sample,
    cost_of,
    gradients,
    input_rounding,
    low_precision,
)

WHERE = "check_gradients"
LOW = "computed in float32 or less"  # as ``Shaken.cause`` says it
MOST_RULES = 3  # that are named
PARTS_CORRECT = "each part is correct alone, as JAX differentiates it: look at how they are put together"
NOT_FOUND = "each part is correct alone, numerically: look at how they are put together"


class Comparing:
    """The comparison of all gradients of what is given.

    Args:
        given: the objective, the parameters, the data and the key, in float64.
        tolerance: a user's, or None.
        dtype: the training dtype, None for float64 alone.
        is_own: whether the data were given in that dtype.
        expected: declared differences by the name of a layer or of the loss.
    """

    def __init__(
        self, given: Given, tolerance: float | None, dtype: Any, is_own: bool, expected: Mapping[str, Any]
    ) -> None:
        self.given, self.tolerance, self.dtype, self.is_own, self.expected = given, tolerance, dtype, is_own, expected
        objective, params, batch, _ = given
        self.code = Code(objective.network, objective.loss, objective.penalty)
        fixed = objective.statistics(params, batch) if objective.network.keeps_statistics else ()
        self.statistics = tuple(place for place, is_fixed in enumerate(jax.tree.leaves(fixed)) if is_fixed)
        self.arrays = [*jax.tree.leaves(params), batch.x]
        self.trained = [place for place in range(len(self.arrays)) if place not in self.statistics]
        self.keys = [*(keys for keys, _ in jax.tree_util.tree_leaves_with_path(params)), None]
        self.notes: list[str] = []
        self.missed: list[str] = []
        self.checked: list[str] = []
        self.mistakes: list[str] = []
        self.method = "complex step"
        self.samples: Any = None
        self.measured: Measured | None = None
        self.routes: list[str] = []
        cost, leaves = cost_of(given, self.statistics)
        self.program = jax.make_jaxpr(cost)(*leaves)
        self.directions, self.elements = chosen_directions(self.program, leaves)

        self.check_names()

    def check_names(self) -> None:
        """Raise ``ValueError`` for a declaration of what is not in the network."""
        if not self.expected:
            return
        parts, _ = parts_of(*self.given)
        known = [str(self.given[0].loss), *(name for part in parts for name in (part.name, str(part.layer)))]
        for name in self.expected:
            if name not in known:
                listed = ", ".join(dict.fromkeys(known))
                raise ValueError(message(WHERE, f"expected= to name a layer or the loss, one of {listed}", repr(name)))

    # ---- the three answers

    def report(self) -> GradientReport:
        """Return the report."""
        numerical = self.numerical()
        cost = float(numerical.cost)
        if not np.isfinite(cost):
            loss = self.given[0].loss
            raise ValueError(message(WHERE, f"a finite cost: does the output suit {loss}?", cost))
        self.automatic, self.hand = self.by_jax(), self.by_hand()
        self.found = self.by_array(numerical)
        judged = self.judged(numerical)
        if self.expected:
            judged = self.with_declared(judged)
        self.locate(judged)
        self.check_properties(any(each.verdict is Verdict.MISMATCH for each in judged))
        rows = self.in_training_dtype(self.rows(judged))
        self.tell_what_was_missed(rows, int(numerical.kinks))
        by = "differences" if self.method == "Richardson" else "last bits"
        tolerance = self.tolerance or (DIFFERENCES_TOLERANCE if by == "differences" else LAST_BITS)
        name = str(self.given[0].network)
        faults = [Finding(Verdict.MISMATCH, name, PARTS, "", reason=words) for words in self.mistakes]
        return GradientReport(
            name,
            (*faults, *(row.finding() for row in rows)),
            tuple(self.checked),
            tuple(dict.fromkeys(self.missed)),
            tuple(self.notes),
            rows=tuple(rows),
            method=self.method,
            kinks=int(numerical.kinks),
            cost=cost,
            tolerance=tolerance,
        )

    def numerical(self) -> NumericalGradient:
        """Return the numerical gradient; note why there is no complex step."""
        compiled = compiled_numerically if self.directions is None else compiled_on_a_sample
        given = self.statistics, self.code, self.given, self.directions
        try:
            found = NumericalGradient(*map(np.asarray, compiled(complex_step_gradient, *given)))
        except NoRuleError as error:
            self.notes.append(f"no complex step: the operation {error} has no complex form")
            self.method = "Richardson"
            self.samples = compiled(sample, *given)
            return richardson_gradient(self.samples)
        if not found.kinked.any():
            return found
        return with_sides(found, partial(compiled, complex_step_gradient, *given))

    def by_jax(self) -> list[np.ndarray] | None:
        """Return the automatic gradient's arrays; None where JAX cannot differentiate the network, and note why."""
        try:
            _, found = compiled_gradients("automatic", self.code, self.given)
        except (ValueError, NotImplementedError) as error:  # as for a while loop; the forward pass itself has worked
            self.notes.append(f"no automatic gradient: {str(error).partition('. ')[0].splitlines()[0]}")
            return None
        return [*map(np.asarray, jax.tree.leaves(found))]

    def by_hand(self) -> list[np.ndarray] | None:
        """Return the hand-written gradient's arrays, or None and note which parts return another structure or shape."""
        _, params, batch, _ = self.given
        structure: Any
        try:
            found, structure = jax.tree.flatten(compiled_gradients("hand", self.code, self.given)[1])
        except Exception:  # a gradient of another shape may make the backward pass of the layers below fail
            if mistakes := wrong_shapes(*self.given):
                self.mistakes += mistakes
                return None
            raise
        expected, expected_structure = jax.tree.flatten((params, batch.x))
        forms, expected_forms = ([(each.shape, each.dtype) for each in arrays] for arrays in (found, expected))
        if structure == expected_structure and forms == expected_forms:
            return [*map(np.asarray, found)]
        self.mistakes += wrong_shapes(*self.given) or [PARTS_CORRECT]
        return None

    def by_array(self, numerical: NumericalGradient) -> list[ArrayGradients]:
        """Return the gradients in each array: the numerical one is a vector of all arrays but running statistics."""
        trained = [self.arrays[place] for place in self.trained]
        ends = np.cumsum([array.size for array in trained])
        vectors = []
        of_sample = slice(None) if self.directions is None else slice(0, self.elements)
        for each in (numerical.gradient, numerical.kinked, numerical.low, numerical.high, numerical.error):
            whole = np.asarray(each)[of_sample]
            if self.directions is not None:
                whole = np.zeros(ends[-1], whole.dtype)
                whole[self.directions.elements] = np.asarray(each)[of_sample]
            vectors.append(np.split(whole, ends[:-1]))
        compared: list[Any] = [None] * len(trained)
        if self.directions is not None:
            mask = np.zeros(ends[-1], bool)
            mask[self.directions.elements] = True
            compared = np.split(mask, ends[:-1])
        missing: list[None] = [None] * len(self.arrays)
        result = [NO_GRADIENTS] * len(self.arrays)
        for number, place in enumerate(self.trained):
            shape = self.arrays[place].shape
            numbers, kinked, low, high, error = (vector[number].reshape(shape) for vector in vectors)
            chosen = None if compared[number] is None else compared[number].reshape(shape)
            hand, automatic = (self.hand or missing)[place], (self.automatic or missing)[place]
            result[place] = ArrayGradients(hand, automatic, numbers, kinked, low, high, error, chosen)
        return result

    # ---- the verdicts

    def judged(self, numerical: NumericalGradient) -> list[Judgement]:
        """Return the judgements, with as much known of rounding as they need."""
        none = [Rounding()] * len(self.arrays)
        judged = self.judge_all(none)
        self.rounding = none
        if not self.is_open(judged):
            return self.with_wholes(without_comparison(self.found, judged), numerical)
        self.rounding = self.from_inputs()
        judged = self.judge_all(self.rounding)
        if self.is_open(judged):
            self.measure(numerical)
            judged = self.judge_all(self.rounding)
        return self.with_wholes(without_comparison(self.found, self.with_causes(judged)), numerical)

    @staticmethod
    def is_open(judged: list[Judgement]) -> bool:
        """Return whether more knowledge of rounding may change a verdict."""
        return any(each.reason not in (None, Reason.KINKS) for each in judged)

    def judge_all(self, rounding: list[Rounding], found: list[ArrayGradients] | None = None) -> list[Judgement]:
        """Return the judgement on each array."""
        found = self.found if found is None else found
        sizes = [
            0.0 if each.numerical is None else largest(each.numerical if each.automatic is None else each.automatic)
            for each in self.found
        ]
        judged = []
        for place, (each, moved) in enumerate(zip(found, rounding, strict=True)):
            tolerances = Tolerances(self.method == "Richardson", self.tolerance, _beside(sizes, rounding, place))
            judged.append(judge(each, tolerances, moved))
        return judged

    def from_inputs(self) -> list[Rounding]:
        """Return the rounding that follows from that of parameters and x."""
        objective, _, batch, key = self.given
        found: list[Any] = []
        for route, known in (("hand", self.hand), ("automatic", self.automatic)):

            def run(params: Any, x: Any, route: str = route) -> list[np.ndarray]:
                given = objective, params, batch._replace(x=x), key
                return [*map(np.asarray, jax.tree.leaves(compiled_gradients(route, self.code, given)[1]))]

            found.append([0.0] * len(self.arrays) if known is None else input_rounding(run, self.given))
        return [Rounding(*pair) for pair in zip(*found, strict=True)]

    def measure(self, numerical: NumericalGradient) -> None:
        """Measure the rounding of every operation, and that of the cost where differences of it are taken."""
        routes = [name for name in ("hand", "automatic") if self.is_open_alone(name)] or ["hand"]

        def both(given: Given) -> list[Any]:
            return [leaf for route in routes for leaf in jax.tree.leaves(gradients(route, None, given)[1])]

        try:
            measured = Measured(tuple(routes), self.code, self.given, both)
            self.rounding = self.with_measured(measured.moves(), routes)
            self.measured, self.routes = measured, routes
            if self.samples is not None:
                moved = Measured("cost", self.code, self.given, self.cost_alone).moves()[0]
                again = richardson_gradient(self.samples, float(moved))
                self.found = self.by_array(again._replace(kinked=numerical.kinked | again.kinked))
        except NoRuleError as error:
            self.notes.append(f"no allowance for rounding: how the operation {error} rounds is not known")

    def is_open_alone(self, route: str) -> bool:
        """Return whether more knowledge of rounding may change the verdict on the gradients by one route."""
        if (self.hand if route == "hand" else self.automatic) is None:
            return False
        other = "automatic" if route == "hand" else "hand"
        alone = [each._replace(**{other: None}) for each in self.found]
        return self.is_open(self.judge_all(self.rounding, alone))

    def with_measured(self, moves: list[np.ndarray], routes: list[str]) -> list[Rounding]:
        """Return the rounding by array, with what is measured by the routes that there are."""
        count, result = len(self.arrays), []
        for place, known in enumerate(self.rounding):
            measured = {route: moves[number * count + place] for number, route in enumerate(routes)}
            result.append(Rounding(*(np.fmax(getattr(known, name), measured.get(name, 0.0)) for name in known._fields)))
        return result

    @staticmethod
    def cost_alone(given: Given) -> list[Any]:
        """Return the cost in a list."""
        cost, leaves = cost_of(given, ())
        return [cost(*leaves)]

    def with_causes(self, judged: list[Judgement]) -> list[Judgement]:
        """Return the judgements with the operation whose rounding hides the most, where nothing is proved."""
        return [self.with_cause(place, each) for place, each in enumerate(judged)]

    def with_cause(self, place: int, judgement: Judgement) -> Judgement:
        """Return a judgement that names an operation, for float32 inside with this reason."""
        if judgement.verdict is not Verdict.NOT_PROVED or judgement.reason is Reason.KINKS or self.measured is None:
            return judgement
        results = [number * len(self.arrays) + place for number in range(len(self.routes))]
        causes = [words for result in results if (words := self.measured.cause(result, judgement.place))]
        low = [words for words in causes if words.startswith(LOW)]
        cause = (low or causes or [""])[0].replace(LOW, "float32 inside")
        reason = Reason.LOW_PRECISION if low and judgement.reason is Reason.ROUNDING else judgement.reason
        return judgement._replace(reason=reason, cause=cause)

    def with_wholes(self, judged: list[Judgement], numerical: NumericalGradient) -> list[Judgement]:
        """Return the judgements with those of arrays that are wrong along random directions."""
        if self.directions is None:
            return judged
        result = list(judged)
        for number, place in enumerate(self.trained):
            if result[place].verdict is Verdict.OK:
                wrong = [
                    route
                    for route in ("hand", "automatic")
                    if getattr(self.found[place], route) is not None
                    and self.is_wrong_along(number, getattr(self.found[place], route), place, numerical)
                ]
                if wrong:
                    reason = {"hand": Reason.HAND, "automatic": Reason.AUTOMATIC}[wrong[0]]
                    reason = Reason.NUMERICAL if len(wrong) == 2 else reason
                    words = "its derivatives along random directions are others than the numerical ones"
                    result[place] = result[place]._replace(verdict=Verdict.MISMATCH, reason=reason, cause=words)
        return result

    def is_wrong_along(self, number: int, tested: np.ndarray, place: int, numerical: NumericalGradient) -> bool:
        """Return whether a gradient in one array is wrong along a random direction of the array as a whole."""
        directions: Any = self.directions
        moved = np.maximum(*map(np.max, self.rounding[place]))
        for row, random in directions.of_array(number, tested.size):
            terms = random * tested.ravel()
            allowed = LAST_BITS * np.abs(terms).sum() + moved * np.sqrt(terms.size)
            allowed += 8 * float(numerical.error[row])
            if not abs(float(numerical.gradient[row]) - terms.sum()) <= allowed and not numerical.kinked[row]:
                return True
        return False

    # ---- declared differences

    def with_declared(self, judged: list[Judgement]) -> list[Judgement]:
        """Return the judgements with those of declared differences; an error for a declaration that is not needed."""
        parts, _ = parts_of(*self.given)
        reference = by_parts(self.given, self.statistics, self.expected)
        if reference is None:
            raise ValueError(message(WHERE, "a network of at most 20,000 elements for expected=", "more"))
        for name in self.expected:
            aliases = {part.name for part in parts if name in (part.name, str(part.layer))} | {name}
            if not any(each.startswith(tuple(aliases)) for each in reference.needed):
                expected = f"expected= to name what differs, and nothing of {name!r} does"
                raise ValueError(message(WHERE, expected, repr(self.expected[name])))
        self.mistakes += reference.mistakes
        return [self.declared(place, each, reference) for place, each in enumerate(judged)]

    def declared(self, place: int, judgement: Judgement, reference: ByParts) -> Judgement:
        """Return a judgement as declared where the gradient by hand is that of the parts with what is declared."""
        found, right = self.found[place], reference.arrays[place]
        if judgement.verdict not in (Verdict.MISMATCH, Verdict.NOT_PROVED) or found.hand is None:
            return judgement
        allowed = 1e-12 * np.abs(right).max(initial=0.0) + np.max(self.rounding[place].hand)
        if self.method == "Richardson":
            allowed = max(allowed, 1e-8 * np.abs(right).max(initial=0.0))
        if not (np.abs(found.hand - right) <= allowed).all():
            return judgement
        words = ", ".join(
            f"{name}: {each if isinstance(each, str) else 'a function'}" for name, each in self.expected.items()
        )
        return judgement._replace(verdict=Verdict.DECLARED, reason=Reason.DECLARED, suspect=None, cause=words)

    # ---- where mistakes come from

    def locate(self, judged: list[Judgement]) -> None:
        """Note which parts of the network are wrong by themselves."""
        if self.mistakes or not any(each.verdict is Verdict.MISMATCH for each in judged):
            return
        reasons = {each.reason for each in judged if each.verdict is Verdict.MISMATCH}
        trusted = self.automatic is not None and reasons == {Reason.HAND}
        if trusted:
            self.mistakes += wrong_shapes(*self.given) or wrong_parts(self.given, self.code) or [PARTS_CORRECT]
            return
        if self.hand is not None:
            reference = by_parts(self.given, self.statistics, {})
            self.mistakes += [] if reference is None else reference.mistakes
        rules = rules_in(self.program)
        by_jax = Reason.AUTOMATIC in reasons or (Reason.NUMERICAL in reasons and self.automatic is not None)
        if by_jax and rules:
            follows = "JAX takes another derivative than that of the function at "
            self.mistakes.append(follows + "; ".join(rules[:MOST_RULES]))
        if not self.mistakes:
            self.mistakes.append(NOT_FOUND)

    def check_properties(self, is_wrong: bool) -> None:
        """Note where ``apply`` is another function, and what else a backward pass has to be that is right here."""
        self.mistakes += other_outputs(self.given)
        if is_wrong or self.hand is None:
            return
        names = [self.name_of(place) for place in self.trained]
        found = list(not_linear(self.given, self.code, self.statistics, names))
        if found:
            where = next(self.not_linear_parts(), f"{self.given[0].network}.backward")
            self.mistakes.append(f"{where} is {found[0]}")
        self.mistakes += wrong_under_vmap(self.given, self.program)

    def not_linear_parts(self) -> Iterator[str]:
        """Yield the names of the layers whose ``backward`` alone is not linear, from the last to the first."""
        for part in reversed(parts_of(*self.given)[0]):
            fixed = tuple(place for place, is_fixed in enumerate(jax.tree.leaves(part.statistics)) if is_fixed)
            names = [""] * (len(jax.tree.leaves(part.params)) + 1 - len(fixed))
            if any(not_linear(part.given(), Code(part.layer), fixed, names)):
                yield f"{part.name}.backward"

    # ---- the report's parts

    def name_of(self, place: int) -> str:
        """Return the name of an array: the parameter and its layer."""
        if (keys := self.keys[place]) is None:
            return "the input x"
        layer, path, name = owner_of(self.given[0].network, keys)
        return f"{name} of {layer_name(layer, path)}"

    def rows(self, judged: list[Judgement]) -> list[GradientRow]:
        """Return the rows of the report."""
        objective, _, batch, _ = self.given
        rows = []
        for keys, array, each, judgement in zip(self.keys, self.arrays, self.found, judged, strict=True):
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

    def in_training_dtype(self, rows: list[GradientRow]) -> list[GradientRow]:
        """Return the rows with those that are wrong in the training dtype alone."""
        if self.dtype is None or self.hand is None or any(row.verdict is Verdict.MISMATCH for row in rows):
            return rows
        found, why = wrong_in_low_precision(self.given, self.code, self.dtype, self.is_own)
        if why:
            self.missed.append(why)
            return rows
        name = np.dtype(self.dtype).name
        self.checked.append(f"the gradients by hand in {name} against those in float64, within their measured rounding")
        result = list(rows)
        for place, mask, is_wrong, got, right in found:
            if place in self.statistics or result[place].verdict is not Verdict.OK:
                continue
            sizes = [0.0 if each.numerical is None else largest(each.numerical) for each in self.found]
            near = _beside(sizes, self.rounding, place)
            if not is_wrong and abs(right) <= 64 * float(jnp.finfo(self.dtype).eps) * near:
                continue  # it is 0 to the rounding of that dtype
            where = [int(each) for each in np.argwhere(mask)[0]]
            right_one = f"where {right:.4g} is correct ({mask.sum()} of {mask.size} elements)"
            words = f"in {name} it is {got:.4g} at {where}, {right_one}"
            verdict, reason = (
                (Verdict.MISMATCH, Reason.TRAINING_DTYPE) if is_wrong else (Verdict.NOT_PROVED, Reason.LOST)
            )
            result[place] = replace(result[place], verdict=verdict, reason=reason, mistake=words)
        wrong = [row for row in result if row.reason is Reason.TRAINING_DTYPE]
        is_finite = not any("nan" in row.mistake or "inf" in row.mistake for row in wrong)
        if not is_finite and (part := first_not_finite(low_precision(self.given, self.dtype))):
            self.mistakes.append(f"{part}: not finite in {name}: {wrong[-1].mistake}")
        return result

    def tell_what_was_missed(self, rows: list[GradientRow], kinks: int) -> None:
        """Note how closely gradients were compared, and what the point does not show."""
        self.checked.insert(0, "each element in float64 to 1e-14 of itself, or to its measured rounding")
        if self.method == "Richardson":
            self.checked[0] += "; with differences, to 1e-10 of the largest in its row and column or their own error"
        if self.directions is not None:
            total, few = sum(self.arrays[place].size for place in self.trained), self.elements
            self.checked.append(
                f"numerically {few:,} of {total:,} elements, drawn at random, and {len(self.directions.arrays)} random "
                "directions, 4 along each array; all elements by hand against automatic. A fault that both share and "
                "that is in a share s of n elements drawn escapes the sample with a probability of (1 − s)ⁿ; one whose "
                "norm is k times 1e-14 of the sum of an array's magnitudes escapes the directions with about 1/k⁴"
            )
        _, leaves = cost_of(self.given, self.statistics)
        self.missed += by_network(self.given, self.program, leaves, kinks)
        slices = [
            zero_slices(row.name, row.numerical if row.automatic is None else row.automatic)
            for row in rows
            if row.verdict is Verdict.OK and row.numerical is not None
        ]
        if found := [each for each in slices if each]:
            more = f"; {len(found) - 3} more" if len(found) > 3 else ""
            self.missed.append(f"where the gradient is 0: {'; '.join(found[:3])}{more}")
        if zero := ", ".join(row.name for row in rows if row.verdict is Verdict.OK and not row.size):
            self.notes.append(f"zero everywhere, so that nothing is proved: the gradient in {zero}")


def _beside(sizes: list[float], rounding: list[Rounding], place: int) -> float:
    """Return the smaller of the largest gradients in the nearest arrays on both sides that are not 0 to rounding."""
    allowed = [max(float(np.max(part, initial=0.0)) for part in each) for each in rounding]
    known = [at for at, size in enumerate(sizes) if np.isfinite(size) and size > allowed[at] and at != place]
    near = [
        max((at for at in known if at < place), default=None),
        min((at for at in known if at > place), default=None),
    ]
    return min((sizes[at] for at in near if at is not None), default=0.0)
