"""Every elementwise function of funcnet beside its definition for many digits: the table of the accuracy tests."""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np

import funcnet as fn
from funcnet.activations import ACTIVATIONS
from funcnet.losses import LOSSES

FLOOR = 257 * 2.0**-24
ROUTES = ("value", "by hand", "automatic")


class Claim(NamedTuple):
    """A function, the same for many digits, its domain, its zeros, and where its form changes."""

    name: str
    route: str  # one of ROUTES
    function: Callable[[jax.Array], jax.Array]
    reference: Callable[[Any], Any]
    domain: tuple[float, float] = (-math.inf, math.inf)
    zeros: tuple[float, ...] = ()
    near: tuple[float, ...] = ()

    def limit(self, dtype):
        """Return the units in the last place that are claimed: 1 for a dtype of 16 bits, else 4, with exceptions."""
        limit, _ = EXCEPTIONS.get((self.name, self.route), (4.0, ""))
        return 1.0 if jnp.finfo(dtype).bits == 16 else limit

    def domain_in(self, dtype):
        """Return the domain without what a dtype cannot have.

        In float16 a probability below FLOOR counts as FLOOR, since 1/a is no number of it there. The automatic gradient
        of the focal loss, about e^(−3|z|), is a sum whose smaller term, a third, is flushed before the sum is. That of
        the quadratic loss is (d + d)/2, which overflows in the last binade, as the loss does long before.
        """
        low, high = self.domain
        if self.name.startswith("quadratic") and self.route == "automatic" and jnp.dtype(dtype) != jnp.float16:
            half = float(jnp.finfo(dtype).max) / 2
            return -half, half
        if low > 0 and jnp.dtype(dtype) == jnp.float16:
            return FLOOR, high
        if self.name.startswith("focal") and self.route == "automatic":
            end = -math.log(4 * float(jnp.finfo(dtype if jnp.finfo(dtype).bits > 16 else "float32").tiny)) / 3
            return (-end, high) if self.name.endswith("0") else (low, end)
        return low, high

    def check(self, dtype, samples):
        found = fn.check_accuracy(
            self.function, self.reference, dtype=dtype, domain=self.domain_in(dtype), zeros=self.zeros, near=self.near,
            samples=samples, limit=self.limit(dtype),
        )  # fmt: skip
        return found._replace(name=f"{self.name} {self.route}")


# What cannot be had in float32 and float64, with the units that can, and why. Near a zero other than 0, 4 units are 1
# unit of the largest value between half the zero and twice the zero, so 10 are 2.5 units of that value.
THREE_FACTORS = "a product of three or more factors, each of which has two units of its own"
DIFFERENCE = "near its zero it is a difference of two numbers, each of which has one or two units of its own"
EXCEPTIONS = {
    ("sigmoid_cross_entropy, target 0.25", "automatic"): (10.0, DIFFERENCE),
    **{(f"focal, target {t}", route): (8.0, THREE_FACTORS) for t in (0, 1) for route in ROUTES},
}


def sigma(z):
    return 1 / (1 + mp.exp(-z))


def softplus(z):
    return mp.log1p(mp.exp(z))


def cdf(z):
    if abs(z) > 1000:  # mpmath cannot, and e^(−500,000) is 0 in every dtype
        return mp.mpf(z > 0)
    return mp.erfc(-z / mp.sqrt(2)) / 2


def density(z):
    return mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi)


def pieces(left, right):
    return lambda z: left(z) if z < 0 else right(z)


def constant(number):
    return lambda z: mp.mpf(number)


def identity(z):
    return z


ZERO_OF_SILU, ZERO_OF_GELU = -1.2784645427610738, -0.7517915246935645  # of their derivatives
TAILS = (-88.0, -44.0, 44.0, -13.0, -11.6, -0.625, 0.625, -0.5, 0.5)

ACTIVATION = {  # name: σ, σ′, the zeros of σ′
    "linear": (identity, constant(1), ()),
    "sigmoid": (sigma, lambda z: sigma(z) * sigma(-z), ()),
    "tanh": (mp.tanh, lambda z: mp.sech(z) ** 2, ()),
    "relu": (pieces(constant(0), identity), pieces(constant(0), constant(1)), ()),
    "step": (pieces(constant(0), constant(1)), constant(0), ()),
    "sign": (pieces(constant(-1), constant(1)), constant(0), ()),
    "leaky_relu": (pieces(lambda z: z / 100, identity), pieces(lambda z: 1 / mp.mpf(100), constant(1)), ()),
    "elu": (pieces(mp.expm1, identity), pieces(mp.exp, constant(1)), ()),
    "prelu": (pieces(lambda z: z / 4, identity), pieces(lambda z: 1 / mp.mpf(4), constant(1)), ()),
    "softplus": (softplus, sigma, ()),
    "silu": (lambda z: z * sigma(z), lambda z: sigma(z) * (1 + z * sigma(-z)), (ZERO_OF_SILU,)),
    "gelu": (lambda z: z * cdf(z), lambda z: cdf(z) + z * density(z), (ZERO_OF_GELU,)),
}


def activations() -> Iterator[Claim]:
    for name, (value, derivative, zeros) in ACTIVATION.items():
        activation = ACTIVATIONS[name]
        yield Claim(name, "value", activation, value, near=TAILS)
        yield Claim(name, "by hand", activation.derivative, derivative, zeros=zeros, near=TAILS)
        yield Claim(name, "automatic", jax.vmap(jax.grad(activation)), derivative, zeros=zeros, near=TAILS)


def binary(p, t):
    return (t and -t * mp.log(p)) + ((1 - t) and -(1 - t) * mp.log1p(-p))


def huber(d):
    return d * d / 2 if abs(d) <= 1 else abs(d) - mp.mpf(1) / 2


def focal(z, t):
    sign = 1 if t else -1
    return sigma(-sign * z) ** 2 * softplus(-sign * z)


def focal_slope(z, t):
    sign = 1 if t else -1
    m, p = sigma(-sign * z), sigma(sign * z)
    return -sign * m**2 * (2 * p * softplus(-sign * z) + m)


UNIT = (0.0, 1.0)
REALS = (-math.inf, math.inf)
LOSS = {  # name: the value and the gradient of one output p with target t, the domain, the targets
    "quadratic": (lambda p, t: (p - t) ** 2 / 2, lambda p, t: p - t, REALS, (0.0, 0.25)),
    "squared_error": (lambda p, t: (p - t) ** 2, lambda p, t: 2 * (p - t), REALS, (-1.5,)),
    "mean_squared_error": (lambda p, t: (p - t) ** 2, lambda p, t: 2 * (p - t), REALS, (0.25,)),
    "huber": (lambda p, t: huber(p - t), lambda p, t: max(-1, min(1, p - t)), REALS, (0.25,)),
    "binary_cross_entropy": (binary, lambda p, t: (1 - t) / (1 - p) - t / p, UNIT, (0.0, 0.25, 1.0)),
    "sigmoid_cross_entropy": (
        lambda z, t: t * softplus(-z) + (1 - t) * softplus(z),
        lambda z, t: (1 - t) * sigma(z) - t * sigma(-z),
        REALS,
        (0.0, 0.25, 1.0),
    ),
    "categorical_cross_entropy": (lambda p, t: -t * mp.log(p), lambda p, t: -t / p, UNIT, (0.25, 1.0)),
    "focal": (focal, focal_slope, (-1e38, 1e38), (0.0, 1.0)),  # beyond, twice the loss overflows
    "kl_divergence": (lambda p, t: -t * mp.log(p / t), lambda p, t: -t / p, UNIT, (0.25, 1.0)),
    "hinge": (lambda z, t: max(0, 1 - t * z), lambda z, t: -int(t) if t * z <= 1 else 0, REALS, (-1.0, 1.0)),
}  # fmt: skip
ZEROS = {  # (name, target): the zeros of the gradient
    ("binary_cross_entropy", 0.25): (0.25,),
    ("sigmoid_cross_entropy", 0.25): (-math.log(3),),
}
ZEROS_OF_VALUE = {("kl_divergence", 0.25): (0.25,)}
WITHOUT_ELEMENTS = {"softmax", "softmax_cross_entropy"}  # each output depends on all of a row


def losses() -> Iterator[Claim]:
    for name, (value, gradient, domain, targets) in LOSS.items():
        for t in targets:
            yield from _of_loss(name, t, lambda p, v=value, t=t: v(p, t), lambda p, g=gradient, t=t: g(p, t), domain)


def _of_loss(name, t, value, gradient, domain):
    loss, title, near = LOSSES[name], f"{name}, target {t:g}", (0.25, 0.5, 0.99, 1.25, -0.75)

    def of_one(p):
        return loss.value(p[None], jnp.full((1,), t, p.dtype))

    def by_hand(p):
        return loss.gradient(p[:, None], jnp.full((len(p), 1), t, p.dtype))[:, 0]

    lowest, highest = (np.nextafter(domain[0], 1), np.nextafter(np.float32(domain[1]), np.float32(0)))
    inside = (float(lowest), float(highest)) if domain == UNIT else domain
    yield Claim(title, "value", jax.vmap(of_one), value, inside, ZEROS_OF_VALUE.get((name, t), ()), near)
    zeros = ZEROS.get((name, t), ())
    yield Claim(title, "by hand", by_hand, gradient, inside, zeros, near)
    yield Claim(title, "automatic", jax.vmap(jax.grad(of_one)), gradient, inside, zeros, near)


CLAIMS = [*activations(), *losses()]
