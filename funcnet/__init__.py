"""funcnet: functional neural networks on JAX.

A network is a value, training is a pure function, and every gradient has a second, hand-written proof.
"""

import time

_started = time.perf_counter()

from . import data as data
from . import graph as graph
from . import information as information
from . import initializers as initializers
from . import neurons as neurons
from . import plots as plots
from . import search as search
from .activations import Activation as Activation
from .activations import PReLU as PReLU
from .activations import PReLUParams as PReLUParams
from .activations import activation as activation
from .activations import elu as elu
from .activations import gelu as gelu
from .activations import leaky_relu as leaky_relu
from .activations import linear as linear
from .activations import relu as relu
from .activations import sigmoid as sigmoid
from .activations import sign as sign
from .activations import silu as silu
from .activations import softmax as softmax
from .activations import softplus as softplus
from .activations import step as step
from .activations import tanh as tanh
from .compilation import enable_compilation_cache as enable_compilation_cache
from .errors import DtypeError as DtypeError
from .errors import ShapeError as ShapeError
from .gradcheck import GradientReport as GradientReport
from .gradcheck import GradientRow as GradientRow
from .gradcheck import check_gradients as check_gradients
from .inspection import LayerError as LayerError
from .inspection import layer_errors as layer_errors
from .layer import Layer as Layer
from .layers import Dense as Dense
from .layers import DenseParams as DenseParams
from .layers import Dropout as Dropout
from .layers import Flatten as Flatten
from .layers import LayerNorm as LayerNorm
from .layers import LayerNormParams as LayerNormParams
from .layers import Rescaling as Rescaling
from .layers import Residual as Residual
from .layers import Sequential as Sequential
from .layers import collapse as collapse
from .layers import mlp as mlp
from .losses import Loss as Loss
from .losses import binary_cross_entropy as binary_cross_entropy
from .losses import categorical_cross_entropy as categorical_cross_entropy
from .losses import hinge as hinge
from .losses import kl_divergence as kl_divergence
from .losses import mean_squared_error as mean_squared_error
from .losses import quadratic as quadratic
from .losses import sigmoid_cross_entropy as sigmoid_cross_entropy
from .losses import softmax_cross_entropy as softmax_cross_entropy
from .losses import squared_error as squared_error
from .objective import Objective as Objective
from .objective import autodiff as autodiff
from .objective import backprop as backprop
from .optimizers import Optimizer as Optimizer
from .optimizers import adagrad as adagrad
from .optimizers import adam as adam
from .optimizers import adamw as adamw
from .optimizers import apply_updates as apply_updates
from .optimizers import chain as chain
from .optimizers import check_optimizer as check_optimizer
from .optimizers import clip_by_global_norm as clip_by_global_norm
from .optimizers import clip_by_value as clip_by_value
from .optimizers import momentum as momentum
from .optimizers import nesterov as nesterov
from .optimizers import rmsprop as rmsprop
from .optimizers import rmsprop_nesterov as rmsprop_nesterov
from .optimizers import schedules as schedules
from .optimizers import sgd as sgd
from .optimizers import without_lookahead as without_lookahead
from .penalties import Penalty as Penalty
from .penalties import l1 as l1
from .penalties import l2 as l2
from .search import annealing as annealing
from .search import genetic as genetic
from .search import restarts as restarts
from .training import EarlyStopping as EarlyStopping
from .training import FitResult as FitResult
from .training import TrainState as TrainState
from .training import accuracy as accuracy
from .training import confusion_matrix as confusion_matrix
from .training import evaluate as evaluate
from .training import fit as fit
from .training import fit_by_search as fit_by_search
from .training import init_state as init_state
from .training import predict as predict
from .training import predicted_classes as predicted_classes
from .training import train_step as train_step
from .training import worst_mistakes as worst_mistakes

_import_seconds = time.perf_counter() - _started  # with JAX's import, where funcnet's was the first
del _started, time

__all__ = [name for name in globals() if not name.startswith("_")]  # so that help(funcnet) tells all of them
