"""Contenders as processes: each lives in one of its own, waits until it is asked, and runs a round at a time.

The child says a line when its first epoch is done, answers each line "run" with the seconds of a round, and "end" with
its peak memory. What it has learned after its first round it leaves in a file, which the parent judges.
"""

import importlib
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from . import PEERS
from .judge import judge
from .recipes import load, prepare

BENCHMARK = Path(__file__).parent.parent / "benchmark.py"


class ContenderError(Exception):
    """A contender's process ended before its work was done; the text is the last line it wrote."""


def not_installed(contender):
    """Return whether a contender's library is missing."""
    return importlib.util.find_spec(PEERS[contender].library) is None


# In the child


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
    return {f"{name}{i}": array for i, layer in enumerate(peer.weights()) for name, array in zip("wb", layer)}  # noqa: B905


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
    """Be a contender: do the parent's bidding until it says "end"; a cold one does its work at once and ends."""
    answers, sys.stdout = sys.stdout, sys.stderr  # a library that prints does not disturb

    def answer(**figures):
        print(json.dumps(figures), file=answers, flush=True)

    folder = Path(folder)
    recipe, arrays = load(folder)
    entry = PEERS[contender]
    peer = getattr(importlib.import_module(entry.module), entry.name)(recipe, arrays)
    del arrays  # a contender holds what it needs
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
        seconds = turn(peer, recipe, recipe.epochs)
        if not judged:
            np.savez(folder / f"{contender}.npz", **work_of(peer, recipe))
            judged = True
        answer(seconds=seconds)
    if not all(np.isfinite(array).all() for array in work_of(peer, recipe).values()):
        raise FloatingPointError("what was learned is not finite")
    answer(memory=peak_memory())


# In the parent


class Child:
    """A contender's process as the parent sees it."""

    def __init__(self, contender, folder):
        self.contender, self.log = contender, folder / f"{contender}.log"
        command = [sys.executable, str(BENCHMARK), "--serve", contender, str(folder)]
        self.started = time.perf_counter()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=os.environ
            )

    def heard(self):
        """Return the next answer, or raise ``ContenderError`` where none will come."""
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            written = self.log.read_text().split("\n")
            last = next((line.strip() for line in reversed(written) if line.strip()), "no message")
            raise ContenderError(f"ended with code {self.process.returncode}: {last}")
        return json.loads(line)

    def asked(self, what):
        """Return the answer to "run" or "end"."""
        try:
            print(what, file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass  # it has ended, and ``heard`` says why
        return self.heard()

    def close(self):
        """End the process, whatever it does."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def measure(recipe, contenders, rounds, say=print):
    """Return {contender: figures} of a recipe: the seconds of every round, first epoch, memory, loss and accuracy.

    The contenders live side by side and their rounds alternate, so that whatever else the machine does hits all alike.
    A contender that fails has {"error": its last line} instead.
    """
    results = {}
    for contender in contenders:
        missing = not_installed(contender)
        results[contender] = {"error": "not installed: pip install -e '.[bench]'"} if missing else {"seconds": []}
    with TemporaryDirectory(prefix="benchmark-") as folder, ExitStack() as stack:
        folder = Path(folder)
        arrays = prepare(recipe, folder)
        children = {}

        def trying(contender, action):
            """Do something with a contender, or write down why it failed."""
            if "error" not in results[contender]:
                try:
                    action(contender)
                except ContenderError as error:
                    say(f"{recipe.name}: {contender} {error}")
                    results[contender] = {"error": str(error)}

        def start(contender):
            child = children[contender] = Child(contender, folder)
            stack.callback(child.close)
            child.heard()
            results[contender]["first"] = time.perf_counter() - child.started

        def run(contender):
            results[contender]["seconds"].append(children[contender].asked("run")["seconds"])

        def end(contender):
            results[contender] |= children[contender].asked("end")

        def run_cold(contender):
            child = Child(contender, folder)
            stack.callback(child.close)
            results[contender] |= child.heard()
            child.process.wait()
            results[contender]["seconds"].append(time.perf_counter() - child.started)

        phases = [run_cold] * rounds if recipe.kind == "cold" else [start, *[run] * rounds, end]
        for phase in phases:
            for contender in contenders:
                trying(contender, phase)
        for contender, figures in results.items():
            if "error" not in figures:
                with np.load(folder / f"{contender}.npz") as work:
                    figures |= judge(recipe, arrays, work)
    return {contender: completed(recipe, figures, len(arrays["x"])) for contender, figures in results.items()}


def completed(recipe, figures, samples):
    """Return a contender's figures with the times of one unit, and its start-up: the first epoch less a steady one."""
    if "error" in figures:
        return figures
    each = np.array(figures["seconds"]) / recipe.units(samples)
    result = {**figures, "median": float(np.median(each)), "min": float(each.min()), "max": float(each.max())}
    if "first" in figures:
        result["start_up"] = figures["first"] - float(np.median(figures["seconds"])) / recipe.epochs
    return result
