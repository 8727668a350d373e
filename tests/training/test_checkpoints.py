"""A run with checkpoints is the unbroken run to the last bit, whatever ends it; and what a folder may not hold."""

import itertools
import os
import re
import resource
import shutil
import time

import jax
import optax
import pytest

import funcnet as fn
from tests import registry
from tests.training.small_run import HELD_OUT, NETWORK, X, Y, fit
from tests.training.unbroken import equal

TEN = 10
ROUTES = itertools.cycle([fn.autodiff, fn.backprop])
EVERYTHING = {
    "network": fn.Sequential(fn.Dense(5), fn.tanh, fn.Dropout(0.3), fn.Dense(2)),
    "penalty": fn.l2(1e-3),
    "early_stopping": fn.EarlyStopping(patience=50),
    "metrics": [fn.accuracy, fn.metrics.f1],
}


def checkpoints(folder):
    return sorted(each for each in os.listdir(folder) if each.startswith("checkpoint-"))


@pytest.mark.parametrize(("case", "gradients"), [*zip(registry.OPTIMIZERS, ROUTES, strict=False)])
def test_a_run_interrupted_after_every_epoch_is_the_unbroken_run(case, gradients, tmp_path):
    settings = {**EVERYTHING, "optimizer": case.make(fn.schedules.cosine(0.01, 40)), "gradients": gradients}
    whole = fit(**settings, epochs=TEN)
    for epochs in range(1, TEN + 1):
        result = fit(**settings, epochs=epochs, checkpoint=fn.Checkpoint(tmp_path))
    assert equal(result, whole)
    assert result.best_epoch == whole.best_epoch
    assert (result.reason, len(checkpoints(tmp_path))) == ("completed", 3)


def test_an_optimizer_of_optax_resumes_too_and_what_was_not_compared_is_told(tmp_path, standard_promotion, capsys):
    settings = {"optimizer": optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(0.01))}
    fit(**settings, epochs=2, checkpoint=fn.Checkpoint(tmp_path))
    resumed = fit(**settings, epochs=4, checkpoint=fn.Checkpoint(tmp_path), progress=True)
    assert equal(resumed, fit(**settings, epochs=4))
    assert "epoch 2; the code of chain.<locals>.init_fn, chain.<locals>.update_fn was not compared" in (
        capsys.readouterr().err
    )


def test_a_finished_run_returns_its_result_and_a_longer_one_goes_on(tmp_path):
    first = fit(epochs=3, checkpoint=fn.Checkpoint(tmp_path))
    written = [(tmp_path / name).stat().st_mtime_ns for name in checkpoints(tmp_path)]
    again = fit(epochs=3, checkpoint=fn.Checkpoint(tmp_path))
    assert equal(again, first)
    assert again.reason == "completed"
    assert written == [(tmp_path / name).stat().st_mtime_ns for name in checkpoints(tmp_path)]
    assert equal(fit(epochs=5, checkpoint=fn.Checkpoint(tmp_path)), fit(epochs=5))
    with pytest.raises(ValueError, match=r"epochs of at least 5, as .*0005\.safetensors has, got 4: for a shorter run"):
        fit(epochs=4, checkpoint=fn.Checkpoint(tmp_path))


def test_a_run_that_stopped_early_stays_stopped_and_goes_on_with_more_patience(tmp_path):
    settings = {"optimizer": fn.sgd(0.0), "epochs": 9}  # which never improves
    stopping = fn.EarlyStopping(patience=2)
    first = fit(**settings, early_stopping=stopping, checkpoint=fn.Checkpoint(tmp_path))
    again = fit(**settings, early_stopping=stopping, checkpoint=fn.Checkpoint(tmp_path))
    assert first.reason == again.reason == "stopped early"
    assert equal(first, again)
    more = fit(**settings, early_stopping=fn.EarlyStopping(patience=4), checkpoint=fn.Checkpoint(tmp_path))
    assert (more.reason, len(more.history["loss"])) == ("stopped early", 5)


def test_numbers_of_the_optimizer_are_taken_over_with_a_line_of_output(tmp_path, capsys):
    fit(optimizer=fn.sgd(0.1), epochs=2, checkpoint=fn.Checkpoint(tmp_path))
    resumed = fit(optimizer=fn.sgd(0.05), epochs=3, checkpoint=fn.Checkpoint(tmp_path), progress=True)
    assert "epoch 2, with sgd(learning_rate=0.05) in place of sgd(learning_rate=0.1)" in capsys.readouterr().err
    state = fit(optimizer=fn.sgd(0.1), epochs=2).state
    assert equal(
        resumed._replace(history={}), fit(optimizer=fn.sgd(0.05), key=None, state=state, epochs=1)._replace(history={})
    )


OTHER_RUNS = {
    "network": {"network": fn.mlp([3, 5, 2], hidden=fn.relu)},
    "loss": {"loss": fn.SoftmaxCrossEntropy(label_smoothing=0.1)},
    "penalty": {"penalty": fn.l2(0.1)},
    "early_stopping": {"early_stopping": fn.EarlyStopping("loss")},
    "metrics": {"metrics": []},
    "gradients": {"gradients": fn.backprop},
    "batch_size": {"batch_size": 6},
    "key": {"key": jax.random.key(1)},
    "the data": {"data": (X + 1, Y)},
    "the validation": {"validation": (HELD_OUT[0], HELD_OUT[1][::-1])},
    "the params": {"params": NETWORK.init(jax.random.key(7), (3,))[0]},
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    fit(epochs=3, checkpoint=fn.Checkpoint(folder))
    return folder


@pytest.mark.parametrize(("name", "change"), [*OTHER_RUNS.items()], ids=OTHER_RUNS)
def test_another_run_than_the_folder_holds_is_refused_by_name(stored, name, change):
    with pytest.raises(fn.StorageError, match=rf"fit: expected {name}.* in .*0003\.safetensors, got .*another folder"):
        fit(**change, checkpoint=fn.Checkpoint(stored))


def test_another_optimizer_or_schedule_is_refused_by_its_state(stored):
    for other in (fn.sgd(0.1), fn.adam(fn.schedules.cosine(0.1, 50))):
        expected = rf"fit: expected optimizer adam\(learning_rate=0.01.* as in .* got {re.escape(str(other))}"
        with pytest.raises(fn.StorageError, match=expected):
            fit(optimizer=other, checkpoint=fn.Checkpoint(stored))


def test_a_state_beside_a_checkpoint_is_refused(stored):
    with pytest.raises(ValueError, match="checkpoint= without state="):
        fit(key=None, state=fit(epochs=1).state, checkpoint=fn.Checkpoint(stored))


def test_a_damaged_file_falls_back_to_the_one_before_and_says_so(tmp_path):
    whole = fit(epochs=5, checkpoint=fn.Checkpoint(tmp_path))
    *_, before, newest = checkpoints(tmp_path)
    for content in (b"", (tmp_path / newest).read_bytes()[:-1], (tmp_path / before).read_bytes()):
        (tmp_path / newest).write_bytes(content)
        with pytest.warns(RuntimeWarning, match=rf"{newest}: expected .*: the checkpoint of epoch 4 is taken"):
            assert equal(fit(epochs=5, checkpoint=fn.Checkpoint(tmp_path)), whole)
    for name in checkpoints(tmp_path):
        (tmp_path / name).write_bytes(b"nothing")
    with pytest.warns(RuntimeWarning) as told:
        assert equal(fit(epochs=5, checkpoint=fn.Checkpoint(tmp_path)), whole)
    assert [str(each.message).rsplit(": ", 1)[1] for each in told] == [
        "the checkpoint of epoch 4 is taken",
        "the checkpoint of epoch 3 is taken",
        "the run starts anew",
    ]


def test_damaged_files_do_not_push_good_ones_out(tmp_path):
    fit(epochs=3, checkpoint=fn.Checkpoint(tmp_path, keep=2))
    for epoch in (8, 9):
        (tmp_path / f"checkpoint-{epoch:010d}.safetensors").write_bytes(b"nothing")
    with pytest.warns(RuntimeWarning) as told:
        fit(epochs=5, checkpoint=fn.Checkpoint(tmp_path, keep=2))
    assert [str(each.message).rsplit(": ", 1)[1] for each in told] == [
        f"the checkpoint of epoch {n} is taken" for n in (8, 3)
    ]
    assert [int(name[11:21]) for name in checkpoints(tmp_path)] == [4, 5, 8, 9]


def test_other_files_are_left_alone_and_those_of_a_killed_process_removed(tmp_path):
    others = ["notes.txt", "checkpoint-1.safetensors", "checkpoint-0000000001.txt", ".hidden.tmp"]
    for name in others:
        (tmp_path / name).write_text("mine")
    (tmp_path / ".checkpoint-0000000001.safetensors.999999999.abc.tmp").write_text("left")
    fit(epochs=2, checkpoint=fn.Checkpoint(tmp_path, every=2))
    assert all((tmp_path / name).read_text() == "mine" for name in others)
    assert sorted(os.listdir(tmp_path)) == sorted([*others, "checkpoint-0000000002.safetensors", ".checkpoints.lock"])


def test_a_run_that_may_not_resume_refuses_a_folder_with_checkpoints(stored):
    with pytest.raises(FileExistsError, match=r"without checkpoints for resume=False, got '.*' with 3 of them: remove"):
        fit(checkpoint=fn.Checkpoint(stored, resume=False))


def test_a_second_writer_is_refused(tmp_path):
    def second(progress):
        with pytest.raises(
            fn.StorageError, match=r"that no other run writes to, got '.*', which another run has locked"
        ):
            fit(epochs=1, checkpoint=fn.Checkpoint(tmp_path))

    fit(epochs=1, checkpoint=fn.Checkpoint(tmp_path), callbacks=[second])


@pytest.mark.parametrize("kind", [fn.CSVLog, fn.JSONLines])
@pytest.mark.parametrize("every", [2, 5])
def test_a_log_holds_every_epoch_once_whenever_the_run_ended(kind, every, tmp_path):
    log, ends = kind(tmp_path / "log"), []

    def end(progress):
        if progress.epoch == 3 and not ends:
            ends.append(progress)
            raise RuntimeError("the power is off")

    with pytest.raises(RuntimeError, match="power"):
        fit(callbacks=[log, end], checkpoint=fn.Checkpoint(tmp_path, every=every))
    fit(callbacks=[log, end], checkpoint=fn.Checkpoint(tmp_path, every=every))
    fit(callbacks=[kind(tmp_path / "other")])
    assert log.path.read_text() == (tmp_path / "other").read_text()


def test_a_run_that_a_callback_stopped_or_that_skipped_too_much_is_finished(tmp_path):
    def stops(progress):
        return progress.epoch >= 2

    for _ in range(2):
        stopped = fit(callbacks=[stops], checkpoint=fn.Checkpoint(tmp_path))
        assert (stopped.reason, len(stopped.history["loss"])) == ("stopped by a callback", 2)
    assert len(fit(checkpoint=fn.Checkpoint(tmp_path), epochs=7).history["loss"]) == 7


def test_a_later_version_and_what_cannot_be_read_now_are_errors_and_no_damage(tmp_path, monkeypatch):
    fit(epochs=1, checkpoint=fn.Checkpoint(tmp_path))
    (name,) = checkpoints(tmp_path)
    before = (tmp_path / name).read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("funcnet.storage.safetensors_file.FORMAT_VERSION", 2)
        with pytest.raises(fn.StorageError, match="the format's version 2, got 1"):
            fit(epochs=1, checkpoint=fn.Checkpoint(tmp_path))
        patch.setattr("funcnet.storage.checkpoints.read", lambda path: (_ for _ in ()).throw(OSError("input/output")))
        with pytest.raises(OSError, match="input/output"):
            fit(epochs=1, checkpoint=fn.Checkpoint(tmp_path))
    assert (tmp_path / name).read_bytes() == before


def test_steps_may_be_skipped_from_a_checkpoint_on(tmp_path):
    fit(epochs=2, checkpoint=fn.Checkpoint(tmp_path))
    resumed = fit(epochs=4, checkpoint=fn.Checkpoint(tmp_path), on_nonfinite="skip")
    assert resumed.history["skipped"].tolist() == [0, 0, 0, 0]
    assert list(resumed.history) == list(fit(epochs=4, on_nonfinite="skip").history)
    assert equal(fit(epochs=5, checkpoint=fn.Checkpoint(tmp_path)), fit(epochs=5))


def test_files_are_written_every_so_often_and_at_the_end(tmp_path):
    def epochs(name, **settings):
        fit(epochs=7, checkpoint=fn.Checkpoint(tmp_path / name, keep=9, **settings))
        return [int(each[11:21]) for each in checkpoints(tmp_path / name)]

    assert epochs("a", every=3) == [3, 6, 7]
    assert epochs("b", every_seconds=1000) == [7]
    assert epochs("c", every=2, every_seconds=1e-9) == [2, 4, 6, 7]


@pytest.mark.parametrize("kind", ["full", "gone", "taken"])
def test_a_checkpoint_that_cannot_be_written_is_told_and_the_run_goes_on(kind, tmp_path):
    folder, limits = tmp_path / "run", resource.getrlimit(resource.RLIMIT_FSIZE)

    def stop_writing(progress):
        if progress.epoch != 2:
            return
        while not checkpoints(folder):
            time.sleep(0.001)
        if kind == "full":
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        elif kind == "gone":
            shutil.rmtree(folder)
            folder.write_text("a file")
        else:
            (folder / "checkpoint-0000000002.safetensors").mkdir()

    try:
        with pytest.warns(
            RuntimeWarning, match=r"a checkpoint could not be written: .*(stays|there), and the run goes"
        ):
            result = fit(epochs=4, checkpoint=fn.Checkpoint(folder), callbacks=[stop_writing])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert equal(result, fit(epochs=4))
    if kind == "full":
        assert checkpoints(folder) == ["checkpoint-0000000001.safetensors"]
        assert equal(fit(epochs=4, checkpoint=fn.Checkpoint(folder)), result)


def test_a_folder_that_cannot_be_made_is_an_error_before_training(tmp_path):
    (tmp_path / "file").write_text("a file")
    with pytest.raises(OSError, match="file"):
        fit(checkpoint=fn.Checkpoint(tmp_path / "file"))
    with pytest.raises(OSError, match="proc"):
        fit(checkpoint=fn.Checkpoint("/proc/funcnet"))


def test_what_a_file_may_not_hold_is_refused(tmp_path):
    fit(epochs=1, checkpoint=fn.Checkpoint(tmp_path))
    (name,) = checkpoints(tmp_path)
    fn.save(tmp_path / name, {"w": X})
    with pytest.warns(
        RuntimeWarning, match="expected a checkpoint, got a file with tree, version: the run starts anew"
    ):
        fit(epochs=1, checkpoint=fn.Checkpoint(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "error", "expected"),
    [
        ((3,), TypeError, "directory to be a str or a path, got 3"),
        (("",), ValueError, "directory to be the path of a file or folder, got ''"),
        (("a", 0), ValueError, "every to be an integer of at least 1, got 0"),
        (("a", 1, 2.5), TypeError, "keep to be an integer of at least 1, got 2.5"),
        (("a", 1, 3, "yes"), TypeError, "resume to be True or False, got 'yes'"),
        (("a", 1, 3, True, 0), ValueError, "every_seconds to be finite and above 0, got 0"),
        (("a", 1, 3, True, float("inf")), ValueError, "every_seconds to be finite and above 0, got inf"),
    ],
)
def test_bad_settings(arguments, error, expected):
    with pytest.raises(error, match=re.escape(f"Checkpoint: expected {expected}")):
        fn.Checkpoint(*arguments)
    with pytest.raises(TypeError, match=r"expected checkpoint to be None or fn.Checkpoint\(...\), got 'run'"):
        fit(checkpoint="run")
