"""``from_step``: a search out of its step.

A search is a pair (init, step) of pure functions, with the settings in the state::

    state = search.init(cost, start, key)
    state = search.step(cost, state)

``cost(params) -> ()`` is the function to make small, floating, over any pytree of floating arrays; ``start(key) ->
params`` draws a point to start at. ``step`` is one function for all settings that are numbers: another temperature or
mutation rate compiles nothing. The state of every search is a NamedTuple with these fields among others:

- ``key``: the run's one random key, which never changes: a step's own is folded from it and the count of steps;
- ``step``: int32 (), steps taken;
- ``current``: the ``Point`` where the search stands, or several of them along a leading axis;
- ``best``: the ``Point`` of the lowest cost of all that were evaluated;
- ``evaluations``: int32 (), costs evaluated, with or without the gradient.
"""

from collections.abc import Callable
from typing import Annotated, Any, Concatenate, NamedTuple, ParamSpec, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import check_key
from ..errors import message
from ..settings import (
    AT_LEAST_ONE,
    FACTOR,
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    Count,
    as_array,
    public_function,
    ranges_of,
    settings_dtype,
    state_type,
)
from .points import Cost, Point, Start, best_of, better, first_points

State = Any


class _PointCount(Count):
    """The range of the setting that says how many points a search moves side by side: a shape, and so no array."""


# Settings with their ranges.
Temperature = Annotated[float, NOT_NEGATIVE]
Scale = Annotated[float, POSITIVE]
Factor = Annotated[float, FACTOR]
Share = Annotated[float, SHARE]
TournamentSize = Annotated[float, AT_LEAST_ONE]
NaturalNumber = Annotated[int, Count(0)]
Points = Annotated[int, _PointCount(1)]
P = ParamSpec("P")


class Search(NamedTuple):
    """The pair: ``init(cost, start, key) -> state`` and ``step(cost, state) -> state``."""

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


class At(NamedTuple):
    """Where a step begins."""

    key: jax.Array  # the step's own random key
    current: Point  # with a leading axis where a setting says how many points there are


class Step(NamedTuple):
    """What a step comes to."""

    evaluated: Point  # every point whose cost was evaluated
    current: Point  # where the search stands now
    settings: dict[str, Any]  # the settings that changed, by name


def from_step(
    state_name: str | None = None, /, *, check: Callable[..., None] | None = None
) -> Callable[[Callable[Concatenate[Cost, At, P], Step]], SearchFunction[P]]:
    """Return the decorator that makes a search's public function out of its step, ``step(cost, at, **settings)``.

    Each setting has its range in its annotation. One annotated ``Points`` is the number of points that the search moves
    side by side; without it there is one point, without a leading axis. ``check(**settings)``, where given, raises an
    error for settings that do not go together.

    >>> import funcnet as fn
    >>> from funcnet.search.points import better, evaluated, perturbed
    >>> @from_step()
    ... def random_descent(cost, at, scale: Scale = 0.1):
    ...     proposal = evaluated("random_descent", cost, perturbed(at.key, at.current.params, 1.0, scale))
    ...     return Step(proposal, better(proposal, at.current), {})
    >>> def run(key):
    ...     return fn.search.run(random_descent(), lambda x: x**2, lambda key: jnp.array(1.0), key=key, steps=200)
    >>> print(f"{run(jax.random.key(0)).cost:.3f}")
    0.000
    """

    def decorate(rule: Callable[Concatenate[Cost, At, P], Step]) -> SearchFunction[P]:
        ranges, name = ranges_of(rule, leading=2), rule.__name__
        counts = [each for each, valid in ranges.items() if isinstance(valid, _PointCount)]
        kept = [each for each in ranges if each not in counts]
        state = state_type(rule, state_name, _fields(ranges, kept), kept)

        def init(cost: Cost, start: Start, key: jax.Array, **settings: Any) -> State:
            check_call(name, cost, start, key)
            points = first_points(name, cost, start, key, settings[counts[0]] if counts else 1)
            dtype = settings_dtype(name, ranges, settings, points.params)
            one = best_of(points)
            return state(
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
            settings = {each: getattr(state, each) for each in kept}
            settings |= {each: len(state.current.cost) for each in counts}
            at = At(jax.random.fold_in(state.key, state.step), state.current)
            evaluated, current, changed = rule(cost, at, **settings)  # type: ignore[call-arg]
            lowest = best_of(evaluated) if counts else evaluated
            return state._replace(
                step=state.step + 1,
                current=current,
                best=better(lowest, state.best),
                evaluations=state.evaluations + evaluated.cost.size,
                **changed,
            )

        return public_function(rule, 2, Search, state, init, step, check)

    return decorate


def _fields(ranges: dict[str, Any], kept: list[str]) -> dict[str, str]:
    """Return what the fields of a state hold, by name."""
    return {
        "key": "the run's one random key",
        "step": "int32 (), steps taken",
        **{each: f"{'int32' if isinstance(ranges[each], Count) else 'float'} (), {ranges[each]}" for each in kept},
        "current": "the Point where the search stands, or several along a leading axis",
        "best": "the Point of the lowest cost of all that were evaluated",
        "evaluations": "int32 (), costs evaluated",
    }


def check_call(where: str, cost: Any, start: Any, key: Any) -> None:
    """Raise ``TypeError`` unless cost and start are functions and the key is one."""
    if not callable(cost):
        raise TypeError(message(where, "cost to be a function of the parameters", f"a {type(cost).__name__}"))
    if not callable(start):
        expected = "start to be a function of a key, such as lambda key: params"
        raise TypeError(message(where, expected, f"a {type(start).__name__}"))
    check_key(where, key)
