"""Plain NumPy: forward, backward and update by hand."""

import numpy as np

from .base import Peer
from .recipes import BETA1, BETA2, EPSILON, PREDICTED, RHO, batches, initial_weights


def sigmoid(z):
    """Return 1 / (1 + e⁻ᶻ), without overflow."""
    return np.float32(0.5) * (np.tanh(np.float32(0.5) * z) + np.float32(1))


def softmax(z):
    """Return eᶻ / Σ eᶻ over the last axis."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


HIDDEN = {"relu": lambda z: np.maximum(z, 0), "sigmoid": sigmoid, "tanh": np.tanh}
DERIVATIVE_BY_VALUE = {"relu": lambda a: a > 0, "sigmoid": lambda a: a * (1 - a), "tanh": lambda a: 1 - a * a}
OUTPUT = {"softmax": softmax, "sigmoid": sigmoid, "quadratic": lambda z: z}  # each loss's gradient is output − y


class Numpy(Peer):
    """Arrays changed in place, as a careful NumPy user writes it."""

    def __init__(self, recipe, arrays):
        self.recipe = recipe
        self.x, self.y, self.x_test = arrays["x"], arrays["y"], arrays["x_test"]
        self.params = [array.copy() for layer in initial_weights(recipe, arrays) for array in layer]
        self.first, self.second = ([np.zeros_like(p) for p in self.params] for _ in range(2))  # moments
        self.steps = 0
        self.best, self.best_loss = None, np.inf
        self.random = np.random.default_rng(recipe.seed)

    def train(self, epochs):
        """Continue the training, and return when it is finished."""
        rate = np.float32(self.recipe.learning_rate)
        for _ in range(epochs):
            for x, y in self.batches():
                outputs, gradients = self.gradients(x, y)
                self.update(rate, gradients)
            if self.recipe.early_stopping:
                loss = np.mean(np.logaddexp(0, outputs) - outputs * y)
                if loss < self.best_loss:
                    self.best, self.best_loss = [p.copy() for p in self.params], loss

    def batches(self):
        """Yield (x, y) of each batch of an epoch."""
        if self.recipe.batch_size is None:
            yield self.x, self.y
            return
        for rows in batches(self.recipe, self.random, len(self.x)):
            yield self.x[rows], self.y[rows]

    def forward(self, x):
        """Return the activations of every layer, from x to the outputs."""
        activations = [x]
        for layer in range(0, len(self.params), 2):
            weight, bias = self.params[layer : layer + 2]
            z = activations[-1] @ weight.T + bias
            activations.append(HIDDEN[self.recipe.hidden](z) if layer + 2 < len(self.params) else z)
        return activations

    def gradients(self, x, y):
        """Return the outputs, and the gradients in the order of the parameters: backpropagation."""
        activations = self.forward(x)
        delta = (OUTPUT[self.recipe.loss](activations[-1]) - y) / np.float32(len(x))
        gradients = []
        for layer in reversed(range(len(self.params) // 2)):
            gradients = [delta.T @ activations[layer], delta.sum(axis=0), *gradients]
            if layer:
                derivative = DERIVATIVE_BY_VALUE[self.recipe.hidden](activations[layer])
                delta = (delta @ self.params[2 * layer]) * derivative
        return activations[-1], gradients

    def update(self, rate, gradients):
        """Change the parameters by SGD, RMSProp (Hinton, 2012) or Adam (Kingma and Ba, 2015)."""
        self.steps += 1
        for p, g, first, second in zip(self.params, gradients, self.first, self.second, strict=True):
            if self.recipe.optimizer == "sgd":
                p -= rate * g
            elif self.recipe.optimizer == "rmsprop":
                second *= RHO
                second += (1 - RHO) * g * g
                p -= rate * g / (np.sqrt(second) + EPSILON)
            else:
                first += (1 - BETA1) * (g - first)
                second += (1 - BETA2) * (g * g - second)
                root = np.sqrt(second / (1 - BETA2**self.steps))
                p -= rate / (1 - BETA1**self.steps) * first / (root + EPSILON)

    def predict(self):
        """Return the outputs of x_test."""
        pieces = range(0, len(self.x_test), PREDICTED)
        return np.concatenate([self.forward(self.x_test[start : start + PREDICTED])[-1] for start in pieces])

    def weights(self):
        """Return (weight (out, in), bias) of every layer."""
        params = self.params if self.best is None else self.best
        return list(zip(params[::2], params[1::2], strict=True))
