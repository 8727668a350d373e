import numpy as np
import optimizers

from tests import registry


def test_every_optimizer_descends_and_learns(tmp_path, capsys):
    picture = tmp_path / "optimizers.png"
    chosen = ["sgd", "momentum", "adamw"]
    arguments = [
        "--optimizers",
        *chosen,
        "--picture",
        str(picture),
        "--epochs",
        "5",
        "--samples",
        "500",
        "--rates",
        "0.01",
        "0.1",
    ]
    figures = optimizers.main(arguments)
    assert list(figures) == chosen
    assert all(each["accuracy"] > 0.6 for each in figures.values())  # a tenth is chance
    assert figures["momentum"]["ravine"] == 74
    assert figures["sgd"]["ravine"] is None
    assert "never" in capsys.readouterr().out
    assert picture.stat().st_size < 150_000


def test_all_optimizers_are_compared():
    assert set(optimizers.OPTIMIZERS) == {case.make.__name__ for case in registry.OPTIMIZERS}


def test_when_a_path_has_arrived():
    far, near = [-1.2, 1.0], [1.0, 1.0]
    assert optimizers.steps_to_arrive(optimizers.ravine, np.array([far, near, far, near, near])) == 3
    assert optimizers.steps_to_arrive(optimizers.ravine, np.array([near, far])) is None
