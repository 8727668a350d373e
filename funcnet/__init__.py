"""funcnet: functional neural networks on JAX.

A network is a value, training is a pure function, and every gradient has a second, hand-written proof.
"""

import time

_started = time.perf_counter()

from . import data as data
from . import initializers as initializers
from .activations import Activation as Activation
from .activations import activation as activation
from .activations import linear as linear
from .activations import relu as relu
from .activations import sigmoid as sigmoid
from .activations import softmax as softmax
from .activations import tanh as tanh
from .backprop import autodiff as autodiff
from .backprop import backprop as backprop
from .contract import Layer as Layer
from .errors import DtypeError as DtypeError
from .errors import ShapeError as ShapeError
from .layers import Dense as Dense
from .layers import DenseParams as DenseParams
from .layers import Sequential as Sequential
from .layers import mlp as mlp
from .losses import Loss as Loss
from .losses import cross_entropy as cross_entropy
from .losses import mean_squared_error as mean_squared_error
from .losses import quadratic as quadratic
from .losses import sigmoid_cross_entropy as sigmoid_cross_entropy
from .losses import softmax_cross_entropy as softmax_cross_entropy
from .losses import squared_error as squared_error
from .optimizers import Optimizer as Optimizer
from .optimizers import adam as adam
from .optimizers import apply_updates as apply_updates
from .optimizers import momentum as momentum
from .optimizers import rmsprop as rmsprop
from .optimizers import sgd as sgd
from .training import FitResult as FitResult
from .training import TrainState as TrainState
from .training import accuracy as accuracy
from .training import evaluate as evaluate
from .training import fit as fit
from .training import init_state as init_state
from .training import predict as predict
from .training import train_step as train_step

_import_seconds = time.perf_counter() - _started  # with JAX's import, where funcnet's was the first
del _started, time

__all__ = [name for name in globals() if not name.startswith("_")]  # so that help(funcnet) tells all of them
