import transfer_learning


def test_a_frozen_network_is_ahead_with_few_images(tmp_path, capsys):
    picture = tmp_path / "transfer_learning.png"
    arguments = ["--picture", str(picture), "--images", "30", "--runs", "6", "--epochs", "100"]
    found = {way: values.mean() for way, values in transfer_learning.main(arguments).items()}
    frozen = found.pop("from ten digits, frozen")
    assert frozen > 0.9
    assert frozen > max(found.values()) + 0.04
    assert found["random weights, frozen"] < 0.7
    assert "even or odd" in capsys.readouterr().out
    assert picture.stat().st_size < 150_000
