"""Runs with checkpoints, ended at random instants by SIGKILL, SIGTERM and SIGINT: each ends as the unbroken run."""

import collections
import os
import random
import signal
import sys
import tempfile
import warnings
from time import sleep

import funcnet as fn
from tests.training.test_checkpoints import checkpoints
from tests.training.unbroken import Runs, equal, run

SIGNALS = [signal.SIGKILL] * 300 + [signal.SIGTERM] * 50 + [signal.SIGINT] * 50
EPOCHS_OF_A_CHAIN = 700  # after which the run is finished and compared, and another begins


def main() -> None:
    """Run it, print a table, and exit 1 unless every state can be read and every run ends as the unbroken one."""
    warnings.simplefilter("error")  # a file that cannot be read is warned of
    order, instants = random.Random(0), random.Random(1)
    signals = order.sample(SIGNALS, len(SIGNALS))
    whole = run(EPOCHS_OF_A_CHAIN)
    counts: collections.Counter[str] = collections.Counter()
    with Runs() as runs, tempfile.TemporaryDirectory() as home:
        for index, number in enumerate(signals):
            folder = os.path.join(home, str(counts["chains"]))
            process = runs.start(folder)
            sleep(instants.uniform(0, 0.3))
            os.kill(process, number)
            code, told = runs.end()
            expected = -number if number == signal.SIGKILL else 128 + number
            counts[f"{signal.Signals(number).name}"] += 1
            counts["other exit codes"] += code != expected
            newest = max((int(name[11:21]) for name in checkpoints(folder)), default=0)
            counts["more than one interval lost"] += told - newest > 1
            if newest > EPOCHS_OF_A_CHAIN - 100 or index == len(signals) - 1:
                counts["chains"] += 1
                epochs = max(EPOCHS_OF_A_CHAIN, newest)
                counts["different from unbroken"] += not equal(
                    run(epochs, checkpoint=fn.Checkpoint(folder)), whole if epochs == EPOCHS_OF_A_CHAIN else run(epochs)
                )
    for name, count in counts.items():
        print(f"{count:5} {name}")
    sys.exit(1 if any(counts[name] for name in FAULTS) else 0)


FAULTS = ("other exit codes", "more than one interval lost", "different from unbroken")
