"""``from_step``: makes a search of the function of one step.

A search is a pair (init, step) of pure functions, with the settings in the state::

    state = search.init(cost, start, key)
    state = search.step(cost, state)

``cost(params) -> ()`` is the function to minimize: a floating number for any pytree of floating arrays.
``start(key) -> params`` draws a starting point. The settings are in the state, so another temperature or mutation rate
compiles nothing. The state of every search is a NamedTuple with these fields among others:

- ``key``: the run's random key, which never changes; the key of a step is made of it and the count of steps;
- ``step``: int32 (), the number of steps taken; it stays at 2³¹ − 1, where the random numbers repeat;
- ``current``: the present ``Point``, or several along a leading axis;
- ``best``: the ``Point`` of the lowest cost of all that were evaluated;
- ``evaluations``: int32 (), the number of evaluations of the cost, with or without its gradient; it stays at 2³¹ − 1.
"""

from collections.abc import Callable
from typing import Any, Concatenate, NamedTuple, ParamSpec, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import brief, check_arrays, check_key, next_count
from ..configuration import document_fields
from ..errors import message
from ..settings import (
    Count,
    as_array,
    check_parentheses,
    described,
    public_function,
    ranges_of,
    settings_dtype,
    state_type,
)
from .points import Cost, Point, Start, best_of, better, finite_or_inf, first_points
from .ranges import PointCount

State = Any
P = ParamSpec("P")

# Fields of a state and arguments of ``init``.
NAMES_IN_USE = ("key", "step", "current", "best", "evaluations", "cost", "start")

COST = "cost to be a function of the parameters"


@document_fields
class Search(NamedTuple):
    """The pair: ``init(cost, start, key) -> state`` and ``step(cost, state) -> state``.

    Attributes:
        init: init(cost, start, key) -> state, the state before the first step.
        step: step(cost, state) -> state, the state after one more step.
    """

    init: Callable[[Cost, Start, jax.Array], State]
    step: Callable[[Cost, State], State]

    def __repr__(self) -> str:
        return repr(self.init)


class SearchFunction(Protocol[P]):
    """A function that returns a search with the settings given; ``State`` is its state's type."""

    State: type[Any]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Search:
        """Return the search."""
        ...


@document_fields
class StepInput(NamedTuple):
    """What a step starts from.

    Attributes:
        key: the step's own random key.
        current: the present point, or several along a leading axis.
    """

    key: jax.Array
    current: Point


@document_fields
class StepResult(NamedTuple):
    """What a step returns.

    Attributes:
        evaluated: every point whose cost was evaluated.
        current: the new present point, or several along a leading axis.
        settings: the settings that changed, by name.
    """

    evaluated: Point
    current: Point
    settings: dict[str, Any]


def from_step(
    state_name: str | None = None, /, *, check: Callable[..., None] | None = None
) -> Callable[[Callable[Concatenate[Cost, StepInput, P], StepResult]], SearchFunction[P]]:
    """Return the decorator that makes a search's public function of its step, ``step(cost, at, **settings)``.

    The step returns a ``StepResult``. Each setting is annotated with its range. A setting annotated ``Points`` is the
    number of points that the search moves; without it there is one point, without a leading axis.
    ``check(**settings)``, where given, raises an error for settings that contradict each other.

    Raises ``TypeError`` for the decorator without parentheses and for a setting without a range, and ``ValueError`` for
    a setting whose name is in use. The search's ``step`` raises ``TypeError`` for a step that does not return a
    ``StepResult``, and ``ValueError`` for changed settings of other names.

    >>> import funcnet as fn
    >>> from funcnet.search import Scale
    >>> from funcnet.search.points import better, evaluated, perturbed
    >>> @from_step()
    ... def random_descent(cost, at, scale: Scale = 0.1):
    ...     proposal = evaluated("random_descent", cost, perturbed(at.key, at.current.params, 1.0, scale))
    ...     return StepResult(proposal, better(proposal, at.current), {})
    >>> def run(key):
    ...     return fn.search.run(random_descent(), lambda x: x**2, lambda key: jnp.array(1.0), key=key, steps=200)
    >>> print(f"{run(jax.random.key(0)).cost:.3f}")
    0.000
    """

    check_parentheses("from_step", state_name)

    def decorate(rule: Callable[Concatenate[Cost, StepInput, P], StepResult]) -> SearchFunction[P]:
        ranges, name = ranges_of(rule, leading=2, reserved=NAMES_IN_USE), rule.__name__
        counts = [each for each, valid in ranges.items() if isinstance(valid, PointCount)]
        kept = [each for each in ranges if each not in counts]
        kind = state_type(rule, state_name, _fields(ranges, kept), kept)

        def init(cost: Cost, start: Start, key: jax.Array, **settings: Any) -> State:
            check_call(name, cost, start, key)
            points = first_points(name, cost, start, key, settings[counts[0]] if counts else 1)
            dtype = settings_dtype(name, ranges, settings, points.params)
            one = best_of(points)
            return kind(
                key=key,
                step=as_array(0, np.int32),
                current=points if counts else one,
                best=one,
                evaluations=jnp.array(len(points.cost), jnp.int32),
                **{
                    each: as_array(settings[each], np.int32 if isinstance(ranges[each], Count) else dtype)
                    for each in kept
                },
            )

        def step(cost: Cost, state: State) -> State:
            check_step(name, cost, state, kind)
            settings = {each: getattr(state, each) for each in kept}
            settings |= {each: len(state.current.cost) for each in counts}
            at = StepInput(jax.random.fold_in(state.key, state.step), state.current)
            result = rule(cost, at, **settings)  # type: ignore[call-arg]
            evaluated, current, changed = _checked_result(name, result, kept)
            evaluated = evaluated._replace(cost=finite_or_inf(evaluated.cost))
            lowest = best_of(evaluated) if counts else evaluated
            return state._replace(
                step=next_count(state.step),
                current=current,
                best=better(lowest, state.best),
                evaluations=next_count(state.evaluations, evaluated.cost.size),
                **changed,
            )

        return public_function(rule, 2, Search, kind, init, step, check)

    return decorate


def _checked_result(where: str, result: Any, settings: list[str]) -> StepResult:
    """Return what a step returned. Raises ``TypeError`` for another type, ``ValueError`` for other settings."""
    if not isinstance(result, StepResult):
        expected = "a StepResult(evaluated, current, settings) from the step"
        raise TypeError(message(where, expected, described(result)))
    if other := [each for each in result.settings if each not in settings]:
        raise ValueError(message(where, f"changed settings among {settings} from the step", other))
    return result


def _fields(ranges: dict[str, Any], kept: list[str]) -> dict[str, str]:
    """Return what the fields of a state hold, by name."""
    return {
        "key": "the run's random key",
        "step": "int32 (), the number of steps taken",
        **{each: f"{'int32' if isinstance(ranges[each], Count) else 'float'} (), {ranges[each]}" for each in kept},
        "current": "the present Point, or several along a leading axis",
        "best": "the Point of the lowest cost of all that were evaluated",
        "evaluations": "int32 (), the number of evaluations of the cost",
    }


def check_call(where: str, cost: Any, start: Any, key: Any) -> None:
    """Raise ``TypeError`` unless cost and start are functions and the key is a JAX random key.

    Args:
        where: the search's name, for errors.
        cost: the cost function.
        start: the function that draws a starting point.
        key: the run's random key.
    """
    if not callable(cost):
        raise TypeError(message(where, COST, f"a {type(cost).__name__}"))
    if not callable(start):
        expected = "start to be a function of a key, such as lambda key: params"
        raise TypeError(message(where, expected, f"a {type(start).__name__}"))
    check_key(where, key)


def check_step(where: str, cost: Any, state: Any, kind: Any) -> None:
    """Raise ``TypeError`` unless cost is a function, and the state one of the search's type, of arrays."""
    if not callable(cost):
        raise TypeError(message(where, COST, brief(cost)))
    if not isinstance(state, kind) or any(each is None for each in state):
        raise TypeError(message(where, f"state to be the {kind.__name__} that init returns", brief(state)))
    check_arrays(where, "state", state)
