"""Ways out of local minima: restarts, simulated annealing and a genetic algorithm.

Each is a pair (init, step) of pure functions, for any cost function over any pytree of floating parameters; ``run``
runs a pair as one compiled program. ``funcnet.fit_by_search`` trains a network by one.

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

from .genetic_algorithm import GeneticState as GeneticState
from .genetic_algorithm import genetic as genetic
from .genetic_algorithm import tournament_ranks as tournament_ranks
from .points import Point as Point
from .random_restarts import RestartsState as RestartsState
from .random_restarts import restarts as restarts
from .rule import At as At
from .rule import Factor as Factor
from .rule import NaturalNumber as NaturalNumber
from .rule import Points as Points
from .rule import Scale as Scale
from .rule import Search as Search
from .rule import Share as Share
from .rule import Step as Step
from .rule import Temperature as Temperature
from .rule import TournamentSize as TournamentSize
from .rule import from_step as from_step
from .search_run import SearchResult as SearchResult
from .search_run import run as run
from .simulated_annealing import AnnealingState as AnnealingState
from .simulated_annealing import acceptance_probability as acceptance_probability
from .simulated_annealing import annealing as annealing
