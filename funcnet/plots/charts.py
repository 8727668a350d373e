"""Charts of numbers: curves, bars, surfaces, paths on surfaces, and decision boundaries."""

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import brief, check_count, check_known, check_number, check_values
from ..errors import message
from .figures import COLOURS, DASHES, DIVERGING, MARKERS, as_drawn, check_mapping, check_names, check_pair, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Range = tuple[float, float]


def curves(
    axes: "Axes",
    series: Mapping[str, Any],
    *,
    x: Any = None,
    xlabel: str,
    ylabel: str,
    title: str = "",
    log: bool = False,
    colours: Sequence[str] = COLOURS,
) -> None:
    """Draw one line for each name in ``series``. Raises ``ValueError`` for values that do not fit ``x``.

    Args:
        axes: Matplotlib axes, such as ``figure`` makes.
        series: names and their values (n,).
        x: the horizontal positions (n,); 1, 2, …, n by default.
        xlabel, ylabel, title: the texts at the axes.
        log: whether the vertical axis is logarithmic; False by default.
        colours: the colours of the lines, in turn.

    >>> from funcnet.plots import figure
    >>> _, axes = figure()
    >>> curves(axes[0, 0], {"training": [3.0, 2.0, 1.5], "validation": [3.1, 2.4, 2.2]}, xlabel="epoch", ylabel="loss")
    >>> [line.get_label() for line in axes[0, 0].lines]
    ['training', 'validation']
    """
    check_mapping("curves", "series", series)
    for (name, values), colour, dash in zip(series.items(), cycle(colours), cycle(DASHES), strict=False):
        values = as_drawn("curves", name, values)
        if values.ndim != 1:
            raise ValueError(message("curves", f"{name} of shape (n,)", values.shape))
        positions = np.arange(1, len(values) + 1) if x is None else as_drawn("curves", "x", x)
        if values.shape != positions.shape:
            raise ValueError(message("curves", f"{name} of shape {positions.shape}, as x", values.shape))
        axes.plot(positions, values, dash, color=colour, label=name, linewidth=1.6)
    if x is None:
        axes.locator_params(axis="x", integer=True)
    if log:
        axes.set_yscale("log")
    if len(series) > 1:
        axes.legend(fontsize="small")
    label(axes, xlabel, ylabel, title)
    axes.grid(alpha=0.3)


def surface(
    axes: "Axes",
    function: Callable[[np.ndarray], Any],
    x_range: Range,
    y_range: Range,
    *,
    xlabel: str,
    ylabel: str,
    title: str = "",
    levels: int | Sequence[float] = 24,
    log: bool = False,
    resolution: int = 160,
    scale: str = "",
) -> None:
    """Draw the level lines of a function of two variables; darker is lower.

    Args:
        axes: Matplotlib axes, such as ``figure`` makes.
        function: maps points (n, 2) to values (n,).
        x_range, y_range: the smallest and the largest value of each variable.
        xlabel, ylabel, title: the texts at the axes.
        levels: the number of levels, or the levels themselves; 24 by default.
        log: whether to draw the logarithm of the values; False by default.
        resolution: the number of points along each axis; 160 by default.
        scale: what the colours stand for, the label of a colour bar; there is no bar without it.

    >>> from funcnet.plots import figure
    >>> _, axes = figure()
    >>> surface(axes[0, 0], lambda p: (p**2).sum(axis=1), (-1, 1), (-1, 1), xlabel="w", ylabel="b")
    """
    check_pair("surface", "x_range", x_range, lambda ends: ends[0] < ends[1], "to rise")
    check_pair("surface", "y_range", y_range, lambda ends: ends[0] < ends[1], "to rise")
    check_count("surface", "resolution", resolution, minimum=2, maximum=10_000)
    if isinstance(levels, Sequence | np.ndarray) and not isinstance(levels, str):
        given = as_drawn("surface", "levels", levels)
        if given.ndim != 1 or len(given) < 2 or not np.all(np.diff(given) > 0):
            raise ValueError(
                message("surface", "levels to be a number of levels, or at least two that rise", given.shape)
            )
    else:
        check_count("surface", "levels", levels, maximum=1000)
    horizontal, vertical, values = _on_grid("surface", "function", function, x_range, y_range, resolution)
    shown = np.log10(np.maximum(values, np.finfo(float).tiny)) if log else values
    filled = axes.contourf(horizontal, vertical, shown, levels=levels, cmap="Blues_r", alpha=0.85)
    axes.contour(filled, colors="white", linewidths=0.3)
    if scale:
        bar = axes.figure.colorbar(filled, ax=axes, label=scale)
        if log:
            drawn = np.asarray(filled.levels)
            ticks = _powers(drawn[0], drawn[-1])
            bar.set_ticks(ticks, labels=[f"{10.0**power:.2g}" for power in ticks])
    axes.set(xlim=x_range, ylim=y_range)
    label(axes, xlabel, ylabel, title)


def _powers(lowest: float, highest: float) -> list[float]:
    """Return at most nine whole numbers in an interval, with equal distances, or its ends where it holds less than two.

    >>> _powers(-3.5, 2.2), _powers(0.3, 0.9), _powers(-40.0, 40.0)[:3]
    ([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0], [0.3, 0.9], [-40.0, -31.0, -22.0])
    """
    first, last = int(np.ceil(lowest)), int(np.floor(highest))
    if last - first < 1:
        return [float(lowest), float(highest)]
    return [float(power) for power in range(first, last + 1, -(-(last - first + 1) // 9))]


def paths(axes: "Axes", steps: Mapping[str, Any], *, colours: Sequence[str] = COLOURS[1:]) -> None:
    """Draw one path for each name: points (n, 2) joined in order, from a white circle to a coloured marker at the end.

    The paths get the ``colours`` in turn. COLOURS[0], which resembles the colour of a surface, is not among the default
    ones. Raises ``ValueError`` for points that are not (n, 2).

    >>> from funcnet.plots import figure
    >>> _, axes = figure()
    >>> paths(axes[0, 0], {"sgd": [[0.0, 0.0], [1.0, 1.0]], "adam": [[0.0, 0.0], [1.0, 0.5]]})
    """
    check_mapping("paths", "steps", steps)
    looks = zip(steps.items(), cycle(colours), cycle(MARKERS), cycle(DASHES), strict=False)
    for (name, points), colour, marker, dash in looks:
        points = as_drawn("paths", name, points)
        if points.ndim != 2 or points.shape[0] == 0 or points.shape[1] != 2:
            raise ValueError(message("paths", f"{name} of shape (n, 2), n at least 1", points.shape))
        axes.plot(points[:, 0], points[:, 1], dash, color=colour, linewidth=1.4, label=name)
        axes.plot(*points[0], "o", color="white", markersize=6, markeredgecolor=colour, zorder=3)
        axes.plot(*points[-1], marker, color=colour, markersize=7, markeredgecolor="white")
    axes.legend(fontsize="small")


def bars(
    axes: "Axes",
    groups: Sequence[str],
    series: Mapping[str, Any],
    *,
    ylabel: str,
    xlabel: str = "",
    title: str = "",
    log: bool = False,
    colours: Sequence[str] = COLOURS,
) -> None:
    """Draw a group of bars for each name in ``groups``, with one bar for each name in ``series``.

    The value of each bar is written above it; a value of NaN has no bar. Raises ``ValueError`` for values that do not
    fit the groups.

    Args:
        axes: Matplotlib axes, such as ``figure`` makes.
        groups: the names of the groups.
        series: names and their values (groups,).
        xlabel, ylabel, title: the texts at the axes.
        log: whether the vertical axis is logarithmic; False by default.
        colours: the colours of the series, in turn.

    >>> from funcnet.plots import figure
    >>> _, axes = figure()
    >>> bars(axes[0, 0], ["XOR", "digits"], {"sgd": [0.6, 0.9], "adam": [0.7, 0.95]}, ylabel="accuracy")
    """
    check_names("bars", "groups", groups)
    check_mapping("bars", "series", series)
    if not groups:
        raise ValueError(message("bars", "groups of at least one", "none"))
    width = 0.8 / len(series)
    for index, ((name, values), colour) in enumerate(zip(series.items(), cycle(colours), strict=False)):
        values = as_drawn("bars", name, values)
        if values.shape != (len(groups),):
            raise ValueError(message("bars", f"{name} of shape {(len(groups),)}, one per group", values.shape))
        check_values("bars", f"{name} to be finite, or NaN for no bar", values, ~np.isinf(values))
        written = ["" if np.isnan(v) else f"{v:.0f}" if abs(v) >= 1000 else f"{v:.3g}" for v in values]
        drawn = axes.bar(np.arange(len(groups)) + (index - (len(series) - 1) / 2) * width, values, width, label=name,
                         color=colour)  # fmt: skip
        axes.bar_label(drawn, written, fontsize="x-small", padding=1)
    axes.set_xticks(range(len(groups)), groups)
    if log:
        axes.set_yscale("log")
    axes.margins(y=0.25)  # room for the legend
    axes.legend(fontsize="small", ncols=2, loc="upper center")
    label(axes, xlabel, ylabel, title)


def decision(
    axes: "Axes",
    probability: Callable[[np.ndarray], Any],
    x: Any,
    labels: Any,
    *,
    xlabel: str = "x₁",
    ylabel: str = "x₂",
    title: str = "",
    margin: float = 0.4,
) -> None:
    """Draw the output of a classifier over the plane, its decision boundary, and samples of two classes.

    Raises ``ValueError`` for labels that are not (n,), each 0 or 1.

    Args:
        axes: Matplotlib axes, such as ``figure`` makes.
        probability: maps points (n, 2) to the probabilities (n,) of class 1; the boundary is at ½.
        x: samples (n, 2).
        labels: the class of each sample (n,), 0 or 1.
        xlabel, ylabel, title: the texts at the axes.
        margin: the width of the plane around the samples; 0.4 by default.

    >>> from funcnet.plots import figure
    >>> _, axes = figure()
    >>> decision(axes[0, 0], lambda p: p[:, 0], [[0.0, 0.0], [1.0, 1.0]], [0, 1])
    """
    x, labels = as_drawn("decision", "x", x), as_drawn("decision", "labels", labels)
    if x.ndim != 2 or x.shape[1] != 2 or not len(x):
        raise ValueError(message("decision", "x of shape (n, 2), n at least 1", x.shape))
    check_values("decision", "x to be finite", x, np.isfinite(x))
    check_known("decision", "margin", margin)
    check_number("decision", "margin", margin, lambda width: (width >= 0) & (width < 1e30), "at least 0 and finite")
    if labels.shape != x.shape[:1] or not np.isin(labels, (0, 1)).all():
        got = f"shape {labels.shape}, values {np.unique(labels).tolist()[:5]}"
        raise ValueError(message("decision", f"labels of shape {x.shape[:1]}, each 0 or 1", got))
    (left, low), (right, high) = x.min(axis=0) - margin, x.max(axis=0) + margin
    horizontal, vertical, values = _on_grid("decision", "probability", probability, (left, right), (low, high), 160)
    shown = np.clip(values, 0, 1)
    filled = axes.contourf(horizontal, vertical, shown, levels=np.linspace(0, 1, 21), cmap=DIVERGING, alpha=0.8)
    axes.contour(horizontal, vertical, shown, levels=[0.5], colors="black", linewidths=1)
    axes.figure.colorbar(filled, ax=axes, label="probability of class 1", ticks=[0, 0.5, 1])
    for target, marker in ((0, "o"), (1, "^")):
        chosen = x[labels == target]
        axes.plot(*chosen.T, marker, color="white", markeredgecolor="black", markersize=7, label=f"target {target}")
    axes.legend(fontsize="small", loc="upper right")
    label(axes, xlabel, ylabel, title)


def _on_grid(
    where: str, name: str, function: Callable[[np.ndarray], Any], x_range: Range, y_range: Range, points: int
) -> tuple[Any, ...]:
    """Return the coordinates of a grid and the function's values there, each (points, points)."""
    if not callable(function):
        raise TypeError(message(where, f"{name} to be a function of points (n, 2)", brief(function)))
    horizontal, vertical = np.meshgrid(np.linspace(*x_range, points), np.linspace(*y_range, points))
    found = function(np.stack([horizontal.ravel(), vertical.ravel()], axis=1))
    values = as_drawn(where, f"the result of {name}", found)
    if values.shape != (points * points,):
        raise ValueError(
            message(where, f"{name} to return shape ({points * points},) for as many points", values.shape)
        )
    return horizontal, vertical, values.reshape(horizontal.shape)
