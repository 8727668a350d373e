"""Every example has its place in the gallery, a picture there, and a --help."""

import importlib
import re
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts" / "gallery"
GALLERY = (SCRIPTS / "README.md").read_text()
EXAMPLES = sorted(path.stem for path in SCRIPTS.glob("*.py") if "parser(__file__, " in path.read_text())


def test_there_are_examples():
    assert len(EXAMPLES) >= 15


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_stands_in_the_gallery_with_its_picture_and_its_command(name):
    picture = SCRIPTS / "pictures" / f"{name}.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 150_000
    assert re.search(rf"^!\[.+\]\(pictures/{name}\.png\)$", GALLERY, flags=re.MULTILINE)
    assert re.search(rf"^(FUNCNET_DATA=\S+ )?\.venv/bin/python scripts/gallery/{name}\.py", GALLERY, flags=re.MULTILINE)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_tells_its_options(name, capsys):
    with pytest.raises(SystemExit, match=r"^0$"):
        importlib.import_module(name).main(["--help"])
    told = capsys.readouterr().out
    assert "--seed" in told
    assert "--picture" in told


def test_no_picture_is_left_over():
    assert {path.stem for path in (SCRIPTS / "pictures").glob("*.png")} == set(EXAMPLES)
