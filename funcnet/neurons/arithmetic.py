"""Adders built from NAND gates, and the bits of numbers. The last axis holds the bits of a number, lowest bit first."""

import inspect
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..checks import array_of_numbers, brief, check_count, check_values, integer_array, is_concrete
from ..errors import ShapeError, message
from ..jaxprs import NoRuleError, called_program, interpret, name_of, scan_of, walk
from .logic import checked_bits, circuit, nand, not_, xor_and_nand


@circuit
def half_adder(a: jax.Array, b: jax.Array, /) -> tuple[jax.Array, jax.Array]:
    """Return the sum bit a XOR b and the carry a AND b, so that a + b = sum + 2 carry: five NANDs.

    The bits have the same shape and dtype, which are kept. Raises the errors of ``nand``. Nielsen (2015), chapter 1,
    has the diagram.

    >>> import funcnet as fn
    >>> fn.neurons.half_adder(jnp.array([0, 0, 1, 1]), jnp.array([0, 1, 0, 1]))
    (Array([0, 1, 1, 0], dtype=int32), Array([0, 0, 0, 1], dtype=int32))
    """
    total, not_carry = xor_and_nand(a, b)
    return total, not_(not_carry)


@circuit
def full_adder(a: jax.Array, b: jax.Array, carry: jax.Array, /) -> tuple[jax.Array, jax.Array]:
    """Return the sum bit and the carry of three bits, so that a + b + carry = sum + 2 carry′: nine NANDs.

    With s = a XOR b the sum is s XOR carry, and carry′ = (a NAND b) NAND (s NAND carry). The bits have the
    same shape and dtype, which are kept. Raises the errors of ``nand``. Mano, Ciletti, *Digital Design* (2013),
    chapter 4.

    >>> import funcnet as fn
    >>> fn.neurons.full_adder(jnp.array([1, 1]), jnp.array([0, 1]), jnp.array([1, 1]))
    (Array([0, 1], dtype=int32), Array([1, 1], dtype=int32))
    """
    s, a_nand_b = xor_and_nand(a, b)
    total, s_nand_carry = xor_and_nand(s, carry)
    return total, nand(a_nand_b, s_nand_carry)


@circuit
def ripple_carry_adder(a: jax.Array, b: jax.Array, /) -> tuple[jax.Array, jax.Array]:
    """Return the bits (..., n) of the sum and the last carry (...) of two numbers of n bits (..., n), lowest bit first.

    There is one full adder for each bit, which passes its carry to the next; the first carry is 0. It has 9n NANDs. The
    dtype is kept.
    Raises ``ShapeError`` for bits without a last axis, and the errors of ``nand``. Mano, Ciletti, *Digital Design*
    (2013), chapter 4.

    >>> import funcnet as fn
    >>> fn.neurons.ripple_carry_adder(jnp.array([1, 1, 0]), jnp.array([1, 1, 1]))  # 3 + 7 = 2 + 8
    (Array([0, 1, 0], dtype=int32), Array(1, dtype=int32))
    """
    if a.ndim == 0 or a.shape[-1] == 0:
        raise ShapeError("ripple_carry_adder", "bits of shape (..., n), n at least 1", a.shape)

    def column(carry: jax.Array, bits: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        total, carry = full_adder(*bits, carry)
        return carry, total

    carry, total = lax.scan(column, jnp.zeros_like(a[..., 0]), (jnp.moveaxis(a, -1, 0), jnp.moveaxis(b, -1, 0)))
    return jnp.moveaxis(total, 0, -1), carry


def add(x: Any, y: Any, bits: int) -> jax.Array:
    """Return x + y of integers from 0 to 2^bits − 1, computed by the NANDs of ``ripple_carry_adder``.

    x and y have the same shape; the sum has ``bits`` + 1 bits and JAX's default integer dtype. Raises ``TypeError`` for
    numbers that are not integers, ``ShapeError`` for different shapes, and ``ValueError`` for numbers out of range and
    for more bits than that dtype holds.

    >>> import funcnet as fn
    >>> fn.neurons.add(jnp.array([200, 255]), jnp.array([100, 255]), bits=8)
    Array([300, 510], dtype=int32)
    """
    x, y = (integer_array("add", name, number) for name, number in (("x", x), ("y", y)))
    if x.shape != y.shape:
        raise ShapeError("add", "x and y of one shape", f"{x.shape} and {y.shape}")
    check_count("add", "bits", bits)
    _check_width("add", bits, bits + 1)
    digits = (_digits("add", number, bits).astype(jnp.uint8) for number in (x, y))
    total, carry = ripple_carry_adder(*digits)
    return from_bits(jnp.concatenate([total, carry[..., None]], axis=-1))


def to_bits(numbers: Any, bits: int) -> jax.Array:
    """Return the bits (..., bits) of integers (...) from 0 to 2^bits − 1, lowest bit first, of the integers' dtype.

    Raises ``TypeError`` for numbers that are not integers, and ``ValueError`` that names the first one out of range.

    >>> import funcnet as fn
    >>> fn.neurons.to_bits(jnp.array([6, 1]), bits=4)
    Array([[0, 1, 1, 0],
           [1, 0, 0, 0]], dtype=int32)
    """
    return _digits("to_bits", numbers, bits)


def from_bits(bits: Any) -> jax.Array:
    """Return the integers Σ bit_k 2^k (...) of bits (..., n), lowest first, of JAX's default integer dtype.

    Raises ``ShapeError`` for bits without a last axis, and ``ValueError`` for more bits than the dtype holds and for
    values other than 0 and 1.

    >>> import funcnet as fn
    >>> fn.neurons.from_bits(jnp.array([[0, 1, 1, 0], [1, 0, 0, 0]]))
    Array([6, 1], dtype=int32)
    """
    (bits,) = checked_bits("from_bits", (bits,))
    if bits.ndim == 0 or bits.shape[-1] == 0:
        raise ShapeError("from_bits", "bits of shape (..., n), n at least 1", bits.shape)
    dtype = _check_width("from_bits", bits.shape[-1], bits.shape[-1])
    return bits.astype(dtype) @ (1 << jnp.arange(bits.shape[-1], dtype=dtype))


def nand_count(function: Callable[..., Any], *bits: Any) -> int:
    """Return the number of NANDs in a circuit: the calls of ``nand`` in the JAX program of ``function(*bits)``.

    Raises ``NoRuleError`` for NANDs in a branch, or in a loop whose number of iterations is unknown.

    >>> import funcnet as fn
    >>> fn.neurons.nand_count(fn.neurons.xor, 0, 1)
    4
    >>> fn.neurons.nand_count(fn.neurons.ripple_carry_adder, jnp.zeros(8), jnp.zeros(8))
    72
    """
    _check_circuit("nand_count", function)
    bits = tuple(array_of_numbers("nand_count", "bits", each) for each in bits)
    found = [around for call, around in walk(jax.make_jaxpr(function)(*bits)) if _is_nand(call)]
    return sum(math.prod(map(_iterations, around)) for around in found if not any(map(_is_nand, around)))


def gates_of(function: Callable[..., Any], inputs: int) -> tuple[list[tuple[int, int]], list[int]]:
    """Return the wiring of a circuit: the two wires into each NAND, and the wire of each result.

    The wires are numbered: first those of the inputs, then the one out of each NAND, in the order of the program.
    Raises ``NoRuleError`` that names an operation other than ``nand``, such as a loop.

    >>> import funcnet as fn
    >>> fn.neurons.gates_of(fn.neurons.xor, 2)  # c = a NAND b; a NAND c; b NAND c; the NAND of both
    ([(0, 1), (0, 2), (1, 2), (3, 4)], [5])
    """
    _check_circuit("gates_of", function)
    check_count("gates_of", "inputs", inputs)
    try:
        inspect.signature(function).bind(*range(int(inputs)))
    except TypeError as error:
        raise TypeError(message("gates_of", f"function to take {inputs} inputs", error)) from None
    inputs, gates = int(inputs), list[tuple[int, int]]()

    def add_gate(equation: Any, wires: list[int]) -> list[int] | None:
        if not _is_nand(equation):
            return None  # a call is opened, and another operation refused
        if not all(isinstance(wire, int) for wire in wires):
            raise NoRuleError(message("gates_of", "bits that come from inputs and NANDs", "a constant bit"))
        gates.append((wires[0], wires[1]))
        return [inputs + len(gates) - 1]

    program = jax.make_jaxpr(function)(*[jnp.zeros((), jnp.int32)] * inputs)
    try:
        results = interpret(program, range(inputs), add_gate)
    except NoRuleError as error:
        said = str(error)
        raise error if said.startswith("gates_of") else NoRuleError(message("gates_of", "NANDs alone", said)) from None
    if not all(isinstance(result, int) for result in results):
        raise NoRuleError(message("gates_of", "results that come from inputs and NANDs", "a constant bit"))
    return gates, results


def _check_circuit(where: str, function: Any) -> None:
    if not callable(function):
        raise TypeError(message(where, "function to be a circuit, such as fn.neurons.xor", brief(function)))


def _is_nand(equation: Any) -> bool:
    return bool(equation.params.get("name") == nand.__name__)


def _iterations(equation: Any) -> int:
    """Return how often an equation runs the program that it contains."""
    scan = scan_of(equation)
    if scan is None and called_program(equation) is None:
        expected = "NANDs in calls and in loops of a known number of iterations"
        raise NoRuleError(message("nand_count", expected, f"some in {name_of(equation)}"))
    return 1 if scan is None else scan.length


def _digits(where: str, numbers: Any, bits: int) -> jax.Array:
    check_count(where, "bits", bits)
    numbers = integer_array(where, "numbers", numbers)
    if is_concrete(numbers):
        values = np.asarray(numbers)
        is_inside = (values >= 0) & (values < 2**bits)
        check_values(where, f"numbers from 0 to {2**bits - 1}, of {bits} bits", values, is_inside)
        if values.dtype.itemsize == 8:  # JAX may cut these numbers to 32 bits, but not their bits
            return jnp.asarray((values[..., None] >> np.arange(bits, dtype=values.dtype)) & 1)
    numbers = jnp.asarray(numbers)
    return (numbers[..., None] >> jnp.arange(bits, dtype=numbers.dtype)[(None,) * numbers.ndim]) & 1


def _check_width(where: str, bits: int, needed: int) -> np.dtype:
    """Return JAX's default integer dtype; raise ``ValueError`` where it cannot hold numbers of ``needed`` bits."""
    check_count(where, "bits", bits)
    dtype = np.dtype(jax.dtypes.canonicalize_dtype(np.int64))
    largest = np.iinfo(dtype).bits - 1 - (needed - bits)
    if bits > largest:
        raise ValueError(message(where, f"at most {largest} bits, as {dtype} holds", bits))
    return dtype
