"""Several transformations of the gradients, one after the other, as one optimizer."""

from collections.abc import Callable
from typing import Any

import jax

from ..checks import brief, check_update_pair
from ..configuration import Configuration
from ..errors import message
from ..settings import Initial
from .rule import Optimizer, Params, State, as_argument, check_settings


class _ChainInit(Configuration):
    """Make the tuple of the members' states; printed as the chain."""

    optimizers: tuple[Any, ...]

    @property
    def members(self) -> tuple[Any, ...]:
        """The pairs, those of chains within the chain one by one."""
        inits = [getattr(optimizer.init, "members", (optimizer,)) for optimizer in self.optimizers]
        return tuple(pair for pairs in inits for pair in pairs)

    @property
    def descends(self) -> bool:
        """Whether a member may be an optimizer: what pairs of another library do is not known."""
        return any(getattr(pair.init, "descends", True) for pair in self.members)

    def as_argument(self) -> jax.tree_util.Partial:
        """Return this function as a pytree whose leaves are the members' settings."""
        return jax.tree_util.Partial(_chain, tuple(as_argument(pair.init) for pair in self.optimizers))

    def check(self, params: Params) -> None:
        """Raise the members' errors for settings that degenerate in the parameters' dtypes."""
        for pair in self.optimizers:
            check_settings(pair.init, params)

    def __call__(self, params: Params) -> tuple[State, ...]:
        """Return every member's state before the first step."""
        return _chain(tuple(optimizer.init for optimizer in self.optimizers), params)

    def __repr__(self) -> str:
        return f"chain({', '.join(map(repr, self.optimizers))})"


def _chain(inits: tuple[Callable[[Params], State], ...], params: Params) -> tuple[State, ...]:
    return tuple(init(params) for init in inits)


class _ChainUpdate(Configuration):
    """Hand what one member returns to the next; a value, so that a chain built alike compiles nothing."""

    updates: tuple[Callable[..., Any], ...]

    def __call__(
        self, gradients: Params, state: tuple[State, ...], params: Params | None = None
    ) -> tuple[Params, tuple[State, ...]]:
        """Return the last member's updates and every member's next state."""
        if not isinstance(state, tuple) or len(state) != len(self.updates):
            expected = f"state to be the tuple of {len(self.updates)} states that init returns"
            raise TypeError(message("chain", expected, brief(state)))
        states = []
        for update, member_state in zip(self.updates, state, strict=True):
            gradients, member_state = update(gradients, member_state, params)
            states.append(member_state)
        return gradients, tuple(states)


def chain(*optimizers: Any) -> Optimizer:
    """Return the optimizer that applies (init, update) pairs in order, each to what the one before returned.

    So clipping comes before the rule that makes the steps. One member is an optimizer: a second one would turn the
    steps of the first up the gradient. The state is the tuple of the pairs' states. Pairs of optax may stand among
    funcnet's; whether they are optimizers is not known. optax makes new functions for each pair, so a chain with
    another pair of optax compiles anew. Raises ``TypeError`` for an argument that is not a pair, and ``ValueError``
    without arguments and for two optimizers of funcnet.

    >>> import funcnet as fn
    >>> fn.chain(fn.clip_by_global_norm(1.0), fn.sgd(0.1))
    chain(clip_by_global_norm(max_norm=1.0), sgd(learning_rate=0.1))
    """
    if not optimizers:
        raise ValueError(message("chain", "at least one optimizer", "none"))
    for i, optimizer in enumerate(optimizers):
        check_update_pair("chain", optimizer, name=f"optimizer {i}", descends=False)
    init = _ChainInit(optimizers)
    steps = [pair for pair in init.members if isinstance(pair.init, Initial) and pair.init.descends]
    if len(steps) > 1:
        raise ValueError(message("chain", "at most one optimizer", " and ".join(map(str, steps))))
    return Optimizer(init, _ChainUpdate(tuple(optimizer.update for optimizer in optimizers)))
