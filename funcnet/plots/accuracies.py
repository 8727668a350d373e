"""The picture of a function's accuracy: the error map of ``fn.check_accuracy``."""

from typing import TYPE_CHECKING

import numpy as np

from ..errors import message
from ..numerics import AccuracyReport
from .figures import COLOURS, figure, label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMALLEST = 0.01  # smaller errors, which a logarithmic axis cannot show, are drawn there


def accuracy(report: AccuracyReport) -> "Figure":
    """Return a figure of the largest error in each binade of the argument, and the limit.

    The arguments' axis is logarithmic on both sides: negative ones at the left, 0 in the middle. So is the errors'
    axis. An infinite error is a cross at the upper edge.

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
    least = min((binade.exponent for binade in report.binades), default=0)
    positions = np.array([binade.sign * (binade.exponent - least + 1) for binade in report.binades])
    errors = np.array([binade.worst for binade in report.binades])
    finite = np.isfinite(errors)
    top = 3 * max(report.limit, errors[finite].max(initial=report.limit))
    axes.plot(positions[finite], np.maximum(errors[finite], SMALLEST), ".", color=COLOURS[0], markersize=4)
    axes.plot(positions[~finite], np.full((~finite).sum(), top), "x", color=COLOURS[1], clip_on=False)
    axes.axhline(report.limit, color=COLOURS[1], linestyle="--", linewidth=1)
    axes.annotate(f"limit {report.limit:g}", (1, report.limit), xycoords=("axes fraction", "data"), fontsize="x-small",
                  ha="right", va="bottom", color=COLOURS[1])  # fmt: skip
    axes.axvline(0, color="black", linewidth=0.5)
    axes.set(yscale="log", ylim=(SMALLEST / 2, top))
    axes.set_xticks(*_ticks(positions, least))
    axes.grid(alpha=0.3)
    label(axes, "argument", "largest error (units in the last place)", f"{report.name} in {report.dtype}")
    return picture


def _ticks(positions: np.ndarray, least: int) -> tuple[list[int], list[str]]:
    """Return at most seven places on the axis with the arguments there: 0 and powers of two.

    >>> _ticks(np.array([-3, -2, -1, 1, 2, 3]), -1)
    ([-3, 0, 3], ['−2¹', '0', '2¹'])
    """
    largest = int(np.abs(positions).max(initial=1))
    distances = [largest // 3, 2 * largest // 3, largest] if largest > 6 else [largest]
    places = [-each for each in reversed(distances)] + [0] + distances
    raised = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    names = ["0" if not at else f"{'−' * (at < 0)}2{str(abs(at) + least - 1).translate(raised)}" for at in places]
    low, high = positions.min(initial=0), positions.max(initial=0)
    shown = [(at, name) for at, name in zip(places, names, strict=True) if low <= at <= high]
    return [at for at, _ in shown], [name for _, name in shown]
