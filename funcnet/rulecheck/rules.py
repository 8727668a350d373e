"""``check_rules``: every custom derivative that a program meets, checked alone against the function that it is of."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..derivatives.matrix import flattened, floating_results
from ..errors import message
from ..jaxprs import (
    CONTROL,
    Visit,
    called_program,
    function_of,
    interpret,
    is_of_jax,
    is_rule,
    operand_names,
    place_of,
    rule_place,
    run,
)
from ..jaxprs.coverage import depends
from .declarations import check_declarations, intended_call, refuse_right, refuse_unmet
from .environment import double_precision, training_dtype
from .functions import check_order, declared, examine, name_of, summary, traced
from .mapping import check_mapping, mapped_function, marked_calls
from .met_rules import (
    MOST_FIXED,
    MOST_VARIANTS,
    Found,
    Key,
    Place,
    beside,
    floating_places,
    met_at_all,
    met_in,
    number_of,
    places_of,
    reached,
    variants,
    with_numbers,
    with_same_constants,
)
from .not_exercised import by_indices
from .points import special_points
from .report import DerivativeReport, Finding, Verdict
from .subject import Examination, Point, Subject

MOST_MET = 8  # points of one rule


def check_rules(
    function: Callable[..., Any],
    *args: Any,
    primitives: bool = False,
    order: int = 2,
    dtype: Any = None,
    search_points: bool = True,
    expected: Mapping[str, Any] | None = None,
) -> DerivativeReport:
    """Return a report on every ``jax.custom_vjp``, ``jax.custom_jvp`` and ``custom_vmap`` that a function calls.

    The traced program is followed into ``jit``, ``scan``, ``cond``, ``while``, ``remat``, ``vmap`` and
    ``custom_linear_solve``. Each rule is checked alone, at values that it meets and at special points: 0, ties, tails,
    infinities, extreme numbers. It is compared with the numerical derivative of the function that it is of, as
    ``check_function`` compares. Its forward pass has to return the function's output, its backward pass to be linear
    in the cotangent, and both to do the same under ``vmap``, without ``jit`` and a second time. A rule that raises an
    error is wrong, unless JAX does not support an operation in it: that is reported as not checked, or as not exercised
    where it is of ``vmap`` alone. Complex operands are checked as their real and their imaginary part.

    Calls of one function with the same shapes have one rule where it computes the same, which is checked at the values
    of at most 8 of them. Of rules that differ, at most 8 are checked, each for at most 3 values of its integer operands
    and of what it closes over. Of a loop, the first, a middle and the last iteration are looked at, and those that
    first take a branch. What is left out is said, as are rules within operations that are not entered, such as
    ``shard_map``. Rules that ``jax.grad`` within the function applies are not seen.

    Args:
        function: a function that JAX can trace.
        *args: its arguments.
        primitives: also check JAX's own rules of the operations that the program meets.
        order: 2, the default, for second derivatives too; 1 without them.
        dtype: the training dtype, as in ``check_function``.
        search_points: False to check only at the values that are met; without special points, and without the search
            for inputs at which other branches are taken and comparisons have other outcomes.
        expected: intended differences by the function's name: a reason, as in ``{"my_round": "straight-through"}``, or
            a function whose derivative is intended, as in ``{"my_round": lambda x: x}``, which the rule is then checked
            against.

    Raises:
        TypeError, ValueError: an argument does not fit, or a declaration is not needed; the message names it.

    >>> @jax.custom_jvp
    ... def cube(x):
    ...     return x**3
    >>> cube.defjvps(lambda tangent, y, x: 3 * x * tangent)
    >>> print(str(check_rules(lambda x: jnp.sum(cube(x)), np.array([0.5, 2.0]))).splitlines()[0].partition(" (")[0])
    MISMATCH: wrong: the derivative of cube
    """
    if not callable(function):
        raise TypeError(message("check_rules", "function to be callable", type(function).__name__))
    check_order("check_rules", order)
    check_declarations("check_rules", expected, functions=True)
    with marked_calls(), double_precision():
        flat, leaves = flattened("check_rules", function, args)
        program = traced("check_rules", flat, leaves)
        low = training_dtype("check_rules", dtype, jax.tree.leaves(args))
        found, missed = met_at_all(flat.call, leaves, primitives, search_points)
        missed += by_indices(program, flat.integers)
        in_low, failure = met_in(low, flat.call, leaves, primitives)
        refuse_unmet([_declared_name(met[0]) for met in found.values()], expected or {})
        findings: list[Finding] = []
        checked: list[str] = []
        for key, visits in found.items():
            rules, cut = _apart(visits, in_low.get(key, []))
            missed += cut
            for of_rule, of_low in rules:
                within = partial(reached, flat.call, leaves, primitives, key, of_rule)
                plan = Plan(order, low if of_low else None, search_points, expected or {}, within)
                examined = _check_one(of_rule, of_low, plan)
                findings += examined.findings
                checked += summary(examined, plan.low)
                missed += examined.notes
                if low is not None and not of_low:
                    missed.append(f"{examined.subject.name} in {low.name}: {failure or _why_not(in_low, key)}")
    findings = declared("check_rules", findings, expected, lambda finding: finding.function.partition(" (")[0])
    if not found:
        reason = "the program meets no custom derivative"
        findings.append(Finding(Verdict.NOT_CHECKED, name_of(function), "custom derivatives", "", reason=reason))
    once = tuple(dict.fromkeys(checked)), tuple(dict.fromkeys(missed))
    return DerivativeReport(name_of(function), tuple(findings), *once)


def _why_not(in_low: Found, key: Key) -> str:
    """Return in words why a rule is not checked in the training dtype, in which the program is run."""
    if key not in in_low:
        return "the program does not meet it there"
    return "the program meets other calls of it there"


class Plan(NamedTuple):
    """What is checked of a rule."""

    order: int
    low: np.dtype | None  # the training dtype
    search_points: bool
    expected: Mapping[str, Any]
    reached: Callable[[], list[tuple[float, float]]]  # the range of each floating operand in the program


def _apart(visits: list[Visit], in_low: list[Visit]) -> tuple[list[tuple[list[Visit], list[Visit]]], list[str]]:
    """Return the visits of each rule with the same integers, with those in the training dtype, and what is left out."""
    name = _declared_name(visits[0])
    rules, low_rules = variants(visits), variants(in_low)
    notes, found = [], []
    if len(rules) > MOST_VARIANTS:
        notes.append(f"{len(rules) - MOST_VARIANTS} more rules of {name}, for the same shapes")
    for place, of_rule in enumerate(rules[:MOST_VARIANTS]):
        fixed = with_same_constants(of_rule)
        of_low = with_same_constants(low_rules[place]) if len(low_rules) == len(rules) else []
        of_low = beside(fixed, of_low)
        if len(fixed) > MOST_FIXED:
            notes.append(f"{len(fixed) - MOST_FIXED} more values of the integer operands and constants of {name}")
        found += [*zip(fixed[:MOST_FIXED], of_low, strict=False)]
    return found, notes


def _check_one(met: list[Visit], in_low: list[Visit], plan: Plan) -> Examination:
    """Check one rule at the values that it meets and at special points, as far as the program reaches there."""
    equation, operands = met[0].equation, met[0].operands
    if mapped := mapped_function(equation, operands):
        return _check_mapped(*mapped)
    places = places_of(met[0])
    name, names = _names(equation, places)
    call = _caller(equation, operands, places, run)
    in_low_precision = _caller(in_low[0].equation, in_low[0].operands, places, run) if in_low else None
    subject = Subject(name, call, call, names, None, in_low_precision)
    given, *points = (_point(each, places) for each in _some(met))
    given = given._replace(is_given=True)
    special = [*special_points(given.leaves, names)] if plan.search_points else []
    intended = plan.expected.get(name.partition(" (")[0])
    if callable(intended):
        results = jax.eval_shape(call, *given.leaves)
        plain = intended_call(name.partition(" (")[0], intended, operand_names(equation), results)
        plain(equation, *operands)  # its errors come without those of JAX
        refuse_right(Examination(subject, given.leaves), [given, *points, *special])
        subject = subject._replace(reference=_caller(equation, operands, places, plain))
    examined = Examination(subject, given.leaves)
    if not places:
        examined.notes.append(f"the rule of {name}: none of its operands is floating")
        return examined
    if equation.primitive.name == "custom_vmap_call":
        check_mapping(examined, call, _caller(equation, operands, places, _opened), given)
        return examined
    _examine(examined, given, points, special, plan, is_rule=is_rule(equation))
    if is_rule(equation):
        _compare_integers(examined, met[0], places, [given, *points])
        if not callable(intended) and not depends(called_program(equation), [at for at, _ in places]):
            examined.findings = [*map(_of_another_function, examined.findings)]
    return examined


def _examine(
    examined: Examination, given: Point, points: list[Point], special: list[Point], plan: Plan, *, is_rule: bool
) -> None:
    """Examine a rule; what is wrong at points of the check's own choosing alone, at those that the program reaches."""
    search = plan.search_points and is_rule
    examine(examined, given, [*points, *special], plan.order, plan.low, consistent=is_rule, search=search)
    met = {"", given.words, *(point.words for point in points)}
    wrong = [finding for finding in examined.findings if finding.verdict is Verdict.MISMATCH]
    if not wrong or any(finding.point in met for finding in wrong):
        return
    chosen = [*special, *examined.searched]
    within = _within(chosen, plan.reached())
    if len(within) < len(chosen):
        name, notes = examined.subject.name, examined.notes
        examined.restart()
        examine(examined, given, [*points, *within], plan.order, plan.low, consistent=is_rule, search=False)
        examined.notes += [*notes, f"arguments of {name} beyond those that the program gives it"]


def _within(points: Sequence[Point], ranges: list[tuple[float, float]]) -> list[Point]:
    """Return the points whose arrays lie within the ranges."""
    return [
        point
        for point in points
        if all(((low <= leaf) & (leaf <= high)).all() for leaf, (low, high) in zip(point.leaves, ranges, strict=True))
    ]


def _compare_integers(examined: Examination, met: Visit, places: list[Place], points: list[Point]) -> None:
    """Compare the integer results of the differentiated function with the function's own."""

    def call(*arrays: Any) -> list[jax.Array]:
        given = with_numbers(met.operands, places, arrays, [each.aval for each in met.equation.invars])
        return run(met.equation, *given)

    is_whole = [not jnp.issubdtype(each.aval.dtype, jnp.inexact) for each in met.equation.outvars]
    if not any(is_whole) or not examined.routes:
        return
    for point in points:
        if "reverse" in examined.routes:
            found = jax.vjp(call, *point.leaves)[0]
        else:
            found = jax.jvp(call, tuple(point.leaves), tuple(map(np.zeros_like, point.leaves)))[0]
        for is_one, got, right in zip(is_whole, found, call(*point.leaves), strict=True):
            if is_one and not np.array_equal(np.asarray(got), np.asarray(right)):
                reason = "the rule's forward pass returns other integers than the function"
                examined.add(Verdict.MISMATCH, "the output", reason, point=point.words)
                return
    examined.add(Verdict.OK, "the output")


def _check_mapped(function: Any, operands: list[Any], structure: Any) -> Examination:
    """Check the vmap rule of a function that the program maps, at one example."""
    operands = [*map(jnp.asarray, operands)]
    places = floating_places(operands)

    def caller(function: Callable[..., Any]) -> Any:
        def call(*arrays: Any) -> list[jax.Array]:
            args, kwargs = jax.tree.unflatten(structure, with_numbers(operands, places, arrays, operands))
            return floating_results(function(*args, **kwargs))

        return call

    leaves = [number_of(operands, place) for place in places]
    names = tuple(f"operand {at}{'.' * bool(part)}{part}" for at, part in places)
    subject = Subject(name_of(function.fun), caller(function), caller(function.fun), names, None, None)
    examined = Examination(subject, leaves)
    if places:
        check_mapping(examined, subject.function, subject.reference, Point(leaves, "", is_given=True))
    else:
        examined.notes.append(f"the vmap rule of {subject.name}: none of its operands is floating")
    return examined


def _of_another_function(finding: Finding) -> Finding:
    """Return a finding of what is wrong as not proved: the function does not use its arguments, so the rule is not its.

    So ``jax.numpy.sinc`` writes down its derivatives at 0: as the derivatives of a constant.
    """
    if finding.verdict is not Verdict.MISMATCH:
        return finding
    reason = f"the function does not use its arguments, and the rule is another function's: {finding.reason}"
    return replace(finding, verdict=Verdict.NOT_PROVED, reason=reason)


def _caller(equation: Any, operands: list[Any], places: list[Place], compute: Callable[..., Any]) -> Any:
    """Return an equation's computation as a function of its floating operands to a list of its floating results."""

    def call(*arrays: Any) -> list[jax.Array]:
        given = with_numbers(operands, places, arrays, [each.aval for each in equation.invars])
        return floating_results(compute(equation, *given))

    return call


def _opened(equation: Any, *operands: Any) -> list[Any]:
    """Run the program that an equation calls, without the rule."""
    return interpret(
        called_program(equation), operands, lambda inner, inputs: None if called_program(inner) else run(inner, *inputs)
    )


def _some(met: list[Visit]) -> Iterator[Visit]:
    """Yield the first visit, some between and the last."""
    for at in dict.fromkeys(np.linspace(0, len(met) - 1, MOST_MET).astype(int).tolist()):
        yield met[at]


def _point(visited: Visit, places: list[Place]) -> Point:
    leaves = [number_of(visited.operands, place) for place in places]
    within = " in ".join(reversed([each for each in visited.within if each in CONTROL]))
    return Point(leaves, f"met in {within}" if within else "")


def _names(equation: Any, places: list[Place]) -> tuple[str, tuple[str, ...]]:
    """Return the name of the function that a rule is of, with its file and line, and those of its floating operands."""
    program = called_program(equation)
    if program is None:
        at = place_of(equation)
        name = f"{equation.primitive.name} ({at})" if at else equation.primitive.name
        return name, tuple(f"operand {at}{'.' * bool(part)}{part}" for at, part in places)
    name, place = function_of(equation)
    words = f"{name} ({_file_and_line(place)})" if ":" in place else name
    rule = rule_place(equation)
    if is_of_jax(place) and rule and not is_of_jax(rule):
        words = f"{words.removesuffix(')')}, with the rule in {_file_and_line(rule)})"
    names = operand_names(equation)
    return words, tuple(f"{names[at]}{'.' * bool(part)}{part}" for at, part in places)


def _file_and_line(place: str) -> str:
    """Return a place without the folders."""
    file, _, line = place.rpartition(":")
    return f"{Path(file).name}:{line}"


def _declared_name(met: Visit) -> str:
    """Return the name by which a rule is declared."""
    mapped = mapped_function(met.equation, met.operands)
    return (name_of(mapped[0].fun) if mapped else _names(met.equation, [])[0]).partition(" (")[0]
