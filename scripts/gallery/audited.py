"""The functions that ``audit.py`` tries, each beside its definition and its derivative for many digits.

A function is an expression in x, which is printed as it is run. Those of several arguments, and those of vectors and
matrices, are functions of one number: the other numbers are fixed.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

try:
    import mpmath as mp
except ImportError as error:
    raise ImportError("audit.py compares with many digits by mpmath: .venv/bin/pip install -e '.[accuracy]'") from error

TINY = float(np.finfo(np.float32).tiny)
BELOW_1 = float(np.nextafter(np.float32(1), np.float32(0)))
REALS, POSITIVE, SYMMETRIC, UNIT = (-math.inf, math.inf), (TINY, math.inf), (-BELOW_1, BELOW_1), (TINY, BELOW_1)


class Audited(NamedTuple):
    """A function: its expression in x, its value and derivative for many digits, and where it is tried."""

    group: str
    expression: str
    value: Callable[[Any], Any]
    slope: Callable[[Any], Any]
    domain: tuple[float, float] = REALS
    is_bounded: bool = True  # the derivative is: 0 times it is then 0 at infinity too

    def zeros(self, what):
        """Return the zeros that are tried, other than 0: near them a number is a difference of larger ones."""
        return ZEROS.get((self.expression, what), ())

    @property
    def has_second(self):
        """Whether the second derivative is tried: of special functions, which have rules of their own."""
        special = self.group == "jax.scipy.special" or self.expression in ("jnp.sinc(x)", "jnp.i0(x)")
        return special and not self.expression.startswith(WITHOUT_SECOND)

    @property
    def loops(self):
        """Whether it is a loop until all numbers of an array converge, which may never be."""
        return self.expression.startswith(("jss.exp1", "jss.expn"))


ZEROS = {
    ("jnp.sinc(x)", "value"): (-1.0, 1.0),
    ("jss.gammaln(x)", "value"): (1.0, 2.0),
    ("jss.expi(x)", "second derivative"): (1.0,),
    ("jss.gammainc(2.0, x)", "second derivative"): (1.0,),
    ("jss.gammaincc(2.0, x)", "second derivative"): (1.0,),
    ("jnp.linalg.pinv(jnp.array([[x], [1.0]]))[0, 0]", "derivative"): (-1.0, 1.0),
}
WITHOUT_SECOND = ("jss.digamma", "jss.i0e", "jss.xlogy")  # poles, a jump, a straight line


def sigma(z):
    """Return the logistic sigmoid."""
    return 1 / (1 + mp.exp(-z))


def softplus(z):
    """Return log(1 + e^z)."""
    return mp.log1p(mp.exp(z))


def cdf(z):
    """Return the normal distribution function."""
    if abs(z) > 1000:  # where mpmath is slow, and the smaller tail is 0 in every dtype
        return mp.mpf(z > 0)
    return mp.erfc(-z / mp.sqrt(2)) / 2


def density(z):
    """Return the normal density."""
    return mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi)


def mills(z):
    """Return the density over the distribution function: the derivative of its logarithm."""
    if z < -1000:  # its asymptotic series
        return -z / (1 - 1 / z**2 + 3 / z**4 - 15 / z**6 + 105 / z**8 - 945 / z**10 + 10395 / z**12)
    return density(z) / cdf(z)


def log_cdf(z):
    """Return the logarithm of the normal distribution function."""
    if z < -1000:
        return -z * z / 2 - mp.log(2 * mp.pi) / 2 - mp.log(mills(z))
    return mp.log1p(-cdf(-z)) if z > 0 else mp.log(cdf(z))


def gelu_of_tanh(z):
    """Return the approximation of GELU by tanh."""
    return z * sigma(2 * mp.sqrt(2 / mp.pi) * (z + mp.mpf("0.044715") * z**3))


def gelu_of_tanh_slope(z):
    """Return the derivative of the approximation of GELU by tanh."""
    a, b = 2 * mp.sqrt(2 / mp.pi), mp.mpf("0.044715")
    u, slope = a * (z + b * z**3), a * (1 + 3 * b * z * z)
    return sigma(u) * (1 + z * sigma(-u) * slope)


def elu(alpha, scale=1):
    """Return the exponential linear unit of these settings, and its derivative."""
    return (
        lambda z: scale * (z if z > 0 else alpha * mp.expm1(z)),
        lambda z: scale * (mp.mpf(1) if z > 0 else alpha * mp.exp(z)),
    )


def mish(z):
    """Return z tanh(softplus(z))."""
    return z * mp.tanh(softplus(z))


def mish_slope(z):
    """Return the derivative of mish."""
    return mp.tanh(softplus(z)) + z * mp.sech(softplus(z)) ** 2 * sigma(z)


def sparse_plus(z):
    """Return 0, (z + 1)²/4 between −1 and 1, z."""
    return mp.mpf(0) if z <= -1 else z if z >= 1 else (z + 1) ** 2 / 4


def sinc(x):
    """Return sin(πx)/(πx)."""
    return mp.sinc(mp.pi * x)


def sinc_slope(x):
    """Return the derivative of sinc."""
    return (mp.cospi(x) - sinc(x)) / x if x else mp.mpf(0)


def spence(x):
    """Return Spence's function, Li₂(1 − x)."""
    if x > 4:  # Li₂ at 1 − x by that at 1/(1 − x), which mpmath computes fast
        return -(mp.pi**2) / 6 - mp.log(x - 1) ** 2 / 2 - mp.re(mp.polylog(2, 1 / (1 - x)))
    return mp.re(mp.polylog(2, 1 - x))


def spence_slope(x):
    """Return the derivative of Spence's function."""
    return -mp.log(x) / (x - 1) if x != 1 else mp.mpf(-1)


def exp1(x):
    """Return the exponential integral E₁."""
    return mp.e1(x) if x < 1000 else mp.mpf(0)


def huber(d):
    """Return Huber's loss of an error."""
    return d * d / 2 if abs(d) <= 1 else abs(d) - mp.mpf(1) / 2


SELU = (mp.mpf("1.6732632423543772848170429916717"), mp.mpf("1.0507009873554804934193349852946"))
LOG_2 = mp.log(2)

OF_NN = {
    "jax.nn.relu(x)": (lambda z: max(z, 0), lambda z: mp.mpf(z > 0)),
    "jax.nn.leaky_relu(x)": (lambda z: z if z >= 0 else z / 100, lambda z: mp.mpf(1) if z >= 0 else mp.mpf(1) / 100),
    "jax.nn.sigmoid(x)": (sigma, lambda z: sigma(z) * sigma(-z)),
    "jax.nn.log_sigmoid(x)": (lambda z: -softplus(-z), lambda z: sigma(-z)),
    "jax.nn.softplus(x)": (softplus, sigma),
    "jax.nn.soft_sign(x)": (lambda z: z / (1 + abs(z)), lambda z: 1 / (1 + abs(z)) ** 2),
    "jax.nn.silu(x)": (lambda z: z * sigma(z), lambda z: sigma(z) * (1 + z * sigma(-z))),
    "jax.nn.mish(x)": (mish, mish_slope),
    "jax.nn.elu(x)": elu(1),
    "jax.nn.celu(x)": elu(1),
    "jax.nn.selu(x)": elu(*SELU),
    "jax.nn.gelu(x, approximate=False)": (lambda z: z * cdf(z), lambda z: cdf(z) + z * density(z)),
    "jax.nn.gelu(x)": (gelu_of_tanh, gelu_of_tanh_slope),
    "jax.nn.squareplus(x)": (lambda z: (z + mp.hypot(z, 2)) / 2, lambda z: (1 + z / mp.hypot(z, 2)) / 2),
    "jax.nn.sparse_plus(x)": (sparse_plus, lambda z: min(max((z + 1) / 2, mp.mpf(0)), mp.mpf(1))),
    "jax.nn.tanh(x)": (mp.tanh, lambda z: mp.sech(z) ** 2),
    "jax.nn.softmax(jnp.stack([x, 0.0]))[0]": (sigma, lambda z: sigma(z) * sigma(-z)),
    "jax.nn.log_softmax(jnp.stack([x, 0.0]))[0]": (lambda z: -softplus(-z), lambda z: sigma(-z)),
    "jax.nn.logsumexp(jnp.stack([x, 0.0]))": (softplus, sigma),
    "jax.nn.logsumexp(jnp.stack([x, x]))": (lambda x: x + LOG_2, lambda x: mp.mpf(1)),
}
OF_NUMPY = {
    "jnp.exp(x)": (mp.exp, mp.exp, (-200.0, 100.0), False),
    "jnp.exp2(x)": (lambda x: 2**x, lambda x: LOG_2 * 2**x, (-200.0, 130.0), False),
    "jnp.expm1(x)": (mp.expm1, mp.exp, (-math.inf, 100.0), False),
    "jnp.log(x)": (mp.log, lambda x: 1 / x, POSITIVE, False),
    "jnp.log2(x)": (lambda x: mp.log(x, 2), lambda x: 1 / (x * mp.log(2)), POSITIVE, False),
    "jnp.log10(x)": (mp.log10, lambda x: 1 / (x * mp.log(10)), POSITIVE, False),
    "jnp.log1p(x)": (mp.log1p, lambda x: 1 / (1 + x), (-BELOW_1, math.inf), False),
    "jnp.sqrt(x)": (mp.sqrt, lambda x: 1 / (2 * mp.sqrt(x)), POSITIVE, False),
    "jnp.cbrt(x)": (mp.cbrt, lambda x: 1 / (3 * mp.cbrt(x) ** 2), POSITIVE, False),
    "jnp.reciprocal(x)": (lambda x: 1 / x, lambda x: -1 / x**2, POSITIVE, False),
    "jnp.sin(x)": (mp.sin, mp.cos, REALS, False),
    "jnp.cos(x)": (mp.cos, lambda x: -mp.sin(x), REALS, False),
    "jnp.tan(x)": (mp.tan, lambda x: mp.sec(x) ** 2, REALS, False),
    "jnp.arcsin(x)": (mp.asin, lambda x: 1 / mp.sqrt(1 - x * x), SYMMETRIC, False),
    "jnp.arccos(x)": (mp.acos, lambda x: -1 / mp.sqrt(1 - x * x), SYMMETRIC, False),
    "jnp.arctan(x)": (mp.atan, lambda x: 1 / (1 + x * x)),
    "jnp.sinh(x)": (mp.sinh, mp.cosh, (-100.0, 100.0), False),
    "jnp.cosh(x)": (mp.cosh, mp.sinh, (-100.0, 100.0), False),
    "jnp.arcsinh(x)": (mp.asinh, lambda x: 1 / mp.hypot(x, 1)),
    "jnp.arccosh(x)": (mp.acosh, lambda x: 1 / mp.sqrt(x * x - 1), (1.0001, math.inf), False),
    "jnp.arctanh(x)": (mp.atanh, lambda x: 1 / (1 - x * x), SYMMETRIC, False),
    "jnp.sinc(x)": (sinc, sinc_slope, (-1e5, 1e5)),
    "jnp.i0(x)": (lambda x: mp.besseli(0, x), lambda x: mp.besseli(1, x), (-95.0, 95.0), False),
    "jnp.logaddexp(x, 0.0)": (softplus, sigma),
    "jnp.logaddexp(x, x)": (lambda x: x + LOG_2, lambda x: mp.mpf(1)),
    "jnp.logaddexp2(x, 0.0)": (lambda x: softplus(x * mp.log(2)) / mp.log(2), lambda x: sigma(x * mp.log(2))),
    "jnp.hypot(x, 1.0)": (lambda x: mp.hypot(x, 1), lambda x: x / mp.hypot(x, 1)),
    "jnp.arctan2(x, 1.0)": (mp.atan, lambda x: 1 / (1 + x * x)),
    "jnp.power(x, 2.5)": (lambda x: x ** mp.mpf(2.5), lambda x: 2.5 * x ** mp.mpf(1.5), POSITIVE, False),
    "jnp.std(jnp.stack([x, 0.0]))": (lambda x: abs(x) / 2, lambda x: mp.sign(x) / 2, REALS, False),
}
OF_SPECIAL = {
    "jss.erf(x)": (mp.erf, lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x)),
    "jss.erfc(x)": (lambda x: 2 * cdf(-x * mp.sqrt(2)), lambda x: -2 / mp.sqrt(mp.pi) * mp.exp(-x * x)),
    "jss.erfinv(x)": (mp.erfinv, lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(mp.erfinv(x) ** 2), SYMMETRIC, False),
    "jss.ndtr(x)": (cdf, density),
    "jss.log_ndtr(x)": (log_cdf, mills, REALS, False),
    "jss.expit(x)": (sigma, lambda z: sigma(z) * sigma(-z)),
    "jss.logit(x)": (lambda p: mp.log(p) - mp.log1p(-p), lambda p: 1 / (p * (1 - p)), UNIT, False),
    "jss.entr(x)": (lambda x: -x * mp.log(x), lambda x: -mp.log(x) - 1, POSITIVE, False),
    "jss.xlogy(x, 3.0)": (lambda x: x * mp.log(3), lambda x: mp.log(3)),
    "jss.xlog1py(2.0, x)": (lambda x: 2 * mp.log1p(x), lambda x: 2 / (1 + x), (-BELOW_1, math.inf), False),
    "jss.rel_entr(x, 3.0)": (lambda x: x * mp.log(x / 3), lambda x: mp.log(x / 3) + 1, POSITIVE, False),
    "jss.kl_div(x, 3.0)": (lambda x: x * mp.log(x / 3) - x + 3, lambda x: mp.log(x / 3), POSITIVE, False),
    "jss.gammaln(x)": (mp.loggamma, mp.digamma, POSITIVE, False),
    "jss.gamma(x)": (mp.gamma, lambda x: mp.gamma(x) * mp.digamma(x), (TINY, 40.0), False),
    "jss.digamma(x)": (mp.digamma, lambda x: mp.psi(1, x), (-100.0, math.inf), False),
    "jss.polygamma(1, x)": (lambda x: mp.psi(1, x), lambda x: mp.psi(2, x), POSITIVE, False),
    "jss.zeta(x, 2.0)": (lambda x: mp.zeta(x, 2), lambda x: mp.zeta(x, 2, 1), (1.1, 100.0), False),
    "jss.betaln(x, 2.0)": (lambda x: -mp.log(x) - mp.log1p(x), lambda x: -1 / x - 1 / (1 + x), POSITIVE, False),
    "jss.betainc(2.0, 1.0, x)": (lambda x: x * x, lambda x: 2 * x, UNIT),
    "jss.gammainc(2.0, x)": (lambda x: 1 - (1 + x) * mp.exp(-x), lambda x: x * mp.exp(-x), POSITIVE),
    "jss.gammaincc(2.0, x)": (lambda x: (1 + x) * mp.exp(-x), lambda x: -x * mp.exp(-x), POSITIVE),
    "jss.i0(x)": (lambda x: mp.besseli(0, x), lambda x: mp.besseli(1, x), (-95.0, 95.0), False),
    "jss.i1(x)": (
        lambda x: mp.besseli(1, x),
        lambda x: (mp.besseli(0, x) + mp.besseli(2, x)) / 2,
        (-95.0, 95.0),
        False,
    ),
    "jss.i0e(x)": (
        lambda x: mp.besseli(0, x) * mp.exp(-abs(x)),
        lambda x: (mp.besseli(1, x) - mp.sign(x) * mp.besseli(0, x)) * mp.exp(-abs(x)),
        (-1e4, 1e4),
    ),
    "jss.exp1(x)": (exp1, lambda x: -mp.exp(-x) / x, POSITIVE, False),
    "jss.expi(x)": (mp.ei, lambda x: mp.exp(x) / x, (TINY, 100.0), False),
    "jss.expn(2, x)": (lambda x: mp.exp(-x) - x * exp1(x), lambda x: -exp1(x), POSITIVE, False),
    "jss.spence(x)": (spence, spence_slope, POSITIVE, False),
    "jss.poch(x, 2.0)": (lambda x: x * (x + 1), lambda x: 2 * x + 1, POSITIVE, False),
    "jss.sici(x)[0]": (mp.si, mp.sinc, (-1e4, 1e4)),
    "jss.hyp1f1(1.0, 2.0, x)": (
        lambda x: mp.expm1(x) / x if x else mp.mpf(1),
        lambda x: (x * mp.exp(x) - mp.expm1(x)) / x**2 if x else mp.mpf(1) / 2,
        (-50.0, 50.0),
        False,
    ),
}
OF_LINALG = {
    "jnp.linalg.norm(jnp.stack([x, 1.0]))": (lambda x: mp.hypot(x, 1), lambda x: x / mp.hypot(x, 1)),
    "jnp.linalg.norm(jnp.stack([x, x]))": (lambda x: mp.sqrt(2) * abs(x), lambda x: mp.sqrt(2) * mp.sign(x)),
    "jnp.linalg.det(jnp.array([[x, 1.0], [1.0, 2.0]]))": (lambda x: 2 * x - 1, lambda x: mp.mpf(2)),
    "jnp.linalg.slogdet(jnp.array([[x, 1.0], [-1.0, 2.0]]))[1]": (
        lambda x: mp.log(2 * x + 1), lambda x: 1 / (x + mp.mpf(1) / 2), POSITIVE, False,
    ),
    "jnp.linalg.inv(jnp.array([[x, 1.0], [-1.0, 2.0]]))[0, 0]": (
        lambda x: 1 / (x + mp.mpf(1) / 2), lambda x: -1 / (x + mp.mpf(1) / 2) ** 2, POSITIVE,
    ),
    "jnp.linalg.solve(jnp.array([[x, 1.0], [-1.0, 2.0]]), jnp.array([1.0, 0.0]))[0]": (
        lambda x: 1 / (x + mp.mpf(1) / 2), lambda x: -1 / (x + mp.mpf(1) / 2) ** 2, POSITIVE,
    ),
    "jnp.linalg.cholesky(jnp.array([[1.0, x], [x, 1.0]]))[1, 1]": (
        lambda x: mp.sqrt(1 - x * x), lambda x: -x / mp.sqrt(1 - x * x), SYMMETRIC, False,
    ),
    "jnp.linalg.eigvalsh(jnp.array([[x, 1.0], [1.0, -x]]))[1]": (
        lambda x: mp.hypot(x, 1), lambda x: x / mp.hypot(x, 1),
    ),
    "jnp.linalg.svdvals(jnp.array([[x, 0.0], [0.0, 0.5]]))[0]": (
        lambda x: x, lambda x: mp.mpf(1), (0.6, math.inf),
    ),
    "jnp.linalg.pinv(jnp.array([[x], [1.0]]))[0, 0]": (
        lambda x: x / (1 + x * x), lambda x: (1 - x * x) / (1 + x * x) ** 2, REALS, False,
    ),
    "jnp.linalg.matrix_power(jnp.array([[x, 1.0], [0.0, 1.0]]), 3)[0, 0]": (
        lambda x: x**3, lambda x: 3 * x * x, REALS, False,
    ),
}  # fmt: skip
OF_OPTAX = {
    "optax.sigmoid_binary_cross_entropy(x, 0.0)": (softplus, sigma),
    "optax.sigmoid_binary_cross_entropy(x, 1.0)": (lambda z: softplus(-z), lambda z: -sigma(-z)),
    "optax.sigmoid_focal_loss(x, 1.0)": (
        lambda z: sigma(-z) ** 2 * softplus(-z),
        lambda z: -(sigma(-z) ** 2) * (2 * sigma(z) * softplus(-z) + sigma(-z)),
    ),
    "optax.softmax_cross_entropy(jnp.stack([x, 0.0]), jnp.array([0.0, 1.0]))": (softplus, sigma),
    "optax.safe_softmax_cross_entropy(jnp.stack([x, 0.0]), jnp.array([0.0, 1.0]))": (softplus, sigma),
    "optax.huber_loss(x, 0.0)": (huber, lambda d: max(-1, min(1, d))),
    "optax.log_cosh(x)": (lambda d: mp.log(mp.cosh(d)) if abs(d) < 1e6 else abs(d) - mp.log(2), mp.tanh),
    "optax.squared_error(x)": (lambda d: d * d, lambda d: 2 * d, REALS, False),
    "optax.l2_loss(x)": (lambda d: d * d / 2, lambda d: d, REALS, False),
    "optax.hinge_loss(x, 1.0)": (lambda z: max(0, 1 - z), lambda z: (mp.sign(z - 1) - 1) / 2),
    "optax.cosine_similarity(jnp.stack([x, 1.0]), jnp.array([1.0, 0.0]))": (
        lambda x: x / mp.hypot(x, 1), lambda x: 1 / mp.hypot(x, 1) ** 3,
    ),
    "optax.convex_kl_divergence(jnp.stack([x]), jnp.array([0.5]))": (
        lambda x: mp.exp(x) - x / 2 + mp.log(0.5) / 2 - 0.5, lambda x: mp.exp(x) - 0.5, (-math.inf, 100.0), False,
    ),
    "optax.safe_norm(jnp.stack([x, x]), 1e-6)": (
        lambda x: max(mp.sqrt(2) * abs(x), mp.mpf(1e-6)),
        lambda x: mp.sqrt(2) * mp.sign(x) * (mp.sqrt(2) * abs(x) > mp.mpf(1e-6)),
    ),
}  # fmt: skip
GROUPS = {
    "jax.nn": OF_NN,
    "jax.numpy": OF_NUMPY,
    "jax.scipy.special": OF_SPECIAL,
    "jax.numpy.linalg": OF_LINALG,
    "optax": OF_OPTAX,
}
TABLE = [Audited(group, text, *rest) for group, rows in GROUPS.items() for text, rest in rows.items()]
