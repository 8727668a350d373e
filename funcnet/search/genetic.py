"""A genetic algorithm on real-valued parameters: selection by tournaments, uniform crossover, Gaussian mutation."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import check_count
from ..errors import message
from ..layer import Params
from .base import (
    Cost,
    Initial,
    Point,
    Search,
    Start,
    best_of,
    better,
    chances,
    check_settings,
    chosen,
    evaluated,
    first_points,
    perturbed,
    setting,
    zero_step,
)


class GeneticState(NamedTuple):
    """The state of ``genetic``."""

    key: jax.Array  # the run's one random key
    step: jax.Array  # int32 (): generations made after the first
    tournament: jax.Array  # k: float ()
    crossover_rate: jax.Array  # float ()
    mutation_rate: jax.Array  # float ()
    scale: jax.Array  # σ: float (), in the parameters' units, before the next step
    scale_decay: jax.Array  # what σ is multiplied by: float ()
    elite: jax.Array  # int32 ()
    current: Point  # the population: every array with a leading axis
    best: Point  # the best individual that ever was
    evaluations: jax.Array  # int32 (): costs evaluated


def genetic(
    population: int = 50,
    *,
    tournament: float = 3,
    crossover_rate: float = 0.9,
    mutation_rate: float = 0.1,
    scale: float = 0.1,
    scale_decay: float = 1.0,
    elite: int = 1,
) -> Search:
    """A genetic algorithm: every number of the parameters is a gene, every step a generation of children.

    A parent is the best of k = ``tournament`` individuals drawn with replacement: k = 1 selects nothing, a larger one
    presses harder. With probability ``crossover_rate`` a child takes each gene from one or the other of two parents, at
    even odds; else it is a copy of the first. Then each gene, with probability ``mutation_rate``, becomes θ + σε
    with ε ~ N(0, 1); σ = ``scale`` is in the parameters' units, and is multiplied by ``scale_decay`` in every
    step. The ``elite`` best parents live on in place of the last children, so that with 1 or more the best is
    never lost. A step is ``population`` evaluations of the cost, which need not be differentiable. All settings but
    ``population`` are data: others compile nothing. Raises ``TypeError`` and ``ValueError`` for settings out of
    their ranges.

    Holland, "Adaptation in Natural and Artificial Systems" (1975); Goldberg, "Genetic Algorithms in Search,
    Optimization, and Machine Learning" (1989); tournaments: Goldberg, Deb, "A Comparative Analysis of Selection Schemes
    Used in Genetic Algorithms" (1991); uniform crossover: Syswerda, "Uniform Crossover in Genetic Algorithms" (1989).

    >>> import funcnet as fn
    >>> method = fn.genetic(population=20, scale=0.5, mutation_rate=1.0)
    >>> def cost(x):  # two valleys, of which the one at -1 is lower
    ...     return (x**2 - 1) ** 2 + 0.3 * x
    >>> state = method.init(cost, lambda key: jax.random.uniform(key, minval=-2.0, maxval=2.0), jax.random.key(0))
    >>> for _ in range(30):
    ...     state = method.step(cost, state)
    >>> print(f"{state.best.params:.1f}")
    -1.0
    >>> state.current.params.shape
    (20,)
    """
    settings = {
        "tournament": tournament,
        "crossover_rate": crossover_rate,
        "mutation_rate": mutation_rate,
        "scale": scale,
        "scale_decay": scale_decay,
    }
    check_count("genetic", "population", population)
    check_settings("genetic", **settings)
    check_count("genetic", "elite", elite, 0)
    if elite >= population:
        raise ValueError(message("genetic", f"elite to be less than the population, {population}", elite))
    every = {"population": population, **settings, "elite": elite}
    return Search(Initial("genetic", genetic_init, tuple(every.items())), genetic_step)


def genetic_init(
    cost: Cost, start: Start, key: jax.Array, *, population: int, elite: int, **settings: Any
) -> GeneticState:
    """Return the state before the first step: a population of starting points."""
    points = first_points("genetic", cost, start, key, population)
    numbers = {name: setting(value, points.params) for name, value in settings.items()}
    return GeneticState(
        key=key,
        step=zero_step(),
        elite=jnp.asarray(elite, jnp.int32),
        current=points,
        best=best_of(points),
        evaluations=jnp.array(population, jnp.int32),
        **numbers,
    )


def genetic_step(cost: Cost, state: GeneticState) -> GeneticState:
    """Return the state after one generation: selection, crossover, mutation, and the elite in the last places."""
    population = len(state.current.cost)
    selection_key, child_key = jax.random.split(jax.random.fold_in(state.key, state.step))
    order = jnp.argsort(state.current.cost)
    ranked = jax.tree.map(lambda leaf: leaf[order], state.current)
    ranks = tournament_ranks(selection_key, state.tournament, population, (2, population))
    first, second = (jax.tree.map(lambda leaf, of=of: leaf[of], ranked.params) for of in ranks)

    def child(index: jax.Array, first: Params, second: Params) -> Point:
        crossover_key, mutation_key = jax.random.split(jax.random.fold_in(child_key, index))
        crossed = _crossed(crossover_key, first, second, state.crossover_rate)
        return evaluated("genetic", cost, perturbed(mutation_key, crossed, state.mutation_rate, state.scale))

    children = jax.vmap(child)(jnp.arange(population, dtype=jnp.int32), first, second)
    is_elite = jnp.arange(population, dtype=jnp.int32) >= population - state.elite
    backwards = jax.tree.map(lambda leaf: leaf[::-1], ranked)  # the best in the last place
    return state._replace(
        step=state.step + 1,
        scale=state.scale_decay * state.scale,
        current=chosen(is_elite, backwards, children),
        best=better(best_of(children), state.best),
        evaluations=state.evaluations + population,
    )


def tournament_ranks(key: jax.Array, size: jax.Array, population: int, shape: tuple[int, ...]) -> jax.Array:
    """Return the ranks of the winners of as many tournaments as ``shape`` holds, int32: 0 is the best individual's.

    The lowest of k = ``size`` ranks drawn with replacement from n = ``population`` is ⌊n (1 − (1 − u)^(1/k))⌋, with u
    uniform in [0, 1): its probability to be r or more is (1 − r/n)^k. So k is data, and need not be whole.

    >>> ranks = tournament_ranks(jax.random.key(0), jnp.array(2.0), 10, (1000,))
    >>> print(f"{(ranks >= 5).mean():.2f}")
    0.25
    """
    u = jax.random.uniform(key, shape, size.dtype)
    lowest = -jnp.expm1(jnp.log1p(-u) / size)  # 1 − (1 − u)^(1/k)
    return jnp.minimum(jnp.floor(population * lowest).astype(np.int32), population - 1)


def _crossed(key: jax.Array, first: Params, second: Params, rate: jax.Array) -> Params:
    """Return each gene of the first or the second parent at even odds, with probability ``rate``, else of the first."""
    crossing_key, gene_key = jax.random.split(key)
    crosses = jax.random.bernoulli(crossing_key, rate)
    from_second = chances(gene_key, first, jnp.where(crosses, 0.5, 0))
    return jax.tree.map(jnp.where, from_second, second, first)
