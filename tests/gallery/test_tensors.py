import numpy as np
import pytest
import tensors


@pytest.mark.usefixtures("standard_promotion")
def test_every_part_is_what_it_says(tmp_path, capsys):
    picture = tmp_path / "tensors.png"
    parts = tensors.main(["--picture", str(picture)])
    assert [text.split(",")[0] for text in parts["ranks"].values()] == [f"rank {rank}" for rank in range(6)]
    assert parts["casts"] == {
        "uint8 200 + 100": 44,
        "float32 200 + 100": 300.0,
        "float16 of 70000": np.inf,
        "int16 of 123456789, which is 1884 · 2¹⁶ − 13035": 123456789 - 1884 * 2**16,
        "int32 of -2.7": -2,
        "float32 2**24 + 1": 2.0**24,
        "bfloat16 1 + 1000 × 0.001": 1.0,
    }
    made = parts["makings"]
    assert np.abs(made["truncated normal in [-2, 2]"]).max() <= 2
    assert made["linspace from 0 to 1 in 5"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert parts["cuts"]["a[:, 1:3]"].tolist() == [[1, 2], [5, 6], [9, 10]]
    assert parts["cuts"]["joined on axis 0"].shape == (6, 4)
    assert parts["cuts"]["joined on axis 1"].shape == (3, 8)
    for axis, shape in enumerate([(4, 2, 2), (2, 4, 2), (2, 2, 4)]):
        joined = parts["cuts"][f"rank 3 joined on axis {axis}"]
        cube = np.arange(8).reshape(2, 2, 2)
        assert joined.shape == shape
        np.testing.assert_array_equal(np.split(joined, 2, axis=axis)[1], cube + 10)
    for name, value in (("zeros", 0), ("ones", 1), ("full of 7", 7)):
        like = made[f"{name} like a"]
        assert (like.tolist(), like.dtype) == ([[value] * 2] * 2, np.int16)
    assert set(parts["loops"]["differences from loops"].values()) == {0.0}
    assert parts["loops"]["w v, matrix times vector"].tolist() == [4, 10]
    assert parts["strings"]["jnp.asarray of texts"] != "accepted"
    assert parts["strings"]["one-hot rows of the labels"].tolist() == [[1, 0], [0, 1], [1, 0]]
    assert parts["products"]["differences from loops"] == [0.0, 0.0, 0.0]
    assert parts["products"]["dot product of x[0] and b"] == 80
    assert parts["reshapes"]["a transposed"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert parts["reshapes"]["flattened"] == (parts["reshapes"]["images"][0], 64)
    assert parts["reshapes"]["and back"]
    assert parts["derivative"]["ΔJ in ε"] == pytest.approx(6.001, abs=1e-9)
    assert parts["derivative"]["J′(3)"] == 6
    assert [theirs for theirs, *_ in parts["words"]][:4] == ["graph", "session.run", "variable", "constant"]
    assert "mul" in parts["words"][0][2]
    assert "ΔJ in ε" in capsys.readouterr().out
    assert picture.stat().st_size < 150_000
