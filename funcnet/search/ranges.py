"""The settings of searches, each an annotation with the range of its values."""

from typing import Annotated

from ..settings import AT_LEAST_ONE, FACTOR, NOT_NEGATIVE, POSITIVE, SHARE, Count


class PointCount(Count):
    """The range of the number of points that a search moves: it is a shape, so it is not an array in the state."""


Temperature = Annotated[float, NOT_NEGATIVE]
Scale = Annotated[float, POSITIVE]
Factor = Annotated[float, FACTOR]
Share = Annotated[float, SHARE]
TournamentSize = Annotated[float, AT_LEAST_ONE]
NaturalNumber = Annotated[int, Count(0)]
Points = Annotated[int, PointCount(1)]
