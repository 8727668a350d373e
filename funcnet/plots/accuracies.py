"""The picture of a function's accuracy: the error map of ``fn.check_accuracy``."""

from typing import TYPE_CHECKING

import numpy as np

from ..errors import message
from ..numerics import AccuracyReport
from .figures import COLOURS, figure, label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMALLEST = 0.01  # smaller errors, which a logarithmic axis cannot show, are drawn there
STEPS = (1, 2, 5, 10, 15, 20, 50, 100, 150, 200, 500)  # between the powers that are marked on the arguments' axis
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def accuracy(report: AccuracyReport) -> "Figure":
    """Return a figure of the largest error in each binade of the argument, and the limit.

    The arguments' axis is logarithmic on both sides: negative ones at the left, 0 in the middle. So is the errors'
    axis. An error above the limit is orange, and an infinite one is a cross at the upper edge.

    Raises ``TypeError`` for anything but a report of ``check_accuracy``.

    >>> import jax.numpy as jnp
    >>> import mpmath
    >>> from funcnet.numerics import check_accuracy
    >>> picture = accuracy(check_accuracy(jnp.exp, mpmath.exp, domain=(-8.0, 8.0), samples=1))
    >>> picture.axes[0].get_ylabel()
    'largest error (units in the last place)'
    """
    if not isinstance(report, AccuracyReport):
        raise TypeError(message("plots.accuracy", "a report of fn.check_accuracy", type(report).__name__))
    picture, places = figure(size=(7.2, 3.6))
    axes = places[0, 0]
    exponents = [binade.exponent for binade in report.binades] or [0]
    signs = sorted({binade.sign for binade in report.binades})
    positions = np.array([binade.sign * (binade.exponent - min(exponents) + 1) for binade in report.binades])
    errors = np.array([binade.worst for binade in report.binades])
    finite = np.isfinite(errors)
    largest = min(errors[finite].max(initial=SMALLEST), 1e300)
    limit = max(report.limit, SMALLEST) if np.isfinite(report.limit) else 10 * largest
    top = 10.0 ** np.ceil(np.log10(3 * max(limit, largest)))
    is_large = finite & (errors > report.limit)
    axes.plot(positions[finite], np.maximum(errors[finite], SMALLEST), ".", color=COLOURS[0], markersize=4)
    axes.plot(positions[~finite], np.full((~finite).sum(), top), "x", color=COLOURS[1], markersize=4)
    axes.axhline(limit, color=COLOURS[1], linestyle="--", linewidth=1)
    axes.plot(positions[is_large], np.maximum(errors[is_large], SMALLEST), ".", color=COLOURS[1], markersize=4)
    axes.annotate(f"limit {report.limit:g}", (0.99, limit), (0, 1), xycoords=("axes fraction", "data"),
                  textcoords="offset points", ha="right", fontsize="x-small", color=COLOURS[1])  # fmt: skip
    axes.set(yscale="log", ylim=(SMALLEST / 2, 3 * top))
    axes.set_yticks(*_error_ticks(top, has_infinite=not finite.all()))
    axes.minorticks_off()
    axes.set_xticks(*_argument_ticks(signs, min(exponents), max(exponents)))
    if len(signs) != 1:
        axes.axvline(0, color="black", linewidth=0.5)
    axes.grid(alpha=0.3)
    label(axes, "argument", "largest error (units in the last place)", f"{report.name} in {report.dtype}")
    return picture


def _error_ticks(top: float, has_infinite: bool) -> tuple[list[float], list[str]]:
    """Return at most seven places on the errors' axis and their names; the lowest stands for all smaller errors.

    >>> _error_ticks(100.0, has_infinite=True)
    ([0.01, 0.1, 1.0, 10.0, 100.0], ['≤ 0.01', '0.1', '1', '10', 'infinite'])
    """
    low, high = round(np.log10(SMALLEST)), round(np.log10(top))
    step = next(step for step in STEPS if (high - low) / step <= 6)
    powers = list(range(low, high, step)) + [high] * ((high - low) % step == 0 or has_infinite)
    names = [f"≤ {SMALLEST:g}", *(f"{10.0**power:g}" for power in powers[1:])]
    if has_infinite:
        names[-1] = "infinite"
    return [10.0**power for power in powers], names


def _argument_ticks(signs: list[int], least: int, most: int) -> tuple[list[float], list[str]]:
    """Return at most eleven places on the arguments' axis and their names: powers of ten, or of two where few binades.

    The binade [2ᵏ, 2ᵏ⁺¹) is at k − ``least`` + 1, and 0 in the middle of both signs, where no power is near it.

    >>> _argument_ticks([-1, 1], -4, 3)
    ([-7.0, -5.0, -3.0, -1.0, 0.0, 1.0, 3.0, 5.0, 7.0], ['−4', '−1', '−2⁻²', '−2⁻⁴', '0', '2⁻⁴', '2⁻²', '1', '4'])
    >>> _argument_ticks([1], -126, 127)[1]
    ['10⁻³⁰', '10⁻¹⁵', '1', '10¹⁵', '10³⁰']
    """
    base = 10 if most - least > 40 else 2
    binades = np.log2(base)
    step = next((step for step in STEPS if (most - least) / binades / step <= 6), STEPS[-1])
    powers = [k for k in range(-step * (1100 // step), 1100, step) if least <= k * binades <= most]
    ticks = [
        (sign * (k * binades - least + 1), f"{'−' * (sign < 0)}{_power(base, k)}") for sign in signs for k in powers
    ]
    if len(signs) != 1:
        ticks = sorted([(0.0, "0"), *((at, name) for at, name in ticks if abs(at) > 0.12 * (most - least + 1))])
    return [float(at) for at, _ in ticks], [name for _, name in ticks]


def _power(base: int, exponent: int) -> str:
    """Return a power in words: a number where it is short.

    >>> _power(10, 0), _power(2, 3), _power(10, -15)
    ('1', '8', '10⁻¹⁵')
    """
    return str(base**exponent) if 0 <= exponent <= 3 else f"{base}{str(exponent).translate(RAISED)}"
