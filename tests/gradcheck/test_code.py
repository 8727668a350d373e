"""What a compiled program is found again by: everything that decides what a layer's methods compute."""

import functools
from types import SimpleNamespace

import jax
import numpy as np

import funcnet as fn
from funcnet.gradcheck import code
from funcnet.gradcheck.code import Code


class Settings:
    scale = 1.0

    def __init__(self):
        self.table = {"rows": [1, 2]}


SETTINGS, NAMESPACE, FACTORS = Settings(), SimpleNamespace(factor=1.0), np.ones(2)


class Gain(fn.Layer):
    def rate(self):
        return 1.0

    def forward(self, params, x):
        return x, None

    def backward(self, params, cache, dy):
        return (), SETTINGS.scale * NAMESPACE.factor * FACTORS[0] * self.rate() * dy


def changes(monkeypatch, change):
    """Return whether a change is seen, and whether the key is the same again when it is undone."""
    before = Code(Gain())
    with monkeypatch.context() as patch:
        change(patch)
        is_seen = before != Code(Gain())
    return is_seen and before == Code(Gain()) and hash(before) == hash(Code(Gain()))


def test_everything_that_a_method_reads_counts(monkeypatch):
    for change in (
        lambda patch: patch.setitem(vars(SETTINGS), "scale", 2.0),
        lambda patch: patch.setattr(Settings, "scale", 2.0),
        lambda patch: patch.setitem(SETTINGS.table, "rows", [1, 3]),
        lambda patch: patch.setattr(NAMESPACE, "factor", 2.0),
        lambda patch: patch.setitem(globals(), "FACTORS", 2 * FACTORS),
        lambda patch: patch.setattr(Gain, "rate", lambda self: 2.0),
        lambda patch: patch.setattr(Gain, "backward", lambda self, params, cache, dy: ((), dy)),
        lambda patch: patch.setattr(Gain, "forward", functools.partialmethod(Gain.backward, None)),
    ):
        assert changes(monkeypatch, change)


def test_what_is_read_later_does_not_count_twice():
    made = [Code({"a": [1.0], "b": jax.nn.relu, "c": [number]}) for number in range(3)]
    assert len({*made}) == 3
    assert made[0] == Code({"a": [1.0], "b": jax.nn.relu, "c": [0]})


def test_what_is_too_large_to_be_followed_is_compiled_anew(monkeypatch):
    monkeypatch.setattr(code, "MOST_PARTS", 3)
    assert Code([1, 2]) == Code([1, 2])
    assert Code([[1], [2], [3]]) != Code([[1], [2], [3]])
