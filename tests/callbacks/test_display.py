"""The progress of a run: a bar on a terminal and in a notebook, lines elsewhere, and never the end of the run."""

import io
import os
import shutil
import sys
from contextlib import ExitStack

import jax
import numpy as np
import pytest

import funcnet as fn
from funcnet.callbacks import Progress, RunStart
from funcnet.callbacks.display import showing
from funcnet.ending import Ending

X, Y = np.ones((4, 2), np.float32), np.ones((4, 1), np.float32)


def fit(**changes):
    settings = {"key": jax.random.key(0), "epochs": 40, **changes}
    return fn.fit(fn.mlp([2, 1]), fn.quadratic, fn.sgd(0.01), (X, Y), **settings)


def progress(epoch, epochs=100, *, seconds=None, reason=None, **row):
    seconds = epoch / 8 if seconds is None else seconds
    return Progress(epoch, epochs, row or {"loss": 1 / epoch}, {}, seconds, tuple, reason)


class Terminal(io.StringIO):
    def isatty(self):
        return True


class NotebookStream(io.StringIO):
    __module__ = "ipykernel.iostream"


class WithoutIsatty:
    """A stream as some programs put it in the place of the standard error stream."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


class Broken:
    """A pipe whose reader has gone."""

    encoding = "utf-8"

    def __init__(self, terminal):
        self.terminal = terminal

    def isatty(self):
        return self.terminal

    def write(self, text):
        raise BrokenPipeError

    def flush(self):
        raise BrokenPipeError


def shown(monkeypatch, stream, progresses, *, epochs=100, columns=80, start=0):
    """Return what a stream got of some progress."""
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((columns, 24)))
    with ExitStack() as stack:
        show = showing(RunStart(("loss",), start, epochs), stack)
        for each in progresses:
            show(each)
    return stream.getvalue()


def test_silent_is_silent(capsys):
    fit(progress=False)
    assert capsys.readouterr() == ("", "")


def test_elsewhere_the_last_line_tells_the_end(capsys):
    fit(progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("epoch 40/40  loss 0.")


@pytest.mark.parametrize("stream", [Terminal, NotebookStream])
def test_on_a_terminal_a_bar_tells_epochs_loss_and_time(stream, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream())
    fit(validation=(X, Y))
    text = sys.stderr.getvalue()
    assert "epoch 40/40" in text
    assert "val_loss" in text
    assert "compiling" in text


def test_lines_come_at_most_once_a_second_and_tell_the_time_left(monkeypatch):
    steps = [progress(epoch, reason=Ending.COMPLETED if epoch == 100 else None) for epoch in range(1, 101)]
    lines = shown(monkeypatch, io.StringIO(), steps).splitlines()
    assert len(lines) == 13  # in twelve and a half seconds: twelve, and the last
    assert lines[0].split("  ")[:2] == ["epoch 8/100", "loss 0.1250"]
    assert lines[0].endswith("12 s left")
    assert lines[-1].startswith("epoch 100/100")
    assert lines[-1].endswith("  12.5 s")


def test_the_lines_of_a_run_that_ends_before_end_with_its_last_epoch_and_the_reason(monkeypatch):
    steps = [progress(8), progress(9), progress(11, reason=Ending.STOPPED_EARLY)]
    lines = shown(monkeypatch, io.StringIO(), steps).splitlines()
    assert lines == ["epoch 8/100  loss 0.1250  1.0 s", "epoch 11/100  loss 0.0909  1.4 s  stopped early"]


def test_the_time_left_leaves_out_the_compilation(monkeypatch):
    steps = [progress(1, seconds=60.0), progress(2, seconds=61.0), progress(11, seconds=70.0)]
    lines = shown(monkeypatch, io.StringIO(), steps).splitlines()
    assert [line.split("  ")[-1] for line in lines] == ["60.0 s", "98 s left", "89 s left"]
    (bar,) = shown(monkeypatch, Terminal(), steps[:1]).splitlines()[-1:]
    assert "01:00<?  loss 1.0000" in bar


def test_the_bar_of_a_run_that_ends_before_tells_the_reason(monkeypatch):
    steps = [progress(8), progress(11, reason=Ending.STOPPED_EARLY)]
    bar = shown(monkeypatch, Terminal(), steps).splitlines()[-1].split("\r")[-1]
    assert bar.startswith("epoch 11/100 |")
    assert bar.rstrip().endswith("| 00:01 stopped early  loss 0.0909")


@pytest.mark.parametrize("columns", [20, 30, 40, 44, 60, 80])
def test_a_bar_leaves_out_what_does_not_fit(columns, monkeypatch):
    steps = [progress(epoch, loss=0.25, val_loss=0.5, reason=None) for epoch in (1, 50, 99)]
    text = shown(monkeypatch, Terminal(), steps, columns=columns)
    lines = [line.rstrip() for line in text.replace("\n", "\r").split("\r") if "epoch" in line]
    assert all(len(line) <= columns for line in lines)
    ends = {20: "", 30: "|", 40: "loss 0.2500", 44: "loss 0.2500", 60: "loss 0.2500", 80: "val_loss 0.5000"}
    assert lines[-1].endswith(ends[columns])
    assert ("<" in lines[-1]) == (columns > 44)


def test_a_run_that_goes_on_counts_from_its_beginning(monkeypatch, capsys):
    first = fit(epochs=40, progress=False)
    fit(key=None, state=first.state, epochs=2)
    assert capsys.readouterr().err.splitlines()[-1].startswith("epoch 42/42  ")
    text = shown(monkeypatch, Terminal(), [progress(41, 42)], epochs=42, start=40)
    assert "epoch 40/42 |" in text
    assert "epoch 41/42 |" in text


@pytest.mark.parametrize("terminal", [True, False])
def test_a_run_of_one_epoch_is_shown_too(terminal, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal() if terminal else io.StringIO())
    fit(epochs=1)
    assert "1/1" in sys.stderr.getvalue()


def closed(stream):
    stream.close()
    return stream


@pytest.mark.parametrize(
    "make",
    [lambda: None, WithoutIsatty, lambda: Broken(True), lambda: Broken(False), lambda: closed(io.StringIO())],
    ids=["none", "without isatty", "broken terminal", "broken pipe", "closed"],
)
def test_no_stream_ends_a_run(make, monkeypatch):
    stream = make()
    monkeypatch.setattr(sys, "stderr", stream)
    result = fit()
    monkeypatch.undo()
    assert result.reason == "completed"
    if isinstance(stream, WithoutIsatty):
        assert stream.text.startswith("epoch 40/40  loss 0.")
