"""Early stopping, decided inside the compiled program: when to stop, and which parameters were the best."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import LARGEST_COUNT, accumulator_dtype, as_dtype, check_count, check_metrics, params_dtype, set_number
from ..configuration import Configuration
from ..errors import message
from ..layer import Params
from ..metrics import metric_name
from .measuring import Metrics, with_state
from .step import TrainState

MODES = ("auto", "min", "max")


class Limits(NamedTuple):
    """The numbers of an ``EarlyStopping``. They are traced, so that other numbers use the same compiled program."""

    patience: Any  # int
    min_delta: Any  # float


class EarlyStopping(Configuration):
    """Stop a run once ``monitor`` has not improved for ``patience`` epochs in a row, and keep the best parameters.

    What the decision depends on is part of the state, so that a run in several calls stops where one call would.

    A value of the validation data is computed with the parameters at the end of the epoch, and these are kept. A value
    of the training data, such as "loss", is computed before each update of the epoch, so the parameters before the
    epoch's last update are kept. With one step per epoch they have exactly the loss for which they are the best.
    Prechelt, "Early Stopping - But When?" (1998).

    Args:
        monitor: a name of the history: "loss", "val_loss", "accuracy", "val_accuracy" or another metric's.
        patience: epochs in a row without improvement after which the run stops.
        min_delta: a value must be better than the best by more than this.
        restore_best: whether the parameters that ``fit`` returns are those of the best epoch. This applies whatever
            the reason for which the run ended. With a monitor of the training data they are those before the last
            update of the best epoch.
        mode: "min" where smaller is better, "max" where larger is; "auto" takes "min" for a loss, "max" for an
            accuracy, and what a metric of ``fn.metrics`` says. A function of your own needs an explicit mode.

    Raises:
        TypeError, ValueError: a setting has the wrong type or is out of range.

    >>> import funcnet as fn
    >>> fn.EarlyStopping(patience=3)
    EarlyStopping(patience=3)
    >>> x = jnp.linspace(-1, 1, 30)[:, None]
    >>> result = fn.fit(fn.mlp([1, 1]), fn.quadratic, fn.sgd(0.5), (x, 2 * x), key=jax.random.key(0), epochs=1000,
    ...                 early_stopping=fn.EarlyStopping("loss", patience=3, min_delta=1e-6), progress=False)
    >>> result.reason, len(result.history["loss"]) == result.best_epoch + 3
    ('stopped early', True)
    """

    described_as: ClassVar[str] = "None or fn.EarlyStopping(...)"

    monitor: str = "val_loss"
    patience: int = 5
    min_delta: float = 0.0
    restore_best: bool = True
    mode: str = "auto"

    def __post_init__(self) -> None:
        if not isinstance(self.monitor, str):
            raise TypeError(message("EarlyStopping", "monitor to be a name of the history", repr(self.monitor)))
        check_count("EarlyStopping", "patience", self.patience)
        set_number(self, "min_delta", lambda delta: delta >= 0, "to be finite and at least 0")
        if not isinstance(self.restore_best, bool):
            raise TypeError(message("EarlyStopping", "restore_best to be True or False", repr(self.restore_best)))
        if self.mode not in MODES:
            raise ValueError(message("EarlyStopping", f"mode to be one of {', '.join(MODES)}", repr(self.mode)))

    @property
    def limits(self) -> Limits:
        """The numbers of the decision."""
        return Limits(min(int(self.patience), LARGEST_COUNT), self.min_delta)

    def smaller_is_better(self, metrics: Metrics) -> bool:
        """Return whether the monitored value should decrease: a run's metrics say it where the mode is "auto".

        Raises ``ValueError`` where the monitor is a function that does not say it.
        """
        check_metrics("EarlyStopping", metrics)
        if self.mode != "auto":
            return self.mode == "min"
        quantity = self.monitor.removeprefix("val_")
        larger = {"loss": False, "accuracy": True}
        larger |= {metric_name(metric): metric.larger_is_better for metric in with_state(metrics)}
        if quantity not in larger:
            raise ValueError(message("EarlyStopping", f"mode 'min' or 'max' for monitor {self.monitor!r}", "'auto'"))
        return not larger[quantity]


@partial(
    jax.tree_util.register_dataclass,
    data_fields=("value", "epoch", "params"),
    meta_fields=("monitor", "smaller_is_better", "restores"),
)
@dataclass(frozen=True)
class Best:
    """The best epoch so far: what early stopping compares with and restores."""

    value: jax.Array  # (): the monitored value, in float32 at least; initially the worst finite number
    epoch: jax.Array  # int32 (): epochs finished then
    params: Params  # the parameters that have that value, () where they are not to be restored
    monitor: str
    smaller_is_better: bool
    restores: bool  # whether the parameters are kept


def with_early_stopping(
    where: str, state: TrainState, stopping: EarlyStopping, names: tuple[str, ...], metrics: Metrics
) -> TrainState:
    """Return the state with the best epoch so far: that of an earlier call, or a new one at the start of a run.

    Args:
        where: the name of the public function.
        state: the state at the start of the call.
        stopping: when to stop.
        names: those of the history.
        metrics: the run's.
    """
    if stopping.monitor not in names:
        needs_validation = stopping.monitor.startswith("val_") and f"val_{names[0]}" not in names
        hint = ": pass validation= to record it" if needs_validation else ": pass the metric in metrics="
        expected = f"early_stopping.monitor to be one of {', '.join(names)}"
        raise ValueError(message(where, expected, f"{stopping.monitor!r}{hint}"))
    smaller, dtype = stopping.smaller_is_better(metrics), accumulator_dtype(params_dtype(state.params))
    as_dtype(where, "early_stopping.min_delta", stopping.min_delta, dtype, may_vanish=True)
    largest = np.finfo(dtype).max
    fresh = Best(
        value=jnp.asarray(largest if smaller else -largest, dtype),  # infinity would stop it under jax_debug_infs
        epoch=state.epoch,
        params=state.params if stopping.restore_best else (),
        monitor=stopping.monitor,
        smaller_is_better=smaller,
        restores=stopping.restore_best,
    )
    same: Any = jax.tree.structure(fresh)
    return state if same == jax.tree.structure(state.best) else state._replace(best=fresh)


def update_best(
    state: TrainState, params: Params, row: dict[str, jax.Array], finite: jax.Array, min_delta: Any
) -> TrainState:
    """Return the state with this epoch as the best where its value is better and everything in it is finite.

    Args:
        state: the state after the epoch.
        params: the parameters to keep, which have that value.
        row: the epoch's row of the history.
        finite: whether what the value depends on is finite.
        min_delta: by how much the value must be better than the best so far.
    """
    best = state.best
    value = row[best.monitor].astype(best.value.dtype)
    gain = best.value - value if best.smaller_is_better else value - best.value
    better = (gain > jnp.asarray(min_delta, gain.dtype)) & finite & jnp.isfinite(value)
    value, epoch, params = jax.tree.map(
        lambda new, old: jnp.where(better, new, old),
        (value, state.epoch, params if best.restores else ()),
        (best.value, best.epoch, best.params),
    )
    return state._replace(best=replace(best, value=value, epoch=epoch, params=params))


def is_stopped(state: TrainState, patience: Any) -> jax.Array:
    """Return whether there was no improvement for ``patience`` epochs: bool ()."""
    return state.epoch - state.best.epoch >= patience
