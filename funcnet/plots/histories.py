"""The picture of a run's history."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import check_count
from .charts import curves
from .figures import as_drawn, check_mapping, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def history(columns: Mapping[str, Any], *, first: int = 1, log: bool = False) -> "Figure":
    """Return a figure of a history: one panel for each quantity, in which training and validation are two lines.

    Args:
        columns: names and their values (epochs,), such as ``result.history``: "val_loss" belongs to "loss". A metric
            of each class, (epochs, classes), has a panel with a line for each class.
        first: the epoch of the first value.
        log: whether the vertical axes are logarithmic.

    Raises:
        ValueError: there is no column, or one has another number of values.

    >>> picture = history({"loss": [3.0, 2.0], "accuracy": [0.5, 0.8], "val_loss": [3.1, 2.2]})
    >>> [(axes.get_ylabel(), len(axes.lines)) for axes in picture.axes]
    [('loss', 2), ('accuracy', 1)]
    """
    check_mapping("history", "columns", columns)
    check_count("history", "first", first, minimum=0)
    columns = {name: as_drawn("history", f"columns[{name!r}]", values) for name, values in columns.items()}
    panels: dict[str, dict[str, Any]] = {}
    for name, values in columns.items():
        if np.ndim(values) == 2:
            panels[name] = {f"class {k}": column for k, column in enumerate(np.transpose(values))}
            continue
        training = name.removeprefix("val_")
        panels.setdefault(training if training in columns else name, {})[name] = values
    picture, axes = figure(1, len(panels), size=(4.4 * len(panels), 3.3))
    epochs = np.arange(first, first + len(next(iter(columns.values()))))
    for place, (quantity, series) in zip(axes[0], panels.items(), strict=True):
        curves(place, series, x=epochs, xlabel="epoch", ylabel=quantity, log=log)
        place.locator_params(axis="x", integer=True)
    return picture
