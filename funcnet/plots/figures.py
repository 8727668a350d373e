"""Figures and their axes, the colours and markers of all pictures, and the file of a picture."""

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
        raise ImportError("funcnet.plots needs Matplotlib: pip install matplotlib") from error
    picture = Figure(figsize=size, layout="constrained")
    return picture, picture.subplots(rows, columns, squeeze=False)


def divided(axes: "Axes", rows: int, columns: int, *, title: str = "") -> np.ndarray:
    """Return axes (rows, columns) with a title above them, which replace the given axes.

    Raises ``ValueError`` for axes that are not in a grid.

    Args:
        axes: axes of a figure that ``figure`` made.
        rows, columns: the numbers of rows and columns of the new axes.
        title: the title above them; none by default.

    >>> _, axes = figure(1, 2)
    >>> divided(axes[0, 1], 3, 4, title="weights").shape
    (3, 4)
    """
    place, picture = axes.get_subplotspec(), axes.get_figure(root=False)
    if place is None or picture is None:
        raise ValueError(message("divided", "axes in a grid, as figure makes them", "axes outside a grid"))
    axes.remove()
    part = picture.add_subfigure(place)
    part.suptitle(title, fontsize="medium")
    return part.subplots(rows, columns, squeeze=False)


def save(picture: "Figure", path: str | Path, *, dpi: int = 100) -> Path:
    """Write the picture as a PNG of ``dpi`` dots per inch and return its path; a missing folder is created.

    The picture is reduced to 256 colours, which needs a third of the bytes. The same figure gives the same bytes: the
    file contains no date and no version.
    """
    from PIL import Image  # comes with Matplotlib

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = BytesIO()
    picture.savefig(drawn, dpi=dpi, format="png", facecolor="white")
    with Image.open(drawn) as image:
        # kmeans moves each colour to the mean of its pixels; without it thin lines get the colour of another line.
        few = image.convert("RGB").quantize(256, kmeans=1, dither=Image.Dither.NONE)
    few.save(path, format="png", optimize=True)
    return path


def label(axes: "Axes", xlabel: str, ylabel: str, title: str) -> None:
    """Write the labels and the title of the axes."""
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axes.title.set_fontsize("medium")
