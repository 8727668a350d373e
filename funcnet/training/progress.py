"""What a run shows as it goes: a bar on a terminal, plain lines elsewhere, or nothing."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

Report = Callable[[int, Mapping[str, float]], None]  # epochs done in all, and the last one's history row

_BETWEEN_LINES = 1.0  # seconds


@contextmanager
def reporting(progress: bool, epochs: int) -> Iterator[Report]:
    """Give a function to call with (epochs done, last row), which shows them on the standard error stream."""
    if not progress:
        yield lambda done, row: None
    elif sys.stderr.isatty():
        with _bar(epochs) as report:
            yield report
    else:
        yield _lines(epochs)


@contextmanager
def _bar(epochs: int) -> Iterator[Report]:
    from tqdm import tqdm  # imported where it is used, so that importing funcnet stays quick

    form = "epoch {n_fmt}/{total_fmt} |{bar:10}| {elapsed}<{remaining} {desc}"
    columns = shutil.get_terminal_size().columns  # 80 where a terminal does not tell, of which tqdm would print nothing
    with tqdm(total=epochs, desc="compiling", bar_format=form, ncols=columns) as bar:

        def report(done: int, row: Mapping[str, float]) -> None:
            bar.set_description_str(_text(row), refresh=False)
            bar.update(done - bar.n)

        yield report


def _lines(epochs: int) -> Report:
    started = last = time.perf_counter()
    compiled: tuple[int, float] | None = None  # epochs done and the time when the first call, which compiles, ended

    def report(done: int, row: Mapping[str, float]) -> None:
        nonlocal last, compiled
        now = time.perf_counter()
        if done == epochs or now - last >= _BETWEEN_LINES:
            last, end = now, f"{now - started:.1f} s"
            if compiled and done < epochs:
                end = f"{(now - compiled[1]) / (done - compiled[0]) * (epochs - done):.0f} s left"
            print(f"epoch {done}/{epochs}  {_text(row)}  {end}", file=sys.stderr, flush=True)
        compiled = compiled or (done, now)

    return report


def _text(row: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in row.items())
