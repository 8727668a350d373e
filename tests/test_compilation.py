"""Compiled programs are kept, found again by another process, and few."""

import json
import subprocess
import sys

import pytest

import funcnet as fn

# Counts what a first fit compiles, and what of it comes out of the cache.
PROGRAM = """
import json, sys
from collections import Counter
import jax
import numpy as np
import funcnet as fn

seen = Counter()
jax.monitoring.register_event_listener(lambda event, **_: seen.update([event]))
jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: seen.update([event]))
if sys.argv[1]:
    jax.numpy.zeros(3) + 1  # something has been compiled before
    seen.clear()
    fn.enable_compilation_cache(sys.argv[1])
x = np.linspace(-1, 1, 50)[:, None]
for _ in range(2):
    fn.fit(fn.mlp([1, 4, 1]), fn.quadratic, fn.adam(), (x, x), key=jax.random.key(0), epochs=3, batch_size=8,
           validation=(x, x), progress=False)
    print(json.dumps(seen))
    seen.clear()
"""
ASKED, HIT = "/jax/core/compile/backend_compile_duration", "/jax/compilation_cache/cache_hits"


def run(directory):
    """Return what a first and a second fit of a new process compile."""
    command = [sys.executable, "-c", PROGRAM, str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return map(json.loads, done.stdout.splitlines())


def test_a_first_fit_compiles_few_programs_and_a_second_none():
    first, second = run("")
    # Two for the key, one for the first state and one for the run.
    assert first[ASKED] <= 4
    assert ASKED not in second


def test_another_process_finds_every_program(tmp_path):
    written, again = run(tmp_path / "made" / "here")
    assert HIT not in written
    assert ASKED not in again
    read, again = run(tmp_path / "made" / "here")
    assert read[HIT] == read[ASKED] == written[ASKED]
    assert ASKED not in again


@pytest.mark.parametrize(
    ("directory", "error"), [(None, TypeError), (3, TypeError), (b"cache", TypeError), ("", ValueError)]
)
def test_what_is_no_path_is_refused(directory, error):
    with pytest.raises(error, match=r"^enable_compilation_cache: expected directory to be (a str or a|the) path"):
        fn.enable_compilation_cache(directory)


def test_a_file_in_the_way_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError, match="file"):
        fn.enable_compilation_cache(tmp_path / "file")
