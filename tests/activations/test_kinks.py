"""The kink table: every function made of pieces takes its right-hand branch, by hand and automatically alike."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcnet.activations import ELU, LeakyReLU, PReLU, PReLUParams, elu, leaky_relu, relu, sign, step
from funcnet.losses import hinge
from tests import registry

AT_ZERO = {  # value and derivative, at 0.0 and at −0.0
    relu: (0.0, 1.0),
    leaky_relu: (0.0, 1.0),
    LeakyReLU(0.1): (0.0, 1.0),
    elu: (0.0, 1.0),
    ELU(0.7): (0.0, 1.0),
    step: (1.0, 0.0),
    sign: (1.0, 0.0),
}


def test_the_table_holds_every_activation_that_has_a_kink_or_a_jump():
    def has_one(activation):
        h = jnp.float32(1e-3)
        slopes = activation.derivative(jnp.array([-h, h]))
        values = activation(jnp.array([-h, h]))
        return abs(slopes[1] - slopes[0]) > 0.1 or abs(values[1] - values[0]) > 0.1 or activation == elu

    assert [each for each in registry.ELEMENTWISE if has_one(each)] == list(AT_ZERO)


@pytest.mark.parametrize("zero", [0.0, -0.0])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("activation", AT_ZERO, ids=repr)
def test_activations_at_zero(activation, zero, dtype, x64):
    z = jnp.asarray(zero, dtype)
    value, automatic = jax.value_and_grad(activation)(z)
    assert (value, activation.derivative(z)) == AT_ZERO[activation]
    assert (value, automatic) == AT_ZERO[activation]


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_prelu_at_zero(zero):
    layer, params, z = PReLU(), PReLUParams(jnp.float32(0.25)), jnp.float32(zero)
    value, (automatic_params, automatic_z) = jax.value_and_grad(layer.apply, argnums=(0, 1))(params, z)
    gradients, dz = layer.backward(params, z, jnp.float32(1))
    assert (value, dz, layer.z_derivative(params, z), automatic_z) == (0, 1, 1, 1)
    assert (gradients.slope, layer.slope_derivative(params, z), automatic_params.slope) == (0, 0, 0)


@pytest.mark.parametrize(
    ("z", "y", "value", "gradient"),
    [
        (1.0, 1.0, 0.0, -1.0),  # the tie y z = 1
        (-1.0, -1.0, 0.0, 1.0),  # the tie y z = 1
        (np.nextafter(np.float32(1), np.float32(2)), 1.0, 0.0, 0.0),
        (0.0, 1.0, 1.0, -1.0),
        (-0.0, -1.0, 1.0, 1.0),
    ],
)
def test_hinge_at_its_kink(z, y, value, gradient):
    z, y = jnp.array([z], jnp.float32), jnp.array([y], jnp.float32)
    automatic_value, automatic = jax.value_and_grad(hinge.value)(z, y)
    assert (hinge.value(z, y), hinge.gradient(z, y)) == (value, gradient)
    assert (automatic_value, automatic) == (value, gradient)
