import input_scale
import numpy as np


def test_a_mean_makes_descent_zigzag(tmp_path, capsys):
    picture = tmp_path / "input_scale.png"
    options = ["--depths", "3", "--epochs", "16", "--seeds", "1", "--picture", str(picture)]
    figures = input_scale.main(options)
    raw, centred, standardized, relu, sigmoid = figures.values()
    assert raw["condition number"] > 3 * centred["condition number"] > 9 * standardized["condition number"]
    assert raw["steps"] > 3 * centred["steps"]
    assert centred["steps"] > 3 * standardized["steps"]
    assert relu["epochs"] <= 14
    assert sigmoid["epochs"] is None
    assert sigmoid["loss"] > 3 * input_scale.GOAL
    printed = capsys.readouterr().out
    assert "never" in printed
    assert printed.splitlines()[-1] == f"picture: {picture}"
    assert picture.stat().st_size < 150_000


def test_each_step_multiplies_the_error_as_the_condition_number_says():
    for x in input_scale.inputs(0).values():
        condition, path, _ = input_scale.descend(x, 4)
        _, directions = np.linalg.eigh(x.T @ x)  # of λ′, then of λ
        errors = (path.astype(float) - input_scale.BEST) @ directions
        factor = (condition - 1) / (condition + 1)
        np.testing.assert_allclose(errors[1:], errors[:-1] * [factor, -factor], atol=1e-5)
