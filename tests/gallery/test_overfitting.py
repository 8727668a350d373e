import numpy as np
import overfitting


def test_the_cures_lift_the_test_accuracy(tmp_path, capsys):
    picture = tmp_path / "overfitting.png"
    figures = overfitting.main(["--picture", str(picture), "--seed", "2", "--seeds", "1", "--epochs", "100"])
    accuracy = {name: np.mean(values) for name, values in figures["accuracies"].items()}
    assert accuracy["early stopping"] >= accuracy["no cure"] + 0.05
    assert accuracy["L2 penalty"] >= accuracy["no cure"] + 0.05
    assert accuracy["L1 penalty"] >= accuracy["no cure"] + 0.03
    assert all(1 < epoch < 100 for epoch in figures["best epochs"])
    assert "early stopping gave back the parameters of epochs" in capsys.readouterr().out
    assert picture.stat().st_size < 150_000
