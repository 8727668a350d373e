import network_pictures
import numpy as np


def test_the_networks_compute_what_their_titles_say(tmp_path, capsys):
    picture = tmp_path / "network_pictures.png"
    figures = network_pictures.main(["--picture", str(picture), "--epochs", "10"])
    np.testing.assert_array_equal(figures["xor"] > 0.5, [False, True, True, False])
    assert len(figures["gates"]) == 9
    assert figures["accuracy"] > 0.85
    assert "sum: wire 10, carry out: wire 11" in capsys.readouterr().out
    assert picture.stat().st_size < 150_000
