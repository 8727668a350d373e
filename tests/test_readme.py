"""The README's examples run as they stand, and its commands are the ones that continuous integration runs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.usefixtures("standard_promotion")
def test_each_python_example_runs_alone(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    made = {}
    for block in blocks("python"):
        names = {}
        exec(compile(block, "README.md", "exec"), names)
        made |= names
    printed = capsys.readouterr().out
    assert re.search(r"^cost \de-0[5-7], sin\(1\) is about 0\.84$", printed, flags=re.MULTILINE)
    for text in blocks("text"):
        assert text in printed
    assert made["result"].history["val_accuracy"][-1] >= 0.96
    assert len(made["more"].history["loss"]) == 10
    assert "F1 0.67, AUC 1.00\n" in printed
    assert re.search(r"^4 epochs, the loss of the last is 1\.05$", printed, flags=re.MULTILINE)
    assert made["runs"].history["loss"].shape == (5, 3)
    assert made["followed"].reason == "stopped by a callback"
    assert "stopped by a callback\nepoch,loss\n" in printed
    assert made["report"].ok
    assert made["own"].ok
    assert made["whole"].ok
    assert made["steps"].ok
    assert made["tail"].ok
    assert made["bits"] == 300
    assert made["found"].cost < 0.01


def test_each_command_starts_from_a_fresh_environment():
    commands = blocks("sh")[:2]
    for command in commands:
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert commands[0].rstrip().endswith(".venv/bin/funcnet train")
    assert commands[1].rstrip().endswith(".venv/bin/python -m pytest")


@pytest.mark.parametrize("name", ["README.md", "scripts/gallery/README.md", "scripts/benchmarks/README.md"])
def test_every_link_and_command_of_a_readme_names_what_exists(name):
    text = (ROOT / name).read_text()
    for target in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", text):
        assert ((ROOT / name).parent / target).exists(), target
    for target in re.findall(r"python (scripts/\S+)", text):
        assert (ROOT / target).exists(), target


def test_every_room_that_the_readme_names_exists():
    for room in re.findall(r"^\| ((?:`[\w./]+`(?:, )?)+) \|", README, flags=re.MULTILINE):
        for name in re.findall(r"`([\w./]+)`", room):
            assert (ROOT / "funcnet" / name).exists(), name
