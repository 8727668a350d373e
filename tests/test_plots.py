"""Plots raise errors for wrong data, and a figure is always written as the same small file."""

import numpy as np
import pytest

from funcnet import plots


def axes():
    return plots.figure()[1][0, 0]


def test_labels_that_would_not_be_drawn_are_refused():
    for labels in ([-1, 1], [[0], [1]], [0, 1, 1]):
        with pytest.raises(ValueError, match=r"decision: expected labels of shape \(2,\), each 0 or 1, got shape"):
            plots.decision(axes(), lambda p: p[:, 0], [[0.0, 0.0], [1.0, 1.0]], labels)


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="bars: expected series with at least one name, got none"):
        plots.bars(axes(), [], {}, ylabel="a")
    with pytest.raises(ValueError, match=r"paths: expected a of shape \(n, 2\), n at least 1, got \(0,\)"):
        plots.paths(axes(), {"a": []})
    with pytest.raises(ValueError, match=r"curves: expected a of shape \(3,\), as x, got \(2,\)"):
        plots.curves(axes(), {"a": [1, 2]}, x=[1, 2, 3], xlabel="x", ylabel="y")
    with pytest.raises(ValueError, match="images: expected at most 1 pictures, one for each axes, got 2"):
        plots.images(plots.figure()[1], np.zeros((2, 4, 4)))


def test_the_same_picture_gives_the_same_bytes(tmp_path):
    for name in ("one", "other"):
        picture, places = plots.figure(1, 2)
        plots.curves(places[0, 0], {"a": [1, 2], "b": [2, 1]}, xlabel="x", ylabel="y", log=True)
        plots.confusion(places[0, 1], np.eye(3, dtype=int))
        plots.save(picture, tmp_path / "folder" / name)
    assert (tmp_path / "folder" / "one").read_bytes() == (tmp_path / "folder" / "other").read_bytes()
