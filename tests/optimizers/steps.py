"""Some steps with an optimizer, in one compiled program."""

import jax

from funcnet import optimizers


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
