"""The optimizers and losses of optax by the recipe's names, for Flax and Equinox."""

import optax

from .recipes import BETA1, BETA2, EPSILON, RHO


def optimizer_of(recipe):
    """Return the recipe's optimizer."""
    rate = recipe.learning_rate
    return {
        "sgd": lambda: optax.sgd(rate),
        "adam": lambda: optax.adam(rate, BETA1, BETA2, EPSILON),
        "rmsprop": lambda: optax.rmsprop(rate, RHO, EPSILON, eps_in_sqrt=False),
    }[recipe.optimizer]()


def loss_of(recipe):
    """Return the recipe's loss of outputs and targets, the mean over the batch."""
    each = {
        "softmax": optax.softmax_cross_entropy_with_integer_labels,
        "sigmoid": lambda outputs, y: optax.sigmoid_binary_cross_entropy(outputs, y)[:, 0],
        "quadratic": lambda outputs, y: optax.l2_loss(outputs, y)[:, 0],  # with the half
    }[recipe.loss]
    return lambda outputs, y: each(outputs, y).mean()
