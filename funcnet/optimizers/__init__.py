"""First-order optimizers, each an (init, update) pair of pure functions over state pytrees.

Second-order methods are left out: their curvature matrix has the square of the number of parameters as its size,
and estimates of it from mini-batches are too noisy to invert.
"""

from . import schedules as schedules
from .adaptive import AdaGradState as AdaGradState
from .adaptive import AdamState as AdamState
from .adaptive import AdamWState as AdamWState
from .adaptive import RMSPropState as RMSPropState
from .adaptive import adagrad as adagrad
from .adaptive import adam as adam
from .adaptive import adamw as adamw
from .adaptive import rmsprop as rmsprop
from .base import HYPERPARAMETERS as HYPERPARAMETERS
from .base import Optimizer as Optimizer
from .base import apply_updates as apply_updates
from .chaining import chain as chain
from .clipping import ClipByGlobalNormState as ClipByGlobalNormState
from .clipping import ClipByValueState as ClipByValueState
from .clipping import clip_by_global_norm as clip_by_global_norm
from .clipping import clip_by_value as clip_by_value
from .descent import MomentumState as MomentumState
from .descent import SGDState as SGDState
from .descent import momentum as momentum
from .descent import sgd as sgd
from .lookahead import NesterovState as NesterovState
from .lookahead import RMSPropNesterovState as RMSPropNesterovState
from .lookahead import nesterov as nesterov
from .lookahead import rmsprop_nesterov as rmsprop_nesterov
from .lookahead import without_lookahead as without_lookahead
