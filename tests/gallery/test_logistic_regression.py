import logistic_regression
import numpy as np


def reweighted_least_squares(x, labels, iterations=20):
    """Iteratively reweighted least squares in NumPy: θ ← (Xᵀ R X)⁻¹ Xᵀ R (X θ − R⁻¹ (p − y)) with R = p(1 − p)."""
    design = np.column_stack([x, np.ones(len(x))])
    theta = np.zeros(design.shape[1])
    for _ in range(iterations):
        p = 1 / (1 + np.exp(-design @ theta))
        r = p * (1 - p)
        working = design @ theta - (p - labels) / r
        theta = np.linalg.solve(design.T @ (r[:, None] * design), design.T @ (r * working))
    return theta


def test_both_methods_reach_the_maximum_of_the_likelihood(tmp_path, capsys):
    picture = tmp_path / "logistic_regression.png"
    figures = logistic_regression.main(["--steps", "400", "--picture", str(picture)])
    x, labels = logistic_regression.samples(0, 200)
    theta = reweighted_least_squares(x, labels)
    p = 1 / (1 + np.exp(-(x @ theta[:2] + theta[2])))
    maximum = np.sum(np.log(np.where(labels == 1, p, 1 - p)))
    slow, fast, newton = figures.values()
    np.testing.assert_allclose(newton["parameters"], theta, atol=1e-9)
    np.testing.assert_allclose(fast["parameters"], theta, atol=1e-5)
    np.testing.assert_allclose([fast["log-likelihood"], newton["log-likelihood"]], maximum, atol=1e-8)
    assert 0.01 < maximum - slow["log-likelihood"] < 1  # not there yet at the low rate
    np.testing.assert_allclose(newton["accuracy"], np.mean((p > 0.5) == labels), rtol=1e-6)
    printed = capsys.readouterr().out
    assert f"{maximum:.6f}" in printed
    assert printed.splitlines()[-1] == f"picture: {picture}"
    assert picture.stat().st_size < 150_000
