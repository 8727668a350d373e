"""Wrong derivative rules of many kinds, and the programs in which they are planted."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

X = np.array([-1.3, -0.4, 0.7, 1.9])
W = np.array([0.8, -1.1, 0.6, 1.7])


class Base(NamedTuple):
    """A function y = u(x) w, with u and u'."""

    name: str
    u: object
    slope: object


BASES = (
    Base("sine", jnp.sin, jnp.cos),
    Base("bell", lambda x: jnp.exp(-x * x), lambda x: -2 * x * jnp.exp(-x * x)),
)


def vjp(base, spoil, forward=lambda y: y):
    """Return a function whose backward pass is ``spoil(x, w, g, dx, dw)``, and whose forward pass is spoiled too."""

    def planted(x, w):
        return base.u(x) * w

    planted.__name__ = planted.__qualname__ = f"planted_{base.name}"
    rule = jax.custom_vjp(planted)

    def ahead(x, w):
        return forward(base.u(x) * w), (x, w)

    def back(kept, g):
        x, w = kept
        return spoil(x, w, g, g * w * base.slope(x), g * base.u(x))

    rule.defvjp(ahead, back)
    return rule


def jvp(base, spoil, forward=lambda y: y):
    """Return a function whose tangent is ``spoil(x, w, dx, dw, tangent)``."""

    def planted(x, w):
        return base.u(x) * w

    planted.__name__ = planted.__qualname__ = f"planted_{base.name}"
    rule = jax.custom_jvp(planted)

    @rule.defjvp
    def along(primals, tangents):
        (x, w), (dx, dw) = primals, tangents
        return forward(base.u(x) * w), spoil(x, w, dx, dw, w * base.slope(x) * dx + base.u(x) * dw)

    return rule


def mapped_wrong(base, _):
    """Return a function that is right but under ``vmap``, where it is halved."""

    def planted(x, w):
        return base.u(x) * w

    planted.__name__ = planted.__qualname__ = f"planted_{base.name}"
    rule = jax.custom_batching.custom_vmap(planted)

    @rule.def_vmap
    def mapped(size, batched, x, w):
        return 0.5 * base.u(x) * w, True

    return rule


def drifting(x, w, g, dx, dw, calls=[]):  # noqa: B006  the state is the mistake
    calls.append(0)
    return dx * (1 + 0.1 * len(calls)), dw


def held(dx, g):
    """Return the derivative as a constant, which has no derivative of its own."""
    return lax.stop_gradient(jnp.where(g == 0, 0, dx / jnp.where(g == 0, 1, g)))


def first(x):
    return jnp.arange(x.shape[-1]) == 0


# kind -> a spoiled backward pass (x, w, g, dx, dw) -> (dx, dw)
BACKWARD = {
    "twice": lambda x, w, g, dx, dw: (2 * dx, dw),
    "half": lambda x, w, g, dx, dw: (dx, 0.5 * dw),
    "sign": lambda x, w, g, dx, dw: (-dx, dw),
    "nothing passed on": lambda x, w, g, dx, dw: (0 * dx, dw),
    "arguments swapped": lambda x, w, g, dx, dw: (dw, dx),
    "a factor missing": lambda x, w, g, dx, dw: (dx / w, dw),
    "a constant added": lambda x, w, g, dx, dw: (dx + 0.01 * g, dw),
    "one element": lambda x, w, g, dx, dw: (jnp.where(first(x), 1.5 * dx, dx), dw),
    "negative side": lambda x, w, g, dx, dw: (jnp.where(x < 0, 0.1 * dx, dx), dw),
    "one in a billion": lambda x, w, g, dx, dw: (dx * (1 + 1e-9), dw),
    "clipped cotangent": lambda x, w, g, dx, dw: (jnp.clip(dx, -3, 3), dw),
    "squared cotangent": lambda x, w, g, dx, dw: (dx * g, dw),
    "magnitude of the cotangent": lambda x, w, g, dx, dw: (dx * jnp.sign(g), dw),
    "cotangent left out": lambda x, w, g, dx, dw: (dx, dw - g * 0.5 + 0.5),
    "NaN at 0": lambda x, w, g, dx, dw: (dx * x / x, dw),
    "overflow": lambda x, w, g, dx, dw: (dx * jnp.exp(x) / jnp.exp(x), dw),
    "another forward value": None,
    "second order lost": lambda x, w, g, dx, dw: (held(dx, g) * g, dw),
    "large arguments": lambda x, w, g, dx, dw: (jnp.where(jnp.abs(x) > 20, dx + g, dx), dw),
    "reversed": lambda x, w, g, dx, dw: (jnp.flip(dx, -1), dw),
    "mean of the batch": lambda x, w, g, dx, dw: (dx / x.shape[-1], dw),
    "another each time": drifting,
    "output for input": lambda x, w, g, dx, dw: (dx, g * w),
    "not 0 for a cotangent of 0": lambda x, w, g, dx, dw: (dx + 1e-3, dw),
    "NaN for a cotangent of 0": lambda x, w, g, dx, dw: (dx * g / g, dw),
    "neighbour's": lambda x, w, g, dx, dw: (jnp.roll(dx, 1, -1), dw),
    "summed": lambda x, w, g, dx, dw: (dx, jnp.zeros_like(dw) + jnp.sum(dw, -1, keepdims=True)),
    "small ones dropped": lambda x, w, g, dx, dw: (jnp.where(jnp.abs(dx) < 0.3 * jnp.abs(g), 0, dx), dw),
}
# kind -> a spoiled tangent (x, w, dx, dw, tangent)
FORWARD = {
    "twice, forward": lambda x, w, dx, dw, t: 2 * t,
    "an argument dropped": lambda x, w, dx, dw, t: t - 0.5 * dw * w,
    "sign, forward": lambda x, w, dx, dw, t: -t,
    "one element, forward": lambda x, w, dx, dw, t: jnp.where(first(x), 1.01 * t, t),
    "NaN at 0, forward": lambda x, w, dx, dw, t: t * (x / x),
}


def rules():
    """Yield (kind, function) for each wrong rule."""
    for base in BASES:
        for kind, spoil in BACKWARD.items():
            if spoil is None:
                yield kind, vjp(base, lambda x, w, g, dx, dw: (dx, dw), lambda y: y + 0.1)
            else:
                yield kind, vjp(base, spoil)
        for kind, spoil in FORWARD.items():
            yield kind, jvp(base, spoil)
        yield "wrong under vmap", mapped_wrong(base, None)


def plain(f):
    return f


def in_scan(f):
    return lambda x, w: lax.scan(lambda carry, _: (0.9 * carry + 0.1 * f(carry, w), None), x, None, length=3)[0]


def in_cond(f):
    return lambda x, w: lax.cond(x[0] < 0, lambda: f(x, w), lambda: x)


def under_vmap(f):
    return lambda x, w: jax.vmap(f, (0, None))(jnp.stack([x, x + 0.3]), w)


def under_jit(f):
    return lambda x, w: 2 * jax.jit(f)(x, w)


CONTEXTS = {"plain": plain, "scan": in_scan, "cond": in_cond, "vmap": under_vmap, "jit": under_jit}
