"""What a checkpoint says of a run, how a run goes on from one, and when it writes the next."""

import hashlib
import re
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import LARGEST_COUNT, accumulator_dtype, params_dtype
from ..ending import Ending
from ..errors import message
from ..metrics import metric_name
from ..optimizers import Optimizer
from ..storage import Checkpoint, StorageError, opened
from ..storage.checkpoints import Folder, Stored
from ..storage.trees import described, nodes_of
from .early_stopping import EarlyStopping
from .mistakes import NON_FINITE
from .run import SKIPPED, Plan
from .step import TrainState, resumed

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_BLOCK_BYTES = 2**24


class Standing(NamedTuple):
    """Where a run stands between two calls of its program: what a checkpoint holds."""

    state: TrainState
    blocks: list[dict[str, np.ndarray]]  # the rows of the history, in the order of the epochs
    skipped_in_a_row: int = 0  # steps with values that are not finite, at the end of the last epoch
    reason: Ending | None = None  # why the run had ended

    @property
    def history(self) -> dict[str, np.ndarray]:
        """The columns of the history."""
        return {name: np.concatenate([block[name] for block in self.blocks]) for name in self.blocks[-1]}


class Settings(NamedTuple):
    """The settings of a run as text, and the digests of its data, which a thread computes."""

    texts: dict[str, str]
    digests: Future[dict[str, str]]

    def all(self) -> dict[str, str]:
        """Return the settings by name; the digests are waited for."""
        return self.texts | self.digests.result()


class Keeper:
    """What keeps the checkpoints of one run: finds the state to go on from, and writes the later ones in time."""

    def __init__(self, checkpoint: Checkpoint, folder: Folder, settings: Settings) -> None:
        self._checkpoint, self._folder, self._settings = checkpoint, folder, settings
        self._last = time.perf_counter()
        self._found: Stored | None = None

    def begin(self, fresh: Standing, optimizer: Optimizer, epochs: int, names: tuple[str, ...]) -> Standing:
        """Return where the newest checkpoint stands, with the numbers of the optimizer; ``fresh`` without one.

        Args:
            fresh: a new run, whose state is like that in the file.
            optimizer: of this run.
            epochs: of the whole run.
            names: of the history.

        Raises:
            StorageError: the checkpoint is of another run; the error names what differs.
            ValueError: the checkpoint has more epochs than the whole run.
        """
        self._found = stored = self._folder.newest()
        if stored is None:
            described(fresh.state, "fit: checkpoint")  # what cannot be stored is refused before the training
            return fresh
        _check_same(stored, self._settings.all())
        if stored.epoch > epochs:
            got = f"{epochs}: for a shorter run, use another folder"
            raise ValueError(message("fit", f"epochs of at least {stored.epoch}, as {stored.path} has", got))
        dtype = accumulator_dtype(params_dtype(fresh.state.params))
        has_skipped = f"['history']['{SKIPPED}']" in stored.arrays
        known = [name for name in names if name != SKIPPED] + [SKIPPED] * has_skipped
        columns = {name: np.zeros(_shape_of(stored, name), dtype) for name in known}
        like = {"state": fresh.state, "history": columns, "skipped_in_a_row": 0}
        try:
            found = stored.like(like)
        except StorageError as error:
            before, now = stored.run["optimizer"], self._settings.texts["optimizer"]
            if before != now and "optimizer_state" in str(error):
                expected = f"optimizer {before}, as in {stored.path}, or the same one with other numbers"
                raise StorageError(message("fit", expected, now)) from error
            raise
        state = resumed("fit", found["state"], optimizer)
        history = {SKIPPED: np.zeros(stored.epoch, dtype)} | found["history"]  # 0 before steps were skipped
        ended = None if stored.reason is None else Ending(stored.reason)
        same = all(stored.run[name] == self._settings.texts[name] for name in ("optimizer", "epochs"))
        in_a_row = 0 if ended is Ending.TOO_MANY_SKIPPED and not same else found["skipped_in_a_row"]
        is_final = ended in (Ending.STOPPED_BY_CALLBACK, Ending.TOO_MANY_SKIPPED) and same
        if stored.epoch == epochs and not is_final:
            ended, is_final = Ending.STOPPED_EARLY if ended is Ending.STOPPED_EARLY else Ending.COMPLETED, True
        return Standing(state, [{name: history[name] for name in names}], in_a_row, ended if is_final else None)

    @property
    def resumed_text(self) -> str | None:
        """What is said of a run that goes on: from which file, which numbers changed, and what was not compared."""
        stored, settings = self._found, self._settings.texts
        if stored is None:
            return None
        text = f"goes on from {stored.path}, epoch {stored.epoch}"
        if stored.run["optimizer"] != settings["optimizer"]:
            text += f", with {settings['optimizer']} in place of {stored.run['optimizer']}"
        if functions := sorted(
            {name for each in settings.values() for name in re.findall(r"<function ([\w.<>]+)>", each)}
        ):
            text += f"; the code of {', '.join(functions)} was not compared"
        return text

    def epochs_to_next(self, epoch: int) -> int:
        """Return after how many more epochs a checkpoint may be due."""
        every = self._checkpoint.every
        if every == 1 and self._checkpoint.every_seconds is not None:
            return LARGEST_COUNT  # the time decides: the calls of the program take half a second
        return int(every - epoch % every)

    def wait(self) -> None:
        """Wait until the last checkpoint is on the disk."""
        self._folder.wait()

    def tell(self, standing: Standing) -> None:
        """Write a checkpoint where one is due: after an interval, and at the end of a run whose state is finite."""
        now, epoch = time.perf_counter(), int(standing.state.epoch)
        limit = self._checkpoint.every_seconds
        is_due = epoch % self._checkpoint.every == 0 and (limit is None or now - self._last >= limit)
        if standing.reason is not None:
            is_due = standing.reason not in NON_FINITE
        if not is_due:
            return
        tree = {"state": standing.state, "history": standing.history, "skipped_in_a_row": standing.skipped_in_a_row}
        reason = None if standing.reason is None else str(standing.reason)
        self._folder.write(epoch, reason, self._settings.all, tree)
        self._last = now


@contextmanager
def keeping(
    checkpoint: Checkpoint | None, plan: Plan, optimizer: Any, early_stopping: EarlyStopping | None, run: Any
) -> Iterator[Keeper | None]:
    """Give what keeps a run's checkpoints, None without any.

    Args:
        checkpoint: where and when they are written.
        plan: the run's.
        optimizer: as ``fit`` was given it.
        early_stopping: as ``fit`` was given it.
        run: the run's key, and the initial parameters and the epochs as ``fit`` was given them.
    """
    if checkpoint is None:
        yield None
        return
    key, params, epochs = run
    with opened(checkpoint) as folder:
        arrays = {"data": plan.data, "validation": plan.validation, "params": params}
        texts = _texts(plan, optimizer, early_stopping, key, int(epochs))
        yield Keeper(checkpoint, folder, Settings(texts, folder.in_background(digests, arrays)))


def _texts(
    plan: Plan, optimizer: Any, early_stopping: EarlyStopping | None, key: jax.Array, epochs: int
) -> dict[str, str]:
    """Return the settings of a run as text by name. The optimizer's numbers and the epochs may change."""
    step, stopping = plan.step, "None"
    if early_stopping is not None:
        stopping = f"{early_stopping.monitor}, {early_stopping.mode}, restore_best={early_stopping.restore_best}"
    data = jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key
    texts = {
        "network": step.objective.network,
        "loss": step.objective.loss,
        "penalty": step.objective.penalty,
        "early_stopping": stopping,
        "metrics": [f"{metric_name(metric)}{_code(metric)}" for metric in step.metrics],
        "gradients": f"{getattr(step.gradients, '__name__', step.gradients)}{_code(step.gradients)}",
        "epochs": epochs,
        "batch_size": plan.batch_size,
        "key": [f"{number:08x}" for number in np.asarray(data).ravel()],
        "optimizer": optimizer,
    }
    return {name: _ADDRESS.sub("", str(each)) for name, each in texts.items()}


def _code(function: Any) -> str:
    """Return what says that a function has code of the caller's own, which is not compared."""
    name = getattr(function, "__qualname__", None)
    is_own = name is not None and not str(getattr(function, "__module__", "")).startswith("funcnet")
    return f" <function {name}>" if is_own else ""


def _check_same(stored: Stored, settings: dict[str, str]) -> None:
    """Raise ``StorageError`` that names the first setting in which this run differs from a checkpoint's."""
    if set(stored.run) != set(settings):
        raise StorageError(message(stored.path, "a checkpoint of fit", f"settings {', '.join(sorted(stored.run))}"))
    for name, now in settings.items():
        if name not in ("optimizer", "epochs") and now != (before := stored.run[name]):
            hint = "to start another run, use another folder"
            if name in ("data", "validation", "params"):
                raise StorageError(message("fit", f"the {name} of the run in {stored.path}", f"others: {hint}"))
            raise StorageError(message("fit", f"{name} {before}, as in {stored.path}", f"{now}: {hint}"))


def digests(trees: dict[str, Any]) -> dict[str, str]:
    """Return a SHA-256 of each tree: its structure, and the shapes, dtypes and contents of its arrays."""
    return {name: digest(tree) for name, tree in trees.items()}


def digest(tree: Any) -> str:
    """Return the SHA-256 of a tree of arrays.

    >>> x = np.arange(3.0)
    >>> digest(x) == digest(x.copy()), digest(x) == digest(-x), digest((x, None)) == digest((x, x))
    (True, False, False)
    """
    found = hashlib.sha256(repr(nodes_of(tree, "fit")).encode())
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        array = np.ascontiguousarray(leaf)
        found.update(f"{jax.tree_util.keystr(path)} {array.shape} {array.dtype}\n".encode())
        content = array.reshape(-1).view(np.uint8)
        for start in range(0, len(content), _BLOCK_BYTES):
            found.update(content[start : start + _BLOCK_BYTES].data)
    return found.hexdigest()


def _shape_of(stored: Stored, name: str) -> tuple[int, ...]:
    """Return the shape of a column of the history in a checkpoint: a row per epoch; (epochs,) for one that it lacks."""
    column = stored.arrays.get(f"['history']['{name}']")
    return (stored.epoch, *(() if column is None else column.shape[1:]))
