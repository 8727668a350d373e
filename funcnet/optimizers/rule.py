"""``from_equation``: an optimizer out of its equation for one array.

An equation is a function of an array's gradient g, of ``at`` (its accumulators by name, ``t`` = 1, 2, … and ``theta``)
and of the hyper-parameters by name, each with its range in its annotation. It returns the update, which is added to θ,
and the new accumulators by name. The example is the whole of an optimizer, Lion:

>>> import jax.numpy as jnp
>>> import funcnet as fn
>>> from funcnet.optimizers import Decay, LearningRate, WeightDecay, from_equation
>>> @from_equation(mean=0.0)
... def lion(g, at, learning_rate: LearningRate = 1e-4, decay1: Decay = 0.9, decay2: Decay = 0.99,
...          weight_decay: WeightDecay = 0.0):
...     "Lion: u = sign(ρ₁s + (1 − ρ₁)g); s ← ρ₂s + (1 − ρ₂)g; θ ← θ − η (u + λθ)."
...     u = jnp.sign(decay1 * at.mean + (1 - decay1) * g)
...     s = decay2 * at.mean + (1 - decay2) * g
...     return -learning_rate * (u + weight_decay * at.theta), {"mean": s}
>>> optimizer, params = lion(0.5), jnp.array([1.0, 2.0])
>>> optimizer
lion(learning_rate=0.5, decay1=0.9, decay2=0.99, weight_decay=0.0)
>>> updates, state = optimizer.update(jnp.array([3.0, -3.0]), optimizer.init(params), params)
>>> fn.apply_updates(params, updates)
Array([0.5, 2.5], dtype=float32)
>>> state._fields
('step', 'learning_rate', 'decay1', 'decay2', 'weight_decay', 'mean')

The hyper-parameters are arrays in the state and ``update`` is one function for all of them. So a new learning rate
compiles nothing, a sweep is a ``vmap``, and a checkpoint holds them.
"""

from collections.abc import Callable
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, NamedTuple, ParamSpec, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from ..dtypes import accumulator_dtype
from ..errors import message
from ..settings import (
    ABOVE_ZERO,
    BELOW_ONE,
    NOT_NEGATIVE,
    POSITIVE,
    Range,
    as_array,
    check_rounded,
    public_function,
    ranges_of,
    state_type,
    zero_step,
)

Params = Any  # a pytree of arrays
State = Any

# Hyper-parameters with their ranges. A learning rate is a number or a schedule, step -> rate, with steps from 0.
LearningRate = Annotated[Any, Range(NOT_NEGATIVE.words, NOT_NEGATIVE.contains, scheduled=True)]
Momentum = Annotated[float, BELOW_ONE]
Decay = Annotated[float, BELOW_ONE]
Epsilon = Annotated[float, POSITIVE]
WeightDecay = Annotated[float, NOT_NEGATIVE]
Threshold = Annotated[float, ABOVE_ZERO]  # infinity clips nothing, for a sweep

Start = float | Callable[[jax.Array], jax.Array]  # what an accumulator is at first: a number, or a function of θ
Step = tuple[jax.Array, dict[str, jax.Array]]  # the update and the new accumulators by name
P = ParamSpec("P")


class Optimizer(NamedTuple):
    """The pair: ``init(params) -> state`` and ``update(gradients, state, params) -> (updates, state)``.

    The call order is optax's, so that either library's optimizers work in the other's loops::

        state = optimizer.init(params)
        updates, state = optimizer.update(gradients, state, params)
        params = apply_updates(params, updates)
    """

    init: Callable[[Params], State]
    update: Callable[..., tuple[Params, State]]

    def __repr__(self) -> str:
        return repr(self.init)


class OptimizerFunction(Protocol[P]):
    """A function that returns an optimizer with the hyper-parameters given; ``State`` is its state's type and
    ``equation`` the rule itself."""

    State: type[Any]
    equation: Callable[..., Any]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Optimizer:
        """Return the optimizer."""
        ...


class At:
    """Where an equation is applied to one array: ``t`` = 1, 2, …, ``theta``, and the accumulators by their names.

    All are in the accumulators' dtype: float64 beside a float64 gradient, else float32. Where an equation reads
    ``theta``, ``update`` needs the parameters: ``TypeError`` without.
    """

    def __init__(self, dtype: np.dtype, step: jax.Array, theta: Callable[[], jax.Array], memory: dict[str, Any]):
        self._dtype, self._step, self._theta = dtype, step, theta
        vars(self).update({name: value.astype(dtype) for name, value in memory.items()})

    if TYPE_CHECKING:

        def __getattr__(self, accumulator: str) -> jax.Array: ...

    @cached_property
    def t(self) -> jax.Array:
        """Return the number of this step, from 1."""
        return self._step.astype(self._dtype)

    @cached_property
    def theta(self) -> jax.Array:
        """Return the parameters."""
        return self._theta().astype(self._dtype)


def from_equation(
    state_name: str | None = None, /, **accumulators: Start
) -> Callable[[Callable[Concatenate[jax.Array, At, P], Step]], OptimizerFunction[P]]:
    """Return the decorator that makes an optimizer's public function out of its equation for one array.

    The function takes the hyper-parameters and returns an ``Optimizer``. Its ``State`` is a NamedTuple: ``step``, an
    int32 that counts the steps taken, the hyper-parameters, and the accumulators, float32 at least.

    Args:
        state_name: The name of the state's type; by default it is made of the equation's.
        accumulators: What each accumulator is before the first step, by name: a number for all its entries, or a
            function of θ.

    Raises ``TypeError`` for a hyper-parameter without a range, and ``ValueError`` for an accumulator that has the name
    of something else. The function raises ``TypeError`` and ``ValueError`` for hyper-parameters out of their ranges.
    ``init`` knows the dtype and raises ``ValueError`` too: 0.99999999 is 1 in float32.
    """

    def decorate(equation: Callable[Concatenate[jax.Array, At, P], Step]) -> OptimizerFunction[P]:
        ranges, name = ranges_of(equation, leading=2), equation.__name__
        if taken := set(accumulators) & {"t", "theta", "step", *ranges}:
            raise ValueError(message(name, "names for the accumulators alone", sorted(taken)))
        fields = {
            "step": "int32 (), steps taken",
            **{each: f"float (), {r}" for each, r in ranges.items()},
            **dict.fromkeys(accumulators, "like the parameters, float32 at least"),
        }
        state = state_type(equation, state_name, fields, ranges)

        def init(params: Params, **hyperparameters: Any) -> State:
            check_rounded(name, ranges, hyperparameters, params)
            numbers = [as_array(value, params) for value in hyperparameters.values()]
            return state(zero_step(), *numbers, *(_accumulator(params, start) for start in accumulators.values()))

        update = _update(equation, tuple(ranges), tuple(accumulators))
        return public_function(equation, 2, Optimizer, state, init, update)

    return decorate


def from_transformation(
    state_name: str | None = None, /
) -> Callable[[Callable[Concatenate[Params, P], Params]], OptimizerFunction[P]]:
    """Return the decorator that makes the public function of a transformation of all gradients.

    The transformation is a function of the gradients' tree and of settings with ranges, which alone are its state.
    """

    def decorate(transformation: Callable[Concatenate[Params, P], Params]) -> OptimizerFunction[P]:
        ranges, name = ranges_of(transformation, leading=1), transformation.__name__
        state = state_type(transformation, state_name, {each: f"float (), {r}" for each, r in ranges.items()}, ranges)

        def init(params: Params, **settings: Any) -> State:
            check_rounded(name, ranges, settings, params)
            return state(*(as_array(value, params) for value in settings.values()))

        def update(gradients: Params, state: State, params: Params | None = None) -> tuple[Params, State]:
            return transformation(gradients, **state._asdict()), state  # type: ignore[call-arg]

        return public_function(transformation, 1, Optimizer, state, init, update)

    return decorate


def _update(equation: Callable[..., Step], hyperparameters: tuple[str, ...], accumulators: tuple[str, ...]) -> Any:
    """Return the ``update`` that applies an equation to every array of the gradients."""

    def update(gradients: Params, state: State, params: Params | None = None) -> tuple[Params, State]:
        leaves, structure = jax.tree.flatten(gradients)
        memory = {name: leaves_like(structure, getattr(state, name)) for name in accumulators}
        numbers = {name: _at_step(getattr(state, name), state.step) for name in hyperparameters}
        step = state.step + 1

        @cache
        def thetas() -> list[jax.Array]:
            if params is None:
                expected = "params in update(gradients, state, params)"
                raise TypeError(message(equation.__name__, expected, None))
            return leaves_like(structure, params)

        updates: list[jax.Array] = []
        after: dict[str, list[jax.Array]] = {name: [] for name in accumulators}
        for index, g in enumerate(leaves):
            dtype = accumulator_dtype(g.dtype)
            here = {name: values[index] for name, values in memory.items()}
            at = At(dtype, step, lambda index=index: thetas()[index], here)  # type: ignore[misc]
            cast = {name: number.astype(dtype) for name, number in numbers.items()}
            change, remembered = equation(g.astype(dtype), at, **cast)
            if remembered.keys() != here.keys():
                raise ValueError(message(equation.__name__, f"the accumulators {list(here)}", list(remembered)))
            updates.append(change.astype(g.dtype))
            for name, value in remembered.items():
                after[name].append(value.astype(dtype))
        trees = {name: jax.tree.unflatten(structure, values) for name, values in after.items()}
        return jax.tree.unflatten(structure, updates), state._replace(step=step, **trees)

    return update


def leaves_like(structure: Any, tree: Any) -> list[jax.Array]:
    """Return the leaves of a tree. Raises ``ValueError`` unless it has the structure of the gradients."""
    leaves, other = jax.tree.flatten(tree)
    if other != structure:
        raise ValueError(message("update", f"parameters and state structured as the gradients, {structure}", other))
    return leaves


def _at_step(value: Any, step: jax.Array) -> jax.Array:
    """Return a hyper-parameter at this step, counted from 0: a number's own value, or what the schedule says."""
    return jnp.asarray(value(step)) if callable(value) else value


@partial(jax.jit, static_argnames="start")
def _accumulator(params: Params, start: Start) -> Params:
    """Return an accumulator before the first step for every parameter, in float32 at least."""

    def first(theta: jax.Array) -> jax.Array:
        dtype = accumulator_dtype(theta.dtype)
        if callable(start):
            return jnp.array(start(theta.astype(dtype)), dtype, copy=True)
        return jnp.full(theta.shape, start, dtype)

    return jax.tree.map(first, params)


def apply_updates(params: Params, updates: Params) -> Params:
    """Return θ + update for every parameter θ, in the parameter's dtype.

    >>> apply_updates({"w": jnp.array([1.0, 2.0])}, {"w": jnp.array([0.5, -0.5])})
    {'w': Array([1.5, 1.5], dtype=float32)}
    """
    return jax.tree.map(lambda p, u: p + u.astype(p.dtype), params, updates)
