"""Logic gates: NAND is a perceptron, and every other gate is built from NAND gates.

Gates are elementwise functions of arrays of bits, 0 and 1, of a boolean, integer or floating dtype. All arguments of a
gate have the same shape and dtype, which the result keeps. Nielsen (2015), chapter 1, on perceptrons;
Sheffer, "A set of five independent postulates for Boolean algebras" (1913), that NAND suffices.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import array_of_numbers, check_values, is_concrete
from ..errors import DtypeError, ShapeError
from ..layers import DenseParams
from .threshold import perceptron

_Circuit = TypeVar("_Circuit", bound=Callable[..., Any])


def circuit(function: _Circuit) -> _Circuit:
    """Return a function of arrays of bits as one compiled program, with a check of its arguments.

    It raises ``ShapeError`` and ``DtypeError`` for bits of different shapes or dtypes, and ``ValueError`` for a value
    that is neither 0 nor 1, except inside a JAX transformation, where values are unknown.
    """
    compiled = jax.jit(function)

    @wraps(function)
    def checked(*bits: Any) -> Any:
        return compiled(*checked_bits(function.__name__, bits))

    return cast(_Circuit, checked)


def checked_bits(where: str, bits: tuple[Any, ...]) -> list[jax.Array]:
    """Return the arrays of bits, or raise an error that names ``where``.

    >>> checked_bits("nand", (jnp.zeros(3), jnp.zeros(2)))
    Traceback (most recent call last):
    funcnet.errors.ShapeError: nand: expected bits of one shape, got (3,) and (2,)
    """
    arrays = [array_of_numbers(where, "bits", each) for each in bits]
    if len({array.shape for array in arrays}) > 1:
        raise ShapeError(where, "bits of one shape", " and ".join(str(array.shape) for array in arrays))
    if len({jax.dtypes.canonicalize_dtype(array.dtype) for array in arrays}) > 1 or jnp.issubdtype(
        arrays[0].dtype, jnp.complexfloating
    ):
        got = " and ".join(str(array.dtype) for array in arrays)
        raise DtypeError(where, "bits of one boolean, integer or floating dtype", got)
    for array in filter(is_concrete, arrays):
        values = np.asarray(array)
        check_values(where, "bits that are 0 or 1", values, (values == 0) | (values == 1))
    return [jnp.asarray(array) for array in arrays]  # a wide number may become another one


@circuit
def nand(a: jax.Array, b: jax.Array, /) -> jax.Array:
    """Return NOT (a AND b), by one perceptron with w = (−2, −2) and b = 3: 3 − 2a − 2b > 0 except for a = b = 1.

    Like every gate it raises ``ShapeError`` and ``DtypeError`` for bits of different shapes or dtypes, and
    ``ValueError`` for values other than 0 and 1.

    >>> import funcnet as fn
    >>> fn.neurons.nand(jnp.array([0, 0, 1, 1]), jnp.array([0, 1, 0, 1]))
    Array([1, 1, 1, 0], dtype=int32)
    >>> fn.neurons.nand(jnp.array([0, 2]), jnp.array([0, 1]))
    Traceback (most recent call last):
    ValueError: nand: expected bits that are 0 or 1, got 2 at index 1
    """
    params = DenseParams(weight=jnp.array([[-2.0, -2.0]], jnp.float32), bias=jnp.array([3.0], jnp.float32))
    x = jnp.stack([a, b], axis=-1).astype(jnp.float32)
    return perceptron(params, x)[..., 0].astype(a.dtype)


@circuit
def not_(a: jax.Array, /) -> jax.Array:
    """Return NOT a = a NAND a: one NAND.

    >>> import funcnet as fn
    >>> fn.neurons.not_(jnp.array([False, True]))
    Array([ True, False], dtype=bool)
    """
    return nand(a, a)


@circuit
def and_(a: jax.Array, b: jax.Array, /) -> jax.Array:
    """Return a AND b = NOT (a NAND b): two NANDs.

    >>> import funcnet as fn
    >>> fn.neurons.and_(jnp.array([0, 0, 1, 1]), jnp.array([0, 1, 0, 1]))
    Array([0, 0, 0, 1], dtype=int32)
    """
    return not_(nand(a, b))


@circuit
def or_(a: jax.Array, b: jax.Array, /) -> jax.Array:
    """Return a OR b = (NOT a) NAND (NOT b): three NANDs.

    >>> import funcnet as fn
    >>> fn.neurons.or_(jnp.array([0, 0, 1, 1]), jnp.array([0, 1, 0, 1]))
    Array([0, 1, 1, 1], dtype=int32)
    """
    return nand(not_(a), not_(b))


@circuit
def xor(a: jax.Array, b: jax.Array, /) -> jax.Array:
    """Return a XOR b = (a NAND c) NAND (b NAND c), with c = a NAND b: four NANDs.

    No single perceptron can compute it: Minsky, Papert, *Perceptrons* (1969).

    >>> import funcnet as fn
    >>> fn.neurons.xor(jnp.array([0, 0, 1, 1]), jnp.array([0, 1, 0, 1]))
    Array([0, 1, 1, 0], dtype=int32)
    """
    return xor_and_nand(a, b)[0]


def xor_and_nand(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return a XOR b and its intermediate result a NAND b, by four NANDs."""
    c = nand(a, b)
    return nand(nand(a, c), nand(b, c)), c
