"""The callbacks that come with funcnet, each read back by a reader that is not its own."""

import csv
import io
import json
import resource
import sys
import types

import numpy as np
import pytest

import funcnet as fn
from funcnet.callbacks import Progress, RunStart
from tests.training.small_run import fit

LOGS = [fn.CSVLog, fn.JSONLines]


def rows_of(path):
    """Return the epochs and the columns of a log of either kind."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".csv":
        rows = list(csv.DictReader(io.StringIO(text)))
    else:
        rows = [json.loads(line, parse_constant=lambda name: 1 / 0) for line in text.splitlines()]
    columns = {name: np.array([float(row[name]) for row in rows], np.float32) for name in rows[0]}
    return columns.pop("epoch").astype(int).tolist(), columns


def path_of(kind, folder):
    return folder / "a folder" / f"log.{'csv' if kind is fn.CSVLog else 'jsonl'}"


@pytest.mark.parametrize("kind", LOGS)
@pytest.mark.parametrize("every", [1, 4, 100])
def test_a_log_holds_every_epoch_and_a_resumed_run_appends(kind, every, tmp_path):
    log = kind(path_of(kind, tmp_path), every=every)
    first = fit(epochs=6, callbacks=[log])
    epochs, columns = rows_of(log.path)
    assert epochs == [1, 2, 3, 4, 5, 6]
    assert list(columns) == list(first.history)
    second = fit(epochs=3, key=None, state=first.state, callbacks=[log])
    epochs, columns = rows_of(log.path)
    assert epochs == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    for name, column in columns.items():
        np.testing.assert_array_equal(column, np.concatenate([first.history[name], second.history[name]]))


@pytest.mark.parametrize("kind", LOGS)
def test_a_new_run_does_not_overwrite_unless_told_to(kind, tmp_path):
    path = path_of(kind, tmp_path)
    fit(callbacks=[kind(path)])
    before = path.read_bytes()
    with pytest.raises(
        FileExistsError, match=rf"^{kind.__name__}: expected a path without a file .*log\..*overwrite=True"
    ):
        fit(epochs=2, callbacks=[kind(path)])
    assert path.read_bytes() == before
    fit(epochs=2, callbacks=[kind(path, overwrite=True)])
    assert rows_of(path)[0] == [1, 2]


@pytest.mark.parametrize("kind", LOGS)
@pytest.mark.parametrize("limit", [0, 60], ids=["never", "from the third epoch on"])
def test_a_full_disk_ends_no_run_and_what_was_written_stays(kind, limit, tmp_path):
    path, limits = path_of(kind, tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    whole = fit(metrics=[], validation=None)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
    try:
        with pytest.warns(RuntimeWarning, match=rf"{kind.__name__}\(.*\) could not be written: .*: the run goes on"):
            result = fit(metrics=[], validation=None, callbacks=[kind(path)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    np.testing.assert_array_equal(result.history["loss"], whole.history["loss"])
    assert path.stat().st_size == limit


def told(log, names, *parts, start=0):
    """Give a log the rows of some epochs, (epochs, names) each, as a run would."""
    with log.follow(RunStart(names, start, 10)) as write:
        for part in parts:
            start += len(part)
            rows = dict(zip(names, np.asarray(part, np.float32).T, strict=True))
            write(Progress(start, 10, {}, rows, 0.0, tuple))


@pytest.mark.parametrize("kind", LOGS)
def test_values_that_are_not_finite_read_back(kind, tmp_path):
    log = kind(path_of(kind, tmp_path))
    told(log, ("loss", 'an "odd", name'), [[0.1, np.nan], [np.inf, -np.inf]], [[1e-30, 3]])
    epochs, columns = rows_of(log.path)
    assert epochs == [1, 2, 3]
    np.testing.assert_array_equal(columns["loss"], np.array([0.1, np.inf, 1e-30], np.float32))
    np.testing.assert_array_equal(columns['an "odd", name'], np.array([np.nan, -np.inf, 3], np.float32))


def test_the_lines_are_as_short_as_they_can_be(tmp_path):
    told(fn.CSVLog(tmp_path / "a"), ("loss", "accuracy"), [[0.1, 1.0]])
    assert (tmp_path / "a").read_text() == "epoch,loss,accuracy\n1,0.1,1.0\n"
    told(fn.JSONLines(tmp_path / "b"), ("loss", "accuracy"), [[0.1, 1.0]])
    assert (tmp_path / "b").read_text() == '{"epoch": 1, "loss": 0.1, "accuracy": 1.0}\n'


@pytest.mark.parametrize("kind", LOGS)
def test_a_line_that_was_cut_off_stays_and_the_next_one_starts_anew(kind, tmp_path):
    log = kind(path_of(kind, tmp_path))
    told(log, ("loss",), [[1.0], [2.0]])
    log.path.write_bytes(log.path.read_bytes()[:-2])
    cut = log.path.read_text()
    told(log, ("loss",), [[3.0]], start=2)
    lines = log.path.read_text().splitlines()
    assert lines[:-1] == cut.splitlines()
    assert "3.0" in lines[-1]


def test_other_names_are_not_appended(tmp_path):
    log = fn.CSVLog(tmp_path / "log.csv")
    told(log, ("loss",), [[1.0]])
    with pytest.raises(
        ValueError, match=r"^CSVLog: expected '.*log\.csv' to start with 'epoch,loss,accuracy', got 'epoch,loss'$"
    ):
        told(log, ("loss", "accuracy"), [[1.0, 1.0]], start=1)


def test_a_resumed_run_without_a_file_makes_one_and_a_run_without_an_epoch_none(tmp_path):
    log = fn.CSVLog(str(tmp_path / "log.csv"))
    told(log, ("loss",))
    assert list(tmp_path.iterdir()) == []
    told(log, ("loss",), [[1.0]], start=6)
    assert (tmp_path / "log.csv").read_text() == "epoch,loss\n7,1.0\n"


def test_tensorboard_reads_what_was_written(tmp_path):
    pytest.importorskip("tensorboardX")
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    callback = fn.TensorBoard(tmp_path, every=4)
    first = fit(epochs=6, callbacks=[callback])
    second = fit(epochs=3, key=None, state=first.state, callbacks=[callback])
    files, found = sorted(tmp_path.iterdir()), {name: [] for name in first.history}
    assert len(files) == 2
    for file in files:
        events = reader.EventAccumulator(str(file)).Reload()
        for name in found:
            found[name] += [(event.step, event.value) for event in events.Scalars(name)]
    for name, pairs in found.items():
        expected = np.concatenate([first.history[name], second.history[name]])
        assert pairs == [(epoch, float(value)) for epoch, value in enumerate(expected, 1)]


def test_without_tensorboardx_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(
        ImportError, match=r"pip install 'funcnet\[tensorboard\]', in a clone pip install -e '\.\[tensorboard\]'"
    ):
        fit(callbacks=[fn.TensorBoard(tmp_path)])


class Notebook(types.ModuleType):
    """What LivePlot uses of ``IPython.display``."""

    def __init__(self):
        super().__init__("IPython.display")
        self.shown = []

    def Image(self, *, data):  # noqa: N802
        return data

    def display(self, image, *, display_id):
        self.shown.append(image)
        return types.SimpleNamespace(update=self.shown.append)


@pytest.fixture
def notebook(monkeypatch):
    module = Notebook()
    package = types.ModuleType("IPython")
    package.version_info = (9, 0)  # Matplotlib reads it
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return module


def test_a_live_plot_is_one_picture_that_changes_at_most_once_a_second(notebook):
    with fn.LivePlot().follow(RunStart(("loss", "val_loss"), 0, 9)) as draw:
        for epoch, seconds in enumerate((0.1, 0.2, 1.0, 1.2, 1.3), 1):
            rows = {"loss": np.array([1 / epoch]), "val_loss": np.array([2 / epoch])}
            draw(Progress(epoch, 9, {}, rows, seconds, tuple, "completed" if epoch == 5 else None))
        assert len(notebook.shown) == 2
    assert len(notebook.shown) == 3
    assert all(image.startswith(b"\x89PNG") for image in notebook.shown)
    assert len(set(notebook.shown)) == 3


def test_a_live_plot_shows_the_end_that_a_later_callback_brings(notebook, monkeypatch):
    drawn = []
    monkeypatch.setattr("funcnet.callbacks.live_plot.history", lambda seen, first: drawn.append(len(seen["loss"])))
    monkeypatch.setattr("funcnet.callbacks.live_plot._png", lambda picture: b"")
    monkeypatch.setattr("funcnet.callbacks.live_plot._SECONDS_BETWEEN_DRAWINGS", 1000.0)
    fit(epochs=9, callbacks=[fn.LivePlot(), lambda progress: progress.epoch == 5])
    assert drawn[-1] == 5


def test_a_live_plot_without_ipython_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", None)
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    with pytest.raises(ImportError, match=r"^LivePlot needs IPython"):
        fit(callbacks=[fn.LivePlot()])


def test_a_folder_is_no_file_and_two_logs_are_two_files(tmp_path):
    with pytest.raises(IsADirectoryError, match=r"^CSVLog: expected path of a file, got the folder '"):
        fit(callbacks=[fn.CSVLog(tmp_path)])
    path = tmp_path / "log"
    with pytest.raises(ValueError, match=r"fit: expected each of callbacks to write a file of its own, got .* twice"):
        fit(callbacks=[fn.CSVLog(path), fn.JSONLines(str(tmp_path / "." / "log"))])
    assert not path.exists()


def test_a_metric_of_each_class_has_a_panel_of_its_own():
    picture = fn.plots.history({"loss": np.ones(3), "f1_by_class": np.ones((3, 2)), "val_loss": np.ones(3)})
    assert [(axes.get_ylabel(), len(axes.lines)) for axes in picture.axes] == [("loss", 2), ("f1_by_class", 2)]


def test_a_history_without_columns_is_refused():
    with pytest.raises(ValueError, match="history: expected columns with at least one name, got none"):
        fn.plots.history({})
