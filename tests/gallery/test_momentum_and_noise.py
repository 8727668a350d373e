import jax
import jax.numpy as jnp
import momentum_and_noise
import numpy as np
import pytest

import funcnet as fn


def by_hand(alpha):
    """The path of v ← αv − ηf′(x); x ← x + v in plain floats."""
    x, v, points = 1.8, 0.0, [1.8]
    for _ in range(150):
        v = alpha * v - 0.01 * (4 * x**3 - 4 * x + 0.3)
        x += v
        points.append(x)
    return points


def test_momentum_and_noise_leave_the_local_minimum_and_momentum_has_a_terminal_speed(tmp_path, capsys):
    picture = tmp_path / "momentum_and_noise.png"
    sizes = ["--runs", "100", "--batch-sizes", "2", "256"]
    figures = momentum_and_noise.main(["--picture", str(picture), *sizes])
    plain, momentum = figures["paths"].values()
    np.testing.assert_allclose(plain, by_hand(0), atol=1e-5)
    np.testing.assert_allclose(momentum, by_hand(0.9), atol=1e-3)
    minimum, hill, local = momentum_and_noise.flat_points()
    assert minimum < -1 < 0 < hill < 0.1 < 0.9 < local
    assert plain[-1] == pytest.approx(local, abs=1e-3)
    assert momentum[-1] == pytest.approx(minimum, abs=1e-3)
    assert 0.7 < figures["shares"][2] < 0.95
    assert figures["shares"][256] == 0
    t = np.arange(1, 501)
    for alpha, speed in figures["speeds"].items():
        np.testing.assert_allclose(speed, 0.01 * (1 - alpha**t) / (1 - alpha), rtol=2e-3)
        assert momentum_and_noise.limit(alpha) == pytest.approx(0.01 / (1 - alpha))
    assert "batches of 256:   0.0% of the runs end in the better minimum" in capsys.readouterr().out
    assert picture.stat().st_size < 150_000


def test_the_samples_costs_have_the_derivatives_written_by_hand():
    slopes = jnp.array([[-2.0], [0.5], [1.0]])
    report = fn.check_gradients(
        momentum_and_noise.Tilted(1.8), momentum_and_noise.Output(), jnp.float32(0.7), slopes, jnp.zeros((3, 1))
    )
    assert report.ok, report


def test_the_mean_of_all_samples_is_the_curve():
    keys = jax.random.split(jax.random.key(0), 2)
    x = 1.8
    for _ in range(3):
        x -= 0.03 * (4 * x**3 - 4 * x + 0.3)
    np.testing.assert_allclose(momentum_and_noise.ends(256, keys, 3), [x, x], rtol=1e-5)
