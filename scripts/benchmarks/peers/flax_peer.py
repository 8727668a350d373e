"""Flax's linen with optax: one jitted step for each batch, the state donated."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.training.train_state import TrainState

from .base import Peer
from .optax_recipe import loss_of, optimizer_of
from .recipes import PREDICTED, batches, initial_weights, whole_batches


class Network(nn.Module):
    """A multi-layer perceptron, its last layer linear."""

    widths: tuple[int, ...]
    hidden: str

    @nn.compact
    def __call__(self, x):
        """Return the outputs of x."""
        for width in self.widths[:-1]:
            x = getattr(nn, self.hidden)(nn.Dense(width)(x))
        return nn.Dense(self.widths[-1])(x)


class Flax(Peer):
    """``TrainState`` and a step that gathers its rows from the data on the device."""

    def __init__(self, recipe, arrays):
        self.recipe = recipe
        self.x, self.x_test = jnp.asarray(arrays["x"]), jnp.asarray(arrays["x_test"])
        self.y = jnp.asarray(arrays["labels" if recipe.loss == "softmax" else "y"])
        network = Network(recipe.sizes[1:], recipe.hidden)
        layers = {
            f"Dense_{layer}": {"kernel": jnp.asarray(weight.T), "bias": jnp.asarray(bias)}
            for layer, (weight, bias) in enumerate(initial_weights(recipe, arrays))
        }
        self.state = TrainState.create(apply_fn=network.apply, params={"params": layers}, tx=optimizer_of(recipe))
        self.best, self.best_loss = None, np.inf
        self.random = np.random.default_rng(recipe.seed)
        self.apply = jax.jit(network.apply)
        loss_function = loss_of(recipe)

        def step(state, x, y, rows):
            x, y = (x, y) if rows is None else (x[rows], y[rows])
            cost = jax.value_and_grad(lambda params: loss_function(state.apply_fn(params, x), y))
            loss, gradients = cost(state.params)
            return state.apply_gradients(grads=gradients), loss

        def steps(state, x, y, rows):
            return jax.lax.scan(lambda state, rows: step(state, x, y, rows), state, rows)

        self.step, self.steps = jax.jit(step, donate_argnums=0), jax.jit(steps, donate_argnums=0)

    def train(self, epochs):
        """Continue the training, and return when it is finished."""
        for _ in range(epochs):
            if self.recipe.batch_size is None:
                self.state, loss = self.step(self.state, self.x, self.y, None)
            else:
                for rows in batches(self.recipe, self.random, len(self.x)):
                    self.state, loss = self.step(self.state, self.x, self.y, rows)
            if self.recipe.early_stopping and (value := float(loss)) < self.best_loss:
                self.best, self.best_loss = jax.tree.map(jnp.copy, self.state.params), value
        jax.block_until_ready(self.state.params)

    def predict(self):
        """Return the outputs of x_test."""
        pieces = range(0, len(self.x_test), PREDICTED)
        outputs = [self.apply(self.state.params, self.x_test[start : start + PREDICTED]) for start in pieces]
        return np.asarray(jnp.concatenate(outputs))

    def weights(self):
        """Return (weight (out, in), bias) of every layer."""
        layers = (self.state.params if self.best is None else self.best)["params"]
        return [(np.asarray(layers[name]["kernel"]).T, np.asarray(layers[name]["bias"])) for name in sorted(layers)]


class Scanned(Flax):
    """All full batches of an epoch in one call: the step within ``jax.lax.scan``. The partial last one is a step."""

    def train(self, epochs):
        """Continue the training, and return when it is finished."""
        for _ in range(epochs):
            full, rest = whole_batches(self.recipe, self.random, len(self.x))
            self.state, _ = self.steps(self.state, self.x, self.y, full)
            if len(rest):
                self.state, _ = self.step(self.state, self.x, self.y, rest)
        jax.block_until_ready(self.state.params)
