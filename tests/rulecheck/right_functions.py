"""Functions whose derivatives are right, each with arguments: JAX's, funcnet's, optax's, and whole models."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl

import funcnet as fn
from tests import registry

RANDOM = np.random.default_rng(3)
Z = RANDOM.normal(size=(3, 4))
POSITIVE = np.abs(RANDOM.normal(size=(3, 4))) + 0.3
UNIT = RANDOM.uniform(0.1, 0.9, (3, 4))
SQUARE = RANDOM.normal(size=(3, 3))
SPREAD = SQUARE @ SQUARE.T + np.diag([1.0, 2.0, 4.0])  # symmetric, positive
VECTOR = RANDOM.normal(size=3)

NN = (
    "relu relu6 sigmoid softplus sparse_plus sparse_sigmoid soft_sign silu log_sigmoid leaky_relu hard_sigmoid "
    "hard_silu hard_tanh elu celu selu gelu glu squareplus mish identity logsumexp softmax log_softmax standardize"
)
ON_NORMAL = (
    "sin cos tan tanh exp exp2 expm1 arctan arcsinh sinh cosh square absolute negative sum prod mean var std max min "
    "cumsum cumprod sort flip ravel transpose ptp median sinc nan_to_num deg2rad logaddexp.reduce"
)
ON_POSITIVE = "log log1p log2 log10 sqrt cbrt reciprocal"
ON_UNIT = "arcsin arccos arctanh"
SPECIAL = (
    "erf erfc gammaln digamma i0 i1 i0e i1e expit ndtr log_ndtr entr logit erfinv ndtri multigammaln.2 gamma "
    "bessel_jn.0 spence expi"  # the second derivative of exp1 raises a TypeError on JAX 0.10
)
PAIRS = "arctan2 hypot logaddexp logaddexp2 maximum minimum multiply subtract divide power fmod heaviside float_power"
SPECIAL_PAIRS = "xlogy xlog1py rel_entr kl_div betaln beta gammainc"


def attention(q, k, v):
    scores = q @ k.T / jnp.sqrt(q.shape[-1] * 1.0)
    scores = jnp.where(jnp.tri(len(q), dtype=bool), scores, -1e30)
    return jax.nn.softmax(scores) @ v


def flash_attention(q, k, v):
    """Attention in blocks of keys, with a running maximum and sum."""

    def block(carry, part):
        most, total, out = carry
        keys, values = part
        scores = q @ keys.T
        larger = jnp.maximum(most, scores.max(-1))
        weights, kept = jnp.exp(scores - larger[:, None]), jnp.exp(most - larger)
        return (larger, total * kept + weights.sum(-1), out * kept[:, None] + weights @ values), None

    start = jnp.full(len(q), -1e9, q.dtype), jnp.zeros(len(q), q.dtype), jnp.zeros((len(q), v.shape[-1]), q.dtype)
    (_, total, out), _ = lax.scan(block, start, (k.reshape(2, -1, k.shape[-1]), v.reshape(2, -1, v.shape[-1])))
    return out / total[:, None]


def normed(x):
    return (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-6)


def transformer_block(params, x):
    h = normed(x)
    x = x + attention(h @ params["q"], h @ params["k"], h @ params["v"]) @ params["o"]
    return x + jax.nn.gelu(normed(x) @ params["up"]) @ params["down"]


def rnn(w, u, x):
    def turn(h, row):
        h = jnp.tanh(w @ h + u @ row)
        return h, None

    return lax.scan(turn, jnp.zeros(w.shape[0], x.dtype), x)[0]


def power_iteration(a):
    return lax.fori_loop(0, 8, lambda _, v: a @ v / jnp.sqrt(jnp.sum((a @ v) ** 2)), jnp.ones(3, a.dtype))


def newton_root(a):
    """√a by a loop that ends by its own test; reverse mode does not exist."""
    return lax.while_loop(lambda s: s[1] < 6, lambda s: (0.5 * (s[0] + a / s[0]), s[1] + 1), (a, 0))[0]


def kernel(x):
    def body(x_ref, o_ref):
        o_ref[...] = jnp.tanh(x_ref[...]) * x_ref[...]

    return pl.pallas_call(body, jax.ShapeDtypeStruct(x.shape, x.dtype), interpret=True)(x)


@jax.custom_vjp
def safe_norm(x):
    return jnp.sqrt(jnp.sum(x * x))


safe_norm.defvjp(
    lambda x: (safe_norm(x), (x, safe_norm(x))),
    lambda kept, g: (g * jnp.where(kept[1] > 0, kept[0] / jnp.where(kept[1] > 0, kept[1], 1), 0),),
)


@jax.custom_jvp
def log1pexp(x):
    return jnp.logaddexp(x, 0.0)


log1pexp.defjvps(lambda t, y, x: t * jax.nn.sigmoid(x))


def linear_algebra():
    """Yield matrix functions with their arguments."""
    la = jnp.linalg
    symmetric = lambda f: lambda a: f((a + a.T) / 2)  # noqa: E731
    yield "cholesky", symmetric(la.cholesky), (SPREAD,)
    yield "inv", la.inv, (SPREAD,)
    yield "det", la.det, (SQUARE,)
    yield "slogdet", la.slogdet, (SPREAD,)
    yield "solve", la.solve, (SPREAD, VECTOR)
    yield "eigvalsh", symmetric(la.eigvalsh), (SPREAD,)
    yield "svd values", lambda a: la.svd(a, compute_uv=False), (Z,)
    yield "qr", lambda a: la.qr(a)[1], (SQUARE,)
    yield "expm", jax.scipy.linalg.expm, (0.3 * SQUARE,)
    yield "matrix_power", lambda a: la.matrix_power(a, 3), (SQUARE,)
    yield "pinv", la.pinv, (SPREAD,)
    yield "norm", la.norm, (Z,)
    yield "trace", jnp.trace, (SQUARE,)
    yield "triangular", lambda a, b: jax.scipy.linalg.solve_triangular(a, b, lower=True), (SPREAD, VECTOR)


def models():
    """Yield whole models and programs with loops and branches."""
    w = {name: RANDOM.normal(size=(4, 4)) / 2 for name in "qkvo"}
    w |= {"up": RANDOM.normal(size=(4, 6)) / 2, "down": RANDOM.normal(size=(6, 4)) / 2}
    x = RANDOM.normal(size=(4, 4))
    yield "transformer block", transformer_block, (w, x)
    yield (
        "rnn of 200 steps",
        rnn,
        (RANDOM.normal(size=(3, 3)) / 3, RANDOM.normal(size=(3, 1)), RANDOM.normal(size=(200, 1))),
    )
    yield "attention", attention, (x, RANDOM.normal(size=(4, 4)), x[::-1].copy())
    yield "flash attention", flash_attention, (x, x[::-1].copy(), 0.5 * x)
    yield "dot_product_attention", jax.nn.dot_product_attention, tuple(RANDOM.normal(size=(1, 3, 1, 4)) for _ in "qkv")
    yield "power iteration", power_iteration, (SPREAD,)
    yield "newton", newton_root, (np.array(2.0),)
    yield "pallas kernel", kernel, (Z,)
    yield "safe norm", safe_norm, (VECTOR,)
    yield "log1pexp", log1pexp, (Z,)
    yield "remat", jax.checkpoint(lambda x: jnp.tanh(x @ x.T)), (0.3 * SQUARE,)
    yield "cond", lambda x: lax.cond(x[0, 0] > 0, jnp.sin, jnp.cos, x), (Z,)
    yield (
        "convolution",
        lambda x, k: lax.conv(x, k, (1, 1), "SAME"),
        (RANDOM.normal(size=(1, 2, 4, 4)), RANDOM.normal(size=(2, 2, 3, 3))),
    )
    yield "convolve", jnp.convolve, (VECTOR, Z[0])
    yield "fft", lambda x: jnp.abs(jnp.fft.rfft(x)) ** 2, (Z[0],)
    yield "einsum", partial(jnp.einsum, "ij,ik->jk"), (Z, SQUARE)
    yield "gather", lambda x: x[jnp.array([0, 2, 2])], (Z,)
    yield "take with fill", lambda x: jnp.take(x, jnp.array([0, 1, 9]), axis=1, mode="fill", fill_value=7.0), (Z,)
    yield "scatter", lambda x, y: x.at[jnp.array([0, 2])].add(y), (Z, Z[:2])
    yield "interp", lambda x: jnp.interp(x, jnp.arange(4.0), jnp.array([0.0, 1.0, 4.0, 9.0])), (UNIT,)
    yield "clip", lambda x: jnp.clip(x, -0.5, 0.5), (Z,)
    yield "where", lambda x: jnp.where(x > 0, x**2, -x), (Z,)
    yield "polyval", jnp.polyval, (VECTOR, Z)
    yield "vmap", jax.vmap(lambda r: jnp.sum(r) * r), (Z,)
    yield "exp(ix)", lambda x: jnp.real(jnp.exp(1j * x)), (Z,)
    yield "kron", jnp.kron, (SQUARE, VECTOR)
    yield "top_k", lambda x: lax.top_k(x, 2)[0], (Z,)
    yield "associative scan", lambda x: lax.associative_scan(jnp.multiply, x), (Z,)


def functions():
    """Yield (name, function, arguments)."""
    for name in NN.split():
        yield f"nn.{name}", getattr(jax.nn, name), (Z,)
    for names, point in ((ON_NORMAL, Z), (ON_POSITIVE, POSITIVE), (ON_UNIT, UNIT)):
        for name in names.split():
            if "." not in name:
                yield f"jnp.{name}", getattr(jnp, name), (point,)
    for name in SPECIAL.split():
        if "." not in name:
            yield f"special.{name}", getattr(jax.scipy.special, name), (UNIT[0],)
    for name in PAIRS.split():
        if name not in ("fmod", "heaviside"):
            yield f"jnp.{name}", getattr(jnp, name), (POSITIVE, UNIT)
    for name in SPECIAL_PAIRS.split():
        yield f"special.{name}", getattr(jax.scipy.special, name), (POSITIVE[0], UNIT[0])
    yield from linear_algebra()
    yield from models()
    yield from of_funcnet()
    yield from of_optax()


def of_funcnet():
    """Yield funcnet's activations, losses and layers."""
    for each in registry.ACTIVATIONS:
        yield f"fn.{each!r}", each.value if hasattr(each, "value") else each, (Z,)
    for case in registry.LOSSES:
        output, target = map(np.asarray, case.example(jax.random.key(1), (3, 4)))
        yield f"fn.{case.loss!r}", lambda o, t=target, loss=case.loss: loss.value(o, t.astype(o.dtype)), (output,)
    for case in registry.LAYERS:
        if isinstance(case.layer, fn.Frozen):  # it stops its gradients
            continue
        params, _ = case.layer.init(jax.random.key(2), case.shape)
        x = RANDOM.normal(size=(2, *case.shape)).astype(np.float32)
        yield f"fn.{case.layer!r} of {case.shape}", case.layer.apply, (params, x)


def of_optax():
    """Yield optax's losses of two arrays."""
    import optax

    labels = np.eye(4)[[0, 2, 1]]
    for name, output, target in (
        ("squared_error", Z, UNIT), ("l2_loss", Z, UNIT), ("huber_loss", Z, UNIT), ("log_cosh", Z, UNIT),
        ("cosine_distance", Z, UNIT), ("cosine_similarity", Z, UNIT), ("sigmoid_binary_cross_entropy", Z, UNIT),
        ("softmax_cross_entropy", Z, labels), ("safe_softmax_cross_entropy", Z, labels),
        ("kl_divergence", np.log(UNIT), UNIT[::-1]), ("hinge_loss", Z, np.sign(Z[::-1])),
        ("perceptron_loss", Z, np.sign(Z)),
        ("poly_loss_cross_entropy", Z, labels), ("squared_error", Z, None),
        ("convex_kl_divergence", np.log(UNIT), 0.3 * UNIT[::-1]),
        ("sigmoid_focal_loss", Z, (UNIT > 0.5).astype(float)),
    ):  # fmt: skip
        loss = getattr(optax, name, None) or getattr(optax.losses, name)
        if target is None:
            yield f"optax.{name} alone", loss, (output,)
        else:
            yield f"optax.{name}", lambda o, loss=loss, t=target: loss(o, t.astype(o.dtype)), (output,)


def with_rules():
    """Yield functions of JAX, optax and funcnet that call custom derivatives, which are right at special points too."""
    import optax

    special = jax.scipy.special
    for name in ["relu", "relu6", "softplus", "log_sigmoid", "hard_sigmoid", "hard_silu", "mish"]:
        yield f"nn.{name}", getattr(jax.nn, name), (Z[0],)
    for name in ["log_ndtr", "entr", "logit"]:
        yield f"special.{name}", getattr(special, name), (UNIT[0],)
    for name in ["xlogy", "xlog1py", "rel_entr", "kl_div"]:
        yield f"special.{name}", getattr(special, name), (POSITIVE[0], UNIT[0])
    yield "jnp.logaddexp", jnp.logaddexp, (Z[0], UNIT[0])
    yield "jnp.logaddexp2", jnp.logaddexp2, (Z[0], UNIT[0])
    for name in ["log_cosh", "sigmoid_binary_cross_entropy", "sigmoid_focal_loss", "safe_softmax_cross_entropy"]:
        yield f"optax.{name}", getattr(optax, name), (Z[0], UNIT[0])
    yield "safe norm", safe_norm, (VECTOR,)
    yield "log1pexp", log1pexp, (Z[0],)
    for each in registry.ACTIVATIONS:
        yield f"fn.{each!r}", each.value if hasattr(each, "value") else each, (Z[0],)
