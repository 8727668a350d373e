"""Callbacks: what follows a run of ``fit``, such as a log in a file, and the progress on the screen."""

from .base import Callback, Progress, RunStart
from .files import CSVLog, JSONLines
from .live_plot import LivePlot
from .tensorboard import TensorBoard

__all__ = ["CSVLog", "Callback", "JSONLines", "LivePlot", "Progress", "RunStart", "TensorBoard"]
