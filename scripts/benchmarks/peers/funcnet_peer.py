"""funcnet, with either kind of gradient: fn.fit, which continues from the state of the previous fit."""

import jax
import jax.numpy as jnp
import numpy as np

import funcnet as fn

from .base import Peer
from .recipes import BETA1, BETA2, EPSILON, PREDICTED, RHO, initial_weights, scale_of

LOSSES = {"softmax": fn.softmax_cross_entropy, "sigmoid": fn.sigmoid_cross_entropy, "quadratic": fn.quadratic}


def optimizer_of(recipe):
    """Return the recipe's optimizer."""
    rate = recipe.learning_rate
    return {
        "sgd": lambda: fn.sgd(rate),
        "adam": lambda: fn.adam(rate, BETA1, BETA2, EPSILON),
        "rmsprop": lambda: fn.rmsprop(rate, RHO, EPSILON),
    }[recipe.optimizer]()


def network_of(recipe, keeps_bytes=True):
    """Return the recipe's network, which first scales its input where that is bytes."""
    network = fn.mlp(recipe.sizes, hidden=fn.activation(recipe.hidden))
    scale = scale_of(recipe)
    return network if scale == 1 or not keeps_bytes else fn.Sequential(fn.Rescaling(scale), *network.layers)


def params_of(network, layers):
    """Return a network's parameters: the (weight, bias) of its dense layers in turn, and () for every other layer."""
    given = iter(layers)
    return tuple(
        fn.DenseParams(*map(jnp.asarray, next(given))) if isinstance(layer, fn.Dense) else ()
        for layer in network.layers
    )


class Autodiff(Peer):
    """``fn.fit`` with the data in JAX arrays, images as bytes, which the network's first layer scales."""

    keeps_bytes = True
    gradients = staticmethod(fn.autodiff)

    def __init__(self, recipe, arrays):
        self.recipe = recipe
        self.network = network_of(recipe, self.keeps_bytes)
        self.data = jnp.asarray(arrays["x"]), jnp.asarray(arrays["y"])
        self.x_test = jnp.asarray(arrays["x_test"])
        self.optimizer = optimizer_of(recipe)
        self.params = params_of(self.network, initial_weights(recipe, arrays))
        self.state = None

    def train(self, epochs):
        """Continue the training, and return when it is finished."""
        if self.state is None:
            start = {"key": jax.random.key(self.recipe.seed), "params": self.params}
        else:
            start = {"state": self.state}
        stopping = fn.EarlyStopping("loss", patience=10_000) if self.recipe.early_stopping else None
        result = fn.fit(
            self.network,
            LOSSES[self.recipe.loss],
            self.optimizer,
            self.data,
            epochs=epochs,
            batch_size=self.recipe.batch_size,
            gradients=self.gradients,
            early_stopping=stopping,
            progress=False,
            **start,
        )
        if len(result.history["loss"]) != epochs:
            raise RuntimeError(f"{len(result.history['loss'])} epochs of {epochs} were run: {result.reason}")
        # Those after the last epoch, as the peers keep them.
        self.params, self.state = jax.block_until_ready((result.state.params, result.state))

    def predict(self):
        """Return the outputs of x_test."""
        return np.asarray(fn.predict(self.network, self.params, self.x_test, batch_size=PREDICTED))

    def weights(self):
        """Return (weight (out, in), bias) of every layer."""
        return [(np.asarray(layer.weight), np.asarray(layer.bias)) for layer in self.params if layer]


class Backprop(Autodiff):
    """``fn.fit`` with the hand-written gradients."""

    gradients = staticmethod(fn.backprop)


class Floats(Autodiff):
    """``fn.fit`` with images as float32 numbers, as the other libraries have them."""

    keeps_bytes = False
