import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import funcnet as fn
from tests.agreement import worst_error

NETWORK = fn.Sequential(fn.Dense(4), fn.LayerNorm(), fn.PReLU(), fn.Residual(fn.tanh, fn.Dense(4)), fn.Dense(2))
PENALTIES = [fn.l2(0.3), fn.l1(0.2), fn.l1(0.2) + fn.l2(0.3), fn.l2(0.0)]
each_penalty = pytest.mark.parametrize("penalty", PENALTIES, ids=str)


def problem(dtype=jnp.float32):
    """Return parameters without a zero, but for one weight, and a batch."""
    random = np.random.default_rng(0)
    params = jax.eval_shape(lambda: NETWORK.init(jax.random.key(0), (3,), dtype=dtype)[0])
    params = jax.tree.map(lambda leaf: jnp.asarray(random.normal(size=leaf.shape), dtype), params)
    params = (params[0]._replace(weight=params[0].weight.at[0, 0].set(0)), *params[1:])
    return params, jnp.asarray(random.normal(size=(6, 3)), dtype), jnp.asarray(random.normal(size=(6, 2)), dtype)


def weights_of(params):
    return [np.asarray(p.weight, np.float64) for p in (params[0], params[3][1], params[4])]


@each_penalty
def test_the_value_is_the_sum_over_the_weights_alone(penalty, x64):
    params, *_ = problem(jnp.float64)
    expected = {
        "l2(0.3)": sum(0.5 * 0.3 * (w**2).sum() for w in weights_of(params)),
        "l1(0.2)": sum(0.2 * abs(w).sum() for w in weights_of(params)),
        "l1(0.2) + l2(0.3)": sum(0.2 * abs(w).sum() + 0.15 * (w**2).sum() for w in weights_of(params)),
        "l2(0.0)": 0.0,
    }[repr(penalty)]
    np.testing.assert_allclose(penalty.value(params), expected, rtol=1e-14)


@each_penalty
def test_the_gradient_is_the_derivative_of_the_value(penalty, x64):
    params, *_ = problem(jnp.float64)
    assert worst_error(penalty.gradient(params), jax.grad(penalty.value)(params)) <= 1e-15


def test_the_gradient_is_zero_but_for_weights():
    params, *_ = problem()
    gradient = (fn.l1(1.0) + fn.l2(1.0)).gradient(params)
    assert not any(leaf.any() for leaf in (gradient[0].bias, *gradient[1], *gradient[2], gradient[3][1].bias))
    assert all(g.any() for g in weights_of(gradient))


def test_a_parameter_that_is_no_field_named_weight_is_free():
    params = {"weight": jnp.ones(3), "other": (jnp.ones(2), [jnp.ones(1)])}
    with pytest.warns(UserWarning, match=r"^l2: l2\(1\.0\) finds no weights in the parameters"):
        assert fn.l2(1.0).value(params) == 0
    with pytest.warns(UserWarning, match=r"^l2: l2\(1\.0\) finds no weights in the parameters"):
        chex.assert_trees_all_equal(fn.l2(1.0).gradient(params), jax.tree.map(jnp.zeros_like, params))
    assert fn.l2(1.0).value(()) == 0
    assert fn.l2(1.0).gradient(()) == ()


def test_a_weight_at_zero_stays_there_by_either_route():
    params = fn.DenseParams(weight=jnp.array([[0.0, -0.0, 2.0, -2.0]]), bias=jnp.zeros(1))
    for gradient in (fn.l1(0.5).gradient(params), jax.grad(fn.l1(0.5).value)(params)):
        np.testing.assert_array_equal(gradient.weight, [[0.0, 0.0, 0.5, -0.5]])
    np.testing.assert_array_equal(fn.l2(0.5).gradient(params).weight, [[0.0, 0.0, 1.0, -1.0]])


@each_penalty
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_dtypes_are_kept_and_the_value_is_at_least_float32(penalty, dtype, x64):
    params, x, y = problem(dtype)
    value, gradient = jax.eval_shape(lambda p: (penalty.value(p), penalty.gradient(p)), params)
    assert value.dtype == (jnp.float64 if dtype == "float64" else jnp.float32)
    chex.assert_trees_all_equal_shapes_and_dtypes(gradient, params)
    for route in (fn.backprop, fn.autodiff):
        _, grads = jax.eval_shape(lambda *data, route=route: route(NETWORK, fn.quadratic)(*data, penalty=penalty),
                                  params, x, y)  # fmt: skip
        chex.assert_trees_all_equal_shapes_and_dtypes(grads, params)


def test_sums_do_not_stop_or_overflow_in_half_precision():
    for dtype in (jnp.bfloat16, jnp.float16):
        params = fn.DenseParams(weight=jnp.full((100, 100), 32.0, dtype), bias=jnp.zeros(100, dtype))
        np.testing.assert_allclose(fn.l2(1.0).value(params), 0.5 * 32**2 * 1e4, rtol=1e-6)
        np.testing.assert_allclose(fn.l1(1.0).value(params), 32 * 1e4, rtol=1e-6)


@each_penalty
def test_both_routes_agree_and_add_the_penalty(penalty, x64):
    """To a rounding more than elsewhere: what passes back through ``LayerNorm`` is a difference of larger terms."""
    params, x, y = problem(jnp.float64)

    @jax.jit
    def run(params, penalty):
        weights = jnp.linspace(0, 2, 6)
        routes = [route(NETWORK, fn.quadratic, with_output=True) for route in (fn.backprop, fn.autodiff)]
        without = [route(params, x, y, weights=weights) for route in routes]
        return without, [route(params, x, y, weights=weights, penalty=penalty) for route in routes]

    without, (by_hand, automatic) = run(params, penalty)
    for ((cost, output), grads), ((more_cost, same_output), more) in zip(without, (by_hand, automatic), strict=True):
        np.testing.assert_allclose(more_cost, cost + penalty.value(params), rtol=1e-14)
        np.testing.assert_allclose(same_output, output, rtol=1e-14)
        assert worst_error(more, jax.tree.map(jnp.add, grads, penalty.gradient(params))) <= 5e-14
    assert worst_error(by_hand, automatic) <= 5e-14


def test_by_hand_never_differentiates(monkeypatch):
    def forbidden(*args, **kwargs):
        raise AssertionError("automatic differentiation was called")

    for name in ("grad", "value_and_grad", "vjp", "jvp", "jacobian", "linearize"):
        monkeypatch.setattr(jax, name, forbidden)
    params, x, y = problem()
    jax.eval_shape(fn.backprop(NETWORK, fn.quadratic), params, x, y, penalty=fn.l1(0.1) + fn.l2(0.1))


@pytest.mark.parametrize("gradients", [fn.backprop, fn.autodiff])
def test_another_strength_compiles_nothing_and_a_sweep_is_a_map(gradients):
    params, x, y = problem()
    traces = []

    @jax.jit
    def run(params, penalty):
        traces.append(penalty)
        return gradients(NETWORK, fn.quadratic)(params, x, y, penalty=penalty)

    strengths = (0.0, 0.1, 1, np.float32(0.5), jnp.float32(0.25))
    results = [run(params, fn.l1(strength) + fn.l2(0.1)) for strength in strengths]
    assert len(traces) == 1
    swept = jax.vmap(lambda s: run(params, fn.l1(s) + fn.l2(0.1)))(jnp.array(strengths, jnp.float32))
    for index, result in enumerate(results):
        assert worst_error(jax.tree.map(lambda leaf, index=index: leaf[index], swept), result) <= 2e-6


def test_the_strength_has_a_derivative_too():
    params, *_ = problem()
    slope = jax.grad(lambda penalty: penalty.value(params))(fn.l2(0.3))
    np.testing.assert_allclose(slope.strength, fn.l2(1.0).value(params), rtol=1e-6)


@settings(max_examples=20)
@given(a=st.floats(0, 10), b=st.floats(0, 10), c=st.floats(0, 10))
def test_a_penalty_is_a_value_that_prints_as_its_call_and_a_pytree(a, b, c):
    penalty = fn.l1(a) + fn.l2(b) + fn.l2(c)
    assert penalty == fn.l1(a) + (fn.l2(b) + fn.l2(c))
    assert hash(penalty) == hash(fn.l1(a) + fn.l2(b) + fn.l2(c))
    assert repr(penalty) == f"l1({a!r}) + l2({b!r}) + l2({c!r})"
    assert eval(repr(penalty), vars(fn)) == penalty
    assert jax.tree.leaves(penalty) == [a, b, c]
    assert jax.tree.map(lambda leaf: leaf, penalty) == penalty
    assert fn.l1(a) != fn.l2(a)


def test_a_penalty_of_ones_own_is_a_pytree_and_adds_to_others():
    class Bias(fn.Penalty):
        strength: float

        def value(self, params):
            return self.strength * jnp.sum(params.bias)

        def gradient(self, params):
            return jax.tree.map(jnp.zeros_like, params)._replace(bias=jnp.full_like(params.bias, self.strength))

    params = fn.DenseParams(weight=jnp.array([[2.0]]), bias=jnp.array([3.0]))
    penalty = fn.l2(1.0) + Bias(0.5)
    assert jax.tree.leaves(penalty) == [1.0, 0.5]
    assert jax.jit(lambda p: p.value(params))(penalty) == 3.5
    assert worst_error(penalty.gradient(params), jax.grad(penalty.value)(params)) == 0


@pytest.mark.parametrize("make", [fn.l1, fn.l2])
def test_wrong_strengths_are_named(make):
    for strength in (-0.1, float("nan"), float("inf"), jnp.float32(-1)):
        with pytest.raises(ValueError, match=rf"^{make.__name__}: expected strength to be finite and at least 0, got"):
            make(strength)
    for strength in ("0.1", None, True, abs, 1j, jnp.array([0.1, 0.2])):
        with pytest.raises(TypeError, match=rf"^{make.__name__}: expected strength to be a real number, got"):
            make(strength)


def test_what_is_no_penalty_is_named():
    params, x, y = problem()
    for gradients in (fn.backprop, fn.autodiff):
        with pytest.raises(
            TypeError, match=r"expected penalty to be None or a penalty, such as fn\.l2\(0\.0001\), got a"
        ):
            gradients(NETWORK, fn.quadratic)(params, x, y, penalty=0.1)
    with pytest.raises(TypeError, match="unsupported operand"):
        fn.l2(0.1) + 0.1


def test_weights_that_cannot_shrink_are_named():
    with pytest.raises(fn.DtypeError, match=r"l2\(0\.1\): expected weight of a floating dtype, got int32"):
        fn.l2(0.1).value(fn.DenseParams(jnp.ones((2, 2), jnp.int32), jnp.ones(2)))
