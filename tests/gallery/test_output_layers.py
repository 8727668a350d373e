import numpy as np
import output_layers


def test_the_fitting_output_makes_no_impossible_prediction(tmp_path, capsys):
    picture = tmp_path / "output_layers.png"
    options = ["--networks", "5", "--samples", "100", "--tasks", "numbers", "numbers in (−1, 1)", "--epochs", "200"]
    results = output_layers.main([*options, "--picture", str(picture)])
    numbers, between = results.values()
    np.testing.assert_allclose(numbers["expected"][:, 0], 2 * np.sin(2 * numbers["points"]), atol=0.02)
    assert numbers["unfit"]["error"] > 0.9 > 0.3 > numbers["fitting"]["error"]  # tanh cannot reach ±2
    assert between["fitting"]["impossible"] == 0
    assert between["unfit"]["impossible"] == np.mean(abs(between["unfit"]["predictions"]) > 1) > 0.05
    for choice in ("fitting", "unfit"):
        difference = between[choice]["predictions"] - between["expected"]
        np.testing.assert_allclose(between[choice]["error"], np.sqrt(np.mean(difference**2)), rtol=1e-4)
        assert between[choice]["error"] < 0.3
    printed = capsys.readouterr().out
    assert "tanh, squared error" in printed
    assert printed.splitlines()[-1] == f"picture: {picture}"
    assert picture.stat().st_size < 150_000
