"""What the tests run over: everything public of one kind in one list, so that a new entry inherits every check."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from funcnet import activations, losses
from funcnet.activations import Activation
from funcnet.losses import Loss

ELEMENTWISE = [
    activations.linear,
    activations.sigmoid,
    activations.tanh,
    activations.softplus,
    activations.silu,
    activations.gelu,
    activations.relu,
    activations.leaky_relu(),
    activations.leaky_relu(0.1),
    activations.elu(),
    activations.elu(0.7),
    activations.step,
    activations.sign,
]
ACTIVATIONS = [*ELEMENTWISE, activations.softmax]  # PReLU has a parameter, and stands among the layers
KINK = [activations.relu, *(each for each in ELEMENTWISE if isinstance(each, activations.leaky_relu | activations.elu))]
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
    LossCase(losses.cross_entropy, activations.sigmoid, _probability),
    LossCase(losses.categorical_cross_entropy, activations.softmax, _distribution),
    LossCase(losses.kl_divergence, activations.softmax, _distribution),
    LossCase(losses.sigmoid_cross_entropy, activations.linear, _probability, bounded=True),
    LossCase(losses.softmax_cross_entropy, activations.linear, _probability, bounded=True),
    LossCase(losses.hinge, activations.linear, _class_sign, bounded=True),
]
