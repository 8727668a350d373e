"""A genetic algorithm on real-valued parameters: selection by tournaments, uniform crossover, Gaussian mutation."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import as_shape, check_count, check_key, check_number
from ..errors import message
from .points import Cost, Params, Point, chances, chosen, evaluated, perturbed
from .ranges import Factor, NaturalNumber, Points, Scale, Share, TournamentSize
from .rule import StepInput, StepResult, from_step


def _check_elite(*, population: int, elite: int, **others: Any) -> None:
    if elite >= population:
        raise ValueError(message("genetic", f"elite to be less than the population, {population}", elite))


@from_step("GeneticState", check=_check_elite)
def genetic(
    cost: Cost,
    at: StepInput,
    population: Points = 50,
    *,
    tournament: TournamentSize = 3,
    crossover_rate: Share = 0.9,
    mutation_rate: Share = 0.1,
    scale: Scale = 0.1,
    scale_decay: Factor = 1.0,
    elite: NaturalNumber = 1,
) -> StepResult:
    """A genetic algorithm: every number of the parameters is a gene, every step a generation of children.

    A parent is the best of k individuals drawn with replacement. A child of two parents takes each gene from either
    parent with probability ½; a child of one parent is a copy of it. Then a gene may mutate: it becomes θ + σε with
    ε ~ N(0, 1). A step is ``population`` evaluations of the cost, which need not be differentiable. All settings but
    ``population`` are data: other values compile nothing.

    Args:
        population: The number of individuals, at least 1; 50 by default.
        tournament: k ≥ 1; 3 by default. With 1 there is no selection; a larger k selects more strictly.
        crossover_rate: The probability that a child has two parents; 0.9 by default.
        mutation_rate: The probability that a gene mutates; 0.1 by default.
        scale: The initial σ > 0, in the parameters' units; 0.1 by default.
        scale_decay: The factor of σ in every step, in (0, 1]; 1 by default.
        elite: The number of best parents that replace the last children; 1 by default. With at least 1 the best
            individual is never lost.

    Raises ``TypeError`` and ``ValueError`` for settings out of their ranges.

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
    selection_key, child_key = jax.random.split(at.key)
    order = jnp.argsort(at.current.cost)
    ranked = jax.tree.map(lambda leaf: leaf[order], at.current)
    ranks = tournament_ranks(selection_key, tournament, population, (2, population))
    first, second = (jax.tree.map(lambda leaf, of=of: leaf[of], ranked.params) for of in ranks)

    def child(index: jax.Array, first: Params, second: Params) -> Point:
        crossover_key, mutation_key = jax.random.split(jax.random.fold_in(child_key, index))
        crossed = _crossed(crossover_key, first, second, crossover_rate)
        return evaluated("genetic", cost, perturbed(mutation_key, crossed, mutation_rate, scale))

    children = jax.vmap(child)(jnp.arange(population, dtype=jnp.int32), first, second)
    is_elite = jnp.arange(population, dtype=jnp.int32) >= population - elite
    backwards = jax.tree.map(lambda leaf: leaf[::-1], ranked)  # the best in the last place
    return StepResult(children, chosen(is_elite, backwards, children), {"scale": scale_decay * scale})


GeneticState = genetic.State


def tournament_ranks(key: jax.Array, size: Any, population: int, shape: tuple[int, ...]) -> jax.Array:
    """Return the ranks of the winners of tournaments, int32 of shape ``shape``: 0 is the rank of the best individual.

    The lowest of k = ``size`` ranks drawn with replacement from n = ``population`` is ⌊n (1 − (1 − u)^(1/k))⌋, with u
    uniform in [0, 1): its probability to be r or more is (1 − r/n)^k. So k may be traced, and need not be an integer.

    Args:
        key: a JAX random key.
        size: k ≥ 1, the size of a tournament: float ().
        population: n ≥ 1, the number of individuals.
        shape: the shape of the result.

    >>> ranks = tournament_ranks(jax.random.key(0), jnp.array(2.0), 10, (1000,))
    >>> print(f"{(ranks >= 5).mean():.2f}")
    0.25
    """
    where = "tournament_ranks"
    check_key(where, key)
    check_number(where, "size", size, lambda k: (k >= 1) & np.isfinite(k), "to be finite and at least 1")
    check_count(where, "population", population)
    size = jnp.asarray(size)
    size = size if jnp.issubdtype(size.dtype, jnp.floating) else size.astype(jnp.float32)
    u = jax.random.uniform(key, as_shape(where, "shape", shape, minimum=0), size.dtype)
    lowest = -jnp.expm1(jnp.log1p(-u) / size)  # 1 − (1 − u)^(1/k)
    return jnp.minimum(jnp.floor(int(population) * lowest).astype(np.int32), int(population) - 1)


def _crossed(key: jax.Array, first: Params, second: Params, rate: Any) -> Params:
    """Return a child: a copy of the first parent, or, with probability ``rate``, a mixture of both.

    In a mixture each gene comes from either parent with probability ½.
    """
    crossing_key, gene_key = jax.random.split(key)
    crosses = jax.random.bernoulli(crossing_key, rate)
    from_second = chances(gene_key, first, jnp.where(crosses, 0.5, 0))
    return jax.tree.map(jnp.where, from_second, second, first)
