"""How far rounding alone can move each element of a program's results, and which operation moves it the most.

It is Monte Carlo arithmetic, element by element and within loops: each operation that rounds is moved by a last bit,
up, down or not at all, at random. A sum of many terms is moved by a last bit of the sum of their magnitudes, since its
order is free. So what is cancelled, what is computed in float32 and what a loop piles up are measured where they are.
Parker, "Monte Carlo Arithmetic" (1997).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..compilation import RUN_ONCE
from ..jaxprs import CALLS, CONTROL, called_program, interpret, is_known, place_of, run, scan_of, walk

RUNS = 6
ROUNDING_FACTOR = 16  # a few runs do not find the largest change
# Their error is a few last bits of the largest element of the matrix, whichever element of the result is looked at.
NORMWISE = {"cholesky", "lu", "triangular_solve", "eigh", "eig", "qr", "geqrf", "householder_product", "svd", "fft"}
OFFSETS = 8191  # places in the table of random directions at which those of an array may begin
MOST_SLOTS = 64  # operations that are tried one by one when the cause is looked for


def _names(*groups: str) -> set[str]:
    return {name for group in groups for name in group.split()}


SUMMING_OPERATIONS = _names("dot_general conv_general_dilated reduce_sum cumsum reduce_window_sum scatter-add")
ROUNDED_OPERATIONS = (
    SUMMING_OPERATIONS
    | CONTROL
    | _names(
        "add add_any sub mul div rem square one_minus_square polynomial reduce_prod cumprod",
        "sqrt rsqrt cbrt pow integer_pow exp exp2 expm1 log log1p log2 logistic cumlogsumexp",
        "sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh",
        "erf erfc erf_inv lgamma digamma",
    )
)
# A maximum, a selection or a sum of one term is exact. Moving its last bit would break what a program relies on, such
# as that the largest of some numbers is one of them.
EXACT_OPERATIONS = _names(
    "broadcast_in_dim concatenate copy device_put dynamic_slice dynamic_update_slice gather iota optimization_barrier",
    "pad reshape rev scatter sharding_constraint slice split squeeze stack tile transpose unstack",
    "abs ceil clamp cummax cummin floor max min neg nextafter reduce_max reduce_min round select_n sign sort top_k",
    "bitcast_convert_type convert_element_type reduce_precision stop_gradient",
)


class Slot(NamedTuple):
    """An operation that is moved."""

    number: int
    arrays: range  # the numbers of the arrays that are moved, among those of all slots: results, then operands
    words: str  # such as "sub in loss.py:12 (loss)"
    is_low: bool  # whether it is computed in float32 or below


class Shaken:
    """A function's program, to be run with changed last bits at any arrays of the given shapes and dtypes.

    >>> with jax.enable_x64(True):
    ...     x = np.array([0.1, 0.2])
    ...     kept, cancelled = Shaken(lambda x: [x, (x + 1e8) - 1e8], x).moves(x)
    >>> kept.tolist(), bool(1e-9 < cancelled[1] < 1e-7)
    ([0.0, 0.0], True)
    """

    def __init__(self, function: Callable[..., Sequence[Any]], *arrays: Any) -> None:
        program = jax.make_jaxpr(function)(*arrays)
        self.slots = slots_of(program)
        self.nothing = np.zeros(len(self.slots) + 1, bool)
        self.owners = np.array([slot.number for slot in self.slots.values() for _ in slot.arrays], int)
        avals = [
            each.aval for equation, _ in walk(program) if id(equation) in self.slots for each in _moved_of(equation)
        ]
        dtypes = dict.fromkeys(jnp.finfo(aval.dtype).dtype for aval in avals if jnp.issubdtype(aval.dtype, jnp.inexact))
        # JAX reuses an array that it has in float64 in programs in float32 too, which are then of both dtypes.
        self.is_double = np.dtype(np.float64) in dtypes or jnp.result_type(float) == np.float64
        longest = max((math.prod(aval.shape) for aval in avals), default=1)
        random = np.random.default_rng(0)
        places = random.integers(0, OFFSETS, len(self.owners), np.int32)
        # The directions of an array that is not moved begin at the first place.
        self.table = np.append(np.zeros(longest, np.int8), random.integers(-1, 2, longest + OFFSETS, np.int8))

        def moved(arrays: Sequence[Any], seed: Any, active: Any, table: Any) -> list[Any]:
            factors = {dtype: 1 + jnp.finfo(dtype).eps * table.astype(dtype) for dtype in dtypes}
            return _moved_program(program, arrays, seed, Moving(self.slots, active, places, longest, factors))

        self.compiled: Any = jax.jit(moved, compiler_options=RUN_ONCE)

    def run(self, arrays: Sequence[Any], seed: int, active: np.ndarray) -> list[np.ndarray]:
        """Return the results of one run with the active operations moved."""
        with jax.enable_x64(self.is_double):
            results = self.compiled(arrays, np.int32(seed * 7919), active[self.owners], self.table)
        return [*map(np.asarray, results)]

    def moves(self, *arrays: Any, active: np.ndarray | None = None, runs: int = RUNS) -> list[np.ndarray]:
        """Return, for each result, of its shape, the largest change in a few runs."""
        active = ~self.nothing if active is None else active
        exact = self.run(arrays, 0, self.nothing)
        largest = [np.zeros(each.shape) for each in exact]
        for seed in range(runs):
            changed = self.run(arrays, seed, active)
            largest = [np.fmax(most, _apart(a, b)) for most, a, b in zip(largest, exact, changed, strict=True)]
        return largest

    def cause(self, *arrays: Any, result: int, index: Any) -> str:
        """Return in words the operation whose rounding moves an element of a result the most, ``""`` for none."""
        best, words = 0.0, ""
        for slot in list(self.slots.values())[:MOST_SLOTS]:
            alone = self.nothing.copy()
            alone[slot.number] = True
            found = float(self.moves(*arrays, active=alone, runs=3)[result][index])
            if found > best:
                best, words = found, ("computed in float32 or less: " if slot.is_low else "cancellation: ") + slot.words
        return words


def _apart(a: Any, b: Any) -> np.ndarray:
    """Return the distance of two results: 0 where both are the same infinity or NaN, infinity where one is NaN."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    with np.errstate(invalid="ignore"):
        apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    return np.where(np.isnan(apart), np.inf, apart)


def slots_of(program: Any) -> dict[int, Slot]:
    """Return the operations of a program, and of the programs within, that may round, by their identity."""
    slots: dict[int, Slot] = {}
    count = 0
    for equation, _ in walk(program):
        name, dtypes = equation.primitive.name, [each.aval.dtype for each in equation.outvars if _is_inexact(each)]
        if not dtypes or (is_known(equation) and name in CONTROL | set(CALLS)) or id(equation) in slots:
            continue
        arrays = range(count, count + len(_moved_of(equation)))
        if name not in EXACT_OPERATIONS:
            is_low = any(jnp.finfo(dtype).bits < 64 for dtype in dtypes)
            slots[id(equation)] = Slot(len(slots), arrays, _words(name, equation), is_low)
        elif name == "convert_element_type" and _narrows(equation):
            slots[id(equation)] = Slot(len(slots), arrays, _words(f"the cast to {dtypes[0]}", equation), True)
        else:
            continue
        count = arrays.stop
    return slots


def _words(name: str, equation: Any) -> str:
    place = place_of(equation)
    return f"{name} in {place}" if place else name


def _moved_of(equation: Any) -> list[Any]:
    """Return the variables of an operation that are moved: results, and operands where its rounding is not known."""
    return [*equation.outvars, *([] if _rounds_results(equation) else equation.invars)]


def _rounds_results(equation: Any) -> bool:
    return equation.primitive.name in ROUNDED_OPERATIONS and is_known(equation)


def _is_inexact(variable: Any) -> bool:
    dtype = getattr(variable.aval, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jnp.inexact)


def _narrows(equation: Any) -> bool:
    """Return whether a cast drops bits of a floating number."""
    (source,), (result,) = equation.invars, equation.outvars
    return _is_inexact(source) and jnp.finfo(source.aval.dtype).bits > jnp.finfo(result.aval.dtype).bits


class Moving(NamedTuple):
    """What is moved: the operations by their identity, and by how much."""

    slots: dict[int, Slot]
    active: Any  # bool for each array of the slots: whether it is moved
    places: np.ndarray  # for each array: where its directions begin in the table
    longest: int  # the number of elements of the largest array, and of those at the table's start that move nothing
    factors: dict[Any, Any]  # the table by dtype: 1 − ε, 1 or 1 + ε

    def starts(self, seed: Any) -> jax.Array:
        """Return where in the table the factors of each array begin, which the seed chooses too."""
        return jnp.where(self.active, (seed + self.places) % np.int32(OFFSETS) + np.int32(self.longest), 0)

    def factor(self, array: int, value: jax.Array, starts: jax.Array) -> jax.Array:
        """Return a factor of 1 − ε, 1 or 1 + ε for each element of the value of an array."""
        table = self.factors[jnp.finfo(value.dtype).dtype]
        start = lax.index_in_dim(starts, array, keepdims=False)
        found = lax.dynamic_slice(table, (start,), (value.size,), allow_negative_indices=False)
        return lax.convert_element_type(lax.reshape(found, value.shape), value.dtype)


def _moved_program(program: Any, operands: Sequence[Any], seed: Any, moving: Moving) -> list[jax.Array]:
    """Run a program with its operations moved; ``seed`` differs between iterations of a loop."""
    starts = moving.starts(seed)

    def within(inner: Any, operands: Sequence[Any], turn: Any) -> list[Any]:
        later = (seed * np.int32(3) + turn * np.int32(1009) + np.int32(17)) % np.int32(OFFSETS)
        results = _moved_program(inner, operands, later, moving)
        return [_as_declared(result, aval) for result, aval in zip(results, inner.out_avals, strict=True)]

    def apply(equation: Any, inputs: list[Any]) -> Sequence[Any] | None:
        if scan := scan_of(equation):
            return _scan(scan, inputs, within)
        if equation.primitive.name == "cond" and is_known(equation):
            which, *rest = inputs
            branches = equation.params["branches"]
            return lax.switch(which, [lambda *o, b=branch: within(b, o, np.int32(0)) for branch in branches], *rest)
        if equation.primitive.name == "while" and is_known(equation):
            return _while(equation.params, inputs, within)
        if called_program(equation) is not None:
            return None
        return _moved_results(equation, inputs, starts, moving)

    return interpret(program, operands, apply)


def _as_declared(value: Any, aval: Any) -> Any:
    """Return a value in the dtype that a loop or a branch declares; keys as they are."""
    return value if jnp.issubdtype(aval.dtype, jax.dtypes.prng_key) else jnp.asarray(value, aval.dtype)


def _scan(scan: Any, operands: list[Any], within: Callable[..., list[Any]]) -> list[Any]:
    fixed, first, rows = scan.split(operands)

    def iteration(carry: Any, row: Any) -> tuple[Any, Any]:
        turn, values = carry
        results = within(scan.body, [*fixed, *values, *row], turn)
        return (turn + jnp.int32(1), results[: scan.carried]), results[scan.carried :]

    first = [_as_declared(value, aval) for value, aval in zip(first, scan.body.out_avals, strict=False)]
    (_, carry), outputs = lax.scan(iteration, (jnp.int32(0), first), [*rows], scan.length, scan.reverse)
    return [*carry, *outputs]


def _while(params: dict[str, Any], operands: list[Any], within: Callable[..., list[Any]]) -> list[Any]:
    fixed = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
    of_test, of_body, first = operands[: fixed[0]], operands[fixed[0] : fixed[1]], operands[fixed[1] :]
    test, body = params["cond_jaxpr"], params["body_jaxpr"]
    first = [_as_declared(value, aval) for value, aval in zip(first, body.out_avals, strict=True)]

    def goes_on(turn: Any, values: Any) -> jax.Array:
        return within(test, [*of_test, *values], turn)[0]

    def iteration(carry: Any) -> Any:
        turn, values = carry
        results = within(body, [*of_body, *values], turn)
        if test.out_avals[0].shape:  # a mapped loop: the rows that are done stay
            going = goes_on(turn, values)
            results = [
                jnp.where(going.reshape(*going.shape, *[1] * (new.ndim - going.ndim)), new, old)
                for new, old in zip(results, values, strict=True)
            ]
        return turn + jnp.int32(1), results

    _, results = lax.while_loop(lambda carry: jnp.any(goes_on(*carry)), iteration, (jnp.int32(0), first))
    return [*results]


def _moved_results(equation: Any, inputs: list[Any], starts: Any, moving: Moving) -> Sequence[jax.Array]:
    """Return an operation's results, moved where they round."""
    slot = moving.slots.get(id(equation))
    if slot is None:
        return run(equation, *inputs)

    def moved(place: int, value: Any, size: Any = None, *, whole: bool = False) -> Any:
        if not _inexact(value):
            return value
        value = jnp.asarray(value)
        if whole:
            size = jnp.broadcast_to(jnp.max(jnp.abs(value), initial=0).astype(value.dtype), value.shape)
        return _nudged(value, moving.factor(slot.arrays[place], value, starts), size)

    name, count = equation.primitive.name, len(equation.outvars)
    if not _rounds_results(equation):  # as if its operands and its results were rounded
        inputs = [moved(count + place, each, whole=name in NORMWISE) for place, each in enumerate(inputs)]
    results, sizes = run(equation, *inputs), [None] * count
    if name in SUMMING_OPERATIONS and is_known(equation):  # the order of a sum is free
        sizes = run(equation, *(jnp.abs(each) if _inexact(each) else each for each in inputs))
    return [moved(place, *each) for place, each in enumerate(zip(results, sizes, strict=True))]


def _inexact(value: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(value), jnp.inexact)


def _nudged(value: jax.Array, factor: jax.Array, size: jax.Array | None) -> jax.Array:
    """Return a value with a last bit of each element, or of its ``size``, added or taken where ``factor`` says so.

    A normal number stays one, since a program may rely on its floor. There are many of these: few operations each.
    """
    tiny = lax.full(value.shape, jnp.finfo(value.dtype).tiny, jnp.finfo(value.dtype).dtype)
    if size is None:
        moved = lax.mul(value, factor)
        return lax.select(lax.lt(lax.abs(moved), tiny), value, moved)
    moved = value + (factor - jnp.ones_like(factor)) * size
    falls = (lax.abs(moved) < tiny) & (lax.abs(value) >= tiny)
    return jnp.where(falls | ~jnp.isfinite(size), value, moved)  # such as −∞ in a mask
