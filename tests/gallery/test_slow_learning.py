import numpy as np
import slow_learning


def by_hand(w, b, with_slope):
    """The neuron in plain floats: outputs before each of 300 steps and after the last."""
    outputs = []
    for _ in range(301):
        a = 1 / (1 + np.exp(-(w + b)))
        gradient = a * (a * (1 - a) if with_slope else 1)
        w, b = w - 0.15 * gradient, b - 0.15 * gradient
        outputs.append(a)
    return outputs


def test_the_quadratic_stalls_from_a_bad_start_and_the_cross_entropy_does_not(tmp_path, capsys):
    picture = tmp_path / "slow_learning.png"
    figures = slow_learning.main(["--picture", str(picture)])
    outputs, gradients = figures["outputs"].values(), figures["gradients"].values()
    expected = [by_hand(w, b, with_slope) for w, b in [(0.6, 0.9), (2, 2)] for with_slope in (True, False)]
    np.testing.assert_allclose(list(outputs), expected, rtol=1e-4)
    first = [gradient[0] for gradient in gradients]
    a = np.array([row[0] for row in expected])
    np.testing.assert_allclose(first, [a[0] ** 2 * (1 - a[0]), a[1], a[2] ** 2 * (1 - a[2]), a[3]], rtol=1e-5)
    last = [round(float(output[-1]), 2) for output in outputs]
    assert last == [0.09, 0.01, 0.2, 0.01]
    assert first[3] / first[2] > 50
    assert "after 232 epochs" in capsys.readouterr().out
    assert picture.stat().st_size < 150_000
