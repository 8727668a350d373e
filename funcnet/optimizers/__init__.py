"""First-order optimizers, each an (init, update) pair of pure functions over state pytrees, made from its equation.

Second-order methods are left out: their curvature matrix has the square of the number of parameters as its size,
and estimates of it from mini-batches are too noisy to invert.
"""

from collections.abc import Callable
from inspect import signature
from typing import Any, cast

from ..checks import check_settings_named, named
from . import schedules
from .adaptive import AdaGradState, AdamState, AdamWState, RMSPropState, adagrad, adam, adamw, rmsprop
from .chaining import chain
from .clipping import ClipByGlobalNormState, ClipByValueState, clip_by_global_norm, clip_by_value
from .gradient_descent import MomentumState, SGDState, momentum, sgd
from .nesterov_momentum import NesterovState, RMSPropNesterovState, nesterov, rmsprop_nesterov, without_lookahead
from .optimizer_check import Finding, OptimizerReport, Outcome, check_optimizer
from .rule import (
    At,
    Decay,
    Epsilon,
    EquationResult,
    LearningRate,
    Momentum,
    Optimizer,
    Threshold,
    WeightDecay,
    apply_updates,
    from_equation,
    from_transformation,
)

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "rmsprop_nesterov": rmsprop_nesterov,
    "adam": adam,
    "adamw": adamw,
}


def optimizer(name: str, **settings: Any) -> Optimizer:
    """Return the optimizer of that name with these settings. ``ValueError`` names the nearest and lists all.

    >>> import funcnet as fn
    >>> fn.optimizer("sgd", learning_rate=0.1)
    sgd(learning_rate=0.1)
    >>> fn.optimizer("adamm", learning_rate=0.001)
    Traceback (most recent call last):
    ValueError: optimizer: expected one of sgd, momentum, nesterov, adagrad, rmsprop, rmsprop_nesterov, adam, adamw, got
        'adamm': 'adam' is the nearest
    """
    make = named("optimizer", OPTIMIZERS, name)
    check_settings_named(f"optimizer {name}", settings, signature(make).parameters)
    return cast(Optimizer, make(**settings))


__all__ = [
    "OPTIMIZERS",
    "AdaGradState",
    "AdamState",
    "AdamWState",
    "At",
    "ClipByGlobalNormState",
    "ClipByValueState",
    "Decay",
    "Epsilon",
    "EquationResult",
    "Finding",
    "LearningRate",
    "Momentum",
    "MomentumState",
    "NesterovState",
    "Optimizer",
    "OptimizerReport",
    "Outcome",
    "RMSPropNesterovState",
    "RMSPropState",
    "SGDState",
    "Threshold",
    "WeightDecay",
    "adagrad",
    "adam",
    "adamw",
    "apply_updates",
    "chain",
    "check_optimizer",
    "clip_by_global_norm",
    "clip_by_value",
    "from_equation",
    "from_transformation",
    "momentum",
    "nesterov",
    "optimizer",
    "rmsprop",
    "rmsprop_nesterov",
    "schedules",
    "sgd",
    "without_lookahead",
]
