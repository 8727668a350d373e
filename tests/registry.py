"""What the tests run over: everything public of one kind in one list, so that a new entry inherits every check."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import funcnet as fn
from funcnet import activations, initializers, losses, metrics, optimizers
from funcnet.activations import Activation
from funcnet.layer import Layer
from funcnet.losses import Loss
from funcnet.optimizers import Optimizer, schedules
from tests import oracles

ELEMENTWISE = [
    activations.linear,
    activations.sigmoid,
    activations.tanh,
    activations.softplus,
    activations.silu,
    activations.gelu,
    activations.relu,
    activations.leaky_relu,
    activations.LeakyReLU(0.1),
    activations.elu,
    activations.ELU(0.7),
    activations.step,
    activations.sign,
]
ACTIVATIONS = [*ELEMENTWISE, activations.softmax]  # without parameters; PReLU, which has one, is among the layers
KINK = [activations.relu, *(each for each in ELEMENTWISE if isinstance(each, activations.LeakyReLU | activations.ELU))]
JUMP = [activations.step, activations.sign]


def _probability(key, shape, dtype):
    return jax.random.uniform(key, shape, dtype)


def _distribution(key, shape, dtype):
    return jax.nn.softmax(jax.random.normal(key, shape, dtype), axis=-1)


def _class_sign(key, shape, dtype):
    return jax.random.rademacher(key, shape, dtype)


class LossCase(NamedTuple):
    """A loss, the activation that its output comes from, its targets, and whether its gradient is bounded."""

    loss: Loss
    output: Activation
    target: Callable[..., jax.Array]  # (key, shape, dtype) to targets that the loss can meet
    bounded: bool = False  # then no output is too large for it

    def __repr__(self):
        return repr(self.loss)

    def example(self, key, shape=(6, 4), dtype=jnp.float32):
        """Return an output and a target of that shape in the loss's domain, at random."""
        output_key, target_key = jax.random.split(key)
        return self.output(jax.random.normal(output_key, shape, dtype)), self.target(target_key, shape, dtype)


LOSSES = [
    LossCase(losses.quadratic, activations.linear, jax.random.normal),
    LossCase(losses.squared_error, activations.tanh, jax.random.normal),
    LossCase(losses.mean_squared_error, activations.softmax, _distribution),
    LossCase(losses.binary_cross_entropy, activations.sigmoid, _probability),
    LossCase(losses.categorical_cross_entropy, activations.softmax, _distribution),
    LossCase(losses.kl_divergence, activations.softmax, _distribution),
    LossCase(losses.sigmoid_cross_entropy, activations.linear, _probability, bounded=True),
    LossCase(losses.softmax_cross_entropy, activations.linear, _probability, bounded=True),
    LossCase(losses.hinge, activations.linear, _class_sign, bounded=True),
    LossCase(losses.Huber(0.7), activations.linear, jax.random.normal, bounded=True),
    LossCase(losses.SoftmaxCrossEntropy(label_smoothing=0.1), activations.linear, _distribution, bounded=True),
    LossCase(losses.Focal(), activations.linear, _distribution, bounded=True),
]


class LayerCase(NamedTuple):
    """A layer and the shape, without the batch axis, of an input that it takes."""

    layer: Layer
    shape: tuple[int, ...]

    def __repr__(self):
        return f"{self.layer} of {self.shape}"


LAYERS = [
    *(LayerCase(activation, (5,)) for activation in ACTIVATIONS),
    LayerCase(fn.PReLU(), (5,)),
    LayerCase(fn.PReLU(0.5), (2, 3)),
    LayerCase(fn.Dense(3), (4,)),
    LayerCase(
        fn.Dense(
            2, inputs=3, weight_initializer=initializers.normal(0.1), bias_initializer=initializers.uniform(-0.5, 0.5)
        ),
        (3,),
    ),
    LayerCase(fn.Flatten(), (2, 3)),
    LayerCase(fn.Flatten(), ()),
    LayerCase(fn.Rescaling(0.25), (5,)),
    LayerCase(fn.Rescaling(2.0, offset=-1.0), (2, 3)),
    LayerCase(fn.Dropout(0.3), (5,)),
    LayerCase(fn.Dropout(0.0), (2, 3)),
    LayerCase(fn.LayerNorm(), (6,)),
    LayerCase(fn.LayerNorm(epsilon=0.1), (3, 4)),
    LayerCase(fn.Residual(fn.Dense(6), fn.tanh, fn.Dense(6)), (6,)),
    LayerCase(fn.Residual(fn.LayerNorm(), fn.Residual(fn.Dense(6), fn.Dropout(0.2)), fn.relu), (6,)),
    LayerCase(fn.Residual(fn.LayerNorm(), fn.sigmoid), (2, 5)),
    LayerCase(
        fn.Sequential(fn.Flatten(), fn.Sequential(fn.Dense(4), fn.PReLU(), fn.Dropout(0.2)), fn.Dense(2)), (2, 3)
    ),
    LayerCase(fn.Frozen(fn.Sequential(fn.Dense(4), fn.tanh, fn.Dropout(0.2))), (3,)),
    LayerCase(fn.mlp([4, 5, 3], hidden=fn.gelu, output=fn.softmax), (4,)),
]


class OptimizerCase(NamedTuple):
    """An optimizer with a learning rate, beside the same recurrence in NumPy."""

    make: Callable[..., Optimizer]
    oracle: Callable[..., Any]  # oracle(theta, gradient, steps, **settings)
    settings: dict[str, Any]
    follows_scale: bool  # whether its steps grow with the gradient
    looks_ahead: bool = False  # whether its parameters are φ = θ + αv

    def __repr__(self):
        return self.make.__name__


DECAYS = {"decay1": 0.9, "decay2": 0.999, "epsilon": 1e-7}
OPTIMIZERS = [
    OptimizerCase(optimizers.sgd, oracles.sgd, {"learning_rate": 0.01}, True),
    OptimizerCase(optimizers.momentum, oracles.momentum, {"learning_rate": 0.01, "momentum": 0.9}, True),
    OptimizerCase(optimizers.nesterov, oracles.nesterov, {"learning_rate": 0.01, "momentum": 0.9}, True, True),
    OptimizerCase(optimizers.adagrad, oracles.adagrad, {"learning_rate": 0.01, "epsilon": 1e-7}, False),
    OptimizerCase(optimizers.rmsprop, oracles.rmsprop, {"learning_rate": 0.01, "decay": 0.9, "epsilon": 1e-7}, False),
    OptimizerCase(
        optimizers.rmsprop_nesterov,
        oracles.rmsprop_nesterov,
        {"learning_rate": 0.001, "decay": 0.9, "momentum": 0.9, "epsilon": 1e-7},
        False,
        True,
    ),
    OptimizerCase(optimizers.adam, oracles.adam, {"learning_rate": 0.01, **DECAYS}, False),
    OptimizerCase(optimizers.adamw, oracles.adamw, {"learning_rate": 0.01, **DECAYS, "weight_decay": 0.01}, False),
]


class PairCase(NamedTuple):
    """Any pair (init, update), another of its kind, and what some steps with it make of θ, in NumPy."""

    pair: Optimizer
    other: Optimizer
    oracle: Callable[..., Any]  # oracle(theta, gradient, steps)
    looks_ahead: bool = False

    def __repr__(self):
        return repr(self.pair)


def _ascent(transformed):
    """Return the recurrence θ ← θ + transformed(g), which a pair without a learning rate makes."""
    return lambda theta, gradient, steps: oracles.sgd(
        theta, lambda theta, t: transformed(gradient(theta, t)), steps, learning_rate=-1.0
    )


def _within_norm(g, c):
    return g * min(1.0, c / np.linalg.norm(g))


def _within_value(g, c):
    return np.clip(g, -c, c)


def _clipped_adamw(theta, gradient, steps):
    return oracles.adamw(
        theta, lambda theta, t: _within_value(_within_norm(gradient(theta, t), 1.0), 0.4), steps, 0.1, **DECAYS,
        weight_decay=0.01,
    )  # fmt: skip


def _chain(max_norm, limit, rate):
    clips = optimizers.chain(optimizers.clip_by_global_norm(max_norm), optimizers.clip_by_value(limit))
    return optimizers.chain(clips, optimizers.adamw(rate))


PAIRS = [
    *(
        PairCase(
            case.make(**case.settings),
            case.make(**{**case.settings, "learning_rate": 0.5}),
            partial(case.oracle, **case.settings),
            case.looks_ahead,
        )
        for case in OPTIMIZERS
    ),
    PairCase(
        optimizers.clip_by_global_norm(1.0),
        optimizers.clip_by_global_norm(0.5),
        _ascent(lambda g: _within_norm(g, 1.0)),
    ),
    PairCase(optimizers.clip_by_value(0.4), optimizers.clip_by_value(2.0), _ascent(lambda g: _within_value(g, 0.4))),
    PairCase(_chain(1.0, 0.4, 0.1), _chain(0.5, 0.3, 0.2), _clipped_adamw),
]


class ScheduleCase(NamedTuple):
    """A schedule, another of its kind, and the closed form of the first at step t."""

    schedule: schedules.Schedule
    other: schedules.Schedule
    closed_form: Callable[[int], float]

    def __repr__(self):
        return repr(self.schedule)


def _half_cosine(share):
    return 0.5 * (1 + math.cos(math.pi * share))


SCHEDULES = [
    ScheduleCase(schedules.constant(0.3), schedules.constant(0.7), lambda t: 0.3),
    ScheduleCase(
        schedules.step_decay(0.3, 0.5, 10),
        schedules.step_decay(0.2, 0.9, 7),
        lambda t: 0.3 * 0.5 ** (t // 10),
    ),
    ScheduleCase(
        schedules.exponential(0.3, 0.5, 10),
        schedules.exponential(0.2, 0.9, 7),
        lambda t: 0.3 * 0.5 ** (t / 10),
    ),
    ScheduleCase(
        schedules.cosine(0.3, 40),
        schedules.cosine(0.2, 30, 0.1),
        lambda t: 0.3 * _half_cosine(min(t, 40) / 40),
    ),
    ScheduleCase(
        schedules.warmup_cosine(0.3, 8, 40, final=0.02),
        schedules.warmup_cosine(0.2, 3, 30),
        lambda t: 0.3 * (t + 1) / 8 if t < 8 else 0.02 + 0.28 * _half_cosine((min(t, 40) - 8) / 32),
    ),
    ScheduleCase(
        schedules.piecewise([5, 20], [0.3, 0.03, 0.1]),
        schedules.piecewise([1, 2], [0.3, 0.2, 0.1]),
        lambda t: 0.3 if t < 5 else 0.03 if t < 20 else 0.1,
    ),
]

METRICS = [
    metrics.precision,
    metrics.Precision("micro"),
    metrics.Precision(None),
    metrics.recall,
    metrics.Recall("micro"),
    metrics.Recall(None),
    metrics.f1,
    metrics.F1("micro"),
    metrics.F1(None),
    metrics.top_5,
    metrics.TopK(1),
    metrics.TopK(2),
    metrics.auc,
    metrics.calibration_error,
    metrics.CalibrationError(4),
    metrics.mean_absolute_error,
    metrics.r2,
]

# Every entry once, as the value that it is.
SEARCHES = [
    fn.annealing(1.0),
    fn.annealing(0.0, 1.0, scale=0.5, scale_decay=0.9, move_rate=0.5),
    fn.genetic(),
    fn.genetic(6, tournament=2, crossover_rate=0.5, mutation_rate=0.2, scale=0.5, scale_decay=0.9, elite=2),
    fn.restarts(fn.sgd(0.1)),
    fn.restarts(fn.adam(0.01), starts=5),
]

VALUES = [
    *(case.loss for case in LOSSES),
    *dict.fromkeys(case.layer for case in LAYERS),
    *(case.pair for case in PAIRS),
    *SEARCHES,
    *METRICS,
    fn.metrics.learning_rate,
    fn.metrics.gradient_norm,
    *(case.schedule for case in SCHEDULES),
]
