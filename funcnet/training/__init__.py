"""Training: one step, whole epochs as one compiled program, and ``fit``, which runs it."""

from .answers import confusion_matrix as confusion_matrix
from .answers import predicted_classes as predicted_classes
from .answers import worst_mistakes as worst_mistakes
from .by_search import fit_by_search as fit_by_search
from .evaluation import evaluate as evaluate
from .evaluation import predict as predict
from .fit import FitResult as FitResult
from .fit import fit as fit
from .metrics import accuracy as accuracy
from .step import TrainState as TrainState
from .step import init_state as init_state
from .step import train_step as train_step
from .stopping import EarlyStopping as EarlyStopping
