"""Layers, orders within layers and coordinates, each alone; whole layouts are tested in ``tests/graph``."""

import numpy as np
import pytest

from funcnet.drawing.layout import coordinates, crossings, layers, ordered, spaced


def test_layers_go_down_every_edge():
    found = [("a", "b"), ("b", "c"), ("a", "c"), ("d", "c"), ("c", "e")]
    depth = layers("abcde", found)
    assert all(depth[source] < depth[target] for source, target in found)
    assert depth["d"] == depth["c"] - 1


def test_crossings_that_need_not_be_are_gone():
    rows, links = [["a", "b", "c"], ["x", "y", "z"]], [("a", "z"), ("b", "y"), ("c", "x")]
    assert crossings(rows, links) == 3
    assert crossings(ordered(rows, links), links) == 0


def test_spaced_places_are_the_nearest_by_squares():
    rng = np.random.default_rng(0)
    for _ in range(20):
        wanted, gaps = rng.normal(size=4) * 3, rng.uniform(0.5, 2, size=3)
        places = spaced(wanted, gaps)
        assert (np.diff(places) >= gaps - 1e-12).all()
        least = ((places - wanted) ** 2).sum()
        for _ in range(200):  # no other admissible places are nearer
            other = places + rng.normal(size=4) * 0.3
            if (np.diff(other) >= gaps).all():
                assert ((other - wanted) ** 2).sum() >= least


def test_neighbours_in_a_layer_keep_their_order_and_room():
    across = coordinates([["a"], ["x", "y", "z"]], [("a", "x"), ("a", "y"), ("a", "z")], dict.fromkeys("axyz", 10.0))
    assert across["x"] + 10 < across["y"] < across["z"] - 10
    assert across["a"] == pytest.approx(across["y"])
