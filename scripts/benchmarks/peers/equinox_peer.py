"""Equinox with optax: one jitted step for each batch, model and optimizer state donated."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .base import Peer
from .optax_recipe import loss_of, optimizer_of
from .recipes import PREDICTED, batches, initial_weights, whole_batches

HIDDEN = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh}


class Network(eqx.Module):
    """A multi-layer perceptron for one sample, its last layer linear."""

    layers: list
    hidden: str = eqx.field(static=True)

    def __call__(self, x):
        """Return the outputs of x."""
        for layer in self.layers[:-1]:
            x = HIDDEN[self.hidden](layer(x))
        return self.layers[-1](x)


def network_of(recipe, layers):
    """Return the recipe's network with those weights."""
    result = []
    for weight, bias in layers:
        linear = eqx.nn.Linear(weight.shape[1], weight.shape[0], key=jax.random.key(0))
        new = jnp.asarray(weight), jnp.asarray(bias)
        result.append(eqx.tree_at(lambda layer: (layer.weight, layer.bias), linear, new))
    return Network(result, recipe.hidden)


@eqx.filter_jit
def outputs_of(network, x):
    """Return the outputs of a batch."""
    return jax.vmap(network)(x)


class Equinox(Peer):
    """A model that is a pytree, and a step that gathers its rows from the data on the device."""

    def __init__(self, recipe, arrays):
        self.recipe = recipe
        self.data = jnp.asarray(arrays["x"]), jnp.asarray(arrays["labels" if recipe.loss == "softmax" else "y"])
        self.x_test = jnp.asarray(arrays["x_test"])
        self.network = network_of(recipe, initial_weights(recipe, arrays))
        optimizer, loss_function = optimizer_of(recipe), loss_of(recipe)
        self.state = optimizer.init(eqx.filter(self.network, eqx.is_array))
        self.best, self.best_loss = None, np.inf
        self.random = np.random.default_rng(recipe.seed)

        def step(data, network, state, rows):
            x, y = data if rows is None else (data[0][rows], data[1][rows])
            loss, gradients = eqx.filter_value_and_grad(lambda n: loss_function(jax.vmap(n)(x), y))(network)
            updates, state = optimizer.update(gradients, state, network)
            return eqx.apply_updates(network, updates), state, loss

        def steps(data, network, state, rows):
            arrays, static = eqx.partition(network, eqx.is_array)

            def body(carry, rows):
                network, state, loss = step(data, eqx.combine(carry[0], static), carry[1], rows)
                return (eqx.filter(network, eqx.is_array), state), loss

            (arrays, state), losses = jax.lax.scan(body, (arrays, state), rows)
            return eqx.combine(arrays, static), state, losses

        self.step, self.steps = (eqx.filter_jit(f, donate="all-except-first") for f in (step, steps))

    def train(self, epochs):
        """Continue the training, and return when it is finished."""
        for _ in range(epochs):
            if self.recipe.batch_size is None:
                self.network, self.state, loss = self.step(self.data, self.network, self.state, None)
            else:
                for rows in batches(self.recipe, self.random, len(self.data[0])):
                    self.network, self.state, loss = self.step(self.data, self.network, self.state, rows)
            if self.recipe.early_stopping and (value := float(loss)) < self.best_loss:
                self.best, self.best_loss = jax.tree.map(jnp.copy, self.network), value
        jax.block_until_ready(eqx.filter(self.network, eqx.is_array))

    def predict(self):
        """Return the outputs of x_test."""
        pieces = range(0, len(self.x_test), PREDICTED)
        outputs = [outputs_of(self.network, self.x_test[start : start + PREDICTED]) for start in pieces]
        return np.asarray(jnp.concatenate(outputs))

    def weights(self):
        """Return (weight (out, in), bias) of every layer."""
        network = self.network if self.best is None else self.best
        return [(np.asarray(layer.weight), np.asarray(layer.bias)) for layer in network.layers]


class Scanned(Equinox):
    """All full batches of an epoch in one call: the step within ``jax.lax.scan``. The partial last one is a step."""

    def train(self, epochs):
        """Continue the training, and return when it is finished."""
        for _ in range(epochs):
            full, rest = whole_batches(self.recipe, self.random, len(self.data[0]))
            self.network, self.state, _ = self.steps(self.data, self.network, self.state, full)
            if len(rest):
                self.network, self.state, _ = self.step(self.data, self.network, self.state, rest)
        jax.block_until_ready(eqx.filter(self.network, eqx.is_array))
