import mnist_by_depth
import numpy as np


def test_the_first_hidden_layer_increases_the_accuracy_most(tmp_path, capsys):
    picture = tmp_path / "mnist_by_depth.png"
    options = ["--data", "digits", "--epochs", "8", "--seeds", "1", "--picture", str(picture)]
    figures = mnist_by_depth.main(options)
    assert [found["parameters"] for found in figures.values()] == [650, 19_210, 50_826, 58_442]
    linear, one, two, three = (np.mean(found["test accuracies"]) for found in figures.values())
    assert linear < 0.8
    assert one > linear + 0.15
    assert one > 0.9
    assert max(abs(two - one), abs(three - one)) < 0.05
    printed = capsys.readouterr().out
    assert "1442 training and 355 test images" in printed
    assert f"{two:.4f}" in printed
    assert printed.splitlines()[-1] == f"picture: {picture}"
    assert picture.stat().st_size < 150_000
