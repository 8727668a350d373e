"""A process that is killed, or ended by a signal, at any instant leaves a run that goes on to the last bit."""

import os
import signal
import time

import pytest

import funcnet as fn
from tests.training.test_checkpoints import checkpoints
from tests.training.unbroken import EPOCHS, Runs, equal, run

pytestmark = pytest.mark.fully_compiled  # as the programs of the processes are


def test_a_process_killed_three_times_and_then_ended_by_signals_ends_as_the_unbroken_run(tmp_path):
    ends = []
    with Runs() as runs:
        for number in (signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            process = runs.start(tmp_path)
            time.sleep(0.03)
            os.kill(process, number)
            code, told = runs.end()
            ends.append(code)
            assert told - 1 <= newest(tmp_path) < EPOCHS
    assert ends == [-signal.SIGKILL] * 3 + [143, 130]
    last = newest(tmp_path)
    assert equal(run(last + 5, checkpoint=fn.Checkpoint(tmp_path)), run(last + 5))


def newest(folder):
    return int(checkpoints(folder)[-1][11:21])
