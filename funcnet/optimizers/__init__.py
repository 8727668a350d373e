"""First-order optimizers, each an (init, update) pair of pure functions over state pytrees, made from its equation.

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
from .chaining import chain as chain
from .clipping import ClipByGlobalNormState as ClipByGlobalNormState
from .clipping import ClipByValueState as ClipByValueState
from .clipping import clip_by_global_norm as clip_by_global_norm
from .clipping import clip_by_value as clip_by_value
from .gradient_descent import MomentumState as MomentumState
from .gradient_descent import SGDState as SGDState
from .gradient_descent import momentum as momentum
from .gradient_descent import sgd as sgd
from .nesterov_momentum import NesterovState as NesterovState
from .nesterov_momentum import RMSPropNesterovState as RMSPropNesterovState
from .nesterov_momentum import nesterov as nesterov
from .nesterov_momentum import rmsprop_nesterov as rmsprop_nesterov
from .nesterov_momentum import without_lookahead as without_lookahead
from .optimizer_check import Finding as Finding
from .optimizer_check import OptimizerReport as OptimizerReport
from .optimizer_check import Verdict as Verdict
from .optimizer_check import check_optimizer as check_optimizer
from .rule import At as At
from .rule import Decay as Decay
from .rule import Epsilon as Epsilon
from .rule import LearningRate as LearningRate
from .rule import Momentum as Momentum
from .rule import Optimizer as Optimizer
from .rule import Step as Step
from .rule import Threshold as Threshold
from .rule import WeightDecay as WeightDecay
from .rule import apply_updates as apply_updates
from .rule import from_equation as from_equation
from .rule import from_transformation as from_transformation
