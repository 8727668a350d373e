"""Files under damage: every bit flipped, every length cut, and the process that writes killed at random instants."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np

import funcnet as fn

NETWORK, OPTIMIZER = fn.mlp([3, 4, 2], hidden=fn.tanh), fn.adam(0.01)
KILLS = 300
VALUES = 250_000  # of the array that the killed process writes: 1 MB

# Writes trees whose numbers are all the same, 0, 1, 2, …, to one file, and says so once the first is written.
WRITER = """
import sys, numpy as np, funcnet as fn
value = 0
while True:
    fn.save(sys.argv[1], {"w": np.full(int(sys.argv[2]), value, np.float32), "value": value})
    if value == 0:
        print("begun", flush=True)
    value += 1
"""


def main() -> None:
    """Run the three, print a table, and exit 1 if a file was read as something else, or could not be read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.safetensors"
        like = fn.init_state(NETWORK, OPTIMIZER, jax.random.key(0), (3,))
        fn.save(path, like)
        whole = path.read_bytes()
        wrong = damaged(path, like, flips(whole)), damaged(path, like, (whole[:n] for n in range(len(whole))))
        unreadable, lost = killed(path, KILLS)
    print(f"{8 * len(whole):,} bits flipped one by one: {wrong[0]} read without an error")
    print(f"{len(whole):,} lengths: {wrong[1]} read without an error")
    print(f"{KILLS} writers killed: {unreadable} files could not be read, {lost} temporary files were left at the end")
    sys.exit(1 if any((*wrong, unreadable, lost)) else 0)


def flips(whole):
    """Yield a file with each of its bits flipped in turn."""
    for bit in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        yield changed


def damaged(path, like, contents):
    """Return how many of these contents of a file are read without a ``StorageError``."""
    read = 0
    for content in contents:
        path.write_bytes(content)
        try:
            fn.load(path, like)
            read += 1
        except fn.StorageError:
            pass
    return read


def killed(path, kills, seed=0):
    """Kill a process that writes constantly, at random instants; return the unreadable files and those left over."""
    path.unlink(missing_ok=True)
    instants, unreadable = random.Random(seed), 0
    like = {"w": np.zeros(VALUES, np.float32), "value": 0}
    command = [sys.executable, "-c", WRITER, str(path), str(VALUES)]
    for _ in range(kills):
        writer = subprocess.Popen(command, stdout=subprocess.PIPE)
        writer.stdout.readline()
        time.sleep(instants.uniform(0, 0.05))
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()
        try:
            tree = fn.load(path, like)
            unreadable += not bool((tree["w"] == tree["value"]).all())
        except (OSError, fn.StorageError):
            unreadable += 1
    fn.save(path, like)  # sweeps what the killed processes left
    return unreadable, len(list(path.parent.glob(".*.tmp")))
