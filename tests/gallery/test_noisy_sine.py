import noisy_sine
import numpy as np


def test_the_spread_of_the_predictions_follows_their_error(tmp_path, capsys):
    picture = tmp_path / "noisy_sine.png"
    options = ["--networks", "20", "--epochs", "400", "--picture", str(picture)]
    inside, outside = noisy_sine.main(options).values()
    assert inside["error of the mean"] < 0.12  # below the noise, 0.2
    assert inside["within"] > 0.75
    assert outside["deviation"] > 3 * inside["deviation"]
    assert outside["error of the mean"] > 3 * inside["error of the mean"]
    for each in (inside, outside):  # the mean over the networks: E(f − y)² = (m − y)² + d²
        together = np.hypot(each["error of the mean"], each["deviation"])
        np.testing.assert_allclose(together, each["error of one network"], rtol=1e-4)
    printed = capsys.readouterr().out
    assert "60 samples of sin x with noise of σ = 0.2" in printed
    assert printed.splitlines()[-1] == f"picture: {picture}"
    assert picture.stat().st_size < 150_000
