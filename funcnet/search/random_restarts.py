"""Restarts: gradient descent from many starting points at once; the best point is the result."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..checks import check_count, check_like, check_update_pair, next_count
from ..configuration import Configuration, document_fields
from ..settings import Initial
from .points import Cost, Params, Point, Start, as_pytree, best_of, better, checked_cost, finite_or_inf, first_points
from .rule import Search, check_call, check_step


@document_fields
class RestartsState(NamedTuple):
    """The state of ``restarts``.

    Attributes:
        key: the run's one random key.
        step: int32 (): steps taken.
        current: the present point of every start, along a leading axis.
        gradients: ∂C/∂θ at these points.
        optimizer_state: the optimizer's state of every start, along a leading axis.
        best: the point of the lowest cost of all that were evaluated.
        evaluations: int32 (): evaluations of the cost and its gradient.
    """

    key: jax.Array
    step: jax.Array
    current: Point
    gradients: Params
    optimizer_state: Any
    best: Point
    evaluations: jax.Array


def restarts(optimizer: Any, starts: int = 16) -> Search:
    """Gradient descent from many starting points, all in one program; the result is the best point of all.

    If one start ends at the global minimum with probability p, at least one of n does with probability 1 − (1 − p)ⁿ.
    ``optimizer`` is a pair (init, update) of funcnet, or one of optax that needs only gradients, state and parameters;
    n = ``starts``. A step is one step of the optimizer, with one evaluation of the cost and its gradient, for every
    start. A start whose cost becomes infinite or NaN does not affect the others. Other hyper-parameters of a funcnet
    optimizer compile nothing. Raises ``TypeError`` for an ``optimizer`` that is not a pair, ``ValueError`` for
    one that only transforms gradients, and ``TypeError`` or
    ``ValueError`` for ``starts`` that is not an integer of at least 1.

    Multistart: Rinnooy Kan, Timmer, "Stochastic Global Optimization Methods, Part I: Clustering Methods" (1987).

    >>> import funcnet as fn
    >>> method = fn.restarts(fn.sgd(0.1), starts=8)
    >>> def cost(x):  # two valleys, of which the one at -1 is lower
    ...     return (x**2 - 1) ** 2 + 0.3 * x
    >>> state = method.init(cost, lambda key: jax.random.uniform(key, minval=-2.0, maxval=2.0), jax.random.key(0))
    >>> for _ in range(30):
    ...     state = method.step(cost, state)
    >>> print(f"{state.best.params:.1f}", [f"{x:.1f}" for x in state.current.params[:4]])
    -1.0 ['-1.0', '1.0', '1.0', '-1.0']
    """
    check_update_pair("restarts", optimizer)
    check_count("restarts", "starts", starts)
    settings = (("optimizer", optimizer), ("starts", starts))
    return Search(Initial("restarts", _init, settings), _Step(optimizer.update))


def _init(cost: Cost, start: Start, key: jax.Array, *, optimizer: Any, starts: int) -> RestartsState:
    """Return the state before the first step."""
    check_call("restarts", cost, start, key)
    params = first_points("restarts", cost, start, key, starts).params
    points, gradients = _compiled_points_and_gradients(as_pytree(cost), params)
    return RestartsState(
        key=key,
        step=jnp.array(0, jnp.int32),
        current=points,
        gradients=gradients,
        optimizer_state=jax.vmap(optimizer.init)(params),
        best=best_of(points),
        evaluations=jnp.array(starts, jnp.int32),
    )


class _Step(Configuration):
    """The step of ``restarts``: equal for optimizers with the same ``update``, whatever their hyper-parameters."""

    update: Callable[..., Any]

    def __call__(self, cost: Cost, state: RestartsState) -> RestartsState:
        """Return the state after one step of every start: θ ← θ + update."""
        check_step("restarts", cost, state, RestartsState)
        updates, optimizer_state = jax.vmap(self.update)(state.gradients, state.optimizer_state, state.current.params)
        check_like("restarts", "updates", updates, state.current.params, any_floating=True)
        params = jax.tree.map(lambda p, u: p + u.astype(p.dtype), state.current.params, updates)
        points, gradients = _points_and_gradients(cost, params)
        return state._replace(
            step=next_count(state.step),
            current=points,
            gradients=gradients,
            optimizer_state=optimizer_state,
            best=better(best_of(points), state.best),
            evaluations=next_count(state.evaluations, len(points.cost)),
        )


def _points_and_gradients(cost: Cost, params: Params) -> tuple[Point, Params]:
    """Return the points at parameters with a leading axis, and the gradients of the cost there."""
    costs, gradients = jax.vmap(jax.value_and_grad(lambda each: checked_cost("restarts", cost(each))))(params)
    return Point(params, finite_or_inf(costs)), gradients


_compiled_points_and_gradients = jax.jit(_points_and_gradients)
