"""``check_function``: the derivative of any function of pytrees, automatic and by hand, against the numerical one."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..derivatives.matrix import Flat, flattened
from ..errors import message
from ..jaxprs import NoRuleError, place_of, walk
from ..jaxprs.coverage import Coverage
from .declarations import check_declarations
from .environment import double_precision, training_dtype
from .first_order import first_order
from .linearity import linearity
from .low_precision import low_precision
from .mapping import marked_calls
from .not_exercised import by_function, by_indices, effects_of
from .points import filled, special_points
from .properties import consistency, side_effects
from .report import DerivativeReport, Finding, Verdict
from .second_order import second_order
from .subject import Examination, Point, Subject

MOST_LEFT = 6  # cases that are named in a report
RULES = {"custom_jvp_call", "custom_vjp_call", "custom_vmap_call"}


def check_function(
    function: Callable[..., Any],
    *args: Any,
    backward: Callable[[tuple[Any, ...], Any], Any] | None = None,
    order: int = 2,
    dtype: Any = None,
    search_points: bool = False,
    expected: Mapping[str, str] | None = None,
) -> DerivativeReport:
    """Return a report that compares the derivatives of a function with its numerical derivative, element by element.

    Compared are ``jax.jvp`` (forward mode), ``jax.vjp`` (reverse mode), the hand-written backward pass where there is
    one, and second derivatives. The numerical derivative is by complex steps in float64, and by Richardson's
    extrapolation where an operation has no complex form. Each element has to agree to its own last bits, or to the
    rounding that is measured for it by Monte Carlo arithmetic; where rounding explains a larger difference, it is not
    proved. The derivative in the training dtype is compared with the one in float64, with a bound that is measured. A
    backward pass has to be linear in the cotangent, and custom derivatives the same under ``vmap`` and without ``jit``.

    ``print(report)`` gives the verdict, where to start, and what was not exercised; ``report.require()`` raises
    ``GradientError`` with that text unless all is proved, which makes a test of one line.

    Args:
        function: a function of pytrees that returns a pytree, such as a loss, a layer or a kernel. JAX has to be able
            to trace it. Its floating results are differentiated.
        *args: where it is checked; floating arrays are differentiated, all others are held fixed. The function runs
            once for each element: take small arrays.
        backward: a function (args, cotangents) -> gradients: ``cotangents`` is like the function's result, and the
            gradients are a tuple like ``args``, with None for what is not floating.
        order: 2, the default, for second derivatives too; 1 without them.
        dtype: the training dtype, such as ``"bfloat16"``; the default, None, is float32, or the lowest of the
            arguments' own; ``"float64"`` leaves the check in lower precision out.
        search_points: also check the first derivative at 0, at ties, in the tails, at infinity, at extreme numbers, and
            at inputs that are searched, at which branches are taken and comparisons have outcomes, in the function and
            in its derivatives, that they have not at the given arguments. The report says for which none is found.
        expected: reasons by argument, such as ``{"x": "straight-through"}``, where a derivative is intended to be
            another one; the report shows it as declared.

    Raises:
        TypeError, ValueError: an argument does not fit, or a declaration is not needed; the message names it.

    >>> def swish(x, beta):
    ...     return x * jax.nn.sigmoid(beta * x)
    >>> report = check_function(swish, np.array([-1.0, 0.5, 2.0]), 1.5)
    >>> print(str(report).splitlines()[0].partition(" (")[0])
    ok: the derivatives of swish
    """
    if not callable(function):
        raise TypeError(message("check_function", "function to be callable", type(function).__name__))
    if backward is not None and not callable(backward):
        raise TypeError(message("check_function", "backward to be callable or None", type(backward).__name__))
    check_order("check_function", order)
    check_declarations("check_function", expected, functions=False)
    with marked_calls(), double_precision():
        flat, leaves = flattened("check_function", function, args)
        _refuse_unknown("check_function", expected, [*map(_root, flat.names)], "an argument's name")
        low = training_dtype("check_function", dtype, jax.tree.leaves(args))
        by_hand = None if backward is None else _as_flat(backward, flat, args)
        program = traced("check_function", flat, leaves)
        has_rules = any(equation.primitive.name in RULES for equation, _ in walk(program))
        subject = Subject(name_of(function), flat.call, flat.call, flat.names, by_hand, None)
        examined = Examination(subject, leaves)
        points = [*special_points(leaves, flat.names)] if search_points else []
        examine(examined, Point(leaves, "", True), points, order, low, consistent=has_rules, search=search_points)
        given = effects_of(program) if search_points else by_function(program, leaves, flat.names)
        missed = tuple(dict.fromkeys([*given, *by_indices(program, flat.integers), *examined.notes]))
    found = [_with_stop(finding, program) for finding in examined.findings]
    findings = declared("check_function", found, expected, lambda finding: _root(finding.argument))
    return DerivativeReport(subject.name, tuple(findings), tuple(summary(examined, low)), missed)


def examine(
    examined: Examination,
    given: Point,
    points: Sequence[Point],
    order: int,
    low: np.dtype | None,
    *,
    consistent: bool,
    search: bool,
) -> None:
    """Run the checks of one function at the given point, and those of first order at the others.

    Args:
        examined: where findings and notes are added.
        given: the point of all checks.
        points: the points of the first derivative alone.
        order: 2 for second derivatives too.
        low: the training dtype, None for float64.
        consistent: whether the derivative is compared under ``vmap`` and without ``jit``.
        search: whether more points are looked for, at which cases are met that are not at the others.
    """
    if not examined.derivatives.count or not examined.derivatives.size:
        missing = "given" if examined.derivatives.count else "returned"
        examined.add(Verdict.NOT_CHECKED, "the derivative", f"no floating number is {missing}")
        return
    first_order(examined, given)
    if any(finding.verdict is Verdict.MISMATCH for finding in examined.findings):
        examined.notes.append(f"the rest of {examined.subject.name}, until its first derivative is right")
        return
    if examined.routes:
        linearity(examined, given)
        if order == 2:
            second_order(examined, given)
        if low is not None:
            low_precision(examined, given, low)
        if consistent:
            consistency(examined, given)
            side_effects(examined, given)
    elif not examined.findings:
        examined.add(Verdict.NOT_CHECKED, "the derivative", "JAX differentiates it in neither mode")
    if search:
        examined.searched += searched(examined, [given, *points])
    for point in [*points, *examined.searched]:
        if examined.routes:
            first_order(examined, point)
            if low is not None:
                low_precision(examined, point, low)


def searched(examined: Examination, points: Sequence[Point]) -> list[Point]:
    """Return points at which cases of the function and of its derivatives are met that they are not at the given ones.

    Points between the numbers that the program holds are added: two cases may have to be met at once. The cases that no
    point is found for are noted.
    """
    derivatives = examined.derivatives

    def program(*leaves: Any) -> list[jax.Array]:
        found = derivatives.value(leaves)
        for route in examined.routes[:2]:  # by hand and reverse, or the one there is
            getattr(derivatives, route)(leaves, derivatives.cotangents)
        return found

    try:
        coverage = Coverage(program, points[0].leaves)
        found, left = coverage.search([point.leaves for point in points])
    except NoRuleError as error:
        examined.notes.append(f"cases, since the program cannot be followed: {error}")
        return []
    shown = [*left[:MOST_LEFT], *([f"{len(left) - MOST_LEFT} more cases"] if len(left) > MOST_LEFT else [])]
    examined.notes += [f"{each}, of {examined.subject.name}" for each in shown]
    return [
        *(Point(leaves, f"at a {words}", is_special=True) for leaves, words in found),
        *(filled(points[0].leaves, value) for value in coverage.between()),
    ]


def check_order(where: str, order: Any) -> None:
    """Raise ``ValueError`` unless the order is 1 or 2."""
    if order not in (1, 2):
        raise ValueError(message(where, "order 1 or 2", order))


def traced(where: str, flat: Flat, leaves: Sequence[np.ndarray]) -> Any:
    """Return a function's program in float64; raise ``TypeError`` if it can be traced in float32 alone."""
    try:
        return jax.make_jaxpr(flat.call)(*leaves)
    except TypeError as error:
        try:
            with jax.enable_x64(False):
                jax.make_jaxpr(flat.call)(*leaves)
        except Exception:  # the user's own error
            raise error from None
        text = "function to follow the dtype of its arguments, since it is checked in float64, not in float32 alone"
        raise TypeError(message(where, text, f"TypeError: {' '.join(str(error).split())[:200]}")) from error


def name_of(function: Any) -> str:
    """Return a function's name, file and line.

    >>> name_of(len)
    'len'
    """
    inner = inspect.unwrap(function)
    inner = getattr(inner, "func", inner)
    code = getattr(inner, "__code__", None)
    name = getattr(inner, "__name__", None) or repr(function)
    return name if code is None else f"{name} ({Path(code.co_filename).name}:{code.co_firstlineno})"


def summary(examined: Examination, low: np.dtype | None) -> Iterator[str]:
    """Yield in words what was compared."""
    count, results = len(examined.derivatives.places), len(examined.derivatives.cotangents)
    if not examined.routes:
        return
    names = {"reverse": "reverse mode", "forward": "forward mode", "hand": "the backward pass by hand"}
    routes = ", ".join(names[route] for route in examined.routes)
    within = "each to its last bits or its measured rounding"
    if examined.method == "Richardson":
        within = "by differences, each to 1e-6 of itself or of a thousandth of its column's largest"
    yield f"{examined.subject.name}: {count} × {results} derivatives in float64 ({examined.method}, {within}): {routes}"
    if low is not None and examined.low_is_checked:
        yield f"{examined.subject.name}: in {low.name} against float64, within 16 times the measured rounding"


def declared(
    where: str, findings: Sequence[Finding], expected: Mapping[str, Any] | None, key_of: Callable[[Finding], str]
) -> list[Finding]:
    """Return the findings with those that are declared marked so; a declaration that is not needed is an error."""
    needed, result = set(), []
    for finding in findings:
        key = key_of(finding)
        if finding.verdict is Verdict.MISMATCH:
            needed.add(key)
        if is_of_derivative(finding) and expected and isinstance(expected.get(key), str):
            finding = replace(finding, verdict=Verdict.DECLARED, reason=expected[key])
        result.append(finding)
    for key, reason in (expected or {}).items():
        if isinstance(reason, str) and key not in needed:
            raise ValueError(
                message(where, f"expected= to name what differs, and nothing of {key!r} does", repr(reason))
            )
    return result


def is_of_derivative(finding: Finding) -> bool:
    """Return whether a finding is of a wrong derivative, not of another output, nor of a rule that raises an error."""
    others = finding.check.startswith("the output") or finding.reason.startswith("it raises")
    return finding.verdict is Verdict.MISMATCH and not others


def _with_stop(finding: Finding, program: Any) -> Finding:
    """Return a finding that names where a gradient is stopped, if that may be why a derivative is 0."""
    stops = [place_of(equation) for equation, _ in walk(program) if equation.primitive.name == "stop_gradient"]
    if finding.verdict is not Verdict.MISMATCH or not stops or not finding.reason.startswith("zero everywhere"):
        return finding
    return replace(finding, reason=f"{finding.reason}; stop_gradient is called in {stops[0] or 'funcnet'}")


def _refuse_unknown(where: str, expected: Mapping[str, Any] | None, known: Sequence[str], what: str) -> None:
    for key in expected or {}:
        if key not in known:
            listed = ", ".join(dict.fromkeys(known))
            raise ValueError(message(where, f"expected= to name {what}, one of {listed}", repr(key)))


def _root(name: str) -> str:
    """Return the argument that an array's name begins with: ``"params['w']"`` is of ``"params"``."""
    return name.partition("[")[0].partition(".")[0]


def _as_flat(backward: Callable[..., Any], flat: Flat, args: tuple[Any, ...]) -> Callable[..., Any]:
    """Return a backward pass as a function of the floating arrays and of the floating cotangents."""

    def by_hand(arrays: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        shapes, form = jax.tree.flatten(jax.eval_shape(flat.whole, *arrays))
        given = iter(cotangents)
        full = [
            next(given) if jnp.issubdtype(each.dtype, jnp.floating) else np.zeros(each.shape, jax.dtypes.float0)
            for each in shapes
        ]
        returned = backward(flat.arguments(arrays), jax.tree.unflatten(form, full))
        if not isinstance(returned, tuple) or len(returned) != len(args):
            raise TypeError(message("backward", f"a tuple of {len(args)} gradients, as the arguments", _kind(returned)))
        structure: Any = jax.tree.structure(args)
        gradients = structure.flatten_up_to(returned)
        for place, array in zip(flat.places, arrays, strict=True):
            shape = None if gradients[place] is None else jnp.shape(gradients[place])
            if shape != array.shape:
                raise ValueError(message("backward", f"gradient {place} of shape {array.shape}", shape))
        return [jnp.asarray(gradients[place]) for place in flat.places]

    return by_hand


def _kind(returned: Any) -> str:
    return f"a tuple of {len(returned)}" if isinstance(returned, tuple) else type(returned).__name__
