"""Pictures for reports and for the examples: curves, surfaces with paths on them, images, confusion matrices.

Every function draws on Matplotlib axes that it is given and returns nothing; ``figure`` makes the axes and ``save``
writes the picture. No global state of Matplotlib is used or changed. Colours are those of Okabe and Ito, "Color
Universal Design" (2008), which people with any kind of colour vision tell apart, and lines differ in dashes as well.
Matplotlib is imported where it is used: ``pip install 'funcnet[plot]'``.
"""

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import message

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":")
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
SEQUENTIAL, DIVERGING = "viridis", "PuOr"

Range = tuple[float, float]


def figure(rows: int = 1, columns: int = 1, *, size: tuple[float, float] = (6.4, 4.4)) -> "tuple[Figure, np.ndarray]":
    """Return a figure of ``size`` inches and its axes (rows, columns).

    Raises ``ImportError`` where Matplotlib is not installed.

    >>> picture, axes = figure(1, 2)
    >>> axes.shape
    (1, 2)
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("funcnet.plots needs Matplotlib: pip install 'funcnet[plot]'") from error
    picture = Figure(figsize=size, layout="constrained")
    return picture, picture.subplots(rows, columns, squeeze=False)


def divided(axes: "Axes", rows: int, columns: int, *, title: str = "") -> np.ndarray:
    """Return axes (rows, columns) with a title above them, in the place of the given ones, which ``figure`` made.

    Raises ``ValueError`` for axes that are in no grid, whose place cannot be divided.

    >>> _, axes = figure(1, 2)
    >>> divided(axes[0, 1], 3, 4, title="weights").shape
    (3, 4)
    """
    place, picture = axes.get_subplotspec(), axes.get_figure(root=False)
    if place is None or picture is None:
        raise ValueError(message("divided", "axes in a grid, as figure makes them", "axes that are in none"))
    axes.remove()
    part = picture.add_subfigure(place)
    part.suptitle(title, fontsize="medium")
    return part.subplots(rows, columns, squeeze=False)


def save(picture: "Figure", path: str | Path, *, dpi: int = 100) -> Path:
    """Write the picture as a PNG of ``dpi`` dots an inch, make its folder if need be, and return the path.

    It is kept to 256 colours, a third of the bytes. The same figure gives the same bytes: the file holds no date and
    no version.
    """
    from PIL import Image  # comes with Matplotlib

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = BytesIO()
    picture.savefig(drawn, dpi=dpi, format="png", facecolor="white")
    with Image.open(drawn) as image:
        # Each colour is moved to the mean of its pixels: the split alone gives thin lines the colour of another.
        few = image.convert("RGB").quantize(256, kmeans=1, dither=Image.Dither.NONE)
    few.save(path, format="png", optimize=True)
    return path


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
    """Draw one line for each name: values (n,) over ``x`` (n,), which is 1, 2, …, n where it is None.

    ``colours`` are taken in turn. With ``log`` the vertical axis is logarithmic. Raises ``ValueError`` for values that
    do not fit ``x``.

    >>> _, axes = figure()
    >>> curves(axes[0, 0], {"training": [3.0, 2.0, 1.5], "validation": [3.1, 2.4, 2.2]}, xlabel="epoch", ylabel="loss")
    >>> [line.get_label() for line in axes[0, 0].lines]
    ['training', 'validation']
    """
    for (name, values), colour, dash in zip(series.items(), cycle(colours), cycle(DASHES), strict=False):
        values = np.asarray(values)
        positions = np.arange(1, len(values) + 1) if x is None else np.asarray(x)
        if values.shape != positions.shape:
            raise ValueError(message("curves", f"{name} of shape {positions.shape}, as x", values.shape))
        axes.plot(positions, values, dash, color=colour, label=name, linewidth=1.6)
    if x is None:
        axes.locator_params(axis="x", integer=True)
    if log:
        axes.set_yscale("log")
    if len(series) > 1:
        axes.legend(fontsize="small")
    _label(axes, xlabel, ylabel, title)
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
) -> None:
    """Draw the level lines of a function of points (n, 2) to values (n,); with ``log`` of the values' logarithm.

    >>> _, axes = figure()
    >>> surface(axes[0, 0], lambda p: (p**2).sum(axis=1), (-1, 1), (-1, 1), xlabel="w", ylabel="b")
    """
    horizontal, vertical = np.meshgrid(np.linspace(*x_range, resolution), np.linspace(*y_range, resolution))
    values = np.asarray(function(np.stack([horizontal.ravel(), vertical.ravel()], axis=1))).reshape(horizontal.shape)
    shown = np.log10(np.maximum(values, np.finfo(float).tiny)) if log else values
    filled = axes.contourf(horizontal, vertical, shown, levels=levels, cmap="Blues_r", alpha=0.85)
    axes.contour(filled, colors="white", linewidths=0.3)
    axes.set(xlim=x_range, ylim=y_range)
    _label(axes, xlabel, ylabel, title)


def paths(axes: "Axes", steps: Mapping[str, Any], *, colours: Sequence[str] = COLOURS[1:]) -> None:
    """Draw one path for each name, points (n, 2) joined in their order, its end marked.

    ``colours`` are taken in turn; COLOURS[0], which is not among them, is too near to the surface's own. Raises
    ``ValueError`` for points that are not (n, 2).

    >>> _, axes = figure()
    >>> paths(axes[0, 0], {"sgd": [[0.0, 0.0], [1.0, 1.0]], "adam": [[0.0, 0.0], [1.0, 0.5]]})
    """
    for (name, points), colour, marker in zip(steps.items(), cycle(colours), cycle(MARKERS), strict=False):
        points = np.asarray(points)
        if points.ndim != 2 or points.shape[0] == 0 or points.shape[1] != 2:
            raise ValueError(message("paths", f"{name} of shape (n, 2), n at least 1", points.shape))
        axes.plot(points[:, 0], points[:, 1], "-", color=colour, linewidth=1.4, label=name)
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
    colours: Sequence[str] = COLOURS,
) -> None:
    """Draw a group of bars for each name of ``groups``: one for each name of ``series``, with values (groups,).

    Every bar has its value written on it. Raises ``ValueError`` for values that do not fit the groups.

    >>> _, axes = figure()
    >>> bars(axes[0, 0], ["XOR", "digits"], {"sgd": [0.6, 0.9], "adam": [0.7, 0.95]}, ylabel="accuracy")
    """
    if not groups or not series:
        raise ValueError(message("bars", "at least one group and one series", f"{len(groups)} and {len(series)}"))
    width = 0.8 / len(series)
    for index, ((name, values), colour) in enumerate(zip(series.items(), cycle(colours), strict=False)):
        values = np.asarray(values)
        if values.shape != (len(groups),):
            raise ValueError(message("bars", f"{name} of shape {(len(groups),)}, one a group", values.shape))
        drawn = axes.bar(np.arange(len(groups)) + (index - (len(series) - 1) / 2) * width, values, width, label=name,
                         color=colour)  # fmt: skip
        axes.bar_label(drawn, fmt="{:.3g}", fontsize="x-small", padding=1)
    axes.set_xticks(range(len(groups)), groups)
    axes.margins(y=0.25)  # room for the legend
    axes.legend(fontsize="small", ncols=2, loc="upper center")
    _label(axes, xlabel, ylabel, title)


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
    """Draw where a function of points (n, 2) to probabilities (n,) says yes, and samples x (n, 2) with labels 0 or 1.

    Raises ``ValueError`` for labels that are not (n,) of 0 and 1.

    >>> _, axes = figure()
    >>> decision(axes[0, 0], lambda p: p[:, 0], [[0.0, 0.0], [1.0, 1.0]], [0, 1])
    """
    x, labels = np.asarray(x), np.asarray(labels)
    if labels.shape != x.shape[:1] or not np.isin(labels, (0, 1)).all():
        got = f"shape {labels.shape}, values {np.unique(labels).tolist()[:5]}"
        raise ValueError(message("decision", f"labels of shape {x.shape[:1]}, each 0 or 1", got))
    (left, low), (right, high) = x.min(axis=0) - margin, x.max(axis=0) + margin
    horizontal, vertical = np.meshgrid(np.linspace(left, right, 160), np.linspace(low, high, 160))
    values = np.asarray(probability(np.stack([horizontal.ravel(), vertical.ravel()], axis=1)))
    levels = np.linspace(0, 1, 21)
    shown = np.clip(values, 0, 1).reshape(horizontal.shape)
    filled = axes.contourf(horizontal, vertical, shown, levels=levels, cmap=DIVERGING, alpha=0.8)
    axes.contour(horizontal, vertical, shown, levels=[0.5], colors="black", linewidths=1)
    axes.figure.colorbar(filled, ax=axes, label="output", ticks=[0, 0.5, 1])
    for label, marker in ((0, "o"), (1, "^")):
        chosen = x[labels == label]
        axes.plot(*chosen.T, marker, color="white", markeredgecolor="black", markersize=7, label=f"target {label}")
    axes.legend(fontsize="small", loc="upper right")
    _label(axes, xlabel, ylabel, title)


def images(axes: np.ndarray, pictures: Any, titles: Sequence[str] = (), *, diverging: bool = False) -> None:
    """Draw pictures (n, height, width) on as many axes, dark on light, or ``diverging`` around 0, as weights are.

    Axes that are left over stay empty. Raises ``ValueError`` where there are more pictures than axes.

    >>> _, axes = figure(1, 3)
    >>> images(axes, np.zeros((2, 8, 8)), ["0", "1"])
    """
    pictures = np.asarray(pictures)
    if len(pictures) > axes.size:
        raise ValueError(message("images", f"at most {axes.size} pictures, one for each axes", len(pictures)))
    for place in axes.ravel():
        place.axis("off")
    for index, (place, picture) in enumerate(zip(axes.ravel(), pictures, strict=False)):
        largest = float(np.abs(picture).max()) or 1.0
        limits: dict[str, Any] = {"vmin": -largest, "vmax": largest} if diverging else {}
        place.imshow(picture, cmap=DIVERGING if diverging else "gray_r", interpolation="nearest", **limits)
        if index < len(titles):
            place.set_title(titles[index], fontsize="small")


def confusion(axes: "Axes", counts: Any, *, title: str = "") -> None:
    """Draw a confusion matrix, counts (classes, classes): a row for each class, a column for each answer.

    >>> _, axes = figure()
    >>> confusion(axes[0, 0], np.array([[9, 1], [0, 10]]))
    """
    counts = np.asarray(counts)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)  # the root, so that seldom mistakes are seen
    size = "x-small" if len(counts) > 5 else "large"
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.4 else "black"
        axes.text(column, row, str(count) if count else "", ha="center", va="center", color=colour, fontsize=size)
    axes.set(xticks=range(len(counts)), yticks=range(len(counts)))
    _label(axes, "answer", "class", title)


def diagram(axes: "Axes", layout: Any, *, title: str = "", fontsize: float = 8.5) -> None:
    """Draw boxes of text and the arrows between them where a layout, which ``Graph.layout()`` makes, puts them.

    The text fits where the axes are wide enough: at 8.5 points, an inch for 90 units of the layout.

    >>> import funcnet as fn
    >>> _, axes = figure()
    >>> diagram(axes[0, 0], fn.graph.trace(lambda w, x: w * x, 2.0, 3.0).layout())
    >>> [text.get_text().splitlines()[0] for text in axes[0, 0].texts]
    ['w', 'x', 'output', 'mul(w, x)']
    """
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
    from matplotlib.path import Path as Line

    for arrow in layout.arrows:
        style: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 7, "color": "#333333", "linewidth": 0.8}
        axes.add_patch(FancyArrowPatch(path=Line(arrow), shrinkA=0, shrinkB=0, **style))
    for box in layout.boxes.values():
        look, lines = box.node
        shape = "round,pad=0,rounding_size=18" if look.is_round else "square,pad=0"
        corner = box.x - box.width / 2, box.y - box.height / 2
        patch = FancyBboxPatch(corner, box.width, box.height, boxstyle=shape)
        patch.set(facecolor=look.fill, edgecolor=look.line, linewidth=0.8 * look.thickness)
        patch.set_linestyle("--" if look.is_dashed else "-")
        axes.add_patch(patch)
        text = "\n".join(lines)
        axes.text(box.x, box.y, text, ha="center", va="center", fontsize=fontsize, family="monospace")
    axes.set(xlim=(0, layout.width), ylim=(layout.height, 0), aspect="equal", title=title)
    axes.title.set_fontsize("medium")
    axes.axis("off")


def _label(axes: "Axes", xlabel: str, ylabel: str, title: str) -> None:
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axes.title.set_fontsize("medium")
