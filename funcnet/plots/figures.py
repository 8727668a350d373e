"""Figures and their axes, the colours and markers of all pictures, and the file of a picture."""

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import brief, check_count, check_known, check_path, check_values, real_array
from ..errors import message

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":")
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
DIVERGING = "PuOr"
MOST_PANELS = 100  # rows or columns of axes in a figure


def figure(rows: int = 1, columns: int = 1, *, size: tuple[float, float] = (6.4, 4.4)) -> "tuple[Figure, np.ndarray]":
    """Return a figure of ``size`` inches and its axes (rows, columns).

    Raises ``ImportError`` where Matplotlib is not installed.

    >>> picture, axes = figure(1, 2)
    >>> axes.shape
    (1, 2)
    """
    for name, count in (("rows", rows), ("columns", columns)):
        check_count("figure", name, count, maximum=MOST_PANELS)
    check_pair("figure", "size", size, lambda inches: inches > 0, "above 0")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("funcnet.plots needs Matplotlib: pip install matplotlib") from error
    picture = Figure(figsize=size, layout="constrained")
    return picture, picture.subplots(int(rows), int(columns), squeeze=False)


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
    for name, count in (("rows", rows), ("columns", columns)):
        check_count("divided", name, count, maximum=MOST_PANELS)
    place, picture = axes.get_subplotspec(), axes.get_figure(root=False)
    if place is None or picture is None:
        raise ValueError(message("divided", "axes in a grid, as figure makes them", "axes outside a grid"))
    axes.remove()
    part = picture.add_subfigure(place)
    part.suptitle(title, fontsize="medium")
    return part.subplots(int(rows), int(columns), squeeze=False)


def save(picture: "Figure", path: str | Path, *, dpi: int = 100) -> Path:
    """Write the picture as a PNG of ``dpi`` dots per inch and return its path; a missing folder is created.

    The picture is reduced to 256 colours, which needs a third of the bytes. The same figure gives the same bytes: the
    file contains no date and no version.
    """
    if isinstance(picture, type) or not hasattr(picture, "savefig"):
        raise TypeError(message("save", "picture to be a figure, as figure makes it", brief(picture)))
    check_path("save", "path", path)
    check_count("save", "dpi", dpi, maximum=10_000)
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


def as_drawn(where: str, name: str, value: Any) -> np.ndarray:
    """Return a value as a NumPy array of real numbers, or raise an error that names it."""
    check_known(where, name, value)
    return np.asarray(real_array(where, name, value))


def check_mapping(where: str, name: str, value: Any) -> None:
    """Raise ``TypeError`` unless a value maps names to values, and ``ValueError`` for none."""
    if not isinstance(value, Mapping):
        raise TypeError(message(where, f"{name} to be a dict of names and their values", brief(value)))
    if not value:
        raise ValueError(message(where, f"{name} with at least one name", "none"))


def check_names(where: str, name: str, value: Any) -> None:
    """Raise ``TypeError`` unless a value is a sequence of texts."""
    is_sequence = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)
    if not is_sequence or not all(isinstance(each, str) for each in value):
        raise TypeError(message(where, f"{name} to be a list of texts", brief(value)))


def check_pair(where: str, name: str, value: Any, valid: Callable[[Any], Any], expected: str) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless a value is two valid, finite numbers."""
    array = as_drawn(where, name, value)
    if array.shape != (2,):
        raise ValueError(message(where, f"{name} to be two numbers", brief(value)))
    check_values(where, f"{name} to be finite and {expected}", array, np.isfinite(array) & valid(array))


def label(axes: "Axes", xlabel: str, ylabel: str, title: str) -> None:
    """Write the labels and the title of the axes."""
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axes.title.set_fontsize("medium")
