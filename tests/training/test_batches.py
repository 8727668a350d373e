"""The order of an epoch is a permutation, and as random as the tests can tell."""

from functools import lru_cache, partial
from math import comb, factorial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcnet.training.batches import random_order, shuffled
from funcnet.training.one_kernel import on_one_cpu


@lru_cache(maxsize=3)  # the most expensive are asked for several times, by one test after the other
def orders(count, runs, seed=0):
    """Return the orders of that many keys: (runs, count)."""
    keys = jax.random.split(jax.random.key(seed), runs)
    return np.asarray(jax.jit(jax.vmap(partial(random_order, count=count)))(keys))


def excess(counts):
    """Return by how many standard deviations the χ² of counts is above that of equally likely cells."""
    expected = counts.sum() / counts.size
    chi_square = ((counts - expected) ** 2 / expected).sum()
    return (chi_square - (counts.size - 1)) / np.sqrt(2 * (counts.size - 1))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 9, 100, 1797, 4096, 4097, 60_000])
def test_each_sample_is_met_once(count):
    for order in orders(count, 3):
        np.testing.assert_array_equal(np.sort(order), np.arange(count))
    assert random_order(jax.random.key(0), count).dtype == jnp.int32


def number_of(orders):
    """Return the number of each order (runs, n) of n!: in the factorial system, Σᵢ #{j > i: oⱼ < oᵢ} (n − 1 − i)!."""
    count = orders.shape[1]
    digits = [(orders[:, i + 1 :] < orders[:, i : i + 1]).sum(axis=1) for i in range(count)]
    return sum(digit * factorial(count - 1 - i) for i, digit in enumerate(digits))


@pytest.mark.parametrize(("count", "runs"), [(2, 5000), (3, 5000), (4, 5000), (5, 24_000), (6, 100_000), (8, 200_000)])
def test_every_order_of_a_few_is_equally_likely(count, runs):
    counts = np.bincount(number_of(orders(count, runs)), minlength=factorial(count))
    assert counts.size == factorial(count)
    assert abs(excess(counts)) < 5
    assert counts.max() < runs / counts.size + 8 * np.sqrt(runs / counts.size)


@pytest.mark.parametrize(("count", "batch_size"), [(7, 3), (16, 4), (31, 3)])
def test_every_batch_of_a_few_is_equally_likely(count, batch_size):
    """Which samples are together in a batch, whichever batch it is."""
    drawn = orders(count, 100_000, seed=3)
    for start in (0, count - batch_size):
        together = np.sort(drawn[:, start : start + batch_size], axis=1)
        number = sum(comb_below(together[:, i], i + 1) for i in range(batch_size))
        assert abs(excess(np.bincount(number, minlength=comb(count, batch_size)))) < 5


def comb_below(values, size):
    """Return the binomials of values over a size: those of increasing values number every choice once."""
    return np.array([comb(value, size) for value in range(values.max() + 1)])[values]


@pytest.mark.parametrize("count", [7, 16, 31])
def test_a_few_places_tell_nothing_of_each_other(count):
    drawn = orders(count, 100_000, seed=3)
    for first, second in ((0, 1), (2, count - 1), (count // 2, count - 2)):
        pairs = np.bincount(drawn[:, first] * count + drawn[:, second], minlength=count**2)
        assert abs(excess(pairs[np.arange(count**2) % (count + 1) != 0])) < 5


@pytest.mark.parametrize(("count", "runs"), [(24, 40_000), (64, 40_000), (33, 100_000)])
def test_where_a_sample_comes_tells_nothing(count, runs):
    drawn = orders(count, runs, seed=1)
    for place in (0, 1, count // 2, count - 1):
        assert excess(np.bincount(drawn[:, place], minlength=count)) < 5


@pytest.mark.parametrize(("first", "second"), [(0, 1), (0, 16), (3, 17), (30, 32)])
def test_two_places_tell_nothing_of_each_other(first, second):
    count = 33
    drawn = orders(count, 100_000, seed=1)
    pairs = np.bincount(drawn[:, first] * count + drawn[:, second], minlength=count**2)
    assert excess(pairs[np.arange(count**2) % (count + 1) != 0]) < 5  # all but equal ones


@pytest.mark.parametrize("count", [1000, 1024, 60_000])
def test_neighbours_and_halves_are_as_a_sort_of_random_numbers_has_them(count):
    drawn = orders(count, 60, seed=2).astype(np.int64)
    distances = np.diff(drawn, axis=1) % count
    assert excess(np.bincount(distances.ravel() * 50 // count, minlength=50)) < 5
    # The mean of the samples in the first half: (n − 1)/2, with variance (n + 1)/12.
    means = drawn[:, : count // 2].mean(axis=1)
    standard = (means - (count - 1) / 2) / np.sqrt((count + 1) / 12)
    assert 0.6 < standard.std() < 1.4
    assert abs(standard.mean()) < 0.5
    ascents = (np.diff(drawn, axis=1) > 0).sum(axis=1)  # (n − 1)/2 with variance (n + 1)/12
    assert 0.6 < ((ascents - (count - 1) / 2) / np.sqrt((count + 1) / 12)).std() < 1.4


def test_another_key_is_another_order():
    one, other = orders(60_000, 2)
    assert (one == other).mean() < 0.001
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.02


@pytest.mark.parametrize(("dtype", "width"), [(np.uint8, 300), (np.float32, 3), (np.float32, 80)])
def test_a_batch_is_the_rows_of_the_order(dtype, width):
    """Bytes are copied, short rows of floats gathered, and long ones copied row by row: the values are the same."""
    array = np.random.default_rng(0).integers(0, 255, (11, width)).astype(dtype)
    order = np.random.default_rng(1).permutation(11).astype(np.int32)

    def batch(array, order, start):
        return shuffled(array, order, 4)(start)

    program = jax.jit(batch).trace(array, order, jnp.int32(5))
    assert ("scan" in str(program.jaxpr)) == (on_one_cpu() and dtype == np.float32 and width == 80)
    np.testing.assert_array_equal(program.lower().compile()(array, order, jnp.int32(5)), array[order[5:9]])


def test_on_other_devices_rows_are_gathered(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    program = jax.make_jaxpr(lambda array, order: shuffled(array, order, 4)(2))(np.ones((11, 80)), np.arange(11))
    assert "scan" not in str(program)
