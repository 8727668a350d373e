"""PyTorch on the CPU, eager and compiled: the loop that its tutorials teach, with the data in tensors."""

import os

import torch
from torch import nn

from .base import Peer
from .recipes import BETA1, BETA2, EPSILON, PREDICTED, RHO, initial_weights

HIDDEN = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


def network_of(recipe, layers):
    """Return the recipe's network with those weights."""
    modules = []
    for weight, bias in layers:
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        linear.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
        modules += [linear, HIDDEN[recipe.hidden]()]
    return nn.Sequential(*modules[:-1])


def optimizer_of(recipe, parameters):
    """Return the recipe's optimizer."""
    rate = recipe.learning_rate
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=rate)
    if recipe.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=rate, betas=(BETA1, BETA2), eps=EPSILON)
    return torch.optim.RMSprop(parameters, lr=rate, alpha=RHO, eps=EPSILON)


def half_square(outputs, y):
    """Return the mean over the batch of ½(a − y)²."""
    return 0.5 * nn.functional.mse_loss(outputs, y)


LOSSES = {
    "softmax": nn.functional.cross_entropy,
    "sigmoid": nn.functional.binary_cross_entropy_with_logits,
    "quadratic": half_square,
}


class Eager(Peer):
    """Eager execution of each operation, on all processors."""

    threads = os.cpu_count()

    def __init__(self, recipe, arrays):
        torch.manual_seed(recipe.seed)
        torch.set_num_threads(self.threads)
        self.recipe = recipe
        self.x, self.x_test = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["x_test"])
        self.y = torch.from_numpy(arrays["labels" if recipe.loss == "softmax" else "y"])
        self.network = network_of(recipe, initial_weights(recipe, arrays))
        self.loss = LOSSES[recipe.loss]
        self.optimizer = optimizer_of(recipe, self.network.parameters())
        self.best, self.best_loss = None, float("inf")

    def cost(self, x, y):
        """Return the loss of a batch."""
        return self.loss(self.network(x), y)

    def step(self, x, y):
        """Descend the loss of one batch by one step, and return it."""
        self.optimizer.zero_grad()
        loss = self.cost(x, y)
        loss.backward()
        self.optimizer.step()
        return loss

    def train(self, epochs):
        """Continue the training, and return when it is finished."""
        for _ in range(epochs):
            if self.recipe.batch_size is None:
                loss = self.step(self.x, self.y)
            else:
                for rows in torch.randperm(len(self.x)).split(self.recipe.batch_size):
                    loss = self.step(self.x[rows], self.y[rows])
            if self.recipe.early_stopping and (value := loss.item()) < self.best_loss:
                self.best_loss = value
                self.best = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}

    def predict(self):
        """Return the outputs of x_test."""
        with torch.no_grad():
            return torch.cat([self.network(rows) for rows in self.x_test.split(PREDICTED)]).numpy()

    def weights(self):
        """Return (weight (out, in), bias) of every layer."""
        values = self.network.state_dict() if self.best is None else self.best
        arrays = [tensor.numpy().copy() for tensor in values.values()]
        return list(zip(arrays[::2], arrays[1::2], strict=True))


class Compiled(Eager):
    """``torch.compile`` of the network with its loss, and so of their backward pass, and of the optimizer's step.

    Shapes are fixed, and the last, partial batch is one more compilation.
    """

    def __init__(self, recipe, arrays):
        super().__init__(recipe, arrays)
        self.cost = torch.compile(self.cost, dynamic=False)
        self.optimizer_step = torch.compile(self.optimizer.step)
        self.predicted = torch.compile(self.network, dynamic=False)

    def step(self, x, y):
        """Descend the loss of one batch by one step, and return it."""
        self.optimizer.zero_grad()
        loss = self.cost(x, y)
        loss.backward()
        self.optimizer_step()
        return loss

    def predict(self):
        """Return the outputs of x_test."""
        with torch.no_grad():
            return torch.cat([self.predicted(rows) for rows in self.x_test.split(PREDICTED)]).numpy()


class EagerOneThread(Eager):
    """Eager execution in one thread, which has no other threads to wait for."""

    threads = 1


class CompiledOneThread(Compiled):
    """Compiled execution in one thread."""

    threads = 1
