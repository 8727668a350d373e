"""Ctrl-C and SIGTERM during ``fit``: the first ends the run after the current block, a second one at once.

While a compiled program runs, or is compiled, the main thread executes no Python, so no handler of Python's. Where the
program is expected to take long, ``fit`` therefore asks from time to time whether it is ready, and a thread reads the
signals from the socket to which Python's own C code writes them.
"""

import atexit
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import jax

from ..callbacks.display import say

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LONGEST_WAIT = 0.02  # seconds between two looks at a program that runs
_MARK = b"\0"  # no signal has this number
_LONGEST_CATCHING_UP = 5.0  # seconds
_GRACE = 0.4  # seconds in which the main thread can react to a second signal, before the process ends


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM ended a run of ``fit``.

    It is a ``KeyboardInterrupt``. Where nothing catches it, a program ends with the exit code 130 after Ctrl-C and 143
    after SIGTERM, without a traceback; an interactive session goes on.

    Attributes:
        result: the ``FitResult`` of the epochs that were finished, with parameters, history and state, from which
            ``fit(..., state=error.result.state)`` goes on; None where a second signal ended the run at once.
        code: the exit code, 128 + the number of the signal.

    >>> error = Interrupted("fit: interrupted", None, signal.SIGTERM)
    >>> isinstance(error, KeyboardInterrupt), error.code, str(error)
    (True, 143, 'fit: interrupted')
    """

    def __init__(self, text: str, result: Any, number: int) -> None:
        super().__init__(text)
        self.result, self.number, self.code = result, number, 128 + number

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how the error is built again in another process."""
        return type(self), (str(self), self.result, self.number)


class _InterruptedProgram(Interrupted, SystemExit):  # type: ignore[misc]
    """The form in a program, which ends with ``code`` as after ``sys.exit(code)``."""


def interrupted(text: str, result: Any, number: int) -> Interrupted:
    """Return the exception to raise, in a program or in an interactive session."""
    is_interactive = hasattr(sys, "ps1") or bool(sys.flags.interactive) or "IPython" in sys.modules
    return (Interrupted if is_interactive else _InterruptedProgram)(text, result, number)


class Listener:
    """Which signal has been heard, and what the run waits for."""

    def __init__(self) -> None:
        self.heard: int | None = None
        self.waits_for = "the end of the first epoch"
        self.left = threading.Event()  # set when the run is left
        self._pending: Any = ()

    def wait(self, arrays: Any, *, is_long: bool) -> None:
        """Wait until arrays are computed. Where that may take long, a signal is handled meanwhile."""
        self._pending = [leaf for leaf in jax.tree.leaves(arrays) if hasattr(leaf, "is_ready")]
        pause = 1e-4
        while is_long and not all(leaf.is_ready() for leaf in self._pending):
            time.sleep(pause)
            pause = min(1.1 * pause, _LONGEST_WAIT)
        self._pending = ()

    def handle(self, number: int, frame: Any) -> None:
        """Handle a signal in the main thread: keep the first, and leave the run at the second."""
        if self.heard is None:
            self.heard = number
            return
        atexit.register(_end_if_running, self._pending, 128 + number)  # JAX would wait for its program at the exit
        raise interrupted(f"fit: {signal.Signals(number).name} for the second time ended the run", None, number)

    def watch(self, number: int, count: int) -> None:
        """Say what is waited for at the first signal; at a second one, end a process whose main thread cannot react."""
        name = signal.Signals(number).name
        if count == 1:
            say(f"fit: {name}: the run ends after {self.waits_for}; a second signal ends it at once")
        elif not self.left.wait(_GRACE):
            say(f"fit: {name} for the second time ended the process while a program was compiled or run")
            _end(128 + number)


class _Watcher:
    """A thread that reads signals as they come, whatever the main thread does. A process has one at most."""

    def __init__(self) -> None:
        self._reading, writing = socket.socketpair()
        writing.setblocking(False)
        self._writing = writing
        self._watched: tuple[Listener, int] | None = None  # and where the signals' numbers were written before
        self._caught_up = threading.Event()  # set when a mark of the main thread is read
        threading.Thread(target=self._read, name="funcnet-signals", daemon=True).start()

    @contextmanager
    def watching(self, listener: Listener) -> Iterator[None]:
        """Tell a listener of signals; at the end they are written to where they were before."""
        earlier = self._watched
        before = signal.set_wakeup_fd(self._writing.fileno(), warn_on_full_buffer=False)
        self._watched = listener, before
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            try:
                if listener.heard is not None:  # the thread may not have read it yet
                    self._catch_up()
            finally:
                self._watched = earlier

    def _catch_up(self) -> None:
        """Wait until the thread has read all signals that were written."""
        self._caught_up.clear()
        with suppress(OSError):
            self._writing.send(_MARK)
            self._caught_up.wait(_LONGEST_CATCHING_UP)

    def _read(self) -> None:
        counts: dict[Listener, int] = {}
        while data := self._reading.recv(64):
            if self._watched is None:
                continue
            listener, before = self._watched
            if before not in (-1, self._writing.fileno()):  # such as that of an event loop
                with suppress(OSError):
                    os.write(before, data.replace(_MARK, b""))
            for number in data:
                if number == _MARK[0]:
                    self._caught_up.set()
                if number in _SIGNALS:
                    counts = {listener: counts.get(listener, 0) + 1}
                    listener.watch(number, counts[listener])


@cache
def _watcher(process: int) -> _Watcher:
    """Return the watcher of a process: a child forked from it has no copy of its thread."""
    return _Watcher()


def _end_if_running(arrays: list[Any], code: int) -> None:
    if not all(leaf.is_ready() for leaf in arrays):
        _end(code)


def _end(code: int) -> None:
    """End the process without the waiting of JAX's own exit."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):
            stream.flush()
    os._exit(code)


@contextmanager
def listening() -> Iterator[Listener]:
    """Give what listens for Ctrl-C and SIGTERM in the main thread; elsewhere nothing is heard.

    Signals that the process ignores stay ignored. The handlers of before are put back at the end.
    """
    listener = Listener()
    if threading.current_thread() is not threading.main_thread():
        yield listener
        return
    earlier = {number: signal.getsignal(number) for number in _SIGNALS}
    earlier = {number: each for number, each in earlier.items() if each not in (signal.SIG_IGN, None)}
    with _watcher(os.getpid()).watching(listener):
        try:
            for number in earlier:
                signal.signal(number, listener.handle)
            yield listener
        except Interrupted:
            raise
        except BaseException:
            if listener.heard is not None:  # another error ends the run: the signal has its usual effect too
                _put_back(earlier)
                signal.raise_signal(listener.heard)
            raise
        finally:
            _put_back(earlier)
            listener.left.set()


def _put_back(handlers: dict[Any, Any]) -> None:
    for number, each in handlers.items():
        signal.signal(number, each)
