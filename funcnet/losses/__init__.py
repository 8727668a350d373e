"""Losses: the value of each sample, the hand-written gradient in the output, and the prediction, side by side.

For an output a (or logits or scores z) and a target y, both (batch, outputs), ``value`` is (batch,) and ``gradient``
is like the output. The cost of a batch is the mean of the values over its samples. ``predict`` maps the network's
output to what it stands for: logits to probabilities, the hinge's scores to the scale of 0 and 1, all else to itself.
"""

from .base import Loss as Loss
from .base import batch_mean as batch_mean
from .base import shares as shares
from .logits import sigmoid_cross_entropy as sigmoid_cross_entropy
from .logits import softmax_cross_entropy as softmax_cross_entropy
from .margin import hinge as hinge
from .probabilities import binary_cross_entropy as binary_cross_entropy
from .probabilities import categorical_cross_entropy as categorical_cross_entropy
from .probabilities import kl_divergence as kl_divergence
from .squares import mean_squared_error as mean_squared_error
from .squares import quadratic as quadratic
from .squares import squared_error as squared_error
