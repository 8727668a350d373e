"""Settings of optimizers and searches: each is written once, in the signature of a rule, with its range.

The annotation of a parameter holds the range::

    Decay = Annotated[float, Range("in [0, 1)", lambda rho: (rho >= 0) & (rho < 1))]

    def rmsprop(g, at, learning_rate: LearningRate = 1e-3, decay: Decay = 0.9, epsilon: Epsilon = 1e-7): ...

From such a rule come the function that people call, the type of the state and the checks.
"""

import inspect
import types
import typing
from collections import namedtuple
from collections.abc import Callable, Iterable
from functools import lru_cache, partial, update_wrapper
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .checks import accumulator_dtype, as_dtype, check_count, check_number, is_concrete
from .configuration import Configuration
from .errors import message


class Range(Configuration):
    """The real numbers that a setting may be. It prints as its words, which ``help`` shows in a signature."""

    words: str  # as an error says it: "in [0, 1)"
    contains: Callable[[Any], Any]
    scheduled: bool = False  # whether a schedule, step -> number, may stand for the number
    special: float | None = None  # a number in the range to which no other number may be rounded, besides 0

    def __repr__(self) -> str:
        words = self.words.removeprefix("to be ")
        return f"{words}, or a schedule" if self.scheduled else words

    def check(self, where: str, name: str, value: Any) -> None:
        """Raise ``TypeError`` or ``ValueError`` unless a value is a number in the range. Tracers pass.

        >>> SHARE.check("genetic", "mutation_rate", 1.5)
        Traceback (most recent call last):
        ValueError: genetic: expected mutation_rate in [0, 1], got 1.5
        """
        if callable(value) and (isinstance(value, type) or not self.scheduled):
            raise TypeError(message(where, f"{name} to be a real number", described(value)))
        if callable(value):
            return
        check_number(where, name, value, self.contains, self.words)


class Count(Configuration):
    """The integers of at least ``minimum``, as a setting's range. It prints as its words."""

    minimum: int = 1

    def __repr__(self) -> str:
        return f"an integer of at least {self.minimum}"

    def check(self, where: str, name: str, value: Any) -> None:
        """Raise ``TypeError`` or ``ValueError`` unless a value is such an integer."""
        check_count(where, name, value, self.minimum)


# For a setting that a schedule may stand for, ``contains`` is also applied inside compiled programs.
NOT_NEGATIVE = Range("to be finite and at least 0", lambda value: (value >= 0) & (value < np.inf))
POSITIVE = Range("to be finite and above 0", lambda value: (value > 0) & (value < np.inf))
ABOVE_ZERO = Range("above 0", lambda value: value > 0)
AT_LEAST_ONE = Range("to be finite and at least 1", lambda value: (value >= 1) & np.isfinite(value))
BELOW_ONE = Range("in [0, 1)", lambda value: (value >= 0) & (value < 1))
FACTOR = Range("in (0, 1]", lambda value: (value > 0) & (value <= 1), special=1.0)  # 1 never decays
SHARE = Range("in [0, 1]", lambda value: (value >= 0) & (value <= 1))


class Initial(Configuration):
    """A function ``init`` with its settings, printed as the call that made it: ``sgd(learning_rate=0.1)``."""

    maker: str  # the name of the public function
    init: Callable[..., Any]
    settings: tuple[tuple[str, Any], ...]
    descends: bool = True  # whether an optimizer, and not only a transformation of gradients, starts so

    def __call__(self, *args: Any) -> Any:
        """Return the state before the first step."""
        return self.init(*args, **dict(self.settings))

    def as_argument(self) -> jax.tree_util.Partial:
        """Return this function as a pytree whose leaves are the settings, which a compiled program takes."""
        return jax.tree_util.Partial(self.init, **{name: as_leaves(value, np.float64) for name, value in self.settings})

    def check(self, params: Any) -> None:
        """Raise the errors of ``settings_dtype``, which a compiled program that takes the settings cannot raise."""
        settings_dtype(self.maker, self.init.ranges, dict(self.settings), params)  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return f"{self.maker}({', '.join(f'{name}={value!r}' for name, value in self.settings)})"


def described(value: Any) -> str:
    """Return what a value is, for errors.

    >>> described(jnp.ones(2)), described(None), described(3), described("adam")
    ('an array', 'None', 'an int', 'a str')
    """
    if value is None:
        return "None"
    kind = "array" if isinstance(value, jax.Array | np.ndarray) else type(value).__name__
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"


def check_parentheses(decorator: str, state_name: Any) -> None:
    """Raise ``TypeError`` for a decorator that got the function itself, and for a ``state_name`` that is no str."""
    if callable(state_name):
        got = f"@{decorator} on the function {getattr(state_name, '__name__', repr(state_name))}"
        raise TypeError(message(decorator, f"@{decorator}() with parentheses", got))
    if not isinstance(state_name, str | None):
        raise TypeError(message(decorator, "state_name to be a str", repr(state_name)))


def check_name(where: str, kind: str, name: str, in_use: Iterable[str]) -> None:
    """Raise ``ValueError`` for a name that is in use, and for one that begins with an underscore.

    >>> check_name("rule", "accumulator", "t", ["step", "t"])
    Traceback (most recent call last):
    ValueError: rule: the accumulator name 't' is in use; names in use: step, t
    """
    if name.startswith("_"):
        raise ValueError(f"{where}: the {kind} name {name!r} begins with an underscore")
    if name in in_use:
        raise ValueError(f"{where}: the {kind} name {name!r} is in use; names in use: {', '.join(in_use)}")


def ranges_of(rule: Callable[..., Any], leading: int, reserved: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the range of every parameter of a rule by name, without the ``leading`` ones.

    Raises ``TypeError`` for a parameter whose annotation has no range. Raises ``ValueError`` for a parameter whose name
    is among the ``reserved`` ones or is ``settings``, an attribute of the state's type. Raises ``ValueError`` for a
    name that begins with an underscore.
    """
    hints, ranges = typing.get_type_hints(rule, include_extras=True), {}
    for name in list(inspect.signature(rule).parameters)[leading:]:
        check_name(rule.__name__, "parameter", name, (*reserved, "settings"))
        found = [each for each in getattr(hints.get(name), "__metadata__", ()) if hasattr(each, "check")]
        if not found:
            expected = f"{name} annotated with its range, such as {name}: fn.optimizers.Decay"
            raise TypeError(message(rule.__name__, expected, hints.get(name)))
        ranges[name] = found[0]
    return ranges


def public_function(
    rule: Callable[..., Any],
    leading: int,
    pair: type,
    state: type,
    init: Callable[..., Any],
    update: Callable[..., Any],
    check: Callable[..., None] | None = None,
    *,
    descends: bool = True,
) -> Any:
    """Return the function that people call for a pair, with the rule's name, docstring and settings.

    Args:
        rule: The function whose signature holds the settings.
        leading: How many parameters of the rule, at its beginning, are not settings.
        pair: The type of the pair, whose two fields are an ``Initial`` and ``update``.
        state: The type of the pair's state.
        init: The function that makes the state, with the settings by name.
        update: The pair's second function, one for all settings.
        check: A function of the settings that raises an error where they do not fit together; None for no such check.
        descends: Whether the pair's updates are steps down a gradient; False for a transformation of gradients.
    """
    ranges, signature = ranges_of(rule, leading), inspect.signature(rule)
    parameters = list(signature.parameters.values())[leading:]
    signature = signature.replace(parameters=parameters, return_annotation=pair)
    name, with_settings = rule.__name__, Initial  # for ``make``, whose globals are not those of this module

    def make(*args: Any, **kwargs: Any) -> Any:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}() {error}") from None
        bound.apply_defaults()
        for each, value in bound.arguments.items():
            ranges[each].check(name, each, value)
        if check is not None:
            check(**bound.arguments)
        return pair(with_settings(name, init, tuple(bound.arguments.items()), descends), update)

    # The function belongs to the rule's module, since doctest looks there for its example.
    made: Any = types.FunctionType(make.__code__, rule.__globals__, rule.__name__, None, make.__closure__)
    update_wrapper(made, rule)
    made.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": pair}
    made.__signature__, made.State, made.equation = signature, state, rule
    vars(init)["ranges"] = ranges  # for ``Initial.check``
    for place, function in (("_init", init), ("_update", update)):  # where pickle finds them
        setattr(made, place, function)
        function.__module__, function.__qualname__ = rule.__module__, f"{rule.__qualname__}.{place}"
    return made


def state_type(rule: Callable[..., Any], name: str | None, fields: dict[str, str], settings: Iterable[str]) -> Any:
    """Return the NamedTuple of a rule's state.

    Args:
        rule: The rule that the state belongs to; the type's place is ``rule.State``.
        name: The type's name; None makes one of the rule's.
        fields: What each field holds, by name, for the docstring.
        settings: The names of the fields that are settings: those that a resumed run takes from its new optimizer.
    """
    camel = "".join(part.capitalize() for part in rule.__name__.split("_"))
    make: Any = namedtuple  # type checkers know it with literal names only
    made = make(name or f"{camel}State", list(fields), module=rule.__module__)
    made.__qualname__ = f"{rule.__qualname__}.State"
    lines = "\n".join(f"    {field}: {held}" for field, held in fields.items())
    made.__doc__ = f"The state of ``{rule.__name__}``.\n\n{lines}"
    for field, held in fields.items():
        getattr(made, field).__doc__ = held
    made.settings = frozenset(settings)
    return made


def settings_dtype(where: str, ranges: dict[str, Any], settings: dict[str, Any], params: Any) -> np.dtype:
    """Return the dtype of the settings in a state: the widest of those of the parameters' accumulators.

    Args:
        where: The name of the rule, for errors.
        ranges: The ranges by name.
        settings: The settings by name.
        params: The parameters.

    Raises ``ValueError`` for a setting that is out of its range, or degenerates, as the number that it becomes in one
    of these dtypes. The real numbers of a schedule, whose ranges are not known, may not degenerate; 1 counts as special
    there, since it is the factor that never decays.

    >>> settings_dtype("adam", {"decay2": BELOW_ONE}, {"decay2": 0.99999999}, jnp.ones(3))
    Traceback (most recent call last):
    ValueError: adam: expected decay2 in [0, 1) as float32, got 0.99999999, which rounds to 1.0
    """
    dtypes = {accumulator_dtype(leaf.dtype) for leaf in jax.tree.leaves(params)} or {np.dtype(np.float32)}
    for dtype in sorted(dtypes, key=str):
        for name, value in settings.items():
            if type(value) is float:
                _check_float(where, name, ranges[name], value, dtype)
            elif isinstance(ranges[name], Range):
                for number in filter(is_concrete, jax.tree.leaves(value)):
                    _check_rounded(where, name, None if callable(value) else ranges[name], number, dtype)
    return np.result_type(*dtypes)


def _check_rounded(where: str, name: str, valid: Range | None, number: Any, dtype: np.dtype) -> None:
    """Raise ``ValueError`` for a real number that degenerates in a dtype, or becomes a number that is not valid."""
    if not jnp.issubdtype(getattr(number, "dtype", np.dtype(type(number))), jnp.floating):
        return
    exact = np.asarray(number, np.float64)
    with np.errstate(over="ignore", under="ignore"):
        rounded = exact.astype(dtype)
    if valid is not None and np.all(rounded != 0) and not np.all(valid.contains(rounded)):
        got = f"{number}, which rounds to {rounded}"
        raise ValueError(message(where, f"{name} {valid.words} as {dtype}", got))
    as_dtype(where, name, number, dtype)
    special = 1.0 if valid is None else valid.special
    if np.any((rounded == special) & (exact != special)):
        raise ValueError(message(where, f"{name} that {dtype} does not round to {special:g}", number))


_check_float = lru_cache(_check_rounded)  # the same numbers come again in every run


def as_leaves(value: Any, dtype: Any) -> Any:
    """Return a setting as an argument of a program: a number as a float or an array, a schedule as a pytree."""
    if callable(value):
        return jax.tree_util.Partial(value) if jax.tree_util.all_leaves([value]) else value
    if isinstance(value, float | int) and dtype == np.float64:
        return float(value)  # one type for Python's numbers; JAX takes it in a fifth of an array's time
    return value if isinstance(value, jax.Array) else np.asarray(value, dtype)


def as_array(value: Any, dtype: Any) -> Any:
    """Return a setting as an array with its own buffer.

    The real numbers of a schedule become such arrays, and its integers, such as counts of steps, int32. A plain
    function becomes a ``jax.tree_util.Partial``: with another function programs are compiled anew.
    """
    value = as_leaves(value, dtype)
    if not callable(value):
        return _own_array(value, dtype=dtype)

    def of_schedule(number: Any) -> jax.Array:
        own_dtype = jnp.result_type(number)
        if jnp.issubdtype(own_dtype, jnp.integer):
            return as_array(number, np.int32)
        return as_array(number, dtype if jnp.issubdtype(own_dtype, jnp.number) else None)  # a key keeps its dtype

    return jax.tree.map(of_schedule, value)


@partial(jax.jit, static_argnames="dtype")
def _own_array(number: Any, dtype: Any) -> jax.Array:
    """Return an array with its own buffer, since no buffer may be given twice to a donating call."""
    return jnp.array(number, dtype, copy=True)
