"""The rules that a program meets: which they are, at which values, and which are told apart."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..jaxprs import (
    CALLS,
    CONTROL,
    NoRuleError,
    Visit,
    called_program,
    fingerprint,
    function_of,
    is_rule,
    place_of,
    run,
    visit,
    without_addresses,
)
from ..jaxprs.coverage import Coverage
from .functions import name_of
from .mapping import mapped_function

Key = tuple[Any, ...]  # (operation, function's name, its place, shapes)
Found = dict[Key, list[Visit]]
REACHING = (0.0, 0.5, -0.5, 1.0, -1.0, 30.0, -30.0, 1e4, -1e4, 1e30, -1e30)  # inputs that show what a rule meets
MOST_VARIANTS = 8  # rules of one function with the same shapes
MOST_FIXED = 3  # values of the operands of one rule that are not differentiated


def met_at_all(
    call: Any, leaves: Sequence[np.ndarray], primitives: bool, search_points: bool
) -> tuple[Found, list[str]]:
    """Return the rules that a program meets, also at points that take its other branches, and what is not exercised."""
    found, missed = met(call, leaves, primitives)
    if not missed or not search_points:
        return found, missed
    try:
        coverage = Coverage(call, leaves)
        points, left = coverage.search([leaves], branches_alone=True)
    except NoRuleError:  # the program cannot be followed
        return found, missed
    for there, _ in points:
        for key, visits in met(call, there, primitives)[0].items():
            found.setdefault(key, []).extend(visits)
    searched = {case.words for case in coverage.cases}
    others = [words for words in missed if f"input that takes {words.removesuffix(' is not taken')}" not in searched]
    return found, [*others, *left]


def met(call: Any, leaves: Sequence[Any], primitives: bool) -> tuple[Found, list[str]]:
    """Return the rules that a program meets, with the visits of each, and what is not exercised."""
    found: Found = {}

    def seen(visited: Visit) -> None:
        if (key := _key(visited, primitives)) is not None:
            found.setdefault(key, []).append(visited)

    program = jax.make_jaxpr(call)(*leaves)
    _, missed = visit(program, [*map(jnp.asarray, leaves)], seen)
    return found, missed


def _key(visited: Visit, primitives: bool) -> Key | None:
    """Return what the calls of one function's rule share, None where there is no rule to check."""
    equation = visited.equation
    name = equation.primitive.name
    shapes = tuple(variable.aval.shape for variable in equation.invars)
    if is_rule(equation):
        return (name, *function_of(equation), shapes) if called_program(equation) is not None else None
    if mapped := mapped_function(equation, visited.operands):
        return name, name_of(mapped[0].fun), str(mapped[2])
    if primitives and name not in CONTROL | set(CALLS) and _is_differentiable(equation):
        return name, "", place_of(equation), shapes
    return None


def _is_differentiable(equation: Any) -> bool:
    """Return whether an equation has floating operands and results."""
    return all(
        any(jnp.issubdtype(getattr(each.aval, "dtype", np.int32), jnp.floating) for each in variables)
        for variables in (equation.invars, equation.outvars)
    )


def met_in(low: np.dtype | None, call: Any, leaves: Sequence[np.ndarray], primitives: bool) -> tuple[Found, str]:
    """Return the rules that the program meets in the training dtype, and in words why it cannot be run in it."""
    if low is None:
        return {}, ""
    try:
        with jax.enable_x64(False):
            return met(call, [leaf.astype(low) for leaf in leaves], primitives)[0], ""
    except Exception as error:  # of any kind: it is the user's code
        return {}, f"the program cannot be run there: {type(error).__name__}: {' '.join(str(error).split())[:120]}"


def reached(
    call: Any, leaves: Sequence[np.ndarray], primitives: bool, key: Key, visits: Sequence[Visit]
) -> list[tuple[float, float]]:
    """Return the least and the largest number that a rule meets in each floating operand, at extreme inputs.

    Args:
        call: the program, a function of arrays.
        leaves: its arrays.
        primitives: whether JAX's own rules are looked at too.
        key: of the rule.
        visits: those of the rule at the given arrays.
    """
    found = [*visits]
    for value in REACHING:
        found += met(call, [np.full_like(leaf, value) for leaf in leaves], primitives)[0].get(key, [])
    ranges = []
    for place in places_of(visits[0]):
        numbers = np.concatenate([np.ravel(number_of(each.operands, place)) for each in found])
        finite = numbers[np.isfinite(numbers)]
        ranges.append((finite.min(initial=np.inf), finite.max(initial=-np.inf)))
    return ranges


Place = tuple[int, str]  # an operand, and which part of it: "" for a real one, "real" or "imag"


def places_of(visited: Visit) -> list[Place]:
    """Return the places of the operands in which a rule gives derivatives: not those that its function closes over."""
    equation = visited.equation
    constants = equation.params.get("num_consts", 0) if is_rule(equation) else 0
    return [place for place in floating_places(visited.operands) if place[0] >= constants]


def floating_places(operands: Sequence[Any]) -> list[Place]:
    """Return the places of the floating operands; complex ones have two, for their real and their imaginary part."""
    places: list[Place] = []
    for at, each in enumerate(operands):
        dtype = jnp.result_type(each)
        if jnp.issubdtype(dtype, jnp.complexfloating):
            places += [(at, "real"), (at, "imag")]
        elif jnp.issubdtype(dtype, jnp.floating):
            places.append((at, ""))
    return places


def number_of(operands: Sequence[Any], place: Place) -> np.ndarray:
    """Return what stands at a place, in float64."""
    at, part = place
    value = np.asarray(operands[at])
    return np.asarray(getattr(value, part) if part else value).astype(np.float64)


def with_numbers(operands: Sequence[Any], places: Sequence[Place], arrays: Sequence[Any], avals: Any) -> list[Any]:
    """Return operands with other arrays at some places, in the dtypes that are declared."""
    given = list(operands)
    for (at, part), array in zip(places, arrays, strict=True):
        dtype = avals[at].dtype
        if not part:
            given[at] = jnp.asarray(array).astype(dtype)
        elif part == "imag":  # its real part is put there before
            given[at] = lax.complex(given[at], jnp.asarray(array).astype(given[at].dtype))
        else:
            given[at] = jnp.asarray(array).astype(jnp.finfo(dtype).dtype)
    return given


def variants(visits: Sequence[Visit]) -> list[list[Visit]]:
    """Return the visits of each rule among those of one function with the same shapes.

    A function that is made anew, as by a factory, or that has arguments which are not differentiated, may have another
    rule each time.
    """
    known: dict[int, str] = {}
    found: dict[str, list[Visit]] = {}
    for each in visits:
        key = id(each.equation)
        if key not in known:
            known[key] = _identity(each)
        found.setdefault(known[key], []).append(each)
    return list(found.values())


def with_same_constants(visits: Sequence[Visit]) -> list[list[Visit]]:
    """Return the visits with the same values of the operands that are not differentiated, random keys left out."""
    found: dict[tuple[bytes, ...], list[Visit]] = {}
    for each in visits:
        places = {at for at, _ in places_of(each)}
        fixed = (operand for at, operand in enumerate(each.operands) if at not in places)
        found.setdefault(tuple(_bytes(operand) for operand in fixed), []).append(each)
    return list(found.values())


def beside(groups: Sequence[list[Visit]], in_low: Sequence[list[Visit]]) -> list[list[Visit]]:
    """Return the visits in the training dtype for each group of visits with the same constants; none if not known.

    They have the same integers, whatever their dtypes. Floating constants are rounded there: those of the same integers
    are met in the same order.
    """
    known: dict[Key, list[list[Visit]]] = {}
    for each in in_low:
        known.setdefault(_integers(each[0]), []).append(each)
    keys = [_integers(each[0]) for each in groups]
    return [
        known[key][keys[:place].count(key)] if len(known.get(key, ())) == keys.count(key) else []
        for place, key in enumerate(keys)
    ]


def _integers(visited: Visit) -> Key:
    """Return the shapes and the values of the integer operands, without their dtypes."""
    dtypes = [jnp.result_type(operand) for operand in visited.operands]
    return tuple(
        (np.shape(operand), np.asarray(operand).astype(np.int64).tobytes())
        for operand, dtype in zip(visited.operands, dtypes, strict=True)
        if jnp.issubdtype(dtype, jnp.integer) or jnp.issubdtype(dtype, jnp.bool_)
    )


def _bytes(operand: Any) -> bytes:
    is_key = isinstance(operand, jax.Array) and jnp.issubdtype(operand.dtype, jax.dtypes.prng_key)
    return b"" if is_key else np.asarray(operand).tobytes()


def _identity(visited: Visit) -> str:
    """Return a text that is the same for the calls of one rule: what the function and its rule compute."""
    equation = visited.equation
    if mapped := mapped_function(equation, visited.operands):
        function, operands, structure = mapped
        args, kwargs = jax.tree.unflatten(structure, operands)
        return fingerprint(equation.params["jaxpr"]) + fingerprint(jax.make_jaxpr(function.fun)(*args, **kwargs))
    program = called_program(equation)
    if program is None:
        return without_addresses(str(equation.params))
    try:
        return fingerprint(program) + fingerprint(_rule_of(visited))
    except Exception as error:  # of any kind: the rule is the user's code
        return fingerprint(program) + without_addresses(f"{type(error).__name__}: {error}")


def _rule_of(visited: Visit) -> Any:
    """Return the program of a rule: of the derivative, or of the function under ``vmap``."""
    equation, operands = visited.equation, visited.operands
    if equation.primitive.name == "custom_vmap_call":
        stacked = [jnp.stack([jnp.asarray(each)] * 2) for each in operands]
        return jax.make_jaxpr(jax.vmap(lambda *operands: run(equation, *operands)))(*stacked)
    places = [*dict.fromkeys(at for at, _ in places_of(visited))]

    def call(fixed: list[Any], *arrays: Any) -> list[Any]:
        given = list(fixed)
        for at, array in zip(places, arrays, strict=True):
            given[at] = array
        results = run(equation, *given)
        return [each for each in results if jnp.issubdtype(jnp.result_type(each), jnp.inexact)]

    def derivative(fixed: list[Any], arrays: list[Any]) -> Any:
        if equation.primitive.name == "custom_jvp_call":
            return jax.jvp(partial(call, fixed), arrays, arrays)
        results, pull = jax.vjp(partial(call, fixed), *arrays)
        return pull(results)

    return jax.make_jaxpr(derivative)(operands, [operands[at] for at in places])
