"""Logic from perceptrons: NAND is one, and every other gate is built from NAND alone.

Gates work on arrays of bits, 0 and 1, of any shape and of a boolean, integer or floating dtype, which they keep. They
are elementwise, and all the bits that a gate is given have one shape and one dtype. Nielsen (2015), chapter 1, on
perceptrons; Sheffer, "A set of five independent postulates for Boolean algebras" (1913), that NAND is enough.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import is_concrete
from ..errors import DtypeError, ShapeError, message
from ..layers import DenseParams
from .perceptron import perceptron

_Circuit = TypeVar("_Circuit", bound=Callable[..., Any])


def circuit(function: _Circuit) -> _Circuit:
    """Return a function of arrays of bits as one compiled program, its bits checked before.

    Raises ``ShapeError`` and ``DtypeError`` for bits of different shapes or dtypes, and ``ValueError`` for a value that
    is neither 0 nor 1, where the values can be looked at: inside a transformation they cannot.
    """
    compiled = jax.jit(function)

    @wraps(function)
    def checked(*bits: Any) -> Any:
        return compiled(*checked_bits(function.__name__, bits))

    return cast(_Circuit, checked)


def checked_bits(where: str, bits: tuple[Any, ...]) -> list[jax.Array]:
    """Return the arrays of bits, or raise an error in the name of ``where``.

    >>> checked_bits("nand", (jnp.zeros(3), jnp.zeros(2)))
    Traceback (most recent call last):
    funcnet.errors.ShapeError: nand: expected bits of one shape, got (3,) and (2,)
    """
    arrays = [jnp.asarray(each) for each in bits]
    if len({array.shape for array in arrays}) > 1:
        raise ShapeError(where, "bits of one shape", " and ".join(str(array.shape) for array in arrays))
    if len({array.dtype for array in arrays}) > 1 or jnp.issubdtype(arrays[0].dtype, jnp.complexfloating):
        got = " and ".join(str(array.dtype) for array in arrays)
        raise DtypeError(where, "bits of one boolean, integer or floating dtype", got)
    for array in filter(is_concrete, arrays):
        values = np.asarray(array)
        wrong = np.argwhere((values != 0) & (values != 1))
        if len(wrong):
            first = tuple(int(i) for i in wrong[0])
            raise ValueError(message(where, "bits that are 0 or 1", f"{values[first]} at index {first}"))
    return arrays


@circuit
def nand(a: jax.Array, b: jax.Array, /) -> jax.Array:
    """Return NOT (a AND b), by one perceptron with w = (−2, −2) and b = 3: 3 − 2a − 2b > 0 but for a = b = 1.

    Raises ``ShapeError``, ``DtypeError`` and ``ValueError`` for what are no bits of one kind, as all gates do.

    >>> import funcnet as fn
    >>> fn.neurons.nand(jnp.array([0, 0, 1, 1]), jnp.array([0, 1, 0, 1]))
    Array([1, 1, 1, 0], dtype=int32)
    >>> fn.neurons.nand(jnp.array([0, 2]), jnp.array([0, 1]))
    Traceback (most recent call last):
    ValueError: nand: expected bits that are 0 or 1, got 2 at index (1,)
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

    No single perceptron computes it: Minsky, Papert, *Perceptrons* (1969).

    >>> import funcnet as fn
    >>> fn.neurons.xor(jnp.array([0, 0, 1, 1]), jnp.array([0, 1, 0, 1]))
    Array([0, 1, 1, 0], dtype=int32)
    """
    return xor_and_nand(a, b)[0]


def xor_and_nand(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return a XOR b and the a NAND b on its way, by four NANDs."""
    c = nand(a, b)
    return nand(nand(a, c), nand(b, c)), c
