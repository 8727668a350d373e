"""A contender's own process.

It prints a line when its first epoch is finished, answers each line "run" with the seconds of a round, and "end" with
its peak memory. After its first round it writes its weights to a file, which the parent judges.
"""

import importlib
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

from . import PEERS
from .recipes import load, scaled


def peak_memory():
    """Return the largest resident memory of this process so far, in bytes.

    Linux tells it of this program alone; ``getrusage`` counts what the process was before it became this program too,
    a copy of its parent.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def work_of(peer, recipe):
    """Return what the judge needs: outputs of a prediction, weights of a training."""
    if recipe.kind == "predict":
        return {"outputs": peer.predict()}
    work = {}
    for layer, (weight, bias) in enumerate(peer.weights()):
        work |= {f"w{layer}": weight, f"b{layer}": bias}
    return work


def begun(kind, recipe, arrays):
    """Return a peer of that class, given images as bytes or as float32, whichever it keeps."""
    if not kind.keeps_bytes:
        arrays |= {name: scaled(recipe, arrays[name]) for name in ("x", "x_test")}
    return kind(recipe, arrays)


def turn(peer, recipe, epochs):
    """Run that many epochs of training, or passes of prediction, and return the seconds they took."""
    started = time.perf_counter()
    if recipe.kind == "predict":
        for _ in range(epochs):
            peer.predict()
    else:
        peer.train(epochs)
    return time.perf_counter() - started


def serve(contender, folder):
    """Run a contender: execute the parent's commands until "end"; a cold one does its work at once and ends."""
    answers, sys.stdout = sys.stdout, sys.stderr  # so that what a library prints is not an answer

    def answer(**figures):
        print(json.dumps(figures), file=answers, flush=True)

    folder = Path(folder)
    recipe, arrays = load(folder)
    entry = PEERS[contender]
    kind = getattr(importlib.import_module(entry.module), entry.name)
    peer = begun(kind, recipe, arrays)
    del arrays  # a contender keeps what it needs
    if recipe.kind == "cold":
        peer.train(recipe.epochs)
        peer.predict()
        np.savez(folder / f"{contender}.npz", **work_of(peer, recipe))
        answer(memory=peak_memory())
        return
    turn(peer, recipe, 1)
    answer(first=True)
    judged = False
    while sys.stdin.readline().strip() == "run":
        if not judged:
            turn(peer, recipe, 1)  # compiles what goes on with a training, where that is another program
        seconds = sum(turn(peer, recipe, recipe.epochs) for _ in range(recipe.repeats)) / recipe.repeats
        if not judged:
            np.savez(folder / f"{contender}.npz", **work_of(peer, recipe))
            judged = True
        answer(seconds=seconds)
    if not all(np.isfinite(array).all() for array in work_of(peer, recipe).values()):
        raise FloatingPointError("what was learned is not finite")
    answer(memory=peak_memory())
