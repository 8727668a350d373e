"""Three independent answers for every gradient of a network, and a report that compares them."""

from .check import check_gradients as check_gradients
from .report import GradientReport as GradientReport
from .report import GradientRow as GradientRow
