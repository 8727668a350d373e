import differential_entropy
import numpy as np
import pytest


def test_three_ways_agree_and_codes_are_as_short_as_they_can_be(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(differential_entropy, "WIDTHS", np.array([0.1, *[1.0] * 10, *[10.0] * 10]))
    picture = tmp_path / "differential_entropy.png"
    figures = differential_entropy.main(["--picture", str(picture), "--samples", "5000"])
    for values in figures["entropies"].values():
        closed, quadrature, estimated = values.T
        np.testing.assert_allclose(quadrature, closed, atol=1e-3)
        np.testing.assert_allclose(estimated, closed, atol=0.1)
        assert closed[0] < 0 < closed[20]
    assert figures["entropies"]["uniform, width s"][1, 0] == 0
    for name, (entropy, length) in figures["codes"].items():
        assert entropy <= length < entropy + 1
        assert (entropy == length) == (name in ("½, ¼, ⅛, ⅛", "¼, ¼, ¼, ¼"))
    nats, bits = figures["loss"]
    assert nats == pytest.approx(np.log(10), rel=1e-6)
    assert bits == pytest.approx(np.log2(10), rel=1e-6)
    assert "1 bit" in capsys.readouterr().out
    assert picture.stat().st_size < 150_000
