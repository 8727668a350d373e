"""``check_rules``: every custom derivative that a program meets, checked alone against the function that it is of."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import message
from ..jaxprs import CALLS, CONTROL, Visit, called_program, function_of, interpret, place_of, run, visit
from .derivatives import flattened, floating_results
from .findings import DerivativeReport, Finding
from .functions import declared, examine, name_of, numerics, summary, training_dtype
from .judgement import Verdict
from .points import special_points
from .subject import Examination, Point, Subject

RULES = {"custom_jvp_call", "custom_vjp_call"}
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
    checked alone, at the values that it meets and at special points: 0, ties, tails, infinities, extreme numbers. It
    is compared with the numerical derivative of the function that it is of, as ``check_function`` compares.
    Its forward pass has to return the function's output, its backward pass to be linear in the cotangent, and both to
    do the same under ``vmap``, without ``jit`` and a second time.

    Args:
        function: a function that JAX can trace.
        *args: its arguments.
        primitives: also check JAX's own rules of the operations that the program meets.
        order: 2, the default, for second derivatives too; 1 without them.
        dtype: the training dtype, as in ``check_function``.
        search_points: False to check only at the values that are met.
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
    with numerics():
        flat, leaves = flattened("check_rules", function, args)
        low = training_dtype("check_rules", dtype, args)
        found, missed = _met(flat.call, leaves, primitives)
        in_low = _met_in(low, flat.call, leaves, primitives)
        findings: list[Finding] = []
        checked: list[str] = []
        for key, met in found.items():
            examined = _check_one(met, in_low.get(key), order, low, search_points, expected or {})
            findings += examined.findings
            checked += summary(examined, low if key in in_low else None)
            missed += examined.notes
    _refuse_unneeded(findings, expected or {})
    findings = declared("check_rules", findings, expected, lambda finding: finding.function.partition(" (")[0])
    if not findings:
        missed.append("the program meets no custom derivative")
    return DerivativeReport(name_of(function), tuple(findings), tuple(checked), tuple(dict.fromkeys(missed)))


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
) -> Examination:
    """Check one rule at the values that it meets and at special points."""
    first = met[0]
    equation = first.equation
    places = [at for at, each in enumerate(first.operands) if jnp.issubdtype(jnp.result_type(each), jnp.floating)]
    name, names = _names(equation, places)
    intended = expected.get(name.partition(" (")[0])
    call = _caller(equation, first.operands, places, run)
    plain = call
    if callable(intended):
        plain = _caller(equation, first.operands, places, lambda _, *operands: jax.tree.leaves(intended(*operands)))
    in_low_precision = _caller(in_low[0].equation, in_low[0].operands, places, run) if in_low else None
    subject = Subject(name, call, plain, names, None, in_low_precision)
    points = [_point(each, places) for each in _some(met)]
    points[0] = points[0]._replace(is_given=True)
    examined = Examination(subject, points[0].leaves)
    if not places:
        return examined
    if equation.primitive.name == "custom_vmap_call":
        _check_mapping(examined, call, _caller(equation, first.operands, places, _opened), points[0])
        return examined
    others = [*points[1:], *(special_points(points[0].leaves, names) if search_points else ())]
    own = low if in_low else None
    examine(examined, points[0], others, order, own, consistent=equation.primitive.name in RULES)
    return examined


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
        return f"{equation.primitive.name} ({place_of(equation)})", tuple(f"operand {place}" for place in places)
    name, place = function_of(equation)
    given = getattr(program, "jaxpr", program).debug_info.arg_names or ()
    count = len(equation.invars)
    names = [*given] if len(given) == count else [f"operand {at}" for at in range(count)]
    words = f"{name} ({Path(place.rpartition(':')[0]).name}:{place.rpartition(':')[2]})" if ":" in place else name
    return words, tuple(str(names[at]) for at in places)


def _check_mapping(examined: Examination, mapped: Any, alone: Any, point: Point) -> None:
    """Compare a function's own rule for ``vmap`` with the function, row by row."""
    other = [0.75 * np.flip(leaf) + 0.5 for leaf in point.leaves]
    stacked = [np.stack(pair) for pair in zip(point.leaves, other, strict=True)]
    cases = [[0] * len(stacked)] + [
        [0 if at == place else None for at in range(len(stacked))] for place in range(len(stacked))
    ]
    for axes in cases if len(stacked) > 1 else cases[:1]:
        given = [leaf if axis is None else pair for leaf, pair, axis in zip(point.leaves, stacked, axes, strict=True)]
        try:
            got = jax.vmap(mapped, in_axes=tuple(axes))(*given)
        except Exception as error:
            examined.add(Verdict.MISMATCH, "under vmap", f"its rule raises {type(error).__name__}: {str(error)[:160]}")
            return
        rows = [[pair[row] if axis == 0 else pair for pair, axis in zip(given, axes, strict=True)] for row in (0, 1)]
        right = [np.stack(each) for each in zip(*(alone(*row) for row in rows), strict=True)]
        if not all(np.allclose(a, b, rtol=1e-12, atol=1e-13) for a, b in zip(got, right, strict=True)):
            examined.add(
                Verdict.MISMATCH, "under vmap", "its vmap rule returns another output than the function, row by row"
            )
            return
    examined.add(Verdict.OK, "under vmap")


def _refuse_unneeded(findings: list[Finding], expected: Mapping[str, Any]) -> None:
    names = dict.fromkeys(finding.function.partition(" (")[0] for finding in findings)
    for key in expected:
        if key not in names:
            listed = ", ".join(names) or "none is met"
            raise ValueError(
                message("check_rules", f"expected= to name a function with a rule, one of {listed}", repr(key))
            )
