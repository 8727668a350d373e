"""``Ending``: why a training run or a search ended."""

import enum
from typing import Any

import numpy as np


class Ending(enum.StrEnum):
    """Why a training run or a search ended. Each value is a string, and prints and compares as one.

    >>> Ending.COMPLETED, Ending.COMPLETED == "completed"
    ('completed', True)
    """

    COMPLETED = "completed"  # every step or epoch asked for was taken
    STOPPED_EARLY = "stopped early"  # what is monitored did not improve for the patience of a stopper
    STOPPED_BY_CALLBACK = "stopped by a callback"  # a callback of fit returned True
    INTERRUPTED = "interrupted"  # by Ctrl-C or SIGTERM
    TOO_MANY_SKIPPED = "too many skipped steps"  # with values that are not finite, in a row
    NO_IMPROVEMENT = "no improvement"  # the cost of a search did not become lower for its patience
    GOAL_REACHED = "goal reached"
    NON_FINITE_LOSS = "non-finite loss"
    NON_FINITE_PARAMETERS = "non-finite parameters"
    NON_FINITE_COST = "non-finite cost"  # no point at which a search ended has a finite cost

    def __repr__(self) -> str:
        return repr(self.value)

    @property
    def number(self) -> int:
        """Return the number by which a compiled program says it.

        >>> ending(Ending.GOAL_REACHED.number)
        'goal reached'
        """
        return _ENDINGS.index(self)


_ENDINGS = list(Ending)


def ending(number: Any) -> Any:
    """Return the ``Ending`` of a number; for an array of numbers an object array of them, of its shape."""
    return np.array(_ENDINGS, dtype=object)[np.asarray(number)]
