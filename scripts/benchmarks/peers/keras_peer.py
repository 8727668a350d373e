"""Keras on its JAX backend: compile and fit."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np
from keras import ops

from .base import Peer
from .recipes import BETA1, BETA2, EPSILON, PREDICTED, RHO, initial_weights


def optimizer_of(recipe):
    """Return the recipe's optimizer; Keras has RMSProp's ε inside the root."""
    rate = recipe.learning_rate
    return {
        "sgd": lambda: keras.optimizers.SGD(rate),
        "adam": lambda: keras.optimizers.Adam(rate, BETA1, BETA2, EPSILON),
        "rmsprop": lambda: keras.optimizers.RMSprop(rate, rho=RHO, epsilon=EPSILON),
    }[recipe.optimizer]()


def half_square(y, outputs):
    """Return ½(a − y)² of each sample."""
    return 0.5 * ops.sum((outputs - y) ** 2, axis=-1)


LOSSES = {
    "softmax": lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    "sigmoid": lambda: keras.losses.BinaryCrossentropy(from_logits=True),
    "quadratic": lambda: half_square,
}


class Keras(Peer):
    """``model.fit`` with the data in NumPy arrays, one batch per call of the compiled step, as is the default."""

    steps_per_execution = 1

    def __init__(self, recipe, arrays):
        keras.utils.set_random_seed(recipe.seed)
        self.recipe = recipe
        self.x, self.x_test = arrays["x"], arrays["x_test"]
        self.y = arrays["labels" if recipe.loss == "softmax" else "y"]
        hidden = [keras.layers.Dense(size, activation=recipe.hidden) for size in recipe.sizes[1:-1]]
        self.model = keras.Sequential([keras.Input(recipe.sizes[:1]), *hidden, keras.layers.Dense(recipe.sizes[-1])])
        self.model.set_weights([part for w, b in initial_weights(recipe, arrays) for part in (w.T, b)])
        execution = {
            "steps_per_execution": self.steps_per_execution
        }  # jit_compile is "auto": on this backend, compiled
        self.model.compile(optimizer_of(recipe), LOSSES[recipe.loss](), **execution)

    def train(self, epochs):
        """Continue the training, and return when it is finished."""
        stopping = keras.callbacks.EarlyStopping("loss", patience=10_000, restore_best_weights=True)
        self.model.fit(
            self.x,
            self.y,
            batch_size=self.recipe.batch_size or len(self.x),
            epochs=epochs,
            shuffle=True,
            verbose=0,
            callbacks=[stopping] if self.recipe.early_stopping else [],
        )

    def predict(self):
        """Return the outputs of x_test."""
        return np.asarray(self.model.predict(self.x_test, batch_size=PREDICTED, verbose=0))

    def weights(self):
        """Return (weight (out, in), bias) of every layer."""
        arrays = self.model.get_weights()
        return [(weight.T, bias) for weight, bias in zip(arrays[::2], arrays[1::2], strict=True)]


class HundredSteps(Keras):
    """``steps_per_execution=100``: up to that many batches of an epoch per call of the compiled step."""

    steps_per_execution = 100
