"""The examples that learn images, most with few samples and epochs: the gallery has what they reach with all."""

import importlib
import os
from pathlib import Path

import numpy as np
import pytest

MNIST = Path(os.environ.get("FUNCNET_DATA", "")) / "mnist"
needs_mnist = pytest.mark.skipif(not MNIST.is_dir(), reason="needs MNIST in $FUNCNET_DATA/mnist")


def run(name, folder, *options):
    """Return an example's figures, and check that its picture is small."""
    picture = folder / f"{name}.png"
    figures = importlib.import_module(name).main(["--picture", str(picture), *options])
    assert picture.stat().st_size < 150_000
    assert set(figures) == {"training loss", "test loss", "test accuracy"}
    return figures


def test_the_embedded_digits_are_learned_as_well_as_they_should(tmp_path, capsys):
    assert run("embedded_digits", tmp_path, "--seeds", "1")["test accuracy"] >= 0.97
    told = capsys.readouterr().out
    assert "1442 training and 355 test images, batches of 32" in told
    assert "mean" in told


@needs_mnist
@pytest.mark.parametrize(
    ("name", "options", "accuracy"),
    [
        ("mnist_two_layers", ["--epochs", "2", "--samples", "4000"], 0.88),
        ("mnist_three_layers", ["--epochs", "4", "--samples", "20000"], 0.7),
        ("digits_zero_one", ["--epochs", "8", "--samples", "2000"], 0.99),
    ],
)
def test_a_short_run_on_mnist_learns(name, options, accuracy, tmp_path):
    assert run(name, tmp_path, "--seeds", "1", *options)["test accuracy"] >= accuracy


def test_two_runs_are_averaged(tmp_path, capsys):
    figures = run("embedded_digits", tmp_path, "--seeds", "2", "--epochs", "2", "--samples", "300")
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith(("seed", "mean"))]
    each = np.array([row[-3:] for row in rows[:2]], float)
    np.testing.assert_allclose(each.mean(axis=0), list(figures.values()), rtol=1e-3)
