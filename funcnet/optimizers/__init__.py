"""First-order optimizers, each an (init, update) pair of pure functions over state pytrees."""

from .adaptive import AdamState as AdamState
from .adaptive import RMSPropState as RMSPropState
from .adaptive import adam as adam
from .adaptive import rmsprop as rmsprop
from .base import Optimizer as Optimizer
from .base import apply_updates as apply_updates
from .descent import MomentumState as MomentumState
from .descent import SGDState as SGDState
from .descent import momentum as momentum
from .descent import sgd as sgd
