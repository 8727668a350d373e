"""A neuron with any activation, as a network."""

from ..activations import Activation
from ..activations import activation as activation_named
from ..errors import message
from ..layers import Dense, Sequential


def neuron(activation: str | Activation, *, units: int = 1) -> Sequential:
    """Return the neuron a = σ(w·x + b) as a network, or ``units`` of them in parallel; σ is an activation or its name.

    Like every network it is a value with ``init`` and ``apply``, and ``fn.fit`` trains it.
    Raises ``ValueError`` that lists the known names for an unknown one, and ``TypeError`` for another object. Nielsen
    (2015), chapter 1, on sigmoid neurons; McCulloch, Pitts (1943) for the step.

    >>> import jax, jax.numpy as jnp, funcnet as fn
    >>> fn.neurons.neuron("sigmoid"), fn.neurons.neuron(fn.LeakyReLU(0.1), units=3)
    (Sequential(Dense(1), sigmoid), Sequential(Dense(3), LeakyReLU(negative_slope=0.1)))
    >>> params = fn.DenseParams(weight=jnp.array([[2.0, -1.0]]), bias=jnp.array([0.5]))
    >>> fn.neurons.neuron("relu").apply((params, ()), jnp.array([[1.0, 1.0], [0.0, 3.0]]))
    Array([[1.5],
           [0. ]], dtype=float32)
    """
    chosen = activation_named(activation) if isinstance(activation, str) else activation
    if not isinstance(chosen, Activation):
        raise TypeError(message("neuron", "an activation, such as fn.relu, or its name", repr(activation)))
    return Sequential(Dense(units), chosen)
