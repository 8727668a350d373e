"""Training: one step, whole epochs as one compiled program, and ``fit``, which runs them.

A reader of ``fit`` goes from ``fitting`` (the host's part) to ``run`` (the loop over epochs), ``step`` (one update),
``funcnet.objective`` and a layer.
"""

from .by_search import fit_by_search
from .early_stopping import EarlyStopping
from .evaluation import evaluate, predict
from .fitting import FitResult, fit
from .interruption import Interrupted
from .non_finite import NonFinite, NonFiniteError, Skip
from .run import Run, run_epochs
from .step import TrainState, init_state, train_step

__all__ = [
    "EarlyStopping",
    "FitResult",
    "Interrupted",
    "NonFinite",
    "NonFiniteError",
    "Run",
    "Skip",
    "TrainState",
    "evaluate",
    "fit",
    "fit_by_search",
    "init_state",
    "predict",
    "run_epochs",
    "train_step",
]
