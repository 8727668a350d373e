import os
import re
import signal
import struct
import subprocess
import sys

import jax
import numpy as np
import pytest

import funcnet
import funcnet.cli
from funcnet.cli import main
from funcnet.data import load_digits

OPTIONS = {
    "--data": "digits mnist PATH",
    "--hidden": "SIZES",
    "--activation": "linear sigmoid tanh relu softmax step sign leaky_relu elu prelu softplus silu gelu",
    "--loss": "softmax_cross_entropy sigmoid_cross_entropy binary_cross_entropy categorical_cross_entropy "
    "kl_divergence quadratic squared_error mean_squared_error",
    "--optimizer": "sgd momentum nesterov adagrad rmsprop rmsprop_nesterov adam adamw",
    "--learning-rate": "RATE",
    "--epochs": "N",
    "--batch-size": "N",
    "--seed": "N",
    "--gradients": "autodiff backprop",
    "--save": "FILE",
    "--checkpoint": "DIR",
    "--resume": "newest epoch",
    "--no-cache": "cache folder",
}
SHADES = " .:-=+*#%@"


@pytest.fixture
def train(capsys):
    """A function that runs ``funcnet train`` and returns its exit code, output and error output."""

    def run(*arguments):
        code = main(["train", *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


def numbers(out, name):
    """Return the loss and the accuracy that a line shows."""
    (line,) = re.findall(rf"^{name} +loss (\d+\.\d{{4}})  accuracy ([01]\.\d{{4}})$", out, re.MULTILINE)
    return tuple(map(float, line))


def without_time(out):
    return out[: out.index("\ntime ")]


def test_prints_what_was_done(train):
    code, out, err = train("--epochs", 2)
    lines = out.splitlines()
    assert code == 0
    assert lines[:6] == [
        "data       embedded digits: 1442 training and 355 test images of 8x8 pixels, 10 classes",
        "network    Sequential(Dense(128, inputs=64), relu, Dense(10))",
        "           9,610 parameters",
        "loss       softmax_cross_entropy, gradients by autodiff",
        "optimizer  adam(learning_rate=0.001, decay1=0.9, decay2=0.999, epsilon=1e-07)",
        f"training   epochs 2, batch size 32, seed 0, device {jax.devices()[0].device_kind}",
    ]
    for name in ("train", "test"):
        loss, accuracy = numbers(out, name)
        assert 0 < loss < np.log(10)
        assert 0.5 < accuracy <= 1
    assert [line.split()[0] for line in lines[6:9]] == ["train", "test", "mistakes"]
    seconds = r"\d+\.\d s"
    assert re.fullmatch(f"time       {seconds}: import {seconds}, compile {seconds}, run {seconds}", lines[-1])
    assert re.search(r"^epoch 2/2  loss \d\.\d{4}  accuracy 0\.\d{4}  ", err, re.MULTILINE)


def test_draws_the_first_mistakes(train):
    _, out, _ = train("--epochs", 2)
    _, (x_test, y_test) = load_digits()
    wrong, count = map(
        int, re.search(r"^mistakes   (\d+) of (\d+) test images, for example:$", out, re.MULTILINE).groups()
    )
    assert count == len(y_test)
    assert numbers(out, "test")[1] == pytest.approx(1 - wrong / count, abs=1e-4)
    *rows, captions = out.splitlines()[9:18]
    drawn = np.array([[SHADES.index(shade) for shade in row] for row in rows])
    shown = re.findall(r"(\d) predicted as (\d)", captions)
    assert drawn.shape == (8, 4 * 16 + 3 * 3)
    assert len(shown) == 4
    found = []
    for place, (label, prediction) in enumerate(shown):
        levels = drawn[:, 19 * place : 19 * place + 16]
        assert (levels[:, ::2] == levels[:, 1::2]).all()
        matching = np.flatnonzero((abs(levels[:, ::2] - x_test * 9 / 16) <= 0.5).all(axis=(1, 2)))
        assert label != prediction
        assert int(label) in y_test[matching]
        found.append(matching[0])
    assert found == sorted(found)


def test_the_default_recipe_learns(train):
    runs = [train("--seed", seed) for seed in range(3)]
    assert [code for code, _, _ in runs] == [0, 0, 0]
    assert np.mean([numbers(out, "test")[1] for _, out, _ in runs]) >= 0.97


def test_one_seed_explains_what_is_printed(train):
    first, again, other = (without_time(train("--epochs", 2, "--seed", seed)[1]) for seed in (7, 7, 8))
    assert first == again
    assert numbers(first, "train") != numbers(other, "train")


def test_both_gradients_train_alike(monkeypatch, train):
    fit, given = funcnet.fit, []

    def spy(*arguments, **options):
        given.append(options["gradients"])
        return fit(*arguments, **options)

    monkeypatch.setattr(funcnet, "fit", spy)
    outs = [train("--epochs", 2, "--gradients", gradients)[1] for gradients in ("autodiff", "backprop")]
    assert given == [funcnet.autodiff, funcnet.backprop]
    assert [re.search("gradients by (.*)", out)[1] for out in outs] == ["autodiff", "backprop"]
    for name in ("train", "test"):
        assert numbers(outs[0], name) == pytest.approx(numbers(outs[1], name), abs=0.01)


@pytest.mark.parametrize(
    ("hidden", "loss", "optimizer", "rate", "network", "parameters"),
    [
        ("0", "binary_cross_entropy", "sgd", 0.1, "Dense(10, inputs=64), sigmoid", "650"),
        ("32,16", "quadratic", "rmsprop", 0.001, "Dense(32, inputs=64), tanh, Dense(16), tanh, Dense(10)", "2,778"),
        ("8", "sigmoid_cross_entropy", "momentum", 0.01, "Dense(8, inputs=64), tanh, Dense(10)", "610"),
    ],
)
def test_options_choose_what_is_trained_and_how(train, hidden, loss, optimizer, rate, network, parameters):
    options = {"--hidden": hidden, "--activation": "tanh", "--loss": loss, "--optimizer": optimizer}
    code, out, _ = train(*[word for option in options.items() for word in option], "--epochs", 3, "--batch-size", 16)
    assert code == 0
    assert f"\nnetwork    Sequential({network})\n           {parameters} parameters\n" in out
    assert f"\nloss       {loss}, gradients by autodiff\noptimizer  {optimizer}(learning_rate={rate}" in out
    assert "\ntraining   epochs 3, batch size 16, seed 0, device " in out
    assert numbers(out, "test")[1] > 0.3


def test_a_learning_rate_is_taken(train):
    _, out, _ = train("--epochs", 1, "--learning-rate", 0.02)
    assert "\noptimizer  adam(learning_rate=0.02, " in out


def test_where_a_model_cannot_be_saved_nothing_is_trained(train, tmp_path):
    (tmp_path / "file").touch()
    expected = "funcnet: --save: expected the name of a file, got"
    assert train("--save", "") == (1, "", f"{expected} ''\n")
    assert train("--save", tmp_path) == (1, "", f"{expected} '{tmp_path}'\n")
    code, out, err = train("--save", tmp_path / "file" / "model")
    assert (code, out) == (1, "")
    assert err.endswith(f"expected a folder that can be written to, for {tmp_path}/file/model, got {tmp_path}/file\n")


# Files of 16 x 12 pixels: of class 0 the upper half is bright, of class 1 the lower half.


def idx(values):
    array = np.asarray(values, np.uint8)
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def halves(labels):
    images = np.zeros((len(labels), 16, 12))
    for image, label in zip(images, labels, strict=True):
        image[8 * label : 8 * label + 8] = 255
    return images


@pytest.fixture
def folder(tmp_path):
    """A folder named mnist whose second test image has the wrong label."""
    labels = np.arange(40) % 2
    folder = tmp_path / "mnist"
    folder.mkdir()
    (folder / "train-images-idx3-ubyte").write_bytes(idx(halves(labels)))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(labels))
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(halves([0, 1, 0, 1])))
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx([0, 0, 0, 1]))
    return folder


def test_a_folder_of_idx_files_is_data(train, folder):
    code, out, _ = train("--data", folder, "--hidden", 8, "--epochs", 50)
    assert code == 0
    assert out.startswith(f"data       {folder}: 40 training and 4 test images of 16x12 pixels, 2 classes\n")
    assert "\noptimizer  rmsprop(learning_rate=0.001, " in out
    assert "\ntraining   epochs 50, batch size 40, seed 0, device " in out
    assert (numbers(out, "train")[1], numbers(out, "test")[1]) == (1, 0.75)
    assert out.splitlines()[8:-1] == [
        "mistakes   1 of 4 test images, for example:",
        *4 * [12 * " "],
        *4 * [12 * "@"],
        "0 predicted as 1",
    ]


def test_what_is_saved_predicts_the_same_from_raw_images(train, folder, tmp_path, capsys):
    model, images = tmp_path / "new" / "model", folder / "t10k-images-idx3-ubyte"
    code, out, _ = train("--data", folder, "--hidden", 8, "--epochs", 50, "--save", model)
    assert (code, f"\nmodel      in {model}, for pixels from 0 to 255\ntime " in out) == (0, True)
    assert main(["evaluate", str(model), str(images)]) == 0
    loss, accuracy = map(float, re.fullmatch(r"loss ([\d.]+)  accuracy ([\d.]+)\n", capsys.readouterr().out).groups())
    assert (loss, accuracy) == pytest.approx(numbers(out, "test"), abs=1e-4)
    assert main(["predict", str(model), str(images)]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["0", "1", "0", "1"]


def test_no_mistakes_are_none(train, folder):
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx([0, 1, 0, 1]))
    code, out, _ = train("--data", folder, "--hidden", 8, "--epochs", 50)
    assert (code, numbers(out, "test")[1]) == (0, 1)
    assert "\nmistakes   0 of 4 test images\n" in out


def test_mnist_is_read_from_the_data_folder(monkeypatch, train, folder):
    monkeypatch.setenv("FUNCNET_DATA", str(folder.parent))
    code, out, _ = train("--data", "mnist", "--hidden", 8, "--epochs", 1)
    assert code == 0
    assert out.startswith("data       MNIST: 40 training and 4 test images of 16x12 pixels, 2 classes\n")


def test_a_folder_without_the_files_exits_with_1(train, folder):
    (folder / "t10k-labels-idx1-ubyte").unlink()
    missing = "got no t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz"
    expected = f"funcnet: load_mnist: expected the four IDX files in {folder}, {missing}\n"
    assert train("--data", folder) == (1, "", expected)


def test_a_damaged_file_exits_with_1(train, folder):
    path = folder / "train-labels-idx1-ubyte"
    path.write_bytes(b"not IDX")
    code, out, err = train("--data", folder)
    assert (code, out) == (1, "")
    assert err.startswith(f"funcnet: {path}: expected an IDX file")


def test_a_missing_path_exits_with_1_and_says_what_there_is(train, tmp_path):
    code, out, err = train("--data", tmp_path / "absent")
    assert (code, out) == (1, "")
    assert err.startswith("funcnet: --data: expected digits, mnist or a folder that holds train-images-idx3-ubyte, ")
    assert err.endswith(f", got '{tmp_path / 'absent'}'\n")


def test_a_run_that_diverges_exits_with_1(train, recwarn):
    code, out, err = train("--epochs", 2, "--optimizer", "sgd", "--learning-rate", 1e30)
    assert code == 1
    assert "accuracy" not in out
    assert err.endswith("funcnet: the loss diverged in epoch 1: try a lower --learning-rate\n")
    assert not recwarn.list


def test_a_run_that_diverges_in_its_last_step_exits_with_1(train):
    code, out, err = train("--epochs", 1, "--optimizer", "sgd", "--learning-rate", 1e38, "--batch-size", 1442)
    assert (code, "nan" in out) == (1, False)
    assert "try a lower --learning-rate\n" in err


def test_an_interrupt_exits_with_130(monkeypatch, train):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(funcnet.cli.train, "run", interrupted)
    assert train() == (130, "", "funcnet: interrupted\n")


def refused(capsys, *arguments):
    """Return the last line of the error output of a wrong call."""
    with pytest.raises(SystemExit, match=r"^2$"):
        main(arguments)
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()[-1]


@pytest.mark.parametrize("option", ["--activation", "--loss", "--optimizer", "--gradients"])
def test_a_wrong_choice_is_answered_with_the_right_ones(capsys, option):
    answer = refused(capsys, "train", option, "other")
    assert answer.startswith(f"funcnet train: error: argument {option}: invalid choice: 'other' (choose from ")
    assert re.findall(r"\w+", answer.partition("choose from")[2]) == OPTIONS[option].split()


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--hidden", "64,0", "an integer of at least 1, got '0'"),
        ("--learning-rate", "-1", "a number above 0, such as 0.001, got '-1'"),
        ("--epochs", "0", "an integer of at least 1, got '0'"),
        ("--batch-size", "many", "an integer of at least 1, got 'many'"),
        ("--seed", "4294967296", "an integer in [0, 2**32), got '4294967296'"),
    ],
)
def test_a_wrong_number_is_answered_with_what_is_right(capsys, option, value, expected):
    assert refused(capsys, "train", option, value) == f"funcnet train: error: argument {option}: expected {expected}"


def test_a_call_without_a_command_or_with_unknown_words_is_refused(capsys):
    assert refused(capsys).endswith("required: COMMAND")
    assert "invalid choice: 'learn'" in refused(capsys, "learn")
    assert refused(capsys, "train", "--speed", "9").endswith("unrecognized arguments: --speed 9")


def helped(capsys, monkeypatch, *arguments):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit, match=r"^0$"):
        main(arguments)
    return capsys.readouterr().out


def test_help_mentions_the_command_and_the_version(capsys, monkeypatch):
    text = helped(capsys, monkeypatch, "--help")
    assert all(word in text for word in ("usage: funcnet", "train", "--help", "--version"))
    assert helped(capsys, monkeypatch, "--version") == f"funcnet 0.1.0, jax {jax.__version__}\n"


@pytest.mark.parametrize(("option", "values"), OPTIONS.items(), ids=OPTIONS)
def test_help_of_train_mentions_every_option(capsys, monkeypatch, option, values):
    text = helped(capsys, monkeypatch, "train", "--help")
    entry = re.search(rf"^  {option} (.*?)(?=^  --|^\S|\Z)", text, re.MULTILINE | re.DOTALL)[1]
    assert all(value in entry for value in values.split())
    assert "(default" in entry


def test_help_of_train_is_grouped_by_what_a_person_wants(capsys, monkeypatch):
    text = helped(capsys, monkeypatch, "train", "--help")
    groups = {part.splitlines()[0]: re.findall(r"^  (--[a-z-]+)", part, re.MULTILINE) for part in text.split("\n\n")}
    assert groups["what it learns from:"] == ["--data"]
    assert groups["the network:"] == ["--hidden", "--activation"]
    assert groups["how it learns:"] == [
        "--loss", "--optimizer", "--learning-rate", "--epochs", "--batch-size", "--gradients"
    ]  # fmt: skip
    assert groups["what it leaves:"] == ["--save", "--checkpoint", "--resume"]
    assert groups["how it is repeated:"] == ["--seed", "--no-cache"]


def test_help_of_train_mentions_no_other_option(capsys, monkeypatch):
    text = helped(capsys, monkeypatch, "train", "--help")
    assert set(re.findall(r"^  (--[a-z-]+)", text, re.MULTILINE)) == set(OPTIONS)


@pytest.mark.parametrize(
    ("arguments", "code", "out", "err"),
    [
        (["--epochs", "1"], 0, r"data .*\nnetwork .*\ntest .*\ntime .* s\n", r"epoch 1/1  loss .* s\n"),
        (["--data", "absent"], 1, "", r"funcnet: --data: expected digits, mnist or a folder .*, got 'absent'\n"),
        (["--epochs", "none"], 2, "", r"usage: .*expected an integer of at least 1, got 'none'\n"),
    ],
    ids=["done", "failed", "wrongly called"],
)
def test_the_module_runs_as_a_program(tmp_path, arguments, code, out, err):
    command = [sys.executable, "-W", "error", "-m", "funcnet", "train", *arguments]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    ran = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", cwd=tmp_path, env=environment, check=False
    )
    assert ran.returncode == code
    assert re.fullmatch(out, ran.stdout, re.DOTALL)
    assert re.fullmatch(err, ran.stderr, re.DOTALL)


def test_it_goes_on_from_a_folder_to_the_same_result(train, tmp_path):
    settings = ["--hidden", 16, "--seed", 3]
    whole = without_time(train(*settings, "--epochs", 3)[1])
    train(*settings, "--epochs", 2, "--checkpoint", tmp_path)
    code, out, err = train(*settings, "--epochs", 3, "--checkpoint", tmp_path, "--resume")
    assert (code, without_time(out)) == (0, whole)
    assert re.search(r"fit: goes on from .*0002\.safetensors, epoch 2\n", err)
    code, _, err = train(*settings, "--epochs", 3, "--checkpoint", tmp_path)
    assert code == 1
    assert "--checkpoint: expected a folder without checkpoints, or --resume, which goes on from them" in err
    newest = tmp_path / "checkpoint-0000000003.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1])
    code, out, err = train(*settings, "--epochs", 3, "--checkpoint", tmp_path, "--resume")
    assert (code, without_time(out)) == (0, whole)
    assert re.search(r"funcnet: fit: .*: the checkpoint of epoch 2 is taken\n", err)


def test_resuming_needs_a_folder(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["train", "--resume"])
    assert "--resume: expected --checkpoint DIR, the folder to go on from, got none" in capsys.readouterr().err


def test_a_signal_ends_the_command_with_its_exit_code(train, monkeypatch):
    for number in (signal.SIGINT, signal.SIGTERM):
        error = funcnet.Interrupted("fit: interrupted", None, number)

        def interrupted(*_, error=error, **__):
            raise error

        monkeypatch.setattr(funcnet, "fit", interrupted)
        code, _, err = train("--epochs", 1)
        assert code == 128 + number
        assert err.endswith("funcnet: interrupted\n")
