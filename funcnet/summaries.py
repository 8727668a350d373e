"""``summary``: the layers of a network as a table, with their parameters, multiply-adds and memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .checks import brief, check_dtype, check_input_shape, check_part, expected_params
from .configuration import document_fields
from .errors import message
from .jaxprs import NoRuleError, multiply_adds
from .layer import Layer, Params, Shape, check_contained_layers
from .layers import Frozen, Residual, Sequential

HEAD = ("layer", "output", "parameters", "multiply-adds", "activations (bytes)")


@document_fields
class LayerSummary(NamedTuple):
    """One layer of a ``Summary``. All counts of a ``Sequential`` or ``Residual`` are 0: those of its layers follow.

    Attributes:
        path: the layer's place, as errors name it: (2, 0) is the first layer of layer 2.
        layer: the layer.
        output_shape: of one sample.
        parameters: running statistics too.
        statistics: parameters that training does not update: running statistics, and those of frozen layers.
        parameter_bytes: the memory of the parameters.
        multiply_adds: of the forward pass for one sample.
        activation_bytes: what the forward pass of training keeps for one sample, besides the parameters.
    """

    path: tuple[int, ...]
    layer: Layer
    output_shape: Shape
    parameters: int = 0
    statistics: int = 0
    parameter_bytes: int = 0
    multiply_adds: int = 0
    activation_bytes: int = 0


@dataclass(frozen=True, repr=False)
class Summary:
    """What ``summary`` returns: one row per layer, and the totals. Its text is a table, in notebooks in HTML."""

    rows: tuple[LayerSummary, ...]

    @property
    def parameters(self) -> int:
        """The number of all parameters, running statistics included."""
        return sum(row.parameters for row in self.rows)

    @property
    def statistics(self) -> int:
        """The number of parameters that training does not update: running statistics, and those of frozen layers."""
        return sum(row.statistics for row in self.rows)

    @property
    def parameter_bytes(self) -> int:
        """The memory of the parameters."""
        return sum(row.parameter_bytes for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """The multiply-adds of the forward pass for one sample."""
        return sum(row.multiply_adds for row in self.rows)

    @property
    def activation_bytes(self) -> int:
        """What the forward pass of training keeps for one sample, besides the parameters."""
        return sum(row.activation_bytes for row in self.rows)

    def __repr__(self) -> str:
        table = [HEAD, *self._cells()]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        aligned = [str.ljust, str.ljust, str.rjust, str.rjust, str.rjust]
        lines = [
            "  ".join(align(cell, width) for align, cell, width in zip(aligned, cells, widths, strict=True))
            for cells in table
        ]
        totals = [f"{name:15}{text}" for name, text in self._totals()]
        return "\n".join(line.rstrip() for line in [*lines, "", *totals])

    def _repr_html_(self) -> str:
        """Return the table as a notebook shows it."""
        start = "text-align: left; white-space: pre"
        styles = [start, start, *["text-align: right"] * 3]

        def row(kind: str, cells: tuple[str, ...]) -> str:
            inside = (
                f'<{kind} style="{style}">{escape(cell)}</{kind}>' for style, cell in zip(styles, cells, strict=True)
            )
            return f"<tr>{''.join(inside)}</tr>"

        lines = [row("th", HEAD), *(row("td", cells) for cells in self._cells())]
        totals = (f"{escape(name)}: {escape(text)}" for name, text in self._totals())
        return f"<table>{''.join(lines)}</table><p>{'<br>'.join(totals)}</p>"

    def _cells(self) -> Iterator[tuple[str, ...]]:
        """Yield the texts of each row."""
        outermost = min(len(row.path) for row in self.rows)
        for row in self.rows:
            place, indent = ".".join(map(str, row.path)), "  " * (len(row.path) - outermost)
            name = type(row.layer).__name__ if _is_container(row.layer) else str(row.layer)
            counts = (row.parameters, row.multiply_adds, row.activation_bytes)
            numbers = ("", "", "") if _is_container(row.layer) else tuple(f"{count:,}" for count in counts)
            yield f"{indent}{place} {name}" if place else name, str(row.output_shape), *numbers

    def _totals(self) -> Iterator[tuple[str, str]]:
        """Yield the name and the text of each total."""
        statistics = f", {self.statistics:,} of them not trained" if self.statistics else ""
        yield "parameters", f"{self.parameters:,} ({_memory(self.parameter_bytes)}){statistics}"
        yield "multiply-adds", f"{self.multiply_adds:,} per sample in the forward pass"
        yield "activations", f"{_memory(self.activation_bytes)} per sample, kept for the backward pass"


def summary(network: Layer, input_shape: Shape, *, dtype: Any = jnp.float32, input_dtype: Any = None) -> Summary:
    """Return a table of a network's layers: output, parameters, multiply-adds and memory. Nothing is computed.

    Multiply-adds are those of the matrix products and convolutions in the program of a layer's ``forward`` for one
    sample, so your own layers are counted like the library's. Elementwise operations do not count. The memory of
    activations is what ``forward`` returns for ``backward`` when it trains, without the parameters; an array that two
    layers keep counts once, for the first. A batch of n samples keeps n times as much. The input of the first layer
    counts where the layer keeps it.

    Args:
        network: the network, a layer. The layers of ``Sequential`` and ``Residual`` have rows of their own.
        input_shape: the shape of one input, without the batch axis.
        dtype: the parameters' dtype.
        input_dtype: the input's dtype, such as ``jnp.uint8`` for images kept as bytes; None for ``dtype``.

    Raises:
        TypeError, ValueError: ``network`` is no layer or a dtype cannot be used; ``ShapeError`` and ``DtypeError``
            where an input of this shape and dtype does not fit a layer.
        NoRuleError: the multiply-adds of a layer are not known, as in a loop of an unknown number of iterations.

    >>> import funcnet as fn
    >>> fn.summary(fn.Sequential(fn.Dense(512), fn.Residual(fn.relu, fn.Dense(512)), fn.Dense(10)), (784,))
    layer             output  parameters  multiply-adds  activations (bytes)
    0 Dense(512)      (512,)     401,920        401,408                3,136
    1 Residual        (512,)
      1.0 relu        (512,)           0              0                2,048
      1.1 Dense(512)  (512,)     262,656        262,144                2,048
    2 Dense(10)       (10,)        5,130          5,120                2,048
    <BLANKLINE>
    parameters     669,706 (2.6 MiB)
    multiply-adds  668,672 per sample in the forward pass
    activations    9.1 KiB per sample, kept for the backward pass
    """
    check_part("summary", "network", network, Layer)
    check_contained_layers(network)
    dtype = check_dtype("summary", dtype)
    shape = check_input_shape("summary", network, input_shape)
    params = expected_params(network, shape, dtype)
    x = jax.ShapeDtypeStruct((1, *shape), dtype if input_dtype is None else _input_dtype(input_dtype))
    jax.eval_shape(lambda params, x: network.apply(params, x, key=jax.random.key(0)), params, x)  # names what fails
    rows, _ = _rows(network, params, _Value(x, is_kept=False), ())
    return Summary(tuple(rows[1:] if _is_container(network) and isinstance(network, Sequential) else rows))


class _Value(NamedTuple):
    """What goes from one layer to the next."""

    struct: jax.ShapeDtypeStruct
    is_kept: bool  # whether a layer before keeps it


def _is_container(layer: Layer) -> bool:
    """Return whether a layer has a row for each of the layers in it, and nothing of its own to count."""
    forward = type(layer).forward
    return isinstance(layer, Sequential | Residual) and forward in (Sequential.forward, Residual.forward)


def _rows(layer: Any, params: Params, x: _Value, path: tuple[int, ...]) -> tuple[list[LayerSummary], _Value]:
    """Return the rows of a layer and of those in it, and the layer's output."""
    if not _is_container(layer):
        row, y = _row(layer, params, x, path)
        return [row], y
    inside: list[LayerSummary] = []
    y = x
    for index, (each, each_params) in enumerate(zip(layer.layers, params, strict=True)):
        rows, y = _rows(each, each_params, y, (*path, index))
        inside += rows
    if isinstance(layer, Residual):
        y = y._replace(is_kept=False)  # it is a sum, which no layer inside has seen
    return [LayerSummary(path, layer, y.struct.shape[1:]), *inside], y


def _row(layer: Layer, params: Params, x: _Value, path: tuple[int, ...]) -> tuple[LayerSummary, _Value]:
    """Return the row of one layer, and its output."""
    leaves: list[Any] = jax.tree.leaves(params)
    is_statistic = [False] * len(leaves)

    def forward(params: Params, x: jax.Array) -> tuple[jax.Array, list[Any]]:
        y, cache = layer.call(params, x, key=jax.random.key(0))
        if layer.keeps_statistics:
            learned = zip(jax.tree.leaves(layer.learn(params, cache)), jax.tree.leaves(params), strict=True)
            is_statistic[:] = [new is not old for new, old in learned]
        kept = [each for each in jax.tree.leaves(cache) if isinstance(each, jax.Array | np.ndarray)]
        constants = jax.tree.leaves(cache[0]) if isinstance(layer, Frozen) else []  # the parameters themselves
        return y, [each for each in kept if all(each is not constant for constant in constants)]

    program, (y, _) = jax.make_jaxpr(forward, return_shape=True)(params, x.struct)
    try:
        count = multiply_adds(program)
    except NoRuleError as error:
        where = f"{layer} (layer {'.'.join(map(str, path))})" if path else layer
        raise NoRuleError(message(where, "operations whose multiply-adds are known", error)) from None
    jaxpr = program.jaxpr
    (*given, given_x), (result, *kept) = jaxpr.invars, jaxpr.outvars
    new = {id(each): each.aval for each in kept}  # each once
    is_kept = id(result) in new or (result is given_x and x.is_kept)
    for each in (*given, given_x) if x.is_kept else given:
        new.pop(id(each), None)
    row = LayerSummary(
        path,
        layer,
        y.shape[1:],
        parameters=sum(leaf.size for leaf in leaves),
        statistics=sum(leaf.size for leaf, fixed in zip(leaves, is_statistic, strict=True) if fixed),
        parameter_bytes=_bytes(leaves),
        multiply_adds=count,
        activation_bytes=_bytes(new.values()),
    )
    return row, _Value(jax.ShapeDtypeStruct(y.shape, y.dtype), is_kept)


def _bytes(arrays: Any) -> int:
    return sum(each.size * each.dtype.itemsize for each in arrays)


def _memory(size: float) -> str:
    """Return a number of bytes in a unit in which it is below 1024.

    >>> _memory(700), _memory(1536), _memory(5 * 2**30)
    ('700 B', '1.5 KiB', '5.0 GiB')
    """
    if size < 1024:
        return f"{size} B"
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        size /= 1024
        if size < 1024 or unit == "TiB":
            break
    return f"{size:.1f} {unit}"


def _input_dtype(dtype: Any) -> np.dtype:
    """Return the inputs' dtype as NumPy's; ``TypeError`` or ``ValueError`` for one that JAX does not keep."""
    try:
        found = np.dtype(dtype)
    except (TypeError, ValueError):
        raise TypeError(message("summary", "input_dtype to be a dtype", brief(dtype))) from None
    return check_dtype("summary", found, "input_dtype") if jnp.issubdtype(found, jnp.floating) else found
