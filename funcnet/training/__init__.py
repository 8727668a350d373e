"""Training: one step, whole epochs as one compiled program, and ``fit``, which runs them.

A reader of ``fit`` goes from ``fitting`` (the host's part) to ``run`` (the loop over epochs), ``step`` (one update),
``funcnet.objective`` and a layer.
"""

from .by_search import fit_by_search as fit_by_search
from .early_stopping import EarlyStopping as EarlyStopping
from .evaluation import evaluate as evaluate
from .evaluation import predict as predict
from .fitting import FitResult as FitResult
from .fitting import fit as fit
from .metrics import accuracy as accuracy
from .metrics import confusion_matrix as confusion_matrix
from .metrics import predicted_classes as predicted_classes
from .metrics import worst_mistakes as worst_mistakes
from .run import Run as Run
from .run import run_epochs as run_epochs
from .step import TrainState as TrainState
from .step import init_state as init_state
from .step import train_step as train_step
