"""The accuracy of functions in floating point, measured against references of many digits.

``check_accuracy`` tries a function at every number of a 16-bit dtype, or at a sample of every binade of a longer one,
and returns an ``AccuracyReport``, which ``fn.plots.accuracy`` draws.
"""

from .accuracy import AccuracyReport, Binade, check_accuracy

__all__ = ["AccuracyReport", "Binade", "check_accuracy"]
