"""Warnings about a training that is possible and likely a mistake: each names the mistake and the remedy."""

import warnings
from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..activations import sigmoid, softmax
from ..checks import is_concrete
from ..layer import Layer
from ..layers import Flatten, LayerNorm, Rescaling
from ..layers.sequential import flattened
from ..losses import Loss

DEFAULT_BATCH_SIZE = 32
_LARGEST_BYTE, _BRIGHT = 255, 128  # of unscaled images, and what some of their values exceed
_FEATURES = 16  # from which on a row is taken for an image
_ROWS = 8  # that are looked at


def warn_of_mistakes(where: str, network: Layer, loss: Loss, x: Any, batch_size: int | None) -> None:
    """Warn where a loss from logits gets probabilities, bytes are not scaled, or the batch is larger than the data.

    Args:
        where: the public function's name.
        network: the network.
        loss: the loss of its output.
        x: the training inputs (n, ...).
        batch_size: as the function was given it.
    """
    for text in _mistakes(network, loss, x, batch_size):
        warnings.warn(f"{where}: {text}", UserWarning, stacklevel=4)


def _mistakes(network: Layer, loss: Loss, x: Any, batch_size: int | None) -> Iterator[str]:
    """Yield what is likely a mistake, each with its remedy.

    >>> import funcnet as fn
    >>> list(_mistakes(fn.mlp([2, 3], output=fn.softmax), fn.softmax_cross_entropy, np.ones((5, 2)), None))
    ['softmax_cross_entropy takes logits, and applies softmax itself: leave it out at the end of the network']
    """
    layers = [layer for _, layer in flattened(network)]
    if loss.from_logits and layers[-1] in (sigmoid, softmax):
        yield f"{loss} takes logits, and applies {layers[-1]} itself: leave it out at the end of the network"
    first = next((layer for layer in layers if not isinstance(layer, Flatten)), None)
    if not isinstance(first, Rescaling | LayerNorm) and _are_unscaled_bytes(x):
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
