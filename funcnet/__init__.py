"""funcnet: functional neural networks on JAX.

A network is a value, training is a pure function, and every gradient has a second, hand-written proof.

- Networks: ``mlp``, ``Sequential``, ``Dense`` and the other subclasses of ``Layer``; ``summary`` lists their sizes.
- Activations: ``relu``, ``tanh``, ``softmax`` and the others; ``activation("relu")`` by name.
- Losses: ``softmax_cross_entropy``, ``quadratic`` and the other values of ``Loss``. Penalties: ``l1``, ``l2``.
- Gradients: ``autodiff`` and ``backprop`` compute them, and ``check_gradients`` proves them. ``check_function`` and
  ``check_rules`` prove the derivatives of any JAX function and of the custom rules in it.
  ``check_accuracy`` measures a function in units in the last place.
- Optimizers: ``sgd``, ``adam`` and the others; ``chain``, ``schedules``; ``check_optimizer`` proves one.
- Training: ``fit``, ``evaluate``, ``predict``; ``EarlyStopping``; callbacks such as ``CSVLog``; ``train_step`` and
  ``run_epochs`` for loops of your own; ``fit_by_search`` without gradients.
- Files: ``save`` and ``load`` for parameters and states, ``save_model`` and ``load_model`` for whole networks;
  ``Checkpoint`` keeps a run, which goes on from it.
- Modules: ``data``, ``metrics``, ``plots``, ``initializers``, ``information``, ``graph``, ``neurons``, ``search``.

``help(fn.fit)`` explains one of them, ``help(fn.metrics)`` a module.
"""

import time

_started = time.perf_counter()

from . import data, graph, information, initializers, metrics, neurons, plots, search
from .activations import (
    ELU,
    Activation,
    LeakyReLU,
    PReLU,
    PReLUParams,
    activation,
    elu,
    gelu,
    leaky_relu,
    linear,
    relu,
    sigmoid,
    sign,
    silu,
    softmax,
    softplus,
    step,
    tanh,
)
from .callbacks import Callback, CSVLog, JSONLines, LivePlot, Progress, RunStart, TensorBoard
from .compilation import enable_compilation_cache
from .ending import Ending
from .errors import DtypeError, ShapeError
from .gradcheck import GradientReport, GradientRow, check_gradients
from .inspection import LayerError, layer_errors
from .layer import Layer
from .layers import (
    Dense,
    DenseParams,
    Dropout,
    Flatten,
    Frozen,
    LayerNorm,
    LayerNormParams,
    Rescaling,
    Residual,
    Sequential,
    collapse,
    mlp,
)
from .losses import (
    Focal,
    Huber,
    Loss,
    SoftmaxCrossEntropy,
    binary_cross_entropy,
    categorical_cross_entropy,
    hinge,
    kl_divergence,
    loss,
    mean_squared_error,
    quadratic,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    squared_error,
)
from .metrics import accuracy, confusion_matrix, predicted_classes, worst_mistakes
from .numerics import AccuracyReport, check_accuracy
from .objective import Objective, autodiff, backprop
from .optimizers import (
    Optimizer,
    adagrad,
    adam,
    adamw,
    apply_updates,
    chain,
    check_optimizer,
    clip_by_global_norm,
    clip_by_value,
    momentum,
    nesterov,
    optimizer,
    rmsprop,
    rmsprop_nesterov,
    schedules,
    sgd,
    without_lookahead,
)
from .penalties import Penalty, l1, l2
from .rulecheck import DerivativeReport, GradientError, check_function, check_rules
from .search import annealing, genetic, restarts
from .storage import Checkpoint, Model, StorageError, load, load_model, save, save_model
from .summaries import LayerSummary, Summary, summary
from .training import (
    EarlyStopping,
    FitResult,
    Interrupted,
    NonFinite,
    NonFiniteError,
    Run,
    Skip,
    TrainState,
    evaluate,
    fit,
    fit_by_search,
    init_state,
    predict,
    run_epochs,
    train_step,
)

__all__ = [
    "ELU",
    "AccuracyReport",
    "Activation",
    "CSVLog",
    "Callback",
    "Checkpoint",
    "Dense",
    "DenseParams",
    "DerivativeReport",
    "Dropout",
    "DtypeError",
    "EarlyStopping",
    "Ending",
    "FitResult",
    "Flatten",
    "Focal",
    "Frozen",
    "GradientError",
    "GradientReport",
    "GradientRow",
    "Huber",
    "Interrupted",
    "JSONLines",
    "Layer",
    "LayerError",
    "LayerNorm",
    "LayerNormParams",
    "LayerSummary",
    "LeakyReLU",
    "LivePlot",
    "Loss",
    "Model",
    "NonFinite",
    "NonFiniteError",
    "Objective",
    "Optimizer",
    "PReLU",
    "PReLUParams",
    "Penalty",
    "Progress",
    "Rescaling",
    "Residual",
    "Run",
    "RunStart",
    "Sequential",
    "ShapeError",
    "Skip",
    "SoftmaxCrossEntropy",
    "StorageError",
    "Summary",
    "TensorBoard",
    "TrainState",
    "accuracy",
    "activation",
    "adagrad",
    "adam",
    "adamw",
    "annealing",
    "apply_updates",
    "autodiff",
    "backprop",
    "binary_cross_entropy",
    "categorical_cross_entropy",
    "chain",
    "check_accuracy",
    "check_function",
    "check_gradients",
    "check_optimizer",
    "check_rules",
    "clip_by_global_norm",
    "clip_by_value",
    "collapse",
    "confusion_matrix",
    "data",
    "elu",
    "enable_compilation_cache",
    "evaluate",
    "fit",
    "fit_by_search",
    "gelu",
    "genetic",
    "graph",
    "hinge",
    "information",
    "init_state",
    "initializers",
    "kl_divergence",
    "l1",
    "l2",
    "layer_errors",
    "leaky_relu",
    "linear",
    "load",
    "load_model",
    "loss",
    "mean_squared_error",
    "metrics",
    "mlp",
    "momentum",
    "nesterov",
    "neurons",
    "optimizer",
    "plots",
    "predict",
    "predicted_classes",
    "quadratic",
    "relu",
    "restarts",
    "rmsprop",
    "rmsprop_nesterov",
    "run_epochs",
    "save",
    "save_model",
    "schedules",
    "search",
    "sgd",
    "sigmoid",
    "sigmoid_cross_entropy",
    "sign",
    "silu",
    "softmax",
    "softmax_cross_entropy",
    "softplus",
    "squared_error",
    "step",
    "summary",
    "tanh",
    "train_step",
    "without_lookahead",
    "worst_mistakes",
]

__version__ = "0.1.0"

_import_seconds = time.perf_counter() - _started  # includes the import of JAX, unless it was imported before
del _started, time
