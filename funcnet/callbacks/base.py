"""``Callback``: the contract of what follows a run of ``fit``, and how a run tells its callbacks."""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..checks import LARGEST_COUNT, check_count
from ..configuration import Configuration, document_fields
from ..ending import Ending
from ..errors import message


@document_fields
class RunStart(NamedTuple):
    """What a callback gets when a run starts, or goes on from an earlier one.

    Attributes:
        names: of the history: "loss", the metrics, and those of the validation data.
        epoch: epochs finished in earlier calls of fit; 0 for a new run.
        epochs: the epoch with which this call of fit ends, unless it ends before.
        kept: whether checkpoints keep the run: a call that ended before may have told epochs after ``epoch``.
    """

    names: tuple[str, ...]
    epoch: int
    epochs: int
    kept: bool = False


@document_fields
class Progress(NamedTuple):
    """What the function of a callback gets: where the run stands. Each gets dictionaries and arrays of its own.

    Attributes:
        epoch: epochs finished since the run began, in earlier calls of ``fit`` too.
        epochs: the epoch with which this call of ``fit`` ends, unless it ends before.
        row: the last epoch's row of the history.
        rows: the rows since the function was last called, (n,) each; the last is that of ``row``.
        seconds: since the first epoch of this call of ``fit`` started.
        params: a function that returns a copy of the parameters, which stays valid; to be called before the run goes
            on.
        reason: why the run has ended; None if it goes on, or if a callback that is called later stops it. What is to
            be done at the end, whatever ends the run, follows the ``yield`` of ``Callback.follow``.
    """

    epoch: int
    epochs: int
    row: dict[str, float]
    rows: dict[str, np.ndarray]
    seconds: float
    params: Callable[[], Any]
    reason: Ending | None = None

    def __repr__(self) -> str:
        values = ", ".join(f"{name} {value:.4g}" for name, value in self.row.items())
        return f"Progress(epoch {self.epoch} of {self.epochs}: {values})"

    @property
    def epochs_of_rows(self) -> range:
        """The epoch of each of ``rows``.

        >>> Progress(7, 10, {"loss": 0.1}, {"loss": np.array([0.3, 0.2, 0.1])}, 0.5, lambda: ()).epochs_of_rows
        range(5, 8)
        """
        return range(self.epoch + 1 - len(next(iter(self.rows.values()))), self.epoch + 1)


Follower = Callable[[Progress], bool | None]  # returns True to stop the run
Show = Callable[[Progress], None]


class Callback(Configuration):
    """The contract of a callback of ``fit``: its ``follow`` gives the function that a run calls as it goes on.

    To define a callback, subclass this and write ``follow``. Its settings are annotated fields. What belongs to one
    run, such as an open file, is made in ``follow`` and closed there, however the run ends. A function
    ``progress -> None or bool`` is a callback too, called after every epoch. A complete callback:

    >>> import funcnet as fn, jax, jax.numpy as jnp
    >>> from contextlib import contextmanager
    >>> class Goal(fn.Callback):
    ...     loss: float
    ...
    ...     @contextmanager
    ...     def follow(self, run):
    ...         print(f"from epoch {run.epoch} to {run.epochs}: {', '.join(run.names)}")
    ...         yield lambda progress: progress.row["loss"] < self.loss
    ...         print("closed")
    >>> x = jnp.linspace(-1, 1, 30)[:, None]
    >>> result = fn.fit(fn.mlp([1, 1]), fn.quadratic, fn.sgd(0.5), (x, 2 * x), key=jax.random.key(0), epochs=500,
    ...                 callbacks=[Goal(1e-3, every=10)], progress=False)
    from epoch 0 to 500: loss
    closed
    >>> result.reason, len(result.history["loss"]) % 10
    ('stopped by a callback', 0)

    The function is called after the epochs that ``every`` divides, counted since the run began, and once more at the
    end for those that it has not seen. The run is the same to the last bit with and without callbacks. The program
    returns to Python for each call, which takes about 0.3 ms; a larger ``every`` saves time where epochs are short. A
    plain function has no ``every``: it is called after each epoch.

    Args:
        every: the number of epochs from one call of the function to the next.

    Raises:
        TypeError, ValueError: ``every`` is not an integer, or is less than 1.
    """

    described_as: ClassVar[str] = "a callback, such as fn.CSVLog('log.csv'), or a function of the progress"

    owns_path: ClassVar[bool] = False  # whether it has a field path, a file that no other callback may write

    every: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        check_count(type(self).__name__, "every", self.every)

    def follow(self, run: RunStart) -> AbstractContextManager[Follower]:
        """Return a context manager of one run, which gives the function to call; it returns True to stop the run."""
        raise NotImplementedError(f"{type(self).__name__} has no follow")


@contextmanager
def file_errors_as_warnings(where: object) -> Iterator[None]:
    """Turn an error of the file system, such as that of a full disk, into a warning: it ends no run.

    >>> with warnings.catch_warnings(record=True, action="always") as told, file_errors_as_warnings("CSVLog"):
    ...     raise OSError("the disk is full")
    >>> print(told[0].message)
    CSVLog could not be written: the disk is full: the run goes on
    """
    try:
        yield
    except OSError as error:
        warnings.warn(f"{where} could not be written: {error}: the run goes on", RuntimeWarning, stacklevel=3)


@dataclass
class _Followed:
    """A callback's function in one run, and the rows that it has not seen."""

    where: str
    every: int
    function: Follower
    unseen: list[dict[str, np.ndarray]] = field(default_factory=list)

    def tell(self, progress: Progress) -> bool:
        """Call the function with the rows that it has not seen, and return whether it stops the run."""
        rows = {name: np.concatenate([block[name] for block in self.unseen]) for name in progress.rows}
        self.unseen.clear()
        answer = self.function(progress._replace(row=dict(progress.row), rows=rows))
        if answer is not None and not isinstance(answer, bool | np.bool_):
            raise TypeError(message(self.where, "to return None, or True to stop the run", repr(answer)))
        return bool(answer)


class Followers:
    """What follows one run: the functions of the callbacks, and the display of the progress. False if there is none."""

    def __init__(self, followed: Sequence[_Followed], show: Show | None) -> None:
        self._followed, self._show = followed, show

    def __bool__(self) -> bool:
        return bool(self._followed) or self._show is not None

    def epochs_to_next(self, epoch: int) -> int:
        """Return after how many more epochs the next function is to be called."""
        return min((int(each.every - epoch % each.every) for each in self._followed), default=LARGEST_COUNT)

    def tell(self, progress: Progress) -> Ending | None:
        """Call each function that is due, show the progress, and return why the run has ended; None if it goes on.

        ``progress.rows`` are the rows since the last call of this method.
        """
        for each in self._followed:
            each.unseen.append(progress.rows)
        due = [each for each in self._followed if progress.reason or progress.epoch % each.every == 0]
        stops = [each.tell(progress) for each in due]
        if progress.reason is None and any(stops):
            progress = progress._replace(reason=Ending.STOPPED_BY_CALLBACK)
            for each in self._followed:
                if each.unseen:
                    each.tell(progress)
        if self._show is not None:
            self._show(progress)
        return progress.reason


def check_callbacks(where: str, callbacks: Any) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless these are callbacks and functions.

    >>> import funcnet as fn
    >>> check_callbacks("fit", [fn.CSVLog])
    Traceback (most recent call last):
    TypeError: fit: expected each of callbacks to be a callback, such as fn.CSVLog('log.csv'), or a function of the
    progress, got the class CSVLog
    """
    if not isinstance(callbacks, tuple | list):
        raise TypeError(message(where, "callbacks to be a list of callbacks and functions", repr(callbacks)))
    for each in callbacks:
        if isinstance(each, type) or not (isinstance(each, Callback) or callable(each)):
            got = f"the class {each.__name__}" if isinstance(each, type) else repr(each)
            raise TypeError(message(where, f"each of callbacks to be {Callback.described_as}", got))
        if isinstance(each, Callback):
            check_count(repr(each), "every", each.every)
    paths = [os.path.realpath(each.path) for each in callbacks if isinstance(each, Callback) and each.owns_path]  # type: ignore[attr-defined]
    if repeated := [path for path in paths if paths.count(path) > 1]:
        raise ValueError(message(where, "each of callbacks to write a file of its own", f"{repeated[0]!r} twice"))


def following(where: str, callbacks: Sequence[Callback | Follower], run: RunStart, stack: ExitStack) -> list[_Followed]:
    """Return the functions of all callbacks in one run; the stack closes what they opened."""
    followed = []
    for each in callbacks:
        if isinstance(each, Callback):
            context = each.follow(run)
            if not hasattr(context, "__exit__"):
                expected = "follow to return a context manager, as contextlib.contextmanager makes it"
                raise TypeError(message(each, expected, f"a {type(context).__name__}"))
            followed.append(_Followed(f"{where}: {each}", each.every, stack.enter_context(context)))
        else:
            followed.append(_Followed(f"{where}: {getattr(each, '__name__', repr(each))}", 1, each))
    return followed
