from functools import partial
from itertools import pairwise

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import funcnet as fn
from funcnet import neurons

CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], np.float32)
XOR = np.array([-1, 1, 1, -1])


@pytest.fixture(scope="module")
def many():
    """300 separable sets of 40 samples of 3 inputs, of margins from 0.03 to 1, learned in one program."""

    @jax.jit
    @jax.vmap
    def run(key, margin):
        data_key, key = jax.random.split(key)
        x, labels, teacher = neurons.separable_samples(data_key, 40, 3, margin=margin)
        result = neurons.train_perceptron(x, labels, key=key, steps=100_000)
        return x, labels, teacher, result, neurons.novikoff_bound(teacher, x, labels)

    return run(jax.random.split(jax.random.key(0), 300), jnp.geomspace(0.03, 1.0, 300))


def test_learning_separates_every_separable_set_within_novikoffs_bound(many):
    x, labels, teacher, result, bound = jax.tree.map(partial(np.asarray, dtype=np.float64), many)
    assert result.separated.all()
    assert set(many[3].reason) == {"separated"}
    for i in range(300):
        hat_x = np.column_stack([x[i], np.ones(40)])  # the bias counts as the weight of an extra input 1
        hat_w = np.append(teacher.weight[i, 0], teacher.bias[i])
        gamma = min(y * hat_w @ row for y, row in zip(labels[i], hat_x, strict=True)) / np.sqrt(hat_w @ hat_w)
        expected = max(row @ row for row in hat_x) / gamma**2
        np.testing.assert_allclose(bound[i], expected, rtol=1e-4)
        assert result.mistakes[i] <= expected
        learned = x[i] @ result.params.weight[i, 0] + result.params.bias[i]
        assert (labels[i] * learned > 0).all()
    assert result.mistakes.max() > 50  # the task is not trivial


def test_the_bound_can_be_met():
    """One sample causes one mistake, and R = γ for a w in its direction."""
    x, labels = jnp.array([[2.0]]), jnp.array([-1])
    result = neurons.train_perceptron(x, labels, key=jax.random.key(0))
    assert (int(result.mistakes), result.params) == (1, fn.DenseParams(jnp.array([[-2.0]]), jnp.array([-1.0])))
    np.testing.assert_allclose(neurons.novikoff_bound(result.params, x, labels), 1, rtol=1e-6)


def test_each_correction_is_the_rule_on_a_sample_that_was_wrong(many):
    """Stopped after 0, 1, 2, … corrections, the run follows w ← w + ηyx, b ← b + ηy, each for a real mistake."""
    hardest = int(jnp.argmax(many[3].mistakes))
    x, labels = many[0][hardest], many[1][hardest]
    run = partial(neurons.train_perceptron, x, labels, key=jax.random.key(2), learning_rate=0.5)
    mistakes = int(run().mistakes)
    assert mistakes > 10
    cut = jax.vmap(lambda steps: run(steps=steps))(jnp.arange(mistakes + 1))
    assert cut.mistakes.tolist() == list(range(mistakes + 1))
    assert cut.separated.tolist() == [False] * mistakes + [True]
    hat_x, y = np.column_stack([x, np.ones(40)]).astype(np.float64), np.asarray(labels)
    path = np.column_stack([cut.params.weight[:, 0], cut.params.bias])
    assert not path[0].any()
    for before, after in pairwise(path):
        wrong = y * (hat_x @ before) <= 1e-6
        fits = np.abs(before + 0.5 * y[:, None] * hat_x - after).max(axis=1) < 1e-5
        assert (wrong & fits).any()


def test_each_draw_is_even_among_the_mistakes_whatever_was_drawn_before():
    """Orthogonal samples: after 0 only those of the other class are wrong, 2 and 3, and after 0 and 2 only 1 and 3."""
    x, labels = jnp.eye(4), jnp.array([1, 1, -1, -1])

    @jax.jit
    @partial(jax.vmap, in_axes=(0, None))
    @partial(jax.vmap, in_axes=(None, 0))
    def weights(key, steps):
        return neurons.train_perceptron(x, labels, key=key, steps=steps).params.weight[0]

    path = weights(jax.random.split(jax.random.key(0), 4000), jnp.arange(4))
    drawn = np.abs(np.diff(path, axis=1)).argmax(axis=2)  # (runs, 3)
    for before, among in (((), (0, 1, 2, 3)), ((0,), (2, 3)), ((0, 2), (1, 3))):
        chosen = drawn[(drawn[:, : len(before)] == before).all(axis=1), len(before)]
        assert set(chosen) == set(among)
        share = 1 / len(among)
        tolerance = 5 * np.sqrt(len(chosen) * share * (1 - share))
        np.testing.assert_allclose(np.bincount(chosen)[list(among)], len(chosen) * share, atol=tolerance)


def test_xor_is_reported_as_not_separated_however_many_steps():
    for steps in (0, 7, 20_000):
        result = neurons.train_perceptron(CORNERS, XOR, key=jax.random.key(0), steps=steps)
        assert (int(result.mistakes), bool(result.separated)) == (steps, False)
        assert result.reason == f"not separated within {steps} steps"
    assert neurons.novikoff_bound(result.params, CORNERS, XOR) == jnp.inf


def test_every_other_gate_of_two_bits_is_learned():
    tables = np.array([[int(n) for n in f"{n:04b}"] for n in range(16)]) * 2 - 1
    run = jax.jit(jax.vmap(lambda labels: neurons.train_perceptron(CORNERS, labels, key=jax.random.key(0), steps=500)))
    result = run(jnp.asarray(tables, jnp.float32))
    for table, separated, reason in zip(tables, result.separated, result.reason, strict=True):
        is_xor = abs(table @ XOR) == 4
        assert separated == (not is_xor)
        assert reason == ("not separated within 500 steps" if is_xor else "separated")
    outputs = jax.vmap(lambda params: neurons.perceptron(params, jnp.asarray(CORNERS))[:, 0])(result.params)
    learned = np.asarray(result.separated)
    np.testing.assert_array_equal(2 * outputs[learned] - 1, tables[learned])


def test_a_small_multilayer_network_does_solve_xor():
    network = fn.mlp([2, 4, 1], hidden=fn.tanh)
    targets = (XOR[:, None] > 0).astype(np.float32)
    result = fn.fit(network, fn.sigmoid_cross_entropy, fn.adam(0.05), (CORNERS, targets), key=jax.random.key(0),
                    epochs=300, batch_size=None, progress=False)  # fmt: skip
    np.testing.assert_array_equal(fn.predict(network, result.params, CORNERS) > 0, targets > 0)


@settings(max_examples=20)
@given(exponent=st.integers(-10, 10), seed=st.integers(0, 2**32 - 1))
def test_the_learning_rate_scales_the_parameters_and_changes_no_output(exponent, seed):
    x, labels, _ = neurons.separable_samples(jax.random.key(3), 20, 2, margin=0.1)
    one = neurons.train_perceptron(x, labels, key=jax.random.key(seed), learning_rate=1.0)
    other = neurons.train_perceptron(x, labels, key=jax.random.key(seed), learning_rate=2.0**exponent)
    assert other.mistakes == one.mistakes
    chex.assert_trees_all_equal(other.params, jax.tree.map(lambda leaf: leaf * 2.0**exponent, one.params))


def test_other_steps_and_rates_compile_nothing():
    learning = jax.jit(chex.assert_max_traces(neurons.train_perceptron, 1))
    for steps, rate in ((3, 1.0), (4, 0.5)):
        learning(CORNERS, XOR.astype(np.float32), key=jax.random.key(0), learning_rate=rate, steps=steps)


def test_dtypes_are_kept(x64):
    def run(key, dtype):
        x, labels, teacher = neurons.separable_samples(key, 20, 2, dtype=dtype)
        result = neurons.train_perceptron(x, labels.astype(jnp.int8), key=key)
        floating = x, labels, teacher, result.params, neurons.novikoff_bound(teacher, x, labels)
        return floating, (result.mistakes, result.steps), result.separated

    for dtype in ("bfloat16", "float16", "float32", "float64"):
        floating, counts, separated = jax.eval_shape(partial(run, dtype=dtype), jax.random.key(0))
        chex.assert_type(jax.tree.leaves(floating), jnp.dtype(dtype))
        chex.assert_type([*counts, separated], [jnp.int32, jnp.int32, bool])


def test_half_precision_learns_too():
    x, labels = jnp.asarray(CORNERS, jnp.bfloat16), jnp.array([-1, 1, 1, 1], jnp.int8)
    result = neurons.train_perceptron(x, labels, key=jax.random.key(0))
    np.testing.assert_array_equal(neurons.perceptron(result.params, x)[:, 0] > 0, labels > 0)


def test_what_overflows_is_no_success():
    x = jnp.array([[1e30], [-1e30]])
    result = neurons.train_perceptron(x, jnp.array([1, 1]), key=jax.random.key(0), learning_rate=1e30, steps=50)
    assert result.reason == "not separated within 50 steps"


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), margin=st.floats(0, 3))
def test_separable_samples_keep_their_margin(seed, margin):
    x, labels, params = neurons.separable_samples(jax.random.key(seed), 50, 2, margin=margin)
    distance = np.asarray(labels) * (np.asarray(x, np.float64) @ np.asarray(params.weight[0]) + float(params.bias[0]))
    assert distance.min() >= margin - 1e-5
    np.testing.assert_allclose(jnp.linalg.norm(params.weight), 1, rtol=1e-6)
    assert set(np.asarray(labels)) <= {-1.0, 1.0}


def test_what_are_no_samples_is_named():
    learn = partial(neurons.train_perceptron, key=jax.random.key(0))
    with pytest.raises(ValueError, match=r"^train_perceptron: expected labels to be -1 or \+1, got 0 at index 1"):
        learn(CORNERS, np.array([1, 0, 1, 1]))
    with pytest.raises(fn.ShapeError, match=r"expected labels of shape \(4,\), one per row of x, got \(4, 1\)"):
        learn(CORNERS, XOR[:, None])
    with pytest.raises(fn.DtypeError, match=r"expected labels of a floating or signed integer dtype, got bool"):
        learn(CORNERS, XOR > 0)
    with pytest.raises(fn.DtypeError, match=r"expected x of a floating dtype, got int64"):
        learn(CORNERS.astype(int), XOR)
    with pytest.raises(fn.ShapeError, match=r"expected x of shape \(n, inputs\), both at least 1, got \(4,\)"):
        learn(CORNERS[:, 0], XOR)
    with pytest.raises(fn.ShapeError, match=r"both at least 1, got \(0, 2\)"):
        learn(CORNERS[:0], XOR[:0])
    with pytest.raises(ValueError, match=r"expected x to be finite, got (nan|inf) at index \(0, 0\)"):
        learn(np.array([[np.nan], [1.0]], np.float32), [1, 1])
    with pytest.raises(fn.ShapeError, match=r"^novikoff_bound: expected weight of shape \(1, 2\), got \(3, 2\)"):
        neurons.novikoff_bound(fn.DenseParams(jnp.ones((3, 2)), jnp.ones(3)), CORNERS, XOR)


def test_wrong_settings_are_named():
    learn = partial(neurons.train_perceptron, CORNERS, XOR)
    for rate in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"expected learning_rate to be finite and above 0, got"):
            learn(key=jax.random.key(0), learning_rate=rate)
    with pytest.raises(ValueError, match=r"expected steps to be an integer of at least 0, got -1"):
        learn(key=jax.random.key(0), steps=-1)
    with pytest.raises(TypeError, match=r"expected steps to be an integer of at least 0, got inf"):
        learn(key=jax.random.key(0), steps=float("inf"))
    with pytest.raises(TypeError, match=r"^train_perceptron: expected key made by jax\.random\.key\(seed\), got 0"):
        learn(key=0)
    samples = neurons.separable_samples
    with pytest.raises(ValueError, match=r"^separable_samples: expected margin to be finite and at least 0, got -0.1"):
        samples(jax.random.key(0), 5, 2, margin=-0.1)
    with pytest.raises(ValueError, match=r"^separable_samples: expected n to be an integer of at least 1, got 0"):
        samples(jax.random.key(0), 0, 2)
    with pytest.raises(ValueError, match=r"^separable_samples: expected inputs to be an integer of at least 1, got 0"):
        samples(jax.random.key(0), 5, 0)
    with pytest.raises(TypeError, match=r"^separable_samples: expected key made by jax\.random\.key\(seed\), got 0"):
        samples(0, 5, 2)


def test_a_label_that_a_narrower_dtype_would_wrap_is_refused():
    with pytest.raises(ValueError, match=r"labels to be -1 or \+1, got 4294967297 at index 0"):
        fn.neurons.train_perceptron(np.array([[1.0]], np.float32), np.array([2**32 + 1]), key=jax.random.key(0))
