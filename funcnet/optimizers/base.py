"""What every optimizer is: a pair (init, update), with the hyper-parameters in the state.

The call order is optax's, so that either library's optimizers work in the other's loops::

    state = optimizer.init(params)
    updates, state = optimizer.update(gradients, state, params)
    params = apply_updates(params, updates)

``update`` is one plain function of the module for all hyper-parameters: a new learning rate compiles nothing.
The learning rate may be a schedule, step -> rate (see ``schedules``); steps are counted from 0.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import check_number
from ..configuration import Configuration
from ..dtypes import accumulator_dtype
from ..errors import message
from ..layer import Params

Rate = float | jax.Array | Callable[[jax.Array], jax.Array]  # a number, or a schedule: step -> learning rate
State = Any


class Optimizer(NamedTuple):
    """The pair: ``init(params) -> state`` and ``update(gradients, state, params) -> (updates, state)``."""

    init: Callable[[Params], State]
    update: Callable[..., tuple[Params, State]]

    def __repr__(self) -> str:
        return repr(self.init)


class Initial(Configuration):
    """A function that makes the state before the first step, with its hyper-parameters; printed as the optimizer."""

    optimizer: str
    initial_state: Callable[..., State]
    hyperparameters: tuple[tuple[str, Any], ...]

    def __call__(self, params: Params) -> State:
        """Return the state before the first step, every accumulator 0."""
        return self.initial_state(params, **dict(self.hyperparameters))

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.hyperparameters)
        return f"{self.optimizer}({arguments})"


# What each hyper-parameter may be: a test, and its words.
_VALID: dict[str, tuple[Callable[[Any], Any], str]] = {
    "learning_rate": (lambda rate: (rate >= 0) & np.isfinite(rate), "to be finite and at least 0"),
    "momentum": (lambda alpha: (alpha >= 0) & (alpha < 1), "in [0, 1)"),
    "decay": (lambda rho: (rho >= 0) & (rho < 1), "in [0, 1)"),
    "decay1": (lambda rho: (rho >= 0) & (rho < 1), "in [0, 1)"),
    "decay2": (lambda rho: (rho >= 0) & (rho < 1), "in [0, 1)"),
    "epsilon": (lambda epsilon: (epsilon > 0) & np.isfinite(epsilon), "to be finite and above 0"),
    "weight_decay": (lambda decay: (decay >= 0) & np.isfinite(decay), "to be finite and at least 0"),
    "max_norm": (lambda norm: norm > 0, "above 0"),  # infinity clips nothing, for a sweep
    "limit": (lambda limit: limit > 0, "above 0"),
}

HYPERPARAMETERS = frozenset(_VALID)  # the fields of states that are settings, and not what was learned


def optimizer(
    name: str,
    initial_state: Callable[..., State],
    update: Callable[..., tuple[Params, State]],
    **hyperparameters: Any,
) -> Optimizer:
    """Return the optimizer of those functions, after a look at the hyper-parameters."""
    for key, value in hyperparameters.items():
        valid, expected = _VALID[key]
        if callable(value) and key != "learning_rate":
            raise TypeError(message(name, f"{key} to be a real number", f"a {type(value).__name__}"))
        check_number(name, key, value, valid, expected)
    return Optimizer(Initial(name, initial_state, tuple(hyperparameters.items())), update)


def hyperparameter(value: Rate, params: Params) -> Any:
    """Return a number as an array of the widest dtype that the parameters' states are kept in.

    A schedule is returned with its own numbers as arrays: the real ones likewise, the integers, such as counts of
    steps, as int32. A plain function becomes a ``jax.tree_util.Partial``, to which another function is another
    program.
    """
    if callable(value):
        is_plain = jax.tree_util.all_leaves([value])
        schedule = jax.tree_util.Partial(value) if is_plain else value
        return jax.tree.map(lambda number: _own_array(number, _number_dtype(number, params)), schedule)
    return _own_array(value, state_dtype(params))


def state_dtype(params: Params) -> np.dtype:
    """Return the widest dtype that sums over these parameters are kept in: float64 if one is, else float32."""
    wide = any(leaf.dtype == np.float64 for leaf in jax.tree.leaves(params))
    return np.dtype(np.float64 if wide else np.float32)


@partial(jax.jit, static_argnames="dtype")
def _own_array(value: Any, dtype: Any) -> jax.Array:
    # A copy, since two states may never share a buffer: a donating call would be given it twice.
    return jnp.array(value, dtype=dtype, copy=True)


def _number_dtype(number: Any, params: Params) -> np.dtype | None:
    dtype = jnp.result_type(number)
    if jnp.issubdtype(dtype, jnp.floating):
        return state_dtype(params)
    return np.dtype(np.int32) if jnp.issubdtype(dtype, jnp.integer) else None  # None: as it is, such as a key


@jax.jit
def zero_step() -> jax.Array:
    """Return the count of steps before the first, an int32: a float32 would stick at 2²⁴."""
    return jnp.array(0, jnp.int32, copy=True)


@jax.jit
def zeros_like(params: Params) -> Params:
    """Return an accumulator at 0 for every parameter, in float32 at least."""
    return jax.tree.map(lambda p: jnp.zeros(p.shape, accumulator_dtype(p.dtype)), params)


def rate_at(learning_rate: Any, step: jax.Array) -> jax.Array:
    """Return the learning rate of this step: a number's own value, or what the schedule says."""
    return jnp.asarray(learning_rate(step)) if callable(learning_rate) else learning_rate


def leafwise(
    rule: Callable[..., Any],
    trees: tuple[Params, ...],
    numbers: tuple[jax.Array, ...],
    read: tuple[Params, ...] = (),
) -> tuple[Params, ...]:
    """Apply a rule for one array to every leaf: ``rule(g, *accumulators, *read, *numbers) -> (update, *accumulators)``.

    ``trees`` are the gradients, then the accumulators; ``read`` are what the rule looks at and does not change. The
    rule computes in the accumulators' dtype, to which all else is cast; the update is cast back to the gradient's.
    Raises ``ValueError`` for trees of different structures.
    """
    structure = jax.tree.structure(trees[0])
    for other in {jax.tree.structure(tree) for tree in (*trees, *read)} - {structure}:
        raise ValueError(message("update", f"parameters and state structured as the gradients, {structure}", other))
    results = []
    for leaves in zip(*map(jax.tree.leaves, (*trees, *read)), strict=True):
        dtype = accumulator_dtype(leaves[0].dtype)
        update, *memory = rule(*(array.astype(dtype) for array in (*leaves, *numbers)))
        results.append((update.astype(leaves[0].dtype), *memory))
    return tuple(jax.tree.unflatten(structure, [result[i] for result in results]) for i in range(len(trees)))


def apply_updates(params: Params, updates: Params) -> Params:
    """Return θ + update for every parameter θ, in the parameter's dtype.

    >>> apply_updates({"w": jnp.array([1.0, 2.0])}, {"w": jnp.array([0.5, -0.5])})
    {'w': Array([1.5, 1.5], dtype=float32)}
    """
    return jax.tree.map(lambda p, u: p + u.astype(p.dtype), params, updates)
