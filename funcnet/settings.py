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
from functools import partial, update_wrapper
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .checks import check_count, check_number, is_concrete
from .configuration import Configuration
from .dtypes import accumulator_dtype
from .errors import message


class Range(Configuration):
    """The real numbers that a setting may be. It prints as its words, which ``help`` shows in a signature."""

    words: str  # as an error says it: "in [0, 1)"
    contains: Callable[[Any], Any]
    scheduled: bool = False  # whether a schedule, step -> number, may stand for the number

    def __repr__(self) -> str:
        words = self.words.removeprefix("to be ")
        return f"{words}, or a schedule" if self.scheduled else words

    def check(self, where: str, name: str, value: Any) -> None:
        """Raise ``TypeError`` or ``ValueError`` unless a value is a number in the range. Tracers pass.

        >>> SHARE.check("genetic", "mutation_rate", 1.5)
        Traceback (most recent call last):
        ValueError: genetic: expected mutation_rate in [0, 1], got 1.5
        """
        if callable(value) and not self.scheduled:
            raise TypeError(message(where, f"{name} to be a real number", f"a {type(value).__name__}"))
        check_number(where, name, value, self.contains, self.words)

    def check_rounded(self, where: str, name: str, value: Any, dtype: np.dtype) -> None:
        """Raise ``ValueError`` unless the number that a value becomes in ``dtype`` is in the range.

        A number other than 0 may not become 0. A subnormal number counts as 0, since compiled programs on CPUs flush it
        to 0. The real numbers of a schedule are checked for that alone.

        >>> BELOW_ONE.check_rounded("adam", "decay2", 0.99999999, np.dtype("float32"))
        Traceback (most recent call last):
        ValueError: adam: expected decay2 in [0, 1) as float32, got 0.99999999, which rounds to 1.0
        """
        for number in jax.tree.leaves(value):
            given = getattr(number, "dtype", np.dtype(type(number)))
            if not (is_concrete(number) and jnp.issubdtype(given, jnp.floating)):
                continue
            exact = np.asarray(number).astype(np.float64)
            with np.errstate(over="ignore", under="ignore"):
                rounded = exact.astype(dtype)
            if np.any((abs(rounded) < np.finfo(dtype).tiny) & (exact != 0)):
                raise ValueError(message(where, f"{name} that {dtype} does not round to 0", number))
            if not callable(value) and not self.contains(rounded):
                got = f"{number}, which rounds to {rounded}"
                raise ValueError(message(where, f"{name} {self.words} as {dtype}", got))


class Count(Configuration):
    """The integers of at least ``minimum``, as a setting's range. It prints as its words."""

    minimum: int = 1

    def __repr__(self) -> str:
        return f"an integer of at least {self.minimum}"

    def check(self, where: str, name: str, value: Any) -> None:
        """Raise ``TypeError`` or ``ValueError`` unless a value is such an integer."""
        check_count(where, name, value, self.minimum)


NOT_NEGATIVE = Range("to be finite and at least 0", lambda value: (value >= 0) & np.isfinite(value))
POSITIVE = Range("to be finite and above 0", lambda value: (value > 0) & np.isfinite(value))
ABOVE_ZERO = Range("above 0", lambda value: value > 0)
AT_LEAST_ONE = Range("to be finite and at least 1", lambda value: (value >= 1) & np.isfinite(value))
BELOW_ONE = Range("in [0, 1)", lambda value: (value >= 0) & (value < 1))
FACTOR = Range("in (0, 1]", lambda value: (value > 0) & (value <= 1))
SHARE = Range("in [0, 1]", lambda value: (value >= 0) & (value <= 1))


class Initial(Configuration):
    """A function ``init`` with its settings, printed as the call that made it: ``sgd(learning_rate=0.1)``."""

    maker: str  # the name of the public function
    init: Callable[..., Any]
    settings: tuple[tuple[str, Any], ...]

    def __call__(self, *args: Any) -> Any:
        """Return the state before the first step."""
        return self.init(*args, **dict(self.settings))

    def __repr__(self) -> str:
        return f"{self.maker}({', '.join(f'{name}={value!r}' for name, value in self.settings)})"


def ranges_of(rule: Callable[..., Any], leading: int) -> dict[str, Any]:
    """Return the range of every parameter of a rule by name, without the ``leading`` ones.

    Raises ``TypeError`` for a parameter whose annotation has none.
    """
    hints, ranges = typing.get_type_hints(rule, include_extras=True), {}
    for name in list(inspect.signature(rule).parameters)[leading:]:
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
) -> Any:
    """Return the function that people call for a pair, with the rule's name, docstring and settings.

    Args:
        rule: The function whose signature holds the settings.
        leading: How many parameters of the rule, at its beginning, are not settings.
        pair: The type of the pair, whose two fields are an ``Initial`` and ``update``.
        state: The type of the pair's state.
        init: The function that makes the state, with the settings by name.
        update: The pair's second function, one for all settings.
        check: What raises an error for settings that do not go together; None where there are no such.
    """
    ranges, signature = ranges_of(rule, leading), inspect.signature(rule)
    parameters = list(signature.parameters.values())[leading:]
    signature = signature.replace(parameters=parameters, return_annotation=pair)

    def build(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{rule.__name__}() {error}") from None
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            ranges[name].check(rule.__name__, name, value)
        if check is not None:
            check(**bound.arguments)
        return pair(Initial(rule.__name__, init, tuple(bound.arguments.items())), update)

    def make(*args: Any, **kwargs: Any) -> Any:
        return build(args, kwargs)

    # The function belongs to the rule's module, since doctest looks there for its example.
    made: Any = types.FunctionType(make.__code__, rule.__globals__, rule.__name__, None, make.__closure__)
    update_wrapper(made, rule)
    made.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": pair}
    made.__signature__, made.State, made.equation = signature, state, rule
    made._init, made._update = init, update
    for name in ("_init", "_update"):  # where pickle finds them
        function = getattr(made, name)
        function.__module__, function.__qualname__ = rule.__module__, f"{rule.__qualname__}.{name}"
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
    made.settings = frozenset(settings)
    return made


def settings_dtype(params: Any) -> np.dtype:
    """Return the widest dtype that sums over these parameters are kept in: float64 if one is, else float32."""
    wide = any(leaf.dtype == np.float64 for leaf in jax.tree.leaves(params))
    return np.dtype(np.float64 if wide else np.float32)


def as_array(value: Any, params: Any) -> Any:
    """Return a number as an array of the widest dtype that the parameters' states are kept in.

    A schedule is returned with its own numbers as arrays: the real ones likewise, the integers, such as counts of
    steps, as int32. A plain function becomes a ``jax.tree_util.Partial``: with another function
    programs are compiled anew.
    """
    if callable(value):
        is_plain = jax.tree_util.all_leaves([value])
        schedule = jax.tree_util.Partial(value) if is_plain else value
        return jax.tree.map(lambda number: own_array(number, _number_dtype(number, params)), schedule)
    return own_array(value, settings_dtype(params))


@partial(jax.jit, static_argnames="dtype")
def own_array(value: Any, dtype: Any) -> jax.Array:
    """Return a number as an array with its own buffer, since no buffer may be given twice to a donating call."""
    return jnp.array(value, dtype=dtype, copy=True)


def _number_dtype(number: Any, params: Any) -> np.dtype | None:
    dtype = jnp.result_type(number)
    if jnp.issubdtype(dtype, jnp.floating):
        return settings_dtype(params)
    return np.dtype(np.int32) if jnp.issubdtype(dtype, jnp.integer) else None  # None: as it is, such as a key


def check_rounded(where: str, ranges: dict[str, Any], settings: dict[str, Any], params: Any) -> None:
    """Raise ``ValueError`` for settings that are out of their ranges as the numbers that they become.

    They become numbers in the dtypes of the parameters' accumulators, of which a tree may have several.
    """
    dtypes = {accumulator_dtype(leaf.dtype) for leaf in jax.tree.leaves(params)} or {np.dtype(np.float32)}
    for dtype in sorted(dtypes, key=str):
        for name, value in settings.items():
            if isinstance(ranges[name], Range):
                ranges[name].check_rounded(where, name, value, dtype)


@jax.jit
def zero_step() -> jax.Array:
    """Return the count of steps before the first, an int32: a float32 would stick at 2²⁴."""
    return jnp.array(0, jnp.int32, copy=True)
