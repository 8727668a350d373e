"""Going on with the run that an earlier ``fit`` left."""

from typing import Any

import jax
import numpy as np

from ..errors import message
from ..optimizers import Optimizer
from .step import TrainState


def resumed(where: str, state: TrainState, optimizer: Optimizer) -> TrainState:
    """Return the state with its optimizer's accumulators and the given optimizer's hyper-parameters.

    So a run goes on with a lower learning rate by being given it. Raises ``ValueError`` where the state is another
    optimizer's.
    """
    fresh = optimizer.init(state.params)
    taken_over = _with_hyperparameters(state.optimizer_state, fresh)
    structure: Any = jax.tree.structure(fresh)
    shapes = [[np.shape(leaf) for leaf in jax.tree.leaves(tree)] for tree in (fresh, taken_over)]
    if structure != jax.tree.structure(taken_over) or shapes[0] != shapes[1]:
        owner = type(state.optimizer_state).__name__
        raise ValueError(message(where, f"the state of a run with {optimizer}", f"an optimizer_state {owner}"))
    return state._replace(optimizer_state=taken_over)


def _with_hyperparameters(state: Any, fresh: Any) -> Any:
    """Return an optimizer's state with the hyper-parameters, wherever they stand in it, of a fresh one."""
    if type(state) is not type(fresh) or not isinstance(state, tuple) or len(state) != len(fresh):
        return state
    names = getattr(state, "_fields", (None,) * len(state))
    settings: frozenset[str] = getattr(state, "settings", frozenset())
    parts = [
        new if name in settings else _with_hyperparameters(old, new)
        for name, old, new in zip(names, state, fresh, strict=True)
    ]
    return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)
