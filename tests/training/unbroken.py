"""A run that keeps checkpoints all the time, as a process that a test may end at any instant.

``python -m tests.training.unbroken`` reads folders, a line each, and starts a run in each, in a process forked before
JAX computes anything, so that the imports are paid for once. It prints the number of the process, each epoch as it
ends, and what ``os.waitpid`` says of the process's end.
"""

import os
import subprocess
import sys
import tempfile
import traceback

import jax
import numpy as np

import funcnet as fn

EPOCHS = 1000


def run(epochs=EPOCHS, **settings):
    random = np.random.default_rng(0)
    x = random.normal(size=(20, 3)).astype(np.float32)
    network = fn.Sequential(fn.Dense(8), fn.tanh, fn.Dropout(0.2), fn.Dense(2))
    data, optimizer = (x, np.sin(x[:, :2])), fn.adam(fn.schedules.cosine(0.01, 4000))
    stopping = fn.EarlyStopping("loss", patience=10**6)
    settings = {"epochs": epochs, "batch_size": 6, "progress": False, "early_stopping": stopping} | settings
    return fn.fit(network, fn.quadratic, optimizer, data, key=jax.random.key(0), **settings)


def equal(one, other):
    """Return whether two results, or parts of them, are the same to the last bit."""
    same = jax.tree.map(lambda a, b: np.array_equal(a, b), (one.params, one.history), (other.params, other.history))
    return all(jax.tree.leaves(same)) and bool(one.state.step == other.state.step)


class Runs:
    """The process that starts runs."""

    def __enter__(self):
        command = [sys.executable, "-m", "tests.training.unbroken"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()

    def start(self, folder):
        """Start a run in a folder and return its process when its first epoch has ended."""
        print(folder, file=self.process.stdin, flush=True)
        number = int(self.process.stdout.readline())
        self.told = int(self.process.stdout.readline())
        return number

    def end(self):
        """Return how the run ended, its exit code or minus the signal's number, and the last epoch that it told."""
        while (line := self.process.stdout.readline()).isspace() or not line.startswith("end "):
            self.told = int(line)
        return os.waitstatus_to_exitcode(int(line.split()[1])), self.told


def main():
    fn.enable_compilation_cache(tempfile.mkdtemp())  # one compilation for all runs
    for line in sys.stdin:
        number = os.fork()
        if not number:
            code = 1
            try:
                print(os.getpid(), flush=True)
                run(checkpoint=fn.Checkpoint(line.strip()), callbacks=[tell])
                code = 0
            except SystemExit as error:
                code = error.code
            except BaseException:
                traceback.print_exc()
            os._exit(code)
        print("end", os.waitpid(number, 0)[1], flush=True)


def tell(progress):
    os.write(1, b"%d\n" % progress.epoch)  # in one piece


if __name__ == "__main__":
    main()
