import batch_sizes
import jax
import numpy as np

import funcnet as fn


def test_small_batches_learn_more_from_the_same_samples(tmp_path, capsys, monkeypatch):
    milliseconds = {1: 4, 32: 2, None: 1}
    monkeypatch.setattr(batch_sizes, "seconds_per_epoch", lambda *given: milliseconds[given[3]] / 1000)
    picture = tmp_path / "batch_sizes.png"
    sizes = ["--epochs", "3", "--seeds", "1", "--samples", "400", "--rates", "0.03", "0.1", "--goal", "1"]
    figures = batch_sizes.main(["--picture", str(picture), *sizes])
    losses = figures["losses"]
    assert {size: len(by_epoch) for size, by_epoch in losses.items()} == {1: 3, 32: 12, None: 30}
    assert losses[1][2] < 0.5 < losses[32][2] - 0.5 < losses[None][2] - 0.6  # after three epochs each
    assert (np.diff(losses[None]) < 0).all()  # without noise every step descends
    assert figures["steps"] == {1: 400, 32: 13, None: 1}
    assert figures["rates"][None] == 0.1
    assert figures["epochs to the goal"][1] == 1
    assert 2 <= figures["epochs to the goal"][32] <= 12
    assert figures["epochs to the goal"][None] is None
    printed = capsys.readouterr().out
    assert f"{2 * figures['epochs to the goal'][32]:.1f} ms" in printed  # of two milliseconds an epoch
    assert "never" in printed
    assert f"picture: {picture}" in printed
    assert picture.stat().st_size < 150_000


def test_the_full_set_takes_the_steps_of_the_equation():
    """Of every rate and key: θ ← θ − η∇C, with the gradient written by hand."""
    data, keys, rates = batch_sizes.digits(50), jax.random.split(jax.random.key(3), 2), [0.1, 0.5]
    losses = batch_sizes.sweep(rates, keys, data, None, 2)
    for rate, by_key in zip(rates, losses, strict=True):
        for key, by_epoch in zip(keys, by_key, strict=True):
            params = fn.init_state(batch_sizes.NETWORK, fn.sgd(rate), key, (64,)).params
            costs = []
            for _ in range(3):
                cost, gradients = fn.backprop(batch_sizes.NETWORK, batch_sizes.LOSS)(params, *data)
                params = jax.tree.map(lambda theta, g, rate=rate: theta - rate * g, params, gradients)
                costs.append(cost)
            np.testing.assert_allclose(by_epoch, costs[1:], rtol=1e-4)


def test_a_time_is_measured():
    data = batch_sizes.digits(50)
    assert 0 < batch_sizes.seconds_per_epoch(0.1, jax.random.key(0), data, None, 2) < 1


def test_when_a_loss_is_reached():
    assert batch_sizes.first_at_most(np.array([3.0, 1.0, 2.0]), 1.0) == 2
    assert batch_sizes.first_at_most(np.array([3.0, np.nan]), 1.0) is None
