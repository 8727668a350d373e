"""The README's examples run as they stand, and its commands are the ones that continuous integration runs."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.fully_compiled
ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.usefixtures("standard_promotion")
def test_the_python_examples_run_one_after_another(capsys):
    namespace = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), namespace)
    assert re.search(r"^cost 0\.000\d\d, sin\(1\) is about 0\.8\d$", capsys.readouterr().out, flags=re.MULTILINE)
    assert namespace["result"].history["val_accuracy"][-1] >= 0.96
    assert len(namespace["more"].history["loss"]) == 10
    assert namespace["report"].ok


def test_each_command_starts_from_a_fresh_environment():
    commands = blocks("sh")[:2]
    for command in commands:
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert commands[0].rstrip().endswith(".venv/bin/funcnet train")
    assert commands[1].rstrip().endswith(".venv/bin/python -m pytest")


def test_everything_the_readme_names_exists():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    for room in re.findall(r"^\| ((?:`[\w./]+`(?:, )?)+) \|", README, flags=re.MULTILINE):
        for name in re.findall(r"`([\w./]+)`", room):
            assert (ROOT / "funcnet" / name).exists(), name
