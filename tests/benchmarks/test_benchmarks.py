"""Every benchmark with a picture is in the README with its picture and its command, and lists its options."""

import importlib
import re
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts" / "benchmarks"
README = (SCRIPTS / "README.md").read_text()
DRAWN = ["benchmark", "scaling"]


@pytest.mark.parametrize("name", DRAWN)
def test_a_benchmark_is_in_the_readme_with_its_picture(name):
    picture = SCRIPTS / "pictures" / f"{name}.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 150_000
    assert re.search(rf"^!\[.+\]\(pictures/{name}\.png\)$", README, flags=re.MULTILINE)


@pytest.mark.parametrize("name", [*DRAWN, "accelerator"])
def test_a_benchmark_is_in_the_readme_with_its_command_and_lists_its_options(name, capsys):
    command = rf"^(FUNCNET_DATA=\S+ )?\.venv/bin/python scripts/benchmarks/{name}\.py"
    assert re.search(command, README, flags=re.MULTILINE)
    with pytest.raises(SystemExit, match=r"^0$"):
        importlib.import_module(name).main(["--help"])
    assert "--seed" in capsys.readouterr().out


def test_no_picture_is_left_over():
    assert {path.stem for path in (SCRIPTS / "pictures").glob("*.png")} == set(DRAWN)
