"""Simulated annealing: a random walk that goes uphill too, less and less."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .base import (
    Cost,
    Initial,
    Point,
    Search,
    Start,
    better,
    check_settings,
    chosen,
    evaluated,
    first_point,
    perturbed,
    setting,
    zero_step,
)


class AnnealingState(NamedTuple):
    """The state of ``annealing``."""

    key: jax.Array  # the run's one random key
    step: jax.Array  # int32 (): steps taken
    temperature: jax.Array  # T: float (), in the cost's units, before the next step
    cooling: jax.Array  # α: float ()
    move_rate: jax.Array  # the share of numbers that move: float ()
    scale: jax.Array  # σ: float (), in the parameters' units, before the next step
    scale_decay: jax.Array  # what σ is multiplied by: float ()
    current: Point  # where the walk stands
    best: Point  # the lowest point that it met
    evaluations: jax.Array  # int32 (): costs evaluated


def annealing(
    temperature: float,
    cooling: float = 0.99,
    *,
    scale: float = 0.1,
    scale_decay: float = 1.0,
    move_rate: float = 1.0,
) -> Search:
    """Simulated annealing: propose θ′ = θ + σε with ε ~ N(0, 1), accept with probability min(1, exp(−ΔC/T)), T ← αT.

    ΔC = C(θ′) − C(θ). T = ``temperature`` ≥ 0 at first is in the cost's units: of the size of the hills to cross. α =
    ``cooling`` in (0, 1] is the factor of every step, and 1 the Metropolis algorithm at one temperature. σ = ``scale``
    is in the parameters' units, and is multiplied by ``scale_decay`` in every step. Each number of θ moves with
    probability ``move_rate``: with many parameters, a walk that moves a few at a time is refused less often. A step is
    one evaluation of the cost, which need not be differentiable. All settings are data: others compile nothing.
    Raises ``TypeError`` and ``ValueError`` for settings out of their ranges.

    Metropolis, Rosenbluth, Rosenbluth, Teller, Teller, "Equation of State Calculations by Fast Computing Machines"
    (1953); Kirkpatrick, Gelatt, Vecchi, "Optimization by Simulated Annealing" (1983).

    >>> import funcnet as fn
    >>> method = fn.annealing(temperature=2.0, cooling=0.995, scale=0.5)
    >>> def cost(x):  # two valleys, of which the one at -1 is lower
    ...     return (x**2 - 1) ** 2 + 0.3 * x
    >>> state = method.init(cost, lambda key: jnp.array(1.0), jax.random.key(0))
    >>> for _ in range(200):
    ...     state = method.step(cost, state)
    >>> print(f"{state.best.params:.1f}")
    -1.0
    """
    settings = {
        "temperature": temperature,
        "cooling": cooling,
        "scale": scale,
        "scale_decay": scale_decay,
        "move_rate": move_rate,
    }
    check_settings("annealing", **settings)
    return Search(Initial("annealing", annealing_init, tuple(settings.items())), annealing_step)


def annealing_init(cost: Cost, start: Start, key: jax.Array, **settings: Any) -> AnnealingState:
    """Return the state before the first step: at the starting point."""
    point = first_point("annealing", cost, start, key)
    numbers = {name: setting(value, point.params) for name, value in settings.items()}
    return AnnealingState(
        key=key, step=zero_step(), current=point, best=point, evaluations=jnp.array(1, jnp.int32), **numbers
    )


def annealing_step(cost: Cost, state: AnnealingState) -> AnnealingState:
    """Return the state after one proposal, accepted or not."""
    proposal_key, acceptance_key = jax.random.split(jax.random.fold_in(state.key, state.step))
    params = perturbed(proposal_key, state.current.params, state.move_rate, state.scale)
    proposal = evaluated("annealing", cost, params)
    probability = acceptance_probability(proposal.cost - state.current.cost, state.temperature)
    accepted = jax.random.uniform(acceptance_key, (), probability.dtype) < probability
    return state._replace(
        step=state.step + 1,
        temperature=state.cooling * state.temperature,
        scale=state.scale_decay * state.scale,
        current=chosen(accepted, proposal, state.current),
        best=better(proposal, state.best),
        evaluations=state.evaluations + 1,
    )


def acceptance_probability(difference: jax.Array, temperature: jax.Array) -> jax.Array:
    """Return Metropolis's min(1, exp(−ΔC/T)) for ΔC = ``difference``, in its shape and dtype; ``temperature`` is ().

    At T = 0 it is 1 for ΔC ≤ 0 and 0 for ΔC > 0; for ΔC = NaN, as between two infinite costs, it is 0.

    >>> acceptance_probability(jnp.array([-1.0, 0.0, 1.0, 2.0]), jnp.array(1.0))
    Array([1.        , 1.        , 0.36787945, 0.13533528], dtype=float32)
    """
    uphill = jnp.where(difference > 0, difference, 1)  # guarded, so that T = 0 makes no 0/0
    probability = jnp.exp(-uphill / temperature.astype(difference.dtype))
    return jnp.where(difference <= 0, 1, jnp.where(difference > 0, probability, 0)).astype(difference.dtype)
