import graph_and_session
import numpy as np


def test_graphs_share_nothing_and_a_part_runs_alone(tmp_path, capsys):
    picture = tmp_path / "graph_and_session.png"
    figures = graph_and_session.main(["--picture", str(picture)])
    zeros, ones = (figures["graphs"][name] for name in ("zeros", "ones"))
    np.testing.assert_array_equal(zeros["v"], [0, 0])
    np.testing.assert_array_equal(ones["v"], [1, 1])
    np.testing.assert_array_equal(zeros["output"], [1, 1])
    np.testing.assert_array_equal(ones["output"], [3, 3])
    first, second = figures["parts"].values()
    assert {name: float(value) for name, value in first.items()} == {"w": 2, "x": -2, "b": 8, "v1": -4, "z": 4}
    assert {name: float(value) for name, value in second.items()} == {"z": 5, "y": 2, "v2": 3, "v3": 9, "J": 4.5}
    kinds = figures["kinds"]
    assert kinds["params[0].weight"] == kinds["params[0].bias"] == "variable, frozen"
    assert kinds["params[1].weight"] == kinds["params[1].bias"] == "variable, trained"
    assert (kinds["x"], kinds["c1"]) == ("data", "constant")
    assert "placeholder" in capsys.readouterr().out
    assert picture.stat().st_size < 150_000
