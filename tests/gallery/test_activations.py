import activations
import numpy as np
import pytest


def test_values_derivatives_dead_units_and_saturation(tmp_path, capsys):
    picture = tmp_path / "activations.png"
    figures = activations.main(["--picture", str(picture), "--epochs", "5"])
    assert len(figures["curves"]) == 13
    for name, (value, derivative) in figures["curves"].items():
        slope = np.gradient(value.astype(float), activations.Z.astype(float))
        smooth = np.abs(activations.Z) > 0.02  # away from kinks and jumps
        np.testing.assert_allclose(derivative[smooth][1:-1], slope[smooth][1:-1], atol=2e-3, err_msg=name)
    assert figures["dead"][3.0] > 0.5 > figures["dead"][0.1]
    for z, slope in figures["saturation"].items():
        assert slope == pytest.approx(np.exp(-z) / (1 + np.exp(-z)) ** 2, rel=1e-5)
    assert "σ′(10) = 4.54e-05" in capsys.readouterr().out
    assert picture.stat().st_size < 150_000
