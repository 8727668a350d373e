"""Warnings about a training that is likely a mistake, before and after: each names the mistake and the remedy."""

import warnings
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..activations import sigmoid, softmax
from ..checks import expected_params, is_concrete
from ..ending import Ending
from ..layer import Layer, Shape
from ..layers import Dense, LayerNorm, Rescaling, opened
from ..losses import Loss
from ..penalties import Penalty, warn_of_idleness

DEFAULT_BATCH_SIZE = 32
_LARGEST_BYTE, _BRIGHT = 255, 128  # of unscaled images, and what some of their values exceed
_FEATURES = 16  # from which on a row is taken for an image
_ROWS = 8  # that are looked at
NON_FINITE = (Ending.NON_FINITE_LOSS, Ending.NON_FINITE_PARAMETERS)
_RISE = 2  # the last loss as a multiple of the first, from which on a run is taken to have diverged


def warn_of_mistakes(
    where: str,
    network: Layer,
    loss: Loss,
    data: tuple[Any, Any],
    batch_size: int | None,
    penalty: Penalty | None = None,
) -> None:
    """Warn of probabilities for logits, one class alone, unscaled bytes, too large a batch, and an idle penalty.

    Args:
        where: the public function's name.
        network: the network.
        loss: the loss of its output.
        data: the training inputs (n, ...) and targets.
        batch_size: as the function was given it.
        penalty: as the function was given it.
    """
    for text in _mistakes(network, loss, *data, batch_size):
        warnings.warn(f"{where}: {text}", UserWarning, stacklevel=4)
    warn_of_idle_penalty(where, network, penalty, data[0].shape[1:])


def warn_of_idle_penalty(where: str, network: Layer, penalty: Penalty | None, input_shape: Shape) -> None:
    """Warn where a penalty acts on none of a network's parameters."""
    if penalty is not None and not penalty.acts_on(expected_params(network, input_shape)):
        warn_of_idleness(where, penalty)


def _mistakes(network: Layer, loss: Loss, x: Any, y: Any, batch_size: int | None) -> Iterator[str]:
    """Yield what is likely a mistake, each with its remedy.

    >>> import funcnet as fn
    >>> x, y = np.ones((5, 2)), np.zeros((5, 3))
    >>> list(_mistakes(fn.mlp([2, 3], output=fn.softmax), fn.softmax_cross_entropy, x, y, None))
    ['softmax_cross_entropy takes logits, and applies softmax itself: leave it out at the end of the network']
    """
    layers = [layer for (layer,) in opened(network)]
    if loss.from_logits and layers[-1] in (sigmoid, softmax):
        yield f"{loss} takes logits, and applies {layers[-1]} itself: leave it out at the end of the network"
    dense = [layer for layer in layers if isinstance(layer, Dense)]
    if y.shape[1:] in ((), (1,)) and dense and dense[-1].units == 1 and loss.label_count(1) == 1:
        remedy = "use fn.sigmoid_cross_entropy, or one output for each class"
        yield f"{loss} of one output is of one class alone, and does not depend on the network: {remedy}"
    before = takewhile(lambda layer: not isinstance(layer, Dense), layers)
    if not any(isinstance(layer, Rescaling | LayerNorm) for layer in before) and _are_unscaled_bytes(x):
        yield "x holds whole numbers up to 255, as unscaled bytes: divide it by 255, or begin with fn.Rescaling(1/255)"
    if batch_size not in (None, DEFAULT_BATCH_SIZE) and batch_size > len(x):
        yield f"batch_size {batch_size} is larger than the {len(x)} samples: for one batch of all, pass batch_size=None"


def _are_unscaled_bytes(x: Any) -> bool:
    """Return whether floating rows hold whole numbers between 0 and 255 only, some of them large."""
    if not is_concrete(x) or not jnp.issubdtype(x.dtype, jnp.floating) or x.size < _FEATURES * len(x):
        return False
    rows = np.asarray(x)[:_ROWS].astype(np.float32)
    is_byte = (rows >= 0) & (rows <= _LARGEST_BYTE) & (rows == np.floor(rows))
    return bool(is_byte.all() and (rows > _BRIGHT).any())


def divergence(reason: Ending, epoch: int, losses: np.ndarray) -> str | None:
    """Return what a run whose loss grew has likely done wrong, None for one whose loss did not grow much.

    Args:
        reason: why the run ended.
        epoch: the epoch in which it ended.
        losses: the loss of each epoch from random initial weights on; none for a run that went on from others.

    >>> divergence(Ending.COMPLETED, 3, np.array([1.0, 3.0, 9.0]))
    'the loss rose from 1 in the first epoch to 9 in the last: the learning rate is likely too high'
    >>> divergence(Ending.COMPLETED, 2, np.array([1.0, 0.5])), divergence(Ending.COMPLETED, 2, np.array([1.0, 1.5]))
    (None, None)
    """
    if reason in NON_FINITE:
        hint = "on_nonfinite='raise' names the step, the layer and the likely cause"
        return f"{reason} in epoch {epoch}: training ended there; {hint}"
    if reason is Ending.TOO_MANY_SKIPPED:
        return f"{reason} in epoch {epoch}: training ended there; on_nonfinite='raise' names the layer"
    if len(losses) < 2 or not losses[-1] > _RISE * losses[0] > 0:
        return None
    rise = f"from {losses[0]:.4g} in the first epoch to {losses[-1]:.4g} in the last"
    return f"the loss rose {rise}: the learning rate is likely too high"
