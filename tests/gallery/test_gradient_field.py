import sys

import gradient_field
import numpy as np
import pytest


def f(points):
    """The surface in NumPy, float64."""
    return -((np.cos(np.asarray(points, np.float64)) ** 2).sum(axis=-1) ** 2)


def test_paths_run_down_and_up_and_the_gradients_agree(tmp_path, capsys):
    picture = tmp_path / "gradient_field.png"
    figures = gradient_field.main(["--picture", str(picture), "--steps", "100", "--grid", "31"])
    descents, ascents = figures["descents"], figures["ascents"]
    assert descents.shape == ascents.shape == (4, 101, 2)
    np.testing.assert_allclose(descents[:, -1], 0, atol=1e-5)
    peaks = np.sign(gradient_field.STARTS) * np.pi / 2  # each ascent ends in the corner of its start
    np.testing.assert_allclose(ascents[:, -1], peaks, atol=0.2)  # they are flat: the distance falls like 1/√steps
    assert (f(ascents[:, -1]) > -0.001).all()
    assert (np.diff(f(descents[:, :30]), axis=1) < 0).all()
    assert (np.diff(f(ascents), axis=1) > 0).all()
    assert figures["differences"].keys() == {"jax.grad", "SymPy"}
    assert max(figures["differences"].values()) < 1e-14
    printed = capsys.readouterr().out
    assert "∂f/∂x by SymPy: 4*(cos(x)**2 + cos(y)**2)*sin(x)*cos(x)" in printed
    assert "sgd: expected learning_rate to be finite and at least 0, got -0.05" in printed
    assert printed.splitlines()[-1] == f"picture: {picture}"
    assert picture.stat().st_size < 150_000


def test_the_first_steps_are_those_of_the_equation():
    start = np.array([[0.4, 1.25]])
    gradient = 2 * (np.cos(start) ** 2).sum() * np.sin(2 * start)
    for cost, sign in ((gradient_field.f, -1), (gradient_field.negated, 1)):
        path = gradient_field.descend(cost, start.astype(np.float32), 0.05, 1)
        np.testing.assert_allclose(path[0], np.concatenate([start, start + sign * 0.05 * gradient]), rtol=1e-5)


@pytest.mark.parametrize(("rate", "last"), [(0.02, -1.3297), (0.3, -0.00021), (1.02, -2.9605)])
def test_descent_on_a_parabola_multiplies_by_one_minus_twice_the_rate(rate, last):
    points = gradient_field.descend(gradient_field.jnp.square, np.array([-2.0], np.float32), rate, 10)[0]
    np.testing.assert_allclose(points, -2 * (1 - 2 * rate) ** np.arange(11), rtol=1e-4)
    assert points[-1] == pytest.approx(last, rel=2e-3)


def test_without_sympy_the_other_two_are_compared(monkeypatch):
    monkeypatch.setitem(sys.modules, "sympy", None)
    found, formula = gradient_field.differences(5)
    assert found.keys() == {"jax.grad"}
    assert formula is None
