"""The gallery's campaign tells a figure that is another one, or is not printed."""

import re

import pytest

from tests.campaigns import gallery


def test_figures_are_compared(monkeypatch):
    monkeypatch.setitem(gallery.FIGURES, "made_up", [(r"accuracy (\S+)", 0.98, 0.01)])
    assert gallery.differences("made_up", "accuracy 0.985") == []
    assert gallery.differences("made_up", "accuracy 0.96") == [r"accuracy (\S+): 0.96, not 0.98 ± 0.01"]
    assert gallery.differences("made_up", "loss 3") == [r"accuracy (\S+): not printed"]


@pytest.mark.parametrize("name", gallery.FIGURES)
def test_every_figure_is_one_number_of_an_example(name):
    assert (gallery.SCRIPTS / f"{name}.py").exists()
    assert all(re.compile(pattern).groups == 1 for pattern, _, _ in gallery.FIGURES[name])


def test_every_example_has_figures():
    examples = {path.stem for path in gallery.SCRIPTS.glob("*.py") if "parser(__file__, " in path.read_text()}
    assert examples == set(gallery.FIGURES)
