import numpy as np
import output_layers


def test_the_fitting_output_makes_no_impossible_prediction(tmp_path, capsys):
    picture = tmp_path / "output_layers.png"
    options = ["--networks", "5", "--samples", "100", "--tasks", "numbers", "yes or no", "numbers in (−1, 1)"]
    results = output_layers.main([*options, "--epochs", "200", "--picture", str(picture)])
    numbers, decisions, between = results.values()
    assert numbers["unfit"]["error"] > 3 * numbers["fitting"]["error"]
    np.testing.assert_allclose(numbers["expected"][:, 0], 2 * np.sin(2 * numbers["points"]), atol=0.02)
    sigmoid = 1 / (1 + np.exp(-4 * decisions["points"]))
    np.testing.assert_allclose(decisions["expected"][:, 0], sigmoid, atol=0.02)
    for result in (decisions, between):
        assert result["fitting"]["impossible"] == 0
        assert result["unfit"]["impossible"] > 0.05
        assert result["fitting"]["error"] < 0.25
    a, targets = decisions["fitting"]["predictions"], decisions["expected"]
    np.testing.assert_allclose(decisions["fitting"]["error"], np.sqrt(np.mean((a - targets) ** 2)), rtol=1e-5)
    printed = capsys.readouterr().out
    assert "sigmoid, binary cross entropy" in printed
    assert printed.splitlines()[-1] == f"picture: {picture}"
    assert picture.stat().st_size < 150_000
