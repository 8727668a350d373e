"""A JAX program evaluated once more in NumPy's longest floating point numbers, operation by operation.

What two programs differ in by rounding shrinks with the precision; what they differ in by a mistake stays. Random draws
are the program's own, and so are the constants written into it, rounded to its dtype.
"""

from typing import Any

import jax
import jax.numpy as jnp
import mpmath
import numpy as np

from funcnet.jaxprs import called_name, interpret, is_known, rule_of, run

LONG = np.longdouble
IS_LONGER = np.finfo(LONG).eps < np.finfo(np.float64).eps / 1000  # not on every machine
DIGITS = 30  # of the functions that NumPy lacks


def extended(function, *arguments):
    """Return the leaves of a function's result for arrays, computed in extended precision.

    >>> (third,) = extended(lambda x: x / 3, jnp.ones(1))
    >>> bool(abs(3 * third - 1) < 2 * np.finfo(np.longdouble).eps)
    True
    """
    program = jax.make_jaxpr(function)(*arguments)
    with np.errstate(all="ignore"):
        return [as_long(result) for result in interpret(program, jax.tree.leaves(arguments), apply)]


def as_long(value):
    if is_key(value):
        return value
    value = np.asarray(value)
    return value.astype(LONG) if jnp.issubdtype(value.dtype, jnp.floating) else value


def is_key(value):
    return jnp.issubdtype(value.dtype, jax.dtypes.prng_key)


def apply(equation, inputs):
    """Return an equation's results in extended precision, None where no rule is known."""
    inputs, name = [as_long(value) for value in inputs], called_name(equation)
    if is_known(equation) and (equation.primitive.name == "random_seed" or any(map(is_key, inputs))):
        return as_it_is(equation, inputs)
    if name in BY_THEIR_FORMULA:
        return [BY_THEIR_FORMULA[name](*inputs)]
    rule = rule_of(equation, OPERATIONS)
    return None if rule is None else [rule(*inputs, **equation.params)]


def as_it_is(equation, inputs):
    """Return the results of an equation that draws, in the program's own dtypes."""
    assert all(is_key(value) or value.size <= 1 for value in inputs), "arrays would lose their extended precision"
    own = [
        value if is_key(value) else jnp.asarray(value, variable.aval.dtype)
        for value, variable in zip(inputs, equation.invars, strict=True)
    ]
    return run(equation, *own)


def by_mpmath(function):
    """Return a function of longest numbers, each split into two float64 on the way in and out."""

    def of_one(x):
        high = float(x)
        with mpmath.workdps(DIGITS):
            y = function(mpmath.mpf(high) + mpmath.mpf(float(x - LONG(high))))
            return LONG(float(y)) + LONG(float(y - float(y)))

    return lambda x, **_: np.vectorize(of_one, otypes=[LONG])(x)


def elementwise(function):
    return lambda *inputs, **_: function(*inputs)


def reduced(function):
    return lambda x, *, axes, **_: function(x, axis=axes)


def logistic(x):
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


def dot_general(a, b, *, dimension_numbers, **_):
    contracted, (batch, _) = dimension_numbers
    assert not batch, "a batched product is not evaluated"
    return np.tensordot(a, b, axes=contracted)


def broadcast_in_dim(x, *, shape, broadcast_dimensions, **_):
    sizes = dict(zip(broadcast_dimensions, x.shape, strict=True))
    return np.broadcast_to(x.reshape([sizes.get(axis, 1) for axis in range(len(shape))]), shape)


def convert_element_type(x, *, new_dtype, **_):
    return x.astype(LONG if jnp.issubdtype(new_dtype, jnp.floating) else new_dtype)


def bitcast_convert_type(x, *, new_dtype):
    assert jnp.issubdtype(x.dtype, jnp.integer), "the bits of a number of extended precision are others"
    return x.view(new_dtype)


def iota(*, dtype, shape, dimension, **_):
    return np.indices(shape, dtype)[dimension]


# Functions of JAX whose programs take the bits of their own dtype apart, from 0.12 on: exp(−x²) in erfc's derivative.
BY_THEIR_FORMULA = {"exp_neg_sq": lambda x: np.exp(-x * x)}

OPERATIONS: dict[str, Any] = {
    **{
        name: elementwise(function)
        for names, function in {
            ("add", "add_any"): np.add,
            ("sub",): np.subtract,
            ("mul",): np.multiply,
            ("div",): np.divide,
            ("pow",): np.power,
            ("max",): np.maximum,
            ("min",): np.minimum,
            ("neg",): np.negative,
            ("abs",): np.abs,
            ("sign",): np.sign,
            ("round",): np.rint,
            ("sqrt",): np.sqrt,
            ("square",): np.square,
            ("one_minus_square",): lambda x: (1 - x) * (1 + x),
            ("exp",): np.exp,
            ("expm1",): np.expm1,
            ("log",): np.log,
            ("log1p",): np.log1p,
            ("tanh",): np.tanh,
            ("logistic",): logistic,
            ("eq",): np.equal,
            ("ne",): np.not_equal,
            ("lt",): np.less,
            ("le",): np.less_equal,
            ("gt",): np.greater,
            ("ge",): np.greater_equal,
            ("and",): np.bitwise_and,
            ("or",): np.bitwise_or,
            ("not",): np.bitwise_not,
            ("stop_gradient", "copy"): np.copy,
        }.items()
        for name in names
    },
    "erf": by_mpmath(mpmath.erf),
    "erfc": by_mpmath(mpmath.erfc),
    "integer_pow": lambda x, *, y: x**y,
    "select_n": lambda which, *cases: np.choose(which.astype(int), cases),
    "reduce_sum": reduced(np.sum),
    "reduce_max": reduced(np.max),
    "reduce_min": reduced(np.min),
    "reduce_or": reduced(np.any),
    "argmax": lambda x, *, axes, index_dtype: np.argmax(x, axis=axes[0]).astype(index_dtype),
    "dot_general": dot_general,
    "broadcast_in_dim": broadcast_in_dim,
    "bitcast_convert_type": bitcast_convert_type,
    "convert_element_type": convert_element_type,
    "iota": iota,
    "reshape": lambda x, *, new_sizes, **_: x.reshape(new_sizes),
    "squeeze": lambda x, *, dimensions: np.squeeze(x, dimensions),
    "transpose": lambda x, *, permutation: np.transpose(x, permutation),
}
