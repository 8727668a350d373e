import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from tests import oracles
from tests.agreement import worst_error

HIDDEN = [fn.linear, fn.sigmoid, fn.tanh, fn.relu, fn.softmax]
OUTPUT_OF = {
    fn.quadratic: fn.linear,
    fn.squared_error: fn.tanh,
    fn.mean_squared_error: fn.softmax,
    fn.binary_cross_entropy: fn.sigmoid,
    fn.sigmoid_cross_entropy: fn.linear,
    fn.softmax_cross_entropy: fn.linear,
}


def problem(sizes, hidden, loss, batch, dtype, seed=0):
    """Return a network, parameters and a batch with targets in (0, 1)."""
    network = fn.mlp(sizes, hidden=hidden, output=OUTPUT_OF[loss])
    keys = jax.random.split(jax.random.key(seed), 3)
    params, _ = network.init(keys[0], (sizes[0],), dtype=dtype)
    x = jax.random.normal(keys[1], (batch, sizes[0]), dtype)
    y = jax.random.uniform(keys[2], (batch, sizes[-1]), dtype)
    return network, params, x, y


def compiled_both(network, loss):
    """Return the two routes as one compiled function: (by hand, automatic), each for all the weights that are given."""
    routes = fn.backprop(network, loss), fn.autodiff(network, loss)
    return jax.jit(lambda data, *weights: [[route(*data, weights=each) for each in weights] for route in routes])


CASES = [
    (hidden, loss, ("float64", "float32")[(row + column) % 2])  # each activation and each loss in both
    for row, hidden in enumerate(HIDDEN)
    for column, loss in enumerate(OUTPUT_OF)
]


@pytest.mark.parametrize(("hidden", "loss", "dtype"), CASES, ids=repr)
def test_by_hand_agrees_with_automatic(hidden, loss, dtype, x64):
    network, params, x, y = problem([5, 7, 6, 4], hidden, loss, 9, dtype)
    weights = jnp.linspace(0, 2, 9, dtype=dtype)
    by_hand, automatic = compiled_both(network, loss)((params, x, y), None, weights)
    assert worst_error(by_hand, automatic) <= {"float32": 2e-6, "float64": 1e-14}[dtype]


@pytest.mark.parametrize("gradients", [fn.backprop, fn.autodiff])
def test_both_agree_with_the_index_form_in_plain_loops(gradients, x64):
    network, params, x, y = problem([4, 5, 3, 2], fn.sigmoid, fn.quadratic, 6, jnp.float64)
    network = fn.mlp([4, 5, 3, 2], hidden=fn.sigmoid, output=fn.sigmoid)
    params = (*params, ())
    dense = [np.asarray(p.weight) for p in params[::2]], [np.asarray(p.bias) for p in params[::2]]
    expected_cost, *expected = oracles.index_form_backprop(*dense, np.asarray(x), np.asarray(y))
    cost, grads = jax.jit(gradients(network, fn.quadratic))(params, x, y)
    np.testing.assert_allclose(cost, expected_cost, rtol=1e-14)
    assert worst_error(([g.weight for g in grads[::2]], [g.bias for g in grads[::2]]), tuple(expected)) <= 1e-13


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-6), ("float64", 1e-14)])
def test_they_agree_at_every_step_of_a_run(dtype, tolerance, x64):
    network, params, x, y = problem([20, 30, 10], fn.relu, fn.softmax_cross_entropy, 64, dtype)
    y = jax.nn.one_hot(jnp.argmax(y, axis=1), 10, dtype=dtype)
    optimizer = fn.rmsprop(0.01)
    state, update = optimizer.init(params), jax.jit(optimizer.update)
    both = compiled_both(network, fn.softmax_cross_entropy)
    costs = []
    for _ in range(50):
        [by_hand], [automatic] = both((params, x, y), None)
        assert worst_error(by_hand, automatic) <= tolerance
        costs.append(float(automatic[0]))
        updates, state = update(automatic[1], state, params)
        params = fn.apply_updates(params, updates)
    assert costs[-1] < costs[0] / 2


@pytest.mark.parametrize("gradients", [fn.backprop, fn.autodiff])
def test_samples_of_weight_zero_count_for_nothing(gradients):
    network, params, x, y = problem([3, 4, 2], fn.tanh, fn.quadratic, 6, jnp.float32)
    weights = jnp.array([1.0, 1.0, 1.0, 1.0, 0.0, 0.0])
    compiled = jax.jit(gradients(network, fn.quadratic))
    padded = compiled(params, x, y, weights=weights)
    alone = compiled(params, x[:4], y[:4])
    assert worst_error(padded, alone) <= 1e-6


@pytest.mark.parametrize("gradients", [fn.backprop, fn.autodiff])
def test_the_cost_is_the_mean_and_the_gradient_the_mean_of_the_samples(gradients):
    network, params, x, y = problem([3, 4, 2], fn.tanh, fn.quadratic, 6, jnp.float32)
    one = jax.jit(gradients(network, fn.quadratic))
    each = jax.jit(jax.vmap(lambda x, y: one(params, x[None], y[None])))(x, y)
    assert worst_error(one(params, x, y), jax.tree.map(lambda leaf: leaf.mean(axis=0), each)) <= 1e-6


@pytest.mark.parametrize("gradients", [fn.backprop, fn.autodiff])
def test_with_output_gives_the_output_too(gradients):
    network, params, x, y = problem([3, 4, 2], fn.tanh, fn.quadratic, 6, jnp.float32)
    (cost, output), grads = gradients(network, fn.quadratic, with_output=True)(params, x, y)
    chex.assert_trees_all_equal((cost, grads), gradients(network, fn.quadratic)(params, x, y))
    chex.assert_trees_all_equal(output, network.apply(params, x))


@pytest.mark.parametrize("gradients", [fn.backprop, fn.autodiff])
def test_dtype_is_kept_and_the_cost_is_at_least_float32(gradients):
    network, params, x, y = problem([3, 4, 2], fn.relu, fn.softmax_cross_entropy, 6, jnp.bfloat16)
    cost, grads = jax.eval_shape(gradients(network, fn.softmax_cross_entropy), params, x, y, weights=jnp.ones(6))
    assert cost.dtype == jnp.float32
    chex.assert_trees_all_equal_shapes_and_dtypes(grads, params)


def test_by_hand_never_differentiates(monkeypatch):
    def forbidden(*args, **kwargs):
        raise AssertionError("automatic differentiation was called")

    for name in ("grad", "value_and_grad", "vjp", "jvp", "jacobian", "linearize"):
        monkeypatch.setattr(jax, name, forbidden)
    network, params, x, y = problem([3, 4, 2], fn.relu, fn.quadratic, 6, jnp.float32)
    jax.eval_shape(fn.backprop(network, fn.quadratic), params, x, y)
    with pytest.raises(AssertionError, match="automatic differentiation was called"):
        jax.eval_shape(fn.autodiff(network, fn.quadratic), params, x, y)


def test_wrong_targets_are_named():
    network, params, x, y = problem([3, 4, 2], fn.relu, fn.quadratic, 6, jnp.float32)
    for gradients in (fn.backprop, fn.autodiff):
        with pytest.raises(fn.ShapeError, match=r"quadratic: expected target of the output's shape \(6, 2\), got \(6,"):
            gradients(network, fn.quadratic)(params, x, y[:, 0])


@pytest.mark.parametrize("gradients", [fn.backprop, fn.autodiff])
def test_where_no_sample_has_weight_cost_and_gradient_are_0(gradients):
    """And no penalty acts."""
    network, params, x, y = problem([3, 4, 2], fn.tanh, fn.quadratic, 6, jnp.float32)
    compiled = jax.jit(gradients(network, fn.quadratic))
    for weights in (jnp.zeros(6), np.zeros(6, int)):
        cost, grads = compiled(params, x, y, weights=weights, penalty=fn.l2(0.5))
        assert cost == 0
        assert not any(np.any(leaf) for leaf in jax.tree.leaves(grads))
    assert gradients(network, fn.quadratic)(params, x, y, weights=[0] * 6)[0] == 0  # uncompiled


@pytest.mark.parametrize("gradients", [fn.backprop, fn.autodiff])
def test_the_size_of_all_weights_does_not_matter(gradients):
    network, params, x, y = problem([3, 4, 2], fn.tanh, fn.quadratic, 6, jnp.float32)
    compiled = jax.jit(gradients(network, fn.quadratic))
    weights = np.array([1, 2, 3, 0, 1, 1], np.float32)
    expected = compiled(params, x, y, weights=weights)
    for size in (1e38, 1e-36, 2.0**70):
        assert worst_error(compiled(params, x, y, weights=size * weights), expected) <= 1e-6


@pytest.mark.parametrize("gradients", [fn.backprop, fn.autodiff])
def test_weights_that_cannot_be_are_refused_or_seen(gradients):
    network, params, x, y = problem([3, 4, 2], fn.tanh, fn.quadratic, 6, jnp.float32)
    compiled = jax.jit(gradients(network, fn.quadratic))
    for wrong, got in ((-1.0, "-1"), (np.nan, "nan"), (np.inf, "inf"), (1e39, r"1e\+39")):
        weights = np.array([1, 1, 1, 1, 1, wrong])
        with pytest.raises(ValueError, match=rf"weights to be at least 0 and finite in float32, got {got} at index 5"):
            gradients(network, fn.quadratic)(params, x, y, weights=weights)
        if wrong != 1e39:  # which JAX makes infinite before the program is called
            assert np.isnan(compiled(params, x, y, weights=jnp.asarray(weights, jnp.float32))[0])
    with pytest.raises(ValueError, match="the largest of the weights that float32 does not round to 0, got 1e-50"):
        gradients(network, fn.quadratic)(params, x, y, weights=[1e-50] * 6)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_share_of_a_sample_keeps_its_digits_in_float16(weighted):
    """1/n of 2,000,000 samples has 3 bits in float16. XLA's own sums over them are off by up to 1.6 %."""
    dtype = jnp.float16
    n = 2_000_000
    network, x = fn.mlp([1, 1]), np.resize([0.5, 0.25, 1.0, 0.75], (n, 1))
    params = (fn.DenseParams(jnp.ones((1, 1), dtype), jnp.zeros(1, dtype)),)
    weights = np.resize(np.float32([1, 1, 1, 0]), n) if weighted else None
    error, share = x + 1.0, np.ones((n, 1)) / n if weights is None else weights[:, None] / weights.sum()
    expected = [(share * error * x).sum(), (share * error).sum()]  # of ½(x + 1)²
    x, y = jnp.asarray(x, dtype), jnp.full((n, 1), -1, dtype)
    for gradients in (fn.backprop, fn.autodiff):
        found = jax.jit(gradients(network, fn.quadratic))(params, x, y, weights=weights)[1]
        np.testing.assert_allclose([np.float64(leaf).item() for leaf in found[0]], expected, rtol=0.02)


class Loose(fn.Loss):
    """A loss that checks nothing."""

    value_of: str = "sum"
    gradient_of: str = "right"

    def value(self, output, target):
        values = jnp.sum((output - target) ** 2, axis=-1)
        return {"sum": values, "one": values[:1], "total": jnp.sum(values), "kept": values[:, None]}[self.value_of]

    def gradient(self, output, target):
        right = 2 * (output - target)
        return {"right": right, "mean": jnp.mean(right), "dtype": right.astype(jnp.bfloat16)}[self.gradient_of]


@pytest.mark.parametrize(
    ("loss", "change", "words"),
    [
        (Loose(), lambda y: y[:, :1], r"target of the output's shape \(6, 2\), got \(6, 1\)"),
        (Loose(), lambda y: y[:1], r"target of the output's shape \(6, 2\), got \(1, 2\)"),
        (Loose("one"), lambda y: y, r"one value per sample: shape \(6,\), got \(1,\)"),
        (Loose("total"), lambda y: y, r"one value per sample: shape \(batch,\).*, got \(\)"),
        (Loose("kept"), lambda y: y, r"one value per sample: shape \(batch,\).*, got \(6, 1\)"),
        (Loose("sum", "mean"), lambda y: y, r"gradient of shape \(6, 2\), got \(\)"),
        (Loose("sum", "dtype"), lambda y: y, "gradient of dtype float32, got bfloat16"),
    ],
)
def test_a_loss_that_broadcasts_is_named(loss, change, words):
    network, params, x, y = problem([3, 4, 2], fn.tanh, fn.quadratic, 6, jnp.float32)
    with pytest.raises((fn.ShapeError, fn.DtypeError), match=rf"^Loose\(.*\): expected {words}"):
        jax.eval_shape(fn.backprop(network, loss), params, x, change(y))


class Gain(fn.Layer):
    """A layer y = g ⊙ x whose backward may be wrong."""

    wrong: str

    def init(self, key, input_shape, *, dtype=jnp.float32):
        return {"gain": jnp.ones(input_shape, dtype)}, input_shape

    def forward(self, params, x):
        return x * params["gain"][None, :], x

    def backward(self, params, cache, dy):
        gradient, dx = jnp.sum(dy * cache, axis=0), dy * params["gain"][None, :]
        return {
            "scalar": ({"gain": jnp.sum(gradient)}, dx),
            "dtype": ({"gain": gradient.astype(jnp.bfloat16)}, dx),
            "structure": ((gradient,), dx),
            "dx": ({"gain": gradient}, dx[:, :1]),
            "dx's dtype": ({"gain": gradient}, dx.astype(jnp.bfloat16)),
        }[self.wrong]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("scalar", r"Gain\('scalar'\) \(layer 2\): expected gradients\['gain'\] of shape \(4,\), got \(\)"),
        (
            "dtype",
            r"Gain\('dtype'\) \(layer 2\): expected gradients\['gain'\] of dtype float32, got bfloat16",
        ),
        ("structure", r"Gain\('structure'\): expected gradients of the structure"),
        ("dx", r"tanh \(layer 1\): expected dy of shape \(6, 4\), got \(6, 1\)"),
        ("dx's dtype", r"tanh \(layer 1\): expected dy of dtype float32, got bfloat16"),
    ],
)
def test_a_backward_that_broadcasts_is_named(wrong, words):
    network = fn.Sequential(fn.Dense(4), fn.tanh, Gain(wrong), fn.Dense(2))
    params, _ = network.init(jax.random.key(0), (3,))
    with pytest.raises((ValueError, TypeError), match=f"^{words}"):
        jax.eval_shape(fn.backprop(network, fn.quadratic), params, np.ones((6, 3), "f"), np.ones((6, 2), "f"))


@pytest.mark.parametrize(
    "layer", [fn.tanh, fn.softmax, fn.PReLU(), fn.Dense(4), fn.LayerNorm(), fn.Dropout(0.5)], ids=repr
)
def test_every_layer_refuses_a_dy_that_would_broadcast(layer):
    params, _ = layer.init(jax.random.key(0), (4,))
    _, cache = layer.call(params, jnp.ones((6, 4)), key=jax.random.key(1))
    for shape in ((6, 1), (), (1, 4)):
        with pytest.raises(fn.ShapeError, match=r"expected dy of shape \(6, 4\), got"):
            layer.backward(params, cache, jnp.ones(shape))


class Shrinking(fn.Penalty):
    strength: float
    wrong: str

    def value(self, params):
        return jnp.ones(2 if self.wrong == "value" else ())

    def gradient(self, params):
        return jax.tree.map(jnp.sum, params)


def test_a_penalty_that_broadcasts_is_named():
    network, params, x, y = problem([3, 4, 2], fn.tanh, fn.quadratic, 6, jnp.float32)
    for wrong, words in (
        ("value", r"a value of shape \(\), got \(2,\)"),
        ("gradient", r"gradient.* of shape .*got \(\)"),
    ):
        with pytest.raises(fn.ShapeError, match=f"expected {words}"):
            fn.backprop(network, fn.quadratic)(params, x, y, penalty=Shrinking(1.0, wrong))
