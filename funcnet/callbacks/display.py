"""Progress on the standard error stream: a bar on a terminal and in a notebook, lines elsewhere."""

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from ..ending import Ending
from .base import Progress, RunStart, Show

_SECONDS_BETWEEN_LINES = 1.0


def showing(run: RunStart, stack: ExitStack) -> Show | None:
    """Return a function that shows the progress on the standard error stream, None in a program without a console.

    The stack closes what it shows.
    """
    if sys.stderr is None:
        return None
    stream = _Unfailing(sys.stderr)
    return stack.enter_context(_bar(stream, run)) if _shows_bars(sys.stderr) else _lines(stream)


def say(text: str) -> None:
    """Print a line on the standard error stream, where there is one that takes it."""
    if sys.stderr is not None:
        print(text, file=_Unfailing(sys.stderr), flush=True)


class _Unfailing:
    """A stream that may be closed or broken: what cannot be shown is lost, and the run goes on."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(AttributeError, OSError, ValueError):
            self._stream.flush()


def _shows_bars(stream: Any) -> bool:
    """Return whether a stream is a terminal's or a notebook's, which both know the return to the line's start."""
    try:
        return type(stream).__module__ == "ipykernel.iostream" or stream.isatty()
    except (AttributeError, OSError, ValueError):
        return False


@contextmanager
def _bar(stream: _Unfailing, run: RunStart) -> Iterator[Show]:
    from tqdm import tqdm  # imported where it is used, so that importing funcnet stays quick

    form = "epoch {n_fmt}/{total_fmt} |{bar:10}| {desc}"
    columns = shutil.get_terminal_size().columns  # 80 if the terminal's size is unknown: tqdm would print nothing
    left_of = _time_left()
    settings: dict[str, Any] = {"desc": "compiling", "bar_format": form, "ncols": columns, "file": stream}
    with tqdm(total=run.epochs, initial=run.epoch, **settings) as bar:

        def show(progress: Progress) -> None:
            left, passed = left_of(progress), tqdm.format_interval(progress.seconds)
            clock = f"{passed}<{'?' if left is None else tqdm.format_interval(left)}"
            if progress.reason is not None:
                clock = passed if progress.reason is Ending.COMPLETED else f"{passed} {progress.reason}"
            width = columns - len(f"epoch {progress.epoch}/{run.epochs} |{'':10}| ")
            bar.set_description_str(_fitting(clock, progress.row, width), refresh=False)
            bar.update(progress.epoch - bar.n)

        yield show


def _lines(stream: _Unfailing) -> Show:
    last, left_of = 0.0, _time_left()

    def show(progress: Progress) -> None:
        nonlocal last
        left = left_of(progress)
        if progress.reason is None and progress.seconds - last < _SECONDS_BETWEEN_LINES:
            return
        last, end = progress.seconds, f"{progress.seconds:.1f} s"
        if progress.reason is None and left is not None:
            end = f"{left:.0f} s left"
        elif progress.reason not in (None, Ending.COMPLETED):
            end += f"  {progress.reason}"
        row = "  ".join(_texts(progress.row))
        print(f"epoch {progress.epoch}/{progress.epochs}  {row}  {end}", file=stream, flush=True)

    return show


def _time_left() -> Callable[[Progress], float | None]:
    """Return a function that estimates the seconds left: None at first, as the first call of the program compiles it.

    >>> left_of = _time_left()
    >>> [left_of(Progress(epoch, 10, {}, {}, seconds, tuple)) for epoch, seconds in ((1, 60.0), (2, 61.0), (4, 63.0))]
    [None, 8.0, 6.0]
    """
    first: tuple[int, float] | None = None

    def left(progress: Progress) -> float | None:
        nonlocal first
        if first is None:
            first = progress.epoch, progress.seconds
            return None
        epoch, seconds = first
        return (progress.seconds - seconds) / (progress.epoch - epoch) * (progress.epochs - progress.epoch)

    return left


def _texts(row: Mapping[str, float]) -> list[str]:
    return [f"{name} {value:.4f}" for name, value in row.items()]


def _fitting(clock: str, row: Mapping[str, float], width: int) -> str:
    """Return the time and the row, without what does not fit: the last names first, then the time, then the loss.

    >>> row = {"loss": 0.25, "val_loss": 0.5}
    >>> for width in (41, 40, 23, 10):
    ...     print(_fitting("00:03<00:10", row, width))
    00:03<00:10  loss 0.2500  val_loss 0.5000
    00:03<00:10  loss 0.2500
    loss 0.2500
    <BLANKLINE>
    """
    loss, *others = _texts(row)
    kept = [loss, clock, *others]
    while kept and len("  ".join(kept)) > width:
        kept.pop()
    return "  ".join(sorted(kept, key=lambda text: text is not clock))
