import jax
import jax.numpy as jnp
import mpmath
import numerical_derivatives
import numpy as np
import pytest


def f(x):
    return mpmath.exp(x) / (mpmath.sin(x) ** 3 + mpmath.cos(x) ** 3)


def test_the_errors_are_lowest_near_the_steps_of_theory_and_the_complex_step_is_flat(tmp_path, capsys):
    picture = tmp_path / "numerical_derivatives.png"
    figures = numerical_derivatives.main(["--picture", str(picture), "--points", "20", "--steps", "81"])
    steps = figures["steps"]
    for dtype, smallest in (("float64", 1e-8), ("float32", 3e-4)):
        epsilon = np.finfo(dtype).eps
        for name, order in (("forward difference", 2), ("central difference", 3)):
            h, error = figures["best"][dtype][name]
            assert 1 / 4 < h / epsilon ** (1 / order) < 4
            assert 1 / 4 < error / epsilon ** (1 - 1 / order) < 4
            assert (figures["errors"][dtype][name][steps < epsilon / 10] == 1).all()  # x + h is x
        flat = figures["errors"][dtype]["complex step"]
        assert (flat[steps < smallest / 3] < 2 * epsilon).all()
        assert flat[-10] > 100 * epsilon
    assert figures["method"] == "complex step"
    assert figures["difference"] < 1e-15
    assert f"picture: {picture}" in capsys.readouterr().out
    assert picture.stat().st_size < 150_000


def test_the_exact_value_is_that_of_arbitrary_precision():
    points = np.array([1.3, 1.5, 1.7], np.longdouble)
    exact = [float(mpmath.diff(f, mpmath.mpf(str(x)))) for x in points]
    np.testing.assert_allclose(numerical_derivatives.derivative(points, np).astype(float), exact, rtol=1e-15)
    assert exact[1] == pytest.approx(3.62203370071632)  # at 1.5, as in the paper


@pytest.mark.usefixtures("x64")
def test_the_truncation_errors_are_those_of_taylors_series():
    x, h = 1.5, 2.0**-12
    slope, second, third = (float(mpmath.diff(f, x, n)) for n in (1, 2, 3))
    found = numerical_derivatives.numerical(jnp.array([x]), jnp.array([h]))
    errors = {name: float(jax.device_get(values)[0, 0]) - slope for name, values in found.items()}
    assert errors["forward difference"] == pytest.approx(h * second / 2, rel=1e-3)
    assert errors["central difference"] == pytest.approx(h**2 * third / 6, rel=1e-3)
    assert errors["complex step"] == pytest.approx(-(h**2) * third / 6, rel=1e-3)
