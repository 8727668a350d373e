"""Contenders as the parent sees them: processes that wait until they are asked, and run a round at a time."""

import contextlib
import json
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from . import PEERS
from .judge import judge
from .recipes import prepare

PATIENCE = 600.0  # seconds to wait for an answer
BENCHMARK = Path(__file__).parent.parent / "benchmark.py"


class ContenderError(Exception):
    """A contender's process ended before its work was done, or had to be ended; the text says why, or its last line."""


class Contender:
    """A contender's process, which is another for every round of a cold recipe, and its figures so far."""

    def __init__(self, name, folder):
        self.name, self.folder = name, folder
        self.log, self.work = folder / f"{name}.log", folder / f"{name}.npz"
        self.figures = {"seconds": []}
        self.process, self.begun = None, 0.0
        if missing := PEERS[name].missing():
            self.figures = {"error": missing}

    def attempt(self, phase):
        """Call ``start``, ``run``, ``end`` or ``run_cold``, or record why it failed; do nothing after a failure."""
        if "error" not in self.figures:
            try:
                phase(self)
            except ContenderError as error:
                self.figures = {"error": str(error)}

    def start(self):
        """Start the process, and wait for the end of the first epoch."""
        self._launch()
        self._heard()
        self.figures["first"] = time.perf_counter() - self.begun

    def run(self):
        """Run a round."""
        self.figures["seconds"].append(self._asked("run")["seconds"])

    def end(self):
        """End the process, and record its peak memory."""
        self.figures |= self._asked("end")
        self.process.wait()

    def run_cold(self):
        """Run a whole process, from its start to its end."""
        self._launch()
        self.figures |= self._heard()
        self.process.wait()
        self.figures["seconds"].append(time.perf_counter() - self.begun)
        self.close()

    def close(self):
        """End the process at once."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()

    def _launch(self):
        command = [sys.executable, str(BENCHMARK), "--serve", self.name, str(self.folder)]
        self.begun = time.perf_counter()
        with self.log.open("w") as log:
            pipe = subprocess.PIPE
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True)

    def _asked(self, what):
        with contextlib.suppress(BrokenPipeError):  # it has ended: ``_heard`` says why
            print(what, file=self.process.stdin, flush=True)
        return self._heard()

    def _heard(self):
        """Return the next answer, or raise ``ContenderError`` where none comes in time."""
        end = threading.Timer(PATIENCE, self.process.kill)
        end.daemon = True  # otherwise an interrupted benchmark would wait for it
        end.start()
        line = self.process.stdout.readline()
        if not line:
            end.join(0.1)  # the thread that has just ended the process may still be ending itself
        if not end.is_alive():
            raise ContenderError(f"no answer within {PATIENCE:g} s")
        end.cancel()
        if not line:
            code = self.process.wait()
            written = [line for line in self.log.read_text().splitlines() if line.strip()]
            raise ContenderError(f"ended with code {code}: {written[-1].strip() if written else 'no message'}")
        return json.loads(line)


def measure(recipe, names, rounds):
    """Return {contender: figures} of a recipe: the seconds of every round, first epoch, memory, loss and accuracy.

    The contenders run side by side and their rounds alternate, so that other load of the machine affects all alike.
    Each round has another order: what ran before can make a contender up to a tenth slower.
    A contender that fails has {"error": its last line} instead; one that takes no part in the recipe is left out.
    """
    warm = [Contender.start, *[Contender.run] * rounds, Contender.end]
    phases = [Contender.run_cold] * rounds if recipe.kind == "cold" else warm
    with TemporaryDirectory(prefix="benchmark-") as folder, contextlib.ExitStack() as stack:
        arrays = prepare(recipe, Path(folder))
        contenders = [Contender(name, Path(folder)) for name in names if recipe.name in PEERS[name].recipes]
        for contender in contenders:
            stack.callback(contender.close)
        for index, phase in enumerate(phases):
            for contender in random.Random(index).sample(contenders, len(contenders)):
                contender.attempt(phase)
        return {contender.name: judged(recipe, contender, arrays) for contender in contenders}


def judged(recipe, contender, arrays):
    """Return a contender's figures with loss and accuracy, times of one unit, and start-up.

    The start-up is the time to the end of the first epoch minus a steady epoch: import, compilation and so on.
    """
    figures = contender.figures
    if "error" in figures:
        return figures
    with np.load(contender.work) as work:
        figures |= judge(recipe, arrays, work)
    each = np.array(figures["seconds"]) / recipe.units(len(arrays["x"]))
    figures |= {"median": float(np.median(each)), "min": float(each.min()), "max": float(each.max())}
    if "first" in figures:
        figures["start_up"] = max(0.0, figures["first"] - float(np.median(figures["seconds"])) / recipe.epochs)
    return figures
