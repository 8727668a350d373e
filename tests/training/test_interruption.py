"""Ctrl-C and SIGTERM end a run after the current block, with its result; a second one at once."""

import pickle
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

import funcnet as fn
from tests.training.small_run import fit
from tests.training.unbroken import equal

SIGNALS = [signal.SIGINT, signal.SIGTERM]


def sends(number, *, at=3, times=1):
    """Return a callback that sends a signal to this process after an epoch."""

    def send(progress):
        if progress.epoch == at:
            for _ in range(times):
                signal.raise_signal(number)

    return send


def handlers():
    return [signal.getsignal(number) for number in SIGNALS]


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_ends_the_run_after_the_block_with_its_result(number, capsys):
    before, said = handlers(), []

    def reads(progress):
        """Wait until another thread has said what the run waits for."""
        while progress.epoch == 3 and not any(said):
            time.sleep(0.01)
            said.append(capsys.readouterr().err)

    with pytest.raises(fn.Interrupted, match=f"fit: interrupted by {number.name}: .result holds the epochs") as caught:
        fit(callbacks=[sends(number), reads])
    assert isinstance(caught.value, KeyboardInterrupt)
    assert handlers() == before
    assert caught.value.code == 128 + number
    result = caught.value.result
    assert result.reason == "interrupted"
    assert equal(result, fit(epochs=3))
    more = fit(state=result.state, key=None, epochs=3)
    assert equal(more._replace(history={}), fit()._replace(history={}))
    assert f"fit: {number.name}: the run ends after epoch" in "".join(said)


def test_a_signal_in_the_last_epoch_is_not_lost():
    with pytest.raises(fn.Interrupted) as caught:
        fit(epochs=3, callbacks=[sends(signal.SIGINT)])
    assert caught.value.result.reason == "completed"


def test_a_checkpoint_is_written_and_told(tmp_path):
    with pytest.raises(fn.Interrupted, match=f"the same call goes on from '{tmp_path}'"):
        fit(checkpoint=fn.Checkpoint(tmp_path, every=100), callbacks=[sends(signal.SIGTERM)])
    assert equal(fit(checkpoint=fn.Checkpoint(tmp_path)), fit())


def test_a_signal_in_a_run_within_a_callback_ends_the_outer_run_with_its_own_result(tmp_path):
    def inner(progress):
        if progress.epoch == 3:
            fit(callbacks=[sends(signal.SIGINT)])

    before = handlers()
    with pytest.raises(fn.Interrupted, match="interrupted by SIGINT") as caught:
        fit(checkpoint=fn.Checkpoint(tmp_path, every=100), callbacks=[inner])
    assert equal(caught.value.result, fit(epochs=3))
    assert equal(fit(checkpoint=fn.Checkpoint(tmp_path)), fit())
    assert handlers() == before

    def inner_twice(progress):
        fit(callbacks=[sends(signal.SIGINT, times=2)])

    with pytest.raises(fn.Interrupted, match="for the second time") as caught:
        fit(callbacks=[inner_twice])
    assert caught.value.result is None


def test_a_second_signal_ends_the_run_at_once():
    before = handlers()
    with pytest.raises(fn.Interrupted, match="SIGINT for the second time") as caught:
        fit(callbacks=[sends(signal.SIGINT, times=2)])
    assert caught.value.result is None
    assert handlers() == before


def test_a_signal_is_not_lost_where_another_error_ends_the_run():
    def fails(progress):
        signal.raise_signal(signal.SIGINT)
        raise ValueError("a fault of the callback")

    with pytest.raises(KeyboardInterrupt) as caught:
        fit(callbacks=[fails])
    assert isinstance(caught.value.__context__, ValueError)


def test_the_errors_travel_between_processes():
    error = pickle.loads(pickle.dumps(fn.Interrupted("fit: interrupted", None, signal.SIGTERM)))
    assert (str(error), error.code) == ("fit: interrupted", 143)
    where = fn.NonFinite(1, 2, (0,), "z", "text")
    error = pickle.loads(pickle.dumps(fn.NonFiniteError("fit: non-finite loss", None, where)))
    assert (str(error), error.where) == ("fit: non-finite loss", where)


def test_ignored_signals_stay_ignored_and_handlers_of_ones_own_return():
    heard = []
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    other = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        assert fit(callbacks=[sends(signal.SIGTERM)]).reason == "completed"
        with pytest.raises(fn.Interrupted):
            fit(callbacks=[sends(signal.SIGINT)])
        signal.raise_signal(signal.SIGINT)
        assert heard == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGINT, other)


def test_off_the_main_thread_no_handler_is_installed():
    seen = []
    thread = threading.Thread(target=fit, kwargs={"epochs": 1, "callbacks": [lambda _: seen.append(handlers())]})
    thread.start()
    thread.join()
    assert seen == [handlers()]


def test_an_earlier_wakeup_descriptor_gets_the_signals_too_and_returns():
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    before = signal.set_wakeup_fd(writing.fileno())
    try:
        with pytest.raises(fn.Interrupted):
            fit(callbacks=[sends(signal.SIGINT)])
        assert signal.set_wakeup_fd(before) == writing.fileno()
        reading.settimeout(5)
        assert reading.recv(1) == bytes([signal.SIGINT])
    finally:
        reading.close()
        writing.close()


# Sends two signals while a program runs, or while the main thread is in C code that hears no signals, as a compiler is.
LONG = """
import hashlib, os, signal, sys, threading, time
import funcnet as fn, jax, jax.numpy as jnp, numpy as np

def send():
    time.sleep(0.1 if sys.argv[1] == "C code" else 2)
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
    time.sleep(1)
    print("still here", flush=True)

class Slow(fn.Activation):
    def value(self, z):
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler and not sent:
            sent.append(threading.Thread(target=send, daemon=True))
            sent[0].start()
            if sys.argv[1] == "C code":
                hashlib.pbkdf2_hmac("sha256", b"", b"", 10**8)
        return z

sent = []
x = np.zeros((1_000_000, 100), np.float32)
fn.fit(fn.Sequential(fn.Dense(300), Slow(), fn.Dense(1)), fn.quadratic, fn.adam(1e-3), (x, x[:, :1]),
       key=jax.random.key(0), epochs=99, batch_size=1, progress=False)
"""


@pytest.mark.parametrize("where", ["C code", "program"])
def test_a_second_signal_ends_a_process_within_a_second_whatever_jax_does(where):
    command = [sys.executable, "-c", LONG, where]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "still here" not in done.stdout
    assert done.returncode == 130, done.stderr
    assert "fit: SIGINT: the run ends after epoch 1 of 99; a second signal ends it at once" in done.stderr
