"""Which iterations of a loop to look into: some of it, and those that first take a branch; and what each is given."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..compilation import RUN_ONCE
from .equations import is_known, scan_of, walk
from .recording import as_declared, going_on, going_rows, recorded, split_while

MOST_KEPT = 24  # iterations that first take a branch
MOST_BYTES = 2**26  # of what they are given


class Kept(NamedTuple):
    """What is kept while a loop runs."""

    turn: Any  # () the number of iterations
    turns: Any  # (kept iterations,) their numbers, -1 for none
    carries: list[Any]  # (kept iterations, ...) for each array of the carry
    last: list[Any]  # the carry of the last iteration
    first: Any  # (branches,) the iteration that first takes each, -1 for none


class Run(NamedTuple):
    """A loop that has run."""

    results: list[Any]
    given: list[list[Any]]  # the operands of the body in each kept iteration
    taken: list[tuple[Any, int]]  # the branches that are taken in any iteration: the cond, and which


class Turns:
    """A loop that is run once, compiled, while the carry of some of its iterations is kept.

    Of a ``scan``, the first, the middle and the last iteration are kept, of a ``while`` loop the first two and the
    last, and of both those that first take a branch, also a branch within an inner loop.
    """

    def __init__(self, equation: Any) -> None:
        self.equation, self.scan = equation, scan_of(equation)
        self.body = equation.params["body_jaxpr"] if self.scan is None else self.scan.body
        self.always = np.array([0, 1 if self.scan is None else self.scan.length // 2], np.int32)
        self.branches: list[tuple[Any, int]] = []
        self.starts: dict[int, int] = {}  # a cond's first place in ``branches``, by its identity
        for each, _ in walk(self.body):
            if each.primitive.name == "cond" and is_known(each) and id(each) not in self.starts:
                self.starts[id(each)] = len(self.branches)
                self.branches += [(each, branch) for branch in range(len(each.params["branches"]))]
        run = self._repeated if self.scan is None else self._scanned
        self.compiled: Any = jax.jit(run, compiler_options=RUN_ONCE)

    def run(self, operands: Sequence[Any]) -> Run:
        """Run the loop."""
        results, kept = self.compiled(*operands)
        carries = {int(kept.turn) - 1: kept.last}
        carries |= {int(turn): [each[slot] for each in kept.carries] for slot, turn in enumerate(kept.turns)}
        given = [self._given(operands, turn, carry) for turn, carry in sorted(carries.items()) if turn >= 0]
        first = np.asarray(kept.first).tolist()
        return Run(results, given, [each for each, turn in zip(self.branches, first, strict=True) if turn >= 0])

    def _given(self, operands: Sequence[Any], turn: int, carry: list[Any]) -> list[Any]:
        if self.scan is None:
            return [*split_while(self.equation.params, operands)[1], *carry]
        fixed, _, rows = self.scan.split(operands)
        at = self.scan.length - 1 - turn if self.scan.reverse else turn
        return [*fixed, *carry, *(each[at] for each in rows)]

    def _scanned(self, *operands: Any) -> Any:
        scan: Any = self.scan
        fixed, first, rows = scan.split(operands)

        def iteration(state: Any, row: Any) -> tuple[Any, Any]:
            carry, kept = state
            taken, results = self._recorded([*fixed, *carry, *row])
            return (results[: scan.carried], self._keep(kept, carry, taken)), results[scan.carried :]

        start = [*first], self._nothing(first)
        (carry, kept), outputs = lax.scan(iteration, start, [*rows], scan.length, scan.reverse)
        return [*carry, *outputs], kept

    def _repeated(self, *operands: Any) -> Any:
        test = self.equation.params["cond_jaxpr"]
        of_test, of_body, first = split_while(self.equation.params, operands)

        def iteration(state: Any) -> Any:
            carry, kept = state
            taken, results = self._recorded([*of_body, *carry])
            return going_rows(going_on(test, of_test, carry), results, carry), self._keep(kept, carry, taken)

        start = [*first], self._nothing(first)
        return lax.while_loop(lambda state: jnp.any(going_on(test, of_test, state[0])), iteration, start)

    def _recorded(self, operands: list[Any]) -> tuple[Any, list[Any]]:
        """Return which branches an iteration takes, and its results."""
        taken, results = recorded(self.body, operands, jnp.zeros(len(self.branches), bool), self._record)
        return as_declared(self.body, taken, results)

    def _record(self, taken: jax.Array, equation: Any, inputs: list[Any]) -> jax.Array:
        start = self.starts.get(id(equation))
        if start is None:
            return taken
        return taken.at[start + jnp.clip(inputs[0], 0, len(equation.params["branches"]) - 1)].set(True)

    def _nothing(self, carry: Sequence[Any]) -> Kept:
        """Return what is kept before the first iteration."""
        arrays = [jnp.asarray(each) for each in carry]
        size = max(1, sum(each.size * each.dtype.itemsize for each in arrays))
        slots = len(self.always) + min(len(self.branches), MOST_KEPT, MOST_BYTES // size)
        none = jnp.full(slots, -1, jnp.int32)
        first = jnp.full(len(self.branches), -1, jnp.int32)
        return Kept(jnp.int32(0), none, [jnp.stack([each] * slots) for each in arrays], arrays, first)

    def _keep(self, kept: Kept, carry: Sequence[Any], taken: jax.Array) -> Kept:
        """Return what is kept after an iteration with a carry, in which some branches are taken."""
        is_first = taken & (kept.first < 0)
        count = len(self.always)
        free = jnp.cumsum(kept.turns[count:] < 0, dtype=jnp.int32) == 1  # no other one before it
        here = jnp.concatenate([self.always == kept.turn, (kept.turns[count:] < 0) & free & jnp.any(is_first)])

        def stored(carries: list[Any]) -> list[Any]:
            masks = [here.reshape(-1, *[1] * (each.ndim - 1)) for each in carries]
            return [
                jnp.where(mask, jnp.asarray(new)[None], each)
                for mask, new, each in zip(masks, carry, carries, strict=True)
            ]

        carries = lax.cond(jnp.any(here), stored, lambda carries: carries, kept.carries)
        turns = jnp.where(here, kept.turn, kept.turns)
        first = jnp.where(is_first, kept.turn, kept.first)
        return Kept(kept.turn + jnp.int32(1), turns, carries, [*map(jnp.asarray, carry)], first)
