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
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, NamedTuple, ParamSpec, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import accumulator_dtype, as_dtype, brief, check_arrays, check_like, nan_unless, next_count, real_array
from ..configuration import document_fields
from ..errors import DtypeError, ShapeError, message
from ..settings import (
    ABOVE_ZERO,
    BELOW_ONE,
    NOT_NEGATIVE,
    POSITIVE,
    Range,
    as_array,
    as_leaves,
    check_name,
    check_parentheses,
    described,
    public_function,
    ranges_of,
    settings_dtype,
    state_type,
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
EquationResult = tuple[jax.Array, dict[str, jax.Array]]  # the update and the new accumulators by name
P = ParamSpec("P")


@document_fields
class Optimizer(NamedTuple):
    """The pair: ``init(params) -> state`` and ``update(gradients, state, params) -> (updates, state)``.

    The call order is optax's, so that either library's optimizers work in the other's loops::

        state = optimizer.init(params)
        updates, state = optimizer.update(gradients, state, params)
        params = apply_updates(params, updates)

    Attributes:
        init: init(params) -> state, the state before the first step.
        update: update(gradients, state, params) -> (updates, state), what is added to the parameters, and the next
            state.
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


class At(SimpleNamespace):
    """What an equation reads besides the gradient of an array.

    These are the step number ``t`` = 1, 2, …, the parameters ``theta``, and the accumulators by their names. All are in
    the accumulators' dtype: float64 beside a float64 gradient, else float32. An equation that reads ``theta`` needs the
    parameters in ``update``: ``TypeError`` without.
    """

    t: jax.Array
    _theta: Callable[[], jax.Array]

    if TYPE_CHECKING:

        def __getattr__(self, accumulator: str) -> jax.Array: ...

    @cached_property
    def theta(self) -> jax.Array:
        """Return the parameters."""
        return self._theta()


def from_equation(
    state_name: str | None = None, /, **accumulators: Start
) -> Callable[[Callable[Concatenate[jax.Array, At, P], EquationResult]], OptimizerFunction[P]]:
    """Return the decorator that makes an optimizer's public function out of its equation for one array.

    The function takes the hyper-parameters and returns an ``Optimizer``. Its ``State`` is a NamedTuple: ``step``, an
    int32 that counts the steps taken and stays at 2³¹ − 1, the hyper-parameters, and the accumulators, float32 at
    least.

    Args:
        state_name: The name of the state's type; by default it is made of the equation's.
        accumulators: What each accumulator is before the first step, by name: a number for all its entries, or a
            function of θ.

    Raises:
        TypeError: the decorator is used without parentheses; a hyper-parameter has no range.
        ValueError: a hyper-parameter or an accumulator has a name that is in use.

    The function raises ``TypeError`` and ``ValueError`` for hyper-parameters out of their ranges. ``init`` knows the
    dtype and raises ``ValueError`` too: 0.99999999 is 1 in float32. ``update`` raises ``TypeError`` for an equation
    that does not return the tuple (update, {accumulator: new value}) of floating arrays, for a schedule that does not
    return a real number, and for gradients that are not floating, unless their parameters are not either. It raises
    ``ValueError`` for accumulators of other names, for arrays of other shapes, and for a schedule that returns a number
    out of range. A rate that is computed inside a compiled program cannot be refused: where it is out of range, as
    below 0, it becomes NaN, and so do the parameters.
    """
    check_parentheses("from_equation", state_name)

    def decorate(equation: Callable[Concatenate[jax.Array, At, P], EquationResult]) -> OptimizerFunction[P]:
        ranges, name = ranges_of(equation, 2, reserved=("step", "params")), equation.__name__
        for each in accumulators:
            check_name(name, "accumulator", each, ("step", "t", "theta", "settings", *ranges))
        fields = {
            "step": "int32 (), steps taken",
            **{each: f"float (), {r}" for each, r in ranges.items()},
            **dict.fromkeys(accumulators, "like the parameters, float32 at least"),
        }
        state = state_type(equation, state_name, fields, ranges)

        def init(params: Params, **hyperparameters: Any) -> State:
            check_real_params(name, params)
            dtype = settings_dtype(name, ranges, hyperparameters, params)
            numbers = [as_leaves(hyperparameters[each], dtype) for each in ranges]
            return state(*_first_arrays(params, numbers, dtype, tuple(accumulators.values())))

        update = _update(equation, ranges, tuple(accumulators), state)
        return public_function(equation, 2, Optimizer, state, init, update)

    return decorate


def from_transformation(
    state_name: str | None = None, /
) -> Callable[[Callable[Concatenate[Params, P], Params]], OptimizerFunction[P]]:
    """Return the decorator that makes the public function of a transformation of all gradients.

    The transformation is a function of the gradients' tree and of settings with ranges, which alone are its state. What
    it returns is like the gradients. It stands before or after an optimizer in a ``chain``: alone it makes no steps.

    Raises ``TypeError`` for the decorator without parentheses and for a setting without a range, and ``ValueError`` for
    a setting whose name is in use.
    """
    check_parentheses("from_transformation", state_name)

    def decorate(transformation: Callable[Concatenate[Params, P], Params]) -> OptimizerFunction[P]:
        ranges, name = ranges_of(transformation, 1, reserved=("params",)), transformation.__name__
        kind = state_type(transformation, state_name, {each: f"float (), {r}" for each, r in ranges.items()}, ranges)

        def init(params: Params, **settings: Any) -> State:
            check_real_params(name, params)
            dtype = settings_dtype(name, ranges, settings, params)
            return kind(*(as_array(settings[each], dtype) for each in ranges))

        def update(gradients: Params, state: State, params: Params | None = None) -> tuple[Params, State]:
            _floating_leaves(name, gradients, params)
            check_state(name, state, kind)
            transformed = transformation(gradients, **state._asdict())  # type: ignore[call-arg]
            check_like(name, "result", transformed, gradients)
            return transformed, state

        return public_function(transformation, 1, Optimizer, kind, init, update, descends=False)

    return decorate


def as_argument(init: Callable[..., Any]) -> jax.tree_util.Partial:
    """Return an optimizer's ``init`` as an argument of a compiled program: a pytree of its settings, if they are known.

    >>> import funcnet as fn
    >>> jax.tree.leaves(as_argument(fn.adam(0.5).init))
    [0.9, 0.999, 1e-07, 0.5]
    """
    return init.as_argument() if hasattr(init, "as_argument") else jax.tree_util.Partial(init)


def check_settings(init: Callable[..., Any], params: Params) -> None:
    """Raise ``ValueError`` where a setting of funcnet degenerates in the parameters' dtypes, which may be structs.

    A program that takes ``as_argument(init)`` does not know them. Another library's ``init`` checks its own settings.
    """
    check = getattr(init, "check", None)
    if hasattr(init, "as_argument") and check is not None:
        check(params)


def _update(equation: Callable[..., Any], ranges: dict[str, Any], accumulators: tuple[str, ...], kind: Any) -> Any:
    """Return the ``update`` that applies an equation to every array of the gradients."""
    name = equation.__name__

    def update(gradients: Params, state: State, params: Params | None = None) -> tuple[Params, State]:
        leaves, structure = _floating_leaves(name, gradients, params), jax.tree.structure(gradients)
        check_state(name, state, kind)
        memory = {each: leaves_like(gradients, getattr(state, each)) for each in accumulators}
        given = {each: getattr(state, each) for each in ranges}
        numbers = {
            each: _scheduled(name, each, value(state.step), ranges[each], leaves) if callable(value) else value
            for each, value in given.items()
        }
        step = next_count(state.step)

        @cache
        def thetas() -> list[jax.Array]:
            if params is None:
                raise TypeError(message(name, "params in update(gradients, state, params)", None))
            return leaves_like(gradients, params)

        updates: list[jax.Array] = []
        after: dict[str, list[jax.Array]] = {each: [] for each in accumulators}
        for index, g in enumerate(leaves):
            dtype = accumulator_dtype(g.dtype)
            here = {each: values[index].astype(dtype) for each, values in memory.items()}
            at = At(t=step.astype(dtype), _theta=lambda i=index, dtype=dtype: thetas()[i].astype(dtype), **here)
            cast = {each: jnp.asarray(number, dtype) for each, number in numbers.items()}
            change, new = _checked_result(name, equation(g.astype(dtype), at, **cast), accumulators, g.shape)
            is_trained = jnp.issubdtype(g.dtype, jnp.floating)
            updates.append(change.astype(g.dtype) if is_trained else jnp.zeros_like(g))
            for each, values in after.items():
                values.append(new[each].astype(dtype))
        trees = {each: jax.tree.unflatten(structure, values) for each, values in after.items()}
        return jax.tree.unflatten(structure, updates), state._replace(step=step, **trees)

    return update


def _scheduled(where: str, name: str, number: Any, valid: Range, gradients: list[jax.Array]) -> jax.Array:
    """Return the number that a schedule returned: one real number in its range; a traced one is NaN out of it."""
    number = real_array(where, f"the result of the schedule {name}", number)
    if number.shape != ():
        raise ShapeError(where, f"the result of the schedule {name} of shape ()", number.shape)
    if not isinstance(number, jax.Array):  # a constant of the program
        if not valid.contains(number):
            raise ValueError(message(where, f"the result of the schedule {name} {valid.words}", number))
        for g in gradients:
            as_dtype(where, name, number, accumulator_dtype(g.dtype))
        return number
    number = number if jnp.issubdtype(number.dtype, jnp.floating) else number.astype(jnp.float32)
    return nan_unless(valid.contains(number), number)


def _checked_result(where: str, result: Any, accumulators: tuple[str, ...], shape: tuple[int, ...]) -> EquationResult:
    """Return an equation's result for an array of a shape.

    Raises ``TypeError`` for another form or another dtype, ``ValueError`` for other accumulators and other shapes.
    """
    is_pair = isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)
    if not is_pair or not hasattr(result[0], "astype"):
        parts = f" of {', '.join(map(described, result))}" if isinstance(result, tuple) and result else ""
        expected = "the tuple (update, {accumulator: new value}) of arrays from the equation"
        raise TypeError(message(where, expected, described(result) + parts))
    update, new = result
    if new.keys() != set(accumulators):
        raise ValueError(message(where, f"the accumulators {[*accumulators]} from the equation", [*new]))
    for each, value in {"update": update, **{f"new {each}": value for each, value in new.items()}}.items():
        if not hasattr(value, "astype"):
            raise TypeError(message(where, f"the {each} from the equation to be an array", described(value)))
        if value.shape != shape:
            raise ShapeError(where, f"the {each} from the equation of shape {shape}", value.shape)
        if not jnp.issubdtype(value.dtype, jnp.floating):
            raise DtypeError(where, f"the {each} from the equation of a floating dtype", value.dtype)
    return result


def _floating_leaves(where: str, gradients: Params, params: Params | None) -> list[jax.Array]:
    """Return the gradients' arrays. Raises ``DtypeError`` for one that is not floating.

    Parameters of another dtype, such as a running count, are not trained: their gradients pass, their updates are 0.
    """
    check_arrays(where, "gradients", gradients)
    if params is not None:
        check_arrays(where, "params", params)
    leaves = jax.tree.leaves(gradients)
    for index, g in enumerate(leaves):
        if not jnp.issubdtype(jnp.result_type(g), jnp.floating):
            theta = jnp.float32 if params is None else jnp.result_type(leaves_like(gradients, params)[index])
            if jnp.issubdtype(theta, jnp.floating):
                raise DtypeError(where, "gradients of a floating dtype", jnp.result_type(g))
    return leaves


def check_real_params(where: str, params: Params) -> None:
    """Raise an error unless the parameters are arrays of real numbers."""
    check_arrays(where, "params", params)
    for leaf in jax.tree.leaves(params):
        if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
            raise DtypeError(where, "params of real dtypes", leaf.dtype)


def check_state(where: str, state: Any, kind: Any) -> None:
    """Raise ``TypeError`` unless a state is one that ``init`` returns."""
    if not isinstance(state, kind) or any(value is None for value in state):
        raise TypeError(
            message(where, f"state to be the {getattr(kind, '__name__', kind)} that init returns", brief(state))
        )
    check_arrays(where, "state", state)


def leaves_like(gradients: Params, tree: Any) -> list[jax.Array]:
    """Return the leaves of a tree. Raises ``ValueError`` unless it has the structure and shapes of the gradients."""
    leaves, other = jax.tree.flatten(tree)
    structure: Any = jax.tree.structure(gradients)
    if other != structure:
        raise ValueError(message("update", f"parameters and state structured as the gradients, {structure}", other))
    for (path, g), leaf in zip(jax.tree_util.tree_leaves_with_path(gradients), leaves, strict=True):
        if np.shape(leaf) != np.shape(g):
            place = f"gradients{jax.tree_util.keystr(path)}"
            raise ShapeError("update", f"{place} of shape {np.shape(leaf)}, as the parameters", np.shape(g))
    return leaves


@partial(jax.jit, static_argnames=("dtype", "starts"))
def _first_arrays(params: Params, numbers: list[Any], dtype: np.dtype, starts: tuple[Start, ...]) -> tuple[Any, ...]:
    """Return a state before the first step: the count, the hyper-parameters, the accumulators; no two share a buffer.

    The accumulators are float32 at least. The count is an int32, because a float32 would stop counting at 2²⁴.
    """
    thetas = jax.tree.map(lambda theta: theta.astype(accumulator_dtype(theta.dtype)), params)
    memory = [
        jax.tree.map(lambda theta, s=start: jnp.array(s(theta), theta.dtype, copy=True), thetas)
        if callable(start)
        else jax.tree.map(lambda theta, s=start: jnp.full_like(theta, s), thetas)
        for start in starts
    ]
    return as_array(0, np.int32), *(as_array(number, dtype) for number in numbers), *memory


def apply_updates(params: Params, updates: Params) -> Params:
    """Return θ + update for every parameter θ, in the parameter's dtype.

    Raises ``ValueError`` unless the updates have the structure and shapes of the parameters, and ``DtypeError`` for an
    update that neither is floating nor has the parameter's dtype.

    >>> apply_updates({"w": jnp.array([1.0, 2.0])}, {"w": jnp.array([0.5, -0.5])})
    {'w': Array([1.5, 1.5], dtype=float32)}
    """
    check_arrays("apply_updates", "params", params)
    check_like("apply_updates", "updates", updates, params, any_floating=True)
    return jax.tree.map(lambda p, u: p + u.astype(p.dtype), params, updates)
