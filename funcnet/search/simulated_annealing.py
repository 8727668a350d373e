"""Simulated annealing: a random walk that accepts higher costs, with a probability that falls over time."""

from typing import Any

import jax
import jax.numpy as jnp

from ..checks import check_number, floating_array
from .points import Cost, chosen, evaluated, perturbed
from .ranges import Factor, Scale, Share, Temperature
from .rule import StepInput, StepResult, from_step


@from_step("AnnealingState")
def annealing(
    cost: Cost,
    at: StepInput,
    temperature: Temperature,
    cooling: Factor = 0.99,
    *,
    scale: Scale = 0.1,
    scale_decay: Factor = 1.0,
    move_rate: Share = 1.0,
) -> StepResult:
    """Simulated annealing: propose θ′ = θ + σε with ε ~ N(0, 1), accept with probability min(1, exp(−ΔC/T)), T ← αT.

    ΔC = C(θ′) − C(θ). A step is one evaluation of the cost, which need not be differentiable. All settings are data:
    other values compile nothing.

    Args:
        temperature: The initial T ≥ 0, in the cost's units: about the height of the barriers between minima.
        cooling: α in (0, 1], the factor of T in every step; 0.99 by default. With 1 this is the Metropolis algorithm.
        scale: The initial σ > 0, in the parameters' units; 0.1 by default.
        scale_decay: The factor of σ in every step, in (0, 1]; 1 by default.
        move_rate: The probability that an element of θ changes; 1 by default. With many parameters, a proposal that
            changes few of them is accepted more often.

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
    proposal_key, acceptance_key = jax.random.split(at.key)
    proposal = evaluated("annealing", cost, perturbed(proposal_key, at.current.params, move_rate, scale))
    probability = acceptance_probability(proposal.cost - at.current.cost, temperature)
    accepted = jax.random.uniform(acceptance_key, (), probability.dtype) < probability
    settings = {"temperature": cooling * temperature, "scale": scale_decay * scale}
    return StepResult(proposal, chosen(accepted, proposal, at.current), settings)


AnnealingState = annealing.State


def acceptance_probability(difference: jax.Array, temperature: Any) -> jax.Array:
    """Return Metropolis's min(1, exp(−ΔC/T)) for ΔC = ``difference``, in its shape and dtype, for a scalar T.

    At T = 0 it is 1 for ΔC ≤ 0 and 0 for ΔC > 0; for ΔC = NaN, as between two infinite costs, it is 0.

    >>> acceptance_probability(jnp.array([-1.0, 0.0, 1.0, 2.0]), jnp.array(1.0))
    Array([1.        , 1.        , 0.36787945, 0.13533528], dtype=float32)
    """
    where = "acceptance_probability"
    difference = floating_array(where, "difference", difference)
    check_number(where, "temperature", temperature, lambda t: t >= 0, "to be at least 0")
    uphill = jnp.where(difference > 0, difference, 1)  # never 0, so that T = 0 does not give 0/0
    probability = jnp.exp(-uphill / jnp.asarray(temperature).astype(difference.dtype))
    return jnp.where(difference <= 0, 1, jnp.where(difference > 0, probability, 0)).astype(difference.dtype)
