"""The one table of optimizers: a new one is a line here and inherits every check."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import pytest

from funcnet import optimizers
from tests import oracles


class Case(NamedTuple):
    make: Callable[..., Any]
    oracle: Callable[..., Any]  # the same recurrence in NumPy: oracle(theta, gradient, steps, **settings)
    settings: dict[str, Any]
    follows_scale: bool  # whether its steps grow with the gradient
    looks_ahead: bool = False  # whether its parameters are φ = θ + αv


DECAYS = {"decay1": 0.9, "decay2": 0.999, "epsilon": 1e-7}
CASES = {
    "sgd": Case(optimizers.sgd, oracles.sgd, {"learning_rate": 0.01}, True),
    "momentum": Case(optimizers.momentum, oracles.momentum, {"learning_rate": 0.01, "momentum": 0.9}, True),
    "nesterov": Case(optimizers.nesterov, oracles.nesterov, {"learning_rate": 0.01, "momentum": 0.9}, True, True),
    "adagrad": Case(optimizers.adagrad, oracles.adagrad, {"learning_rate": 0.01, "epsilon": 1e-7}, False),
    "rmsprop": Case(optimizers.rmsprop, oracles.rmsprop, {"learning_rate": 0.01, "decay": 0.9, "epsilon": 1e-7}, False),
    "rmsprop_nesterov": Case(
        optimizers.rmsprop_nesterov,
        oracles.rmsprop_nesterov,
        {"learning_rate": 0.001, "decay": 0.9, "momentum": 0.9, "epsilon": 1e-7},
        False,
        True,
    ),
    "adam": Case(optimizers.adam, oracles.adam, {"learning_rate": 0.01, **DECAYS}, False),
    "adamw": Case(optimizers.adamw, oracles.adamw, {"learning_rate": 0.01, **DECAYS, "weight_decay": 0.01}, False),
}
every_optimizer = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def run(optimizer, params, gradient, steps):
    """Return params and state after that many compiled steps; ``gradient(params, t)`` with t from 1."""
    return jax.jit(lambda p, n: walk(optimizer.update, optimizer.init(p), p, gradient, n))(params, steps)


def walk(update, state, params, gradient, steps):
    """Return params and state after that many steps."""

    def body(t, carry):
        params, state = carry
        updates, state = update(gradient(params, t + 1), state, params)
        return optimizers.apply_updates(params, updates), state

    return jax.lax.fori_loop(0, steps, body, (params, state))
