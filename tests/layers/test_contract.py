"""What every layer promises, asked of every layer in the registry."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import funcnet as fn
from tests import registry
from tests.agreement import worst_error

each_layer = pytest.mark.parametrize(("layer", "shape"), registry.LAYERS, ids=map(repr, registry.LAYERS))


def problem(layer, shape, dtype, seed=0, batch=4):
    """Return parameters, a batch, a gradient from above and a key of the forward pass, nothing at a special value."""
    random, key = np.random.default_rng(seed), jax.random.key(seed)

    def normal(like):
        return jnp.asarray(random.normal(size=like.shape), dtype)

    x = normal(np.empty((batch, *shape)))
    params = jax.tree.map(normal, jax.eval_shape(lambda key: layer.init(key, shape, dtype=dtype)[0], key))
    return params, x, normal(jax.eval_shape(layer.apply, params, x)), key


def forward_and_backward(layer, params, x, dy, key):
    y, cache = layer.call(params, x, key=key)
    return y, layer.backward(params, cache, dy)


def vector_jacobian_product(layer, params, x, dy, key):
    y, pull_back = jax.vjp(lambda params, x: layer.apply(params, x, key=key), params, x)
    return y, pull_back(dy)


by_hand = jax.jit(forward_and_backward, static_argnums=0)
automatic = jax.jit(vector_jacobian_product, static_argnums=0)


@each_layer
@pytest.mark.parametrize("trains", [True, False], ids=["training", "evaluation"])
def test_backward_is_the_vector_jacobian_product(layer, shape, trains, x64):
    params, x, dy, key = problem(layer, shape, jnp.float64)
    arguments = layer, params, x, dy, key if trains else None
    assert worst_error(by_hand(*arguments), automatic(*arguments)) <= 1e-14


@each_layer
def test_backward_is_the_numerical_derivative(layer, shape, x64):
    """Central differences of ⟨dy, y⟩ in every parameter and every input."""
    params, x, dy, key = problem(layer, shape, jnp.float64)
    point, unravel = ravel_pytree((params, x))
    step = 1e-5 * np.eye(len(point))
    inner = jax.jit(jax.vmap(lambda at: jnp.sum(dy * layer.apply(*unravel(at), key=key))))
    above, below = (np.asarray(inner(np.asarray(point) + moved)) for moved in (step, -step))
    numerical = (above - below) / 2e-5
    if isinstance(layer, fn.Frozen):  # whose gradient in the parameters is 0 by definition
        numerical[: ravel_pytree(params)[0].size] = 0
    assert worst_error(ravel_pytree(by_hand(layer, params, x, dy, key)[1])[0], numerical) <= 1e-9


@each_layer
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_shapes_and_dtypes_are_kept(layer, shape, dtype, x64):
    def initial(key):
        params, output_shape = layer.init(key, shape, dtype=dtype)
        return params, jnp.zeros((4, *output_shape), dtype)

    params, x, dy, key = (abstract(each, dtype) for each in problem(layer, shape, jnp.float64))
    y, gradients = jax.eval_shape(lambda *arguments: forward_and_backward(layer, *arguments), params, x, dy, key)
    assert (y, *gradients) == (dy, params, x)
    assert jax.eval_shape(initial, key) == (params, y)


def abstract(tree, dtype):
    """Return the shapes of a tree, its floating leaves in another dtype."""

    def of_leaf(leaf):
        return jax.ShapeDtypeStruct(leaf.shape, dtype if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf.dtype)

    return jax.tree.map(of_leaf, tree)


@each_layer
def test_less_precision_gives_the_same_but_for_rounding(layer, shape, x64):
    *exact, key = problem(layer, shape, jnp.float64)
    rounded = jax.tree.map(lambda leaf: leaf.astype(np.float32), jax.device_get(exact))
    assert worst_error(by_hand(layer, *rounded, key), by_hand(layer, *exact, key)) <= 2e-6


@each_layer
def test_compiled_or_not_it_is_the_same(layer, shape, x64):
    arguments = layer, *problem(layer, shape, jnp.float64)
    assert worst_error(by_hand(*arguments), forward_and_backward(*arguments)) <= 1e-14


@each_layer
def test_mapped_over_a_leading_axis_it_is_the_same(layer, shape, x64):
    problems = [problem(layer, shape, jnp.float64, seed) for seed in range(3)]
    mapped = jax.jit(jax.vmap(lambda *arguments: forward_and_backward(layer, *arguments)))
    *numbers, keys = zip(*problems, strict=True)
    stacked = (jax.tree.map(lambda *leaves: np.stack(leaves), *each) for each in numbers)
    together = jax.device_get(mapped(*stacked, jnp.stack(keys)))
    for index, arguments in enumerate(problems):
        one = jax.tree.map(lambda leaf, index=index: leaf[index], together)
        assert worst_error(one, by_hand(layer, *arguments)) <= 1e-14


@each_layer
def test_the_cache_may_leave_a_compiled_program(layer, shape, x64):
    params, x, dy, key = problem(layer, shape, jnp.float64)
    y, cache = jax.jit(lambda *arguments: layer.call(*arguments, key=key))(params, x)
    gradients = jax.jit(layer.backward)(params, cache, dy)
    assert worst_error((y, gradients), by_hand(layer, params, x, dy, key)) <= 1e-14


@each_layer
def test_a_layer_built_anew_compiles_nothing(layer, shape, x64):
    arguments = problem(layer, shape, jnp.float64)
    by_hand(layer, *arguments)
    compiled = by_hand._cache_size()
    for again in (layer, eval(repr(layer), vars(fn)), copy.deepcopy(layer)):
        by_hand(again, *arguments)
    assert by_hand._cache_size() == compiled


@each_layer
def test_a_batch_is_its_samples(layer, shape, x64):
    """In evaluation no sample sees another: outputs and ∂C/∂x are the samples' own, ∂C/∂params are their sums."""
    params, x, dy, _ = problem(layer, shape, jnp.float64)
    one = jax.vmap(lambda x, dy: forward_and_backward(layer, params, x[None], dy[None], None))
    y, (gradients, dx) = jax.device_get(jax.jit(one)(x, dy))
    expected = y[:, 0], (jax.tree.map(lambda leaf: leaf.sum(axis=0), gradients), dx[:, 0])
    assert worst_error(by_hand(layer, params, x, dy, None), expected) <= 1e-14
