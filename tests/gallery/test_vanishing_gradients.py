import numpy as np
import vanishing_gradients


def test_what_reaches_the_first_layer(tmp_path, capsys):
    picture = tmp_path / "vanishing_gradients.png"
    arguments = ["--picture", str(picture), "--depths", "4", "--networks", "4"]
    figures = vanishing_gradients.main(arguments)
    sigmoid, normalized = (figures["norms by layer"][name] for name in ("sigmoid, Glorot", "sigmoid, LayerNorm"))
    assert (np.diff(sigmoid) > 0).all()  # σ′ ≤ ¼ takes something at every layer
    assert sigmoid[0] < 1e-2 * sigmoid[-1]
    assert normalized[0] > 3 * sigmoid[0]
    ratios = {name: of_depth[-1] for name, of_depth in figures["ratios"].items()}
    assert 0.5 < ratios["ReLU, He"] < 2
    assert ratios["ReLU, Glorot"] < 0.6 * ratios["ReLU, He"]
    assert ratios["sigmoid, Residual"] > 0.1
    assert "sigmoid, Glorot" in capsys.readouterr().out
    assert picture.stat().st_size < 150_000
