"""Configurations are equal exactly when they are built alike, and so are the programs that are compiled for them."""

import copy
import enum
import itertools
import math
import pickle
from abc import ABC, abstractmethod
from dataclasses import FrozenInstanceError, dataclass, field, replace
from decimal import Decimal
from functools import cached_property, partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet.configuration import Configuration

ROWS = np.ones((2, 3), np.float32)


class Held(Configuration):
    value: Any


class OtherHeld(Held):
    pass


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclass(frozen=True)
class Point:
    x: Any


class Number(enum.IntEnum):
    ONE = 1


# Values of which Python or NumPy calls several equal, or has no order for.
VALUES = [
    1, True, 1.0, np.float32(1), np.float64(1), np.int64(1), np.bool_(True), Decimal(1), Decimal("1.0"),
    Number.ONE, 1 + 0j,
    0, False, 0.0, -0.0, np.float32(0), np.float32(-0.0), Decimal("-0"), complex(0, -0.0),
    math.nan, np.float32(math.nan), math.inf, -math.inf, None, "", "1", b"1",
    (), (1,), (True,), (1.0,), ((1.0,),), ((-0.0,),), (0.0,), (-0.0,), (math.nan,), Pair(1, 2), Pair(1, 2.0), (1, 2),
    frozenset({1}), frozenset({1.0}), frozenset({(0.0,)}), frozenset({(-0.0,)}), Point(1), Point(1.0), Point((True,)),
    Held(1), Held(True), (Held(0.0),), (Held(-0.0),), OtherHeld(1), fn.Dropout(0.5), fn.relu, jnp.tanh, math.tanh, int,
    np.dtype("float32"), lambda: 1, lambda: 1, partial(math.pow, 1), partial(math.pow, True),
]  # fmt: skip


def rebuilt(value):
    """Return a value built alike, of other objects where Python lets one build them."""
    if type(value) is tuple:
        return tuple(map(rebuilt, value))
    return float(repr(value)) if type(value) is float else value


def test_values_are_equal_exactly_when_built_alike():
    held = [Held(value) for value in VALUES]
    for (i, one), (j, other) in itertools.product(enumerate(held), enumerate(held)):
        assert (one == other) == (i == j), (one, other)
    assert len(set(held)) == len(held)
    for value, one in zip(VALUES, held, strict=True):
        again = Held(rebuilt(value))
        assert (again == one, hash(again) == hash(one)) == (True, True), one
    assert Held(1) != OtherHeld(1)
    assert Held(1) != 1


def test_copies_are_equal():
    for value in VALUES[: VALUES.index(jnp.tanh)]:
        one = Held(value)
        hash(one)
        for again in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one)), replace(one)):
            assert again == one
            assert set(vars(again)) <= {"value", "_identity"}
    assert replace(Held(1), value=True) != Held(1)
    assert b"_identity" not in pickle.dumps(one)


class Times(fn.Layer):
    k: Any = 1.0

    def init(self, key, input_shape, *, dtype=jnp.float32):
        return (), input_shape

    def forward(self, params, x):
        # What tells the numbers apart that Python calls equal.
        return x * jnp.float32(math.copysign(3, self.k) + isinstance(self.k, bool) + 10 * isinstance(self.k, int)), None

    def backward(self, params, cache, dy):
        raise NotImplementedError


def test_every_configuration_has_its_own_compiled_program():
    compiled = jax.jit(lambda layer, x: layer.apply((), x), static_argnums=0)
    for k, factor in [(0.0, 3), (-0.0, -3), (1.0, 3), (1, 13), (True, 14)]:
        np.testing.assert_array_equal(fn.predict(Times(k), (), ROWS), factor * ROWS)
        np.testing.assert_array_equal(compiled(Times(k), ROWS), factor * ROWS)

    traced = []
    jitted = jax.jit(lambda held: traced.append(held) or 0, static_argnums=0)
    for value in (0.0, -0.0, 0, False, (0,), (0.0,), math.nan):
        jitted(Held(value))
        jitted(Held(rebuilt(value)))
    assert len(traced) == 7


def test_a_value_prints_as_the_call_that_builds_it():
    class Scale(Configuration):
        factor: float = 0.0
        axis: Any = 1

    calls = ["Scale()", "Scale(factor=-0.0)", "Scale(axis=True)", "Scale(axis=1.0)", "Scale(factor=1.0, axis=(1,))"]
    for call in calls:
        built = eval(call, {"Scale": Scale})
        assert (repr(built), eval(repr(built), {"Scale": Scale})) == (call, built)


def test_a_field_without_an_annotation_is_refused_when_the_class_is_defined():
    expected = "^Gain: expected an annotation of k, such as k: float, which makes it a field, got none$"
    for base in (fn.Layer, fn.Loss, fn.Activation, fn.initializers.Initializer, Configuration):
        with pytest.raises(TypeError, match=expected):
            type("Gain", (base,), {"k": 1.0})
    for value, kind in ((None, "NoneType"), ([1], "list"), (np.eye(2), "ndarray")):
        with pytest.raises(TypeError, match=f"^Gain: expected an annotation of k, such as k: {kind}, .* got none$"):
            type("Gain", (fn.Layer,), {"k": value})
    with pytest.raises(TypeError, match=r"^Leaky: expected an annotation of negative_slope, such as .*: float"):

        class Leaky(fn.LeakyReLU):
            negative_slope = 0.3  # a dataclass would go on with 0.01


def test_what_a_class_may_hold_besides_fields():
    class Shape(Configuration, ABC):
        name = "shape"
        limit: ClassVar[int] = 3
        sides: int = 4
        area: float = field(init=False)

        class Side(NamedTuple):
            length: float

        def __post_init__(self):
            object.__setattr__(self, "area", self.sides / 2)

        @abstractmethod
        def draw(self): ...

        @property
        def corners(self):
            return self.sides

        @cached_property
        def half(self):
            return self.sides / 2

        @classmethod
        def triangle(cls):
            return cls(3)

        @staticmethod
        def double(number):
            return 2 * number

        quick = jax.jit(lambda self: 1)

    class Square(Shape):
        limit = 5

        def draw(self):
            return None

    class Hidden(Square):
        """A class that sets an attribute behind the back of its fields."""

        serial: ClassVar[Any] = itertools.count()

        def __post_init__(self):
            object.__setattr__(self, "k", next(self.serial))

    assert Square() == Square(4) != Square.triangle()
    one, other = Square(), Square()
    assert one.half == 2
    assert one == other
    assert hash(one) == hash(other)
    assert "half" not in copy.copy(one).__dict__
    assert Hidden() != Hidden()


@pytest.mark.parametrize("base", [fn.Layer, fn.Loss, fn.Penalty, fn.schedules.Schedule, fn.Dropout])
def test_an_init_of_its_own_is_refused_when_the_class_is_defined(base):
    def init(self, k):
        object.__setattr__(self, "k", k)

    expected = r"^Gain: expected annotated fields, such as k: float = 1\.0, which make __init__, == and hash, got "
    for name, own in (("__init__", init), ("__eq__", lambda self, other: True), ("__hash__", lambda self: 0),
                      ("__new__", lambda cls: None), ("__setattr__", init), ("__slots__", ("k",))):  # fmt: skip
        with pytest.raises(TypeError, match=f"{expected}{name} of its own$"):
            type("Gain", (base,), {name: own})

    class Mixin:
        def __eq__(self, other):
            return True

    with pytest.raises(TypeError, match=f"{expected}__eq__ of its own$"):
        type("Gain", (Mixin, base), {})


def test_a_network_of_ones_own_may_build_its_layers():
    class Wide(fn.Sequential):
        pass

    class Named(fn.Sequential):
        def __init__(self, width, title):
            super().__init__(fn.Dense(width), fn.tanh)
            object.__setattr__(self, "title", title)

    assert Wide(fn.Dense(3)) == Wide(fn.Dense(3)) != fn.Sequential(fn.Dense(3))
    assert Wide(fn.Dense(3)).layers == (fn.Dense(3),)
    assert Named(3, "a") == Named(3, "a")
    assert len({Named(3, "a"), Named(3, "b"), Named(4, "a")}) == 3


def test_an_assignment_teaches_that_fields_are_annotated():
    class Gain(fn.Layer):
        k: float = 1.0

        def __post_init__(self):
            self.eps = 1e-5

    expected = (
        r"^Gain: cannot assign to 'eps', which is not a field: annotate it in the class, eps: float, and pass its"
    )
    with pytest.raises(FrozenInstanceError, match=rf"{expected} value to Gain\("):
        Gain()
    dropout = fn.Dropout(0.5)
    with pytest.raises(FrozenInstanceError, match=r"^Dropout: cannot assign to field 'rate': build another Dropout$"):
        dropout.rate = 0.1
    with pytest.raises(FrozenInstanceError, match=r"^Dropout: cannot delete field 'rate'$"):
        del dropout.rate


@pytest.mark.parametrize("value", [[1.0], {"a": 1}, {1}, np.ones(2), (1, [2]), bytearray(b"1"), Held([1])], ids=repr)
def test_a_field_that_can_change_is_refused_at_every_door(value):
    layer, key = Times(value), jax.random.key(0)
    network = fn.Sequential(layer, fn.relu)
    refused = pytest.raises(TypeError, match="^[a-z_]+: expected network to have hashable fields, got unhashable type: "
                            r"'[\w.]+', the field (k|value) of (Times|Held): use numbers, strings, tuples")  # fmt: skip
    doors = {
        "predict": lambda: fn.predict(network, ((), ()), ROWS),
        "evaluate": lambda: fn.evaluate(layer, fn.quadratic, (), (ROWS, ROWS)),
        "fit": lambda: fn.fit(network, fn.quadratic, fn.sgd(0.1), (ROWS, ROWS), key=key, epochs=1),
        "train_step": lambda: fn.train_step(layer, fn.quadratic, fn.sgd(0.1)),
        "init_state": lambda: fn.init_state(network, fn.sgd(0.1), key, (3,)),
        "fit_by_search": lambda: fn.fit_by_search(network, fn.quadratic, fn.genetic(), (ROWS, ROWS), key=key, steps=1),
        "check_gradients": lambda: fn.check_gradients(network, fn.quadratic, ((), ()), ROWS, ROWS),
    }
    for door in doors.values():
        with refused:
            door()
    assert repr(layer).startswith("Times(k=")


def test_a_count_of_numpy_is_a_count():
    assert (fn.Dense(np.int64(3), inputs=np.uint8(2)), repr(fn.Dense(np.int64(3)))) == (
        fn.Dense(3, inputs=2),
        "Dense(3)",
    )
