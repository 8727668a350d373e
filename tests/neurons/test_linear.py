from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import funcnet as fn
from funcnet import neurons

numbers = st.integers(-1000, 1000).map(lambda n: n / 8)


def column(*values):
    return jnp.array(values)[:, None]


@settings(max_examples=50)
@given(numbers, numbers, numbers, numbers)
def test_two_points_determine_a_line(x1, y1, x2, y2):
    x, y = column(x1, x2), column(y1, y2)
    if x1 == x2:
        with pytest.raises(neurons.SingularError, match=r"^from_two_points: expected two points of different x, got"):
            neurons.from_two_points(x, y)
        return
    params = neurons.from_two_points(x, y)
    slope = (y2 - y1) / (x2 - x1)
    np.testing.assert_allclose(params.weight, [[slope]], rtol=1e-6)
    np.testing.assert_allclose(params.bias, [y1 - slope * x1], rtol=1e-5, atol=1e-5 * (1 + abs(slope * x1)))


def solve_by_elimination(x, y):
    """Solve [x 1] p = y by Gauss–Jordan elimination with plain loops; return the weight and the bias."""
    rows = [[*map(float, xs), 1.0, *map(float, ys)] for xs, ys in zip(x, y, strict=True)]
    n = len(rows)
    for i in range(n):
        pivot = max(range(i, n), key=lambda k: abs(rows[k][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for k in range(n):
            if k != i:
                rows[k] = [value - rows[k][i] * other for value, other in zip(rows[k], rows[i], strict=True)]
    p = np.array(rows)[:, n:]
    return p[:-1].T, p[-1]


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (2, 1), (5, 3)])
def test_n_plus_one_points_determine_n_inputs(inputs, outputs, x64):
    for seed in range(10):
        random = np.random.default_rng(seed)
        x, y = random.normal(size=(inputs + 1, inputs)), random.normal(size=(inputs + 1, outputs))
        params = neurons.from_points(x, y)
        weight, bias = solve_by_elimination(x, y)
        np.testing.assert_allclose(params.weight, weight, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(params.bias, bias, rtol=1e-8, atol=1e-9)


def test_points_that_fit_a_neuron_exactly_give_it_back_by_every_closed_form():
    truth = fn.DenseParams(jnp.array([[1.477]]), jnp.array([0.089]))
    x = column(-3.0, 5.0)
    for closed_form in (neurons.from_two_points, neurons.from_points, neurons.least_squares):
        chex.assert_trees_all_close(closed_form(x, neurons.linear_neuron(truth, x)), truth, atol=1e-6)


@pytest.mark.parametrize(("n", "inputs", "outputs"), [(4, 3, 1), (50, 1, 1), (200, 4, 2)])
def test_least_squares_solves_the_normal_equations(n, inputs, outputs, x64):
    for seed in range(10):
        random = np.random.default_rng(seed)
        x, y = random.normal(1, 2, (n, inputs)), random.normal(size=(n, outputs))
        params = neurons.least_squares(x, y)
        hat_x = np.column_stack([x, np.ones(n)])
        expected = np.linalg.inv(hat_x.T @ hat_x) @ hat_x.T @ y
        np.testing.assert_allclose(params.weight, expected[:-1].T, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(params.bias, expected[-1], rtol=1e-8, atol=1e-8)


def test_units_of_the_inputs_do_not_matter():
    """In float32, where the sums of the squares of these inputs have no digits left for the small inputs."""
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 3)) * [1e-6, 1.0, 1e7] + [0.0, 100.0, 0.0]
    weight, bias = np.array([[3e6, -2.0, 5e-7]]), np.array([0.5])
    y = x @ weight.T + bias
    params = neurons.least_squares(x.astype(np.float32), y.astype(np.float32))
    np.testing.assert_allclose(params.weight, weight, rtol=1e-4)
    np.testing.assert_allclose(params.bias, bias, atol=1e-2)


DEGENERATE = {
    "two equal points": [[1.0, 2.0], [1.0, 2.0], [0.5, 3.0]],
    "three on a line": [[0.1, 0.1], [0.2, 0.2], [0.7, 0.7]],
    "a constant input": [[0.1, 1.0], [0.1, 2.0], [0.1, 4.0]],
    "all equal": [[0.1, 0.3]] * 3,
}


@pytest.mark.parametrize("points", DEGENERATE.values(), ids=DEGENERATE)
@pytest.mark.parametrize("closed_form", [neurons.from_points, neurons.least_squares])
def test_degenerate_points_are_an_error_by_name_and_nan_inside_a_transformation(points, closed_form):
    x, y = jnp.array(points), jnp.array([[1.0], [2.0], [3.0]])
    expected = "points that differ in 2 independent directions, as many as inputs, got [01]"
    with pytest.raises(neurons.SingularError, match=f"^{closed_form.__name__}: expected {expected}"):
        closed_form(x, y)
    params = jax.jit(closed_form)(x, y)
    assert jnp.isnan(params.weight).all()
    assert jnp.isnan(params.bias).all()


def test_a_singular_error_is_numpys_and_a_value_error():
    assert issubclass(neurons.SingularError, np.linalg.LinAlgError)
    assert issubclass(neurons.SingularError, ValueError)
    x, y = column(1.0, 1.0), column(1.0, 2.0)
    assert not jnp.isfinite(jax.jit(neurons.from_two_points)(x, y).weight).any()


@pytest.mark.parametrize("closed_form", [neurons.from_two_points, neurons.from_points, neurons.least_squares])
def test_dtypes_are_kept(closed_form, x64):
    for dtype in ("bfloat16", "float16", "float32", "float64"):
        x = jax.ShapeDtypeStruct((2, 1), jnp.dtype(dtype))
        chex.assert_type([*jax.eval_shape(closed_form, x, x)], jnp.dtype(dtype))
    params = closed_form(jnp.array([[0.0], [2.0]], jnp.bfloat16), jnp.array([[1.0], [7.0]], jnp.bfloat16))
    np.testing.assert_allclose(np.asarray([*params], object).astype(float).ravel(), [3, 1], rtol=1e-2)


def test_many_fits_in_one_program():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(20, 10, 2)), jnp.float32)
    y = jnp.asarray(np.random.default_rng(1).normal(size=(20, 10, 1)), jnp.float32)
    together = jax.jit(jax.vmap(neurons.least_squares))(x, y)
    for i in range(0, 20, 5):
        chex.assert_trees_all_close(jax.tree.map(lambda leaf, i=i: leaf[i], together),
                                    neurons.least_squares(x[i], y[i]), atol=1e-5)  # fmt: skip


def test_gradient_descent_comes_to_the_closed_forms_answers():
    truth = fn.DenseParams(jnp.array([[2.0, -1.0]]), jnp.array([0.5]))
    network, descend = neurons.neuron("linear"), partial(fn.fit, epochs=2000, batch_size=None, progress=False)
    three = jnp.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    many = jnp.asarray(np.random.default_rng(0).uniform(-2, 2, (50, 2)), jnp.float32)
    for closed_form, x, noise in ((neurons.from_points, three, 0.0), (neurons.least_squares, many, 0.3)):
        y = neurons.linear_neuron(truth, x, noise=noise, key=jax.random.key(1))
        result = descend(network, fn.mean_squared_error, fn.sgd(0.3), (x, y), key=jax.random.key(2))
        closed = closed_form(x, y)
        chex.assert_trees_all_close(result.params, (closed, ()), atol=1e-4)
        assert noise == 0 or abs(closed.weight - truth.weight).max() > 1e-3  # the noise changed the fit


def test_the_noise_is_normal_of_its_standard_deviation():
    params = fn.DenseParams(jnp.array([[2.0]]), jnp.array([1.0]))
    x = jnp.linspace(-1, 1, 20_000)[:, None]
    noise = neurons.linear_neuron(params, x, noise=0.25, key=jax.random.key(0)) - neurons.linear_neuron(params, x)
    np.testing.assert_allclose([noise.mean(), noise.std()], [0, 0.25], atol=0.01)
    np.testing.assert_allclose((abs(noise) < 0.25).mean(), 0.6827, atol=0.02)
    np.testing.assert_allclose(neurons.linear_neuron(params, x), 2 * x + 1, rtol=1e-6)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_no_line_is_nearer_than_that_of_least_squares(seed):
    random = np.random.default_rng(seed)
    x, y = random.normal(size=(2, 12, 1))
    with jax.enable_x64(True):
        params = neurons.least_squares(x, y)

        def cost(w, b):
            return float(np.mean((y - w * x - b) ** 2))

        best = cost(float(params.weight[0, 0]), float(params.bias[0]))
        for dw, db in random.normal(size=(20, 2)) * 0.1:
            assert cost(float(params.weight[0, 0]) + dw, float(params.bias[0]) + db) > best


def test_what_are_no_points_is_named():
    x, y = column(1.0, 2.0, 3.0), column(1.0, 2.0, 4.0)
    with pytest.raises(fn.ShapeError, match=r"^from_two_points: expected x of shape \(2, 1\), got \(3, 1\)"):
        neurons.from_two_points(x, y)
    with pytest.raises(fn.ShapeError, match=r"^from_points: expected x of shape \(2, 1\), one point more than inputs"):
        neurons.from_points(x, y)
    with pytest.raises(
        fn.ShapeError, match=r"^least_squares: expected x of shape \(n, 2\), n at least 3, got \(2, 2\)"
    ):
        neurons.least_squares(jnp.eye(2), y[:2])
    with pytest.raises(fn.ShapeError, match=r"^least_squares: expected y of shape \(3, outputs\), got \(3,\)"):
        neurons.least_squares(x, y[:, 0])
    with pytest.raises(fn.ShapeError, match=r"^least_squares: expected y of shape \(3, outputs\), got \(2, 1\)"):
        neurons.least_squares(x, y[:2])
    with pytest.raises(fn.DtypeError, match=r"^least_squares: expected y of dtype float32 as x, got float16"):
        neurons.least_squares(x, y.astype(jnp.float16))
    with pytest.raises(ValueError, match=r"^least_squares: expected y to be finite, got (nan|inf) at index \(1, 0\)"):
        neurons.least_squares(x, y.at[1].set(jnp.inf))
    with pytest.raises(ValueError, match=r"^from_two_points: expected x to be finite, got (nan|inf) at index"):
        neurons.from_two_points(column(jnp.nan, 1.0), y[:2])


def test_wrong_noise_is_named():
    params, x = fn.DenseParams(jnp.ones((1, 1)), jnp.ones(1)), jnp.ones((3, 1))
    with pytest.raises(ValueError, match=r"^linear_neuron: expected key for the noise, got None"):
        neurons.linear_neuron(params, x, noise=0.1)
    with pytest.raises(ValueError, match=r"expected noise to be finite and at least 0, got -1"):
        neurons.linear_neuron(params, x, noise=-1.0, key=jax.random.key(0))
    with pytest.raises(TypeError, match=r"^linear_neuron: expected key made by jax\.random\.key\(seed\), got 0"):
        neurons.linear_neuron(params, x, noise=0.1, key=0)
    with pytest.raises(fn.ShapeError, match=r"^linear_neuron: expected x of shape \(\.\.\., 1\), got \(3, 2\)"):
        neurons.linear_neuron(params, jnp.ones((3, 2)))
