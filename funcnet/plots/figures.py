"""Figures with their axes, the colours and marks that all share, and the file that a figure becomes."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import message

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":")
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
DIVERGING = "PuOr"


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


def label(axes: "Axes", xlabel: str, ylabel: str, title: str) -> None:
    """Write what the axes show, and their title."""
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axes.title.set_fontsize("medium")
