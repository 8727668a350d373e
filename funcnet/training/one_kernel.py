"""Small loops: one kernel each on a CPU, fewer waits for the host on a GPU. This module's sole purpose is speed.

On a CPU every operation of a compiled program is a kernel of its own, and each call of a kernel takes about 50 ns. For
arrays as small as XOR's this is most of the time. XLA can compile a whole loop into one kernel. From JAX 0.12 on it
does so automatically. Before 0.12 it does so only for loops of less than a kilobyte, or where a hint asks for it.

Microseconds per step, with the hint and without (an Intel Xeon with AVX-512, two processors):

======== ============= ============= =============
JAX      XOR           a line        64-30-10, batch 1
======== ============= ============= =============
0.10.1   0.33, 1.94    0.34, 1.70    1.05, 2.44
0.11.2   1.79, 1.75    0.48, 1.18    1.43, 3.80
0.12.0.1 0.37, 0.34    0.33, 0.35    1.05, 1.08
======== ============= ============= =============

On a GPU the host launches every kernel, and a loop whose end depends on data makes it wait for the device in each turn.
A loop of a fixed number of turns does not (XLA, ``WhileThunk``: a known trip count). So small epochs run several at a
time in such a loop, and what is computed after the end is dropped.

Both decisions are made while tracing, by JAX's default backend. A program that is traced for another device than the
default one gives the same results, but its loops have the other form.
"""

import platform
from collections.abc import Callable
from functools import partial
from itertools import islice
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap
from jax.experimental.xla_metadata import set_xla_metadata

from ..jaxprs import operations

ONE_KERNEL = {"xla_cpu_small_call": "true", "inlineable": "false"}
TESTED_PROCESSORS = "x86_64", "AMD64"  # processors, as Python names them
FIRST_VERSION_WITHOUT_HINT = (0, 12)  # JAX's first version whose XLA makes one kernel of such loops by itself
HINT_PAYS = platform.machine() in TESTED_PROCESSORS and jax.__version_info__ < FIRST_VERSION_WITHOUT_HINT
THREEFRY = "key<fry>"  # keys of JAX's default kind, whose random bits are computed by ordinary operations

MAX_OPERATIONS = 500  # operations: above this, compiling one kernel takes longer than separate kernels
# Above slightly larger sizes XLA makes kernels of sums and products that cannot be part of another kernel.
MAX_ELEMENTS = 2**11  # elements of an array, and terms of a product
MAX_MATRIX_SIDE = 7  # rows or columns of a matrix in a product of two

# Estimates, which scripts/benchmarks/accelerator.py checks where there is a GPU: launching a small step's kernels takes
# tens of microseconds, and a wait for the host as long. So one wait in 32 steps costs little, and the steps that are
# dropped at the end of a call take a millisecond or two.
STEPS_BETWEEN_WAITS = 32  # steps
SMALL_STEP = 2**24  # products: a GPU computes them in less time than it takes to launch a step's kernels

# The operations that a kernel may hold: no library calls, sorts, scatters or callbacks.
_ARITHMETIC = (
    "abs add add_any ceil div floor integer_pow max min mul neg one_minus_square pow rem round sign square sub"
)
_FUNCTIONS = "cbrt cos erf erfc exp exp2 expm1 log log1p log2 logistic rsqrt sin sqrt tan tanh"
_COMPARISONS = "and clamp eq ge gt is_finite le lt ne not or select_n xor"
_BITS = "bitcast_convert_type convert_element_type shift_left shift_right_arithmetic shift_right_logical"
_SHAPES = "broadcast_in_dim concatenate iota pad reshape rev slice split squeeze stack tile transpose unstack"
_PLACES = "copy dynamic_slice dynamic_update_slice gather stop_gradient"
_REDUCTIONS = "argmax argmin dot_general reduce_and reduce_max reduce_min reduce_or reduce_prod reduce_sum"
_RANDOM = "random_bits random_fold_in random_seed random_split random_unwrap random_wrap threefry2x32"
READING_LARGE_ARRAYS = {"dynamic_slice", "dynamic_update_slice", "gather"}  # the source array may be large
_NAMES = _ARITHMETIC, _FUNCTIONS, _COMPARISONS, _BITS, _SHAPES, _PLACES, _REDUCTIONS, _RANDOM
ALLOWED_OPERATIONS = frozenset(name for names in _NAMES for name in names.split())


def as_one_kernel(function: Callable[..., Any], *operands: Any) -> Any:
    """Return function(*operands), of a function that loops, computed in one kernel where all its operations are small.

    For use within a compiled function. Under ``jax.vmap`` the hint is omitted: a mapped operation may become
    another, which a kernel cannot hold.

    >>> def halved(x, times):
    ...     return as_one_kernel(lambda x: jax.lax.fori_loop(0, times, lambda _, x: x / 2, x), x)
    >>> jax.jit(halved)(jnp.ones(2), 3)
    Array([0.125, 0.125], dtype=float32)
    """
    if not (HINT_PAYS and on_one_cpu()):
        return function(*operands)
    program, shapes = jax.make_jaxpr(function, return_shape=True)(*operands)
    leaves = jax.tree.leaves(operands)
    found = list(islice(operations(program), MAX_OPERATIONS + 1))
    if len(found) <= MAX_OPERATIONS and all(map(_is_small, found)):
        results = _hinted(program.jaxpr)(program.consts, *leaves)
    else:
        results = jax.core.eval_jaxpr(program.jaxpr, program.consts, *leaves)
    return jax.tree.unflatten(jax.tree.structure(shapes), results)


def not_constant(arrays: Any) -> Any:
    """Return arrays that are no constants of a program that is being traced, even if the program closes over them.

    XLA before JAX 0.12 ends the process where a hinted loop reads rows of a constant.
    """
    return lax.optimization_barrier(arrays) if HINT_PAYS else arrays


def _hinted(jaxpr: Any) -> Callable[..., Any]:
    """Return a program as a function of its constants and operands, with the hint to XLA; without it under vmap.

    The constants are operands, because a mapped function may not close over mapped values, nor a program that is kept
    over values of a trace.
    """

    def run(consts: Any, *leaves: jax.Array) -> Any:
        return jax.core.eval_jaxpr(jaxpr, consts, *leaves)

    @custom_vmap
    def hinted(consts: Any, *leaves: jax.Array) -> Any:
        with set_xla_metadata(**ONE_KERNEL):  # of the call alone: what it calls is traced already
            return jax.jit(run)(consts, *leaves)

    @hinted.def_vmap
    def _mapped(axis_size: int, mapped: Any, *operands: Any) -> tuple[Any, list[bool]]:
        axes = jax.tree.map(lambda each: 0 if each else None, tuple(mapped))
        results = jax.vmap(run, in_axes=axes, axis_size=axis_size)(*operands)
        return results, [True] * len(results)

    return hinted


def few_waits(
    function: Callable[[Any], Any], unfinished: Callable[[Any], jax.Array], steps: int, products: int
) -> Callable[[Any], Any]:
    """Return a function that applies ``function`` several times, a fixed number, and keeps results while unfinished.

    The body of a ``while_loop`` on a GPU; large bodies are returned as they are. The results are those of ``function``
    applied once per turn.

    Args:
        function: the body of the loop.
        unfinished: the condition of the loop: whether ``function`` should be applied to a value.
        steps: how many training steps ``function`` has.
        products: multiplications and additions of a step, about.

    >>> body = few_waits(lambda x: x + 1, lambda x: x < 5, steps=1, products=1)
    >>> body(jnp.int32(0))
    Array(5, dtype=int32)
    """
    turns = STEPS_BETWEEN_WAITS // (steps * (1 + products // SMALL_STEP))
    if turns <= 1:
        return function

    def one_turn(value: Any, _: None) -> tuple[Any, None]:
        new = lax.optimization_barrier(function(value))  # kernels merged with the selection would round otherwise
        return jax.tree.map(partial(lax.select, unfinished(value)), new, value), None

    return lambda value: lax.scan(one_turn, value, length=turns)[0]


def on_one_cpu() -> bool:
    """Return whether programs run on one CPU device: a kernel, or a loop over rows, cannot contain communication."""
    return jax.default_backend() == "cpu" and jax.device_count() == 1


def _is_small(operation: Any) -> bool:
    """Return whether one kernel can hold an operation."""
    name, results = operation.primitive.name, [variable.aval for variable in operation.outvars]
    arrays = [variable.aval for variable in operation.invars] + results
    keys = [array.dtype for array in arrays if jnp.issubdtype(array.dtype, jax.dtypes.prng_key)]
    return (
        name in ALLOWED_OPERATIONS
        and all(array.size <= MAX_ELEMENTS for array in (results if name in READING_LARGE_ARRAYS else arrays))
        and all(str(key) == THREEFRY for key in keys)
        and (name != "dot_general" or _is_small_product(operation))
    )


def _is_small_product(operation: Any) -> bool:
    """Return whether a product is of small matrices, or of a vector, and then with few terms."""
    a, b = (variable.aval for variable in operation.invars)
    (contracted, _), (batch, _) = operation.params["dimension_numbers"]
    inner = prod(a.shape[axis] for axis in contracted)
    rows, columns = (array.size // max(inner, 1) for array in (a, b))
    few = rows * inner * columns <= MAX_ELEMENTS
    return few and not batch and (1 in (rows, inner, columns) or max(rows, inner, columns) <= MAX_MATRIX_SIDE)
