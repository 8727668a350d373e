"""Pictures of images, of confusion matrices, and of diagrams of boxes and arrows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import brief, check_known, check_number, check_values, integer_array
from ..errors import message
from .figures import COLOURS, DIVERGING, as_drawn, check_names, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def images(axes: np.ndarray, pictures: Any, titles: Sequence[str] = (), *, diverging: bool = False) -> None:
    """Draw pictures on axes, one on each. Raises ``ValueError`` for more pictures than axes.

    Args:
        axes: an array of Matplotlib axes; those without a picture stay empty.
        pictures: (n, height, width), of any real dtype.
        titles: the titles of the first pictures; none by default.
        diverging: whether 0 is the centre of the colours, as for weights; by default large is dark and 0 is light.

    >>> from funcnet.plots import figure
    >>> _, axes = figure(1, 3)
    >>> images(axes, np.zeros((2, 8, 8)), ["0", "1"])
    """
    pictures = as_drawn("images", "pictures", pictures)
    if pictures.ndim != 3 or pictures.size == 0:
        raise ValueError(message("images", "pictures of shape (n, height, width), each at least 1", pictures.shape))
    check_names("images", "titles", titles)
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


def samples(
    axes: np.ndarray, pictures: Any, labels: Any, predictions: Any = None, *, names: Sequence[str] | None = None
) -> None:
    """Draw pictures with their labels, and with the predictions that are wrong, in another colour.

    Args:
        axes: an array of Matplotlib axes; those without a picture stay empty.
        pictures: (n, height, width), of any real dtype.
        labels: the true classes (n,).
        predictions: the predicted classes (n,); none by default.
        names: the names of the classes; their numbers by default.

    Raises:
        ValueError: there are more pictures than axes, or as many labels or predictions are not given.

    >>> from funcnet.plots import figure
    >>> _, axes = figure(1, 2)
    >>> samples(axes, np.zeros((2, 8, 8)), [3, 5], [3, 6])
    >>> [place.get_title() for place in axes.ravel()]
    ['3', '5, predicted 6']
    """
    pictures, labels = as_drawn("samples", "pictures", pictures), _classes("labels", labels)
    answers = labels if predictions is None else _classes("predictions", predictions)
    for what, given in (("labels", labels), ("predictions", answers)):
        if pictures.ndim == 0 or given.shape != pictures.shape[:1]:
            raise ValueError(message("samples", f"{what} of shape {pictures.shape[:1]}, one per picture", given.shape))

    if len(pictures) > np.size(axes):
        raise ValueError(message("samples", f"at most {np.size(axes)} pictures, one for each axes", len(pictures)))

    def name(label: Any) -> str:
        if names is None:
            return str(label)
        if not 0 <= label < len(names):
            raise ValueError(message("samples", f"labels in [0, {len(names)}), as many as names", label))
        return names[int(label)]

    titles = [
        name(true) if true == answer else f"{name(true)}, predicted {name(answer)}"
        for true, answer in zip(labels, answers, strict=True)
    ]
    images(axes, pictures, titles)
    for place, true, answer in zip(axes.ravel(), labels, answers, strict=False):
        place.title.set_color("black" if true == answer else COLOURS[1])


def _classes(name: str, value: Any) -> np.ndarray:
    check_known("samples", name, value)
    return np.asarray(integer_array("samples", name, value))


def confusion(axes: "Axes", counts: Any, *, title: str = "") -> None:
    """Draw a confusion matrix, counts (classes, classes): one row per class, one column per predicted class.

    >>> from funcnet.plots import figure
    >>> _, axes = figure()
    >>> confusion(axes[0, 0], np.array([[9, 1], [0, 10]]))
    """
    counts = as_drawn("confusion", "counts", counts)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or counts.size == 0:
        raise ValueError(message("confusion", "counts of shape (classes, classes)", counts.shape))
    check_values("confusion", "counts to be finite and at least 0", counts, np.isfinite(counts) & (counts >= 0))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)  # the root makes rare mistakes visible
    size = "x-small" if len(counts) > 5 else "large"
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.4 else "black"
        axes.text(column, row, str(count) if count else "", ha="center", va="center", color=colour, fontsize=size)
    axes.set(xticks=range(len(counts)), yticks=range(len(counts)))
    label(axes, "predicted class", "true class", title)


def diagram(axes: "Axes", layout: Any, *, title: str = "", fontsize: float = 8.5) -> None:
    """Draw boxes of text and the arrows between them at the positions of a layout.

    Args:
        axes: Matplotlib axes, such as ``figure`` makes.
        layout: the result of ``Graph.layout()``.
        title: the title above the axes; none by default.
        fontsize: of the text, in points; at 8.5, the default, 90 units of the layout need one inch.

    >>> import funcnet as fn
    >>> from funcnet.plots import figure
    >>> _, axes = figure()
    >>> diagram(axes[0, 0], fn.graph.trace(lambda w, x: w * x, 2.0, 3.0).layout())
    >>> [text.get_text().splitlines()[0] for text in axes[0, 0].texts]
    ['w', 'x', 'output', 'mul(w, x)']
    """
    if isinstance(layout, type) or not (hasattr(layout, "boxes") and hasattr(layout, "arrows")):
        raise TypeError(message("diagram", "layout to be the result of Graph.layout()", brief(layout)))
    check_known("diagram", "fontsize", fontsize)
    check_number("diagram", "fontsize", fontsize, lambda size: (size > 0) & np.isfinite(size), "to be finite, above 0")
    fontsize = float(np.asarray(fontsize))
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
    from matplotlib.path import Path as Line

    for arrow in layout.arrows:
        style: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 7, "color": "#333333", "linewidth": 0.8}
        axes.add_patch(FancyArrowPatch(path=Line(arrow), shrinkA=0, shrinkB=0, **style))
    for box in layout.boxes.values():
        look, lines = box.node
        rounding = min(18, box.width / 2, box.height / 2)
        shape = f"round,pad=0,rounding_size={rounding}" if look.is_round else "square,pad=0"
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
