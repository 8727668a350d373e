"""A layer, an activation, a loss and a penalty of a user's own: each is proved by one call."""

import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from tests.gradcheck.examples import Swish

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(5, 3)), RANDOM.normal(size=(5, 3))


class Cauchy(fn.Loss):
    """L = Σ log(1 + (a − y)²)."""

    def value(self, output, target):
        return jnp.sum(jnp.log1p((output - target) ** 2), axis=-1)

    def gradient(self, output, target):
        difference = output - target
        return 2 * difference / (1 + difference**2)


class Softsign(fn.Activation):
    """σ(z) = z/(1 + |z|)."""

    factor: float = 1.0

    def value(self, z):
        return z / (1 + jnp.abs(z))

    def derivative(self, z):
        return self.factor / (1 + jnp.abs(z)) ** 2


class Quartic(fn.Penalty):
    """Ω = s Σ w⁴."""

    strength: float

    def value(self, params):
        return self.strength * jnp.sum(params[0].weight ** 4)

    def gradient(self, params):
        weight, bias = params[0]
        return (fn.DenseParams(4 * self.strength * weight**3, jnp.zeros_like(bias)),)


DENSE = fn.Sequential(fn.Dense(3)), (fn.DenseParams(RANDOM.normal(size=(3, 3)), RANDOM.normal(size=3)),)
OWN = {
    "layer": (Swish(), fn.quadratic, {"beta": np.asarray(0.7)}, None),
    "activation": (Softsign(), fn.quadratic, (), None),
    "loss": (fn.linear, Cauchy(), (), None),
    "penalty": (DENSE[0], fn.quadratic, DENSE[1], Quartic(0.3)),
}


@pytest.mark.parametrize("part", OWN)
def test_a_part_of_a_users_own_is_proved_by_one_call(part):
    network, loss, params, penalty = OWN[part]
    report = fn.check_gradients(network, loss, params, X, Y, penalty=penalty)
    assert report.ok, str(report)
    assert report.method == "complex step"
    assert report.worst <= 1e-14


def test_a_wrong_derivative_of_an_activation_is_named():
    report = fn.check_gradients(Softsign(2.0), fn.quadratic, (), X, Y)
    assert [row.name for row in report.rows if not row.ok] == ["the input x"]
    assert report.faults[0].startswith("Softsign(factor=2.0).backward, dx: 2 times the correct gradient everywhere")
