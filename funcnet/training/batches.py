"""Batches inside a compiled program: the order of an epoch, the partial last batch, and exact means over all samples.

The last batch of n samples is as large as the others: its start is moved back so that it ends at the last sample, and
the samples that it shares with the batch before have weight 0. So no sample is dropped or counted twice, and nothing
is compiled twice.

The order is drawn without a sort, which no kernel of a small loop can hold. ``jax.random.permutation`` sorts random
numbers, twice for more than some hundred samples: on a CPU that was 9 % of an epoch of MNIST (784-512-10, batch 128)
and 18 % of one of 784-25-15-1 (batch 32); ``random_order`` takes at most 1 %.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ..checks import check_count, nan_unless
from .one_kernel import as_one_kernel, on_one_cpu

Totals = tuple[Any, Any]  # running sums, and their compensation terms

COUNT = "(weights)"  # the sum of the weights, beside the sums of named values
_LONG_ROW = 256  # bytes: from here on a gather of floats takes longer than copying row by row (64 to 784 floats, CPU)
_SMALL_BATCH = 2**17  # bytes: above, XLA's gather uses several processors and is faster
_ROUNDS = 8  # of mixing: our tests find no pattern with 6 or more
_MIXED = 32  # numbers, from which on they are mixed: fewer have too few maps, and are ranked


def random_order(key: jax.Array, count: int) -> jax.Array:
    """Return the numbers 0, 1, …, count − 1 in an order that the key chooses: int32 (count,).

    Fewer than 32 are the ranks of as many random 32-bit numbers, so that every order is equally likely, but for ties,
    which have a probability below 2·10⁻⁷. More numbers are mixed. Each round maps the numbers below 2ᵏ one to one:
    x ← (ax + c) mod 2ᵏ with a odd and random, as the congruential generators do, then x ← x ⊕ ⌊x/2ˢ⌋ with s = ⌈k/2⌉,
    which brings the better, upper bits down. A number that comes out at ``count`` or above is mixed again until it is
    below: that keeps the map one to one. Knuth, *The Art of Computer Programming*, volume 2, section 3.2.1; Marsaglia,
    "Xorshift RNGs" (2003); Black, Rogaway, "Ciphers with Arbitrary Finite Domains" (2002), method 2.

    >>> sorted(random_order(jax.random.key(0), 7).tolist())
    [0, 1, 2, 3, 4, 5, 6]
    """
    if count < _MIXED:
        return _ranks(jax.random.bits(key, (count,), jnp.uint32))
    bits = (count - 1).bit_length()
    below, half, end = (jnp.uint32(number) for number in (2**bits - 1, (bits + 1) // 2, count))
    factors, offsets = jax.random.bits(key, (2, _ROUNDS), jnp.uint32)

    def one_round(index: jax.Array, x: jax.Array) -> jax.Array:
        x = ((factors[index] | 1) * x + offsets[index]) & below
        return x ^ (x >> half)

    def mixed(x: jax.Array) -> jax.Array:
        return lax.fori_loop(0, _ROUNDS, one_round, x)

    x = mixed(jnp.arange(count, dtype=jnp.uint32))
    x = lax.while_loop(lambda x: jnp.any(x >= end), lambda x: jnp.where(x >= end, mixed(x), x), x)
    return x.astype(jnp.int32)


def _ranks(numbers: jax.Array) -> jax.Array:
    """Return how many numbers are below each, int32 (n,); of equal ones the first is the lower.

    >>> _ranks(jnp.array([7, 9, 3, 7]))
    Array([1, 3, 0, 2], dtype=int32)
    """
    each, other, index = numbers[:, None], numbers[None, :], jnp.arange(len(numbers), dtype=jnp.int32)
    is_below = (other < each) | ((other == each) & (index[None, :] < index[:, None]))
    return jnp.sum(is_below, axis=1, dtype=jnp.int32)


def effective_batch_size(where: str, batch_size: int | None, samples: int) -> int:
    """Return the batch size for that many samples: all of them for None, and never more than there are.

    >>> sizes = effective_batch_size("fit", 128, 1000), effective_batch_size("fit", None, 1000)
    >>> sizes, effective_batch_size("fit", 128, samples=100)
    ((128, 1000), 100)
    """
    if batch_size is None:
        return samples
    check_count(where, "batch_size", batch_size)
    return min(int(batch_size), samples)


def batch_window(index: jax.Array, samples: int, batch_size: int) -> tuple[jax.Array, jax.Array | None]:
    """Return where batch ``index`` starts, and its samples' weights (batch_size,), None where no batch is partial.

    A partial batch starts earlier, so that it is full; the samples that were in the batch before get weight 0.

    >>> batch_window(jnp.int32(2), samples=5, batch_size=2)
    (Array(3, dtype=int32), Array([0., 1.], dtype=float32))
    """
    if samples % batch_size == 0:
        return index * batch_size, None
    start = jnp.minimum(index * batch_size, samples - batch_size)
    position = start + jnp.arange(batch_size, dtype=start.dtype)
    return start, (position >= index * batch_size).astype(jnp.float32)


def scan_batches(
    one_batch: Callable[[Any, jax.Array, jax.Array | None], tuple[Any, dict[str, jax.Array]]],
    carry: Any,
    names: tuple[str, ...],
    samples: int,
    batch_size: int,
    dtype: Any,
    weights_of: Callable[[jax.Array], jax.Array] | None = None,
    *,
    is_only_loop: bool = True,
    may_not_count: bool = False,
) -> tuple[Any, dict[str, jax.Array]]:
    """Run ``one_batch(carry, start, weights) -> (carry, means)`` over all batches; return the means over the samples.

    The sums are compensated (Kahan, "Further Remarks on Reducing Truncation Errors", 1965), so that a mean over
    many batches in float32 is as exact as one over few.

    Args:
        one_batch: the function of one batch; its weights are None where all samples of the batch count alike.
        carry: what it is given first.
        names: the names of the means.
        samples: how many samples there are.
        batch_size: how many of them are in a batch.
        dtype: the dtype of the means.
        weights_of: a function of a start to the samples' weights (batch_size,); None where all count alike.
        is_only_loop: whether the program loops over no other batches. XLA before JAX 0.12 ends the process where one of
            two such loops is one kernel and the other is not.
        may_not_count: whether ``one_batch`` says, beside the means, whether the batch counts: 1, or 0 with means of 0.
            Where no batch counts, the means are NaN.
    """
    summed = (*names, COUNT) if may_not_count or weights_of is not None else names

    def body(state: tuple[Any, Totals], index: jax.Array) -> tuple[tuple[Any, Totals], None]:
        carry, (sums, lost) = state
        start, weights = batch_window(index, samples, batch_size)
        if weights_of is not None:
            weights = weights_of(start) if weights is None else weights.astype(dtype) * weights_of(start)
        carry, means = one_batch(carry, start, weights)
        count = batch_size if weights is None else jnp.sum(weights)
        means = {COUNT: jnp.ones((), dtype), **means}
        terms = {name: means[name].astype(dtype) * jnp.asarray(count, dtype) - lost[name] for name in summed}
        new_sums = {name: sums[name] + terms[name] for name in summed}
        lost = {name: (new_sums[name] - sums[name]) - terms[name] for name in summed}
        return (carry, (new_sums, lost)), None

    zeros = {name: jnp.zeros((), dtype) for name in summed}
    batches = -(-samples // batch_size)  # the last one may be partial
    indices = jnp.arange(batches, dtype=jnp.int32)
    loop = as_one_kernel if is_only_loop else lambda function, start: function(start)
    (carry, (sums, _)), _ = loop(lambda start: lax.scan(body, start, indices), (carry, (zeros, zeros)))
    if COUNT not in summed:
        return carry, {name: sums[name] / samples for name in names}
    means = {name: sums[name] / jnp.where(sums[COUNT] == 0, 1, sums[COUNT]) for name in names}
    return carry, {name: nan_unless(sums[COUNT] > 0, mean) for name, mean in means.items()} if may_not_count else means


def shuffled(array: jax.Array, order: jax.Array, batch_size: int) -> Callable[[jax.Array], jax.Array]:
    """Return a function of a start to the batch of rows array[order[start]], array[order[start + 1]], ….

    uint8 arrays are permuted once per epoch: the copy is small, and a batch of it is sliced and converted at full
    speed, where a gathered batch is not. A copy of floats takes four times the memory and gains less. On a CPU long
    rows of floats are copied into a small batch one by one instead, which takes no memory; XLA's gather computes an
    address for every element. Processor time of a step of 784-25-15-1 with Adam and batch 32, in µs (two cores of an
    AMD EPYC without AVX-512):

    ======== ========== =============== ============== ===================
    JAX      uint8 copy float32 gathered float32 copy  float32 row by row
    ======== ========== =============== ============== ===================
    0.10.1   94         146             128            101
    0.12.0.1 111        173             147            130
    ======== ========== =============== ============== ===================

    A gather of 128 such rows is divided among the processors, and takes three quarters of the time of that copying.
    """
    if array.dtype.itemsize == 1:
        copy = array.at[order].get(mode="promise_in_bounds")
        return lambda start: lax.dynamic_slice_in_dim(copy, start, batch_size)
    row = array.nbytes // len(array)
    if batch_size > 1 and row >= _LONG_ROW and row * batch_size <= _SMALL_BATCH and on_one_cpu():
        return lambda start: as_one_kernel(_row_by_row, array, lax.dynamic_slice_in_dim(order, start, batch_size))
    return lambda start: array.at[lax.dynamic_slice_in_dim(order, start, batch_size)].get(mode="promise_in_bounds")


def _row_by_row(array: jax.Array, indices: jax.Array) -> jax.Array:
    """Return array[indices] as a loop that copies one row per turn."""
    return lax.map(lambda index: lax.dynamic_index_in_dim(array, index, keepdims=False), indices)
