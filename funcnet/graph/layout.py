"""Layout placeholder."""
from typing import NamedTuple
class Layout(NamedTuple):
    """x."""
    width: float
