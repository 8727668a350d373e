"""``fit_by_search``: a network trained by a search beyond local minima."""

from typing import Any

import jax
import jax.numpy as jnp

from ..checks import accumulator_dtype, check_data, check_dtype, check_key, check_part, check_penalty
from ..compilation import check_not_forked
from ..configuration import Configuration
from ..errors import message
from ..layer import Layer, Params, Shape, check_contained_layers, check_layer_count
from ..losses import Loss
from ..objective import Batch, Objective
from ..penalties import Penalty
from ..search import Search, SearchResult, run
from .mistakes import warn_of_idle_penalty


def fit_by_search(
    network: Layer,
    loss: Loss,
    search: Search,
    data: tuple[Any, ...],
    *,
    key: jax.Array,
    steps: int,
    goal: float | None = None,
    patience: int | None = None,
    min_delta: float = 0.0,
    penalty: Penalty | None = None,
    dtype: Any = jnp.float32,
) -> SearchResult:
    """Train a network by a search and return the result of ``fn.search.run``.

    The cost is the mean of the loss over all samples, plus the penalty. Other data of the same shapes, or a network
    built anew, compile nothing. Many runs go side by side by ``jax.vmap`` over the keys.

    Args:
        network: the network to train; it may not keep running statistics, which a search cannot update,
            or frozen layers.
        loss: the loss of each sample.
        search: ``fn.restarts(...)``, ``fn.annealing(...)``, ``fn.genetic(...)`` or another (init, step) pair.
        data: (x, y) or (x, y, weights), as ``fit`` takes them.
        key: the random key of the search. Every start is ``network.init(key, x.shape[1:])`` with a different key.
        steps: how many steps of the search at most.
        goal: the search ends at a cost of at most this; None for no goal.
        patience: steps without improvement after which the search ends; None for no limit.
        min_delta: a cost is an improvement where it is lower by more than this.
        penalty: such as ``fn.l2(0.0001)``, or None.
        dtype: the parameters' dtype.

    Raises:
        TypeError, ValueError: data or settings cannot be trained with; the error names the argument.

    >>> import funcnet as fn
    >>> x = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> y = jnp.array([[0.0], [1.0], [1.0], [0.0]])  # exclusive or
    >>> network = fn.mlp([2, 2, 1], hidden=fn.tanh, output=fn.sigmoid)
    >>> def train(key):
    ...     search = fn.restarts(fn.sgd(3.0), starts=16)
    ...     return fn.fit_by_search(network, fn.quadratic, search, (x, y), key=key, steps=1000, goal=0.01)
    >>> result = train(jax.random.key(0))
    >>> result.reason, network.apply(result.params, x).round()[:, 0]
    ('goal reached', Array([0., 1., 1., 0.], dtype=float32))
    >>> jax.vmap(train)(jax.random.split(jax.random.key(1), 3)).reason
    array(['goal reached', 'goal reached', 'goal reached'], dtype=object)
    """
    check_not_forked("fit_by_search")
    check_part("fit_by_search", "network", network, Layer)
    check_contained_layers(network)
    check_layer_count("fit_by_search", network)
    check_part("fit_by_search", "loss", loss, Loss)
    check_part("fit_by_search", "penalty", penalty, Penalty, optional=True)
    check_key("fit_by_search", key)
    if network.keeps_statistics:
        raise TypeError(message("fit_by_search", "a network without running statistics and frozen layers", network))
    check_penalty("fit_by_search", penalty, accumulator_dtype(check_dtype("fit_by_search", dtype)))
    batch = Batch(*check_data("fit_by_search", (network, loss), data, check_dtype("fit_by_search", dtype)))
    warn_of_idle_penalty("fit_by_search", network, penalty, batch.x.shape[1:])
    cost = jax.tree_util.Partial(_cost, Objective(network, loss, penalty), batch)
    start = _Start(network, batch.x.shape[1:], jnp.dtype(dtype))
    return run(search, cost, start, key=key, steps=steps, goal=goal, patience=patience, min_delta=min_delta)


def _cost(objective: Objective, batch: Batch, params: Params) -> jax.Array:
    return objective.value(params, batch)[0]


class _Start(Configuration):
    """Where a search on a network starts: at the network's own initial parameters."""

    network: Layer
    input_shape: Shape
    dtype: Any

    def __call__(self, key: jax.Array) -> Params:
        """Return the initial parameters for a key."""
        return self.network.init(key, self.input_shape, dtype=self.dtype)[0]
