import pytest
import xor


@pytest.mark.usefixtures("standard_promotion")
def test_restarts_learn_xor_and_single_starts_do_not_always(tmp_path, capsys):
    figures = xor.main(["--picture", str(tmp_path / "xor.png"), "--runs", "6"])
    assert figures["right"] == figures["runs"] == 6
    assert 0.4 < figures["single start"] < 0.8
    assert (tmp_path / "xor.png").stat().st_size < 150_000
    assert "all four right in 6 of 6 runs" in capsys.readouterr().out
