"""Pictures for reports and examples, by Matplotlib.

- Figures: ``figure`` makes axes, ``divided`` divides one of them, ``save`` writes the picture.
- Charts: ``curves``, ``bars``, ``surface``, ``paths``, ``decision``; ``history`` is the figure of a run's history, and
  ``accuracy`` that of a report of ``fn.check_accuracy``.
- Pictures: ``images``, ``samples`` with labels and predictions, ``confusion``, ``diagram``.
- Networks: ``network`` draws units and weights, ``circuit`` the gates of a circuit.
- ``COLOURS``, ``DASHES``, ``MARKERS`` and ``DIVERGING``, the colour map, are those of all pictures.

A chart or picture is drawn on Matplotlib axes that are passed in, and nothing is returned. No global state of
Matplotlib is used or changed. The colours are those of Okabe and Ito, "Color Universal Design" (2008), which are
distinct for every kind of colour vision; lines also differ in their dashes. Matplotlib is imported only when something
is drawn: ``pip install matplotlib``, or ``pip install -e '.[plot]'`` in a clone.
"""

from .accuracies import accuracy
from .charts import bars, curves, decision, paths, surface
from .figures import COLOURS, DASHES, DIVERGING, MARKERS, divided, figure, save
from .histories import history
from .networks import circuit, network
from .pictures import confusion, diagram, images, samples

__all__ = [
    "COLOURS",
    "DASHES",
    "DIVERGING",
    "MARKERS",
    "accuracy",
    "bars",
    "circuit",
    "confusion",
    "curves",
    "decision",
    "diagram",
    "divided",
    "figure",
    "history",
    "images",
    "network",
    "paths",
    "samples",
    "save",
    "surface",
]
