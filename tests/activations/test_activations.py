import math

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import funcnet as fn
from funcnet.activations import ACTIVATIONS as BY_NAME
from funcnet.activations import ELU, Activation, LeakyReLU, PReLU, elu, gelu, leaky_relu, silu, softplus
from tests import registry
from tests.agreement import worst_error

DTYPES = [jnp.float64, jnp.float32, jnp.bfloat16, jnp.float16]


def both_routes(activation):
    """Return the value and both derivatives, the hand-written and the automatic one, as one compiled function."""
    automatic = jax.jacobian(activation) if activation == fn.softmax else jax.vmap(jax.grad(activation))
    return jax.jit(lambda z: (activation(z), activation.derivative(z), automatic(z)))


@pytest.mark.parametrize("activation", registry.ELEMENTWISE, ids=repr)
def test_derivative_agrees_with_automatic_differentiation(activation, x64):
    routes = both_routes(activation)
    for scale in (0.1, 1.0, 10.0, 100.0):
        z = scale * jax.random.normal(jax.random.key(0), (5000,), jnp.float64)
        _, by_hand, automatic = routes(z)
        assert worst_error(by_hand, automatic) <= 1e-15


@pytest.mark.parametrize("activation", registry.ELEMENTWISE, ids=repr)
def test_derivative_agrees_with_central_differences(activation, x64):
    z = jnp.linspace(-5.0, 5.0, 100)  # none of the points is a kink or a jump
    h = 1e-6
    numerical = (activation(z + h) - activation(z - h)) / (2 * h)
    np.testing.assert_allclose(activation.derivative(z), numerical, atol=2e-9)


@pytest.mark.parametrize("activation", registry.ACTIVATIONS, ids=repr)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
def test_shape_and_dtype_are_kept(activation, dtype, x64):
    def forward_and_backward(z):
        return activation(z), activation.backward((), z, z)[1], activation.derivative(z)

    value, dz, derivative = jax.eval_shape(forward_and_backward, jax.ShapeDtypeStruct((2, 3), dtype))
    assert (value.shape, dz.shape) == ((2, 3), (2, 3))
    assert value.dtype == dz.dtype == derivative.dtype == dtype


@pytest.mark.parametrize("activation", registry.ACTIVATIONS, ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_nan_or_infinity_at_extremes(activation, dtype, x64):
    tiny = np.finfo(dtype).tiny
    z = jnp.array([0.0, -0.0, *(s * size for size in (tiny, 88.0, 1e4, 1e30) for s in (1, -1))], dtype)
    value, by_hand, automatic = both_routes(activation)(z)
    assert np.isfinite(value).all()
    assert worst_error(by_hand, automatic) <= {"float32": 1e-6, "float64": 1e-15}[dtype]


@pytest.mark.parametrize("activation", registry.ACTIVATIONS, ids=repr)
def test_nan_is_not_hidden(activation):
    z = np.ones((4, 6), np.float32)
    z[1, 2] = np.nan
    assert np.isnan(activation(z)[1, 2])


@pytest.mark.parametrize("activation", registry.ELEMENTWISE, ids=repr)
def test_backward_is_the_derivative_times_what_comes_from_above(activation):
    z, dy = np.asarray(jax.random.normal(jax.random.key(2), (2, 4, 6)))
    gradients, dz = activation.backward((), activation.forward((), z)[1], dy)
    assert gradients == ()
    np.testing.assert_array_equal(dz, dy * activation.derivative(z))


def test_softplus_is_smooth_at_zero_for_automatic_differentiation_too(x64):
    for zero in (0.0, -0.0):
        assert jax.grad(softplus)(zero) == 0.5
        assert jax.grad(jax.grad(softplus))(zero) == 0.25


@pytest.mark.parametrize("z", [-15.0, -6.0, -1.0, -1e-3, 1e-3, 1.0, 6.0])
def test_gelu_silu_and_softplus_keep_their_digits_in_the_tails(z, x64):
    with mpmath.workdps(50):
        exact = {
            gelu: z * mpmath.erfc(-z / mpmath.sqrt(2)) / 2,
            silu: z / (1 + mpmath.exp(-z)),
            softplus: mpmath.log(1 + mpmath.exp(z)),
        }
    for activation, expected in exact.items():
        np.testing.assert_allclose(activation(jnp.float64(z)), float(expected), rtol=1e-13)


def test_elu_keeps_its_digits_near_zero():
    assert elu(jnp.float32(-1e-10)) == np.float32(-1e-10)
    np.testing.assert_allclose(ELU(0.5)(jnp.float32(-1e-10)), -0.5e-10, rtol=1e-6)


@pytest.mark.parametrize("z", [-40.0, -20.0, -1.0, -0.999, -1e-3])
def test_elu_has_a_correct_automatic_derivative_in_the_tail(z):
    """JAX 0.10 differentiates expm1 as expm1 + 1, which is 0 from −17 on."""
    np.testing.assert_allclose(jax.grad(elu)(jnp.float32(z)), np.exp(z), rtol=1e-6)


def test_an_activation_is_a_layer_without_parameters():
    params, shape = fn.relu.init(jax.random.key(0), (3,))
    assert (params, shape) == ((), (3,))
    assert fn.relu.apply((), jnp.array([[-1.0, 2.0]])).tolist() == [[0.0, 2.0]]


def test_slopes_and_scales_print_where_they_are_not_the_usual_ones():
    assert leaky_relu == LeakyReLU() == LeakyReLU(0.01)
    assert elu == ELU() == ELU(1)
    assert [repr(each) for each in (leaky_relu, LeakyReLU(0.01), LeakyReLU(0.2))] == [
        "leaky_relu",
        "leaky_relu",
        "LeakyReLU(negative_slope=0.2)",
    ]
    assert repr(ELU(np.float32(0.5))) == "ELU(alpha=0.5)"
    assert ELU(jnp.float32(2)) == ELU(2)


def test_impossible_slopes_and_scales_are_refused():
    with pytest.raises(ValueError, match="LeakyReLU: expected negative_slope to be finite, got nan"):
        LeakyReLU(math.nan)
    with pytest.raises(TypeError, match="LeakyReLU: expected negative_slope to be a real number, got 'steep'"):
        LeakyReLU("steep")
    with pytest.raises(ValueError, match=r"ELU: expected alpha to be finite and above 0, got -1\.0"):
        ELU(-1.0)
    with pytest.raises(TypeError, match="ELU: expected alpha to be a real number, got None"):
        ELU(None)
    with pytest.raises(TypeError, match="ELU: expected alpha to be a real number, got <built-in function abs>"):
        ELU(abs)


def test_every_activation_is_known_by_name():
    assert {type(each) for each in [*registry.ACTIVATIONS, PReLU()]} == {type(each) for each in BY_NAME.values()}
    public = {value for value in vars(fn.activations).values() if isinstance(value, Activation)}
    assert public <= set(BY_NAME.values())
    assert [repr(fn.activation(name)).removesuffix("(0.25)").lower() for name in BY_NAME] == list(BY_NAME)


def test_lookup_by_name_lists_the_known_names():
    assert fn.activation("tanh") is fn.tanh
    assert fn.activation("leaky_relu") is leaky_relu
    with pytest.raises(ValueError, match=r"expected one of linear, .*, elu, prelu, softplus, silu, gelu, got 'swish'"):
        fn.activation("swish")


@pytest.mark.parametrize("activation", registry.ACTIVATIONS, ids=repr)
def test_integers_are_refused(activation):
    with pytest.raises(fn.DtypeError, match=r"expected z of a floating dtype, got int32"):
        activation(jnp.array([1, 2]))
