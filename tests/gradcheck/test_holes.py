"""What would fool ``check_gradients``: wrong gradients, right ones that look wrong, and reports that could mislead."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet.rulecheck.report import Verdict

RANDOM = np.random.default_rng(7)
X, Y = RANDOM.normal(size=(5, 4)), RANDOM.normal(size=(5, 3))
W = 0.3 * RANDOM.normal(size=(4, 3))
pytestmark = pytest.mark.usefixtures("standard_promotion")


class Own(fn.Layer):
    """y = f(p, x) with a backward pass (p, x, dy) -> (gradients, dx)."""

    function: Callable
    pullback: Callable

    def forward(self, params, x):
        return self.function(params, x), x

    def backward(self, params, cache, dy):
        return self.pullback(params, cache, dy)


def check(function, pullback, params=(), x=X, y=Y, **keywords):
    return fn.check_gradients(Own(function, pullback), keywords.pop("loss", fn.quadratic), params, x, y, **keywords)


def elementwise(function, derivative, x=X, **keywords):
    return check(lambda p, x: function(x), lambda p, x, dy: ((), dy * derivative(x)), (), x, 0.0 * x, **keywords)


def product_of(x, dy):
    return jnp.einsum("bi,bo->io", x, dy)


def linear(dw=lambda w: w, dx=lambda dx: dx, w=W, x=X, y=Y, **keywords):
    """Check y = xw, the gradients by hand changed by functions."""
    return check(lambda w, x: x @ w, lambda w, x, dy: (dw(product_of(x, dy)), dx(dy @ w.T)), w, x, y, **keywords)


# ---- wrong gradients


def huge_elsewhere(factor, size):
    def forward(p, x):
        return ((x + size) - size) @ p["w"] + size * p["b"][None]

    def backward(p, x, dy):
        return {"w": (1 + factor) * product_of((x + size) - size, dy), "b": size * jnp.sum(dy, axis=0)}, dy @ p["w"].T

    return check(forward, backward, {"w": W, "b": RANDOM.normal(size=3) / size})


def not_linear(change, target=0.1 * Y):
    """Check y = xw, whose backward pass changes dy."""

    def backward(w, x, dy):
        changed = change(dy)
        return product_of(x, changed), changed @ w.T

    return check(lambda w, x: x @ w, backward, W, X, target)


@jax.custom_vjp
def bad_relu(x):
    return jnp.maximum(x, 0)


bad_relu.defvjp(lambda x: (jnp.maximum(x, 0), x), lambda x, dy: (10.0 * dy * (x >= 0),))


def kinks_hide():
    def forward(_, x):
        return jax.lax.scan(lambda c, _: (bad_relu(c), None), x, length=2)[0]

    return check(forward, lambda _, x, dy: ((), 10.0 * dy * (x >= 0)), (), np.zeros((5, 3)))


def outlier():
    def forward(w, x):
        return jax.lax.while_loop(lambda c: c[0] < 2, lambda c: (c[0] + 1, jnp.sin(c[1])), (0, x @ w))[1]

    def backward(w, x, dy):
        z = x @ w
        dz = dy * (1 + 1e-4 * (jnp.abs(dy) < 10)) * jnp.cos(jnp.sin(z)) * jnp.cos(z)
        return product_of(x, dz), dz @ w.T

    target = Y.copy()
    target[2, 1] = 1e6
    return check(forward, backward, W, X, target)


class Shifted(fn.Dense):
    def apply(self, params, x, *, key=None, weights=None):
        return super().apply(params, x) + 0.001


def other_apply(*around):
    network = fn.Sequential(*around, Shifted(3)) if around else Shifted(3)
    dense = fn.DenseParams(W.T, np.zeros(3))
    params = (*[()] * len(around), dense) if around else dense
    return fn.check_gradients(network, fn.hinge, params, X, np.sign(Y))


def huge_feature():
    return linear(dw=lambda dw: dw * jnp.array([[1.0], [2], [2], [2]]), x=X * np.array([1e16, 1, 1, 1]))


def smallest_element():
    scaled = X * np.array([1, 1e3, 1, 1])
    return linear(dw=lambda dw: dw * (1 + 1e-12 * (jnp.arange(12).reshape(4, 3) == 1)), x=scaled)


def overflow(dtype):
    x = np.full((5, 3), 90.0, dtype)
    return elementwise(lambda x: jnp.logaddexp(x, 0), lambda x: jnp.exp(x) / (1 + jnp.exp(x)), x)


def mapped():
    @jax.custom_batching.custom_vmap
    def sine(x):
        return jnp.sin(x)

    sine.def_vmap(lambda size, batched, x: (0.5 * jnp.sin(x), True))
    return elementwise(sine, jnp.cos)


def pooled(share, x):
    """Check the maximum of each pair, a tie's gradient shared out by a function of which are the largest."""

    def backward(_, x, dy):
        pairs = x.reshape(len(x), -1, 2)
        return (), (share(pairs == pairs.max(-1, keepdims=True)) * dy[..., None]).reshape(x.shape)

    return check(lambda _, x: x.reshape(len(x), -1, 2).max(-1), backward, (), x, np.ones((len(x), x.shape[1] // 2)))


def pooled_by_a_rule():
    """Check the same maximum where JAX's gradient too counts a tie twice, by a rule of its own."""

    @jax.custom_vjp
    def pool(x):
        return x.reshape(len(x), -1, 2).max(-1)

    def both(x, dy):
        pairs = x.reshape(len(x), -1, 2)
        return ((pairs == pairs.max(-1, keepdims=True)) * dy[..., None]).reshape(x.shape)

    pool.defvjp(lambda x: (pool(x), x), lambda x, dy: (both(x, dy),))
    return check(lambda _, x: pool(x), lambda _, x, dy: ((), both(x, dy)), (), TIES, np.ones((4, 3)))


def embedded(add):
    """Check rows of a table, two of which are the same one."""

    def backward(table, x, dy):
        rows = jnp.zeros_like(table).at[x[:, 0].astype(int)]
        return (rows.add if add else rows.set)(dy), jnp.zeros_like(x)

    return check(lambda p, x: p[x[:, 0].astype(int)], backward, W, np.array([[0.0], [1], [1], [3]]), Y[:4])


TIES = np.random.default_rng(0).integers(0, 3, (4, 6)).astype(float)

# name: (report, verdict or verdicts, words of the text)
WRONG = {
    "huge elsewhere": (lambda: huge_elsewhere(1e-6, 1e9), (Verdict.NOT_PROVED, Verdict.MISMATCH), "w of Own"),
    "huger elsewhere": (lambda: huge_elsewhere(1e-3, 1e12), (Verdict.NOT_PROVED, Verdict.MISMATCH), "cancellation"),
    "clipped dy": (lambda: not_linear(lambda dy: jnp.clip(dy, -1, 1)), Verdict.MISMATCH, "not linear in dy"),
    "huge dy": (
        lambda: not_linear(lambda dy: jnp.clip(dy, -1e20, 1e20)),
        Verdict.MISMATCH,
        "for a huge cotangent: ",
    ),
    "positive dy": (lambda: not_linear(jax.nn.relu, 0 * Y - 9), Verdict.MISMATCH, "for a negated cotangent: "),
    "kinks hide": (kinks_hide, Verdict.MISMATCH, "kink"),
    "outlier target": (outlier, Verdict.MISMATCH, "Own("),
    "apply is another function": (other_apply, Verdict.MISMATCH, "apply returns another output than forward"),
    "apply in a Sequential": (lambda: other_apply(fn.sigmoid), Verdict.MISMATCH, "Shifted(3) (layer 1).apply"),
    "huge feature": (huge_feature, Verdict.MISMATCH, "2 times the correct"),
    "smallest element": (smallest_element, Verdict.MISMATCH, "[0, 1]"),
    "float32 overflow": (lambda: overflow(np.float32), Verdict.MISMATCH, "float32"),
    "float32 overflow, given float64": (lambda: overflow(np.float64), Verdict.MISMATCH, "float32"),
    "float32 alone": (
        lambda: linear(dx=lambda dx: dx * (1.01 if dx.dtype == np.float32 else 1)),
        Verdict.MISMATCH,
        "float32 it is",
    ),
    "a tie counted twice": (lambda: pooled(lambda m: m, TIES), Verdict.MISMATCH, "a tie is counted more or less than"),
    "a tie counted twice by all": (pooled_by_a_rule, Verdict.MISMATCH, "a tie is counted more or less than"),
    "ties alone, not counted": (
        lambda: pooled(lambda m: m * (m.sum(-1, keepdims=True) < 2), 0 * TIES),
        Verdict.MISMATCH,
        "a tie is counted more or less than",
    ),
    "equal rows overwritten": (lambda: embedded(add=False), Verdict.MISMATCH, "row 1 of 4"),
    "wrong at one number": (
        lambda: elementwise(lambda x: x**3, lambda x: jnp.where(x == 7, 0, 3 * x * x), np.array([[7, 1.3], [2, 0.5]])),
        Verdict.MISMATCH,
        "first at [0, 0]",
    ),
    "vmap": (mapped, Verdict.MISMATCH, "under vmap"),
    "all zero": (lambda: linear(w=0 * W, x=0 * X), Verdict.NOT_PROVED, "every gradient is 0 here"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_gradient_does_not_pass(name):
    make, verdicts, words = WRONG[name]
    report = make()
    assert not report.ok
    assert report.verdict in (verdicts if isinstance(verdicts, tuple) else (verdicts,)), str(report)
    assert words in str(report), str(report)
    with pytest.raises(fn.GradientError, match=f"^{report.verdict}: "):
        report.require()


def test_a_class_or_a_function_that_is_written_anew_is_compiled_anew(monkeypatch):
    class Gain(fn.Layer):
        def forward(self, params, x):
            return params * x, x

        def backward(self, params, cache, dy):
            return jnp.sum(dy * cache), scaled(params, dy)  # noqa: F821

    def again():
        return fn.check_gradients(Gain(), fn.quadratic, np.asarray(1.5), X, X)

    monkeypatch.setitem(globals(), "scaled", lambda a, b: a * b)
    assert again().ok
    monkeypatch.setitem(globals(), "scaled", lambda a, b: 2 * a * b)
    assert not again().ok
    monkeypatch.setitem(globals(), "scaled", lambda a, b: a * b)
    assert again().ok
    Gain.backward = lambda self, params, cache, dy: (2 * jnp.sum(dy * cache), params * dy)
    assert not again().ok


# ---- right gradients

HILBERT = 1 / (1.0 + np.arange(10)[:, None] + np.arange(10))


def hilbert():
    def forward(b, x):
        return jnp.linalg.solve(HILBERT * (1 + 0 * x[0, 0]), b[:, None])[:, 0][None, :3] + x[:, :3]

    def backward(b, x, dy):
        full = jnp.zeros(10).at[:3].set(jnp.sum(dy, axis=0))
        solved = jnp.linalg.solve(HILBERT.T, full[:, None])[:, 0]
        return solved, jnp.pad(dy, ((0, 0), (0, 1)))

    return check(forward, backward, RANDOM.normal(size=10))


def long_scan():
    def forward(w, x):
        return jax.lax.scan(lambda c, _: (jnp.tanh(c @ w), None), x, length=200)[0]

    def backward(w, x, dy):
        states = [x]
        _, states = jax.lax.scan(lambda c, _: (jnp.tanh(c @ w), c), x, length=200)

        def back(carry, state):
            dy, dw = carry
            dz = dy * (1 - jnp.tanh(state @ w) ** 2)
            return (dz @ w.T, dw + state.T @ dz), None

        (dx, dw), _ = jax.lax.scan(back, (dy, jnp.zeros_like(w)), states, reverse=True)
        return dw, dx

    w = np.linalg.qr(RANDOM.normal(size=(3, 3)))[0] * 1.1
    return check(forward, backward, w, X[:, :3])


def low_inside():
    def forward(_, x):
        low = x.astype(jnp.float32)
        return jax.lax.scan(lambda c, _: (jnp.tanh(c), None), low, length=2)[0].astype(x.dtype)

    def backward(_, x, dy):
        a = jnp.tanh(x)
        return (), dy * (1 - a**2) * (1 - jnp.tanh(a) ** 2)

    return check(forward, backward, (), X, 0 * X)


def first_of_a_tie():
    x = X[:, :3].copy()
    x[1, 0] = x[1, 2] = x.max() + 1

    def backward(_, x, dy):
        first = jnp.argmax(x, axis=1)[:, None] == jnp.arange(3)[None]
        return (), jnp.where(first, dy, 0)

    return check(lambda _, x: jnp.max(x, axis=1, keepdims=True), backward, (), x, Y[:, :1])


def at_zero(function, derivative):
    x = X[:, :3].copy()
    x[1, 2] = 0
    return elementwise(function, derivative, x)


def clipped():
    """Check a hard tanh with its kinks at both ends met in each row, slope 1 there."""
    x = np.array([[-1, 0, 1, 2.0], [1, -1, -3, 1], [0.5, -1, -1, 1], [1, 1, -1, 0.3]])
    return elementwise(lambda x: jnp.clip(x, -1, 1), lambda x: (jnp.abs(x) <= 1).astype(x.dtype), x)


def mixed_kinks():
    """Check units with all of their kinks at once, each of another convention: slopes 0, 1, 0 and 0.2."""

    def forward(b, x):
        z = x @ W + b
        return jax.nn.relu(z) + 2 * jnp.abs(z) + jnp.where(z >= 0, z, -3 * z) + 5 * jnp.maximum(z, 0.2 * z)

    def backward(b, x, dy):
        z = x @ W + b
        dz = dy * ((z > 0) + 2 * jnp.sign(z) + jnp.where(z >= 0, 1, -3) + 5 * jnp.where(z > 0, 1, 0.2))
        return dz.sum(0), dz @ W.T

    return check(forward, backward, np.zeros(3), X * np.array([[0.0], [1], [0], [1], [1]]))


RIGHT = {
    "complex inside": lambda: elementwise(lambda x: jnp.real(jnp.exp(1j * x)), lambda x: -jnp.sin(x)),
    "gather with fill": lambda: check(
        lambda _, x: jnp.take(x, jnp.array([0, 1, 9]), axis=1, mode="fill", fill_value=7.0),
        lambda _, x, dy: ((), jnp.pad(dy[:, :2], ((0, 0), (0, 2)))),
    ),
    "tiny scale": lambda: elementwise(
        lambda x: 1e150 * jnp.sqrt(1e-300 * (1 + x * x)), lambda x: x / jnp.sqrt(1 + x * x)
    ),
    "long scan": long_scan,
    "relu at 0": lambda: at_zero(jax.nn.relu, lambda x: (x > 0).astype(x.dtype)),
    "first of a tie": first_of_a_tie,
    "first of many ties": lambda: pooled(lambda m: m & (jnp.cumsum(m, -1) < 2), TIES),
    "shared ties": lambda: pooled(lambda m: m / m.sum(-1, keepdims=True), TIES),
    "both ends of clip": clipped,
    "mixed kinks": mixed_kinks,
    "equal rows added": lambda: embedded(add=True),
}
KINKED = {
    "relu at 0", "first of a tie", "first of many ties", "shared ties", "both ends of clip", "mixed kinks",
}  # fmt: skip
NOT_PROVED = {"float32 inside": (low_inside, "float32 inside"), "Hilbert": (hilbert, "lu")}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_gradient_is_proved(name):
    report = RIGHT[name]()
    assert report.ok, str(report)
    assert ("convention" in str(report)) == (name in KINKED)


@pytest.mark.parametrize("name", NOT_PROVED)
def test_what_rounding_hides_is_not_proved_and_the_operation_is_named(name):
    make, words = NOT_PROVED[name]
    report = make()
    assert report.verdict is Verdict.NOT_PROVED, str(report)
    assert words in str(report), str(report)


# ---- declared differences

ROUNDED = {"Round()": "straight-through"}


class Round(fn.Layer):
    """y = round(x), with the gradient of x."""

    factor: float = 1.0

    def forward(self, params, x):
        return jnp.round(x), None

    def backward(self, params, cache, dy):
        return (), self.factor * dy


def rounded(layer, expected, mistake=1.0):
    inner = Own(lambda w, x: x @ w, lambda w, x, dy: (mistake * product_of(x, dy), dy @ w.T))
    network = fn.Sequential(inner, layer, fn.sigmoid)
    return fn.check_gradients(network, fn.quadratic, (3 * W, (), ()), X, Y, expected=expected)


def test_an_intended_difference_is_declared_shown_and_needed():
    report = rounded(Round(), {"Round() (layer 1)": lambda x: x})
    assert report.ok, str(report)
    assert [row.verdict for row in report.rows] == [Verdict.DECLARED] * 2
    assert "agree or are declared\n" in str(report)
    report = rounded(Round(), ROUNDED, mistake=2.0)
    assert [row.verdict for row in report.rows] == [Verdict.MISMATCH, Verdict.DECLARED]
    assert report.faults[0].partition(": ")[2].startswith("2 times the correct gradient everywhere")
    assert "declared: the input x: Round(): straight-through" in str(report)
    assert not rounded(Round(2.0), {"Round(factor=2.0)": lambda x: x}).ok
    with pytest.raises(
        ValueError, match=r"expected= to name what differs, and nothing of 'quadratic' does, got 'why'$"
    ):
        linear(expected={"quadratic": "why"}, loss=fn.quadratic)
    with pytest.raises(ValueError, match=r"expected= to name a layer or the loss, one of quadratic, .*, got 'Rund'$"):
        rounded(Round(), {"Rund": "why"})


# ---- points that are searched


class Bent(fn.Layer):
    """y = x², or x below 3, with a backward pass that is right where ``right`` says so."""

    right: str

    def forward(self, params, x, *, key=None):
        scale = 1.0 if key is None else 2.0
        return scale * jnp.where(x > 3, x * x, x), (x, scale)

    def backward(self, params, cache, dy):
        x, scale = cache
        slope = jnp.where(x > 3, 2 * x, 1.0) if self.right != "below 3" else 1.0
        scale = 1.0 if self.right == "without a key" else scale
        return (), dy * slope * scale / (len(x) if self.right == "a batch of 1" else 1)


@pytest.mark.parametrize(
    ("right", "rows", "words"),
    [("below 3", 4, "above 3 in gt"), ("a batch of 1", 1, "a batch of 2"), ("without a key", 4, "with a random key")],
)
def test_points_are_searched_that_exercise_what_the_given_ones_do_not(right, rows, words):
    network, x, y = fn.Sequential(Bent(right), fn.Dense(2)), 0.1 * X[:rows], Y[:rows, :2]
    params = ((), fn.DenseParams(W.T[:2], np.ones(2)))
    assert fn.check_gradients(network, fn.quadratic, params, x, y).ok
    report = fn.check_gradients(network, fn.quadratic, params, x, y, search_points=True)
    assert report.verdict is Verdict.MISMATCH, str(report)
    assert words in str(report)
    assert words in report.findings[-1].point


def test_a_right_gradient_is_proved_at_the_searched_points_too():
    network, params = fn.Sequential(Bent("everywhere"), fn.Dense(2)), ((), fn.DenseParams(W.T[:2], np.ones(2)))
    report = fn.check_gradients(network, fn.quadratic, params, 0.1 * X, Y[:, :2], search_points=True)
    assert report.ok, str(report)
    assert "checked: also at points that were searched: " in str(report)
    assert "above 3 in gt" in str(report)


# ---- reports


def lying(x):
    return sine(x)


sine = jax.custom_jvp(jnp.sin)
sine.defjvps(lambda tangent, y, x: -tangent * jnp.cos(x))


def wrong_loop():
    def forward(_, x):
        return jax.lax.while_loop(lambda c: c[0] < 2, lambda c: (c[0] + 1, jnp.sin(c[1])), (0, x))[1]

    loop = Own(forward, lambda _, x, dy: ((), 3 * dy * jnp.cos(x) * jnp.cos(jnp.sin(x))))
    network = fn.Sequential(fn.sigmoid, loop, fn.Dense(3))
    return fn.check_gradients(network, fn.quadratic, ((), (), fn.DenseParams(W.T, np.zeros(3))), X, Y)


# name: (report, words that the second line begins with or holds, words that do not stand in the text)
REPORTS = {
    "custom_jvp that lies": (
        lambda: elementwise(lying, jnp.cos),
        ("start here: JAX takes another derivative", "custom_jvp of sin in test_holes.py:"),
        (".backward",),
    ),
    "stopped gradient": (
        lambda: elementwise(lambda x: x * jax.lax.stop_gradient(x), lambda x: x),
        ("start here: ", ".backward, dx: 0.5 times the correct gradient everywhere"),
        ("put together",),
    ),
    "no automatic gradient": (wrong_loop, (" (layer 1).backward, dx: 3 times the correct",), ("put together",)),
    "the wrong part": (
        lambda: linear(dw=lambda dw: dw * jnp.array([[1.0, 1.0, 1.25]])),
        ("wrong in 4 of 12 elements, all of column 2 of 3, first at [0, 2]: 1.25 times the correct value",),
        ("1.25000",),
    ),
}


@pytest.mark.parametrize("name", REPORTS)
def test_the_second_line_says_where_to_start(name):
    make, words, misleading = REPORTS[name]
    report = make()
    first, second, *_ = str(report).splitlines()
    assert first.startswith("MISMATCH: ")
    assert second.startswith("start here: ")
    assert all(each in second for each in words), str(report)
    assert not any(each in str(report) for each in misleading), str(report)


def test_what_follows_from_a_wrong_loss_is_folded():
    class Halved(fn.Loss):
        def value(self, output, target):
            return fn.quadratic.value(output, target)

        def gradient(self, output, target):
            return -0.5 * fn.quadratic.gradient(output, target)

    network = fn.mlp([4, 3, 3, 3], hidden=fn.sigmoid)
    params, _ = network.init(jax.random.key(0), (4,))
    lines = str(fn.check_gradients(network, Halved(), params, X, Y)).splitlines()
    assert lines[1].startswith(
        "start here: Halved().gradient: -0.5 times the correct gradient everywhere: a wrong sign"
    )
    assert lines[2].startswith("  also, which may follow from it: ")
    assert lines[2].endswith("and 3 more: the hand-written gradient is wrong")
    assert lines[3].startswith("layer")


def test_a_gradient_that_is_0_to_rounding_shows_no_error():
    shift = Own(lambda b, x: x + b, lambda b, x, dy: (jnp.sum(dy), dy))
    network = fn.Sequential(shift, fn.LayerNorm(), fn.Dense(3))
    params = np.asarray(0.3), fn.LayerNorm().init(jax.random.key(0), (4,))[0], fn.DenseParams(W.T, np.zeros(3))
    report = fn.check_gradients(network, fn.quadratic, params, X, Y)
    assert report.ok, str(report)
    assert report.worst < 1e-12


# ---- what is not exercised


class Taking(fn.Layer):
    def forward(self, params, x, *, key=None, weights=None):
        y = jax.lax.cond(x[0, 0] > 1e3, jnp.cos, jnp.sin, x)
        return y[:, jnp.argsort(x[0])] + jnp.max(x), (x, jnp.argsort(x[0]))

    def backward(self, params, cache, dy):
        x, order = cache
        dx = jnp.zeros_like(x).at[:, order].add(dy) * jnp.cos(x)
        return (), dx + jnp.sum(dy) * (x == jnp.max(x))


def test_what_the_data_do_not_show_is_listed():
    x = X[:1].copy()
    x[0, 3] = 0
    report = fn.check_gradients(Taking(), fn.quadratic, (), x, np.zeros((1, 4)))
    assert report.ok, str(report)
    told = "\n".join(report.not_exercised)
    for words in ("no key is given", "a batch of more than 1", "unequal weights", "ties and kinks of reduce_max",
                  "branch 1 of 2 of the cond", "equal values in x"):  # fmt: skip
        assert words in told, told
    x = np.concatenate([x, x])
    report = fn.check_gradients(Taking(), fn.quadratic, (), x, np.zeros((2, 4)), weights=np.array([1.0, 0.0]))
    told = "\n".join(report.not_exercised)
    assert "the loss of 1 of 2 samples, whose weight is 0" in told
    assert "columns of x that are 0 everywhere: 3" in told
