"""The derivative by central differences, extrapolated to a vanishing step.

D(h) = (f(θ + h eₖ) − f(θ − h eₖ))/2h errs by c₂h² + c₄h⁴ + …; from D(h), D(h/2), D(h/4), … the terms are taken off
one by one in a Romberg table, T[i, j] = T[i, j−1] + (T[i, j−1] − T[i−1, j−1])/(4ʲ − 1), and the entry that its
neighbours confirm best is the answer. Richardson (1911); Ridders, "Accurate
computation of F′(x) and F′(x)F″(x)" (1982).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .complex_step import NumericalGradient, computed_bytes, map_in_chunks

LEVELS = 16
FIRST_STEP = 1.0  # of a parameter up to 1; larger ones take a larger step
EPSILON = 2.0**-52
KINK = 1e-4  # the two sides' derivatives differ by more than this part of the largest: a kink, not rounding
NOISE = 1e-10  # and by more than this part of the cost, whose rounding the small steps divide


class Samples(NamedTuple):
    """A function's values around a point, along each of its arguments."""

    cost: Any  # () its value at the point
    above: Any  # (elements, levels) f(θ + h eₖ)
    below: Any  # (elements, levels) f(θ − h eₖ)
    steps: Any  # (elements, levels) h


def sample(function: Callable[..., jax.Array], leaves: Sequence[jax.Array]) -> Samples:
    """Return the values of a scalar function of float64 arrays at halved steps; pure JAX, in 64-bit mode."""
    program = jax.make_jaxpr(function)(*leaves)
    sizes = [leaf.size for leaf in leaves]
    starts = np.cumsum([0, *sizes])
    theta = jnp.concatenate([jnp.ravel(leaf) for leaf in leaves])
    shapes = [leaf.shape for leaf in leaves]

    def at(point: jax.Array) -> jax.Array:
        parts = (point[start : start + size] for start, size in zip(starts, sizes, strict=False))
        return function(*(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)))

    def along(element: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        _, exponent = jnp.frexp(jnp.maximum(0.75, jnp.abs(theta[element])))
        steps = jnp.ldexp(FIRST_STEP * 0.5 ** np.arange(LEVELS), exponent)  # powers of two: they round nothing

        def values(step: jax.Array) -> tuple[jax.Array, jax.Array]:
            direction = jnp.where(jnp.arange(theta.size) == element, step, 0.0)
            return at(theta + direction), at(theta - direction)

        return *jax.vmap(values)(steps), steps

    width = 2 * LEVELS * (8 * theta.size + sum(computed_bytes(program)))
    return Samples(at(theta), *map_in_chunks(along, theta.size, width, out_axes=(0, 0, 0)))


def richardson_gradient(samples: Samples) -> NumericalGradient:
    """Return the gradient from a function's values; a kink exactly at the point has two one-sided derivatives.

    >>> with jax.enable_x64(True):
    ...     samples = sample(lambda x: jnp.sum(jnp.exp(x) + jnp.abs(x)), [jnp.array([0.0, 1.0])])
    >>> gradient = richardson_gradient(samples)
    >>> print(gradient.kinked, f"{gradient.gradient[1]:.12f}")
    [ True False] 3.718281828459
    """
    cost, above, below, steps = map(np.asarray, samples)
    rounding = EPSILON * np.abs(cost) / steps
    with np.errstate(invalid="ignore", over="ignore"):  # far from the point the function may not exist
        gradient = extrapolate((above - below) / (2 * steps), rounding, 4.0)
        right, left = (extrapolate(side / steps, rounding, 2.0) for side in (above - cost, cost - below))
        gap = np.abs(right - left)
    kinked = gap > max(KINK * np.abs(gradient).max(initial=0.0), NOISE * np.abs(cost))
    return NumericalGradient(cost, gradient, kinked, kinked.sum())


def extrapolate(differences: np.ndarray, rounding: np.ndarray, ratio: float) -> np.ndarray:
    """Return the limits (elements,) of differences (elements, levels) at halved steps.

    Their error falls by ``ratio`` and by its powers; ``rounding`` (elements, levels) is how far each is off already.

    >>> steps = 0.5 ** np.arange(8)[None, :]
    >>> limit = extrapolate((np.exp(steps) - np.exp(-steps)) / (2 * steps), 1e-16 / steps, 4.0)
    >>> print(f"{limit[0]:.12f}")
    1.000000000000
    """
    column, best, least = differences, differences[:, -1], np.full(len(differences), np.inf)
    for order in range(1, differences.shape[1] - 1):
        finer = column[:, 1:] + (column[:, 1:] - column[:, :-1]) / (ratio**order - 1)
        # Three neighbours have to confirm an entry: at large steps two may agree by chance.
        entry, neighbours = finer[:, 1:], (finer[:, :-1], column[:, 2:], column[:, 1:-1])
        error = np.max([np.abs(entry - each) for each in neighbours], axis=0) + rounding[:, order + 1 :]
        error = np.where(np.isnan(error), np.inf, error)
        rows, at = np.arange(len(error)), error.argmin(axis=1)
        best = np.where(error[rows, at] < least, entry[rows, at], best)
        least = np.minimum(least, error[rows, at])
        column = finer
    return best
