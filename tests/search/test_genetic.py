import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from tests.search import problems

step = jax.jit(fn.genetic().step, static_argnames="cost")


def total(x):
    return jnp.sum(x)


def population(state):
    return np.asarray(state.current.params), np.asarray(state.current.cost)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_ranks_are_those_of_the_best_of_so_many_drawn(size):
    """Against tournaments held one by one, and against P(rank ≥ r) = (1 − r/n)^k."""
    n, count = 12, 40000
    ranks = np.asarray(fn.search.tournament_ranks(jax.random.key(size), jnp.float32(size), n, (count,)))
    held = np.random.default_rng(size).integers(0, n, (count, size)).min(axis=1)
    assert ranks.min() == 0
    assert ranks.max() < n
    shares, of_held = (np.bincount(each, minlength=n) / count for each in (ranks, held))
    exact = -np.diff((1 - np.arange(n + 1) / n) ** size)
    np.testing.assert_allclose(shares, exact, atol=0.012)
    np.testing.assert_allclose(of_held, exact, atol=0.012)


def test_a_larger_tournament_presses_harder():
    means = [
        float(fn.search.tournament_ranks(jax.random.key(0), jnp.float32(size), 50, (5000,)).mean())
        for size in (1, 2, 3.5, 10, 1000)
    ]
    assert means == sorted(means, reverse=True)
    assert means[0] == pytest.approx(24.5, abs=0.8)
    assert means[-1] < 0.5


def test_children_are_of_better_parents_than_chance_would_choose():
    """Without crossover and mutation the next generation's costs are those of the winners."""
    for size, share in ((1, 0.5), (2, 0.25), (4, 0.0625)):  # of parents from the worse half: (1/2)^k
        method = fn.genetic(4000, tournament=size, crossover_rate=0.0, mutation_rate=0.0, elite=0)
        state = method.init(total, lambda key: jax.random.uniform(key), jax.random.key(0))
        median = np.median(state.current.cost)
        after = np.asarray(step(total, state).current.cost)
        np.testing.assert_allclose((after > median).mean(), share, atol=0.035)
        assert set(after) <= set(np.asarray(state.current.cost))


@pytest.mark.parametrize("elite", [0, 2])
def test_the_elite_is_never_lost_and_shapes_stay(elite):
    """With mutations so large that children are rarely good, the best ``elite`` parents stay unchanged."""
    method = fn.genetic(10, scale=100.0, mutation_rate=1.0, elite=elite)
    state = method.init(problems.cost, problems.start, jax.random.key(0))
    shapes = jax.tree.map(jnp.shape, state)
    assert state.current.params.weight.shape == (10, 2, 3)
    assert state.current.params.others["a"].shape == (10,)
    lost = 0
    for _ in range(8):
        before = np.sort(np.asarray(state.current.cost))
        best_before = state.best.cost
        state = step(problems.cost, state)
        after = np.asarray(state.current.cost)
        assert set(before[:elite]) <= set(after)
        assert state.best.cost <= best_before
        lost += after.min() > before[0]
    assert (lost > 0) == (elite == 0)
    assert jax.tree.map(jnp.shape, state) == shapes
    np.testing.assert_allclose(jax.vmap(problems.cost)(state.current.params), state.current.cost, rtol=1e-5)


def test_crossover_takes_each_gene_from_one_of_two_parents():
    """Each parent is all 0 or all 1: a crossed child mixes both, any other child is a copy."""

    def start(key):
        return jnp.full(40, jax.random.bernoulli(key).astype(jnp.float32))

    for rate in (0.0, 0.6, 1.0):
        method = fn.genetic(3000, tournament=1, crossover_rate=rate, mutation_rate=0.0, elite=0)
        state = method.init(total, start, jax.random.key(0))
        genes, _ = population(step(total, state))
        assert set(np.unique(genes)) == {0.0, 1.0}
        mixed = (genes.min(axis=1) != genes.max(axis=1)).mean()
        np.testing.assert_allclose(mixed, rate / 2, atol=0.04)  # half of the pairs are of one kind
        if rate:
            ones = genes[genes.min(axis=1) != genes.max(axis=1)].mean()
            np.testing.assert_allclose(ones, 0.5, atol=0.01)


def test_mutation_is_gaussian_on_a_share_of_genes():
    for rate in (0.0, 0.2, 1.0):
        method = fn.genetic(200, mutation_rate=rate, scale=0.5, scale_decay=0.5, elite=0)
        state = method.init(total, lambda _: jnp.zeros(100), jax.random.key(0))
        state = step(total, state)
        genes, _ = population(state)
        np.testing.assert_allclose((genes != 0).mean(), rate, atol=0.02)
        if rate:
            mutated = genes[genes != 0]
            np.testing.assert_allclose([mutated.mean(), mutated.std()], [0, 0.5], atol=0.02)
        assert state.scale == 0.25


def test_the_population_starts_as_many_draws_of_start():
    state = fn.genetic(30).init(problems.valleys, problems.near_one, jax.random.key(0))
    genes, costs = population(state)
    assert len(np.unique(genes)) == 30
    np.testing.assert_allclose(costs, problems.valleys(genes), rtol=1e-5, atol=1e-6)
    assert state.best.cost == costs.min()
    assert state.best.params == genes[costs.argmin()]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"population": 0}, "population to be an integer of at least 1, got 0"),
        ({"tournament": 0.5}, "tournament to be finite and at least 1, got 0.5"),
        ({"crossover_rate": -0.1}, r"crossover_rate in \[0, 1\], got -0.1"),
        ({"mutation_rate": 1.1}, r"mutation_rate in \[0, 1\], got 1.1"),
        ({"scale": -1.0}, "scale to be finite and above 0, got -1.0"),
        ({"elite": -1}, "elite to be an integer of at least 0, got -1"),
        ({"population": 5, "elite": 5}, "elite to be less than the population, 5, got 5"),
    ],
)
def test_wrong_settings_are_named(settings, expected):
    with pytest.raises(ValueError, match=f"^genetic: expected {expected}$"):
        fn.genetic(**settings)


def test_settings_of_wrong_types_are_named():
    with pytest.raises(TypeError, match=r"^genetic: expected population to be an integer of at least 1, got 5.0$"):
        fn.genetic(5.0)
    with pytest.raises(TypeError, match=r"^genetic: expected mutation_rate to be a real number, got 'often'$"):
        fn.genetic(mutation_rate="often")
