import dead_units
import jax
import numpy as np


def test_large_initial_weights_kill_relus_and_those_of_he_do_not(tmp_path, capsys):
    picture = tmp_path / "dead_units.png"
    options = ["--seeds", "3", "--epochs", "10", "--picture", str(picture), "--cases", "ReLU, 4 × He", "ReLU, He"]
    large, he = dead_units.main(options).values()
    assert large["before"].dead == he["before"].dead < 0.1  # the factor changes no sign of z
    np.testing.assert_allclose(large["before"].activations / he["before"].activations, [4, 16, 64], rtol=1e-4)
    assert large["after"].dead > 0.2 > 3 * he["after"].dead
    assert he["accuracy"] > large["accuracy"] + 0.1
    printed = capsys.readouterr().out
    assert "3 seeds, 10 epochs" in printed
    assert printed.splitlines()[-1] == f"picture: {picture}"
    assert picture.stat().st_size < 150_000


def test_what_saturates_before_training():
    data, _ = (dead_units.prepared(*part) for part in dead_units.fn.data.load_digits())
    large, glorot = (dead_units.SIGMOIDS[name] for name in ("tanh, 30 × Glorot", "tanh, Glorot"))
    params = jax.tree.map(
        lambda *leaves: np.stack(leaves), *(case.start(jax.random.key(0)) for case in (large, glorot))
    )
    measured = dead_units.measure(params, *data, network=large.network, activation=large.activation)
    assert measured.saturated[0] > 0.8
    assert measured.saturated[1] == 0
