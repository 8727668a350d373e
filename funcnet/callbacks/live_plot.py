"""A callback that draws the history of a run in a notebook."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from ..plots import history
from .base import Callback, Follower, Progress, RunStart

_SECONDS_BETWEEN_DRAWINGS = 1.0


class LivePlot(Callback):
    """Draw the history in a notebook, in one picture that changes while the run goes on: see ``plots.history``.

    It is drawn at most once a second, and at the end. It needs Matplotlib (``pip install matplotlib``) and
    IPython, which every notebook has.

    Args:
        every: the number of epochs from one call to the next.

    Raises:
        TypeError, ValueError: ``every`` is not an integer, or is less than 1.

    ``fit`` raises ``ImportError`` where Matplotlib or IPython is not installed.

    >>> LivePlot(), LivePlot(every=10)
    (LivePlot(), LivePlot(every=10))
    """

    @contextmanager
    def follow(self, run: RunStart) -> Iterator[Follower]:
        """Give the function that draws all epochs of this call of ``fit``."""
        try:
            from IPython.display import Image, display
        except ImportError as error:
            raise ImportError("LivePlot needs IPython, which every notebook has: pip install ipython") from error
        seen: dict[str, list[float]] = {name: [] for name in run.names}
        last, is_drawn, shown = -_SECONDS_BETWEEN_DRAWINGS, True, None

        def draw() -> None:
            nonlocal shown, is_drawn
            image, is_drawn = Image(data=_png(history(seen, first=run.epoch + 1))), True
            if shown is None:
                shown = display(image, display_id=True)
            else:
                shown.update(image)

        def draw_sometimes(progress: Progress) -> None:
            nonlocal last, is_drawn
            for name, column in progress.rows.items():
                seen[name].extend(column.tolist())
            is_drawn = False
            if progress.seconds - last >= _SECONDS_BETWEEN_DRAWINGS:
                last = progress.seconds
                draw()

        yield draw_sometimes
        if not is_drawn:
            draw()


def _png(picture: Any) -> bytes:
    data = BytesIO()
    picture.savefig(data, format="png")
    return data.getvalue()
