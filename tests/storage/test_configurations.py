"""A configuration's text builds the configuration again; whatever else a text holds is a typed error."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet import initializers
from funcnet.optimizers import LearningRate, from_equation
from funcnet.storage import StorageError, configurations
from funcnet.storage.configurations import from_text, to_text
from tests import registry


class Square(fn.Activation):
    def value(self, z):
        return z**2

    def derivative(self, z):
        return 2 * z


class Power(Square):
    name = "power"
    exponent: float = 2.0


class Plain(fn.Activation):
    name = "plain"


class Holding(fn.Layer):
    layer: fn.Layer = fn.relu
    sizes: tuple = ()


class Inheriting(fn.LeakyReLU):
    """Whose name is that of its base."""


class Initial(fn.initializers.Initializer):
    value: float

    def __call__(self, key, shape, dtype=jnp.float32):
        return jnp.full(shape, self.value, dtype)


@from_equation()
def own_rule(g, at, learning_rate: LearningRate):
    """θ ← θ − ηg."""
    return -learning_rate * g, {}


square = Square()
JAX_INITIALIZER = initializers.from_jax(jax.nn.initializers.variance_scaling, 2.0, "fan_in", distribution="normal")
VALUES = [
    *registry.VALUES,
    *(initializers.zeros, initializers.ones, initializers.he_normal, initializers.he_uniform),
    *(initializers.glorot_normal, initializers.glorot_uniform, initializers.constant(-0.0)),
    *(initializers.truncated_normal(1e-300), JAX_INITIALIZER, initializers.from_jax(jax.nn.initializers.orthogonal)),
    *(fn.l1(0.1), fn.l2(0.1) + fn.l1(0.2) + fn.l2(1e300)),
    *(fn.adam(fn.schedules.piecewise([2], [0.1, 0.01])), fn.clip_by_value(np.inf), fn.chain(fn.adamw(0.1))),
    fn.Rescaling(-1 / 3, offset=-0.0, dtype="bfloat16"),
    fn.Dense(3, weight_initializer=JAX_INITIALIZER),
    fn.metrics.TopK(3),
]
OWN = [
    (square, [Square], "Square()"),
    (square, [square], "Square()"),
    (Power(), [Power], "power"),
    (Power(3.0), [Power], "Power(exponent=3.0)"),
    (fn.Sequential(Plain(), fn.Dense(1)), [Plain()], "Sequential(plain, Dense(1))"),
    (Holding(Holding(square), (1, (2.0, np.float32(0.5), "a'\\n", None, True), np.nan)), [Holding, square], None),
    (fn.EarlyStopping("loss", min_delta=1e-3), [fn.EarlyStopping], "EarlyStopping(monitor='loss', min_delta=0.001)"),
    (fn.Dense(2, bias_initializer=Initial(-1e-7)), [Initial], "Dense(2, bias_initializer=Initial(-1e-07))"),
]


def test_every_configuration_is_built_again_from_its_text():
    assert len(VALUES) > 100
    for value in VALUES:
        text = to_text(value)
        assert (text, repr(from_text(text)), from_text(text)) == (repr(value), repr(value), value)


@pytest.mark.parametrize(("value", "known", "text"), OWN, ids=lambda part: repr(part)[:20])
def test_parts_of_the_users_own_are_handed_in(value, known, text):
    assert to_text(value) == (repr(value) if text is None else text)
    found = from_text(repr(value), known=known)
    assert (found, hash(found)) == (value, hash(value))
    with pytest.raises(StorageError, match=r"funcnet knows, got '\w+': .*is handed in, in Python, as known=\[\w+\]"):
        from_text(repr(value))


def test_an_optimizer_of_the_users_own_is_handed_in_as_its_function():
    assert from_text(to_text(own_rule(0.1), [own_rule]), known=[own_rule]) == own_rule(0.1)
    with pytest.raises(TypeError, match="to print as the call that builds it, got own_rule"):
        to_text(own_rule(0.1))


def test_the_names_are_those_that_the_parts_print():
    """So that a part whose public name changes is noticed here."""
    public = {**vars(fn.metrics), **vars(fn)}
    for name, value in [*configurations.VALUES.items(), *configurations.CALLS.items()]:
        if not name.startswith(("jax.", "np.", "inf", "nan")):
            first, *rest = name.split(".")
            found = public[first]
            assert (getattr(found, rest[0]) if rest else found) is value
    assert not set(configurations.VALUES) & set(configurations.CALLS)


NO_TEXT = [
    (initializers.from_jax(lambda: initializers.zeros), "<function <lambda> at .*, a function"),
    (fn.Dense(2, weight_initializer=initializers.from_jax(jax.nn.initializers.normal, 0.1, dtype=jnp.float32)),
     "<class 'jax.numpy.float32'>, a "),
    (fn.Sequential(fn.Dense(2), Inheriting()), "leaky_relu, a Inheriting"),
    (Holding(sizes=(frozenset({1}),)), "frozenset.*, a frozenset"),
    (fn.adam(lambda step: 0.1), "adam.*, a Optimizer"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "words"), NO_TEXT, ids=lambda part: repr(part)[:20])
def test_a_part_without_a_text_is_named(value, words):
    with pytest.raises(TypeError, match=rf"^save_model: expected every part to print .*, got {words}"):
        to_text(value, where="save_model")


def test_known_parts_hide_nothing():
    other = type("Square", (fn.Activation,), {})
    for known, words in [
        ([type("Dense", (fn.Layer,), {})], "different names, got Dense, a name of funcnet's"),
        ([type("relu", (fn.Activation,), {})], "different names, got relu, a name of funcnet's"),
        ([Inheriting, type("Own", (fn.LeakyReLU,), {"name": "relu"})], "got relu, a name of funcnet's"),
        ([Square, other], "different names, got Square, the name of two"),
    ]:
        with pytest.raises(ValueError, match=words):
            from_text("Dense(1)", known=known)
    for known in (["Gain"], [3], [None]):
        with pytest.raises(TypeError, match="known to hold classes, configurations and functions, got a "):
            from_text("Dense(1)", known=known)
    assert from_text("Dense(1)", known=[fn.Dense, Square, Square, square]) == fn.Dense(1)


HOSTILE = {
    "an import": ("__import__('os').system('true')", "got a Call in the place of a name"),
    "an import by itself": ("__import__('os')", "got '__import__'"),
    "an attribute of a value": ("().__class__", "got a Tuple in the place"),
    "an attribute of a text": ("''.join", "got a Constant in the place"),
    "an attribute of a class": ("Dense.__init__(1)", "got 'Dense.__init__'"),
    "a module of funcnet": ("initializers.jax.numpy.zeros(3)", "got 'initializers.jax.numpy.zeros'"),
    "another function of JAX": ("initializers.from_jax(jax.nn.initializers.eval)", "got 'jax.nn.initializers.eval'"),
    "builtins": ("open('/etc/passwd')", "got 'open'"),
    "eval": ("eval('1')", "got 'eval'"),
    "a class without its call": ("Sequential(Dense)", "a call of Dense, got its name alone"),
    "a value called": ("relu(1.0)", "relu by its name alone, got a call of it"),
    "lambda": ("lambda: 1", "got a Lambda"),
    "comprehension": ("[x for x in (1, 2)]", "got a ListComp"),
    "generator": ("Sequential(*(relu for _ in 'a'))", "got a Starred"),
    "conditional": ("relu if True else tanh", "got a IfExp"),
    "walrus": ("(x := 1)", "got a NamedExpr"),
    "await": ("await relu", "got (a Await|SyntaxError)"),
    "comparison": ("1 < 2", "got a Compare"),
    "f-string": ("f'{relu}'", "got a JoinedStr"),
    "dictionary": ("{'a': 1}", "got a Dict"),
    "subscript": ("(relu, tanh)[0]", "got a Subscript"),
    "power": ("9**9**9", "got a BinOp"),
    "product": ("Dense('a' * 10**9)", "got a BinOp"),
    "a sum of numbers": ("1 + 1", r"a sum of penalties, got 1 \+ 1"),
    "a sum of networks": ("Dense(1) + Dense(1)", "a sum of penalties, got Dense"),
    "not": ("not relu", "got a UnaryOp"),
    "plus": ("+1", "got a UnaryOp"),
    "minus a text": ("-'a'", "a number after a minus, got a str"),
    "minus a truth": ("-True", "a number after a minus, got a bool"),
    "bytes": ("b'a'", "got a Constant"),
    "complex": ("1j", "got a Constant"),
    "ellipsis": ("...", "got a Constant"),
    "starred": ("Sequential(*[relu])", "got a Starred"),
    "double starred": ("Dense(**x)", "every argument once, by its name, got Dense"),
    "an argument twice": ("Dense(units=1, units=2)", "every argument once|repeated"),
    "too many arguments": ("Dense(1, 2, zeros, zeros)", "got 'zeros'"),
    "an unknown argument": ("Dense(1, hue=3)", "got Dense: TypeError.*hue"),
    "a negative size": ("Dense(-1)", "got Dense: ValueError"),
    "a huge integer": (f"Dense({'9' * 5000})", "got SyntaxError: Exceeds the limit"),
    "a huge exponent": ("Dropout(1e999999999)", "got Dropout: ValueError"),
    "a size of another kind": ("Dense('1')", "got Dense: TypeError"),
    "a long argument": (f"Dense('{'x' * 50_000}')", "got Dense: TypeError.* got a str$"),
    "a list where it is not hashable": ("Holding([1])", "got 'Holding'"),
    "two statements": ("relu; tanh", "got SyntaxError"),
    "an assignment": ("x = 1", "got SyntaxError"),
    "nothing": ("", "got SyntaxError"),
    "a null": ("relu\0", "got (SyntaxError|ValueError)"),
    "half a character": ("'\ud800'", "got UnicodeEncodeError"),
    "another escape": (r"'\d'", "got SyntaxError"),
    "10**6 characters": ("x" * 10**6, "at most 100,000 characters, got 1,000,000"),
    "a long sum": ("1+" * 40_000 + "1", "got RecursionError"),
    "many minuses": ("-" * 99_000 + "1", "got MemoryError"),
    "many attributes": ("a" + ".b" * 40_000, "got RecursionError"),
    "many calls": ("relu" + "()" * 40_000, "got RecursionError"),
    "many subscripts": ("relu" + "[0]" * 30_000, "got RecursionError"),
    "many parentheses": ("(" * 40_000 + ")" * 40_000, "got SyntaxError: too many nested"),
    "many brackets": ("[" * 99_000, "got SyntaxError"),
    "deep calls": ("Residual(" * 150 + "relu" + ")" * 150, "at most 100 levels, got more"),
    "many parts": (f"Sequential({'relu,' * 12_000})", "at most 20,000 parts, got more"),
    "no text": (3, "the text of a configuration, got a int"),
    "no text at all": (None, "the text of a configuration, got a NoneType"),
    "a list": (["relu"], "the text of a configuration, got a list"),
}


@pytest.mark.parametrize(("text", "words"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_is_a_typed_error(text, words):
    with pytest.raises(StorageError, match=f"^here: expected (?s:.*){words}") as refused:
        from_text(text, where="here")
    assert len(str(refused.value)) < 600


def test_long_and_deep_networks_are_in_the_limits():
    deep = fn.relu
    for _ in range(40):
        deep = fn.Residual(deep)
    for network in (deep, fn.Sequential(*[fn.Dense(512), fn.relu] * 1000)):
        assert from_text(to_text(network)) == network


def test_what_is_beyond_the_limits_is_refused_when_it_is_written():
    deep = fn.relu
    for _ in range(99):  # as deep as a network may be
        deep = fn.Residual(deep)
    deep = (((deep,),),)
    many, long = fn.Sequential(*[fn.relu] * 11_000), fn.Sequential(*[fn.Dense(1), fn.leaky_relu] * 5_000)
    for network, words in ((deep, "100 levels"), (many, "20,000 parts"), (long, "100,000 characters")):
        with pytest.raises(StorageError, match=f"^save_model: expected a text of at most {words}"):
            to_text(network, where="save_model")


def test_what_is_no_call_is_read_as_python_reads_it():
    text = "(1, -2.5, 'a', None, True, [inf, -inf, 1e-300], (), (3,))"
    assert from_text(text) == eval(text, {"inf": np.inf})
    assert re.fullmatch("-0.0", repr(from_text("-0.0")))
    assert np.isnan(from_text("nan"))
