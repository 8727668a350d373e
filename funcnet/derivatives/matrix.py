"""The derivatives of any function of arrays: numerical, by JAX in both modes, by hand, and second ones.

All of them are given in one form, a matrix: a row for each direction in which the arguments are moved (each element
alone, and two in which all are moved), a column for each cotangent by which the results are weighted (each result
alone where there are few, else random weights).
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..compilation import RUN_ONCE
from ..errors import message
from ..jaxprs import NoRuleError
from .complex_rules import CONVENTIONS, Complex, Convention, imaginary_of, real_of
from .numerical import BY_MEAN, COMPLEX_STEP, computed_bytes, contradicted, evaluate, limits, map_in_chunks

MOST_RESULTS = 48  # beyond it, results are weighted at random
RANDOM_COTANGENTS = 6
MOST_ELEMENTS = 3000  # beyond it, some elements are chosen
CHOSEN_ELEMENTS = 500
FORWARD_ELEMENTS = 64  # the elements along which forward mode is run
MOST_DIRECTIONS = 6  # along which a tangent is scaled
LEVELS = 14  # halved steps of Richardson's extrapolation
SIDE = 2.0**-28  # the relative distance at which the two sides of a kink are looked at
SHORTER = 2.0**-20  # a second complex step is so much shorter, and has to give the same
NO_SIDE = 1e-2  # relative; a one-sided derivative by differences is known to less, or there is none
EXTREME = 1e12  # numbers beyond it, and below its inverse, are not moved by differences
SAME_STEPS = 1e-13  # relative; two complex steps differ by powers of two, which round nothing
SAME_DIFFERENCES = 1e-6  # relative; what two series of differences may differ by, besides their estimated errors

VANISHING = 1e-270  # a complex step times less may underflow


class Flat(NamedTuple):
    """A function of pytrees as a function of its floating arrays, which returns its floating results in a list."""

    call: Callable[..., list[jax.Array]]
    names: tuple[str, ...]  # of the arrays, such as "params['w']"
    whole: Callable[..., Any]  # the same, which returns what the function returns
    arguments: Callable[[Sequence[Any]], tuple[Any, ...]]  # the function's arguments for some floating arrays
    places: tuple[int, ...]  # of the arrays among all leaves of the arguments
    integers: dict[str, np.ndarray]  # the integer arrays among the arguments, by name


def flattened(where: str, function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Flat, list[np.ndarray]]:
    """Return a function of pytrees as ``Flat``, and its floating arrays in float64; other arguments are held fixed."""
    leaves, structure = jax.tree_util.tree_flatten_with_path(args)
    roots = _names(function, args)
    names = [roots[keys[0].idx] + jax.tree_util.keystr(keys[1:]) for keys, _ in leaves]
    # What stays fixed may be on another device than the check.
    given = [np.asarray(leaf) if is_plain_array(leaf) else leaf for _, leaf in leaves]
    places = []
    for place, leaf in enumerate(given):
        dtype = _dtype(where, names[place], leaf)
        if jnp.issubdtype(dtype, jnp.complexfloating):
            raise TypeError(message(where, "real arguments: take the real and the imaginary part as two", dtype))
        if jnp.issubdtype(dtype, jnp.floating):
            places.append(place)
    if not places:
        raise TypeError(message(where, "an argument of a floating dtype", "none"))
    if not any(np.size(given[place]) for place in places):
        raise ValueError(message(where, "floating arguments of at least one element", "empty ones"))

    def arguments(arrays: Sequence[Any]) -> tuple[Any, ...]:
        # JAX keeps the dtype that it once has an array in, though int64 becomes int32 in a program in float32.
        rebuilt = [leaf.copy() if isinstance(leaf, np.ndarray) else leaf for leaf in given]
        for place, array in zip(places, arrays, strict=True):
            rebuilt[place] = array
        return jax.tree.unflatten(structure, rebuilt)

    def whole(*arrays: Any) -> Any:
        return function(*arguments(arrays))

    def call(*arrays: Any) -> list[jax.Array]:
        return floating_results(whole(*arrays))

    arrays = [np.asarray(given[place]).astype(np.float64) for place in places]
    integers = {
        name: leaf
        for name, leaf in zip(names, given, strict=True)
        if isinstance(leaf, np.ndarray) and np.issubdtype(leaf.dtype, np.integer)
    }
    return Flat(call, tuple(names[place] for place in places), whole, arguments, tuple(places), integers), arrays


def _dtype(where: str, name: str, leaf: Any) -> Any:
    """Return the dtype of an argument's leaf, an integer one where it is no number; raise where JAX has none."""
    if not isinstance(leaf, float | np.ndarray | np.generic | jax.Array):
        return np.dtype(np.int32)
    try:
        return jnp.result_type(leaf)
    except TypeError as error:
        raise TypeError(message(where, f"{name} of a dtype that JAX has", np.asarray(leaf).dtype)) from error


def is_plain_array(leaf: Any) -> bool:
    """Return whether a leaf is an array of JAX that is no random key."""
    return isinstance(leaf, jax.Array) and not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def floating_results(results: Any) -> list[jax.Array]:
    """Return the floating results among a function's; complex ones as their two parts."""
    found = []
    for leaf in jax.tree.leaves(results):
        if jnp.issubdtype(jnp.result_type(leaf), jnp.complexfloating):
            found += [jnp.real(leaf), jnp.imag(leaf)]
        elif jnp.issubdtype(jnp.result_type(leaf), jnp.floating):
            found.append(jnp.asarray(leaf))
    return found


def _names(function: Callable[..., Any], args: tuple[Any, ...]) -> list[str]:
    """Return the names of a function's positional arguments."""
    try:
        parameters = [*inspect.signature(function).parameters.values()]
    except (TypeError, ValueError):
        parameters = []
    plain = [each.name for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    return plain[: len(args)] + [f"argument {place}" for place in range(len(plain), len(args))]


class RuleError(TypeError):
    """A rule's forward pass has results of another structure, shape or dtype than the function."""


class Numerical(NamedTuple):
    """A numerical derivative, with what is known of its precision."""

    matrix: np.ndarray  # (directions, cotangents)
    error: np.ndarray  # of the matrix's shape: an estimate of the error of extrapolation, 0 for complex steps
    low: np.ndarray  # of the matrix's shape: the smaller of the two one-sided derivatives
    high: np.ndarray  # the larger one; both are the derivative itself away from kinks
    method: str  # "complex step" or "Richardson"
    why: str  # why there is no complex step, "" where there is one


class Derivatives:
    """The derivatives of a function at any arrays of the given shapes.

    Args:
        function: what JAX differentiates, of arrays to a list of arrays.
        reference: what is differentiated numerically: the function itself, or another one that is intended.
        leaves: the arrays, in float64; only their shapes count.
        backward: a hand-written backward pass (arrays, cotangents) -> gradients in the arrays, or None.
    """

    def __init__(
        self,
        function: Callable[..., list[jax.Array]],
        reference: Callable[..., list[jax.Array]],
        leaves: Sequence[np.ndarray],
        backward: Callable[..., list[jax.Array]] | None = None,
    ) -> None:
        self.function, self.reference, self.by_hand = function, reference, backward
        self.shapes = [leaf.shape for leaf in leaves]
        self.ends = np.cumsum([0, *(leaf.size for leaf in leaves)])
        self.size = int(self.ends[-1])
        self.results = jax.eval_shape(function, *leaves)
        self.count = sum(int(np.prod(each.shape)) for each in self.results)
        random = np.random.default_rng(0)
        if self.count <= MOST_RESULTS:
            self.cotangents = np.eye(self.count)
        else:
            self.cotangents = random_numbers(random, (RANDOM_COTANGENTS, self.count))
        chosen = self.size > MOST_ELEMENTS
        self.places = np.sort(random.permutation(self.size)[:CHOSEN_ELEMENTS]) if chosen else np.arange(self.size)
        self.places = self.places.astype(np.int32)
        self.dense = np.stack([np.ones(self.size), random_numbers(random, (self.size,))]) if self.size > 1 else None
        directions = len(self.places) + (0 if self.dense is None else 2)
        few = np.sort(random.permutation(len(self.places))[:FORWARD_ELEMENTS])
        self.forward_rows = np.concatenate([few, np.arange(len(self.places), directions)]).astype(np.int32)
        self.compiled: dict[Any, Any] = {}
        self.sampled: dict[bool, tuple[Any, Any]] = {}  # the last ones, by whether their steps are relative

    def run(self, name: str, *arguments: Any) -> Any:
        """Return what the method of this name computes, compiled once for all arrays of these shapes."""
        key = name, str(jnp.result_type(arguments[0][0]))
        if key not in self.compiled:
            self.compiled[key] = jax.jit(getattr(self, name), compiler_options=RUN_ONCE)
        return jax.tree.map(np.asarray, self.compiled[key](*arguments))

    def weighted(self, results: Sequence[Any]) -> jax.Array:
        """Return the results, weighted by the cotangents."""
        vector = as_vector(results)
        if self.count <= MOST_RESULTS:
            return vector
        return jnp.asarray(self.cotangents, vector.dtype) @ vector

    def value(self, leaves: Any) -> list[jax.Array]:
        """Return the function's results."""
        return self.function(*leaves)

    def weighted_reference(self, leaves: Any) -> jax.Array:
        """Return the reference's results, weighted by the cotangents."""
        return self.weighted(self.reference(*leaves))

    def rows(self, matrix: jax.Array) -> jax.Array:
        """Return the rows of a matrix (cotangents, elements): those of the chosen elements, and the dense ones."""
        parts = [matrix.T[self.places]]
        if self.dense is not None:
            parts.append(jnp.asarray(self.dense, matrix.dtype) @ matrix.T)
        return jnp.concatenate(parts)

    def _pulled(self, pull: Callable[[list[Any]], Any], results: Sequence[Any], cotangents: Any) -> jax.Array:
        """Return the gradients (cotangents, elements) that a backward pass makes of each cotangent."""
        split = np.cumsum([0, *(int(np.prod(each.shape)) for each in results)])

        def one(cotangent: jax.Array) -> jax.Array:
            parts = [
                cotangent[start:end].reshape(each.shape).astype(each.dtype)
                for start, end, each in zip(split, split[1:], results, strict=False)
            ]
            return as_vector(pull(parts))

        return lax.map(one, cotangents)

    def reverse(self, leaves: Any, cotangents: Any) -> tuple[jax.Array, Any]:
        """Return the derivative by JAX's reverse mode, and the results that it computes on the way."""
        results, pull = jax.vjp(self.function, *leaves)
        self._check_structure(self.function, leaves, results)
        return self.rows(self._pulled(lambda parts: pull(parts), results, cotangents)), results

    @staticmethod
    def _check_structure(function: Callable[..., list[jax.Array]], leaves: Any, results: Sequence[Any]) -> None:
        """Raise ``RuleError`` if a rule's forward pass returns other shapes or dtypes than the function."""
        expected, got = (
            [f"{each.dtype}{list(each.shape)}" for each in some]
            for some in (jax.eval_shape(function, *leaves), results)
        )
        if expected != got:
            text = f"the rule's forward pass returns {', '.join(got)}, the function {', '.join(expected)}"
            raise RuleError(text)

    def hand(self, leaves: Any, cotangents: Any) -> tuple[jax.Array, Any]:
        """Return the derivative by the hand-written backward pass, and no results."""
        backward: Any = self.by_hand
        results = jax.eval_shape(self.function, *leaves)
        return self.rows(self._pulled(lambda parts: backward(leaves, parts), results, cotangents)), []

    def forward(self, leaves: Any, cotangents: Any) -> tuple[jax.Array, Any]:
        """Return the derivative by JAX's forward mode, in the rows ``forward_rows``, and the results."""

        def one(row: jax.Array) -> tuple[jax.Array, Any]:
            results, tangents = jax.jvp(self.function, tuple(leaves), tuple(self.tangents(row, leaves)))
            self._check_structure(self.function, leaves, results)
            return self.weighted(tangents), results

        matrix, results = lax.map(one, jnp.asarray(self.forward_rows))
        return matrix, [each[0] for each in results] if len(self.forward_rows) else []

    def directions(self) -> np.ndarray:
        """Return a few directions (directions, elements): those of single elements, and the dense ones."""
        single = np.eye(min(self.size, MOST_DIRECTIONS), self.size)
        return single if self.dense is None else np.concatenate([self.dense, single])

    def pushed(self, leaves: Any, directions: Any) -> jax.Array:
        """Return the derivative (directions, cotangents) by JAX's forward mode along given directions."""

        def one(direction: jax.Array) -> jax.Array:
            return self.weighted(jax.jvp(self.function, tuple(leaves), tuple(self.split(direction, leaves)))[1])

        return lax.map(one, directions)

    def tangents(self, row: Any, leaves: Any) -> list[jax.Array]:
        """Return the direction of a row, split like the arrays."""
        places = jnp.asarray(self.places)
        dtype = jnp.result_type(*leaves)
        vector = (jnp.arange(self.size) == places[jnp.minimum(row, len(places) - 1)]).astype(dtype)
        if self.dense is not None:
            # Without a dtype, JAX reuses an array that it has in float64 in a program in float32 as well.
            dense = jnp.asarray(self.dense, dtype)[jnp.clip(row - len(places), 0, 1)]
            vector = jnp.where(row < len(places), vector, dense)
        return self.split(vector, leaves)

    def split(self, vector: jax.Array, leaves: Any) -> list[jax.Array]:
        """Return a vector's parts, in the shapes and dtypes of the arrays."""
        return [
            vector[start:end].reshape(shape).astype(leaf.dtype)
            for start, end, shape, leaf in zip(self.ends, self.ends[1:], self.shapes, leaves, strict=False)
        ]

    def complex_steps(
        self, leaves: Any, side: Any, factor: Any = 1.0, convention: Convention = BY_MEAN
    ) -> tuple[jax.Array, ...]:
        """Return the derivatives by complex steps beside the point, where a step starts on a kink, and the values.

        ``factor`` shortens the steps; ``convention`` decides at kinks.
        """
        program = jax.make_jaxpr(self.reference)(*leaves)
        rows = len(self.places) + (0 if self.dense is None else 2)
        width = 8 * self.size + computed_bytes(program)
        return map_in_chunks(
            lambda row: self._complex(program, leaves, self.tangents(row, leaves), side, factor, convention),
            rows, width, out_axes=(0, 0, 0),
        )  # fmt: skip

    def complex_steps_here(self, leaves: Any) -> jax.Array:
        """Return the derivatives by complex steps; the point itself is not computed, so that it does not round."""
        return self.complex_steps(leaves, None)[0]

    def _complex(
        self,
        program: Any,
        leaves: Any,
        tangents: list[jax.Array],
        side: Any,
        factor: Any = 1.0,
        convention: Convention = BY_MEAN,
    ) -> tuple[jax.Array, ...]:
        """Return the derivative along a direction by a complex step, whether it starts on a kink, and the value."""
        step = factor * COMPLEX_STEP * _reduction(as_vector(leaves), as_vector(tangents))
        points = [
            Complex(self._beside(leaf, tangent, side), step * tangent)
            for leaf, tangent in zip(leaves, tangents, strict=True)
        ]
        results, edges = evaluate(program, points, convention)
        matrix = self.weighted([imaginary_of(each) for each in results]) / step
        kinds = edges.crossed.astype(int) + 2 * edges.ordered  # above 0 on a kink, above 1 within a sort
        return matrix, kinds, self.weighted([real_of(each) for each in results])

    @staticmethod
    def _beside(leaf: jax.Array, tangent: jax.Array, side: Any) -> jax.Array:
        """Return an array moved a little way along a direction, by each element's own scale."""
        if side is None:
            return leaf
        size = jnp.where(jnp.isfinite(leaf), jnp.abs(leaf), 0)
        most = jnp.max(size, initial=0)
        scale = jnp.where(size > 0, size, jnp.where(most > 0, most, 1.0))
        return leaf + jnp.where(tangent != 0, side * scale * tangent, 0)

    def samples(self, leaves: Any, is_relative: Any) -> tuple[jax.Array, ...]:
        """Return the values (rows, levels, cotangents) above and below at halved steps, and the steps.

        Relative steps are at most half of what is moved, so that they do not reach over 0; others are of 1 or more.
        """
        vector = as_vector(leaves)

        def along(row: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
            tangent = as_vector(self.tangents(row, leaves))
            least = jnp.where(is_relative & (vector != 0), 0.0, 0.75)
            _, exponent = jnp.frexp(jnp.max(jnp.where(tangent != 0, jnp.maximum(least, jnp.abs(vector)), 0)))
            steps = jnp.ldexp(0.5 ** np.arange(LEVELS), exponent - is_relative.astype(int))

            def values(step: jax.Array) -> jax.Array:
                return self.weighted(self.reference(*self.split(vector + step * tangent, leaves)))

            return lax.map(values, steps), lax.map(values, -steps), steps

        rows = len(self.places) + (0 if self.dense is None else 2)
        above, below, steps = lax.map(along, jnp.arange(rows))
        return above, below, steps, self.weighted(self.reference(*leaves))

    def numerical(self, leaves: Sequence[np.ndarray], rounding: np.ndarray | None = None) -> Numerical:
        """Return the numerical derivative; ``rounding`` (cotangents,) is that of the function's weighted results."""
        why = self.compiled.get("no complex step", "")
        if not why:
            try:
                matrix, crossed, value = self.run("complex_steps", leaves, 0.0, 1.0, BY_MEAN)
            except NoRuleError as error:
                self.compiled["no complex step"] = why = str(error)
        if why:
            return self.by_differences(leaves, rounding, why)
        shorter = self.run("complex_steps", leaves, 0.0, SHORTER, BY_MEAN)[0]
        with np.errstate(invalid="ignore", over="ignore"):
            size = np.maximum(np.abs(matrix), np.abs(shorter))
            same = (matrix == shorter) | (np.abs(matrix - shorter) <= SAME_STEPS * size + VANISHING)
        found = self._with_sides(leaves, np.where(same, matrix, np.nan), crossed > 0, value)
        if not (crossed > 1).any():
            return found
        # The order in which a sort leaves equal numbers is a convention, which need not lie between the two sides.
        ordered = (crossed > 1)[:, None] & np.isfinite(matrix)
        low, high = (
            np.where(ordered, edge(side, matrix), side) for edge, side in ((np.fmin, found.low), (np.fmax, found.high))
        )
        return found._replace(low=low, high=high)

    def _with_sides(
        self, leaves: Sequence[np.ndarray], matrix: np.ndarray, crossed: np.ndarray, value: np.ndarray
    ) -> Numerical:
        """Return the numerical derivative with its one-sided ones, which are looked at close to the point."""
        sides = {at: self.run("complex_steps", leaves, at * SIDE, 1.0, BY_MEAN) for at in (1, -1, 0.5, -0.5)}
        (above, _, up), (below, _, down) = sides[1], sides[-1]
        nearer = [sides[at][0] for at in (0.5, -0.5)]
        with np.errstate(invalid="ignore", over="ignore"):
            size = np.fmax(np.abs(above), np.abs(below))
            # Rounding does not repeat itself, a side of a kink does.
            steady = np.maximum(np.abs(nearer[0] - above), np.abs(nearer[1] - below)) <= 1e-6 * size
            jumps = steady & (np.abs(above - below) > 1e-3 * size)
            # A value that is written for one point alone, as x = 1 in a table of cases, has no derivative of its own.
            near = np.fmax(np.abs(up - value), np.abs(down - value)) <= 1e-6 * (size + np.abs(value))
            alone = near & steady & (np.abs(above - below) <= 1e-6 * size)
            alone &= ~(np.abs(matrix - above) <= 1e-3 * size)
            differ = crossed[:, None] | alone | jumps
            # A side is no side at the end of the function's domain, and where it is infinite.
            inside = [np.isfinite(side) & np.isfinite(at) for side, at in ((above, up), (below, down))]
            # Where the two sides tell that it is none of its own, but not what it is, it is not known.
            # Beside an extremum a side has its limit twice as near where the distance is halved.
            limit = [2 * nearer[0] - above, 2 * nearer[1] - below]
            off = [np.fmin(*(np.abs(matrix - at) for at in pair)) for pair in zip((above, below), limit, strict=True)]
            far = [~(side & (each <= 1e-3 * size)) for side, each in zip(inside, off, strict=True)]
            ends = ~(inside[0] & inside[1])
            unknown = (near & ~steady | ends) & far[0] & far[1]
            matrix = np.where(alone, 0.5 * (above + below), np.where(unknown, np.nan, matrix))
            low, high = (np.where(differ, edge(above, below), matrix) for edge in (np.fmin, np.fmax))
            if (several := crossed[:, None] & (high - low > 1e-6 * size)).any():
                for convention in CONVENTIONS:
                    found = self.run("complex_steps", leaves, 0.0, 1.0, convention)[0]
                    low, high = (
                        np.where(several, edge(side, found), side) for edge, side in ((np.fmin, low), (np.fmax, high))
                    )
        return Numerical(matrix, np.zeros_like(matrix), low, high, "complex step", "")

    def by_differences(self, leaves: Sequence[np.ndarray], rounding: np.ndarray | None, why: str) -> Numerical:
        """Return the numerical derivative by Richardson's extrapolation, and its one-sided ones at kinks.

        Two series of differences have to agree: one that reaches far over 0 does not see a pole there.
        """
        near = self._differences(leaves, rounding, why, is_relative=True)
        with np.errstate(invalid="ignore", over="ignore"):
            known = near.error <= SAME_DIFFERENCES * np.abs(near.matrix)
            if known.all():
                return near
            far = self._differences(leaves, rounding, why, is_relative=False)
            size = np.maximum(np.abs(near.matrix), np.abs(far.matrix))
            same = np.abs(near.matrix - far.matrix) <= near.error + far.error + SAME_DIFFERENCES * size
            best = known | ~(far.error < near.error)
            parts = (np.where(best, a, b) for a, b in zip(near[:4], far[:4], strict=True))
            matrix, error, low, high = (np.where(known | same, part, np.nan) for part in parts)
        return Numerical(matrix, error, low, high, "Richardson", why)

    def _differences(
        self, leaves: Sequence[np.ndarray], rounding: np.ndarray | None, why: str, *, is_relative: bool
    ) -> Numerical:
        """Return the numerical derivative by one series of differences."""
        key = is_relative, *(np.asarray(leaf).tobytes() for leaf in leaves)
        if self.sampled.get(is_relative, (None, None))[0] != key:
            self.sampled[is_relative] = key, self.run("samples", leaves, np.bool_(is_relative))
        above, below, steps, center = self.sampled[is_relative][1]
        whole = above.shape
        shape = whole[0], whole[2]

        def flat(values: np.ndarray) -> np.ndarray:  # (rows, levels, cotangents) -> (rows · cotangents, levels)
            return np.broadcast_to(values, whole).transpose(0, 2, 1).reshape(-1, LEVELS)

        least = np.finfo(np.float64).eps * np.abs(center)
        off = flat((least if rounding is None else np.fmax(least, rounding))[None, None, :] / steps[:, :, None])
        above, below, by = flat(above), flat(below), flat(steps[:, :, None])
        at = flat(center[None, None, :])
        with np.errstate(invalid="ignore", over="ignore"):
            matrix, error = limits((above - below) / (2 * by), off, 4.0)
            error = np.where(contradicted((above - below) / (2 * by), off, matrix), np.inf, error)
            (right, error_right), (left, error_left) = (
                limits(side / by, 2 * off, 2.0) for side in (above - at, at - below)
            )
            apart, unsure = np.abs(right - left), error_right + error_left
            kinked = (apart > 1e-4 * np.fmax(np.abs(right), np.abs(left))) & (apart > 1e3 * unsure)
            low = np.where(kinked, np.fmin(left, right), matrix)
            high = np.where(kinked, np.fmax(left, right), matrix)
            error = np.where(kinked, unsure, error)
            # A jump, or a point at infinity, has no derivative on one of its sides.
            jumps = ~(unsure <= NO_SIDE * (np.abs(left) + np.abs(right) + np.abs(matrix)) + 1e-9 * np.abs(at[:, 0]))
            error = np.where(jumps | ~np.isfinite(by[:, 0]), np.inf, error)
            error = np.where(np.repeat(self._is_extreme(leaves), shape[1]), np.inf, error)
        matrix, error, low, high = (each.reshape(shape) for each in (matrix, error, low, high))
        return Numerical(matrix, error, low, high, "Richardson", why)

    def _is_extreme(self, leaves: Sequence[np.ndarray]) -> np.ndarray:
        """Return in which directions extreme numbers move, beside which differences do not see a function's scale."""
        size = np.abs(np.concatenate([np.ravel(leaf) for leaf in leaves]))
        extreme = (size > EXTREME) | ((size > 0) & (size < 1 / EXTREME))
        alone = extreme[self.places]
        return alone if self.dense is None else np.append(alone, [extreme.any()] * 2)

    def second_numerical(self, leaves: Any, pair: Any, first: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Return first derivatives along u at halved distances along v (levels, cotangents), and kinks met.

        ``first`` is the largest distance.
        """
        program = jax.make_jaxpr(self.reference)(*leaves)
        u, v = (self.split(each, leaves) for each in pair)

        def at(distance: jax.Array) -> tuple[jax.Array, ...]:
            there = [leaf + distance * along for leaf, along in zip(leaves, v, strict=True)]
            return self._complex(program, there, u, None)[:2]

        steps = first * jnp.asarray(0.5 ** np.arange(LEVELS))
        (above, _), (below, _) = lax.map(at, steps), lax.map(at, -steps)
        return above, below, at(jnp.zeros(()))[1]

    def first_reverse_beside(self, leaves: Any, pair: Any, first: Any) -> tuple[jax.Array, jax.Array]:
        """Return reverse mode's first derivatives along u at halved distances along v, on both sides."""
        u = jnp.asarray(pair[0])

        def slope(there: list[jax.Array]) -> jax.Array:
            results, pull = jax.vjp(self.function, *there)
            return self._pulled(lambda parts: pull(parts), results, jnp.asarray(self.cotangents)) @ u

        return self._beside_along(slope, leaves, pair[1], first)

    def first_forward_beside(self, leaves: Any, pair: Any, first: Any) -> tuple[jax.Array, jax.Array]:
        """Return forward mode's first derivatives along u at halved distances along v, on both sides."""
        u = tuple(self.split(pair[0], leaves))
        return self._beside_along(
            lambda there: self.weighted(jax.jvp(self.function, tuple(there), u)[1]), leaves, pair[1], first
        )

    def _beside_along(
        self, slope: Callable[[list[jax.Array]], jax.Array], leaves: Any, v: Any, first: Any
    ) -> tuple[jax.Array, jax.Array]:
        steps = first * jnp.asarray(0.5 ** np.arange(LEVELS))
        along = self.split(v, leaves)

        def at(distance: jax.Array) -> jax.Array:
            return slope([leaf + distance * each for leaf, each in zip(leaves, along, strict=True)])

        return lax.map(at, steps), lax.map(at, -steps)

    def second_forward(self, leaves: Any, pair: Any) -> jax.Array:
        """Return the second derivative along u and v by forward mode over forward mode."""
        u, v = (tuple(self.split(each, leaves)) for each in pair)

        def first(*leaves: Any) -> jax.Array:
            return self.weighted(jax.jvp(self.function, leaves, u)[1])

        return jax.jvp(first, tuple(leaves), v)[1]

    def second_reverse(self, leaves: Any, pair: Any) -> jax.Array:
        """Return the second derivative along u and v by reverse mode over reverse mode."""
        u, v = pair

        def one(cotangent: jax.Array) -> jax.Array:
            def first(*leaves: Any) -> jax.Array:
                results, pull = jax.vjp(self.function, *leaves)
                pulled = self._pulled(lambda parts: pull(parts), results, cotangent[None])[0]
                return jnp.vdot(pulled, jnp.asarray(u))

            return jnp.vdot(as_vector(jax.grad(first, range(len(self.shapes)))(*leaves)), jnp.asarray(v))

        return lax.map(one, jnp.asarray(self.cotangents))


def _reduction(vector: jax.Array, tangent: jax.Array) -> jax.Array:
    """Return a power of two, by which a step is so much shorter that it is small beside each number it moves."""
    _, exponent = jnp.frexp(jnp.min(jnp.where((tangent != 0) & (vector != 0), jnp.abs(vector), 1.0), initial=1.0))
    return jnp.ldexp(1.0, jnp.clip(exponent + 40, -900, 0))


def as_vector(arrays: Sequence[Any]) -> jax.Array:
    """Return arrays as one vector of the widest of their dtypes, at least float32."""
    dtype = jnp.result_type(jnp.float32, *(jnp.result_type(each) for each in arrays))
    parts = [jnp.ravel(jnp.asarray(each)).astype(dtype) for each in arrays]
    return jnp.concatenate(parts) if parts else jnp.zeros((0,), dtype)


def random_numbers(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return numbers of magnitudes from 1 to 1.75 and both signs, which every floating dtype holds exactly."""
    return random.choice([-1.0, 1.0], shape) * (1 + 0.25 * random.integers(0, 4, shape))
