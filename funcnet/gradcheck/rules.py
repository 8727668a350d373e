"""``check_rules``: every custom derivative that a program meets, checked alone against the function that it is of."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..derivatives.matrix import flattened, floating_results
from ..errors import message
from ..jaxprs import (
    CALLS,
    CONTROL,
    NoRuleError,
    Visit,
    called_program,
    function_of,
    interpret,
    operand_names,
    place_of,
    run,
    visit,
)
from ..jaxprs.coverage import Coverage, depends
from .environment import double_precision, training_dtype
from .first_order import first_order
from .functions import declared, examine, name_of, summary
from .judgement import Verdict
from .mapping import check_mapping, mapped_function, marked_calls
from .points import special_points
from .report import DerivativeReport, Finding
from .subject import Examination, Point, Subject

RULES = {"custom_jvp_call", "custom_vjp_call"}
REACHING = (0.0, 0.5, -0.5, 1.0, -1.0, 30.0, -30.0, 1e4, -1e4, 1e30, -1e30)  # inputs that show what a rule meets
MOST_MET = 3  # points of one rule


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

    The traced program is followed into ``jit``, ``scan``, ``cond``, ``while``, ``remat`` and ``vmap``. Each rule is
    checked alone, at values that it meets and at special points: 0, ties, tails, infinities, extreme numbers. It
    is compared with the numerical derivative of the function that it is of, as ``check_function`` compares.
    Its forward pass has to return the function's output, its backward pass to be linear in the cotangent, and both to
    do the same under ``vmap``, without ``jit`` and a second time.

    Of the calls of one function with the same shapes, the rule of the first call is checked, at the values of the
    first, of a middle and of the last call. A loop is followed in its first, a middle and its last turn. Rules with
    complex operands, and those within ``shard_map``, a mapped ``while`` or ``custom_linear_solve``, are not found.

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
    with marked_calls(), double_precision():
        flat, leaves = flattened("check_rules", function, args)
        low = training_dtype("check_rules", dtype, jax.tree.leaves(args))
        _check_declarations(expected or {})
        found, missed = _met_at_all(flat.call, leaves, primitives, search_points)
        in_low = _met_in(low, flat.call, leaves, primitives)
        findings: list[Finding] = []
        checked: list[str] = []
        _refuse_unmet(found, expected or {})
        for key, met in found.items():
            reached = partial(_reached, flat.call, leaves, primitives, key)
            examined = _check_one(met, in_low.get(key), order, low, search_points, expected or {}, reached)
            findings += examined.findings
            checked += summary(examined, low if key in in_low else None)
            missed += examined.notes
    findings = declared("check_rules", findings, expected, lambda finding: finding.function.partition(" (")[0])
    if not findings:
        missed.append("the program meets no custom derivative")
    return DerivativeReport(name_of(function), tuple(findings), tuple(checked), tuple(dict.fromkeys(missed)))


def _met_at_all(
    call: Any, leaves: list[np.ndarray], primitives: bool, search_points: bool
) -> tuple[dict[Any, list[Visit]], list[str]]:
    """Return the rules that a program meets, also at points that take its other branches, and what is not exercised."""
    found, missed = _met(call, leaves, primitives)
    if not missed or not search_points:
        return found, missed
    try:
        coverage = Coverage(call, leaves)
        points, left = coverage.search([leaves], branches_alone=True)
    except NoRuleError:  # the program cannot be followed
        return found, missed
    for there, _ in points:
        for key, visits in _met(call, there, primitives)[0].items():
            found.setdefault(key, []).extend(visits)
    searched = {case.words for case in coverage.cases}
    others = [words for words in missed if f"input that takes {words.removesuffix(' is not taken')}" not in searched]
    return found, [*others, *left]


def _met(call: Any, leaves: Any, primitives: bool) -> tuple[dict[Any, list[Visit]], list[str]]:
    """Return the rules that a program meets, with the visits of each, and what is not exercised."""
    found: dict[Any, list[Visit]] = {}

    def seen(visited: Visit) -> None:
        equation = visited.equation
        shapes = tuple(variable.aval.shape for variable in equation.invars)
        name = equation.primitive.name
        if name in RULES or name == "custom_vmap_call":
            if called_program(equation) is not None:
                found.setdefault((name, *function_of(equation), shapes), []).append(visited)
        elif mapped := mapped_function(equation, visited.operands):
            found.setdefault((name, name_of(mapped[0].fun), str(mapped[2])), []).append(visited)
        elif primitives and name not in CONTROL | set(CALLS) and _differentiable(equation):
            found.setdefault((name, "", place_of(equation), shapes), []).append(visited)

    program = jax.make_jaxpr(call)(*leaves)
    _, missed = visit(program, [*map(jnp.asarray, leaves)], seen)
    return found, missed


def _met_in(low: np.dtype | None, call: Any, leaves: Any, primitives: bool) -> dict[Any, list[Visit]]:
    """Return the rules that the program meets in the training dtype; none where it cannot be run in it."""
    if low is None:
        return {}
    try:
        with jax.enable_x64(False):
            return _met(call, [leaf.astype(low) for leaf in leaves], primitives)[0]
    except Exception:
        return {}


def _differentiable(equation: Any) -> bool:
    """Return whether an equation has floating operands and results."""
    return all(
        any(jnp.issubdtype(getattr(each.aval, "dtype", np.int32), jnp.floating) for each in variables)
        for variables in (equation.invars, equation.outvars)
    )


def _check_one(
    met: list[Visit],
    in_low: list[Visit] | None,
    order: int,
    low: np.dtype | None,
    search_points: bool,
    expected: Mapping[str, Any],
    reached: Callable[[], list[tuple[float, float]]],
) -> Examination:
    """Check one rule at the values that it meets and at special points, as far as the program reaches there."""
    first = met[0]
    equation, operands = first.equation, first.operands
    if mapped := mapped_function(equation, operands):
        return _check_mapped(*mapped)
    places = _floating(operands)
    name, names = _names(equation, places)
    call = _caller(equation, operands, places, run)
    in_low_precision = _caller(in_low[0].equation, in_low[0].operands, places, run) if in_low else None
    subject = Subject(name, call, call, names, None, in_low_precision)
    points = [_point(each, places) for each in _some(met)]
    points[0] = points[0]._replace(is_given=True)
    others = [*points[1:], *(special_points(points[0].leaves, names) if search_points else ())]
    intended = expected.get(name.partition(" (")[0])
    if callable(intended):
        _refuse_right(Examination(subject, points[0].leaves), [points[0], *others])
        plain = _caller(equation, operands, places, lambda _, *operands: jax.tree.leaves(intended(*operands)))
        subject = subject._replace(reference=plain)
    examined = Examination(subject, points[0].leaves)
    if not places:
        return examined
    if equation.primitive.name == "custom_vmap_call":
        check_mapping(examined, call, _caller(equation, operands, places, _opened), points[0])
        return examined
    is_rule = equation.primitive.name in RULES
    own, search = low if in_low else None, search_points and is_rule
    examine(examined, points[0], others, order, own, consistent=is_rule, search=search)
    wrong = [finding.point for finding in examined.findings if finding.verdict is Verdict.MISMATCH]
    if wrong and all(wrong):  # at points of the check's own choosing alone
        within = [*points[1:], *_within(others[len(points) - 1 :], reached())]
        if len(within) < len(others):
            examined = Examination(subject, points[0].leaves)
            examine(examined, points[0], within, order, own, consistent=is_rule, search=False)
            examined.notes.append(f"arguments of {name} beyond those that the program gives it")
    if is_rule and not callable(intended) and not depends(called_program(equation), places):
        examined.findings = [*map(_of_another_function, examined.findings)]
    return examined


def _reached(call: Any, leaves: list[np.ndarray], primitives: bool, key: Any) -> list[tuple[float, float]]:
    """Return the least and the largest number that a rule meets in each floating operand, at extreme inputs."""
    met: list[Visit] = []
    for value in REACHING:
        met += _met(call, [np.full_like(leaf, value) for leaf in leaves], primitives)[0].get(key, [])
    met += _met(call, leaves, primitives)[0].get(key, [])
    ranges = []
    for place in _floating(met[0].operands) if met else ():
        numbers = np.concatenate([np.ravel(np.asarray(each.operands[place], np.float64)) for each in met])
        finite = numbers[np.isfinite(numbers)]
        ranges.append((finite.min(initial=np.inf), finite.max(initial=-np.inf)))
    return ranges


def _within(points: Sequence[Point], ranges: list[tuple[float, float]]) -> list[Point]:
    """Return the points whose arrays lie within the ranges."""
    return [
        point
        for point in points
        if all(((low <= leaf) & (leaf <= high)).all() for leaf, (low, high) in zip(point.leaves, ranges, strict=True))
    ]


def _floating(operands: Sequence[Any]) -> list[int]:
    return [at for at, each in enumerate(operands) if jnp.issubdtype(jnp.result_type(each), jnp.floating)]


def _check_mapped(function: Any, operands: list[Any], structure: Any) -> Examination:
    """Check the vmap rule of a function that the program maps, at one example."""
    places = _floating(operands)

    def caller(function: Callable[..., Any]) -> Any:
        def call(*arrays: Any) -> list[jax.Array]:
            given = list(operands)
            for place, array in zip(places, arrays, strict=True):
                given[place] = jnp.asarray(array)
            args, kwargs = jax.tree.unflatten(structure, given)
            return floating_results(function(*args, **kwargs))

        return call

    leaves = [np.asarray(operands[place]).astype(np.float64) for place in places]
    names = tuple(f"operand {place}" for place in places)
    subject = Subject(name_of(function.fun), caller(function), caller(function.fun), names, None, None)
    examined = Examination(subject, leaves)
    if places:
        check_mapping(examined, subject.function, subject.reference, Point(leaves, "", is_given=True))
    return examined


def _refuse_right(examined: Examination, points: list[Point]) -> None:
    """Raise if the rule is that of its own function: then no other function need be declared."""
    for point in points:
        first_order(examined, point)
        if any(finding.verdict is Verdict.MISMATCH for finding in examined.findings):
            return
    name = repr(examined.subject.name.partition(" (")[0])
    raise ValueError(
        message("check_rules", f"expected= to name what differs, and nothing of {name} does", "another function")
    )


def _of_another_function(finding: Finding) -> Finding:
    """Return a finding of what is wrong as not proved: the function does not use its arguments, so the rule is not its.

    So ``jax.numpy.sinc`` writes down its derivatives at 0: as the derivatives of a constant.
    """
    if finding.verdict is not Verdict.MISMATCH:
        return finding
    reason = f"the function does not use its arguments, and the rule is another function's: {finding.reason}"
    return replace(finding, verdict=Verdict.NOT_PROVED, reason=reason)


def _caller(equation: Any, operands: list[Any], places: list[int], compute: Callable[..., Any]) -> Any:
    """Return an equation's computation as a function of its floating operands to a list of its floating results."""

    def call(*arrays: Any) -> list[jax.Array]:
        given = list(operands)
        for place, array in zip(places, arrays, strict=True):
            given[place] = jnp.asarray(array).astype(equation.invars[place].aval.dtype)
        return floating_results(compute(equation, *given))

    return call


def _opened(equation: Any, *operands: Any) -> list[Any]:
    """Run the program that an equation calls, without the rule."""
    return interpret(
        called_program(equation), operands, lambda inner, inputs: None if called_program(inner) else run(inner, *inputs)
    )


def _some(met: list[Visit]) -> Iterator[Visit]:
    """Yield the first visit, one in the middle and the last."""
    for at in dict.fromkeys((0, len(met) // 2, len(met) - 1)):
        yield met[at]


def _point(visited: Visit, places: list[int]) -> Point:
    leaves = [np.asarray(visited.operands[place]).astype(np.float64) for place in places]
    within = " in ".join(reversed([each for each in visited.within if each in CONTROL]))
    return Point(leaves, f"met in {within}" if within else "")


def _names(equation: Any, places: list[int]) -> tuple[str, tuple[str, ...]]:
    """Return the name of the function that a rule is of, with its file and line, and those of its floating operands."""
    program = called_program(equation)
    if program is None:
        at = place_of(equation)
        name = f"{equation.primitive.name} ({at})" if at else equation.primitive.name
        return name, tuple(f"operand {place}" for place in places)
    name, place = function_of(equation)
    words = f"{name} ({Path(place.rpartition(':')[0]).name}:{place.rpartition(':')[2]})" if ":" in place else name
    names = operand_names(equation)
    return words, tuple(names[at] for at in places)


def _check_declarations(expected: Mapping[str, Any]) -> None:
    for key, declaration in expected.items():
        if not isinstance(declaration, str) and not callable(declaration):
            text = f"expected[{key!r}] to be a reason or a function"
            raise TypeError(message("check_rules", text, type(declaration).__name__))


def _refuse_unmet(found: Mapping[Any, list[Visit]], expected: Mapping[str, Any]) -> None:
    names = [_name_of_met(met[0]) for met in found.values()]
    for key in expected:
        if key not in names:
            listed = ", ".join(dict.fromkeys(names)) or "none is met"
            raise ValueError(
                message("check_rules", f"expected= to name a function with a rule, one of {listed}", repr(key))
            )


def _name_of_met(met: Visit) -> str:
    mapped = mapped_function(met.equation, met.operands)
    name = name_of(mapped[0].fun) if mapped else _names(met.equation, [])[0]
    return name.partition(" (")[0]
