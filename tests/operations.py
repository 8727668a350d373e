"""An example of every operation that the interpreters of JAX programs know: a function that uses it, and arguments.

A name is the operation's, and what follows a blank says which case of it. All arguments are float64 or integers.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.interpreters import ad

ANY = np.array([-1.7, -0.4, 0.3, 0.9, 2.2])
POSITIVE, INNER, ABOVE_ONE = np.abs(ANY), ANY / 3, np.abs(ANY) + 1
OTHER = np.array([0.6, -1.2, 0.3, 1.4, -2.5])
PLACES = np.array([[2, 0], [1, 1], [2, 0]])

UNARY = {
    "neg": (lax.neg, ANY), "square": (lax.square, ANY), "sqrt": (lax.sqrt, POSITIVE), "rsqrt": (lax.rsqrt, POSITIVE),
    "cbrt": (lax.cbrt, POSITIVE), "exp": (lax.exp, ANY), "exp2": (lax.exp2, ANY), "expm1": (lax.expm1, ANY),
    "log": (lax.log, POSITIVE), "log1p": (lax.log1p, POSITIVE), "logistic": (lax.logistic, ANY), "sin": (lax.sin, ANY),
    "cos": (lax.cos, ANY), "tan": (lax.tan, INNER), "asin": (lax.asin, INNER), "acos": (lax.acos, INNER),
    "atan": (lax.atan, ANY), "sinh": (lax.sinh, ANY), "cosh": (lax.cosh, ANY), "tanh": (lax.tanh, ANY),
    "asinh": (lax.asinh, ANY), "acosh": (lax.acosh, ABOVE_ONE), "atanh": (lax.atanh, INNER), "erf": (lax.erf, ANY),
    "erfc": (lax.erfc, ANY), "erf_inv": (lax.erf_inv, INNER), "lgamma": (lax.lgamma, POSITIVE),
    "abs": (lax.abs, np.array([-1.0, 0.0, 2.0])),
}  # fmt: skip
BINARY = {
    "add": (lax.add, ANY, OTHER), "sub": (lax.sub, ANY, OTHER), "mul": (lax.mul, ANY, OTHER),
    "div": (lax.div, ANY, OTHER), "rem": (lax.rem, ANY, OTHER), "pow": (lax.pow, POSITIVE, OTHER),
    "atan2": (lax.atan2, ANY, OTHER), "max": (lax.max, ANY, OTHER), "min": (lax.min, ANY, OTHER),  # the third is a tie
    "add_any": (lambda a, b: ad.add_jaxvals_p.bind(a, b), ANY, OTHER),
}  # fmt: skip


def matrix(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape)


def product(left, right, contracted, batch=((), ())):
    return lax.dot_general(left, right, (contracted, batch))


REST = {  # a primitive's name, and whatever follows a blank says which case of it: (function, its arguments)
    "integer_pow 3": (lambda x: lax.integer_pow(x, 3), ANY),
    "integer_pow 0": (lambda x: lax.integer_pow(x, 0), np.array([0.0, 2.0])),
    "integer_pow 1 at 0": (lambda x: lax.integer_pow(x, 1), np.array([0.0, 2.0])),
    "integer_pow −2": (lambda x: lax.integer_pow(x, -2), ANY),
    "pow of an integer": (lambda x: lax.pow(x, np.array([0, 1, 2, 3, -2])), ANY),
    "pow of an integer 0 at 0": (lambda x: lax.pow(x, np.array([0, 1, 2])), np.zeros(3)),
    "pow at 0": (lax.pow, np.array([0.0, 0.0, 0.0]), np.array([1.0, 2.0, 3.5])),
    "atan2 in other quadrants": (lax.atan2, -ANY, OTHER),
    "clamp": (lax.clamp, np.array([-1.0, 0.5, 0.0]), np.array([-2.0, 0.7, 3.0]), np.array([1.0, 1.0, 2.0])),
    "clamp by numbers, at its edges": (
        lambda x: lax.clamp(np.float64(-1), x, np.float64(1)), np.array([-2, -1, 0, 1, 2.0]),
    ),
    "mul by itself": (lambda x: x * x, ANY),
    "dot_general": (partial(product, contracted=((1,), (0,))), matrix(2, 3), matrix(3, 4)),
    "dot_general first axes": (partial(product, contracted=((0,), (1,))), matrix(3, 2), matrix(4, 3)),
    "dot_general of vectors": (partial(product, contracted=((0,), (0,))), matrix(3), matrix(3)),
    "dot_general outer": (partial(product, contracted=((), ())), matrix(3), matrix(2)),
    "dot_general two axes crossed": (partial(product, contracted=((2, 0), (0, 1))), matrix(3, 4, 2), matrix(2, 3, 5)),
    "dot_general batch": (
        partial(product, contracted=((2,), (1,)), batch=((0,), (0,))), matrix(2, 3, 4), matrix(2, 4, 5),
    ),
    "dot_general batch last and two": (
        partial(product, contracted=((1,), (2,)), batch=((3, 0), (0, 3))), matrix(3, 4, 5, 2), matrix(2, 6, 4, 3),
    ),
    "dot_general with itself": (lambda x: product(x, x, ((1,), (1,))), matrix(3, 4)),
    "reduce_sum": (lambda x: jnp.sum(x, axis=(0, 2)), matrix(2, 3, 4)),
    "reduce_max": (lambda x: jnp.max(x, axis=1), matrix(3, 4)),
    "reduce_max ties": (lambda x: jnp.max(x, axis=1), np.array([[1.0, 3, 3], [2, 2, 2]])),
    "reduce_min ties": (lambda x: jnp.min(x, axis=(0, 2)), np.array([[[1.0, 1, 3], [2, 0, 2]]])),
    "reduce_prod": (lambda x: jnp.prod(x, axis=1), matrix(3, 4)),
    "reduce_prod of zeros": (lambda x: jnp.prod(x, axis=(0, 2)), np.array([[[1.0, 0], [0, 0]], [[2, 3], [4, 5]]])),
    "sort": (lambda x: lax.sort(x, dimension=0), matrix(4, 3)),
    "sort of two": (lambda x, y: lax.sort((x, y), dimension=1, num_keys=1)[1], matrix(2, 4), matrix(2, 4)),
    "reshape": (lambda x: lax.reshape(x, (4, 3)), matrix(2, 6)),
    "squeeze": (lambda x: lax.squeeze(x, (1,)), matrix(3, 1, 2)),
    "copy": (lambda x: jnp.array(x, copy=True), ANY),
    "convert_element_type": (lambda x: x.astype(jnp.float32), np.array([0.5, -1.25])),
    "reduce_precision": (lambda x: lax.reduce_precision(x, 11, 52), ANY),
    "broadcast_in_dim": (lambda x: lax.broadcast_in_dim(x, (4, 3, 2), (1, 2)), matrix(3, 1)),
    "broadcast_in_dim of a number": (lambda x: lax.broadcast(x, (2, 3)), np.float64(0.3)),
    "transpose": (lambda x: lax.transpose(x, (2, 0, 1)), matrix(2, 3, 4)),
    "rev": (lambda x: lax.rev(x, (0, 2)), matrix(2, 3, 4)),
    "concatenate": (lambda x, y: lax.concatenate([x, y, x], 1), matrix(2, 3), matrix(2, 1)),
    "split": (lambda x: jnp.concatenate([3 * part for part in lax.split(x, (1, 3), 1)][::-1], 1), matrix(2, 4)),
    "split one part": (lambda x: lax.split(x, (1, 3), 1)[1], matrix(2, 4)),
    "stack": (lambda x, y: jnp.stack([x, y, x], 1), matrix(2, 3), matrix(2, 3) ** 2),
    "tile": (lambda x: jnp.tile(x, (2, 3)), matrix(2, 3)),
    "slice": (lambda x: lax.slice(x, (1, 0), (3, 2)), matrix(4, 3)),
    "slice by steps": (lambda x: lax.slice(x, (1, 0), (8, 2), (3, 2)), matrix(9, 3)),
    "slice of nothing": (lambda x: lax.slice(x, (1, 0), (1, 2)), matrix(4, 3)),
    "pad": (lambda x, v: lax.pad(x, v, ((1, 2, 1), (0, 1, 0))), matrix(2, 3), np.float64(0.7)),
    "pad by less than nothing": (lambda x, v: lax.pad(x, v, ((-1, 2, 0), (1, -1, 0))), matrix(3, 3), np.float64(0.7)),
    "pad within, cut off": (lambda x, v: lax.pad(x, v, ((-1, -2, 2), (-2, 1, 1))), matrix(4, 3), np.float64(0.7)),
    "select_n": (lambda x, y: lax.select(np.array([True, False, True]), x, y), matrix(3), 2 * matrix(3)),
    "select_n of three": (
        lambda x, y, z: lax.select_n(np.array([2, 0, 1], np.int32), x, y, z), matrix(3), 2 * matrix(3), 3 * matrix(3),
    ),
    "select_n by a number": (lambda x, y: lax.select_n(np.bool_(True), x, y), matrix(3), 2 * matrix(3)),
    "select_n by a comparison": (lambda x, y: jnp.where(x > y, x * x, y), ANY, OTHER),
    "cumsum": (lambda x: lax.cumsum(x, 1), matrix(2, 4)),
    "cumsum reverse": (lambda x: lax.cumsum(x, 0, reverse=True), matrix(2, 4)),
    "dynamic_slice": (lambda x, i: lax.dynamic_slice(x, (i, 1), (2, 2)), matrix(4, 3), np.int64(1)),
    "dynamic_slice past the end": (lambda x, i: lax.dynamic_slice(x, (i, 1), (2, 2)), matrix(4, 3), np.int64(9)),
    "dynamic_update_slice": (
        lambda x, part, i: lax.dynamic_update_slice(x, part, (i, 1)), matrix(4, 3), matrix(2, 2), np.int64(9),
    ),
    "gather": (lambda x: x[PLACES[:, 0], PLACES[:, 1]], matrix(3, 2)),
    "gather rows, one twice": (lambda x: x[jnp.asarray([2, 0, 2])], matrix(3, 2)),
    "gather past the end": (lambda x: x.at[jnp.asarray([0, 7])].get(mode="fill", fill_value=5.0), matrix(3, 2)),
    "gather clipped": (lambda x: x.at[jnp.asarray([0, 7])].get(mode="clip"), matrix(3, 2)),
    "gather along": (lambda x: jnp.take_along_axis(x, jnp.asarray([[0], [1], [0]]), axis=1), matrix(3, 2)),
    "custom_jvp_call": (jax.nn.relu, np.array([-1.0, 0.0, 2.0])),
    "custom_jvp_call compiled": (jax.jit(lambda x: jax.nn.silu(jax.nn.relu(x))), np.array([-1.0, 0.0, 2.0])),
}  # fmt: skip


# What the computation graph has no rule for, since no derivative passes or none is written.
WITHOUT_A_GRAPH_RULE = {
    "scatter": (lambda x, part: x.at[jnp.asarray([2, 0])].set(part), matrix(3, 2), matrix(2, 2)),
    "scatter-add": (lambda x, part: x.at[jnp.asarray([2, 2])].add(part), matrix(3, 2), matrix(2, 2)),
    "reduce_window_sum": (
        lambda x: lax.reduce_window(x, np.float64(0), lax.add, (2, 2), (1, 2), "VALID"), matrix(4, 4),
    ),
    "cumprod": (lambda x: lax.cumprod(x, 1), matrix(2, 4)),
    "cummax": (lambda x: lax.cummax(x, 1), matrix(2, 4)),
    "cummin": (lambda x: lax.cummin(x, 1), matrix(2, 4)),
    "cumlogsumexp": (lambda x: lax.cumlogsumexp(x, 1), matrix(2, 4)),
    "digamma": (lax.digamma, POSITIVE),
    "nextafter": (lambda x: lax.nextafter(x, np.full(5, 9.0)), ANY),
    "top_k": (lambda x: lax.top_k(x, 2)[0], matrix(2, 4)),
    "conv_general_dilated": (lambda x, w: lax.conv(x, w, (1, 2), "SAME"), matrix(2, 3, 5, 5), matrix(4, 3, 2, 2)),
    "device_put": (lambda x: 3 * jax.device_put(x), ANY),
    "optimization_barrier": (lambda x: 3 * lax.optimization_barrier(x), ANY),
    "sharding_constraint": (
        lambda x: 3 * lax.with_sharding_constraint(x, jax.sharding.SingleDeviceSharding(jax.devices()[0])), ANY,
    ),
    "eq": (lambda x, y: jnp.where(x == y, 2 * x, y), ANY, np.where(ANY > 0, ANY, OTHER)),
    "ne": (lambda x, y: jnp.where(x != y, 2 * x, y), ANY, np.where(ANY > 0, ANY, OTHER)),
    "lt": (lambda x: jnp.where(x < 0.5, 2 * x, x), ANY),
    "le": (lambda x: jnp.where(x <= 0.5, 2 * x, x), ANY),
    "gt": (lambda x: jnp.where(x > 0.5, 2 * x, x), ANY),
    "ge": (lambda x: jnp.where(x >= 0.5, 2 * x, x), ANY),
    "and": (lambda x: jnp.where((x > -1) & (x < 1), 2 * x, x), ANY),
    "or": (lambda x: jnp.where((x < -1) | (x > 1), 2 * x, x), ANY),
    "not": (lambda x: jnp.where(~(x > 0), 2 * x, x), ANY),
    "reduce_or": (lambda x: x * jnp.any(x > 2, axis=0).astype(x.dtype), ANY),
    "argmax": (lambda x: x * jnp.argmax(x, axis=0).astype(x.dtype), ANY),
    "argmin": (lambda x: (x + 1) * jnp.argmin(-x, axis=0).astype(x.dtype), ANY),
    "iota": (lambda x: x * lax.iota(x.dtype, 5), ANY),
    "floor": (lambda x: x * lax.floor(x), ANY),
    "ceil": (lambda x: x * lax.ceil(x), ANY),
    "round": (lambda x: x * lax.round(x), ANY),
    "sign": (lambda x: x * lax.sign(x), ANY),
    "is_finite": (lambda x: jnp.where(lax.is_finite(x), 2 * x, x), ANY),
    "stop_gradient": (lambda x: x + lax.stop_gradient(x), ANY),
    "bitcast_convert_type": (
        lambda x: x * lax.bitcast_convert_type(np.arange(5) * 2**48 + 0x3FF0000000000000, jnp.float64), ANY,
    ),
}  # fmt: skip

OF_NEWER_VERSIONS = {  # operations that JAX 0.10 does not have
    name: (getattr(lax, name), where)
    for name, where in (("log2", POSITIVE), ("one_minus_square", ANY))
    if hasattr(lax, name)
} | {
    "polynomial": (lambda x: jnp.polyval(np.array([2.0, -1.0, 3.0]), x), POSITIVE),
    "polynomial of a tail": (jax.scipy.special.ndtri, POSITIVE / 3),
}
UNSTACKED = {"unstack": (lambda x: 2 * jnp.unstack(x, axis=1)[1], matrix(3, 2))}

OF_BATCHES = {"dot_general batch", "dot_general batch last and two"}

CASES = {**UNARY, **BINARY, **REST, **WITHOUT_A_GRAPH_RULE, **OF_NEWER_VERSIONS, **UNSTACKED}


def operation_of(name):
    """Return the operation's name of a case's."""
    return name.split()[0]
