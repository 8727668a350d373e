"""``run``: a whole search as one compiled program."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..checks import LARGEST_COUNT, as_dtype, check_count, check_number
from ..configuration import document_fields
from ..ending import Ending, ending
from ..errors import message
from ..settings import NOT_NEGATIVE
from .points import Cost, Params, Start, as_pytree
from .rule import Search, State, check_call

STEPS_PER_BLOCK = 256


@document_fields
class SearchResult(NamedTuple):
    """The result of ``run``; under ``vmap`` every array has a leading axis.

    Attributes:
        params: the best parameters of all that were evaluated.
        cost: (): their cost; infinity where no cost was finite.
        history: (steps,): the best cost so far after each step; constant after the last step taken.
        steps: int32 (): the number of steps taken.
        evaluations: int32 (): the number of evaluations of the cost.
        improved: int32 (): the step of the last improvement by more than min_delta, 0 for the start.
        outcome: int32 (): the number of the reason.
        state: the search's own state after the last step.
    """

    params: Params
    cost: jax.Array
    history: jax.Array
    steps: jax.Array
    evaluations: jax.Array
    improved: jax.Array
    outcome: jax.Array
    state: State

    def __repr__(self) -> str:
        return (
            f"SearchResult({self.reason!r}: cost {self.cost} after {self.steps} steps, {self.evaluations} evaluations)"
        )

    @property
    def reason(self) -> Any:
        """Why the run ended, an ``Ending``; after ``vmap`` an array of them.

        It is "goal reached", "no improvement" within the patience, "completed" after all steps, or "non-finite cost"
        where no point of the last step has a finite cost.
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

    The run ends early when the best cost is at most ``goal``, or when it has not fallen by more than ``min_delta`` for
    ``patience`` steps; ``reason`` says which. A cost that is NaN or infinite is never the best. Another goal, patience,
    min_delta or number among the search's settings compiles nothing. Another cost function compiles a new program,
    unless it is a pytree that holds its data, such as ``jax.tree_util.Partial(cost, x, y)``, which is called
    ``cost(x, y, params)``. For many runs in one program use ``jax.vmap`` over the keys or the settings.

    Args:
        search: A pair (init, step), such as ``fn.genetic()``.
        cost: The function to minimize, ``cost(params) -> ()``, floating, for any pytree of floating arrays.
        start: The function ``start(key) -> params`` that draws the initial parameters.
        key: A JAX random key, which determines all random numbers of the run.
        steps: The largest number of steps, at least 1.
        goal: The cost at which the run ends; None for no goal.
        patience: The number of steps without improvement after which the run ends; None for no limit.
        min_delta: The smallest decrease of the cost that counts as an improvement; 0 by default.

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
    if isinstance(search, type) or not (hasattr(search, "init") and hasattr(search, "step")):
        expected = "search to have init and step, as fn.genetic() has"
        raise TypeError(message("run", expected, f"a {type(search).__name__}"))
    check_call("run", cost, start, key)
    check_count("run", "steps", steps)
    if goal is not None:
        check_number("run", "goal", goal, lambda value: ~np.isnan(value), "not to be NaN")
    if patience is not None:
        check_count("run", "patience", patience)
    NOT_NEGATIVE.check("run", "min_delta", min_delta)
    state = search.init(cost, start, key)
    evaluations = (int(steps) + 1) * state.current.cost.size
    if evaluations > LARGEST_COUNT:
        raise ValueError(message("run", f"steps for at most {LARGEST_COUNT} evaluations", evaluations))
    dtype = state.best.cost.dtype
    for name, number in (("goal", goal), ("min_delta", min_delta)):
        if number is not None:
            as_dtype("run", name, number, dtype, may_vanish=True)
    return _run(
        state,
        as_pytree(cost),
        np.array(-np.inf, dtype) if goal is None else jnp.asarray(goal, dtype),
        jnp.asarray(steps if patience is None else min(patience, steps), jnp.int32),
        jnp.asarray(min_delta, dtype),
        step=search.step,
        steps=int(steps),
    )


class _Run(NamedTuple):
    """The state of the loop."""

    state: State
    taken: jax.Array  # int32 (): steps taken
    reference: jax.Array  # (): the best cost at the last improvement by more than min_delta
    improved: jax.Array  # int32 (): the step of that improvement


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
    """Return the result of a run from a state.

    The steps are taken in blocks, and the history is written once per block: under ``vmap`` a loop copies all that it
    carries in every iteration.
    """

    def is_reached(run: _Run) -> jax.Array:
        return (run.state.best.cost <= goal) & jnp.isfinite(run.state.best.cost)

    def unfinished(run: _Run) -> jax.Array:
        return (run.taken < steps) & ~is_reached(run) & (run.taken - run.improved < patience)

    def stepped(run: _Run) -> _Run:
        state, taken = step(cost, run.state), run.taken + 1
        better = run.reference - state.best.cost > min_delta
        reference, improved = jnp.where(better, state.best.cost, run.reference), jnp.where(better, taken, run.improved)
        return _Run(state, taken, reference, improved)

    def one_step(run: _Run, _: None) -> tuple[_Run, jax.Array]:
        run = lax.cond(unfinished(run), stepped, lambda run: run, run)
        return run, run.state.best.cost

    def block(carry: tuple[_Run, jax.Array]) -> tuple[_Run, jax.Array]:
        run, history = carry
        after, costs = lax.scan(one_step, run, None, length=length)
        return after, lax.dynamic_update_slice(history, costs, (run.taken,))

    length = min(steps, STEPS_PER_BLOCK)
    zero = jnp.array(0, jnp.int32)
    first = state.best.cost
    empty = jnp.full(-(-steps // length) * length, jnp.inf, first.dtype)
    run, history = lax.while_loop(lambda carry: unfinished(carry[0]), block, (_Run(state, zero, first, zero), empty))
    params, lowest = run.state.best
    lost = ~jnp.any(jnp.isfinite(run.state.current.cost))
    outcome = jnp.where(run.taken < steps, Ending.NO_IMPROVEMENT.number, Ending.COMPLETED.number)
    outcome = jnp.where(lost, Ending.NON_FINITE_COST.number, outcome)
    outcome = jnp.where(is_reached(run), Ending.GOAL_REACHED.number, outcome).astype(jnp.int32)
    history = jnp.where(jnp.arange(steps, dtype=jnp.int32) < run.taken, history[:steps], lowest)
    return SearchResult(params, lowest, history, run.taken, run.state.evaluations, run.improved, outcome, run.state)
