import io
import sys

import jax
import numpy as np
import pytest

import funcnet as fn
from funcnet.training import fitting

X, Y = np.ones((4, 2), np.float32), np.ones((4, 1), np.float32)


def fit(**changes):
    fn.fit(fn.mlp([2, 1]), fn.quadratic, fn.sgd(0.01), (X, Y), key=jax.random.key(0), epochs=40, **changes)


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    """A clock that goes on by an eighth of a second each time it is read."""

    now = 0.0

    def perf_counter(self):
        self.now += 0.125
        return self.now


def test_silent_is_silent(capsys):
    fit(progress=False)
    assert capsys.readouterr() == ("", "")


def test_elsewhere_the_last_line_tells_the_end(capsys):
    fit(progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("epoch 40/40  loss 0.")


def test_on_a_terminal_a_bar_tells_epochs_loss_and_time(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    fit(validation=(X, Y))
    shown = sys.stderr.getvalue()
    assert "epoch 40/40" in shown
    assert "val_loss" in shown
    assert "compiling" in shown


def test_lines_come_at_most_once_a_second_and_tell_the_time_left(monkeypatch, capsys):
    monkeypatch.setattr(fitting, "time", Clock())
    with fitting.reporting(True, 100) as report:
        for done in range(1, 101):
            report(done, {"loss": 1 / done})
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 13  # in twelve and a half seconds: twelve, and the last
    assert lines[0].split("  ")[:2] == ["epoch 8/100", "loss 0.1250"]
    assert lines[0].endswith("12 s left")
    assert lines[-1].startswith("epoch 100/100")


@pytest.mark.parametrize("terminal", [True, False])
def test_a_run_of_one_epoch_is_shown_too(terminal, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal() if terminal else io.StringIO())
    fn.fit(fn.mlp([2, 1]), fn.quadratic, fn.sgd(0.01), (X, Y), key=jax.random.key(0), epochs=1)
    assert "1/1" in sys.stderr.getvalue()
