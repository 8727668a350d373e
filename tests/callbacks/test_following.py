"""Callbacks see a run and can stop it in time, and change no bit of it."""

from contextlib import contextmanager, suppress

import chex
import jax
import numpy as np
import pytest

import funcnet as fn
from tests.training.small_run import fit
from tests.training.test_fitting import Compilations


class Opened(fn.Callback):
    """A callback that records into a list of the test's."""

    label: str

    @contextmanager
    def follow(self, run):
        events = RECORDS[self.label] = [run]
        try:
            yield lambda progress: events.append(progress)
        finally:
            events.append("closed")


RECORDS = {}


def record_of(every=1, **changes):
    """Return the start, what a callback was told and the result of a run."""
    result = fit(callbacks=[Opened("one", every=every)], **changes)
    start, *told, end = RECORDS["one"]
    assert end == "closed"
    return start, told, result


def test_ten_callbacks_change_no_bit(tmp_path):
    calls = []

    def function(progress):
        calls.append(jax.tree.map(np.asarray, progress.params()))
        progress.row.clear()
        for column in progress.rows.values():
            column[:] = 0  # what it gets is its own

    logs = [
        kind(tmp_path / f"{kind.__name__}{every}", every=every)
        for kind in (fn.CSVLog, fn.JSONLines)
        for every in (2, 5, 100)
    ]
    others = [function, lambda progress: False, Opened("a", every=3), Opened("b", every=7)]
    followed, alone = fit(epochs=12, callbacks=logs + others), fit(epochs=12)
    chex.assert_trees_all_equal(followed[:2], alone[:2])
    assert (followed.reason, int(followed.state.step)) == (alone.reason, int(alone.state.step))
    assert len(calls) == 12


def test_it_is_called_every_so_many_epochs_and_at_the_end():
    start, told, result = record_of(every=3, epochs=7)
    assert start == (("loss", "accuracy", "val_loss", "val_accuracy"), 0, 7, False)
    assert [(each.epoch, each.epochs, each.reason) for each in told] == [
        (3, 7, None),
        (6, 7, None),
        (7, 7, "completed"),
    ]
    assert [list(each.epochs_of_rows) for each in told] == [[1, 2, 3], [4, 5, 6], [7]]
    for name, column in result.history.items():
        np.testing.assert_array_equal(np.concatenate([each.rows[name] for each in told]), column)
        assert [each.row[name] for each in told] == [float(column[i]) for i in (2, 5, 6)]
    assert 0 < told[0].seconds < told[1].seconds < told[2].seconds


def test_a_run_that_goes_on_counts_from_its_beginning():
    first = fit(epochs=4)
    start, told, _ = record_of(every=3, epochs=5, key=None, state=first.state)
    assert start[1:] == (4, 9, False)
    assert [list(each.epochs_of_rows) for each in told] == [[5, 6], [7, 8, 9]]


@pytest.mark.parametrize("true", [True, np.True_])
def test_true_stops_the_run_in_time_and_it_can_go_on(true):
    def stop(progress):
        return true if progress.epoch == 4 else None

    result = fit(epochs=9, callbacks=[Opened("one", every=100), stop, Opened("other", every=2)])
    assert result.reason == "stopped by a callback"
    assert len(result.history["loss"]) == int(result.state.epoch) == 4
    told = [[(each.epoch, each.reason) for each in RECORDS[label][1:-1]] for label in ("one", "other")]
    assert told == [[(4, "stopped by a callback")], [(2, None), (4, None)]]
    assert len(RECORDS["one"][1].rows["loss"]) == 4
    chex.assert_trees_all_equal(fit(epochs=5, key=None, state=result.state).params, fit(epochs=9).params)


def test_a_stop_at_the_last_epoch_is_the_end_of_a_completed_run():
    assert fit(epochs=3, callbacks=[lambda progress: progress.epoch == 3]).reason == "completed"


def test_copies_of_the_parameters_stay_valid():
    copies, told = {}, []

    def keep(progress):
        told.append(progress)
        copies[progress.epoch] = progress.params()
        if progress.epoch > 1:
            with pytest.raises(
                RuntimeError, match=r"Progress\.params: expected to be called before .* a call after the run went on"
            ):
                told[0].params()

    fit(epochs=5, callbacks=[keep])
    for epoch in (1, 3, 5):
        chex.assert_trees_all_equal(copies[epoch], fit(epochs=epoch).params)


def test_early_stopping_is_told_and_a_stopped_run_calls_nothing(tmp_path):
    stopping = fn.EarlyStopping("loss", patience=2, min_delta=10.0)
    _, told, result = record_of(every=5, epochs=50, early_stopping=stopping)
    assert result.reason == "stopped early"
    assert [(each.epoch, each.reason) for each in told] == [(len(result.history["loss"]), "stopped early")]
    log = fn.CSVLog(tmp_path / "log.csv")
    again = fit(key=None, state=result.state, early_stopping=stopping, callbacks=[log, lambda progress: 1 / 0])
    assert (again.reason, len(again.history["loss"])) == ("stopped early", 0)
    assert not log.path.exists()


def test_callbacks_compile_nothing(tmp_path):
    fit()
    with Compilations() as compiled:
        fit(epochs=7, callbacks=[fn.CSVLog(tmp_path / "log.csv", every=np.int64(2)), lambda progress: None])
    assert compiled.names == []


def test_what_is_no_answer_is_named_and_closes_everything(tmp_path):
    log = fn.CSVLog(tmp_path / "log.csv")
    with pytest.raises(TypeError, match=r"^fit: <lambda>: expected to return None, or True to stop the run, got 3$"):
        fit(callbacks=[log, Opened("one"), lambda progress: 3])
    assert RECORDS["one"][-1] == "closed"
    assert len(log.path.read_text().splitlines()) == 2


def test_an_error_in_a_callback_closes_everything():
    def fails(progress):
        raise ZeroDivisionError("of one's own")

    with pytest.raises(ZeroDivisionError, match=r"^of one's own$"):
        fit(callbacks=[Opened("one"), fails])
    assert RECORDS["one"][-1] == "closed"


class NoContext(fn.Callback):
    def follow(self, run):
        yield print


@pytest.mark.parametrize(
    ("callbacks", "error", "message"),
    [
        (
            fn.LivePlot(),
            TypeError,
            r"fit: expected callbacks to be a list of callbacks and functions, got LivePlot\(\)",
        ),
        ([fn.LivePlot], TypeError, "fit: expected each of callbacks to be a callback, .*, got the class LivePlot"),
        (["log.csv"], TypeError, r"fit: expected each of callbacks to be .*fn\.CSVLog\('log\.csv'\).*, got 'log\.csv'"),
        ([NoContext()], TypeError, r"NoContext\(\): expected follow to return a context manager, .*, got a generator"),
        ([fn.Callback()], NotImplementedError, "Callback has no follow"),
    ],
)
def test_what_is_no_callback_is_named(callbacks, error, message):
    with pytest.raises(error, match=message):
        fit(callbacks=callbacks)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: fn.CSVLog("a", every=0), ValueError, "CSVLog: expected every to be an integer of at least 1, got 0"),
        (lambda: fn.LivePlot(every=1.5), TypeError, r"LivePlot: expected every to be an integer of .*, got 1\.5"),
        (lambda: fn.JSONLines(3), TypeError, "JSONLines: expected path to be a str or a path, got 3"),
        (lambda: fn.CSVLog("a", overwrite=1), TypeError, "CSVLog: expected overwrite to be True or False, got 1"),
        (lambda: fn.TensorBoard(None), TypeError, "TensorBoard: expected directory to be a str or a path, got None"),
    ],
)
def test_what_cannot_be_set_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_callback_is_a_value():
    assert fn.CSVLog("a", every=2) == fn.CSVLog("a", every=2) != fn.CSVLog("a")
    assert repr(fn.CSVLog("a", every=2, overwrite=True)) == "CSVLog('a', every=2, overwrite=True)"
    assert hash(fn.TensorBoard("a")) == hash(fn.TensorBoard("a"))


def test_a_callback_that_suppresses_an_exception_is_told():
    class Silent(fn.Callback):
        @contextmanager
        def follow(self, run):
            def fail(progress):
                raise KeyError("lost")

            with suppress(KeyError):
                yield fail

    with pytest.raises(
        RuntimeError, match="fit: expected callbacks that pass an exception on, got one that suppressed"
    ):
        fit(callbacks=[Silent()])
