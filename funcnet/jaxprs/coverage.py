"""Which cases of a program's comparisons and branches some inputs exercise, and a search for inputs that do the others.

A case is a branch of a ``cond``, one of the three outcomes of a comparison (below, equal, above), also within ``max``,
``abs``, ``clip`` and the like, or a tie of a maximum. Only what depends on the arguments is a case. The search changes
the arguments at random and sets them to the numbers that the program holds, as the 3 of ``x > 3``.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..compilation import RUN_ONCE
from .equations import called_program, is_known, scan_of, walk
from .interpreter import interpret
from .recording import recorded
from .visiting import place_of

COMPARISONS = {"lt", "le", "gt", "ge", "eq", "ne", "max", "min", "sign", "abs"}
REDUCTIONS = {"reduce_max", "reduce_min", "argmax", "argmin"}
CANDIDATES = 48  # inputs that are tried at once
ROUNDS = 4
PLAIN_VALUES = (0.0, 1.0, -1.0)
MOST_NUMBERS = 12  # of a program that are tried


class Case(NamedTuple):
    """One case of an operation."""

    words: str  # such as "a value below 0 in gt in loss.py:12 (loss)"
    is_branch: bool  # of a ``cond``


class Coverage:
    """The cases of a function of arrays, and which of them some inputs exercise.

    >>> coverage = Coverage(lambda x: [jnp.maximum(x, 0.0)], [np.ones(2)])
    >>> missed = coverage.missed(coverage.met([[np.ones(2)], [-np.ones(2)]]))
    >>> [case.words.partition(" in ")[0] for case in missed]
    ['value equal to 0']
    """

    def __init__(self, function: Callable[..., Sequence[Any]], leaves: Sequence[np.ndarray]) -> None:
        self.program = jax.make_jaxpr(function)(*leaves)
        self.starts: dict[int, int] = {}  # an operation's first case, by the operation's identity
        self.cases: list[Case] = []
        _depends(self.program, [True] * len(leaves), self._add)
        self.numbers = list(dict.fromkeys(_numbers(self.program)))[:MOST_NUMBERS]
        self.compiled: Any = None

    def _add(self, equation: Any) -> None:
        if id(equation) not in self.starts and (found := [*_cases(equation)]):
            self.starts[id(equation)] = len(self.cases)
            self.cases += found

    def met(self, points: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
        """Return which cases each of some inputs exercises (inputs, cases); none where its results are not finite."""
        if self.compiled is None:
            each_of = jax.jit(lambda stacked: lax.map(self._one, stacked), compiler_options=RUN_ONCE)
            self.compiled = each_of
        found = []
        for start in range(0, len(points), CANDIDATES):
            some = [*points[start : start + CANDIDATES]]
            filled = some + [some[0]] * (CANDIDATES - len(some))  # one shape, one compilation
            found.append(np.asarray(self.compiled([np.stack(each) for each in zip(*filled, strict=True)]))[: len(some)])
        return np.concatenate(found)

    def missed(self, met: np.ndarray) -> list[Case]:
        """Return the cases that none of the inputs exercises."""
        return [case for case, is_met in zip(self.cases, np.any(met, axis=0).tolist(), strict=True) if not is_met]

    def _one(self, leaves: Sequence[jax.Array]) -> jax.Array:
        met, results = recorded(self.program, leaves, jnp.zeros(len(self.cases), bool), self._record)
        finite = [jnp.all(jnp.isfinite(each)) for each in results if jnp.issubdtype(each.dtype, jnp.floating)]
        return met & jnp.all(jnp.stack(finite)) if finite else met

    def _record(self, met: jax.Array, equation: Any, inputs: list[Any]) -> jax.Array:
        """Return which cases are met, with those of an operation that its operands are."""
        start = self.starts.get(id(equation))
        if start is None:
            return met
        name = equation.primitive.name
        if name == "cond":
            return met.at[start + jnp.clip(inputs[0], 0, len(equation.params["branches"]) - 1)].set(True)
        for at, outcome in enumerate(_outcomes(name, equation.params, inputs)):
            met = met.at[start + at].set(met[start + at] | jnp.any(outcome))
        return met

    def search(
        self, given: Sequence[Sequence[np.ndarray]], *, branches_alone: bool = False
    ) -> tuple[list[tuple[list[np.ndarray], str]], list[str]]:
        """Return inputs that exercise cases that the given ones do not, each with that case in words, and what is left.

        Args:
            given: inputs, of which the first is changed.
            branches_alone: look for branches that are not taken alone.
        """
        wanted = np.array([case.is_branch or not branches_alone for case in self.cases], bool)
        if not wanted.any():
            return [], []
        done = self.met(given).any(axis=0) | ~wanted
        random, bases, found = np.random.default_rng(4), [[*given[0]]], []
        for _ in range(ROUNDS):
            if done.all():
                break
            tried = [self._changed(bases[random.integers(len(bases))], random) for _ in range(CANDIDATES)]
            for candidate, met in zip(tried, self.met(tried), strict=True):
                if (new := met & ~done).any():
                    found.append((candidate, self.cases[int(new.argmax())].words))
                    bases.append(candidate)
                    done |= met
        return found, [f"no {case.words}" for case, is_done in zip(self.cases, done, strict=True) if not is_done]

    def between(self) -> list[float]:
        """Return a number between each two of those that the program holds, next to each other."""
        ordered = sorted(self.numbers)
        return [0.5 * (low + high) for low, high in itertools.pairwise(ordered)]

    def _changed(self, leaves: list[np.ndarray], random: np.random.Generator) -> list[np.ndarray]:
        """Return arrays with some of them changed at random."""
        chosen = random.random(len(leaves)) < 0.5
        chosen[random.integers(len(leaves))] = True
        return [self._changed_array(leaf, random) if pick else leaf for leaf, pick in zip(leaves, chosen, strict=True)]

    def _changed_array(self, leaf: np.ndarray, random: np.random.Generator) -> np.ndarray:
        if not leaf.size:
            return leaf
        number = random.choice([*PLAIN_VALUES, *self.numbers]) + random.choice([0.0, 0.0, 1.0, -1.0])
        kind = random.integers(8)
        if kind == 0:
            return np.full_like(leaf, number)
        if kind == 1:
            return -leaf
        if kind == 2:
            return leaf * 10.0 ** random.uniform(-3, 3)
        if kind == 3:
            return random.normal(size=leaf.shape) * 10.0 ** random.uniform(-1, 2)
        if kind == 4:
            return np.round(2 * leaf) / 2
        if kind == 5:
            return np.abs(leaf) * random.choice([-1.0, 1.0])
        changed = leaf.copy()
        place, other = random.integers(leaf.size, size=2)
        changed.flat[place] = number if kind == 6 else leaf.flat[other]
        return changed


def _outcomes(name: str, params: dict[str, Any], inputs: list[Any]) -> Iterator[jax.Array]:
    if name in REDUCTIONS:
        (z,), axes = inputs, tuple(params["axes"])
        extreme = jnp.max if "max" in name else jnp.min
        yield jnp.sum(z == extreme(z, axes, keepdims=True), axes) > 1
    elif name == "clamp":
        low, z, high = inputs
        yield from (z < low, z == low, (low < z) & (z < high), z == high, z > high)
    else:
        left, right = inputs if len(inputs) == 2 else (inputs[0], 0)
        yield from (left < right, left == right, left > right)


def _cases(equation: Any) -> Iterator[Case]:
    """Yield the cases of an operation in the order of ``_outcomes``."""
    name = equation.primitive.name
    place = f"{name} in {place_of(equation)}".removesuffix(" in ")
    if name == "cond" and is_known(equation):
        count = len(equation.params["branches"])
        yield from (Case(f"input that takes branch {at} of {count} of the {place}", True) for at in range(count))
    elif not is_known(equation) or not all(jnp.issubdtype(each.aval.dtype, jnp.floating) for each in equation.invars):
        return
    elif name in REDUCTIONS:
        yield Case(f"tie in the {place}", False)
    elif name == "clamp":
        words = "below the lower bound", "equal to it", "within the bounds", "equal to the upper one", "above it"
        yield from (Case(f"value {each} of {place}", False) for each in words)
    elif name in COMPARISONS:
        other = "0" if len(equation.invars) == 1 else getattr(equation.invars[1], "val", None)
        second = "the other one" if other is None else f"{float(other):g}"
        yield from (Case(f"value {each} {second} in {place}", False) for each in ("below", "equal to", "above"))


def _numbers(program: Any) -> Iterator[float]:
    """Yield the floating numbers that are written into a program."""
    for equation, _ in walk(program):
        for each in equation.invars:
            is_number = hasattr(each, "val") and np.ndim(each.val) == 0
            if is_number and jnp.issubdtype(each.aval.dtype, jnp.floating) and np.isfinite(each.val):
                yield float(each.val)


def depends(program: Any, places: Sequence[int]) -> bool:
    """Return whether a result of a program depends on its operands at some places.

    >>> depends(jax.make_jaxpr(lambda x, y: 2 * y)(1.0, 1.0), [0])
    False
    """
    count = len(getattr(program, "jaxpr", program).invars)
    return any(_depends(program, [at in places for at in range(count)], lambda equation: None))


def _depends(program: Any, operands: Sequence[bool], seen: Callable[[Any], None]) -> list[bool]:
    """Return which results of a program depend on operands that are True; ``seen`` gets the operations that do."""

    def apply(equation: Any, inputs: list[Any]) -> Sequence[bool] | None:
        given = [each is True for each in inputs]
        if given[0] if equation.primitive.name == "cond" else any(given):
            seen(equation)
        if scan := scan_of(equation):
            return _loop(scan.body, given, scan.consts, scan.carried)
        if equation.primitive.name == "cond" and is_known(equation):
            each = [_depends(branch, given[1:], seen) for branch in equation.params["branches"]]
            return [given[0] or any(some) for some in zip(*each, strict=True)]
        if equation.primitive.name == "while" and is_known(equation):
            start = equation.params["cond_nconsts"]
            return _loop(equation.params["body_jaxpr"], given[start:], equation.params["body_nconsts"], None)
        if called_program(equation) is not None:
            return None
        return [any(given)] * len(equation.outvars)

    def _loop(body: Any, given: list[bool], consts: int, carried: int | None) -> list[bool]:
        end = len(given) if carried is None else consts + carried
        while True:
            results = _depends(body, given, seen)
            carry = [a or b for a, b in zip(given[consts:end], results, strict=False)]
            if carry == given[consts:end]:
                return results
            given = [*given[:consts], *carry, *given[end:]]

    return interpret(program, operands, apply, constant=lambda value: False)
