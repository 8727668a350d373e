"""``run``: a whole search in one compiled program, and why it ended."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..checks import check_count, check_number
from ..ending import Ending, ending
from ..errors import message
from .points import Cost, Params, Start, as_pytree
from .rule import Search, State, check_call

_BLOCK = 256  # steps between two looks at whether a run has ended
_MOST_EVALUATIONS = 2**31 - 1  # what an int32 can count


class SearchResult(NamedTuple):
    """What a search gives back; under ``vmap`` every array has the leading axis that was mapped over."""

    params: Params  # the best parameters of all that were evaluated
    cost: jax.Array  # (): their cost; infinity where no cost was finite
    history: jax.Array  # (steps,): the best cost so far after each step; after the last one taken it stays
    steps: jax.Array  # int32 (): steps taken
    evaluations: jax.Array  # int32 (): costs evaluated
    improved: jax.Array  # int32 (): the step of the last improvement by more than min_delta, 0 for the start
    outcome: jax.Array  # int32 (): the reason as a number
    state: State  # the search's own state after the last step

    @property
    def reason(self) -> Any:
        """Why the run ended, an ``Ending``; after ``vmap`` an array of them.

        It is "goal reached", "no improvement" for ``steps - improved`` steps, "completed" after all steps, or
        "non-finite cost" where no point at which the search ended has a finite cost.
        """
        return ending(self.outcome)


def run(
    search: Search,
    cost: Cost,
    start: Start,
    *,
    key: jax.Array,
    steps: int,
    goal: float | None = None,
    patience: int | None = None,
    min_delta: float = 0.0,
) -> SearchResult:
    """Search for parameters of low cost: at most ``steps`` steps of ``search``, all in one compiled program.

    The run ends early once the cost is at most ``goal``, or once it has not become lower by more than ``min_delta`` for
    ``patience`` steps; ``reason`` says which. A cost that is NaN or infinite is never the best. Another goal, patience,
    min_delta or number in the search's settings compiles nothing. Another cost function compiles anew, unless it is a
    pytree that holds its data, such as ``jax.tree_util.Partial(cost, x, y)``, which is called ``cost(x, y, params)``.
    For many runs in one program use ``jax.vmap`` over the keys, or over the settings.

    Args:
        search: A pair (init, step), such as ``fn.genetic()``.
        cost: The function to make small, ``cost(params) -> ()``, floating, over any pytree of floating arrays.
        start: What draws the parameters to begin at, ``start(key) -> params``; for fixed ones ``lambda key: params``.
        key: The random key, on which alone the run's random numbers depend.
        steps: The most steps to take, at least 1.
        goal: The cost at which the run ends; None for no goal.
        patience: The number of steps without improvement after which the run ends; None for no limit.
        min_delta: By how much the cost becomes lower in an improvement; 0 by default.

    Raises ``TypeError`` and ``ValueError`` for arguments of other types and values, and ``ShapeError`` and
    ``DtypeError`` for a cost that is not one floating number and for parameters that are not floating.

    >>> import funcnet as fn
    >>> def rastrigin(x):
    ...     return jnp.sum(10 + x**2 - 10 * jnp.cos(2 * jnp.pi * x))
    >>> def start(key):
    ...     return jax.random.uniform(key, (2,), minval=-5.12, maxval=5.12)
    >>> def one(key):
    ...     method = fn.genetic(50, scale=0.5, mutation_rate=0.3)
    ...     return fn.search.run(method, rastrigin, start, key=key, steps=200, goal=0.01)
    >>> result = one(jax.random.key(0))
    >>> result.reason, result.params.shape
    ('goal reached', (2,))
    >>> results = jax.vmap(one)(jax.random.split(jax.random.key(1), 20))
    >>> results.params.shape, bool((results.cost <= 0.01).all())
    ((20, 2), True)
    """
    if not (hasattr(search, "init") and hasattr(search, "step")):
        expected = "search to have init and step, as fn.genetic() has"
        raise TypeError(message("run", expected, f"a {type(search).__name__}"))
    check_call("run", cost, start, key)
    check_count("run", "steps", steps)
    if goal is not None:
        check_number("run", "goal", goal, lambda value: ~np.isnan(value), "not to be NaN")
    if patience is not None:
        check_count("run", "patience", patience)
    check_number("run", "min_delta", min_delta, lambda d: (d >= 0) & np.isfinite(d), "to be finite and at least 0")
    state = search.init(cost, start, key)
    evaluations = (int(steps) + 1) * state.current.cost.size
    if evaluations > _MOST_EVALUATIONS:
        raise ValueError(message("run", f"steps for at most {_MOST_EVALUATIONS} evaluations", evaluations))
    dtype = state.best.cost.dtype
    return _run(
        state,
        as_pytree(cost),
        jnp.asarray(-np.inf if goal is None else goal, dtype),
        jnp.asarray(steps if patience is None else patience, jnp.int32),
        jnp.asarray(min_delta, dtype),
        step=search.step,
        steps=int(steps),
    )


class _Run(NamedTuple):
    """Where a run stands."""

    state: State
    taken: jax.Array  # int32 (): steps taken
    reference: jax.Array  # (): the best cost at the last improvement by more than min_delta
    improved: jax.Array  # int32 (): the step of it


@partial(jax.jit, static_argnames=("step", "steps"))
def _run(
    state: State,
    cost: Cost,
    goal: jax.Array,
    patience: jax.Array,
    min_delta: jax.Array,
    *,
    step: Callable[[Cost, State], State],
    steps: int,
) -> SearchResult:
    """Return the result of the steps from that state on.

    The steps go in blocks, so that the history is written a block at a time: mapped by ``vmap``, a loop copies all that
    it carries in every turn.
    """

    def is_reached(run: _Run) -> jax.Array:
        return run.state.best.cost <= goal

    def unfinished(run: _Run) -> jax.Array:
        return (run.taken < steps) & ~is_reached(run) & (run.taken - run.improved < patience)

    def one_step(run: _Run, _: None) -> tuple[_Run, jax.Array]:
        run = lax.cond(unfinished(run), partial(_stepped, step, cost, min_delta), lambda run: run, run)
        return run, run.state.best.cost

    def block(carry: tuple[_Run, jax.Array, jax.Array]) -> tuple[_Run, jax.Array, jax.Array]:
        run, history, begin = carry
        run, costs = lax.scan(one_step, run, None, length=length)
        return run, lax.dynamic_update_slice(history, costs, (begin,)), begin + length

    length = min(steps, _BLOCK)
    zero = jnp.array(0, jnp.int32)
    first = state.best.cost
    empty = jnp.full(-(-steps // length) * length, jnp.inf, first.dtype)
    run, history, _ = lax.while_loop(
        lambda carry: unfinished(carry[0]), block, (_Run(state, zero, first, zero), empty, zero)
    )
    params, lowest = run.state.best
    lost = ~jnp.any(jnp.isfinite(run.state.current.cost))
    outcome = jnp.where(run.taken < steps, Ending.NO_IMPROVEMENT.number, Ending.COMPLETED.number)
    outcome = jnp.where(lost, Ending.NON_FINITE_COST.number, outcome)
    outcome = jnp.where(is_reached(run), Ending.GOAL_REACHED.number, outcome).astype(jnp.int32)
    history = jnp.where(jnp.arange(steps, dtype=jnp.int32) < run.taken, history[:steps], lowest)
    return SearchResult(params, lowest, history, run.taken, run.state.evaluations, run.improved, outcome, run.state)


def _stepped(step: Callable[[Cost, State], State], cost: Cost, min_delta: jax.Array, run: _Run) -> _Run:
    """Return the run after one more step."""
    state = step(cost, run.state)
    better = run.reference - state.best.cost > min_delta
    return _Run(
        state=state,
        taken=run.taken + 1,
        reference=jnp.where(better, state.best.cost, run.reference),
        improved=jnp.where(better, run.taken + 1, run.improved),
    )
