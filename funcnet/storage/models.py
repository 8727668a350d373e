"""Models in files: a network as text beside its parameters, ``save_model`` and ``load_model``."""

import os
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..activations import Activation
from ..checks import (
    check_arrays,
    check_dtype,
    check_input_shape,
    check_is_no_result,
    check_params,
    check_part,
    check_path,
    expected_params,
)
from ..configuration import document_fields
from ..errors import message
from ..layer import Layer, Params, check_layer_count
from ..layers import Dense, Dropout, Rescaling
from ..layers.frozen import opened
from ..losses import Loss
from .configurations import from_text, to_text
from .safetensors_file import FORMAT_VERSION, StorageError, read, write
from .trees import described, rebuilt

_FIELDS = {"version", "network", "loss", "input_shape", "preparation", "tree"}
_MOST_AXES = 32
_NO_PREPARATION: dict[str, Any] = {}  # of the inputs before the network; none is known yet


@document_fields
class Model(NamedTuple):
    """What ``load_model`` returns.

    Attributes:
        network: the network, equal to the one that was saved.
        params: its parameters, JAX arrays of the dtypes that were saved.
        loss: the loss that was saved beside it, or None. ``loss.predict`` makes probabilities of the network's output.
        input_shape: the shape of one input, without the batch axis.
    """

    network: Layer
    params: Params
    loss: Loss | None
    input_shape: tuple[int, ...]

    def __repr__(self) -> str:
        count = sum(leaf.size for leaf in jax.tree.leaves(self.params))
        loss = "no loss" if self.loss is None else f"loss {self.loss}"
        return f"Model({self.network}, {count:,} parameters, {loss}, inputs {self.input_shape})"


def save_model(
    path: str | os.PathLike[str],
    network: Layer,
    params: Params,
    *,
    loss: Loss | None = None,
    input_shape: tuple[int, ...] | None = None,
) -> None:
    """Write a network, its parameters and its loss to one file, which replaces an existing one.

    The file is that of ``save``, and in its header are the texts that the network and the loss print as.
    ``load_model`` builds them again.

    Args:
        path: the file; missing folders are made.
        network: the network. Classes of your own are stored by their names, and handed to ``load_model`` again.
        params: its parameters.
        loss: the loss that it was trained with, which says what the outputs stand for; None for none.
        input_shape: the shape of one input, without the batch axis; needed unless the network's first layer with
            parameters is a ``Dense`` without a ``Flatten`` before it.

    Raises:
        TypeError: an argument is of the wrong type; a part of the network does not print as the call that builds it,
            such as one that holds a function.
        ValueError: the parameters are not those of the network; ``input_shape`` is needed, or the network does not
            take it; the network has more than 1,000 layers, or its text more than 100,000 characters.
        OSError: the file cannot be written; the one before is left as it was.

    >>> import funcnet as fn, tempfile
    >>> network = fn.mlp([4, 8, 3])
    >>> params, _ = network.init(jax.random.key(0), (4,))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fn.save_model(f"{folder}/model.safetensors", network, params, loss=fn.softmax_cross_entropy)
    ...     model = fn.load_model(f"{folder}/model.safetensors")
    >>> model
    Model(Sequential(Dense(8, inputs=4), relu, Dense(3)), 67 parameters, loss softmax_cross_entropy, inputs (4,))
    >>> model.network == network
    True
    """
    where = "save_model"
    check_path(where, "path", path)
    check_part(where, "network", network, Layer)
    check_layer_count(where, network)
    check_is_no_result(where, params)
    check_part(where, "loss", loss, Loss, optional=True)
    check_arrays(where, "params", params)
    if input_shape is None:
        input_shape = _first_inputs(network, params)
    shape = check_input_shape(where, network, input_shape)
    check_params(where, network, params, shape)
    for (path_of, leaf), like in zip(
        jax.tree_util.tree_leaves_with_path(params), jax.tree.leaves(expected_params(network, shape)), strict=True
    ):
        if not isinstance(leaf, jax.Array | np.ndarray) or not _fits(leaf.dtype, like.dtype):
            expected = f"params{jax.tree_util.keystr(path_of)} to be an array, {like.dtype} or of a like dtype"
            raise TypeError(message(where, expected, f"a {type(leaf).__name__} {getattr(leaf, 'dtype', '')}".rstrip()))
    texts = {"network": to_text(network, where=where), "loss": None if loss is None else to_text(loss, where=where)}
    arrays, tree = described(params, where)
    header = {"version": FORMAT_VERSION, "input_shape": [*shape], "preparation": _NO_PREPARATION, "tree": tree}
    write(path, arrays, {**header, **texts})


def load_model(path: str | os.PathLike[str], known: Iterable[Any] = ()) -> Model:
    """Return the model in a file that ``save_model`` wrote.

    Nothing in the file is executed: its texts are read as calls of funcnet's own names and of those in ``known``.

    Args:
        path: the file.
        known: your own layers, losses, activations and initializers that the model uses: classes, or values.

    Raises:
        StorageError: the file is damaged, of another format or version, or holds something else; the error says what,
            and names a class that is missing in ``known``.
        ValueError: the parameters are float64 and JAX's 64-bit mode is off; ``known`` has a name twice.
        OSError: the file cannot be read.

    >>> import funcnet as fn, tempfile
    >>> class Gain(fn.Layer):
    ...     start: float = 1.0
    ...
    ...     def init(self, key, input_shape, *, dtype=jnp.float32):
    ...         return jnp.asarray(self.start, dtype), input_shape
    ...
    ...     def forward(self, params, x):
    ...         return params * x, x
    >>> network = fn.Sequential(fn.Dense(3), Gain(2.0))
    >>> params, _ = network.init(jax.random.key(0), (4,))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fn.save_model(f"{folder}/model.safetensors", network, params)
    ...     fn.load_model(f"{folder}/model.safetensors", known=[Gain])
    Model(Sequential(Dense(3), Gain(start=2.0)), 16 parameters, no loss, inputs (4,))
    """
    where = "load_model"
    check_path(where, "path", path)
    arrays, header = read(path)
    if set(header) == {"version", "tree"}:
        raise StorageError(message(path, "a file of a model", "a file of a tree: fn.load reads it"))
    if set(header) != _FIELDS:
        raise StorageError(message(path, f"a file of {', '.join(sorted(_FIELDS))}", ", ".join(sorted(header))))
    if header["preparation"] != _NO_PREPARATION:
        raise StorageError(message(path, "no preparation of the inputs, as none is known", "one"))
    known = [*known]
    network = _part(header["network"], known, Layer, f"{path}: network")
    loss = None if header["loss"] is None else _part(header["loss"], known, Loss, f"{path}: loss")
    shape, like = _expected(network, header["input_shape"], path)
    leaves = []
    for path_of, leaf in jax.tree_util.tree_leaves_with_path(like):
        array = arrays.get(jax.tree_util.keystr(path_of))
        if array is not None and array.shape == leaf.shape and _fits(array.dtype, leaf.dtype):
            if jnp.issubdtype(array.dtype, jnp.floating):
                check_dtype(where, array.dtype)
            leaf = jax.ShapeDtypeStruct(array.shape, array.dtype)
        leaves.append(leaf)
    params = rebuilt(arrays, header["tree"], jax.tree.unflatten(jax.tree.structure(like), leaves), where)
    return Model(network, params, loss, shape)


def _fits(dtype: Any, expected: Any) -> bool:
    """Return whether parameters may have a dtype: the expected one, or another floating one in place of a floating."""
    return bool(dtype == expected or (jnp.issubdtype(dtype, jnp.floating) and jnp.issubdtype(expected, jnp.floating)))


def _part(text: Any, known: list[Any], kind: type[Any], where: str) -> Any:
    """Return the network or the loss that a text stands for."""
    part = from_text(text, known, where=where)
    if not isinstance(part, kind):
        raise StorageError(message(where, f"to be {kind.described_as}", type(part).__name__))
    return part


def _expected(network: Layer, input_shape: Any, path: Any) -> tuple[tuple[int, ...], Any]:
    """Return the shape of one input and the parameters' structure and shapes; nothing is allocated."""
    if not isinstance(input_shape, list) or len(input_shape) > _MOST_AXES:
        raise StorageError(message(path, f"an input shape of at most {_MOST_AXES} sizes", type(input_shape).__name__))
    try:
        check_layer_count("load_model", network)
        shape = check_input_shape("load_model", network, input_shape)
        return shape, expected_params(network, shape)
    except Exception as error:  # a layer of the caller's may raise any error for what comes from the file
        got = f"{type(error).__name__}: {error}"
        raise StorageError(message(path, "a network that takes inputs of the stored shape", got)) from error


def _first_inputs(network: Layer, params: Params) -> tuple[int, ...]:
    """Return the shape of one input as the first ``Dense`` has it; ``ValueError`` where it does not say it."""
    for layer, layer_params in opened(network, params):
        weight: Any = getattr(layer_params, "weight", 0.0)
        if isinstance(layer, Dense) and np.ndim(weight) == 2:
            return (np.shape(weight)[1],)
        if not isinstance(layer, Activation | Dropout | Rescaling):  # these keep the shape
            break
    expected = "input_shape, the shape of one input without the batch axis, such as (28, 28)"
    raise ValueError(message("save_model", expected, "none, and a first layer that does not say it"))
