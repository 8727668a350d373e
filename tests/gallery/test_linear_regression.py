import linear_regression
import numpy as np


def test_gradient_descent_and_least_squares_agree(tmp_path, capsys):
    figures = linear_regression.main(["--picture", str(tmp_path / "picture.png")])
    answers = np.array([figures["slope"], figures["intercept"]])
    np.testing.assert_allclose(answers, figures["least squares"], atol=1e-4)
    np.testing.assert_allclose(answers, [1.477, 0.089], atol=0.005)  # as near as the noise lets: σ/√100, some of these
    assert figures["difference"] == abs(answers - figures["least squares"]).max()
    printed = capsys.readouterr().out
    assert [int(line.split()[0]) for line in printed.splitlines()[1:21]] == list(range(50, 1001, 50))
    assert (tmp_path / "picture.png").stat().st_size < 150_000
