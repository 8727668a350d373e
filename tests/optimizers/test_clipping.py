import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funcnet import optimizers


def clip(optimizer, gradients):
    clipped, state = optimizer.update(gradients, optimizer.init(gradients))
    chex.assert_trees_all_equal_shapes_and_dtypes(clipped, gradients)
    chex.assert_trees_all_equal(state, optimizer.init(gradients))
    return clipped


def norm(tree):
    return np.sqrt(sum(np.square(np.asarray(leaf, np.float64)).sum() for leaf in jax.tree.leaves(tree)))


@jax.jit
def clip_compiled(gradients, max_norm):
    optimizer = optimizers.clip_by_global_norm(max_norm)
    return optimizer.update(gradients, optimizer.init(gradients))[0]


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32 - 1), scale=st.integers(-30, 30), max_norm=st.floats(1e-6, 1e6))
def test_the_norm_is_at_most_the_threshold_and_the_direction_stays(seed, scale, max_norm):
    rng = np.random.default_rng(seed)
    with jax.enable_x64(True):
        gradients = {"w": jnp.asarray(rng.normal(size=(3, 2)) * 10.0**scale), "b": jnp.asarray(rng.normal(size=4))}
        clipped = clip_compiled(gradients, jnp.asarray(max_norm))
        before, after = norm(gradients), norm(clipped)
        np.testing.assert_allclose(after, min(before, max_norm), rtol=1e-14)
        for g, c in zip(jax.tree.leaves(gradients), jax.tree.leaves(clipped), strict=True):
            if before <= max_norm:
                np.testing.assert_array_equal(c, g)
            else:
                np.testing.assert_allclose(c, np.asarray(g) * (max_norm / before), rtol=1e-14)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
@pytest.mark.parametrize("size", [1e-35, 1e-20, 1e20, 3e38])
def test_no_finite_gradient_overflows_or_vanishes(dtype, size):
    gradients = {"w": jnp.full((100, 100), size, dtype), "b": -jnp.full(5, size, dtype)}
    for max_norm in (1e-10, 1.0, 1e10, size):
        clipped = clip_compiled(gradients, jnp.float32(max_norm))
        expected = min(norm(gradients), max_norm)
        np.testing.assert_allclose(norm(clipped), expected, rtol=1e-2 if dtype == jnp.bfloat16 else 1e-5)


def test_the_norm_is_computed_in_float32_at_least():
    gradients = jnp.full(100_000, 1.0, jnp.bfloat16)  # a bfloat16 sum of ones stops at 256
    clipped = clip(optimizers.clip_by_global_norm(1.0), gradients)
    np.testing.assert_allclose(norm(clipped), 1.0, rtol=1e-2)


def test_leaves_of_several_dtypes_share_one_norm(x64):
    gradients = (jnp.full(2, 3.0, jnp.bfloat16), jnp.full(2, 4.0, jnp.float32), jnp.full(2, 12.0, jnp.float64))
    clipped = clip(optimizers.clip_by_global_norm(13 * np.sqrt(2) / 2), gradients)
    for c, expected in zip(clipped, (1.5, 2.0, 6.0), strict=True):
        np.testing.assert_allclose(np.asarray(c, np.float64), expected, rtol=1e-6)
    wide = (jnp.full(2, 1e300), jnp.ones(2, jnp.float32))  # beyond float32
    state = optimizers.clip_by_global_norm(1.0).init((jnp.ones(2, jnp.float32), jnp.ones(2, jnp.float32)))
    np.testing.assert_allclose(norm(optimizers.clip_by_global_norm(1.0).update(wide, state)[0]), 1.0, rtol=1e-6)


@pytest.mark.parametrize("gradients", [(), jnp.zeros(3), (jnp.zeros((0, 2)), jnp.zeros(2)), jnp.array(-0.0)])
def test_zero_gradients_stay_zero(gradients):
    with jax.debug_nans(True):
        clipped = clip(optimizers.clip_by_global_norm(1.0), gradients)
    chex.assert_trees_all_equal(clipped, gradients)


@pytest.mark.parametrize("wrong", [jnp.nan, jnp.inf, -jnp.inf])
def test_what_is_not_finite_stays_visible_where_it_is(wrong):
    gradients = {"w": jnp.array([1.0, wrong]), "b": jnp.array([2.0, 3e38])}
    chex.assert_trees_all_equal(clip(optimizers.clip_by_global_norm(1.0), gradients), gradients)
    clipped = clip(optimizers.clip_by_value(1.0), gradients)
    np.testing.assert_array_equal(clipped["w"], [1.0, np.clip(float(wrong), -1, 1)])


def test_an_infinite_threshold_clips_nothing():
    gradients = jnp.array([3e38, 1.0])
    np.testing.assert_array_equal(clip(optimizers.clip_by_global_norm(float("inf")), gradients), gradients)
    np.testing.assert_array_equal(clip(optimizers.clip_by_value(float("inf")), gradients), gradients)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32, jnp.float64])
def test_clipping_by_value_brings_every_entry_within_the_limit(dtype, x64):
    gradients = {"w": jnp.linspace(-3, 3, 13, dtype=dtype), "b": jnp.array([0.25, -0.75], dtype)}
    clipped = clip(optimizers.clip_by_value(0.5), gradients)
    expected = jax.tree.map(lambda g: np.clip(np.asarray(g, np.float64), -0.5, 0.5), gradients)
    chex.assert_trees_all_equal(jax.tree.map(lambda c: np.asarray(c, np.float64), clipped), expected)


def test_funcnet_and_optax_clip_alike(x64, standard_promotion):
    gradients = {"w": jnp.linspace(-3, 3, 6).reshape(2, 3), "b": jnp.ones(2)}
    for limit in (1.0, 100.0):
        for ours, theirs in (
            (optimizers.clip_by_global_norm(limit), optax.clip_by_global_norm(limit)),
            (optimizers.clip_by_value(limit), optax.clip(limit)),
        ):
            chex.assert_trees_all_close(clip(ours, gradients), clip(theirs, gradients), rtol=1e-14)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: optimizers.clip_by_global_norm(0.0),
            ValueError,
            r"clip_by_global_norm: expected max_norm above 0, got 0\.0",
        ),
        (
            lambda: optimizers.clip_by_global_norm(float("nan")),
            ValueError,
            "clip_by_global_norm: expected max_norm above 0, got nan",
        ),
        (lambda: optimizers.clip_by_value(-1.0), ValueError, r"clip_by_value: expected limit above 0, got -1\.0"),
        (
            lambda: optimizers.clip_by_value("1"),
            TypeError,
            "clip_by_value: expected limit to be a real number, got '1'",
        ),
    ],
)
def test_wrong_limits_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
