"""Searches beyond local minima: restarts, simulated annealing and a genetic algorithm.

Each is a pair (init, step) of pure functions for any cost function over any pytree of floating parameters. ``run``
runs a search as one compiled program. ``funcnet.fit_by_search`` trains a network by a search.

>>> import jax
>>> import funcnet as fn
>>> def cost(x):  # two valleys, of which the one at -1 is lower
...     return (x**2 - 1) ** 2 + 0.3 * x
>>> def start(key):
...     return jax.random.uniform(key, minval=-2.0, maxval=2.0)
>>> for method in (fn.restarts(fn.sgd(0.1)), fn.annealing(1.0, scale=0.5), fn.genetic(scale=0.5, mutation_rate=1.0)):
...     result = fn.search.run(method, cost, start, key=jax.random.key(0), steps=200, goal=-0.3)
...     print(f"{result.params:.0f}, {result.reason}")
-1, goal reached
-1, goal reached
-1, goal reached
"""

from .genetic_algorithm import GeneticState, genetic, tournament_ranks
from .points import Point
from .random_restarts import RestartsState, restarts
from .ranges import Factor, NaturalNumber, Points, Scale, Share, Temperature, TournamentSize
from .rule import Search, StepInput, StepResult, from_step
from .search_run import SearchResult, run
from .simulated_annealing import AnnealingState, acceptance_probability, annealing

__all__ = [
    "AnnealingState",
    "Factor",
    "GeneticState",
    "NaturalNumber",
    "Point",
    "Points",
    "RestartsState",
    "Scale",
    "Search",
    "SearchResult",
    "Share",
    "StepInput",
    "StepResult",
    "Temperature",
    "TournamentSize",
    "acceptance_probability",
    "annealing",
    "from_step",
    "genetic",
    "restarts",
    "run",
    "tournament_ranks",
]
