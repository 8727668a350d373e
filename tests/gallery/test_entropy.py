import math
from collections import Counter

import entropy
import numpy as np


def test_the_figures_are_those_of_the_formulas(tmp_path, capsys):
    picture = tmp_path / "entropy.png"
    figures = entropy.main(["--picture", str(picture)])
    assert figures["H(1/2)"] == 1
    np.testing.assert_allclose(figures["entropy"], 1.75, rtol=1e-6)
    np.testing.assert_allclose(figures["cross-entropy"] - figures["entropy"], figures["KL"], atol=1e-6)
    assert figures["KL"][0] == 0
    assert (np.diff(figures["KL"]) > 0).all()
    np.testing.assert_allclose(figures["KL"][-1], 0.875, rtol=1e-6)
    counts = Counter(entropy.TEXT)
    h = -sum(n / len(entropy.TEXT) * math.log2(n / len(entropy.TEXT)) for n in counts.values())
    np.testing.assert_allclose(figures["text entropy"], h, rtol=1e-6)
    assert h <= figures["mean length"] < h + 1
    assert figures["bits"] == round(len(entropy.TEXT) * figures["mean length"])
    assert figures["decoded"] == entropy.TEXT
    assert "decoded, it is the text: True" in capsys.readouterr().out
    assert picture.stat().st_size < 150_000
