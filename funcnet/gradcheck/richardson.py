"""The derivative by central differences, extrapolated to a vanishing step.

D(h) = (f(θ + h eₖ) − f(θ − h eₖ))/2h errs by c₂h² + c₄h⁴ + …; from D(h), D(h/2), D(h/4), … the terms are taken off
one by one in a Romberg table, T[i, j] = T[i, j−1] + (T[i, j−1] − T[i−1, j−1])/(4ʲ − 1), and the entry that its
neighbours confirm best is the answer. Richardson (1911); Ridders, "Accurate
computation of F′(x) and F′(x)F″(x)" (1982).
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from .complex_step import NumericalGradient, computed_bytes, map_in_chunks

LEVELS = 16
FIRST_STEP = 2.0**0  # of a parameter up to 1; larger ones take a larger step
EPSILON = 2.0**-52
KINK = 1e-4  # the two sides' derivatives differ by more than this part of the largest: a kink, not rounding


def richardson_gradient(function: Callable[..., jax.Array], leaves: Sequence[jax.Array]) -> NumericalGradient:
    """Return the ``NumericalGradient`` of a scalar function of float64 arrays.

    Pure JAX, in 64-bit mode. A kink exactly at the point is known by one-sided derivatives that disagree.
    """
    program = jax.make_jaxpr(function)(*leaves)
    sizes = [leaf.size for leaf in leaves]
    starts = np.cumsum([0, *sizes])
    theta = jnp.concatenate([jnp.ravel(leaf) for leaf in leaves])
    shapes = [leaf.shape for leaf in leaves]

    def at(point: jax.Array) -> jax.Array:
        parts = (point[start : start + size] for start, size in zip(starts, sizes, strict=False))
        return function(*(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)))

    cost = at(theta)

    def along(element: jax.Array) -> tuple[jax.Array, jax.Array]:
        _, exponent = jnp.frexp(jnp.maximum(0.75, jnp.abs(theta[element])))
        steps = jnp.ldexp(FIRST_STEP * 0.5 ** np.arange(LEVELS), exponent)  # powers of two: they round nothing

        def values(step: jax.Array) -> tuple[jax.Array, jax.Array]:
            direction = jnp.where(jnp.arange(theta.size) == element, step, 0.0)
            return at(theta + direction), at(theta - direction)

        above, below = jax.vmap(values)(steps)
        right, left = (above - cost) / steps, (cost - below) / steps
        rounding = EPSILON * jnp.abs(cost) / steps
        sides = extrapolate(right, rounding, 2.0), extrapolate(left, rounding, 2.0)
        return extrapolate((above - below) / (2 * steps), rounding, 4.0), jnp.abs(sides[0] - sides[1])

    width = 2 * LEVELS * (8 * theta.size + sum(computed_bytes(program.jaxpr)))
    gradient, gap = map_in_chunks(along, theta.size, width, out_axes=(0, 0))
    kinked = gap > KINK * jnp.max(jnp.abs(gradient), initial=0.0)
    return NumericalGradient(cost, gradient, kinked, jnp.sum(kinked))


def extrapolate(differences: jax.Array, rounding: jax.Array, ratio: float) -> jax.Array:
    """Return the limit of differences (levels,) at halved steps whose error falls by ``ratio`` and its powers.

    ``rounding`` (levels,) is how far each may be off already: two that agree by chance are no proof of both.

    >>> with jax.enable_x64(True):
    ...     steps = 0.5 ** jnp.arange(8)
    ...     print(f"{extrapolate((jnp.exp(steps) - jnp.exp(-steps)) / (2 * steps), 1e-16 / steps, 4.0):.12f}")
    1.000000000000
    """
    column, best, least = differences, differences[0], jnp.asarray(jnp.inf)
    for order in range(1, len(differences)):
        finer = column[1:] + (column[1:] - column[:-1]) / (ratio**order - 1)
        error = jnp.maximum(jnp.abs(finer - column[1:]), jnp.abs(finer - column[:-1])) + rounding[order:]
        at = jnp.argmin(jnp.where(jnp.isnan(error), jnp.inf, error))
        better = error[at] < least
        best, least = jnp.where(better, finer[at], best), jnp.where(better, error[at], least)
        column = finer
    return best
