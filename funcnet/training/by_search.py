"""``fit_by_search``: a network trained by a way out of local minima."""

from typing import Any

import jax
import jax.numpy as jnp

from ..checks import check_dtype, check_key
from ..configuration import Configuration
from ..layer import Layer, Params, Shape
from ..losses import Loss, batch_mean
from ..penalties import Penalty, check_penalty
from ..search import Search, SearchResult, run
from .entry import check_layer, check_loss, samples


def fit_by_search(
    network: Layer,
    loss: Loss,
    search: Search,
    data: tuple[Any, Any],
    *,
    key: jax.Array,
    steps: int,
    goal: float | None = None,
    patience: int | None = None,
    min_delta: float = 0.0,
    penalty: Penalty | None = None,
    dtype: Any = jnp.float32,
) -> SearchResult:
    """Train a network on ``data`` = (x, y), by at most ``steps`` of a search; x and y are as ``fit`` takes them.

    The cost is the loss's mean over all samples, plus the ``penalty`` where there is one; every start is a
    ``network.init(key, x.shape[1:])`` of ``dtype``. ``search`` is ``fn.restarts(...)``, ``fn.annealing(...)``,
    ``fn.genetic(...)`` or another pair; ``goal``, ``patience``, ``min_delta`` and the result are those of
    ``fn.search.run``. Other data of the same shapes, or a network built anew, compile nothing. Many runs go side by
    side by ``jax.vmap`` over the keys.

    Raises ``ValueError`` and ``TypeError``, naming the argument, for data or settings that cannot be trained on.

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
    check_layer("fit_by_search", network)
    check_loss("fit_by_search", loss)
    check_penalty("fit_by_search", penalty)
    check_key("fit_by_search", key)
    x, y = samples("fit_by_search", network, data, check_dtype("fit_by_search", dtype))
    cost = jax.tree_util.Partial(_MeanLoss(network, loss), x, y, penalty)
    start = _Start(network, x.shape[1:], jnp.dtype(dtype))
    return run(search, cost, start, key=key, steps=steps, goal=goal, patience=patience, min_delta=min_delta)


class _MeanLoss(Configuration):
    """The cost of a network's parameters on samples: a value, so that a network built anew compiles nothing."""

    network: Layer
    loss: Loss

    def __call__(self, x: jax.Array, y: jax.Array, penalty: Penalty | None, params: Params) -> jax.Array:
        """Return the mean of the loss, plus the penalty: ()."""
        cost = batch_mean(self.loss.value(self.network.apply(params, x), y), where=self.loss)
        return cost if penalty is None else cost + penalty.value(params).astype(cost.dtype)


class _Start(Configuration):
    """Where a search on a network starts: at the network's own initial parameters."""

    network: Layer
    input_shape: Shape
    dtype: Any

    def __call__(self, key: jax.Array) -> Params:
        """Return the initial parameters for a key."""
        return self.network.init(key, self.input_shape, dtype=self.dtype)[0]
