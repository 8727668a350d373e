"""The check of one function's derivative, which ``check_function`` and ``check_rules`` share."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..jaxprs import NoRuleError
from .derivatives import LEVELS, Derivatives, Numerical, random_numbers
from .element_verdicts import (
    DIFFERENCES_SHARE,
    LAST_BITS,
    LOST_SHARE,
    VANISHING,
    ElementVerdicts,
    describe,
    judge_elements,
    judge_low,
)
from .elements import ROUNDING_FACTOR, Shaken
from .findings import Finding
from .judgement import Verdict
from .likely_mistake import explain
from .numerical import limits

HAND = "the backward pass by hand"
NAMES = {"reverse": "reverse mode", "forward": "forward mode", "hand": HAND}
HUGE = 2.0**60  # a cotangent's factor, a power of two


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
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self.routes: list[str] = []
        self.shaken: dict[Any, Shaken] = {}
        self.method = ""
        self.low_is_checked = False

    def add(self, verdict: Verdict, check: str, reason: str = "", **facts: Any) -> None:
        """Add a finding."""
        facts = {"argument": "", **facts}
        self.findings.append(Finding(verdict, self.subject.name, check, reason=reason, **facts))

    # ---- rounding

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

    # ---- first order

    def first_order(self, point: Point) -> None:
        """Compare the derivative by every route with the numerical one."""
        derivatives = self.derivatives
        with np.errstate(invalid="ignore", over="ignore"):
            value = as_numbers(derivatives.run("value", point.leaves))
            if not np.isfinite(value).all():
                if point.is_given:
                    self.add(Verdict.NOT_CHECKED, "the function", "its value is not finite at the given arguments")
                elif not np.isnan(value).any():
                    self.zero_cotangent(point)
                return
            numerical = self.numerical(point)
            for route in ("hand", "reverse", "forward"):
                if route == "forward" and not point.is_given and "reverse" in self.routes:
                    continue
                self._route(route, point, numerical)

    def zero_cotangent(self, point: Point) -> None:
        """Note where a backward pass makes NaN of a cotangent of 0: behind a mask it spoils all gradients."""
        for route in self.routes:
            if route != "forward" and any(np.isinf(leaf).any() for leaf in point.leaves):
                zero, _ = self.derivatives.run(route, point.leaves, 0 * self.derivatives.cotangents)
                if np.isnan(zero).any():
                    words = "NaN for a cotangent of 0, which spoils gradients behind a mask"
                    self.add(Verdict.OK, NAMES[route], words, point=point.words)

    def numerical(self, point: Point) -> Numerical:
        """Return the numerical derivative, with the rounding of differences where they are needed."""
        numerical = self.derivatives.numerical(point.leaves)
        if numerical.why:
            moved = self.moves("weighted_reference", point.leaves)
            numerical = self.derivatives.numerical(point.leaves, moved)
        self.method = numerical.method
        return numerical

    def _route(self, route: str, point: Point, numerical: Numerical) -> None:
        derivatives = self.derivatives
        if route == "hand" and self.subject.backward is None:
            return
        if not point.is_given and route not in self.routes:
            return
        try:
            tested, results = derivatives.run(route, point.leaves, derivatives.cotangents)
        except Exception as error:  # of any kind: the rule is the user's code
            self.failed(route, error)
            return
        if route not in self.routes:
            self.routes.append(route)
        if results:
            self.output(route, point, as_numbers(results))
        if route == "forward":
            numerical = numerical._replace(
                **{
                    name: getattr(numerical, name)[derivatives.forward_rows]
                    for name in ("matrix", "error", "low", "high")
                }
            )
        judged = judge_elements(tested, numerical)
        if judged.any():
            arguments = point.leaves, derivatives.cotangents
            moved = self.moves(route, *arguments)
            judged = judge_elements(tested, numerical, moved)
            if judged.wrong.any() and not numerical.why:
                own = self.moves("complex_steps_here", point.leaves)
                moved = moved + (own[derivatives.forward_rows] if route == "forward" else own)
                judged = judge_elements(tested, numerical, moved)
            if judged.wrong.any() and not point.is_given and not numerical.why:
                judged = self._confirmed(judged, tested, point, route)
        if point.is_special:  # an infinite derivative times 0 is NaN in the elements beside it
            known = judged.compared.all(axis=1, keepdims=True)
            judged = judged._replace(wrong=judged.wrong & known)
        self.report(NAMES[route], route, judged, tested, numerical.matrix, point)

    def _confirmed(self, judged: ElementVerdicts, tested: np.ndarray, point: Point, route: str) -> ElementVerdicts:
        """Return the verdicts with those elements wrong only that differences find wrong too.

        At extreme arguments a complex step may underflow or overflow. Where differences do not work either, as at
        infinity, NaN alone is wrong.
        """
        rows = self.derivatives.forward_rows if route == "forward" else slice(None)
        other = self.derivatives.by_differences(point.leaves, None, "")
        again = judge_elements(tested, other._replace(**{
            name: getattr(other, name)[rows] for name in ("matrix", "error", "low", "high")
        }))  # fmt: skip
        sure = np.where(again.compared & np.isfinite(other.error[rows]), again.wrong, np.isnan(tested))
        return judged._replace(wrong=judged.wrong & sure)

    def failed(self, route: str, error: Exception) -> None:
        """Note that a route is not available, or report what its rule raised."""
        text = " ".join(str(error).split())
        first = f"{type(error).__name__}: {text[:200]}"
        custom = any(word in text for word in ("ustom VJP", "ustom JVP", "custom_vjp", "custom_jvp", "JVP rule"))
        unavailable = isinstance(error, NotImplementedError | NoRuleError) or (
            "forward-mode" in text or "Reverse-mode" in text or "everse-mode" in text or "Linearization failed" in text
        )
        if route == "hand" or (custom and not unavailable):
            self.add(Verdict.MISMATCH, NAMES[route], f"it raises {first}")
        elif "custom_vjp function" not in text:  # which has no forward mode by its nature
            self.notes.append(f"{NAMES[route]} of {self.subject.name}: {first}")

    def report(
        self, check: str, route: str, judged: ElementVerdicts, tested: np.ndarray, exact: np.ndarray, point: Point
    ) -> None:
        """Add a finding for each argument."""
        derivatives, places = self.derivatives, self.derivatives.places
        if route == "forward":
            places = places[derivatives.forward_rows[derivatives.forward_rows < len(places)]]
        bad_elsewhere = False
        for name, start, end, leaf in zip(
            self.subject.names, derivatives.ends, derivatives.ends[1:], point.leaves, strict=False
        ):
            rows = np.flatnonzero((places >= start) & (places < end))
            if not len(rows):
                continue
            facts: dict[str, Any] = {
                "argument": name,
                "point": point.words,
                "elements": int(judged.compared[rows].sum()),
            }
            for verdict, mask in ((Verdict.MISMATCH, judged.wrong), (Verdict.NOT_PROVED, judged.unproved)):
                if mask[rows].any():
                    bad_elsewhere = True
                    if verdict is Verdict.NOT_PROVED and point.is_special:
                        continue
                    found = self._bad(verdict, mask, rows, places - start, leaf, tested, exact)
                    if verdict is Verdict.NOT_PROVED:
                        found["reason"] = self._why_unproved(route, check, found, point)
                    self.add(verdict, check, **found, **facts)
                    break
            else:
                kinks = int(judged.kinked[rows].any(axis=1).sum())
                words = f"{kinks} of {len(rows)} elements lie on a kink, where a derivative is a convention"
                self.add(Verdict.OK, check, words if kinks and point.is_given else "", **facts)
        self._report_dense(check, judged, tested, exact, point, len(places), bad_elsewhere)

    def _report_dense(
        self, check: str, judged: ElementVerdicts, tested: Any, exact: Any, point: Point, start: int, known: bool
    ) -> None:
        """Report what is wrong only where all elements move at once, as at a tie that is counted twice."""
        wrong = judged.wrong[start:]
        if wrong.any() and not known:
            row, column = (int(each[0]) for each in np.nonzero(wrong))
            self.add(
                Verdict.MISMATCH,
                check,
                "wrong where all elements are moved at once, though each alone is within a convention: a tie is "
                "counted more or less than once",
                point=point.words,
                got=float(tested[start + row, column]),
                expected=float(exact[start + row, column]),
            )

    def _bad(
        self, verdict: Verdict, mask: Any, rows: Any, places: Any, leaf: np.ndarray, tested: Any, exact: Any
    ) -> dict[str, Any]:
        """Return the facts on an argument's elements that a mask marks."""
        with np.errstate(invalid="ignore", over="ignore"):
            size = np.nan_to_num(np.abs(exact[rows]))
            apart = np.nan_to_num(np.abs(tested[rows] - exact[rows]), nan=np.inf)
            apart = np.where(mask[rows], np.where(np.isinf(apart), 1e300 * (1 + size / (1 + size)), apart), -1.0)
        row, column = np.unravel_index(int(apart.argmax()), apart.shape)
        index = tuple(int(each) for each in np.unravel_index(int(places[rows[row]]), leaf.shape))
        elements = np.zeros(leaf.size, bool)
        elements[places[rows]] = mask[rows].any(axis=1)
        reason = describe(elements.reshape(leaf.shape), leaf)
        if verdict is Verdict.MISMATCH and len(rows) == leaf.size:
            wrong, right = (each[rows].sum(axis=1).reshape(leaf.shape) for each in (tested, exact))
            with np.errstate(all="ignore"):
                words = explain(wrong, right, 1e-9, samples=leaf.shape[0] if leaf.ndim else 1, parameter=None)
            reason = _joined(reason, words)
        values = float(tested[rows[row], column]), float(exact[rows[row], column])
        facts: dict[str, Any] = {"reason": reason, "index": index, "got": values[0], "expected": values[1]}
        return facts | ({"_row": (int(rows[row]), int(column))} if verdict is Verdict.NOT_PROVED else {})

    def _why_unproved(self, route: str, check: str, found: dict[str, Any], point: Point) -> str:
        row = found.pop("_row")
        arguments = point.leaves, self.derivatives.cotangents
        cause = self.cause(route, row, *arguments) if route in NAMES else ""
        words = f"rounding explains the difference {found['reason']}"
        if not cause and self.method == "Richardson":
            return f"differences are not precise enough {found['reason']}"
        return f"{words} ({cause})" if cause else words

    # ---- properties of the backward pass

    def linearity(self, point: Point) -> None:
        """Compare the backward pass of scaled, negated, added and zero cotangents with the scaled and added results."""
        for route in self.routes:
            if route == "forward":
                continue
            run, c = self.derivatives.run, self.derivatives.cotangents
            once, _ = run(route, point.leaves, c)
            if not np.isfinite(once).all() or not c.size:
                continue
            check = f"linear in the cotangent ({NAMES[route]})"
            zero, _ = run(route, point.leaves, 0 * c)
            if np.isnan(zero).any() or zero.any():
                self.add(Verdict.MISMATCH, check, "it is not 0 for a cotangent of 0", point=point.words)
                continue
            next_one = np.roll(c, 1, axis=0)
            cases = {
                "for a huge cotangent": (HUGE * c, HUGE * once, HUGE),
                "for a small cotangent": (c / HUGE, once / HUGE, 1 / HUGE),
                "for a negated cotangent": (-c, -once, 1.0),
                "for a sum of cotangents": (2 * c + 3 * next_one, 2 * once + 3 * np.roll(once, 1, axis=1), 5.0),
            }
            moved: Any = None
            for words, (given, expected, scale) in cases.items():
                got, _ = run(route, point.leaves, given)
                size = np.abs(expected) + scale * np.abs(once) + scale * np.roll(np.abs(once), 1, axis=1)
                if (np.abs(got - expected) <= LAST_BITS * size + VANISHING).all():
                    continue
                if moved is None:
                    moved = self.moves(route, point.leaves, c)
                allowed = LAST_BITS * size + ROUNDING_FACTOR * scale * (moved + np.roll(moved, 1, axis=1))
                if not (np.abs(got - expected) <= allowed).all():
                    self.add(Verdict.MISMATCH, check, f"it is not linear {words}", point=point.words)
                    break
            else:
                self.add(Verdict.OK, check)

    def second_order(self, point: Point) -> None:
        """Compare second derivatives along two pairs of directions with differences of complex steps."""
        derivatives = self.derivatives
        random = np.random.default_rng(1)
        numerical = self.method == "complex step"
        for _ in range(2):
            pair = random_numbers(random, (2, derivatives.size))
            try:
                found = self._second_by_jax(point, pair)
            except Exception as error:
                text = " ".join(str(error).split())[:160]
                reason = f"the second derivative cannot be computed: {type(error).__name__}: {text}"
                if "reverse" not in self.routes or "everse-mode" in text or isinstance(error, NotImplementedError):
                    self.notes.append(f"second order of {self.subject.name}: {reason}")
                else:
                    self.add(Verdict.NOT_PROVED, "second order", reason)
                return
            if not numerical:
                self.notes.append(f"second order of {self.subject.name}: no numerical one without complex steps")
                return
            above, below, kinked = derivatives.run("second_numerical", point.leaves, pair)
            if kinked:
                self.notes.append(f"second order of {self.subject.name}: the point is on a kink")
                return
            if self._second_is_wrong(found, above, below, point, pair):
                return
        self.add(Verdict.OK, "second order")

    def _second_by_jax(self, point: Point, pair: np.ndarray) -> np.ndarray:
        if "forward" in self.routes and "reverse" not in self.routes:
            return self.derivatives.run("second_forward", point.leaves, pair)
        return self.derivatives.run("second_reverse", point.leaves, pair)

    def _second_is_wrong(self, found: Any, above: Any, below: Any, point: Point, pair: Any) -> bool:
        steps = np.broadcast_to(0.25 * 0.5 ** np.arange(LEVELS), above.T.shape)
        with np.errstate(invalid="ignore", over="ignore"):
            off = 4 * np.finfo(float).eps * np.nanmax(np.abs(above.T), axis=1, initial=0.0)[:, None] / steps
            limit, error = limits((above - below).T / (2 * steps), off, 4.0)
            apart = np.abs(found - limit)
            allowed = 8 * error + DIFFERENCES_SHARE * np.abs(limit)
            bad = np.isfinite(limit) & np.isfinite(error) & ~(apart <= allowed)
        if not bad.any():
            return False
        name = "second_forward" if "reverse" not in self.routes else "second_reverse"
        moved = self.moves(name, point.leaves, pair)
        bad &= ~(apart <= allowed + ROUNDING_FACTOR * moved)
        if not bad.any():
            self.add(Verdict.NOT_PROVED, "second order", "rounding explains the difference")
            return True
        first = int(np.argmax(np.where(bad, np.nan_to_num(apart, nan=np.inf), -1)))
        reason = "the derivative of the derivative is wrong, along a direction in which all arguments move"
        self.add(Verdict.MISMATCH, "second order", reason, got=float(found[first]), expected=float(limit[first]))
        return True

    # ---- the training precision

    def low_precision(self, point: Point, dtype: Any) -> None:
        """Compare the derivative in the training precision with the one in float64, at the arguments that it holds."""
        route = next((each for each in ("hand", "reverse", "forward") if each in self.routes), None)
        if route is None:
            return
        derivatives, check = self.derivatives, f"{NAMES[route]} in {dtype.name}"
        with np.errstate(over="ignore", under="ignore"):
            low = [leaf.astype(dtype) for leaf in point.leaves]
            exact_leaves = [leaf.astype(np.float64) for leaf in low]
        if not all(
            np.isfinite(a).all() == np.isfinite(b).all() for a, b in zip(exact_leaves, point.leaves, strict=True)
        ):
            return
        exact, _ = derivatives.run(route, exact_leaves, derivatives.cotangents)
        cotangents = derivatives.cotangents.astype(np.float32)
        try:
            with jax.enable_x64(False):
                value = as_numbers(self.low.run("value", low))
                tested = np.asarray(self.low.run(route, low, cotangents)[0], np.float64)
        except Exception as error:
            self.notes.append(f"{check} of {self.subject.name}: {type(error).__name__}: {str(error)[:120]}")
            return
        if point.is_given and not np.isfinite(value).all():
            reason = f"the function's own value is not finite in {dtype.name}, though it is in float64"
            self.add(Verdict.NOT_PROVED, check, reason)
            return
        right = as_numbers(derivatives.run("value", exact_leaves))
        if not np.isfinite(value).all() or not np.isfinite(right).all():
            return
        if point.is_special and (np.abs(value - right) > LOST_SHARE * np.abs(right)).any():
            return  # the function itself is lost there, whatever its derivative is
        if (np.abs(value - right) > LOST_SHARE * np.abs(right).max()).any():
            words = "the function's own value is another one there, as where it draws random numbers"
            self.notes.append(f"{check} of {self.subject.name}: {words}")
            return
        self.low_is_checked = True
        rows = len(derivatives.forward_rows) if route == "forward" else len(derivatives.places)
        rows -= 0 if derivatives.dense is None or route != "forward" else 2
        exact, tested, info = exact[:rows], tested[:rows], jnp.finfo(dtype)
        judged = judge_low(tested, exact, info)
        if judged.any():
            with jax.enable_x64(False):
                moved = self.moves(route, low, cotangents)[:rows]
            judged = judge_low(tested, exact, info, moved)
        self._report_low(check, route, judged, tested, exact, point, (low, cotangents))

    def _report_low(
        self, check: str, route: str, judged: Any, tested: Any, exact: Any, point: Point, given: tuple[Any, Any]
    ) -> None:
        before = len(self.findings)
        self.report(check, "low " + route if route != "forward" else route, judged, tested, exact, point)
        for place in range(before, len(self.findings)):
            found = self.findings[place]
            if found.verdict is Verdict.NOT_PROVED:
                row, column = (int(each[0]) for each in np.nonzero(judged.unproved))
                with jax.enable_x64(False):
                    cause = self.cause(route, (row, column), *given)
                reason = f"no digit is right in this precision, as rounding explains ({cause})"
                self.findings[place] = Finding(**{**found.__dict__, "reason": reason})

    # ---- the same under transformations

    def consistency(self, point: Point) -> None:
        """Compare the backward pass under ``vmap``, without ``jit`` and a second time with the compiled one."""
        route = next((each for each in ("hand", "reverse", "forward") if each in self.routes), None)
        if route is None:
            return
        derivatives, c = self.derivatives, self.derivatives.cotangents
        method = getattr(derivatives, route)
        points = [point.leaves, [0.75 * np.flip(leaf) for leaf in point.leaves]]
        alone = [derivatives.run(route, leaves, c)[0] for leaves in points]
        moves = [self.moves(route, leaves, c) for leaves in points]
        for words, compute in (("vmap", self._mapped), ("no jit", self._eager)):
            try:
                found = compute(method, points, c)
            except Exception as error:
                self.notes.append(f"under {words}, {self.subject.name}: {type(error).__name__}: {str(error)[:120]}")
                continue
            for got, expected, moved in zip(found, alone, moves, strict=True):
                if not np.isfinite(expected).all():
                    continue
                allowed = 1e-12 * np.abs(expected) + ROUNDING_FACTOR * moved + 1e-14 * np.abs(expected).max(initial=0)
                if not (np.abs(got - expected) <= allowed + VANISHING).all():
                    where = "the derivative is another one under vmap" if words == "vmap" else (
                        "the derivative is another one without jit, or a second time"
                    )  # fmt: skip
                    self.add(Verdict.MISMATCH, f"{NAMES[route]} under {words}", where)
                    break
            else:
                self.add(Verdict.OK, f"{NAMES[route]} under {words}")

    def _mapped(self, method: Any, points: list[list[np.ndarray]], c: np.ndarray) -> Sequence[np.ndarray]:
        stacked = [np.stack(each) for each in zip(*points, strict=True)]
        return [*np.asarray(jax.jit(jax.vmap(method, in_axes=(0, None)))(stacked, c)[0])]

    def _eager(self, method: Any, points: list[list[np.ndarray]], c: np.ndarray) -> Iterator[np.ndarray]:
        for leaves in points:
            yield np.asarray(method([jnp.asarray(leaf) for leaf in leaves], c)[0])

    def output(self, route: str, point: Point, found: np.ndarray) -> None:
        """Compare the output of the differentiated function with the function's own."""
        value = as_numbers(self.derivatives.run("value", point.leaves))
        with np.errstate(invalid="ignore"):
            apart = np.where(found == value, 0.0, np.abs(found - value))
        check = f"the output in {NAMES[route]}"
        if not (apart <= LAST_BITS * np.abs(value) + VANISHING).all():
            moved = as_numbers(self._shaken("value", (point.leaves,)).moves(*point.leaves))
            if not (apart <= LAST_BITS * np.abs(value) + ROUNDING_FACTOR * moved).all():
                at = int(np.argmax(np.nan_to_num(apart, nan=np.inf)))
                reason = "the rule's forward pass returns another output than the function"
                facts = {"got": float(found[at]), "expected": float(value[at])}
                self.add(Verdict.MISMATCH, check, reason, point=point.words, **facts)
                return
        self.add(Verdict.OK, check, point=point.words)


def _joined(where: str, mistake: str) -> str:
    """Return where an array is wrong and the likely mistake, without saying twice where."""
    if where == "everywhere" and "everywhere" in mistake:
        return mistake
    if mistake.startswith("wrong in "):
        mistake = mistake.partition(": ")[2]
    return f"{where}: {mistake}"


def as_numbers(results: Any) -> np.ndarray:
    """Return arrays as one float64 vector."""
    return np.concatenate([np.asarray(each, np.float64).ravel() for each in results] or [np.zeros(0)])
