import numpy as np
import pytest

from funcnet import plots


def test_every_value_has_its_bar_and_bars_of_a_group_stand_side_by_side():
    _, axes = plots.figure()
    values = {"sgd": [1.0, 2.0], "adam": [3.0, 4.0], "momentum": [5.0, 6.0]}
    plots.bars(axes[0, 0], ["a", "b"], values, ylabel="rate", colours=("red", "blue"))
    containers = axes[0, 0].containers
    assert [container.get_label() for container in containers] == list(values)
    np.testing.assert_allclose([[bar.get_height() for bar in each] for each in containers], list(values.values()))
    places = np.array([[bar.get_x() + bar.get_width() / 2 for bar in each] for each in containers])
    np.testing.assert_allclose(places.mean(axis=0), [0, 1], atol=1e-12)
    np.testing.assert_allclose(np.diff(places, axis=0), containers[0][0].get_width())
    assert [text.get_text() for text in axes[0, 0].get_xticklabels()] == ["a", "b"]


def test_a_value_that_is_not_a_number_has_no_bar_and_the_axis_may_be_logarithmic():
    _, axes = plots.figure()
    plots.bars(axes[0, 0], ["a", "b"], {"sgd": [np.nan, 2000.0], "adam": [0.5, 30.0]}, ylabel="rate", log=True)
    assert [text.get_text() for text in axes[0, 0].texts] == ["", "2000", "0.5", "30"]
    assert axes[0, 0].get_yscale() == "log"
    low, high = axes[0, 0].get_ylim()
    assert 0 < low < 0.5
    assert high > 2000


def test_values_that_do_not_fit_the_groups_are_named():
    _, axes = plots.figure()
    with pytest.raises(ValueError, match=r"^bars: expected sgd of shape \(2,\), one per group, got \(3,\)$"):
        plots.bars(axes[0, 0], ["a", "b"], {"sgd": [1, 2, 3]}, ylabel="rate")
