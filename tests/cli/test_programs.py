"""The command line keeps compiled programs for its next run, in a folder that only its user can write to."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from funcnet.cli import programs

# Runs a command and prints, as its last line, how many programs it asked for and how many of them it read.
PROGRAM = """
import sys
from collections import Counter
import jax
from funcnet.cli import main

seen = Counter()
jax.monitoring.register_event_listener(lambda event, **_: seen.update([event]))
jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: seen.update([event]))
code = main(["train", "--hidden", "0", "--epochs", "1", *sys.argv[1:]])
print(code, seen["/jax/core/compile/backend_compile_duration"], seen["/jax/compilation_cache/cache_hits"])
"""


def train(home, *options):
    """Return the exit code, and how many programs a new process asked for and read; it must print no error."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(home)}
    command = [sys.executable, "-W", "error", "-c", PROGRAM, *options]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert [line for line in done.stderr.splitlines() if not line.startswith("epoch ")] == []
    return tuple(map(int, done.stdout.splitlines()[-1].split()))


def test_a_second_run_reads_every_program(tmp_path):
    code, asked, read = train(tmp_path)
    assert (code, read) == (0, 0)
    assert train(tmp_path) == (0, asked, asked)
    assert train(tmp_path, "--no-cache") == (0, asked, 0)
    assert stat.S_IMODE((tmp_path / "funcnet/programs").stat().st_mode) == 0o700


def test_a_run_needs_no_cache_folder(tmp_path):
    (tmp_path / "file").touch()
    assert train(tmp_path / "file")[::2] == (0, 0)


def no_home():
    raise RuntimeError("Could not determine home directory.")


def test_a_user_without_a_home_keeps_nothing(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setattr(Path, "home", no_home)
    assert programs._private_folder() is None


@pytest.mark.parametrize(("mode", "is_used"), [(0o700, True), (0o755, True), (0o770, False), (0o707, False)])
def test_a_folder_that_others_can_write_to_is_not_used(monkeypatch, tmp_path, mode, is_used):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "funcnet/programs"
    folder.mkdir(parents=True)
    folder.chmod(mode)
    assert programs._private_folder() == (folder if is_used else None)


def test_the_folder_that_jax_uses_already_stays(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before = dict(jax.config.values)
    assert before["jax_compilation_cache_dir"]  # the tests have their own
    programs.keep_programs()
    assert dict(jax.config.values) == before
