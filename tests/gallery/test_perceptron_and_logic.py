import perceptron_and_logic


def test_perceptrons_compute_and_learn(tmp_path, capsys):
    figures = perceptron_and_logic.main(["--picture", str(tmp_path / "picture.png")])
    assert figures["sums right"] == 65536
    assert figures["separated"] == figures["sets"] == 300
    assert 0 < figures["largest share of the bound"] <= 1
    assert figures["xor"] == "not separated within 10000 steps"
    assert figures["xor network"] == [False, True, True, False]
    assert "NOT 1, AND 2, OR 3, XOR 4, half adder 5, full adder 9, 8-bit adder 72" in capsys.readouterr().out
    assert (tmp_path / "picture.png").stat().st_size < 150_000
