"""The numbers of a floating dtype: all of a short one, and of a long one a dense sample of every binade."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

GOLDEN = (5**0.5 - 1) / 2  # the multiples of no other number are spread more evenly between 0 and 1


class Format(NamedTuple):
    """A floating dtype: its digits and its range.

    >>> Format.of("float32")
    Format(dtype=dtype('float32'), digits=24, lowest=-126, highest=127)
    """

    dtype: np.dtype
    digits: int  # binary ones, with the leading 1
    lowest: int  # the exponent of the smallest number that is taken
    highest: int  # the exponent of the largest number

    @classmethod
    def of(cls, dtype: Any) -> "Format":
        """Return the format of a floating dtype.

        Its smallest number is the smallest normal one, since XLA replaces subnormal numbers by 0. Those of float16
        are normal in float32, in which XLA computes, and are taken.
        """
        info = jnp.finfo(dtype)
        lowest = info.minexp - info.nmant if info.dtype == np.float16 else info.minexp
        return cls(np.dtype(dtype), info.nmant + 1, int(lowest), info.maxexp - 1)

    def unit(self, values: np.ndarray) -> np.ndarray:
        """Return the unit in the last place of each value: the distance of the numbers around it, (n,).

        >>> Format.of("float32").unit(np.array([1.0, 1.99, 2.0])) * 2.0**23
        array([1., 1., 2.])
        """
        exponents = np.frexp(values)[1] - 1
        floor = jnp.finfo(self.dtype).minexp
        return np.ldexp(1.0, np.maximum(np.where(values == 0, floor, exponents), floor) - self.digits + 1)


def sample(dtype: Any, per_binade: int, domain: tuple[float, float], near: Sequence[float]) -> np.ndarray:
    """Return the numbers at which a function is tried: sorted, (n,) of ``dtype``, without those outside the domain.

    Of a dtype of 16 bits they are all finite numbers. Of a longer one they are 0 and −0, ``per_binade`` numbers from
    each [2ᵏ, 2ᵏ⁺¹), of both signs, and around each number in ``near`` those at 0, 1, 2, 4, … units in the last place.

    Args:
        dtype: a floating dtype.
        per_binade: numbers of each binade and sign, where the dtype is longer than 16 bits.
        domain: the smallest and the largest number.
        near: numbers around which it is tried more densely.

    >>> sample("bfloat16", 1, (1.0, 1.05), ())
    array([1, 1.00781, 1.01562, 1.02344, 1.03125, 1.03906, 1.04688], dtype=bfloat16)
    >>> sample("float32", 2, (1.0, 4.0), (3.0,)).size
    52
    """
    form = Format.of(dtype)
    if form.dtype.itemsize == 2:
        values = np.arange(2**16, dtype=np.uint16).view(form.dtype)
        with np.errstate(invalid="ignore"):  # NumPy warns of signalling NaNs
            values = values[np.isfinite(values)]
    else:
        values = np.concatenate([_of_binades(form, per_binade), *(_around(form, each) for each in near)])
    wide = values.astype(np.float64)
    normal = (np.abs(wide) >= 2.0**form.lowest) | (wide == 0)
    return np.sort(values[normal & (wide >= domain[0]) & (wide <= domain[1])])


def _of_binades(form: Format, count: int) -> np.ndarray:
    """Return 0 and −0, and ``count`` numbers of each binade and sign: its ends, where it has three, and others."""
    binades = np.arange(form.lowest, form.highest + 1)
    steps = 2 ** (form.digits - 1)
    fractions = np.mod(np.arange(1, binades.size * count + 1) * GOLDEN, 1).reshape(binades.size, count)
    places = np.floor(fractions * steps)
    if count >= 3:
        places[:, 0], places[:, 1] = 0, steps - 1
    values = np.ldexp(1 + places / steps, binades[:, None]).ravel()
    return np.concatenate([-values, [-0.0, 0.0], values]).astype(form.dtype)


def _around(form: Format, centre: float) -> np.ndarray:
    """Return a number, and those at 1, 2, 4, … units in the last place of it, up to its half and its double."""
    middle = form.dtype.type(centre)
    bits = np.dtype(f"i{form.dtype.itemsize}")
    distances = 2 ** np.arange(form.digits, dtype=bits)
    place = np.asarray(middle).view(bits)
    return np.concatenate([place - distances, [place], place + distances]).astype(bits).view(form.dtype)
